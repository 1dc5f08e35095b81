//! Functions on lists and maps. Elements keep their marks and may be unknown.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_model::Fault;
use unicode_segmentation::UnicodeSegmentation as _;

use super::Param::{Any, List, Map, Nullable, Number, Seq, Texts};
use super::{Call, Depth, Function, plain, shallow};
use crate::Value;
use crate::eval::equal;
use crate::types::{Type, convert, unify};
use crate::value::{Entries, Kind, MapKind, SeqKind};

pub(super) const TABLE: &[Function] = &[
    shallow("alltrue", &[Seq], |call| every(call, true)),
    shallow("anytrue", &[Seq], |call| every(call, false)),
    shallow("chunklist", &[List, Number], chunklist),
    shallow("coalesce", &[Nullable], coalesce).rest(Nullable).depth(Depth::Raw),
    shallow("coalescelist", &[Seq], coalescelist).rest(Seq),
    shallow("compact", &[Seq], compact),
    shallow("concat", &[Seq], concat).rest(Seq),
    shallow("contains", &[Seq, Any], contains),
    shallow("distinct", &[List], distinct),
    shallow("element", &[Seq, Number], element),
    shallow("flatten", &[Seq], flatten),
    shallow("index", &[Seq, Nullable], index),
    shallow("keys", &[Map], keys),
    shallow("length", &[Any], length),
    shallow("lookup", &[Nullable, Nullable], lookup).rest(Nullable).depth(Depth::Raw),
    shallow("matchkeys", &[List, List, List], matchkeys),
    shallow("merge", &[], merge).rest(Nullable),
    shallow("one", &[Seq], one),
    shallow("reverse", &[Seq], reverse),
    shallow("slice", &[Seq, Number, Number], slice),
    plain("sort", &[Texts], sort),
    plain("transpose", &[Map], transpose),
    shallow("values", &[Map], values),
    shallow("zipmap", &[Texts, Seq], zipmap),
];

/// The kind of the result: a set has no order that could be kept, so it becomes a list.
fn ordered(value: &Value) -> SeqKind {
    if matches!(value.kind(), Kind::Seq(SeqKind::Tuple, _)) { SeqKind::Tuple } else { SeqKind::List }
}

fn like(call: &Call<'_>, elements: Vec<Value>) -> Result<Value, Fault> {
    call.grow(elements.len())?;
    Ok(Value::seq(ordered(call.arg(0)?), elements, call.at.clone()))
}

fn every(call: &Call<'_>, all: bool) -> Result<Value, Fault> {
    let mut open = false;
    let marked = call.seq(0)?.iter().any(Value::is_sensitive);
    for element in call.seq(0)? {
        if element.is_unknown() {
            open = true;
            continue;
        }
        // Null counts as false.
        let holds = convert(element, &Type::Bool).map_err(|_| call.bad(0, "must be a list of bools"))?.as_bool();
        if holds.unwrap_or(false) != all {
            return Ok(Value::bool(!all, call.at.clone()).mark(marked));
        }
    }
    if open { Ok(call.open()) } else { Ok(Value::bool(all, call.at.clone()).mark(marked)) }
}

fn chunklist(call: &Call<'_>) -> Result<Value, Fault> {
    let size = usize::try_from(call.whole(1)?).map_err(|_| call.bad(1, "must not be negative"))?;
    let elements = call.seq(0)?;
    if elements.is_empty() {
        return call.list(Vec::new());
    }
    let chunks = elements.chunks(if size == 0 { elements.len() } else { size });
    let made: Result<Vec<Value>, Fault> = chunks.map(|chunk| call.list(chunk.to_vec())).collect();
    call.list(made?)
}

fn coalesce(call: &Call<'_>) -> Result<Value, Fault> {
    let common = unify(&call.args.iter().map(Type::of).collect::<Vec<_>>());
    let common = common.ok_or_else(|| call.fault("all arguments must have the same type"))?;
    let marked = call.args.iter().any(Value::is_sensitive);
    for value in &call.args {
        if value.is_unknown() {
            return Ok(call.open());
        }
        if !value.is_null() && value.as_str() != Some("") {
            let made = convert(value, &common).map_err(|why| call.fault(why))?;
            return Ok(made.mark(marked));
        }
    }
    Err(call.fault("all arguments are null or empty"))
}

fn coalescelist(call: &Call<'_>) -> Result<Value, Fault> {
    for (index, value) in call.args.iter().enumerate() {
        if matches!(value.kind(), Kind::Seq(SeqKind::Set, _)) {
            return Err(call.bad(index, "must be a list, not a set"));
        }
    }
    for value in &call.args {
        match value.kind() {
            Kind::Seq(_, elements) if !elements.is_empty() => {
                return Ok(value.clone().mark(call.args.iter().any(Value::is_sensitive_deep)));
            }
            _ => {}
        }
    }
    Err(call.fault("all arguments are empty"))
}

fn compact(call: &Call<'_>) -> Result<Value, Fault> {
    let mut made = Vec::new();
    for element in call.seq(0)? {
        if element.is_unknown() {
            return Ok(call.open());
        }
        let text = convert(element, &Type::String).map_err(|_| call.bad(0, "must be a list of strings"))?;
        if !text.is_null() && text.as_str() != Some("") {
            made.push(text.unmarked());
        }
    }
    Ok(call.list(made)?.mark(call.arg(0)?.is_sensitive_deep()))
}

fn concat(call: &Call<'_>) -> Result<Value, Fault> {
    let mut made = Vec::new();
    let mut kind = SeqKind::List;
    for (index, value) in call.args.iter().enumerate() {
        match value.kind() {
            Kind::Seq(SeqKind::Tuple, _) => kind = SeqKind::Tuple,
            Kind::Seq(SeqKind::Set, _) => return Err(value.wrong(&call.what(index), "a list")),
            _ => {}
        }
        made.extend(value.as_seq().unwrap_or(&[]).iter().cloned());
    }
    call.grow(made.len())?;
    let made = Value::seq(kind, made, call.at.clone());
    if kind == SeqKind::Tuple {
        return Ok(made);
    }
    // Lists of several types become one list of the type that they have in common.
    Ok(convert(&made, &Type::List(Arc::new(Type::Any))).unwrap_or(made))
}

fn contains(call: &Call<'_>) -> Result<Value, Fault> {
    let wanted = call.arg(1)?;
    let marked = call.args.iter().any(Value::is_sensitive_deep);
    let mut open = false;
    for element in call.seq(0)? {
        call.budget.spend(1)?;
        match equal(element, wanted) {
            Some(true) => return Ok(Value::bool(true, call.at.clone()).mark(marked)),
            Some(false) => {}
            None => open = true,
        }
    }
    if open { Ok(call.open()) } else { Ok(Value::bool(false, call.at.clone()).mark(marked)) }
}

fn distinct(call: &Call<'_>) -> Result<Value, Fault> {
    let elements = call.seq(0)?;
    if !elements.iter().all(Value::is_known_deep) {
        return Ok(call.open());
    }
    let mut seen = std::collections::BTreeSet::new();
    let made = elements.iter().filter(|element| seen.insert(element.digest())).cloned().collect();
    Ok(call.list(made)?.mark(call.arg(0)?.is_sensitive_deep()))
}

/// The index wraps round at the end; a negative one does not count from there.
fn element(call: &Call<'_>) -> Result<Value, Fault> {
    if matches!(call.arg(0)?.kind(), Kind::Seq(SeqKind::Set, _)) {
        return Err(call.bad(0, "must be a list, not a set"));
    }
    let elements = call.seq(0)?;
    let count = i64::try_from(elements.len()).unwrap_or(i64::MAX);
    if count == 0 {
        return Err(call.bad(0, "must not be empty"));
    }
    let index = usize::try_from(call.whole(1)? % count).map_err(|_| call.bad(1, "must not be negative"))?;
    elements.get(index).cloned().ok_or_else(|| call.bad(1, "is not one of the list"))
}

fn flatten(call: &Call<'_>) -> Result<Value, Fault> {
    let mut made = Vec::new();
    let mut marked = false;
    match flatten_into(call.seq(0)?, &mut marked, &mut made, call)? {
        true => Ok(call.tuple(made)?.mark(marked)),
        false => Ok(call.open()),
    }
}

/// `marked`: whether a list in the list is sensitive. False: something is unknown.
fn flatten_into(elements: &[Value], marked: &mut bool, made: &mut Vec<Value>, call: &Call<'_>) -> Result<bool, Fault> {
    let _level = call.budget.enter()?;
    for element in elements {
        call.budget.spend(1)?;
        match element.kind() {
            Kind::Unknown(_) => return Ok(false),
            Kind::Seq(_, inner) => {
                *marked |= element.is_sensitive();
                if !flatten_into(inner, marked, made, call)? {
                    return Ok(false);
                }
            }
            _ => made.push(element.clone()),
        }
    }
    Ok(true)
}

fn index(call: &Call<'_>) -> Result<Value, Fault> {
    let wanted = call.arg(1)?;
    for (index, element) in call.seq(0)?.iter().enumerate() {
        match equal(element, wanted) {
            Some(true) => {
                let marked = call.args.iter().any(Value::is_sensitive_deep);
                return Ok(call.decimal(index as u64)?.mark(marked));
            }
            Some(false) => {}
            None => return Ok(call.open()),
        }
    }
    Err(call.fault("the value is not in the list"))
}

/// A tuple of an object's, a list of a map's.
fn keys(call: &Call<'_>) -> Result<Value, Fault> {
    let keys: Result<Vec<Value>, Fault> = call.map(0)?.keys().map(|key| call.string(key)).collect();
    match call.arg(0)?.kind() {
        Kind::Map(MapKind::Object, _) => call.tuple(keys?),
        _ => call.list(keys?),
    }
}

fn length(call: &Call<'_>) -> Result<Value, Fault> {
    let count = match call.arg(0)?.kind() {
        Kind::String(text) => text.graphemes(true).count(),
        // Unknown elements of a set may turn out to be the same.
        Kind::Seq(SeqKind::Set, elements) if !elements.iter().all(Value::is_known_deep) => return Ok(call.open()),
        Kind::Seq(_, elements) => elements.len(),
        Kind::Map(_, entries) => entries.len(),
        _ => return Err(call.arg(0)?.wrong(&call.what(0), "a string, list or map")),
    };
    call.decimal(count as u64)
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

fn matchkeys(call: &Call<'_>) -> Result<Value, Fault> {
    let (values, keys, wanted) = (call.seq(0)?, call.seq(1)?, call.seq(2)?);
    if values.len() != keys.len() {
        return Err(call.fault("values and keys must be equally many"));
    }
    // Keys are compared as the type that all of them have in common.
    let of = unify(&keys.iter().chain(wanted).map(Type::of).collect::<Vec<_>>());
    let of = of.ok_or_else(|| call.fault("all keys must have the same type"))?;
    let as_common = |key: &Value| convert(key, &of).map_err(|why| call.fault(why));
    let wanted: Vec<Value> = wanted.iter().map(as_common).collect::<Result<_, _>>()?;
    let mut made = Vec::new();
    for (value, key) in values.iter().zip(keys) {
        let key = &as_common(key)?;
        for want in &wanted {
            call.budget.spend(1)?;
            match equal(key, want) {
                Some(true) => {
                    made.push(value.clone());
                    break;
                }
                Some(false) => {}
                None => return Ok(call.open()),
            }
        }
    }
    Ok(call.list(made)?.mark(call.args.iter().any(Value::is_sensitive_deep)))
}

fn merge(call: &Call<'_>) -> Result<Value, Fault> {
    let mut made = Entries::new();
    let mut all_maps = true;
    for (index, value) in call.args.iter().enumerate() {
        match value.kind() {
            Kind::Null => {}
            Kind::Map(kind, entries) => {
                all_maps &= kind == MapKind::Map;
                call.grow(entries.len())?;
                made.extend(entries.iter().map(|(key, value)| (Arc::clone(key), value.clone())));
            }
            _ => return Err(value.wrong(&call.what(index), "a map")),
        }
    }
    if all_maps && !call.args.is_empty() {
        let types: Vec<Type> = made.values().map(Type::of).collect();
        if types.windows(2).all(|pair| pair.first() == pair.last()) {
            return Ok(Value::map(made, call.at.clone()));
        }
    }
    call.object(made)
}

fn one(call: &Call<'_>) -> Result<Value, Fault> {
    match call.seq(0)? {
        [] => Ok(Value::null(call.at.clone())),
        [only] => Ok(only.clone()),
        _ => Err(call.bad(0, "must have no element or one")),
    }
}

fn reverse(call: &Call<'_>) -> Result<Value, Fault> {
    like(call, call.seq(0)?.iter().rev().cloned().collect())
}

fn slice(call: &Call<'_>) -> Result<Value, Fault> {
    if matches!(call.arg(0)?.kind(), Kind::Seq(SeqKind::Set, _)) {
        return Err(call.bad(0, "must be a list, not a set"));
    }
    let elements = call.seq(0)?;
    let bound = |index: usize| usize::try_from(call.whole(index)?).map_err(|_| call.bad(index, "must not be negative"));
    let (start, end) = (bound(1)?, bound(2)?);
    match elements.get(start..end) {
        Some(part) => like(call, part.to_vec()),
        None => Err(call.fault(format!("{start} to {end} is not within the list's {} elements", elements.len()))),
    }
}

fn sort(call: &Call<'_>) -> Result<Value, Fault> {
    let mut texts = Vec::new();
    for element in call.seq(0)? {
        texts.push(element.as_str().ok_or_else(|| call.bad(0, "has an element that is null"))?);
    }
    texts.sort_unstable();
    call.strings(texts)
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
    let entries = made.into_iter().map(|(key, list)| (key, Value::list(list, call.at.clone()))).collect();
    Ok(Value::map(entries, call.at.clone()))
}

fn values(call: &Call<'_>) -> Result<Value, Fault> {
    let found = call.map(0)?.values().cloned().collect();
    match call.arg(0)?.kind() {
        Kind::Map(MapKind::Object, _) => call.tuple(found),
        _ => call.list(found),
    }
}

fn zipmap(call: &Call<'_>) -> Result<Value, Fault> {
    let (keys, values) = (call.seq(0)?, call.seq(1)?);
    if keys.len() != values.len() {
        return Err(call.fault("keys and values must be equally many"));
    }
    let mut made = Entries::new();
    let mut marked = false;
    for (key, value) in keys.iter().zip(values) {
        if key.is_unknown() {
            return Ok(call.open());
        }
        marked |= key.is_sensitive();
        let key = key.as_shared_str().ok_or_else(|| call.bad(0, "has an element that is null"))?;
        made.insert(Arc::clone(key), value.clone());
    }
    call.grow(made.len())?;
    let made = match ordered(call.arg(1)?) {
        SeqKind::Tuple => Value::object(made, call.at.clone()),
        _ => Value::map(made, call.at.clone()),
    };
    Ok(made.mark(marked))
}
