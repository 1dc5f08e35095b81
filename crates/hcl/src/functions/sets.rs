//! Functions on sets.

use portcullis_model::Fault;

use super::Param::Seq;
use super::{Call, Function, plain, shallow};
use crate::Value;
use crate::types::{Type, convert, unify};
use crate::value::{Kind, SeqKind};

pub(super) const TABLE: &[Function] = &[
    plain("setintersection", &[Seq], |call| combine(call, |a, b| a.retain(|value| has(b, value)))).rest(Seq),
    shallow("setproduct", &[], setproduct).rest(Seq),
    plain("setsubtract", &[Seq, Seq], |call| combine(call, |a, b| a.retain(|value| !has(b, value)))),
    plain("setunion", &[Seq], |call| combine(call, |a, b| a.extend(b.iter().cloned()))).rest(Seq),
];

fn has(values: &[Value], wanted: &Value) -> bool {
    values.binary_search_by(|value| value.set_order(wanted)).is_ok()
}

fn combine(call: &Call<'_>, step: fn(&mut Vec<Value>, &[Value])) -> Result<Value, Fault> {
    let types: Vec<Type> = call.args.iter().flat_map(|value| value.as_seq().unwrap_or(&[])).map(Type::of).collect();
    let of = unify(&types).ok_or_else(|| call.fault("all elements must have the same type"))?;
    let of = Type::Set(Box::new(of));
    let mut made: Option<Vec<Value>> = None;
    for value in &call.args {
        let set = convert(value, &of).map_err(|why| call.fault(why))?;
        let elements = set.as_seq().unwrap_or(&[]);
        call.grow(elements.len())?;
        match &mut made {
            None => made = Some(elements.to_vec()),
            Some(made) => step(made, elements),
        }
    }
    Ok(Value::set(made.unwrap_or_default(), call.at.clone()))
}

fn setproduct(call: &Call<'_>) -> Result<Value, Fault> {
    if call.args.len() < 2 {
        return Err(call.fault("takes at least 2 arguments"));
    }
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for value in &call.args {
        let elements = value.as_seq().unwrap_or(&[]);
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
