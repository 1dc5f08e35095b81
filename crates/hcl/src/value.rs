//! Values: known, unknown and sensitive, each with its origin.
//!
//! A value is cheap to clone. Marks (sensitive) are kept where they belong: on the element, not on the
//! collection that holds it. An unknown says why it is unknown and carries a trace of how it was made, so
//! that two unknowns that come from different expressions are told apart. Never evaluates anything.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bigdecimal::BigDecimal;
use portcullis_model::{Code, Digest, DigestBuilder, Fault};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::{Origin, set_order};

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
    Null,
    Bool(bool),
    Number(Arc<BigDecimal>),
    String(Arc<str>),
    Seq(SeqKind, Arc<Vec<Value>>),
    Map(MapKind, Arc<Entries>),
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
}

impl Unknown {
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

    /// `null`.
    pub fn null(origin: Origin) -> Self {
        Value::make(Data::Null, origin)
    }

    /// A bool.
    pub fn bool(value: bool, origin: Origin) -> Self {
        Value::make(Data::Bool(value), origin)
    }

    /// A number.
    pub fn number(value: impl Into<BigDecimal>, origin: Origin) -> Self {
        Value::make(Data::Number(Arc::new(value.into().normalized())), origin)
    }

    /// A string. It is brought to Unicode's normal form C, as all strings of Terraform are.
    pub fn string(value: impl Into<Arc<str>>, origin: Origin) -> Self {
        let value: Arc<str> = value.into();
        let normal = value.is_ascii() || is_nfc(&value);
        Value::make(Data::String(if normal { value } else { value.nfc().collect::<String>().into() }), origin)
    }

    /// A list; the elements are taken as they are.
    pub fn list(elements: Vec<Value>, origin: Origin) -> Self {
        Value::seq(SeqKind::List, elements, origin)
    }

    /// A tuple: what `[…]` makes.
    pub fn tuple(elements: Vec<Value>, origin: Origin) -> Self {
        Value::seq(SeqKind::Tuple, elements, origin)
    }

    /// A set: sorted, without duplicates. Sensitive as a whole if one of the elements is.
    pub fn set(elements: Vec<Value>, origin: Origin) -> Self {
        let (elements, sensitive) = set_order::arrange(elements);
        Value::seq(SeqKind::Set, elements, origin).mark(sensitive)
    }

    /// A list or tuple as it is. For a set use [`Value::set`].
    pub(crate) fn seq(kind: SeqKind, elements: Vec<Value>, origin: Origin) -> Self {
        Value::make(Data::Seq(kind, Arc::new(elements)), origin)
    }

    /// A map; the elements are taken as they are.
    pub fn map(entries: Entries, origin: Origin) -> Self {
        Value::make(Data::Map(MapKind::Map, Arc::new(entries)), origin)
    }

    /// An object: what `{…}` makes.
    pub fn object(entries: Entries, origin: Origin) -> Self {
        Value::make(Data::Map(MapKind::Object, Arc::new(entries)), origin)
    }

    /// Not known without running something. Two unknowns of one reason are the same unknown.
    pub fn unknown(reason: impl Into<Arc<str>>, origin: Origin) -> Self {
        let reason = reason.into();
        let mut trace = DigestBuilder::new("portcullis unknown v1");
        trace.text(&reason);
        let unknown = Unknown { reason, origin: origin.clone(), trace: trace.finish() };
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
        let unknown = Unknown { reason, origin: from, trace: trace.finish() };
        Value {
            data: Data::Unknown(Arc::new(unknown)),
            sensitive: operands.iter().any(Value::is_sensitive_deep),
            origin,
        }
    }
}

/// Marks and origin.
impl Value {
    /// Where the value was written, or made by a call or operation.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The same value from elsewhere. Elements keep their origin.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// The same value, marked sensitive if `sensitive`; a mark that is set stays.
    #[must_use]
    pub fn mark(mut self, sensitive: bool) -> Self {
        self.sensitive |= sensitive;
        self
    }

    /// The same value without the mark on itself; elements keep theirs.
    #[must_use]
    pub fn unmarked(mut self) -> Self {
        self.sensitive = false;
        self
    }

    /// Whether the value itself is sensitive. Its elements may be, even if it is not.
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// Whether the value or anything in it is sensitive.
    pub fn is_sensitive_deep(&self) -> bool {
        self.sensitive
            || match &self.data {
                Data::Seq(_, elements) => elements.iter().any(Value::is_sensitive_deep),
                Data::Map(_, entries) => entries.values().any(Value::is_sensitive_deep),
                _ => false,
            }
    }

    /// Whether the value and everything in it is known.
    pub fn is_known_deep(&self) -> bool {
        self.first_unknown().is_none()
    }

    /// The first unknown in the value, depth first.
    pub fn first_unknown(&self) -> Option<&Unknown> {
        match &self.data {
            Data::Unknown(unknown) => Some(unknown),
            Data::Seq(_, elements) => elements.iter().find_map(Value::first_unknown),
            Data::Map(_, entries) => entries.values().find_map(Value::first_unknown),
            _ => None,
        }
    }

    /// All unknowns in the value, depth first.
    pub fn unknowns(&self) -> Vec<&Unknown> {
        let mut found = Vec::new();
        self.collect_unknowns(&mut found);
        found
    }

    fn collect_unknowns<'a>(&'a self, found: &mut Vec<&'a Unknown>) {
        match &self.data {
            Data::Unknown(unknown) => found.push(unknown),
            Data::Seq(_, elements) => elements.iter().for_each(|element| element.collect_unknowns(found)),
            Data::Map(_, entries) => entries.values().for_each(|entry| entry.collect_unknowns(found)),
            _ => {}
        }
    }
}

/// Looking at a value.
impl Value {
    /// What the value is.
    pub fn kind(&self) -> Kind<'_> {
        match &self.data {
            Data::Null => Kind::Null,
            Data::Bool(value) => Kind::Bool(*value),
            Data::Number(value) => Kind::Number(value),
            Data::String(value) => Kind::String(value),
            Data::Seq(kind, elements) => Kind::Seq(*kind, elements),
            Data::Map(kind, entries) => Kind::Map(*kind, entries),
            Data::Unknown(unknown) => Kind::Unknown(unknown),
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Null)
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
            Data::Seq(_, elements) => Some(elements),
            _ => None,
        }
    }

    /// The entries of a map or object.
    pub fn as_map(&self) -> Option<&Entries> {
        match &self.data {
            Data::Map(_, entries) => Some(entries),
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
            Data::Null => "null",
            Data::Bool(_) => "bool",
            Data::Number(_) => "number",
            Data::String(_) => "string",
            Data::Seq(SeqKind::List, _) => "list",
            Data::Seq(SeqKind::Tuple, _) => "tuple",
            Data::Seq(SeqKind::Set, _) => "set",
            Data::Map(MapKind::Map, _) => "map",
            Data::Map(MapKind::Object, _) => "object",
            Data::Unknown(_) => "unknown value",
        }
    }
}

/// Asking for a kind of value, with a fault that names `what` and the value's place otherwise.
impl Value {
    /// A fault at the value's place.
    pub fn fault(&self, code: Code, message: impl Into<String>) -> Fault {
        self.origin.fault(code, message)
    }

    /// `PC-0406`: `what` must be `wanted`; `PC-0418` when the value is unknown.
    pub fn wrong(&self, what: &str, wanted: &str) -> Fault {
        if let Data::Unknown(unknown) = &self.data {
            return self
                .fault(Code::INEXACT, format!("{what} is not known without running something: {}", unknown.reason))
                .note(format!("the unknown comes from {}", unknown.origin.place()));
        }
        self.fault(Code::HCL_TYPE, format!("{what} must be {wanted}, not {}", article(self.type_name())))
    }

    /// A known string; numbers and bools are converted as Terraform does.
    pub fn want_string(&self, what: &str) -> Result<Arc<str>, Fault> {
        self.text_form().ok_or_else(|| self.wrong(what, "a string"))
    }

    /// A known bool; `"true"`, `"1"`, `"false"` and `"0"` are converted, as in Terraform.
    pub fn want_bool(&self, what: &str) -> Result<bool, Fault> {
        match &self.data {
            Data::Bool(value) => Ok(*value),
            Data::String(text) if matches!(&**text, "true" | "1") => Ok(true),
            Data::String(text) if matches!(&**text, "false" | "0") => Ok(false),
            _ => Err(self.wrong(what, "a bool")),
        }
    }

    /// The elements of a known list, tuple or set. The elements may be unknown.
    pub fn want_seq(&self, what: &str) -> Result<&[Value], Fault> {
        self.as_seq().ok_or_else(|| self.wrong(what, "a list"))
    }

    /// The elements of a list, tuple or set as known strings.
    pub fn want_strings(&self, what: &str) -> Result<Vec<String>, Fault> {
        self.want_seq(what)?
            .iter()
            .map(|element| element.want_string(&format!("each element of {what}")).map(|text| text.to_string()))
            .collect()
    }

    /// The entries of a known map or object. The entries may be unknown.
    pub fn want_map(&self, what: &str) -> Result<&Entries, Fault> {
        self.as_map().ok_or_else(|| self.wrong(what, "a map"))
    }

    /// The string that a known string, number or bool becomes in a template; `None` for anything else.
    pub fn text_form(&self) -> Option<Arc<str>> {
        match &self.data {
            Data::String(text) => Some(Arc::clone(text)),
            Data::Bool(value) => Some(if *value { "true" } else { "false" }.into()),
            Data::Number(number) => Some(crate::number::text(number).into()),
            _ => None,
        }
    }
}

pub(crate) fn article(noun: &str) -> String {
    match noun {
        "null" => noun.to_owned(),
        _ if noun.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {noun}"),
        _ => format!("a {noun}"),
    }
}

/// Comparing.
impl Value {
    /// Equality of data. Marks and origins do not matter; unknowns are equal when their traces are; a list
    /// equals a tuple with equal elements.
    pub fn equals(&self, other: &Value) -> bool {
        match (&self.data, &other.data) {
            (Data::Null, Data::Null) => true,
            (Data::Bool(a), Data::Bool(b)) => a == b,
            (Data::Number(a), Data::Number(b)) => a == b,
            (Data::String(a), Data::String(b)) => a == b,
            (Data::Seq(_, a), Data::Seq(_, b)) => a.len() == b.len() && a.iter().zip(&**b).all(|(a, b)| a.equals(b)),
            (Data::Map(_, a), Data::Map(_, b)) => {
                a.len() == b.len() && a.iter().zip(&**b).all(|((ka, a), (kb, b))| ka == kb && a.equals(b))
            }
            (Data::Unknown(a), Data::Unknown(b)) => a.trace == b.trace,
            _ => false,
        }
    }

    /// A digest of the data. Marks, origins and the difference between list and tuple, map and object do
    /// not matter; an unknown stands with its trace. Equal configuration has equal digests.
    pub fn digest(&self) -> Digest {
        let mut digest = DigestBuilder::new("portcullis value v1");
        self.digest_into(&mut digest);
        digest.finish()
    }

    /// Adds the data to a digest; see [`Value::digest`].
    pub fn digest_into(&self, digest: &mut DigestBuilder) {
        match &self.data {
            Data::Null => digest.text("null"),
            Data::Bool(value) => digest.text(if *value { "true" } else { "false" }),
            Data::Number(number) => digest.text("number").text(&number.to_scientific_notation()),
            Data::String(text) => digest.text("string").text(text),
            Data::Seq(_, elements) => {
                digest.text("seq").number(elements.len() as u64);
                for element in elements.iter() {
                    element.digest_into(digest);
                }
                digest
            }
            Data::Map(_, entries) => {
                digest.text("map").number(entries.len() as u64);
                for (key, value) in entries.iter() {
                    digest.text(key);
                    value.digest_into(digest);
                }
                digest
            }
            Data::Unknown(unknown) => digest.text("unknown").bytes(unknown.trace.as_bytes()),
        };
    }
}

/// Shows data for tests and logs; a sensitive value is never shown.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sensitive {
            return f.write_str("(sensitive)");
        }
        match &self.data {
            Data::Null => f.write_str("null"),
            Data::Bool(value) => write!(f, "{value}"),
            Data::Number(number) => f.write_str(&number.to_plain_string()),
            Data::String(text) => write!(f, "{text:?}"),
            Data::Seq(_, elements) => f.debug_list().entries(elements.iter()).finish(),
            Data::Map(_, entries) => f.debug_map().entries(entries.iter()).finish(),
            Data::Unknown(unknown) => write!(f, "(unknown: {})", unknown.reason),
        }
    }
}
