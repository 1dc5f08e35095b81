//! Values from and to JSON.

use bigdecimal::BigDecimal;
use portcullis_model::{Code, Fault};
use serde_json::Value as Json;

use crate::value::Kind;
use crate::{Origin, Value, number};

impl Value {
    /// The value as JSON; marks are lost.
    ///
    /// # Errors
    /// `PC-0418` with the place when something in it is unknown, `PC-0402` for a whole number that JSON in
    /// 64 bits cannot hold. A fraction becomes the nearest 64-bit float.
    pub fn to_json(&self) -> Result<Json, Fault> {
        Ok(match self.kind() {
            Kind::Null => Json::Null,
            Kind::Bool(value) => Json::Bool(value),
            Kind::Number(number) => Json::Number(json_number(number).ok_or_else(|| {
                self.fault(Code::HCL_EVALUATION, "the number has more digits than JSON is made with")
            })?),
            Kind::String(text) => Json::String(text.to_owned()),
            Kind::Seq(_, elements) => Json::Array(elements.iter().map(Value::to_json).collect::<Result<_, _>>()?),
            Kind::Map(_, entries) => Json::Object(
                entries
                    .iter()
                    .map(|(name, entry)| Ok((name.to_string(), entry.to_json()?)))
                    .collect::<Result<_, Fault>>()?,
            ),
            Kind::Unknown(_) => return Err(self.wrong("the value", "known")),
        })
    }

    /// The value of JSON, as `jsondecode` makes it: arrays are tuples, objects are objects. All of it has
    /// the same origin.
    pub fn from_json(json: &Json, origin: &Origin) -> Value {
        match json {
            Json::Null => Value::null(origin.clone()),
            Json::Bool(value) => Value::bool(*value, origin.clone()),
            Json::Number(text) => match json_decimal(text) {
                Some(number) => Value::number(number, origin.clone()),
                None => Value::null(origin.clone()),
            },
            Json::String(text) => Value::string(text.as_str(), origin.clone()),
            Json::Array(elements) => {
                Value::tuple(elements.iter().map(|element| Value::from_json(element, origin)).collect(), origin.clone())
            }
            Json::Object(entries) => Value::object(
                entries.iter().map(|(name, entry)| (name.as_str().into(), Value::from_json(entry, origin))).collect(),
                origin.clone(),
            ),
        }
    }
}

/// A JSON number is always finite, so there is always a decimal, if need be without its last digits.
fn json_decimal(json: &serde_json::Number) -> Option<BigDecimal> {
    number::parse(&json.to_string()).or_else(|| json.as_f64().and_then(number::from_f64))
}

fn json_number(decimal: &BigDecimal) -> Option<serde_json::Number> {
    if let Some(whole) = number::integer(decimal) {
        if let Ok(whole) = i64::try_from(&whole) {
            return Some(whole.into());
        }
        if let Ok(whole) = u64::try_from(&whole) {
            return Some(whole.into());
        }
        let float = number::to_f64(decimal);
        return serde_json::Number::from_f64(float).filter(|_| number::from_f64(float).as_ref() == Some(decimal));
    }
    serde_json::Number::from_f64(number::to_f64(decimal))
}
