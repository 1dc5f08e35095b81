//! Functions on sets.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_model::{Digest, Fault};

use super::Param::Seq;
use super::{Call, Function, plain, shallow};
use crate::Value;
use crate::types::{Type, convert, unify};
use crate::value::{Kind, SeqKind};

pub(super) const TABLE: &[Function] = &[
    plain("setintersection", &[Seq], |call| combine(call, |a, b| a.retain(|key, _| b.contains_key(key)))).rest(Seq),
    shallow("setproduct", &[], setproduct).rest(Seq),
    plain("setsubtract", &[Seq, Seq], |call| combine(call, |a, b| a.retain(|key, _| !b.contains_key(key)))),
    plain("setunion", &[Seq], |call| combine(call, |a, b| a.extend(b))).rest(Seq),
];

type Members = BTreeMap<Digest, Value>;

/// The arguments one after the other, as sets of the type that all elements have in common.
fn combine(call: &Call<'_>, step: fn(&mut Members, Members)) -> Result<Value, Fault> {
    let types: Vec<Type> = call.args.iter().flat_map(|value| value.as_seq().unwrap_or(&[])).map(Type::of).collect();
    let of = unify(&types).ok_or_else(|| call.fault("all elements must have the same type"))?;
    let mut made: Option<Members> = None;
    for value in &call.args {
        let elements = value.as_seq().unwrap_or(&[]);
        call.grow(elements.len())?;
        let members: Result<Members, String> =
            elements.iter().map(|element| convert(element, &of).map(|member| (member.digest(), member))).collect();
        let members = members.map_err(|why| call.fault(why))?;
        match &mut made {
            None => made = Some(members),
            Some(made) => step(made, members),
        }
    }
    Ok(Value::set(made.unwrap_or_default().into_values().collect(), call.at.clone()))
}

fn setproduct(call: &Call<'_>) -> Result<Value, Fault> {
    if call.args.len() < 2 {
        return Err(call.fault("takes at least 2 arguments"));
    }
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for value in &call.args {
        let of = Type::List(Arc::new(Type::Any));
        let list = convert(value, &of).map_err(|why| call.fault(why))?;
        let elements = list.as_seq().unwrap_or(&[]);
        call.grow(rows.len().saturating_mul(elements.len()))?;
        rows = rows
            .iter()
            .flat_map(|row| elements.iter().map(|element| row.iter().cloned().chain([element.clone()]).collect()))
            .collect();
    }
    let all_sets = call.args.iter().all(|value| matches!(value.kind(), Kind::Seq(SeqKind::Set, _)));
    let rows = rows.into_iter().map(|row| Value::tuple(row, call.at.clone())).collect();
    if all_sets { Ok(Value::set(rows, call.at.clone())) } else { call.list(rows) }
}
