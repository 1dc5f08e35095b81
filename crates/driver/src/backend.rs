//! Where a unit's state is kept, and whether a sandbox of this version can reach it.

use std::collections::BTreeSet;

use hcl_edit::expr::Expression;
use hcl_edit::structure::{Body, Structure};
use portcullis_estate::Resolved;
use portcullis_model::state::STATE_HOST;
use portcullis_model::{Code, Fault, Place, UnitPath};

use crate::layout::Layout;
use crate::module_files;

/// Refuses a unit whose state would be lost with its sandbox, or that needs what the sandbox does not have.
///
/// # Errors
/// `PC-0608`, with the place of the backend's definition and the remedy.
pub fn check(unit: &Resolved, layout: &Layout, module: &str) -> Result<(), Fault> {
    let place = unit.remote_state.as_ref().map_or_else(|| Place::file(unit.path.as_str()), |state| state.place.clone());
    let refuse = |message: String| {
        let remedy = if unit.root_module {
            format!(
                "Use the runner's own state store: `backend \"http\"` with \"http://{STATE_HOST}/{}\" as `address`, \
                 `lock_address` and `unlock_address` (docs/state.md).",
                unit.path
            )
        } else {
            format!(
                "Use the runner's own state store: `remote_state {{ backend = \"http\" … config = {{ address = \
                 \"http://{STATE_HOST}/${{path_relative_to_include()}}\" }} }}` (docs/state.md)."
            )
        };
        Err(Fault::new(Code::BACKEND_REFUSED, message).at(place.clone()).remedy(remedy))
    };
    let mut defined = BTreeSet::new();
    let mut addresses = BTreeSet::new();
    for body in module_files(layout, module) {
        backends(&body, &mut defined, &mut addresses);
    }
    json_backends(layout, module, &mut defined, &mut addresses);
    if let Some(state) = &unit.remote_state
        && state.generate.is_none()
    {
        if !defined.contains(&state.backend) {
            return refuse(format!(
                "{} configures a backend {:?} without `generate`, and no file of the module has that backend block",
                unit.path, state.backend
            ));
        }
        for name in ["address", "lock_address", "unlock_address"] {
            if let Some(value) = state.config.get(name) {
                addresses.insert(value.to_json()?.as_str().unwrap_or_default().to_string());
            }
        }
    }
    match defined.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => refuse(format!("{} has no backend: its state would be lost with the sandbox", unit.path)),
        ["local"] => {
            refuse(format!("{} keeps its state in a local file, which would be lost with the sandbox", unit.path))
        }
        ["http"] => check_addresses(&unit.path, &addresses).or_else(refuse),
        [other] => refuse(format!(
            "{} keeps its state in {other:?}, which needs a network and credentials that this version's sandbox does not have",
            unit.path
        )),
        several => refuse(format!("{} has several backends: {}", unit.path, several.join(", "))),
    }
}

/// All addresses must name the unit's own state: the door would refuse any other, later and less clearly.
fn check_addresses(unit: &UnitPath, addresses: &BTreeSet<String>) -> Result<(), String> {
    let own = format!("http://{STATE_HOST}/{unit}");
    match addresses.iter().find(|address| **address != own) {
        Some(other) if other.starts_with(&format!("http://{STATE_HOST}/")) => {
            Err(format!("{unit} names the state of another unit, {other:?}; its own is {own:?}"))
        }
        Some(other) => Err(format!(
            "{unit} keeps its state at {other:?}, which needs a network that this version's sandbox does not have"
        )),
        None if addresses.is_empty() => Err(format!("{unit} has a backend \"http\" without an address")),
        None => Ok(()),
    }
}

fn backends(body: &Body, defined: &mut BTreeSet<String>, addresses: &mut BTreeSet<String>) {
    let blocks = |body: &Body, name: &str| -> Vec<hcl_edit::structure::Block> {
        body.iter().filter_map(Structure::as_block).filter(|block| block.ident.as_str() == name).cloned().collect()
    };
    for terraform in blocks(body, "terraform") {
        if !blocks(&terraform.body, "cloud").is_empty() {
            defined.insert("cloud".into());
        }
        for backend in blocks(&terraform.body, "backend") {
            defined.extend(backend.labels.first().map(|label| label.as_str().to_string()));
            for name in ["address", "lock_address", "unlock_address"] {
                match backend.body.get_attribute(name).map(|attribute| &attribute.value) {
                    Some(Expression::String(text)) => {
                        addresses.insert(text.value().to_string());
                    }
                    Some(other) => {
                        addresses.insert(other.to_string());
                    }
                    None => {}
                }
            }
        }
    }
}

/// The same for `.tf.json` files.
fn json_backends(layout: &Layout, module: &str, defined: &mut BTreeSet<String>, addresses: &mut BTreeSet<String>) {
    let prefix = format!("{module}/");
    for (path, file) in layout.files() {
        let Some(name) = path.strip_prefix(&prefix) else { continue };
        if name.contains('/') || !(name.ends_with(".tf.json") || name.ends_with(".tofu.json")) {
            continue;
        }
        let Ok(json) = serde_json::from_slice::<serde_json::Value>(&file.bytes) else { continue };
        for terraform in one_or_many(json.get("terraform")) {
            if terraform.get("cloud").is_some() {
                defined.insert("cloud".into());
            }
            for backend in one_or_many(terraform.get("backend")) {
                for (name, config) in backend.as_object().into_iter().flatten() {
                    defined.insert(name.clone());
                    let values =
                        ["address", "lock_address", "unlock_address"].into_iter().filter_map(|key| config.get(key));
                    addresses.extend(values.map(|value| value.as_str().unwrap_or_default().to_string()));
                }
            }
        }
    }
}

fn one_or_many(value: Option<&serde_json::Value>) -> Vec<&serde_json::Value> {
    match value {
        Some(serde_json::Value::Array(items)) => items.iter().collect(),
        Some(value) => vec![value],
        None => Vec::new(),
    }
}
