//! A unit's effective configuration as HCL. What is not known reads `unknown("reason")`: it is for reading, not
//! for running.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use owo_colors::OwoColorize;
use serde_json::{Map, Value as Json};

use crate::render::terminal::plain;

/// Which blocks there are: inside which block (none: at the top), and whether they have labels.
const BLOCKS: [(&str, &str, bool); 15] = [
    ("", "catalog", false),
    ("", "dependencies", false),
    ("", "dependency", true),
    ("", "engine", false),
    ("", "errors", false),
    ("", "exclude", false),
    ("", "feature", true),
    ("", "generate", true),
    ("", "locals", false),
    ("", "remote_state", false),
    ("", "terraform", false),
    ("terraform", "after_hook", true),
    ("terraform", "before_hook", true),
    ("terraform", "error_hook", true),
    ("terraform", "extra_arguments", true),
];

/// Provenance of attributes, by their path.
pub type Notes = BTreeMap<String, String>;

/// The configuration. `title` is shown as a comment before it; `notes` after the attributes that have one.
/// Attributes that are not set are left out.
pub fn text(title: Option<&str>, config: &Json, notes: &Notes) -> String {
    let mut printer = Printer { text: String::new(), notes };
    if let Some(title) = title {
        let _ = writeln!(printer.text, "{}", format!("# {}", plain(title)).dimmed());
    }
    if let Some(entries) = config.as_object() {
        printer.body(entries, "", 0);
    }
    printer.text.push('\n');
    printer.text
}

struct Printer<'a> {
    text: String,
    notes: &'a Notes,
}

impl Printer<'_> {
    /// Attributes first, then blocks, as people write them.
    fn body(&mut self, entries: &Map<String, Json>, at: &str, depth: usize) {
        let is_block = |name: &str, value: &Json| {
            let known = at == "errors" || BLOCKS.iter().any(|(outer, block, _)| *outer == at && *block == name);
            known && (value.is_object() || value.is_array()) && special(value).is_none()
        };
        let attributes: Vec<_> =
            entries.iter().filter(|(name, value)| !is_block(name, value) && is_set(value)).collect();
        let width = attributes.iter().map(|(name, _)| key(name).chars().count()).max().unwrap_or(0);
        for (name, value) in attributes {
            let path = join(at, name);
            let _ = write!(self.text, "{}{:<width$} = ", indent(depth), key(name));
            self.value(value, &path, depth);
            self.end(&path);
        }
        for (name, value) in entries.iter().filter(|(name, value)| is_block(name, value)) {
            self.blocks(name, value, at, depth);
        }
    }

    fn blocks(&mut self, name: &str, value: &Json, at: &str, depth: usize) {
        let path = join(at, name);
        let labelled = BLOCKS.iter().any(|(outer, block, labelled)| *labelled && *outer == at && *block == name);
        match value {
            Json::Object(entries) if labelled => {
                for (label, value) in entries {
                    self.one(name, Some(label), value, &join(&path, label), depth);
                }
            }
            Json::Array(blocks) => {
                for block in blocks {
                    let label = block.get("name").and_then(Json::as_str);
                    self.one(name, label, block, &path, depth);
                }
            }
            _ => self.one(name, None, value, &path, depth),
        }
    }

    fn one(&mut self, kind: &str, label: Option<&str>, value: &Json, path: &str, depth: usize) {
        let Some(entries) = value.as_object() else { return };
        let mut entries = entries.clone();
        if label.is_some() {
            entries.shift_remove("name");
        }
        if entries.is_empty() {
            return;
        }
        if depth == 0 && !self.text.is_empty() {
            self.text.push('\n');
        }
        let label = label.map_or_else(String::new, |label| format!(" {}", quoted(label)));
        let _ = writeln!(self.text, "{}{}{label} {{", indent(depth), kind.bold());
        self.body(&entries, path, depth + 1);
        let _ = writeln!(self.text, "{}}}", indent(depth));
    }

    fn end(&mut self, path: &str) {
        if let Some(note) = self.notes.get(path) {
            let _ = write!(self.text, "  {}", format!("# {}", plain(note)).dimmed());
        }
        self.text.push('\n');
    }

    fn value(&mut self, value: &Json, path: &str, depth: usize) {
        if let Some(text) = special(value) {
            let _ = write!(self.text, "{}", text.yellow());
            return;
        }
        match value {
            Json::String(text) => self.text.push_str(&quoted(text)),
            Json::Array(elements) if elements.iter().all(|element| !element.is_object() && !element.is_array()) => {
                self.text.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        self.text.push_str(", ");
                    }
                    self.value(element, "", depth);
                }
                self.text.push(']');
            }
            Json::Array(elements) => {
                self.text.push_str("[\n");
                for element in elements {
                    self.text.push_str(&indent(depth + 1));
                    self.value(element, "", depth + 1);
                    self.text.push_str(",\n");
                }
                let _ = write!(self.text, "{}]", indent(depth));
            }
            Json::Object(entries) if entries.is_empty() => self.text.push_str("{}"),
            Json::Object(entries) => {
                self.text.push_str("{\n");
                let width = entries.keys().map(|name| key(name).chars().count()).max().unwrap_or(0);
                for (name, value) in entries {
                    let path = join(path, name);
                    let _ = write!(self.text, "{}{:<width$} = ", indent(depth + 1), key(name));
                    self.value(value, &path, depth + 1);
                    self.end(&path);
                }
                let _ = write!(self.text, "{}}}", indent(depth));
            }
            other => {
                let _ = write!(self.text, "{other}");
            }
        }
    }
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}

/// Null, empty text and empty objects at the places of attributes say that nothing was set.
fn is_set(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::String(text) => !text.is_empty(),
        _ => true,
    }
}

/// What an unknown or hidden value reads as.
fn special(value: &Json) -> Option<String> {
    let entries = value.as_object().filter(|entries| entries.len() == 1)?;
    match (entries.get("$unknown").and_then(Json::as_str), entries.contains_key("$sensitive")) {
        (Some(reason), _) => Some(format!("unknown({})", quoted(reason))),
        (None, true) => Some("sensitive(\"hidden\")".to_owned()),
        (None, false) => None,
    }
}

fn join(at: &str, name: &str) -> String {
    portcullis_estate::attribute_path(at, name)
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

fn key(name: &str) -> String {
    if is_plain(name) { name.to_owned() } else { quoted(name) }
}

/// Text between quotes, as HCL takes it; what could steer a terminal is escaped.
fn quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push('"');
    let mut left = text.chars().peekable();
    while let Some(c) = left.next() {
        match c {
            '"' | '\\' => shown.extend(['\\', c]),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '$' | '%' if left.peek() == Some(&'{') => shown.extend([c, c]),
            c if plain(c.encode_utf8(&mut [0; 4])).chars().eq([c]) => shown.push(c),
            c => {
                let _ = write!(shown, "\\U{:08x}", u32::from(c));
            }
        }
    }
    shown.push('"');
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn configuration_reads_as_hcl() {
        let config = json!({
            "dependency": { "vpc": { "config_path": "../vpc", "enabled": null, "name": "vpc",
                                     "outputs": { "$unknown": "dependency.vpc.outputs" } } },
            "download_dir": "",
            "generate": {},
            "inputs": { "cidr": "10.0.0.0/16", "tags": { "a b": "x", "n": 1 }, "password": { "$sensitive": true },
                        "list": [1, "${x}"], "objects": [{ "a": true }] },
            "remote_state": { "backend": "s3", "generate": { "path": "b.tf" } },
            "errors": { "retry": [{ "name": "net", "max_attempts": 3 }] },
            "locals": { "dependency": { "a": { "b": 1 } } },
            "terraform": { "source": "../m", "before_hook": { "x": { "name": "x", "commands": ["plan"] } } },
        });
        let notes = Notes::from([("inputs.cidr".to_owned(), "root.hcl:3".to_owned())]);
        let shown = anstream::adapter::strip_str(&text(Some("dev/vpc"), &config, &notes)).to_string();
        insta::assert_snapshot!(shown, @r#"
        # dev/vpc
        inputs = {
          cidr     = "10.0.0.0/16"  # root.hcl:3
          tags     = {
            "a b" = "x"
            n     = 1
          }
          password = sensitive("hidden")
          list     = [1, "$${x}"]
          objects  = [
            {
              a = true
            },
          ]
        }

        dependency "vpc" {
          config_path = "../vpc"
          outputs     = unknown("dependency.vpc.outputs")
        }

        remote_state {
          backend  = "s3"
          generate = {
            path = "b.tf"
          }
        }

        errors {
          retry "net" {
            max_attempts = 3
          }
        }

        locals {
          dependency = {
            a = {
              b = 1
            }
          }
        }

        terraform {
          source = "../m"
          before_hook "x" {
            commands = ["plan"]
          }
        }
        "#);
    }

    #[test]
    fn text_cannot_leave_its_quotes() {
        assert_eq!(quoted("a\"b\\\n${c}\u{1b}[0m$"), "\"a\\\"b\\\\\\n$${c}\\U0000001b[0m$\"");
    }
}
