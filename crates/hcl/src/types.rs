//! Types of values, the type that two have in common, and conversion.
//!
//! As in Terraform: `unify` finds the type that both sides of a conditional, or all elements of a list,
//! can be converted to without a loss. Never guesses: what has no common type has none.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::value::{Entries, Kind, MapKind, SeqKind, article};
use crate::{Value, number};

/// The type of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    List(Box<Type>),
    /// `set(…)`
    Set(Box<Type>),
    /// `map(…)`
    Map(Box<Type>),
    /// `tuple([…])`
    Tuple(Vec<Type>),
    /// `object({…})`
    Object(BTreeMap<Arc<str>, Type>),
}

impl Type {
    /// The type of a value.
    pub fn of(value: &Value) -> Type {
        match value.kind() {
            Kind::Null | Kind::Unknown(_) => Type::Any,
            Kind::Bool(_) => Type::Bool,
            Kind::Number(_) => Type::Number,
            Kind::String(_) => Type::String,
            Kind::Seq(SeqKind::Tuple, elements) => Type::Tuple(elements.iter().map(Type::of).collect()),
            Kind::Seq(SeqKind::List, elements) => Type::List(Box::new(element_type(elements.iter()))),
            Kind::Seq(SeqKind::Set, elements) => Type::Set(Box::new(element_type(elements.iter()))),
            Kind::Map(MapKind::Map, entries) => Type::Map(Box::new(element_type(entries.values()))),
            Kind::Map(MapKind::Object, entries) => {
                Type::Object(entries.iter().map(|(name, value)| (Arc::clone(name), Type::of(value))).collect())
            }
        }
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
}

/// The element type of a collection whose elements have one type.
fn element_type<'a>(mut elements: impl Iterator<Item = &'a Value>) -> Type {
    elements.try_fold(Type::Any, |common, element| unify_two(&common, &Type::of(element))).unwrap_or(Type::Any)
}

/// The type that all of them can be converted to; `None` when there is none.
pub fn unify(types: &[Type]) -> Option<Type> {
    unify_all(types.iter())
}

fn unify_all<'a>(mut types: impl Iterator<Item = &'a Type>) -> Option<Type> {
    types.try_fold(Type::Any, |common, next| unify_two(&common, next))
}

/// The type that both can be converted to.
fn unify_two(a: &Type, b: &Type) -> Option<Type> {
    match (a, b) {
        (Type::Any, other) | (other, Type::Any) => Some(other.clone()),
        (a, b) if a == b => Some(a.clone()),
        (Type::Bool | Type::Number | Type::String, Type::Bool | Type::Number | Type::String) => {
            // There is no type in common but string, and that only if one of them is a string.
            (*a == Type::String || *b == Type::String).then_some(Type::String)
        }
        (Type::Tuple(a), Type::Tuple(b)) if a.len() == b.len() => {
            a.iter().zip(b).map(|(a, b)| unify_two(a, b)).collect::<Option<_>>().map(Type::Tuple)
        }
        (Type::Tuple(a), Type::Tuple(b)) => unify_all(a.iter().chain(b)).map(|element| Type::List(Box::new(element))),
        (Type::List(element), Type::Tuple(tuple)) | (Type::Tuple(tuple), Type::List(element)) => {
            unify_all(tuple.iter().chain([&**element])).map(|element| Type::List(Box::new(element)))
        }
        (Type::Set(element), Type::Tuple(tuple)) | (Type::Tuple(tuple), Type::Set(element)) => {
            // A set keeps its type: the tuple is what is converted, as in cty.
            let common = unify_all(tuple.iter().chain([&**element]))?;
            Some(Type::Set(Box::new(if **element == Type::Any { common } else { (**element).clone() })))
        }
        (Type::Set(a), Type::Set(b)) => unify_two(a, b).map(|element| Type::Set(Box::new(element))),
        (Type::List(a) | Type::Set(a), Type::List(b) | Type::Set(b)) => {
            unify_two(a, b).map(|element| Type::List(Box::new(element)))
        }
        (Type::Object(a), Type::Object(b)) if a.keys().eq(b.keys()) => a
            .iter()
            .zip(b.values())
            .map(|((name, a), b)| unify_two(a, b).map(|both| (Arc::clone(name), both)))
            .collect::<Option<_>>()
            .map(Type::Object),
        (Type::Object(a), Type::Object(b)) => {
            unify_all(a.values().chain(b.values())).map(|element| Type::Map(Box::new(element)))
        }
        (Type::Map(element), Type::Object(object)) | (Type::Object(object), Type::Map(element)) => {
            unify_all(object.values().chain([&**element])).map(|element| Type::Map(Box::new(element)))
        }
        (Type::Map(a), Type::Map(b)) => unify_two(a, b).map(|element| Type::Map(Box::new(element))),
        _ => None,
    }
}

/// The value as another type; marks and origins stay. Null and unknown are of every type. The error says
/// what is wanted, as in "a number is required".
pub fn convert(value: &Value, to: &Type) -> Result<Value, String> {
    let at = value.origin().clone();
    let converted = match (value.kind(), to) {
        (Kind::Null | Kind::Unknown(_), _) | (_, Type::Any) => return Ok(value.clone()),
        (Kind::Bool(_), Type::Bool) | (Kind::Number(_), Type::Number) | (Kind::String(_), Type::String) => {
            return Ok(value.clone());
        }
        (Kind::String("true" | "1"), Type::Bool) => Some(Value::bool(true, at)),
        (Kind::String("false" | "0"), Type::Bool) => Some(Value::bool(false, at)),
        (Kind::String(text), Type::Number) => number::parse(text).map(|number| Value::number(number, at)),
        (_, Type::String) => value.text_form().map(|text| Value::string(text, at)),
        (Kind::Seq(_, elements), Type::List(element)) => Some(Value::list(each(elements, element)?, at)),
        (Kind::Seq(_, elements), Type::Set(element)) => Some(Value::set(each(elements, element)?, at)),
        (Kind::Seq(_, elements), Type::Tuple(types)) if elements.len() == types.len() => {
            let converted =
                elements.iter().zip(types).map(|(element, to)| convert(element, to)).collect::<Result<_, _>>()?;
            Some(Value::tuple(converted, at))
        }
        (Kind::Map(_, entries), Type::Map(element)) => {
            let element = common(element, entries.values())?;
            Some(Value::map(entries_as(entries, |_| Some(&element))?, at))
        }
        (Kind::Map(_, entries), Type::Object(types)) => {
            if let Some(name) = types.keys().find(|name| !entries.contains_key(*name)) {
                return Err(format!("an attribute `{name}` is required"));
            }
            Some(Value::object(entries_as(entries, |name| types.get(name))?, at))
        }
        _ => None,
    };
    match converted {
        Some(converted) => Ok(converted.mark(value.is_sensitive())),
        None => Err(format!("{} is required", article(to.name()))),
    }
}

/// The entries that have a type, each as that type.
fn entries_as<'t>(entries: &Entries, to: impl Fn(&Arc<str>) -> Option<&'t Type>) -> Result<Entries, String> {
    entries.iter().filter_map(|(name, entry)| to(name).map(|to| Ok((Arc::clone(name), convert(entry, to)?)))).collect()
}

fn each(elements: &[Value], to: &Type) -> Result<Vec<Value>, String> {
    let to = common(to, elements.iter())?;
    elements.iter().map(|element| convert(element, &to)).collect()
}

/// The element type: as wanted, or what the elements have in common.
fn common<'a>(wanted: &Type, elements: impl Iterator<Item = &'a Value>) -> Result<Type, String> {
    if *wanted != Type::Any {
        return Ok(wanted.clone());
    }
    let types: Vec<Type> = elements.map(Type::of).collect();
    unify(&types).ok_or_else(|| "all elements must have the same type".to_owned())
}
