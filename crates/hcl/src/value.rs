//! Values: known, unknown and sensitive, each with its origin.
//!
//! A value is cheap to clone: what is large in it is shared. A collection knows the type of its elements, and
//! null and unknown know theirs where it is known, since that decides what a later conversion makes of them.
//! Marks (sensitive) are kept where they belong: on the element, not on the collection that holds it. An unknown says why it is unknown and carries a trace of how it was made, so
//! that two unknowns that come from different expressions are told apart. Never evaluates anything.

mod marks;
mod node;
mod same;
mod want;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bigdecimal::BigDecimal;
use portcullis_model::{Digest, DigestBuilder};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::types::Type;
use crate::{Origin, set_order};

use node::Node;
pub use want::article;

/// Bytes of text that are hashed, searched or copied for one step.
const BYTES_OF_A_STEP: u64 = 64;

/// Entries of a map or object, sorted by key as Terraform iterates them.
pub type Entries = BTreeMap<Arc<str>, Value>;

/// A value with its marks and origin.
#[derive(Clone)]
pub struct Value {
    data: Data,
    sensitive: bool,
    origin: Origin,
}

#[derive(Clone)]
enum Data {
    /// Of a type, if it is known.
    Null(Option<Arc<Type>>),
    Bool(bool),
    Number(Arc<BigDecimal>),
    String(Arc<str>),
    Tuple(Arc<Node<Vec<Value>>>),
    /// With the type of the elements.
    List(Arc<Type>, Arc<Node<Vec<Value>>>),
    Set(Arc<Type>, Arc<Node<Vec<Value>>>),
    Object(Arc<Node<Entries>>),
    Map(Arc<Type>, Arc<Node<Entries>>),
    Unknown(Arc<Unknown>),
}

/// Which sequence a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SeqKind {
    /// Elements of one type.
    List,
    /// Elements of any types: what `[…]` makes.
    Tuple,
    /// Sorted elements of one type without duplicates.
    Set,
}

/// Which mapping a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MapKind {
    /// Elements of one type.
    Map,
    /// Attributes of any types: what `{…}` makes.
    Object,
}

/// A value as it is looked at.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    /// `null`.
    Null,
    /// A bool.
    Bool(bool),
    /// A number.
    Number(&'a BigDecimal),
    /// A string.
    String(&'a str),
    /// A list, tuple or set.
    Seq(SeqKind, &'a [Value]),
    /// A map or object, sorted by key.
    Map(MapKind, &'a Entries),
    /// Not known without running something.
    Unknown(&'a Unknown),
}

/// Why a value is not known.
#[derive(Debug, Clone)]
pub struct Unknown {
    reason: Arc<str>,
    origin: Origin,
    trace: Digest,
    of: Type,
    never_null: bool,
}

impl Unknown {
    /// The type that the value will have; `Any` when that is not known either.
    pub fn of(&self) -> &Type {
        &self.of
    }

    /// Whether the value, once known, cannot be null: what a template or an operator makes.
    pub fn is_never_null(&self) -> bool {
        self.never_null
    }

    /// The reason, as a lowercase fragment or the name of what is not known (`dependency.vpc.outputs.id`).
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Where the unknown came in; for a derived value, not where it ended up.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Stands for how the value was made: the first reason, and every operation and known operand since.
    /// Equal for equal expressions over equal unknowns, also across commits.
    pub fn trace(&self) -> &Digest {
        &self.trace
    }
}

/// Makers.
impl Value {
    fn make(data: Data, origin: Origin) -> Self {
        Value { data, sensitive: false, origin }
    }

    /// `null`, of any type.
    pub fn null(origin: Origin) -> Self {
        Value::make(Data::Null(None), origin)
    }

    /// `null` of a type, as a conversion makes it.
    pub(crate) fn null_of(of: &Type, origin: Origin) -> Self {
        Value::make(Data::Null((*of != Type::Any).then(|| Arc::new(of.clone()))), origin)
    }

    /// A bool.
    pub fn bool(value: bool, origin: Origin) -> Self {
        Value::make(Data::Bool(value), origin)
    }

    /// A number.
    pub fn number(value: impl Into<BigDecimal>, origin: Origin) -> Self {
        Value::make(Data::Number(Arc::new(crate::number::normal(value.into()))), origin)
    }

    /// A string. It is brought to Unicode's normal form C, as all strings of Terraform are.
    pub fn string(value: impl Into<Arc<str>>, origin: Origin) -> Self {
        let value: Arc<str> = value.into();
        let normal = value.is_ascii() || is_nfc(&value);
        Value::make(Data::String(if normal { value } else { value.nfc().collect::<String>().into() }), origin)
    }

    /// A list; the elements are taken as they are, and their type is what they have in common.
    pub fn list(elements: Vec<Value>, origin: Origin) -> Self {
        Value::list_of(&Type::of_elements(elements.iter()), elements, origin)
    }

    /// A list of elements that are of that type already.
    pub(crate) fn list_of(element: &Type, elements: Vec<Value>, origin: Origin) -> Self {
        Value::make(Data::List(Arc::new(element.clone()), Arc::new(Node::new(elements))), origin)
    }

    /// A tuple: what `[…]` makes.
    pub fn tuple(elements: Vec<Value>, origin: Origin) -> Self {
        Value::make(Data::Tuple(Arc::new(Node::new(elements))), origin)
    }

    /// A set: sorted, without duplicates. Sensitive as a whole if one of the elements is.
    pub fn set(elements: Vec<Value>, origin: Origin) -> Self {
        Value::set_of(&Type::of_elements(elements.iter()), elements, origin)
    }

    /// A set of elements that are of that type already.
    pub(crate) fn set_of(element: &Type, elements: Vec<Value>, origin: Origin) -> Self {
        let (elements, sensitive) = set_order::arrange(elements);
        Value::make(Data::Set(Arc::new(element.clone()), Arc::new(Node::new(elements))), origin).mark(sensitive)
    }

    /// A list or tuple as it is, or a list of what is in a set.
    pub(crate) fn seq(kind: SeqKind, elements: Vec<Value>, origin: Origin) -> Self {
        match kind {
            SeqKind::Tuple => Value::tuple(elements, origin),
            SeqKind::List | SeqKind::Set => Value::list(elements, origin),
        }
    }

    /// A map; the elements are taken as they are, and their type is what they have in common.
    pub fn map(entries: Entries, origin: Origin) -> Self {
        Value::map_of(&Type::of_elements(entries.values()), entries, origin)
    }

    /// A map of elements that are of that type already.
    pub(crate) fn map_of(element: &Type, entries: Entries, origin: Origin) -> Self {
        Value::make(Data::Map(Arc::new(element.clone()), Arc::new(Node::new(entries))), origin)
    }

    /// An object: what `{…}` makes.
    pub fn object(entries: Entries, origin: Origin) -> Self {
        Value::make(Data::Object(Arc::new(Node::new(entries))), origin)
    }

    /// Not known without running something. Two unknowns of one reason are the same unknown.
    pub fn unknown(reason: impl Into<Arc<str>>, origin: Origin) -> Self {
        let reason = reason.into();
        let mut trace = DigestBuilder::new("portcullis unknown v1");
        trace.text(&reason);
        let unknown =
            Unknown { reason, origin: origin.clone(), trace: trace.finish(), of: Type::Any, never_null: false };
        Value::make(Data::Unknown(Arc::new(unknown)), origin)
    }

    /// The unknown that an operation over `operands` yields: the first unknown's reason, a trace of the
    /// operation and all operands, sensitive if one of them is. Without an unknown among the operands the
    /// operation itself is the reason.
    pub fn derived(operation: &str, operands: &[Value], origin: Origin) -> Self {
        let mut trace = DigestBuilder::new("portcullis derived v1");
        trace.text(operation).number(operands.len() as u64);
        for operand in operands {
            operand.digest_into(&mut trace);
        }
        let first = operands.iter().find_map(Value::first_unknown);
        let (reason, from) = match first {
            Some(unknown) => (Arc::clone(&unknown.reason), unknown.origin.clone()),
            None => (operation.into(), origin.clone()),
        };
        let unknown = Unknown { reason, origin: from, trace: trace.finish(), of: Type::Any, never_null: false };
        Value {
            data: Data::Unknown(Arc::new(unknown)),
            sensitive: operands.iter().any(Value::is_sensitive_deep),
            origin,
        }
    }

    /// The same unknown, of which the type is known, and that it is not null. Anything else stays as it is.
    #[must_use]
    pub(crate) fn never_null(self, of: Type) -> Self {
        self.refined(of, true)
    }

    /// The same unknown as another type.
    #[must_use]
    pub(crate) fn refined(mut self, of: Type, never_null: bool) -> Self {
        if let Data::Unknown(unknown) = &self.data {
            let never_null = never_null || unknown.never_null;
            self.data = Data::Unknown(Arc::new(Unknown { of, never_null, ..Unknown::clone(unknown) }));
        }
        self
    }
}

/// Looking at a value.
impl Value {
    /// What the value is.
    pub fn kind(&self) -> Kind<'_> {
        match &self.data {
            Data::Null(_) => Kind::Null,
            Data::Bool(value) => Kind::Bool(*value),
            Data::Number(value) => Kind::Number(value),
            Data::String(value) => Kind::String(value),
            Data::Tuple(node) => Kind::Seq(SeqKind::Tuple, &node.items),
            Data::List(_, node) => Kind::Seq(SeqKind::List, &node.items),
            Data::Set(_, node) => Kind::Seq(SeqKind::Set, &node.items),
            Data::Object(node) => Kind::Map(MapKind::Object, &node.items),
            Data::Map(_, node) => Kind::Map(MapKind::Map, &node.items),
            Data::Unknown(unknown) => Kind::Unknown(unknown),
        }
    }

    /// The type of the elements of a list, set or map; the type of null, if it has one.
    pub(crate) fn inner_type(&self) -> Option<&Type> {
        match &self.data {
            Data::List(of, _) | Data::Set(of, _) | Data::Map(of, _) => Some(of),
            Data::Null(of) => of.as_deref(),
            _ => None,
        }
    }

    /// Values in it, itself included. A value that is in it twice counts twice, also when it is shared: it is
    /// what a walk through it costs.
    pub fn weight(&self) -> u64 {
        match &self.data {
            Data::Tuple(node) | Data::List(_, node) | Data::Set(_, node) => node.weight(),
            Data::Object(node) | Data::Map(_, node) => node.weight(),
            _ => 1,
        }
    }

    /// Bytes of the strings in it, counted as values are for the weight.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.data {
            Data::String(text) => text.len() as u64,
            Data::Tuple(node) | Data::List(_, node) | Data::Set(_, node) => node.bytes(),
            Data::Object(node) | Data::Map(_, node) => node.bytes(),
            _ => 0,
        }
    }

    /// Steps that a walk through all of it costs, with the texts.
    pub(crate) fn cost(&self) -> u64 {
        self.weight().saturating_add(self.bytes() / BYTES_OF_A_STEP)
    }

    /// The type of a tuple or object, made once.
    pub(crate) fn structure_type(&self) -> Option<&Type> {
        match &self.data {
            Data::Tuple(node) => Some(node.of(|elements| Type::Tuple(elements.iter().map(Type::of).collect()))),
            Data::Object(node) => Some(node.of(|entries| {
                let attributes = entries.iter().map(|(name, value)| (Arc::clone(name), Type::of(value)));
                Type::Object(Arc::new(attributes.collect()))
            })),
            _ => None,
        }
    }

    /// Whether both are the very same collection.
    pub(crate) fn is_same(&self, other: &Value) -> bool {
        match (&self.data, &other.data) {
            (Data::Tuple(a), Data::Tuple(b))
            | (Data::List(_, a), Data::List(_, b))
            | (Data::Set(_, a), Data::Set(_, b)) => Arc::ptr_eq(a, b),
            (Data::Object(a), Data::Object(b)) | (Data::Map(_, a), Data::Map(_, b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Null(_))
    }

    /// Whether the value itself is unknown. Its elements may be, even if it is not.
    pub fn is_unknown(&self) -> bool {
        matches!(self.data, Data::Unknown(_))
    }

    /// The string, if it is one (nothing is converted).
    pub fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::String(value) => Some(value),
            _ => None,
        }
    }

    /// The shared string, if it is one.
    pub fn as_shared_str(&self) -> Option<&Arc<str>> {
        match &self.data {
            Data::String(value) => Some(value),
            _ => None,
        }
    }

    /// The bool, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.data {
            Data::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<&BigDecimal> {
        match &self.data {
            Data::Number(value) => Some(value),
            _ => None,
        }
    }

    /// The elements of a list, tuple or set.
    pub fn as_seq(&self) -> Option<&[Value]> {
        match &self.data {
            Data::Tuple(node) | Data::List(_, node) | Data::Set(_, node) => Some(&node.items),
            _ => None,
        }
    }

    /// The entries of a map or object.
    pub fn as_map(&self) -> Option<&Entries> {
        match &self.data {
            Data::Object(node) | Data::Map(_, node) => Some(&node.items),
            _ => None,
        }
    }

    /// The entry of a map or object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map().and_then(|entries| entries.get(key))
    }

    /// What kind of value it is, for messages: `string`, `list`, `object`, …
    pub fn type_name(&self) -> &'static str {
        match &self.data {
            Data::Null(_) => "null",
            Data::Bool(_) => "bool",
            Data::Number(_) => "number",
            Data::String(_) => "string",
            Data::List(..) => "list",
            Data::Tuple(_) => "tuple",
            Data::Set(..) => "set",
            Data::Map(..) => "map",
            Data::Object(_) => "object",
            Data::Unknown(_) => "unknown value",
        }
    }
}

/// Shows data for tests and logs; a sensitive value is never shown.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sensitive {
            return f.write_str("(sensitive)");
        }
        match &self.data {
            Data::Null(_) => f.write_str("null"),
            Data::Bool(value) => write!(f, "{value}"),
            Data::Number(number) => f.write_str(&number.to_plain_string()),
            Data::String(text) => write!(f, "{text:?}"),
            Data::Tuple(node) | Data::List(_, node) | Data::Set(_, node) => {
                f.debug_list().entries(node.items.iter()).finish()
            }
            Data::Object(node) | Data::Map(_, node) => f.debug_map().entries(node.items.iter()).finish(),
            Data::Unknown(unknown) => write!(f, "(unknown: {})", unknown.reason),
        }
    }
}
