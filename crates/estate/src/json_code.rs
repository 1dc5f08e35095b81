//! Terraform's code in JSON (`*.tf.json`), as far as it says where other code and other states are.
//!
//! HCL's JSON syntax: where blocks are expected there is an object or an array of objects, at each level of labels, and
//! a name may be there more than once. A string is a template; one with `${` or `%{` in it is not literal.

use std::collections::BTreeMap;

use jsonc_parser::ast::Value;
use jsonc_parser::{CollectOptions, parse_to_ast};

use crate::config::STRICT_JSON;

/// The local module calls of a file and whether something else in it leads upwards. `None`: it does not parse.
pub(crate) fn modules(text: &str) -> Option<(Vec<String>, bool)> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT_JSON).ok()?;
    let root = parsed.value?;
    let calls = named(&root, "module").into_iter().flat_map(entries);
    let sources: Vec<&Value<'_>> = calls.flat_map(|(_, body)| named(body, "source")).collect();
    let local: Vec<String> = sources
        .iter()
        .filter_map(|source| literal(source))
        .filter(|source| source.starts_with("./") || source.starts_with("../"))
        .collect();
    let mut up = 0;
    count_up(&root, &mut up);
    let followed = local.iter().filter(|source| source.contains("..")).count();
    Some((local, up > followed))
}

/// Backends with their literal settings, those of the code itself and those of the states that it reads.
pub(crate) struct Backends {
    pub(crate) own: Vec<(String, BTreeMap<String, String>)>,
    pub(crate) read: Vec<(String, BTreeMap<String, String>)>,
}

/// The backends of a file. `None`: it does not parse.
pub(crate) fn backends(text: &str) -> Option<Backends> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT_JSON).ok()?;
    let root = parsed.value?;
    let settings = |body: &Value<'_>| -> BTreeMap<String, String> {
        let literals = entries(body).into_iter().filter_map(|(name, value)| Some((name.to_owned(), literal(value)?)));
        literals.collect()
    };
    let own = named(&root, "terraform").into_iter().flat_map(|block| named(block, "backend")).flat_map(entries);
    let own = own.map(|(kind, body)| (kind.to_owned(), settings(body))).collect();
    let states = named(&root, "data").into_iter().flat_map(|data| named(data, "terraform_remote_state"));
    let read = states.flat_map(entries).filter_map(|(_, body)| {
        let backend = named(body, "backend").into_iter().find_map(literal)?;
        let config = named(body, "config").into_iter().map(settings).fold(BTreeMap::new(), |mut all, more| {
            all.extend(more);
            all
        });
        Some((backend, config))
    });
    Some(Backends { own, read: read.collect() })
}

/// The properties of an object, or of all objects of an array.
fn entries<'v>(value: &'v Value<'_>) -> Vec<(&'v str, &'v Value<'v>)> {
    match value {
        Value::Object(object) => {
            object.properties.iter().map(|property| (property.name.as_str(), &property.value)).collect()
        }
        Value::Array(array) => array.elements.iter().flat_map(entries).collect(),
        _ => Vec::new(),
    }
}

fn named<'v>(value: &'v Value<'_>, name: &str) -> Vec<&'v Value<'v>> {
    entries(value).into_iter().filter(|(found, _)| *found == name).map(|(_, value)| value).collect()
}

fn literal(value: &Value<'_>) -> Option<String> {
    let Value::StringLit(text) = value else { return None };
    Some(text.value.to_string()).filter(|text| !text.contains("${") && !text.contains("%{"))
}

/// Counts strings and names that lead upwards.
fn count_up(value: &Value<'_>, up: &mut usize) {
    match value {
        Value::StringLit(text) => *up += usize::from(text.value.contains("..")),
        Value::Object(object) => {
            for property in &object.properties {
                *up += usize::from(property.name.as_str().contains(".."));
                count_up(&property.value, up);
            }
        }
        Value::Array(array) => array.elements.iter().for_each(|element| count_up(element, up)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_calls_are_found_wherever_json_may_have_them() {
        for (text, expected) in [
            (r#"{"module": {"n": {"source": "../net"}}}"#, (vec!["../net"], false)),
            (r#"{"module": [{"n": [{"source": "./a"}]}, {"o": {"source": "..\/b"}}]}"#, (vec!["./a", "../b"], false)),
            (
                r#"{"module": {"n": {"source": "../a"}}, "module": {"o": {"source": "../b"}}}"#,
                (vec!["../a", "../b"], false),
            ),
            (r#"{"module": {"n": {"source": "${x}/../net"}}}"#, (vec![], true)),
            (r#"{"module": {"n": {"source": "../net", "file": "../x"}}}"#, (vec!["../net"], true)),
            (r#"{"locals": {"p": "\u002e./x"}}"#, (vec![], true)),
            (r#"{"module": {"n": {"source": "org/net/aws"}}}"#, (vec![], false)),
        ] {
            let (found, up) = modules(text).unwrap();
            assert_eq!((found.iter().map(String::as_str).collect::<Vec<_>>(), up), expected, "{text}");
        }
        assert!(modules("{").is_none() && modules("").is_none());
    }
}
