//! What is known of a result that is not known: its type, and that it is not null.
//!
//! Only types that do not depend on the arguments. A name that is missing here costs nothing but that.

use std::sync::Arc;

use crate::Value;
use crate::types::Type;

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
    "yamlencode",
];
const NUMBERS: &[&str] =
    &["abs", "ceil", "floor", "index", "length", "log", "max", "min", "parseint", "pow", "signum", "sum", "timecmp"];
const BOOLS: &[&str] =
    &["alltrue", "anytrue", "can", "cidrcontains", "contains", "endswith", "issensitive", "startswith", "strcontains"];

const TEXT_LISTS: &[&str] = &["cidrsubnets", "compact", "formatlist", "sort", "split"];

/// The unknown result of a function, with what is known of it.
pub(super) fn refined(function: &str, unknown: Value) -> Value {
    match function {
        // These keep null.
        "tostring" => unknown.refined(Type::String, false),
        "tonumber" => unknown.refined(Type::Number, false),
        "tobool" => unknown.refined(Type::Bool, false),
        name if TEXT_LISTS.contains(&name) => unknown.never_null(Type::List(Arc::new(Type::String))),
        "range" => unknown.never_null(Type::List(Arc::new(Type::Number))),
        "chunklist" => unknown.never_null(Type::List(Arc::new(Type::List(Arc::new(Type::Any))))),
        name if TEXTS.contains(&name) => unknown.never_null(Type::String),
        name if NUMBERS.contains(&name) => unknown.never_null(Type::Number),
        name if BOOLS.contains(&name) => unknown.never_null(Type::Bool),
        _ => unknown,
    }
}
