//! Inputs as the tool takes them: `TF_VAR_…` variables, and a file for those that are null.
//!
//! As in Terragrunt: a string is handed over as it is, everything else as JSON, which the tool parses as an HCL
//! expression. In what is parsed as an expression, `${` and `%{` would start a template, so they are escaped:
//! inside collections always, in a plain string only if the module declares the variable with a type other than
//! `string` (otherwise the tool reads it literally, and an escape would end up in the value).

use std::collections::BTreeMap;

use hcl_edit::expr::Expression;
use hcl_edit::structure::Structure;
use indexmap::IndexMap;
use portcullis_hcl::Value;
use portcullis_model::{Code, Fault, UnitPath};

use crate::layout::Layout;

/// File that carries null inputs; the name is Terragrunt's.
pub const NULL_INPUTS_FILE: &str = ".terragrunt-null-vars.auto.tfvars.json";
/// Longest environment variable that Linux hands to a program (`MAX_ARG_STRLEN`), in bytes.
const VARIABLE_MAX_BYTES: usize = 128 * 1024 - 1;

/// The variables, and the content of the file for null inputs if there is one.
pub struct Inputs {
    /// `TF_VAR_name` → value.
    pub env: BTreeMap<String, String>,
    /// JSON.
    pub null_file: Option<String>,
}

/// Turns a unit's inputs into what the tool takes.
///
/// # Errors
/// `PC-0418` when a value is not known, `PC-0613` when one is too long for an environment variable.
pub fn inputs(
    unit: &UnitPath,
    values: &IndexMap<String, Value>,
    layout: &Layout,
    module: &str,
) -> Result<Inputs, Fault> {
    let mut env = BTreeMap::new();
    let mut nulls = serde_json::Map::new();
    let mut declared = None;
    for (name, value) in values {
        let json = value.to_json()?;
        let text = match json {
            serde_json::Value::Null => {
                nulls.insert(name.clone(), serde_json::Value::Null);
                continue;
            }
            serde_json::Value::String(text) => {
                let is_template = text.contains("${") || text.contains("%{");
                let parsed = is_template
                    && declared.get_or_insert_with(|| parsed_variables(layout, module)).iter().any(|n| n == name);
                if parsed { escape(&text) } else { text }
            }
            other => escape_deep(other).to_string(),
        };
        if text.len() + name.len() + "TF_VAR_=".len() > VARIABLE_MAX_BYTES || text.contains('\0') {
            return Err(Fault::new(
                Code::LAYOUT,
                format!(
                    "input {name:?} of {unit} has {} bytes, an environment variable takes {VARIABLE_MAX_BYTES}",
                    text.len()
                ),
            )
            .remedy("Write it to a file with a `generate` block (`path = \"inputs.auto.tfvars.json\"`) instead."));
        }
        env.insert(format!("TF_VAR_{name}"), text);
    }
    let null_file = (!nulls.is_empty()).then(|| format!("{:#}", serde_json::Value::Object(nulls)));
    Ok(Inputs { env, null_file })
}

/// Doubles the first character of `${` and `%{`, but not where that is done already, as Terragrunt does.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['$', '%']) {
        let (before, from) = rest.split_at(at);
        escaped.push_str(before);
        let done = ["$${", "%%{"].into_iter().find(|pattern| from.starts_with(pattern));
        let open = ["${", "%{"].into_iter().find(|pattern| from.starts_with(pattern));
        let (taken, written) = match (done, open) {
            (Some(pattern), _) => (pattern.len(), pattern),
            (None, Some("${")) => (2, "$${"),
            (None, Some(_)) => (2, "%%{"),
            (None, None) => (1, if from.starts_with('$') { "$" } else { "%" }),
        };
        escaped.push_str(written);
        rest = from.split_at(taken).1;
    }
    escaped.push_str(rest);
    escaped
}

fn escape_deep(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::String(text) => serde_json::Value::String(escape(&text)),
        serde_json::Value::Array(items) => items.into_iter().map(escape_deep).collect(),
        serde_json::Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (escape(&key), escape_deep(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

/// Names of the module's variables whose value the tool parses as an expression. A file that does not parse
/// yields none: the tool will say what is wrong with it.
fn parsed_variables(layout: &Layout, module: &str) -> Vec<String> {
    let mut names = Vec::new();
    for body in crate::module_files(layout, module) {
        for structure in &body {
            let Structure::Block(block) = structure else { continue };
            let (true, Some(label)) = (block.ident.as_str() == "variable", block.labels.first()) else { continue };
            let is_string = block.body.get_attribute("type").is_none_or(
                |attribute| matches!(&attribute.value, Expression::Variable(name) if name.as_str() == "string"),
            );
            if !is_string {
                names.push(label.as_str().to_string());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_escaped_once() {
        for (text, escaped) in [
            ("a", "a"),
            ("${x}", "$${x}"),
            ("$${x}", "$${x}"),
            ("%{ if x }", "%%{ if x }"),
            ("%%{x}", "%%{x}"),
            ("5$ or 5%", "5$ or 5%"),
            ("$$x ${y} ü$", "$$x $${y} ü$"),
        ] {
            assert_eq!(escape(text), escaped);
        }
        let deep = escape_deep(serde_json::json!({"a": ["${x}", 1, null], "b": {"c": "%{x}"}}));
        assert_eq!(deep, serde_json::json!({"a": ["$${x}", 1, null], "b": {"c": "%%{x}"}}));
    }
}
