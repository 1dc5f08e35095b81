//! What is known of a result that is not known: its type, and that it is not null.
//!
//! A name that is missing here costs nothing but that.

use std::sync::Arc;

use super::regular::found_type;
use crate::Value;
use crate::types::{Type, unify};

const TEXTS: &[&str] = &[
    "base64decode",
    "base64encode",
    "base64gzip",
    "base64gunzip",
    "base64sha256",
    "base64sha512",
    "basename",
    "bcrypt",
    "chomp",
    "cidrhost",
    "cidrnetmask",
    "cidrsubnet",
    "dirname",
    "format",
    "formatdate",
    "indent",
    "join",
    "jsonencode",
    "lower",
    "md5",
    "pathexpand",
    "plantimestamp",
    "replace",
    "sha1",
    "sha256",
    "sha512",
    "strrev",
    "substr",
    "textdecodebase64",
    "textencodebase64",
    "timeadd",
    "timestamp",
    "title",
    "trim",
    "trimprefix",
    "trimspace",
    "trimsuffix",
    "upper",
    "urldecode",
    "urlencode",
    "uuid",
    "uuidv5",
];
const NUMBERS: &[&str] =
    &["abs", "ceil", "floor", "index", "length", "log", "max", "min", "parseint", "pow", "signum", "sum", "timecmp"];
const BOOLS: &[&str] =
    &["alltrue", "anytrue", "can", "cidrcontains", "contains", "endswith", "issensitive", "startswith", "strcontains"];

const TEXT_LISTS: &[&str] = &["cidrsubnets", "compact", "formatlist", "sort", "split"];

/// Functions that take anything: with an argument of which no type is known, cty does not ask what they make.
const ASKED_LAST: &[&str] = &["contains", "format", "formatlist", "index", "parseint", "sum"];

/// The unknown result of a function, with what is known of it.
pub(super) fn refined(function: &str, args: &[Value], unknown: Value) -> Value {
    match function {
        // These keep null.
        "tostring" | "yamlencode" => unknown.refined(Type::String, false),
        "tonumber" => unknown.refined(Type::Number, false),
        "tobool" => unknown.refined(Type::Bool, false),
        name if ASKED_LAST.contains(&name)
            && args.iter().any(|value| value.is_unknown() && Type::of(value) == Type::Any) =>
        {
            unknown
        }
        name if TEXT_LISTS.contains(&name) => unknown.never_null(Type::List(Arc::new(Type::String))),
        "range" => unknown.never_null(Type::List(Arc::new(Type::Number))),
        name if TEXTS.contains(&name) => unknown.never_null(Type::String),
        name if NUMBERS.contains(&name) => unknown.never_null(Type::Number),
        name if BOOLS.contains(&name) => unknown.never_null(Type::Bool),
        name => match of_arguments(name, args) {
            Some(of) => unknown.never_null(of),
            None => unknown,
        },
    }
}

/// Whether the types of arguments fit each other, for functions that say so before anything is known.
pub(super) fn check(function: &str, args: &[Value]) -> Result<(), String> {
    let first = args.first().map(Type::of);
    match (function, &first) {
        ("setintersection" | "setsubtract" | "setunion", _) => element_type(args).map(drop),
        ("element" | "slice", Some(Type::Set(_))) => Err("a list is required, not a set".to_owned()),
        ("length", Some(Type::Bool | Type::Number)) => Err("a string, list or map is required".to_owned()),
        _ => Ok(()),
    }
}

/// The type that the elements of all arguments have in common. `None`: one of them has none.
fn element_type(args: &[Value]) -> Result<Option<Type>, String> {
    let mut elements = Vec::new();
    for value in args {
        match Type::of(value) {
            Type::List(of) | Type::Set(of) => elements.push((*of).clone()),
            Type::Tuple(parts) => elements.extend(unify(&parts)),
            Type::Any => {}
            _ => return Ok(None),
        }
    }
    elements.retain(|of| *of != Type::Any);
    if elements.is_empty() {
        return Ok(Some(Type::Any));
    }
    unify(&elements).map(Some).ok_or_else(|| "the elements of the sets have no type in common".to_owned())
}

/// A type that depends on those of the arguments.
fn of_arguments(function: &str, args: &[Value]) -> Option<Type> {
    let types: Vec<Type> = args.iter().map(Type::of).collect();
    let list = |of: Type| Type::List(Arc::new(of));
    let first = types.first()?;
    Some(match function {
        "chunklist" => match first {
            Type::List(_) => list(first.clone()),
            _ => list(list(Type::Any)),
        },
        "coalesce" => unify(&types)?,
        "concat" if types.iter().all(|of| matches!(of, Type::List(_))) => unify(&types)?,
        "distinct" | "slice" if matches!(first, Type::List(_)) => first.clone(),
        "distinct" => match first {
            Type::Set(of) => list((**of).clone()),
            _ => return None,
        },
        "keys" if matches!(first, Type::Map(_)) => list(Type::String),
        "matchkeys" => match first {
            Type::List(_) => first.clone(),
            Type::Set(of) => list((**of).clone()),
            Type::Tuple(parts) => list(unify(parts)?),
            _ => return None,
        },
        "merge" if matches!(first, Type::Map(_)) && types.iter().all(|of| of == first) => first.clone(),
        "regexall" => list(found_type(args.first()?.as_str()?)?),
        "regex" => found_type(args.first()?.as_str()?)?,
        "reverse" => match first {
            Type::List(of) | Type::Set(of) => list((**of).clone()),
            Type::Tuple(parts) => Type::Tuple(parts.iter().rev().cloned().collect()),
            _ => return None,
        },
        "setintersection" | "setsubtract" | "setunion" => Type::Set(Arc::new(element_type(args).ok()??)),
        "setproduct" => {
            let part = |of: &Type| match of {
                Type::List(of) | Type::Set(of) => Some((**of).clone()),
                Type::Tuple(parts) => unify(parts),
                _ => None,
            };
            let row = Type::Tuple(types.iter().map(part).collect::<Option<_>>()?);
            match types.iter().any(|of| matches!(of, Type::Set(_))) {
                true => Type::Set(Arc::new(row)),
                false => list(row),
            }
        }
        "transpose" => Type::Map(Arc::new(list(Type::String))),
        "values" => match first {
            Type::Map(of) => list((**of).clone()),
            _ => return None,
        },
        "zipmap" => match (first, types.get(1)?) {
            (Type::List(_), Type::List(of)) => Type::Map(Arc::clone(of)),
            _ => return None,
        },
        _ => return None,
    })
}
