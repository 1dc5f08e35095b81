//! Functions on lists, and on lists and maps alike. Elements keep their marks and may be unknown.

use std::sync::Arc;

use portcullis_model::Fault;

use super::Param::{Any, Bools, List, Nullable, Number, Ordered, Seq, Texts};
use super::{Call, Depth, Function, shallow};
use crate::Value;
use crate::eval::equal;
use crate::types::{Type, convert, unify};
use crate::value::{Kind, SeqKind};

pub(super) const TABLE: &[Function] = &[
    shallow("alltrue", &[Bools], |call| every(call, true)),
    shallow("anytrue", &[Bools], |call| every(call, false)),
    shallow("chunklist", &[List, Number], chunklist),
    shallow("coalesce", &[Nullable], coalesce).rest(Nullable).depth(Depth::Raw),
    shallow("coalescelist", &[Nullable], coalescelist).rest(Nullable).depth(Depth::Raw),
    shallow("compact", &[Texts], compact),
    shallow("concat", &[Ordered], concat).rest(Ordered),
    shallow("contains", &[Seq, Any], contains),
    shallow("distinct", &[List], distinct),
    shallow("element", &[Seq, Number], element),
    shallow("flatten", &[Seq], flatten),
    shallow("index", &[Seq, Nullable], index),
    shallow("length", &[Any], length),
    shallow("matchkeys", &[List, List, List], matchkeys),
    shallow("one", &[Seq], one),
    shallow("reverse", &[Seq], reverse),
    shallow("slice", &[Seq, Number, Number], slice),
    shallow("sort", &[Texts], sort),
];

/// The kind of the result: a set has no order that could be kept, so it becomes a list.
pub(super) fn ordered(value: &Value) -> SeqKind {
    if matches!(value.kind(), Kind::Seq(SeqKind::Tuple, _)) { SeqKind::Tuple } else { SeqKind::List }
}

fn like(call: &Call<'_>, elements: Vec<Value>) -> Result<Value, Fault> {
    match ordered(call.arg(0)?) {
        SeqKind::Tuple => call.tuple(elements),
        _ => call.list(&call.element(0)?, elements),
    }
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
    let of = call.element(0)?;
    let chunk_type = Type::List(Arc::new(of.clone()));
    if elements.is_empty() {
        return call.list(&chunk_type, Vec::new());
    }
    let chunks = elements.chunks(if size == 0 { elements.len() } else { size });
    let made: Result<Vec<Value>, Fault> = chunks.map(|chunk| call.list(&of, chunk.to_vec())).collect();
    call.list(&chunk_type, made?)
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

/// What comes after the first list that is not empty does not matter, and may be unknown.
fn coalescelist(call: &Call<'_>) -> Result<Value, Fault> {
    for (index, value) in call.args.iter().enumerate() {
        match Type::of(value) {
            _ if value.is_null() => return Err(call.bad(index, "must not be null")),
            Type::Any | Type::List(_) | Type::Tuple(_) => {}
            _ if value.is_unknown() => {}
            _ => return Err(value.wrong(&call.what(index), "a list")),
        }
    }
    let marked = call.args.iter().any(Value::is_sensitive_deep);
    for value in &call.args {
        match value.as_seq() {
            None => return Ok(call.open()),
            Some([]) => {}
            Some(_) => return Ok(value.clone().mark(marked)),
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
        if !element.is_null() && element.as_str() != Some("") {
            made.push(element.clone().unmarked());
        }
    }
    Ok(call.list(&Type::String, made)?.mark(call.arg(0)?.is_sensitive_deep()))
}

fn concat(call: &Call<'_>) -> Result<Value, Fault> {
    let mut lists = Vec::new();
    for (index, value) in call.args.iter().enumerate() {
        match value.kind() {
            Kind::Seq(SeqKind::List, _) => lists.push(Type::of(value)),
            Kind::Seq(SeqKind::Tuple, _) => {}
            _ => return Err(value.wrong(&call.what(index), "a list")),
        }
    }
    // Lists only become one list of the type that they have in common.
    let common = if lists.len() == call.args.len() { unify(&lists) } else { None };
    let mut made = Vec::new();
    for (index, value) in call.args.iter().enumerate() {
        match &common {
            Some(common) => {
                let list = convert(value, common).map_err(|why| call.bad(index, format!("does not fit: {why}")))?;
                made.extend(list.as_seq().unwrap_or(&[]).iter().cloned());
            }
            None => made.extend(value.as_seq().unwrap_or(&[]).iter().cloned()),
        }
    }
    call.grow(made.len())?;
    Ok(match &common {
        // What is open in the common type is what the elements are.
        Some(Type::List(element)) if element.is_whole() || made.is_empty() => {
            Value::list_of(element, made, call.at.clone())
        }
        Some(_) => Value::list(made, call.at.clone()),
        None => Value::tuple(made, call.at.clone()),
    })
}

fn contains(call: &Call<'_>) -> Result<Value, Fault> {
    let wanted = call.arg(1)?;
    let marked = call.args.iter().any(Value::is_sensitive_deep);
    let mut open = false;
    for element in call.seq(0)? {
        call.budget.spend(element.cost().min(wanted.cost()))?;
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
    call.weigh(call.arg(0)?)?;
    let mut seen = std::collections::BTreeSet::new();
    let made = elements.iter().filter(|element| seen.insert(element.digest())).cloned().collect();
    Ok(call.list(&call.element(0)?, made)?.mark(call.arg(0)?.is_sensitive_deep()))
}

/// The index wraps round at both ends: -1 is the last element, as in cty from 1.17 on.
fn element(call: &Call<'_>) -> Result<Value, Fault> {
    if matches!(call.arg(0)?.kind(), Kind::Seq(SeqKind::Set, _)) {
        return Err(call.bad(0, "must be a list, not a set"));
    }
    let elements = call.seq(0)?;
    let count = i64::try_from(elements.len()).unwrap_or(i64::MAX);
    if count == 0 {
        return Err(call.bad(0, "must not be empty"));
    }
    let index = usize::try_from(call.whole(1)?.rem_euclid(count)).unwrap_or(0);
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
            // What cannot be a list is an element.
            Kind::Unknown(unknown) if unknown.of().is_whole() && !super::is_seq(unknown.of()) => {
                made.push(element.clone());
            }
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
        call.budget.spend(element.cost().min(wanted.cost()))?;
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

fn length(call: &Call<'_>) -> Result<Value, Fault> {
    let count = match call.arg(0)?.kind() {
        Kind::String(_) => call.graphemes(0)?.len(),
        // Unknown elements of a set may turn out to be the same.
        Kind::Seq(SeqKind::Set, elements) if !elements.iter().all(Value::is_known_deep) => return Ok(call.open()),
        Kind::Seq(_, elements) => elements.len(),
        Kind::Map(_, entries) => entries.len(),
        _ => return Err(call.arg(0)?.wrong(&call.what(0), "a string, list or map")),
    };
    call.decimal(count as u64)
}

fn matchkeys(call: &Call<'_>) -> Result<Value, Fault> {
    let (values, keys, wanted) = (call.seq(0)?, call.seq(1)?, call.seq(2)?);
    if values.len() != keys.len() {
        return Err(call.fault("values and keys must be equally many"));
    }
    // Keys are compared as the type that all of them have in common.
    let types: Vec<Type> = [call.element(1)?, call.element(2)?].into_iter().filter(|of| *of != Type::Any).collect();
    let of = if types.is_empty() { Some(Type::Any) } else { unify(&types) };
    let of = of.ok_or_else(|| call.fault("all keys must have the same type"))?;
    let as_common = |key: &Value| convert(key, &of).map_err(|why| call.fault(why));
    let wanted: Vec<Value> = wanted.iter().map(as_common).collect::<Result<_, _>>()?;
    let mut made = Vec::new();
    for (value, key) in values.iter().zip(keys) {
        let key = &as_common(key)?;
        for want in &wanted {
            call.budget.spend(key.cost().min(want.cost()))?;
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
    Ok(call.list(&call.element(0)?, made)?.mark(call.args.iter().any(Value::is_sensitive_deep)))
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
    if call.seq(0)?.iter().any(Value::is_unknown) {
        return unsorted(call);
    }
    let mut texts = Vec::new();
    for element in call.seq(0)? {
        texts.push(element.as_str().ok_or_else(|| call.bad(0, "has an element that is null"))?);
    }
    call.weigh(call.arg(0)?)?;
    texts.sort_unstable();
    Ok(call.strings(texts)?.mark(call.arg(0)?.is_sensitive_deep()))
}

/// Of a list with something unknown only the length is known, once it is sorted.
fn unsorted(call: &Call<'_>) -> Result<Value, Fault> {
    let list = call.arg(0)?;
    if matches!(list.kind(), Kind::Seq(SeqKind::Set, _)) {
        return Ok(call.open());
    }
    let each = |index: usize| {
        let parts = [list.clone(), Value::number(index as u64, call.at.clone())];
        Value::derived("sort", &parts, call.at.clone()).never_null(Type::String)
    };
    call.list(&Type::String, (0..call.seq(0)?.len()).map(each).collect())
}
