//! Conversions and marks.

use std::sync::Arc;

use portcullis_model::{Code, Fault};

use super::Param::Nullable;
use super::{Call, Depth, Function, plain};
use crate::Value;
use crate::types::{Type, convert};
use crate::value::{Kind, SeqKind};

pub(super) const TABLE: &[Function] = &[
    plain("tobool", &[Nullable], |call| to(call, &Type::Bool)).depth(Depth::Raw),
    plain("tonumber", &[Nullable], |call| to(call, &Type::Number)).depth(Depth::Raw),
    plain("tostring", &[Nullable], |call| to(call, &Type::String)).depth(Depth::Raw),
    plain("tolist", &[Nullable], |call| to(call, &Type::List(Arc::new(Type::Any)))).depth(Depth::Raw),
    plain("tomap", &[Nullable], |call| to(call, &Type::Map(Arc::new(Type::Any)))).depth(Depth::Raw),
    plain("toset", &[Nullable], |call| to(call, &Type::Set(Arc::new(Type::Any)))).depth(Depth::Raw),
    plain("sensitive", &[Nullable], |call| Ok(call.arg(0)?.clone().mark(true))).depth(Depth::Raw),
    plain("nonsensitive", &[Nullable], |call| Ok(call.arg(0)?.clone().unmarked())).depth(Depth::Raw),
    plain("issensitive", &[Nullable], issensitive).depth(Depth::Raw),
    plain("ephemeralasnull", &[Nullable], |call| Ok(call.arg(0)?.clone())).depth(Depth::Raw),
    plain("bcrypt", &[Nullable], fresh).rest(Nullable).depth(Depth::Raw),
    plain("uuid", &[], fresh).depth(Depth::Raw),
    plain("timestamp", &[], fresh).depth(Depth::Raw),
    plain("plantimestamp", &[], fresh).depth(Depth::Raw),
    plain("rsadecrypt", &[Nullable, Nullable], |call| {
        Err(call.at.fault(Code::HCL_UNSUPPORTED, "`rsadecrypt` is not supported").remedy("Decrypt in the module."))
    })
    .depth(Depth::Raw),
];

/// What is unknown may turn out to be sensitive.
fn issensitive(call: &Call<'_>) -> Result<Value, Fault> {
    match call.arg(0)? {
        value if value.is_sensitive() => call.bool(true),
        value if value.is_unknown() => Ok(call.open()),
        _ => call.bool(false),
    }
}

fn to(call: &Call<'_>, wanted: &Type) -> Result<Value, Fault> {
    let value = call.arg(0)?;
    call.weigh(value)?;
    // Of an unknown value the type may be known, and not fit.
    let made = convert(value, wanted).map_err(|why| {
        let what = crate::value::article(value.type_name());
        call.fault(format!("{what} cannot be converted: {why}"))
    })?;
    // Unknown elements of a set may turn out to be the same.
    if let (Kind::Seq(SeqKind::Set, _), Kind::Seq(SeqKind::List, _), false) =
        (value.kind(), made.kind(), value.is_known_deep())
    {
        return Ok(call.open().never_null(Type::of(&made)));
    }
    if let Kind::Unknown(unknown) = made.kind() {
        return Ok(call.open().refined(unknown.of().clone(), unknown.is_never_null()));
    }
    Ok(made.with_origin(call.at.clone()))
}

/// Another result each time: not known before the run.
fn fresh(call: &Call<'_>) -> Result<Value, Fault> {
    Ok(Value::derived(&format!("`{}` has another result each time", call.name), &call.args, call.at.clone()))
}
