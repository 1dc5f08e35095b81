//! Conversion of values from type to type.

use std::sync::Arc;

use super::{Type, unify};
use crate::value::{Entries, Kind, article};
use crate::{Value, number};

/// The value as another type; marks and origins stay. Null and unknown become null and unknown of that type.
/// The error says what is wanted, as in "a number is required".
pub fn convert(value: &Value, to: &Type) -> Result<Value, String> {
    let at = value.origin().clone();
    let wrong = || format!("{} is required", article(to.name()));
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
        (Kind::Seq(_, elements), Type::List(wanted)) => {
            let (of, elements) = each(value, elements, wanted)?;
            Some(Value::list_of(&of, elements, at))
        }
        (Kind::Seq(_, elements), Type::Set(wanted)) => {
            let (of, elements) = each(value, elements, wanted)?;
            Some(Value::set_of(&of, elements, at))
        }
        (Kind::Seq(_, elements), Type::Tuple(types)) if elements.len() == types.len() => {
            let converted =
                elements.iter().zip(&**types).map(|(element, to)| convert(element, to)).collect::<Result<_, _>>()?;
            Some(Value::tuple(converted, at))
        }
        (Kind::Map(_, entries), Type::Map(wanted)) => {
            let of = common(value, wanted, entries.values())?;
            let entries = entries_as(entries, |_| Some(&of))?;
            if of.is_whole() || entries.is_empty() {
                return Ok(Value::map_of(&of, entries, at).mark(value.is_sensitive()));
            }
            // What was open in the type has been found in the values.
            let of = of_one_type(entries.values())?;
            Some(Value::map_of(&of, entries_as(&entries, |_| Some(&of))?, at))
        }
        (Kind::Map(_, entries), Type::Object(types)) => {
            if let Some(name) = types.keys().find(|name| !entries.contains_key(*name)) {
                return Err(format!("an attribute `{name}` is required"));
            }
            Some(Value::object(entries_as(entries, |name| types.get(name))?, at))
        }
        _ => None,
    };
    converted.map(|converted| converted.mark(value.is_sensitive())).ok_or_else(wrong)
}

/// Whether there is a conversion between types at all; a value may still not fit. What is open is taken to fit.
pub(crate) fn can_convert(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (Type::Any, _) | (_, Type::Any) | (Type::String, Type::Number | Type::Bool) => true,
        (Type::Bool | Type::Number | Type::String, Type::String) => true,
        (Type::List(from) | Type::Set(from), Type::List(to) | Type::Set(to)) | (Type::Map(from), Type::Map(to)) => {
            can_convert(from, to)
        }
        (Type::Tuple(parts), Type::List(to) | Type::Set(to)) => parts.is_empty() || all_convert(parts, to, true),
        (Type::Tuple(from), Type::Tuple(to)) => {
            from.len() == to.len() && from.iter().zip(&**to).all(|(from, to)| can_convert(from, to))
        }
        (Type::Object(from), Type::Map(to)) => {
            from.is_empty() || all_convert(&from.values().cloned().collect::<Vec<_>>(), to, false)
        }
        (Type::Object(from), Type::Object(to)) => {
            to.iter().all(|(name, to)| from.get(name).is_some_and(|from| can_convert(from, to)))
        }
        (Type::Map(from), Type::Object(to)) => to.values().all(|to| can_convert(from, to)),
        (from, to) => from == to,
    }
}

/// Whether all parts can become elements of one collection. With an open type among typed ones, a list cannot
/// say what its elements are, and a map can.
fn all_convert(parts: &[Type], to: &Type, strict: bool) -> bool {
    if *to != Type::Any {
        return parts.iter().all(|from| can_convert(from, to));
    }
    match unify(parts) {
        None => false,
        Some(Type::Any) => !strict || parts.iter().all(|part| *part == Type::Any),
        Some(common) => parts.iter().all(|from| can_convert(from, &common)),
    }
}

/// The entries that have a type, each as that type.
fn entries_as<'t>(entries: &Entries, to: impl Fn(&Arc<str>) -> Option<&'t Type>) -> Result<Entries, String> {
    entries.iter().filter_map(|(name, entry)| to(name).map(|to| Ok((Arc::clone(name), convert(entry, to)?)))).collect()
}

/// The elements as one type, and that type.
fn each(value: &Value, elements: &[Value], wanted: &Type) -> Result<(Type, Vec<Value>), String> {
    let of = common(value, wanted, elements.iter())?;
    if elements.is_empty() && value.inner_type().is_some_and(|inner| !can_convert(inner, &of)) {
        return Err(format!("{} is required", article(of.name())));
    }
    if of == Type::Any && !elements.iter().all(|element| Type::of(element) == Type::Any) {
        return Err("elements of one type are required".to_owned());
    }
    let elements: Vec<Value> = elements.iter().map(|element| convert(element, &of)).collect::<Result<_, _>>()?;
    if of.is_whole() || elements.is_empty() {
        return Ok((of, elements));
    }
    // Nothing in them is open any more where the values say what it is.
    let of = Type::of_elements(elements.iter());
    let elements = elements.iter().map(|element| convert(element, &of)).collect::<Result<_, _>>()?;
    Ok((of, elements))
}

/// The type of the entries of a map, when what was open in it has been found.
fn of_one_type<'a>(entries: impl Iterator<Item = &'a Value>) -> Result<Type, String> {
    let types: Vec<Type> = entries.map(Type::of).filter(|of| *of != Type::Any).collect();
    let Some(whole) = types.iter().find(|of| of.is_whole()) else {
        return Ok(types.first().cloned().unwrap_or(Type::Any));
    };
    match types.iter().all(|of| of == whole || !of.is_whole()) {
        true => Ok(whole.clone()),
        false => Err("elements of one type are required".to_owned()),
    }
}

/// The element type: as wanted; where that is open, what the elements have in common.
fn common<'a>(value: &Value, wanted: &Type, elements: impl Iterator<Item = &'a Value>) -> Result<Type, String> {
    if *wanted != Type::Any {
        return Ok(wanted.clone());
    }
    if let Some(of) = value.inner_type() {
        return Ok(of.clone());
    }
    let types: Vec<Type> = elements.map(Type::of).collect();
    if types.is_empty() {
        return Ok(Type::Any);
    }
    unify(&types).ok_or_else(|| "elements of one type are required".to_owned())
}
