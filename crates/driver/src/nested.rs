//! Modules that a module itself takes from outside: the tool would fetch them in `init`, and a sandbox has no network.
//!
//! Found before anything runs, since the tool's own message would be about a connection. Goes by `module` blocks with a
//! literal source in files that parse; the tool will say what is wrong with the others.

use std::collections::BTreeSet;

use hcl_edit::Span as _;
use hcl_edit::expr::Expression;
use hcl_edit::structure::{Body, Structure};
use portcullis_estate::Resolved;
use portcullis_model::id::quoted;
use portcullis_model::{Code, Fault, Place};

use crate::layout::{Layout, join, normalize};

/// Refuses a unit whose module, or a local module that it uses, has a `module` block with a source elsewhere.
///
/// # Errors
/// `PC-0607`, with the file and line in the module.
pub(crate) fn refuse_remote(unit: &Resolved, layout: &Layout, module: &str) -> Result<(), Fault> {
    let mut left = vec![module.to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(folder) = left.pop() {
        if !seen.insert(folder.clone()) {
            continue;
        }
        let prefix = format!("{folder}/");
        for (path, file) in layout.files() {
            let Some(name) = path.strip_prefix(&prefix) else { continue };
            if name.contains('/') || !(name.ends_with(".tf") || name.ends_with(".tofu")) {
                continue;
            }
            let Ok(text) = std::str::from_utf8(&file.bytes) else { continue };
            // Most files have none, and parsing is what costs.
            if !text.contains("module") {
                continue;
            }
            let Ok(body) = text.parse::<Body>() else { continue };
            for (label, source, at) in sources(&body) {
                if source.starts_with("./") || source.starts_with("../") {
                    left.extend(normalize(&folder, &source.replace("//", "/")));
                } else if !source.starts_with('/') {
                    let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
                    let file = join("", path.split_once('/').map_or(path, |(_, inside)| inside));
                    return Err(refusal(unit, &label, &source, &format!("{file}:{line}")));
                }
            }
        }
    }
    Ok(())
}

/// Label, source and where it begins, of each `module` block whose source is literal.
fn sources(body: &Body) -> impl Iterator<Item = (String, String, usize)> {
    let blocks = body.iter().filter_map(Structure::as_block).filter(|block| block.ident.as_str() == "module");
    blocks.filter_map(|block| {
        let attribute = block.body.get_attribute("source")?;
        let Expression::String(source) = &attribute.value else { return None };
        let label = block.labels.first().map(|label| label.as_str().to_owned()).unwrap_or_default();
        Some((label, source.value().to_string(), attribute.key.span().map_or(0, |span| span.start)))
    })
}

fn refusal(unit: &Resolved, label: &str, source: &str, file: &str) -> Fault {
    let place = unit.source.as_ref().map_or_else(|| Place::file(unit.path.as_str()), |from| from.place().clone());
    let message = format!(
        "the module takes `module {}` from {}, at its {file}: `init` would have to fetch it, and a sandbox has no network",
        quoted(label),
        quoted(source)
    );
    Fault::new(Code::DRIVER_REFUSED, message).at(place).remedy(
        "Let the unit's own `source` name that module, or keep a copy of it beside the one that uses it (`./…`).",
    )
}
