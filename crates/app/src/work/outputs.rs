//! A unit's outputs, read from its state in the store. No process is started for them.

use std::collections::BTreeMap;

use portcullis_estate::Unit;
use portcullis_model::{Code, Digest, DigestBuilder, Fault, UnitPath};
use portcullis_store::Store;
use serde_json::{Map, Value};

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
    fn outputs_are_read_from_a_state() {
        let unit = UnitPath::parse("dev/vpc").unwrap();
        let state = br#"{"version":4,"outputs":{"id":{"value":"vpc-1","type":"string"},"n":{"value":[1]}}}"#;
        assert_eq!(Value::Object(parse(&unit, state).unwrap()), serde_json::json!({"id": "vpc-1", "n": [1]}));
        assert!(parse(&unit, b"{}").unwrap().is_empty());
        assert_eq!(parse(&unit, b"x").unwrap_err().code(), Code::SEAL_BROKEN);
    }
}
