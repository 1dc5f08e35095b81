//! Inputs as the tool takes them: `TF_VAR_…` variables, and a file for those that are null.
//!
//! As in Terragrunt: a string is handed over as it is, everything else as JSON, which the tool parses as an HCL
//! expression, with every digit of a number. In what is parsed as an expression, `${` would start a template, so it
//! is escaped: inside collections always, in a plain string only if the module declares the variable with a type
//! other than `string` (otherwise the tool reads it literally, and an escape would end up in the value).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hcl_edit::expr::Expression;
use hcl_edit::structure::Structure;
use indexmap::IndexMap;
use portcullis_hcl::{Kind, Value};
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
        let text = match value.kind() {
            Kind::Null => {
                nulls.insert(name.clone(), serde_json::Value::Null);
                continue;
            }
            Kind::String(text) => {
                let parsed = text.contains("${")
                    && declared.get_or_insert_with(|| parsed_variables(layout, module)).iter().any(|n| n == name);
                if parsed { escape(text) } else { text.to_owned() }
            }
            _ => {
                let mut text = String::new();
                write_json(value, &mut text)?;
                text
            }
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

/// Makes `${` literal, but not where that is done already. `%{` stays as it is: Terragrunt passes it on, too.
fn escape(text: &str) -> String {
    // Between those that are escaped already, every other one is escaped.
    text.split("$${").map(|part| part.replace("${", "$${")).collect::<Vec<_>>().join("$${")
}

/// A value as JSON that is an HCL expression as well, entries sorted by name.
fn write_json(value: &Value, to: &mut String) -> Result<(), Fault> {
    match value.kind() {
        Kind::String(text) => write_string(&escape(text), to),
        Kind::Seq(_, elements) => {
            to.push('[');
            for (index, element) in elements.iter().enumerate() {
                to.push_str(if index == 0 { "" } else { "," });
                write_json(element, to)?;
            }
            to.push(']');
        }
        Kind::Map(_, entries) => {
            to.push('{');
            for (index, (name, entry)) in entries.iter().enumerate() {
                to.push_str(if index == 0 { "" } else { "," });
                write_string(name, to);
                to.push(':');
                write_json(entry, to)?;
            }
            to.push('}');
        }
        // All digits of a number, which JSON of 64 bits would not have.
        Kind::Number(_) => to.push_str(&value.want_string("a number")?),
        Kind::Null | Kind::Bool(_) | Kind::Unknown(_) => to.push_str(&value.to_json()?.to_string()),
    }
    Ok(())
}

/// A JSON string, with those characters escaped that Go's encoder escapes.
fn write_string(text: &str, to: &mut String) {
    to.push('"');
    for c in text.chars() {
        match c {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(to, "\\u{:04x}", u32::from(c));
            }
            other => to.push(other),
        }
    }
    to.push('"');
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
            ("%{ if x }", "%{ if x }"),
            ("$${a}${b}$$${c}", "$${a}$${b}$$${c}"),
            ("5$ or 5%", "5$ or 5%"),
            ("$$x ${y} ü$", "$$x $${y} ü$"),
        ] {
            assert_eq!(escape(text), escaped);
        }
    }

    #[test]
    fn a_collection_is_json_that_is_an_expression() {
        let json =
            serde_json::json!({"b": ["${x}", 1, null, true], "${a}": {"c": "%{x}\u{7}<\"\\\n"}, "e": {}, "l": []});
        let value = Value::from_json(&json, &portcullis_hcl::Origin::built_in());
        let mut text = String::new();
        write_json(&value, &mut text).unwrap();
        let expected = r#"{"${a}":{"c":"%{x}\u0007\u003c\"\\\n"},"b":["$${x}",1,null,true],"e":{},"l":[]}"#;
        assert_eq!(text, expected);
    }
}
