//! A unit's outputs, read from its state in the store. No process is started for them.
//!
//! Terragrunt reads them for itself, by the tool, from the states of the units that one depends on. It is given
//! those states without their resources: a task sees what another unit puts out, and no more of it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use portcullis_estate::{Estate, Unit};
use portcullis_model::{Code, Digest, DigestBuilder, Fault, UnitPath};
use portcullis_store::Store;
use serde_json::{Map, Value, json};

/// Outputs of the units that one depends on; a unit without a state, or whose state has no outputs, is not
/// among them (then `mock_outputs` count, as in Terragrunt).
pub type Outputs = BTreeMap<UnitPath, Map<String, Value>>;

/// Reads them.
///
/// # Errors
/// Those of the store, and `PC-0702` for a state that is no JSON.
pub async fn of_dependencies(store: &Store, unit: &Unit) -> Result<Outputs, Fault> {
    let mut outputs = Outputs::new();
    // What is outside of the account's folder is another runner's, and not readable here.
    for dependency in unit.dependencies.iter().filter(|dependency| dependency.outputs && !dependency.foreign) {
        let Some(state) = store.state_get(&dependency.target).await? else { continue };
        let values = parse(&dependency.target, &state.bytes)?;
        if !values.is_empty() {
            outputs.insert(dependency.target.clone(), values);
        }
    }
    Ok(outputs)
}

/// What a task of the real Terragrunt may read: for each unit that this one depends on, also through others, a state
/// with its outputs. Such a unit without a state here has one without outputs: the tool then finds none, and
/// Terragrunt's rules for mocks apply. Also answers the outputs themselves, from the same reading.
///
/// # Errors
/// As for [`of_dependencies`].
pub async fn readable(
    store: &Store,
    estate: &Estate,
    unit: &Unit,
) -> Result<(Outputs, BTreeMap<UnitPath, Bytes>), Fault> {
    let (mut outputs, mut states) = (Outputs::new(), BTreeMap::new());
    let mut left: Vec<&Unit> = vec![unit];
    let mut seen = BTreeSet::from([&unit.path]);
    while let Some(next) = left.pop() {
        for dependency in next.dependencies.iter().filter(|dependency| dependency.outputs) {
            let target = &dependency.target;
            if !seen.insert(target) {
                continue;
            }
            // What is outside of the account's folder is another runner's, and not readable here.
            let state = if dependency.foreign { None } else { store.state_get(target).await? };
            let state = state.map(|state| state.bytes);
            states.insert(target.clone(), without_resources(target, state.as_deref())?);
            if let Some(state) = &state {
                let values = parse(target, state)?;
                if !values.is_empty() {
                    outputs.insert(target.clone(), values);
                }
            }
            if let Some(Ok(known)) = estate.units().get(target) {
                left.push(known);
            }
        }
    }
    Ok((outputs, states))
}

/// What a root module may read: the states of the units that it depends on, with nothing but their outputs. Also
/// answers those outputs; a unit without a state has none.
///
/// # Errors
/// As for [`of_dependencies`].
pub async fn of_read_states(
    store: &Store,
    unit: &Unit,
) -> Result<(BTreeMap<UnitPath, Value>, BTreeMap<UnitPath, Bytes>), Fault> {
    let (mut used, mut states) = (BTreeMap::new(), BTreeMap::new());
    // What is outside of the account's folder is another runner's, and not readable here.
    for target in unit.dependencies.iter().filter(|dependency| !dependency.foreign).map(|found| &found.target) {
        let state = store.state_get(target).await?.map(|state| state.bytes);
        let values = state.as_deref().map(|state| parse(target, state)).transpose()?.unwrap_or_default();
        states.insert(target.clone(), without_resources(target, state.as_deref())?);
        used.insert(target.clone(), Value::Object(values));
    }
    Ok((used, states))
}

/// A state with the outputs of another, and nothing else that it holds.
fn without_resources(unit: &UnitPath, state: Option<&[u8]>) -> Result<Bytes, Fault> {
    let state: Value = match state {
        Some(state) => serde_json::from_slice(state)
            .map_err(|error| Fault::new(Code::SEAL_BROKEN, format!("the state of {unit} is no JSON: {error}")))?,
        None => Value::Null,
    };
    let field = |name: &str, default: Value| state.get(name).cloned().unwrap_or(default);
    let kept = json!({
        "version": 4,
        "terraform_version": field("terraform_version", json!("1.0.0")),
        "serial": field("serial", json!(1)),
        "lineage": field("lineage", json!("00000000-0000-0000-0000-000000000000")),
        "outputs": field("outputs", json!({})),
        "resources": [],
    });
    Ok(Bytes::from(kept.to_string()))
}

fn parse(unit: &UnitPath, state: &[u8]) -> Result<Map<String, Value>, Fault> {
    let mut state: Value = serde_json::from_slice(state)
        .map_err(|error| Fault::new(Code::SEAL_BROKEN, format!("the state of {unit} is no JSON: {error}")))?;
    let Some(Value::Object(outputs)) = state.get_mut("outputs").map(Value::take) else { return Ok(Map::new()) };
    let value = |(name, mut output): (String, Value)| Some((name, output.get_mut("value")?.take()));
    Ok(outputs.into_iter().filter_map(value).collect())
}

/// Names what went in, so that a plan can be told to be made from other outputs.
pub fn digest(used: &BTreeMap<UnitPath, Value>) -> Digest {
    let mut digest = DigestBuilder::new("portcullis outputs v1");
    for (unit, values) in used {
        digest.text(unit.as_str()).text(&values.to_string());
    }
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_task_may_read_of_a_state_is_its_outputs() {
        let unit = UnitPath::parse("dev/vpc").unwrap();
        let state = br#"{"version":4,"terraform_version":"1.11.4","serial":7,"lineage":"l",
            "outputs":{"id":{"value":"vpc-1","type":"string"}},
            "resources":[{"type":"db","instances":[{"attributes":{"password":"hunter2"}}]}]}"#;
        let kept = without_resources(&unit, Some(state)).unwrap();
        assert!(!String::from_utf8_lossy(&kept).contains("hunter2"));
        let kept: Value = serde_json::from_slice(&kept).unwrap();
        assert_eq!(kept.pointer("/outputs/id/value"), Some(&json!("vpc-1")));
        assert_eq!(kept.pointer("/serial"), Some(&json!(7)));
        let none: Value = serde_json::from_slice(&without_resources(&unit, None).unwrap()).unwrap();
        assert_eq!(none.pointer("/outputs"), Some(&json!({})));
    }

    #[test]
    fn outputs_are_read_from_a_state() {
        let unit = UnitPath::parse("dev/vpc").unwrap();
        let state = br#"{"version":4,"outputs":{"id":{"value":"vpc-1","type":"string"},"n":{"value":[1]}}}"#;
        assert_eq!(Value::Object(parse(&unit, state).unwrap()), serde_json::json!({"id": "vpc-1", "n": [1]}));
        assert!(parse(&unit, b"{}").unwrap().is_empty());
        assert_eq!(parse(&unit, b"x").unwrap_err().code(), Code::SEAL_BROKEN);
    }
}
