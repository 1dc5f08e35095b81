//! Outputs of states are JSON; values that go in or come out of an evaluation are converted here.

use portcullis_hcl::{Kind, Origin, Value};
use portcullis_model::Fault;
use serde_json::Value as Json;

/// The value of JSON.
pub(crate) fn to_value(json: &Json, at: &Origin) -> Value {
    match json {
        Json::Null => Value::null(at.clone()),
        Json::Bool(value) => Value::bool(*value, at.clone()),
        Json::Number(number) => match number.to_string().parse::<bigdecimal::BigDecimal>() {
            Ok(number) => Value::number(number, at.clone()),
            Err(_) => Value::null(at.clone()),
        },
        Json::String(text) => Value::string(text.as_str(), at.clone()),
        Json::Array(elements) => {
            Value::tuple(elements.iter().map(|element| to_value(element, at)).collect(), at.clone())
        }
        Json::Object(entries) => Value::object(
            entries.iter().map(|(name, value)| (name.as_str().into(), to_value(value, at))).collect(),
            at.clone(),
        ),
    }
}

/// The JSON of a known value.
///
/// # Errors
/// `PC-0418` when something in it is unknown.
pub(crate) fn from_value(value: &Value) -> Result<Json, Fault> {
    Ok(match value.kind() {
        Kind::Null => Json::Null,
        Kind::Bool(value) => Json::Bool(value),
        Kind::Number(number) => number.to_plain_string().parse().map(Json::Number).unwrap_or(Json::Null),
        Kind::String(text) => Json::String(text.to_owned()),
        Kind::Seq(_, elements) => Json::Array(elements.iter().map(from_value).collect::<Result<_, _>>()?),
        Kind::Map(_, entries) => Json::Object(
            entries
                .iter()
                .map(|(name, value)| Ok((name.to_string(), from_value(value)?)))
                .collect::<Result<_, Fault>>()?,
        ),
        Kind::Unknown(_) => return Err(value.wrong("a value", "known")),
    })
}
