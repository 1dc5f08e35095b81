//! Functions on maps and objects. Elements keep their marks and may be unknown.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_model::Fault;

use super::Param::{Keyed, Map, Nullable, Seq, Texts};
use super::collection::ordered;
use super::{Call, Depth, Function, plain, shallow};
use crate::Value;
use crate::types::{Type, convert};
use crate::value::{Entries, Kind, MapKind, SeqKind};

pub(super) const TABLE: &[Function] = &[
    shallow("keys", &[Map], keys),
    shallow("lookup", &[Nullable, Nullable], lookup).rest(Nullable).depth(Depth::Raw),
    shallow("merge", &[], merge).rest(Keyed),
    plain("transpose", &[Map], transpose),
    shallow("values", &[Map], values),
    shallow("zipmap", &[Texts, Seq], zipmap),
];

/// A tuple of an object's, a list of a map's.
fn keys(call: &Call<'_>) -> Result<Value, Fault> {
    let keys: Result<Vec<Value>, Fault> = call.map(0)?.keys().map(|key| call.string(key)).collect();
    match call.arg(0)?.kind() {
        Kind::Map(MapKind::Object, _) => call.tuple(keys?),
        _ => call.list(&Type::String, keys?),
    }
}

/// The default does not matter, and may be unknown, when the key is there.
fn lookup(call: &Call<'_>) -> Result<Value, Fault> {
    if call.args.len() > 3 {
        return Err(call.fault("takes 2 or 3 arguments"));
    }
    let (of, key) = (call.arg(0)?, call.arg(1)?);
    if of.is_unknown() || key.is_unknown() {
        return Ok(call.open());
    }
    let marked = of.is_sensitive() || key.is_sensitive();
    let key = key.text_form().ok_or_else(|| key.wrong(&call.what(1), "a string"))?;
    let found = match (call.map(0)?.get(&key), call.args.get(2)) {
        (Some(found), _) => found.clone(),
        (None, None) => return Err(call.fault(format!("the map has no key `{key}`"))),
        // The elements of a map have one type, and so has the default.
        (None, Some(default)) => match Type::of(of) {
            Type::Map(element) if *element != Type::Any => {
                convert(default, &element).map_err(|why| call.bad(2, format!("does not fit the map: {why}")))?
            }
            _ => default.clone(),
        },
    };
    Ok(found.mark(marked))
}

fn merge(call: &Call<'_>) -> Result<Value, Fault> {
    let mut made = Entries::new();
    // Maps of one type are a map; anything else makes an object.
    let mut element: Option<Option<&Type>> = None;
    for (index, value) in call.args.iter().enumerate() {
        let of = match value.kind() {
            Kind::Null => None,
            Kind::Map(kind, entries) => {
                call.grow(entries.len())?;
                made.extend(entries.iter().map(|(key, value)| (Arc::clone(key), value.clone())));
                if kind == MapKind::Map { value.inner_type() } else { None }
            }
            _ => return Err(value.wrong(&call.what(index), "a map")),
        };
        element = Some(if element.is_none_or(|before| before == of) { of } else { None });
    }
    match element.flatten() {
        Some(of) => Ok(Value::map_of(of, made, call.at.clone())),
        None => call.object(made),
    }
}

fn transpose(call: &Call<'_>) -> Result<Value, Fault> {
    let mut made: BTreeMap<Arc<str>, Vec<Value>> = BTreeMap::new();
    for (key, values) in call.map(0)? {
        for value in values.as_seq().ok_or_else(|| call.bad(0, "must be a map of lists of strings"))? {
            let name = value.text_form().ok_or_else(|| call.bad(0, "must be a map of lists of strings"))?;
            call.grow(1)?;
            made.entry(name).or_default().push(Value::string(Arc::clone(key), call.at.clone()));
        }
    }
    let lists = made.into_iter().map(|(key, list)| (key, Value::list_of(&Type::String, list, call.at.clone())));
    Ok(Value::map_of(&Type::List(Arc::new(Type::String)), lists.collect(), call.at.clone()))
}

fn values(call: &Call<'_>) -> Result<Value, Fault> {
    let found = call.map(0)?.values().cloned().collect();
    match call.arg(0)?.kind() {
        Kind::Map(MapKind::Object, _) => call.tuple(found),
        _ => call.list(&call.element(0)?, found),
    }
}

fn zipmap(call: &Call<'_>) -> Result<Value, Fault> {
    if matches!(call.arg(1)?.kind(), Kind::Seq(SeqKind::Set, _)) {
        return Err(call.bad(1, "must be a list, not a set"));
    }
    let (keys, values) = (call.seq(0)?, call.seq(1)?);
    if keys.iter().any(Value::is_unknown) {
        return Ok(call.open());
    }
    if keys.len() != values.len() {
        return Err(call.fault("keys and values must be equally many"));
    }
    let mut made = Entries::new();
    let mut marked = false;
    for (key, value) in keys.iter().zip(values) {
        marked |= key.is_sensitive();
        let key = key.as_shared_str().ok_or_else(|| call.bad(0, "has an element that is null"))?;
        made.insert(Arc::clone(key), value.clone());
    }
    call.grow(made.len())?;
    let made = match ordered(call.arg(1)?) {
        SeqKind::Tuple => Value::object(made, call.at.clone()),
        _ => Value::map_of(&call.element(1)?, made, call.at.clone()),
    };
    Ok(made.mark(marked))
}
