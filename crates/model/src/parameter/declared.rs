//! A declared parameter, and the values of a run.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Given, Type, Value};
use crate::id::quoted;
use crate::{Code, Fault};

/// A parameter, as an account has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// What it takes.
    pub kind: Type,
    /// For people.
    pub description: String,
    /// Whether a caller has to give it, or may.
    pub presence: Presence,
}

/// Whether a caller has to give a parameter, or may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// It must be given.
    Required,
    /// It may be given; this is its value otherwise.
    Default(Value),
    /// It may be given; otherwise the arguments that hold it are left out.
    Optional,
    /// It may not be given; this is its value.
    Fixed(Value),
    /// It may not be given, and has no value.
    Forbidden,
}

impl Parameter {
    /// Whether a caller may give it.
    pub fn is_open(&self) -> bool {
        !matches!(self.presence, Presence::Fixed(_) | Presence::Forbidden)
    }

    /// Whether a run may have no value for it.
    pub fn may_be_absent(&self) -> bool {
        matches!(self.presence, Presence::Optional | Presence::Forbidden)
    }
}

/// The values of a run: what was given, checked, and what the account fixes or says for the rest.
///
/// # Errors
/// `PC-0120` for the first parameter, by name, that is not there, is not to be given, or is not of its type.
pub fn resolve(
    declared: &BTreeMap<String, Parameter>,
    given: &BTreeMap<String, Given>,
) -> Result<BTreeMap<String, Value>, Fault> {
    if let Some((name, value)) = given.iter().find(|(name, _)| !declared.contains_key(*name)) {
        let message = format!("there is no parameter {}, which is given as {}", quoted(name), value.shown());
        return Err(Fault::new(Code::BAD_PARAMETER, message).remedy(offered(declared)));
    }
    let mut values = BTreeMap::new();
    for (name, parameter) in declared {
        let value = match (given.get(name), &parameter.presence) {
            (Some(given), _) if parameter.is_open() => Some(check(name, &parameter.kind, given)?),
            (Some(given), closed) => {
                let message =
                    format!("parameter `{name}`: {} is given, and this account lets nobody choose it", given.shown());
                let fixed = match closed {
                    Presence::Fixed(value) => format!(" Its value is {}.", shown(value)),
                    _ => String::new(),
                };
                let remedy = format!("Leave `{name}` out.{fixed}");
                return Err(Fault::new(Code::BAD_PARAMETER, message).remedy(remedy));
            }
            (None, Presence::Default(value) | Presence::Fixed(value)) => Some(value.clone()),
            (None, Presence::Optional | Presence::Forbidden) => None,
            (None, Presence::Required) => {
                return Err(Fault::new(Code::BAD_PARAMETER, format!("parameter `{name}` is missing"))
                    .remedy(format!("Give {}.", parameter.kind)));
            }
        };
        values.extend(value.map(|value| (name.clone(), value)));
    }
    Ok(values)
}

/// One given value, checked by its type.
///
/// # Errors
/// `PC-0120`, with the parameter, the value, the rule and what to give.
pub fn check(name: &str, kind: &Type, given: &Given) -> Result<Value, Fault> {
    kind.check(given).map_err(|refused| {
        let message = format!("parameter `{name}{}`: {} is refused: {}", refused.part, refused.shown, refused.rule);
        Fault::new(Code::BAD_PARAMETER, message).remedy(format!("Give {kind}."))
    })
}

/// A value in a message.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        other => serde_json::to_string(other).map_or_else(|_| "a value".to_owned(), |json| quoted_json(&json)),
    }
}

fn quoted_json(json: &str) -> String {
    let cut: String = json.chars().take(80).collect();
    if cut.len() < json.len() { format!("{cut}…") } else { cut }
}

fn offered(declared: &BTreeMap<String, Parameter>) -> String {
    let open: Vec<String> =
        declared.iter().filter(|(_, parameter)| parameter.is_open()).map(|(name, _)| format!("`{name}`")).collect();
    if open.is_empty() { "It takes no parameters.".to_owned() } else { format!("It takes {}.", open.join(", ")) }
}
