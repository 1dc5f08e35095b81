//! `generate` blocks and the file of `remote_state { generate = … }`, written as Terragrunt writes them.

use std::fmt::Write as _;

use indexmap::IndexMap;
use portcullis_estate::{GENERATED_SIGNATURE, Generated, IfDisabled, IfExists, RemoteState};
use portcullis_hcl::Value;
use portcullis_model::{Code, Fault};

use crate::format;
use crate::layout::{Layout, join, normalize};

/// Writes one generated file into the layout.
///
/// # Errors
/// `PC-0613` when the file exists and `if_exists` forbids to replace it, or the path leads out of the
/// working directory.
pub fn write(layout: &mut Layout, module: &str, file: &Generated) -> Result<(), Fault> {
    let target = target(module, &file.path).ok_or_else(|| {
        Fault::new(Code::LAYOUT, format!("the generated file {:?} would be outside the working directory", file.path))
            .at(file.place.clone())
            .remedy("Give a path relative to the module's folder, without `..` that leads out of it.")
    })?;
    let existing = layout.get(&target).map(|existing| is_generated(&existing.bytes));
    if file.disable {
        return disabled(layout, &target, existing, file);
    }
    match (file.if_exists, existing) {
        (IfExists::Error, Some(_)) | (IfExists::OverwriteTerragrunt, Some(false)) => {
            return Err(exists(file));
        }
        (IfExists::Skip, Some(_)) => return Ok(()),
        (IfExists::Error | IfExists::Skip | IfExists::OverwriteTerragrunt, None)
        | (IfExists::OverwriteTerragrunt, Some(true))
        | (IfExists::Overwrite, _) => {}
    }
    let signature =
        if file.disable_signature { String::new() } else { format!("{}{GENERATED_SIGNATURE}\n", file.comment_prefix) };
    let text = format!("{signature}{}", file.contents);
    let formatted = file.hcl_fmt.unwrap_or_else(|| [".tf", ".hcl", ".tofu"].contains(&extension(&file.path)));
    let text = if formatted { format::format(&text) } else { text };
    layout.put(target, text.into_bytes(), false)
}

/// From the last dot of the name on, with it.
fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').and_then(|at| name.get(at..)).unwrap_or_default()
}

/// Writes the backend's file, if `remote_state` has `generate`.
///
/// # Errors
/// As for [`write`], and those of unknown values in the configuration.
pub fn write_backend(layout: &mut Layout, module: &str, state: &RemoteState) -> Result<(), Fault> {
    let Some((path, if_exists)) = &state.generate else { return Ok(()) };
    let file = Generated {
        name: "remote_state".into(),
        path: path.clone(),
        if_exists: *if_exists,
        if_disabled: IfDisabled::Skip,
        contents: backend_block(&state.backend, &state.config)?,
        comment_prefix: "# ".into(),
        disable_signature: false,
        hcl_fmt: None,
        disable: false,
        place: state.place.clone(),
    };
    write(layout, module, &file)
}

/// `-backend-config=…` arguments for a `remote_state` without `generate`.
///
/// # Errors
/// Those of unknown values.
pub fn backend_arguments(state: &RemoteState) -> Result<Vec<String>, Fault> {
    let mut arguments = Vec::new();
    for (name, value) in &state.config {
        let text = match value.to_json()? {
            serde_json::Value::String(text) => text,
            other => expression(&other),
        };
        arguments.push(format!("-backend-config={name}={text}"));
    }
    arguments.sort();
    Ok(arguments)
}

fn disabled(layout: &mut Layout, target: &str, existing: Option<bool>, file: &Generated) -> Result<(), Fault> {
    match (file.if_disabled, existing) {
        (_, None) | (IfDisabled::Skip, _) => {}
        (IfDisabled::RemoveTerragrunt, Some(false)) => return Err(exists(file)),
        (IfDisabled::Remove, Some(_)) | (IfDisabled::RemoveTerragrunt, Some(true)) => layout.remove(target),
    }
    Ok(())
}

fn exists(file: &Generated) -> Fault {
    Fault::new(
        Code::LAYOUT,
        format!("{:?} exists already and was not generated, and `if_exists` forbids to replace it", file.path),
    )
    .at(file.place.clone())
    .remedy("Rename one of the two, or set `if_exists = \"overwrite\"`.")
}

/// An absolute path of a generated file counts only if it is in the working directory's own place.
fn target(module: &str, path: &str) -> Option<String> {
    match path.strip_prefix("/work/") {
        Some(inside) => normalize("", inside),
        None if path.starts_with('/') => None,
        None => normalize("", path).filter(|path| !path.is_empty()).map(|path| join(module, &path)),
    }
}

fn is_generated(bytes: &[u8]) -> bool {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(first).trim().ends_with(GENERATED_SIGNATURE)
}

/// `terraform { backend "…" { … } }`, attributes sorted by name.
fn backend_block(backend: &str, config: &IndexMap<String, Value>) -> Result<String, Fault> {
    let mut names: Vec<_> = config.iter().collect();
    names.sort_by_key(|(name, _)| name.as_str());
    let mut text = format!("terraform {{\n  backend {} {{\n", expression(&backend.into()));
    for (name, value) in names {
        let _ = writeln!(text, "    {name} = {}", attribute(&value.to_json()?));
    }
    text.push_str("  }\n}\n");
    // As a whole: its columns are those of the formatter.
    Ok(format::format(&text))
}

/// A JSON value as the value of an attribute: objects over several lines, keys sorted and bare where they can be.
fn attribute(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(map) if map.is_empty() => "{}".to_owned(),
        serde_json::Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            let line = |(key, value): &(&String, &serde_json::Value)| {
                let key = if is_name(key) { (*key).clone() } else { quote(key) };
                format!("{key} = {}\n", attribute(value))
            };
            format!("{{\n{}}}", entries.iter().map(line).collect::<String>())
        }
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(attribute).collect::<Vec<_>>().join(", "))
        }
        other => expression(other),
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_alphabetic())
        && text.chars().all(|c| c == '_' || c == '-' || c.is_alphanumeric())
}

/// A JSON value as an HCL expression on one line.
fn expression(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => quote(text),
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(expression).collect::<Vec<_>>().join(", "))
        }
        serde_json::Value::Object(map) => {
            let items: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("{} = {}", expression(&key.as_str().into()), expression(value)))
                .collect();
            format!("{{ {} }}", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// A string as a quoted HCL template without interpolation.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '$' | '%' if characters.peek() == Some(&'{') => quoted.extend([c, c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_hcl() {
        assert_eq!(quote("a\"b\\b${x}%{y}$\n\u{8}"), r#""a\"b\\b$${x}%%{y}$\n\u0008""#);
    }

    #[test]
    fn a_backend_is_written_as_terragrunt_writes_it() {
        let config = serde_json::json!({
            "retry_max": 2, "address": "http://x", "headers": {"b c": [1, {"k": null}], "a": "${x}", "e": {}},
        });
        let value = Value::from_json(&config, &portcullis_hcl::Origin::built_in());
        let config: IndexMap<String, Value> =
            value.as_map().unwrap().iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let wanted = "terraform {\n  backend \"http\" {\n    address = \"http://x\"\n    headers = {\n      a = \"$${x}\"\n      \"b c\" = [1, {\n        k = null\n      }]\n      e = {}\n    }\n    retry_max = 2\n  }\n}\n";
        assert_eq!(backend_block("http", &config).unwrap(), wanted);
    }

    #[test]
    fn a_generated_path_stays_in_the_working_directory() {
        assert_eq!(target("module/sub", "backend.tf").as_deref(), Some("module/sub/backend.tf"));
        assert_eq!(target("module", "../x"), None);
        assert_eq!(target("module", "/etc/x"), None);
        assert_eq!(target("module", "/work/module/x").as_deref(), Some("module/x"));
    }

    #[test]
    fn the_signature_is_found_whatever_the_comment_is() {
        assert!(is_generated(format!("// {GENERATED_SIGNATURE}\nx").as_bytes()));
        assert!(!is_generated(format!("x\n# {GENERATED_SIGNATURE}").as_bytes()));
    }
}
