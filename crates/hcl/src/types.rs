//! Types of values, the type that several have in common (`unify`), and conversion (`convert`).
//!
//! The rules are those of cty, Terraform's library of values. Never guesses: what has no common type has none.

mod convert;
mod unify;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Value;
use crate::value::{Kind, MapKind, SeqKind};

pub(crate) use convert::can_convert;
pub use convert::convert;
pub use unify::unify;

/// The type of a value. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// Null, unknown, or the elements of an empty collection: any type will do.
    Any,
    /// `bool`
    Bool,
    /// `number`
    Number,
    /// `string`
    String,
    /// `list(…)`
    List(Arc<Type>),
    /// `set(…)`
    Set(Arc<Type>),
    /// `map(…)`
    Map(Arc<Type>),
    /// `tuple([…])`
    Tuple(Arc<[Type]>),
    /// `object({…})`
    Object(Arc<BTreeMap<Arc<str>, Type>>),
}

impl Type {
    /// The type of a value.
    pub fn of(value: &Value) -> Type {
        let element = || Arc::new(value.inner_type().cloned().unwrap_or(Type::Any));
        match value.kind() {
            Kind::Null => value.inner_type().cloned().unwrap_or(Type::Any),
            Kind::Unknown(unknown) => unknown.of().clone(),
            Kind::Bool(_) => Type::Bool,
            Kind::Number(_) => Type::Number,
            Kind::String(_) => Type::String,
            Kind::Seq(SeqKind::Tuple, _) | Kind::Map(MapKind::Object, _) => {
                value.structure_type().cloned().unwrap_or(Type::Any)
            }
            Kind::Seq(SeqKind::List, _) => Type::List(element()),
            Kind::Seq(SeqKind::Set, _) => Type::Set(element()),
            Kind::Map(MapKind::Map, _) => Type::Map(element()),
        }
    }

    /// The type of the elements of a collection; `Any` when they have none in common.
    pub(crate) fn of_elements<'a>(elements: impl Iterator<Item = &'a Value>) -> Type {
        let types: Vec<Type> = elements.map(Type::of).collect();
        unify(&types).unwrap_or(Type::Any)
    }

    /// What it is called in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Type::Any => "value",
            Type::Bool => "bool",
            Type::Number => "number",
            Type::String => "string",
            Type::List(_) => "list",
            Type::Set(_) => "set",
            Type::Map(_) => "map",
            Type::Tuple(_) => "tuple",
            Type::Object(_) => "object",
        }
    }

    pub(crate) fn is_primitive(&self) -> bool {
        matches!(self, Type::Bool | Type::Number | Type::String)
    }

    /// Whether no part of it is open.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Type::Any => false,
            Type::Bool | Type::Number | Type::String => true,
            Type::List(element) | Type::Set(element) | Type::Map(element) => element.is_whole(),
            Type::Tuple(elements) => elements.iter().all(Type::is_whole),
            Type::Object(attributes) => attributes.values().all(Type::is_whole),
        }
    }
}
