//! Functions on sets.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_model::{Digest, Fault};

use super::Param::Seq;
use super::{Call, Function, shallow};
use crate::Value;
use crate::types::{Type, convert, unify};
use crate::value::{Kind, SeqKind};

pub(super) const TABLE: &[Function] = &[
    shallow("setintersection", &[Seq], |call| combine(call, |a, b| a.retain(|key, _| b.contains_key(key)))).rest(Seq),
    shallow("setproduct", &[], setproduct).rest(Seq).extra(20),
    shallow("setsubtract", &[Seq, Seq], |call| combine(call, |a, b| a.retain(|key, _| !b.contains_key(key)))),
    shallow("setunion", &[Seq], |call| combine(call, |a, b| a.extend(b))).rest(Seq),
];

type Members = BTreeMap<Digest, Value>;

/// The arguments one after the other, as sets of the type that all elements have in common.
fn combine(call: &Call<'_>, step: fn(&mut Members, Members)) -> Result<Value, Fault> {
    let any = Type::Set(Arc::new(Type::Any));
    let mut sets = Vec::new();
    for (index, value) in call.args.iter().enumerate() {
        call.weigh(value)?;
        sets.push(convert(value, &any).map_err(|why| call.bad(index, format!("must be a set: {why}")))?);
    }
    let is_open = |set: &Value| set.inner_type() == Some(&Type::Any) && set.as_seq().is_some_and(<[Value]>::is_empty);
    if sets.iter().any(|set| set.inner_type() == Some(&Type::Any) && !set.is_known_deep()) {
        return Ok(call.open());
    }
    let types: Vec<Type> = sets.iter().filter(|set| !is_open(set)).filter_map(Value::inner_type).cloned().collect();
    let of = match types.as_slice() {
        [] => Type::Any,
        types => unify(types)
            .filter(|of| *of != Type::Any || types.iter().all(|of| *of == Type::Any))
            .ok_or_else(|| call.fault("the elements of the sets have no type in common"))?,
    };
    if !sets.iter().all(Value::is_known_deep) {
        return Ok(call.open().never_null(Type::Set(Arc::new(of))));
    }
    let mut made: Option<Members> = None;
    for set in &sets {
        let elements = set.as_seq().unwrap_or(&[]);
        call.grow(elements.len())?;
        let members: Result<Members, String> =
            elements.iter().map(|element| convert(element, &of).map(|member| (member.digest(), member))).collect();
        let members = members.map_err(|why| call.fault(why))?;
        match &mut made {
            None => made = Some(members),
            Some(made) => step(made, members),
        }
    }
    let marked = call.args.iter().any(Value::is_sensitive_deep);
    Ok(Value::set_of(&of, made.unwrap_or_default().into_values().collect(), call.at.clone()).mark(marked))
}

fn setproduct(call: &Call<'_>) -> Result<Value, Fault> {
    if call.args.len() < 2 {
        return Err(call.fault("takes at least 2 arguments"));
    }
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    let mut parts = Vec::new();
    for value in &call.args {
        let of = Type::List(Arc::new(Type::Any));
        let list = convert(value, &of).map_err(|why| call.fault(why))?;
        let elements = list.as_seq().unwrap_or(&[]);
        parts.push(list.inner_type().cloned().unwrap_or(Type::Any));
        call.grow(rows.len().saturating_mul(elements.len()))?;
        rows = rows
            .iter()
            .flat_map(|row| elements.iter().map(|element| row.iter().cloned().chain([element.clone()]).collect()))
            .collect();
    }
    let a_set = call.args.iter().any(|value| matches!(value.kind(), Kind::Seq(SeqKind::Set, _)));
    let rows = rows.into_iter().map(|row| Value::tuple(row, call.at.clone())).collect();
    let of = Type::Tuple(parts.into());
    if a_set { Ok(Value::set_of(&of, rows, call.at.clone())) } else { call.list(&of, rows) }
}
