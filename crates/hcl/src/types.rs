//! Types of values, the type that two have in common, and conversion.
//!
//! As in Terraform: `unify` finds the type that both sides of a conditional, or all elements of a list,
//! can be converted to without a loss. Never guesses: what has no common type has none.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::value::{Entries, Kind, MapKind, SeqKind, article};
use crate::{Value, number};

/// The type of a value. Cheap to clone.
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
            Kind::Seq(SeqKind::Tuple, elements) => Type::Tuple(elements.iter().map(Type::of).collect()),
            Kind::Seq(SeqKind::List, _) => Type::List(element()),
            Kind::Seq(SeqKind::Set, _) => Type::Set(element()),
            Kind::Map(MapKind::Map, _) => Type::Map(element()),
            Kind::Map(MapKind::Object, entries) => Type::Object(Arc::new(
                entries.iter().map(|(name, value)| (Arc::clone(name), Type::of(value))).collect(),
            )),
        }
    }

    /// The type of the elements of a collection; `Any` when they have none in common.
    pub(crate) fn of_elements<'a>(mut elements: impl Iterator<Item = &'a Value>) -> Type {
        elements
            .try_fold(Type::Any, |common, element| match (&common, element.kind()) {
                // By far the most frequent, and quick.
                (Type::String, Kind::String(_)) | (Type::Number, Kind::Number(_)) | (Type::Bool, Kind::Bool(_)) => {
                    Some(common)
                }
                _ => unify_two(&common, &Type::of(element)),
            })
            .unwrap_or(Type::Any)
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

    fn is_primitive(&self) -> bool {
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

/// The type that all of them can be converted to; `None` when there is none.
pub fn unify(types: &[Type]) -> Option<Type> {
    unify_all(types.iter())
}

fn unify_all<'a>(mut types: impl Iterator<Item = &'a Type>) -> Option<Type> {
    types.try_fold(Type::Any, |common, next| unify_two(&common, next))
}

fn shared(element: Type) -> Arc<Type> {
    Arc::new(element)
}

/// The type that both can be converted to.
fn unify_two(a: &Type, b: &Type) -> Option<Type> {
    match (a, b) {
        (Type::Any, other) | (other, Type::Any) => Some(other.clone()),
        (a, b) if a == b => Some(a.clone()),
        // There is no type in common but string, and that only if one of them is a string.
        (a, b) if a.is_primitive() && b.is_primitive() => {
            (*a == Type::String || *b == Type::String).then_some(Type::String)
        }
        (Type::Tuple(a), Type::Tuple(b)) if a.len() == b.len() => {
            a.iter().zip(&**b).map(|(a, b)| unify_two(a, b)).collect::<Option<_>>().map(Type::Tuple)
        }
        (Type::Tuple(a), Type::Tuple(b)) => unify_all(a.iter().chain(&**b)).map(|element| Type::List(shared(element))),
        (Type::List(element), Type::Tuple(tuple)) | (Type::Tuple(tuple), Type::List(element)) => {
            unify_all(tuple.iter().chain([&**element])).map(|element| Type::List(shared(element)))
        }
        (Type::Set(element), Type::Tuple(tuple)) | (Type::Tuple(tuple), Type::Set(element)) => {
            // A set keeps its type: the tuple is what is converted, as in cty.
            let common = unify_all(tuple.iter().chain([&**element]))?;
            Some(Type::Set(if **element == Type::Any { shared(common) } else { Arc::clone(element) }))
        }
        (Type::Set(a), Type::Set(b)) => unify_two(a, b).map(|element| Type::Set(shared(element))),
        (Type::List(a) | Type::Set(a), Type::List(b) | Type::Set(b)) => {
            unify_two(a, b).map(|element| Type::List(shared(element)))
        }
        (Type::Object(a), Type::Object(b)) if a.keys().eq(b.keys()) => a
            .iter()
            .zip(b.values())
            .map(|((name, a), b)| unify_two(a, b).map(|both| (Arc::clone(name), both)))
            .collect::<Option<_>>()
            .map(|attributes| Type::Object(Arc::new(attributes))),
        (Type::Object(a), Type::Object(b)) => {
            unify_all(a.values().chain(b.values())).map(|element| Type::Map(shared(element)))
        }
        (Type::Map(element), Type::Object(object)) | (Type::Object(object), Type::Map(element)) => {
            unify_all(object.values().chain([&**element])).map(|element| Type::Map(shared(element)))
        }
        (Type::Map(a), Type::Map(b)) => unify_two(a, b).map(|element| Type::Map(shared(element))),
        _ => None,
    }
}

/// The value as another type; marks and origins stay. Null and unknown become null and unknown of that type.
/// The error says what is wanted, as in "a number is required".
pub fn convert(value: &Value, to: &Type) -> Result<Value, String> {
    let at = value.origin().clone();
    let converted = match (value.kind(), to) {
        (_, Type::Any) => return Ok(value.clone()),
        (Kind::Null, to) => can_convert(&Type::of(value), to).then(|| Value::null_of(to, at)),
        (Kind::Unknown(unknown), to) => {
            can_convert(unknown.of(), to).then(|| value.clone().refined(to.clone(), unknown.is_never_null()))
        }
        (Kind::Bool(_), Type::Bool) | (Kind::Number(_), Type::Number) | (Kind::String(_), Type::String) => {
            return Ok(value.clone());
        }
        (Kind::String("true" | "1"), Type::Bool) => Some(Value::bool(true, at)),
        (Kind::String("false" | "0"), Type::Bool) => Some(Value::bool(false, at)),
        (Kind::String(text), Type::Number) => number::parse(text).map(|number| Value::number(number, at)),
        (_, Type::String) => value.text_form().map(|text| Value::string(text, at)),
        (Kind::Seq(_, elements), Type::List(element)) => {
            let (of, elements) = each(value, elements, element)?;
            Some(Value::list_of(&of, elements, at))
        }
        (Kind::Seq(_, elements), Type::Set(element)) => {
            let (of, elements) = each(value, elements, element)?;
            Some(Value::set_of(&of, elements, at))
        }
        (Kind::Seq(_, elements), Type::Tuple(types)) if elements.len() == types.len() => {
            let converted =
                elements.iter().zip(&**types).map(|(element, to)| convert(element, to)).collect::<Result<_, _>>()?;
            Some(Value::tuple(converted, at))
        }
        (Kind::Map(_, entries), Type::Map(element)) => {
            let of = common(value, element, entries.values())?;
            Some(Value::map_of(&of, entries_as(entries, |_| Some(&of))?, at))
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

/// Whether there is a conversion between types at all; a value may still not fit.
fn can_convert(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (Type::Any, _) | (_, Type::Any) | (Type::String, Type::Number | Type::Bool) => true,
        (from, Type::String) => from.is_primitive(),
        (Type::List(from) | Type::Set(from), Type::List(to) | Type::Set(to)) | (Type::Map(from), Type::Map(to)) => {
            can_convert(from, to)
        }
        (Type::Tuple(from), Type::List(to) | Type::Set(to)) => from.iter().all(|from| can_convert(from, to)),
        (Type::Tuple(from), Type::Tuple(to)) => {
            from.len() == to.len() && from.iter().zip(&**to).all(|(from, to)| can_convert(from, to))
        }
        (Type::Object(from), Type::Map(to)) => from.values().all(|from| can_convert(from, to)),
        (Type::Object(from), Type::Object(to)) => {
            to.iter().all(|(name, to)| from.get(name).is_some_and(|from| can_convert(from, to)))
        }
        (Type::Map(from), Type::Object(to)) => to.values().all(|to| can_convert(from, to)),
        (from, to) => from == to,
    }
}

/// The entries that have a type, each as that type.
fn entries_as<'t>(entries: &Entries, to: impl Fn(&Arc<str>) -> Option<&'t Type>) -> Result<Entries, String> {
    entries.iter().filter_map(|(name, entry)| to(name).map(|to| Ok((Arc::clone(name), convert(entry, to)?)))).collect()
}

fn each(value: &Value, elements: &[Value], to: &Type) -> Result<(Type, Vec<Value>), String> {
    let to = common(value, to, elements.iter())?;
    let elements = elements.iter().map(|element| convert(element, &to)).collect::<Result<_, _>>()?;
    Ok((to, elements))
}

/// The element type: as wanted; where that is open, what the elements have in common.
fn common<'a>(value: &Value, wanted: &Type, elements: impl Iterator<Item = &'a Value>) -> Result<Type, String> {
    if wanted.is_whole() {
        return Ok(wanted.clone());
    }
    if let Some(of) = value.inner_type()
        && *wanted == Type::Any
    {
        return Ok(of.clone());
    }
    let types: Vec<Type> = elements.map(Type::of).collect();
    let found = unify(&types).ok_or_else(|| "all elements must have the same type".to_owned())?;
    Ok(if *wanted == Type::Any { found } else { wanted.clone() })
}
