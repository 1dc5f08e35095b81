//! Includes merged into the file that includes them, by Terragrunt's rules (`pkg/config/include.go`).
//!
//! Everywhere `parent` is the included file and `child` the one that includes it; the child wins.

use std::sync::Arc;

use portcullis_hcl::value::{Entries, article};
use portcullis_hcl::{Kind, Value};
use portcullis_model::{Code, Fault};

use super::include::Strategy;
use super::sections::{Config, Section};

/// The child's configuration with the parent's merged in.
pub(super) fn include(parent: Config, child: Config, strategy: Strategy) -> Result<Config, Fault> {
    if strategy == Strategy::None {
        return Ok(child);
    }
    let deep = strategy == Strategy::Deep;
    let mut merged = parent;
    merged.inputs = match (merged.inputs, child.inputs) {
        (Some(parent), Some(child)) if deep => Some(deep_merge(&parent, &child)?),
        (Some(parent), Some(child)) => Some(shallow_merge(&parent, &child)),
        (parent, child) => child.or(parent),
    };
    merged.terraform = match (merged.terraform, child.terraform) {
        (Some(parent), Some(child)) => Some(terraform(parent, child, deep)?),
        (parent, child) => child.or(parent),
    };
    for (kind, sections) in child.terraform_blocks {
        by_label(merged.terraform_blocks.entry(kind).or_default(), sections);
    }
    generate(&mut merged.generate, child.generate, deep)?;
    merged.dependencies = match (merged.dependencies, child.dependencies) {
        (Some(parent), Some(child)) => Some(paths(parent, child)),
        (parent, child) => child.or(parent),
    };
    merged.plain.extend(child.plain.into_iter().filter(|(_, value)| value.as_str() != Some("") && !value.is_null()));
    merged.remote_state = child.remote_state.or(merged.remote_state);
    merged.exclude = match (merged.exclude, child.exclude) {
        (Some(parent), Some(child)) if deep => Some(exclude(parent, child)),
        (parent, child) => child.or(parent),
    };
    merged.engine = match (merged.engine, child.engine) {
        (Some(parent), Some(child)) if deep => Some(overlaid(parent, child)),
        (parent, child) => child.or(parent),
    };
    merged.errors = match (merged.errors, child.errors) {
        (Some(parent), Some(child)) if deep => Some(errors(parent, child)?),
        (parent, child) => child.or(parent),
    };
    features(&mut merged.features, child.features, strategy)?;
    Ok(merged)
}

/// In a shallow merge Terragrunt refuses two blocks of one name; in a deep one the child's wins.
fn generate(parents: &mut Vec<Section>, children: Vec<Section>, deep: bool) -> Result<(), Fault> {
    if !deep && let Some((child, parent)) = children.iter().find_map(|child| Some((child, named(parents, child)?))) {
        return Err(child
            .origin
            .fault(Code::UNKNOWN_BLOCK, format!("`generate \"{}\"` is in an included file as well", child.label))
            .note(format!("the other is at {}", parent.place()))
            .remedy("Give it another name, or include the file with `merge_strategy = \"deep\"`."));
    }
    by_label(parents, children);
    parents.sort_by(|a, b| a.label.cmp(&b.label));
    Ok(())
}

fn named<'s>(sections: &'s [Section], like: &Section) -> Option<&'s Section> {
    sections.iter().find(|section| section.label == like.label)
}

/// Paths of `dependencies`: the parent's first, each once.
fn paths(mut parents: Vec<Value>, children: Vec<Value>) -> Vec<Value> {
    for path in children {
        if !parents.iter().any(|parent| parent.equals(&path)) {
            parents.push(path);
        }
    }
    parents
}

fn owned((name, value): (&Arc<str>, &Value)) -> (Arc<str>, Value) {
    (Arc::clone(name), value.clone())
}

/// What the child sets takes the place of what the parent sets.
fn overlaid(mut parent: Section, child: Section) -> Section {
    parent.attributes.extend(child.attributes.iter().filter(|(_, value)| !value.is_null()).map(owned));
    parent.origin = child.origin;
    parent
}

type Blocks = std::collections::BTreeMap<&'static str, Vec<Section>>;

/// `retry` and `ignore` blocks of one label are merged: patterns are joined, other attributes are the child's.
fn errors(mut parents: Blocks, children: Blocks) -> Result<Blocks, Fault> {
    for (kind, sections) in children {
        let parents = parents.entry(kind).or_default();
        for mut child in sections {
            let Some(parent) = parents.iter_mut().find(|parent| parent.label == child.label) else {
                parents.push(child);
                continue;
            };
            for patterns in ["retryable_errors", "ignorable_errors"] {
                if let (Some(before), Some(after)) = (parent.get(patterns), child.get(patterns)) {
                    let joined = joined(before, after)?;
                    child.attributes.insert(patterns.into(), joined);
                }
            }
            if let (Some(before), Some(after)) = (parent.get("signals"), child.get("signals")) {
                let merged = shallow_merge(before, after);
                child.attributes.insert("signals".into(), merged);
            }
            *parent = overlaid(parent.clone(), child);
        }
    }
    Ok(parents)
}

/// All patterns of two lists, sorted, each once.
fn joined(before: &Value, after: &Value) -> Result<Value, Fault> {
    if !(before.is_known_deep() && after.is_known_deep()) {
        return Ok(Value::derived("join", &[before.clone(), after.clone()], after.origin().clone()));
    }
    let mut patterns = before.want_strings("a list of patterns")?;
    patterns.extend(after.want_strings("a list of patterns")?);
    patterns.sort();
    patterns.dedup();
    let patterns = patterns.into_iter().map(|pattern| Value::string(pattern, after.origin().clone()));
    Ok(Value::tuple(patterns.collect(), after.origin().clone()))
}

fn features(parents: &mut Vec<Section>, children: Vec<Section>, strategy: Strategy) -> Result<(), Fault> {
    for mut child in children {
        let before = named(parents, &child).and_then(|parent| parent.get("default").cloned());
        if let Some(merged) = feature(before, child.get("default").cloned(), strategy)? {
            child.attributes.insert("default".into(), merged);
        }
        by_label(parents, vec![child]);
    }
    Ok(())
}

/// A feature's default from the included file and the file that includes it.
pub(super) fn feature(parent: Option<Value>, child: Option<Value>, strategy: Strategy) -> Result<Option<Value>, Fault> {
    Ok(match (parent, child) {
        (Some(parent), Some(child)) if strategy == Strategy::Deep => Some(deep_merge(&parent, &child)?),
        (parent, child) => child.or(parent),
    })
}

/// A child's block replaces the parent's of the same name in its place; others come after the parent's.
fn by_label(parents: &mut Vec<Section>, children: Vec<Section>) {
    for child in children {
        match parents.iter_mut().find(|parent| parent.label == child.label) {
            Some(parent) => *parent = child,
            None => parents.push(child),
        }
    }
}

fn terraform(mut parent: Section, mut child: Section, deep: bool) -> Result<Section, Fault> {
    for name in ["source", "version", "copy_terraform_lock_file"] {
        if let Some(value) = child.attributes.remove(name) {
            parent.attributes.insert(name.into(), value);
        }
    }
    // A shallow merge leaves the parent's patterns alone, also when the child has some: so does Terragrunt.
    for name in ["include_in_copy", "exclude_from_copy"] {
        let (Some(value), true) = (child.attributes.remove(name), deep) else { continue };
        let merged = match parent.attributes.get(name) {
            Some(before) => deep_merge(&value, before)?,
            None => value,
        };
        parent.attributes.insert(name.into(), merged);
    }
    Ok(parent)
}

fn exclude(mut parent: Section, child: Section) -> Section {
    let no_actions = child.get("actions").and_then(Value::as_seq).is_none_or(<[Value]>::is_empty);
    let actions = parent.attributes.remove("actions");
    parent.attributes = child.attributes;
    if let (true, Some(actions)) = (no_actions, actions) {
        parent.attributes.insert("actions".into(), actions);
    }
    parent.origin = child.origin;
    parent
}

/// Dependency blocks of an include merged with those of the child.
pub(super) fn dependencies(
    mut parents: Vec<Section>,
    children: Vec<Section>,
    strategy: Strategy,
) -> Result<Vec<Section>, Fault> {
    match strategy {
        Strategy::None => return Ok(children),
        Strategy::Shallow => by_label(&mut parents, children),
        Strategy::Deep => {
            for child in children {
                match parents.iter_mut().find(|parent| parent.label == child.label) {
                    Some(parent) => dependency(parent, &child)?,
                    None => parents.push(child),
                }
            }
        }
    }
    Ok(parents)
}

/// Mock outputs are merged deeply, commands appended; how mocks and state are merged stays the parent's.
fn dependency(parent: &mut Section, child: &Section) -> Result<(), Fault> {
    for (name, value) in child.attributes.iter().map(owned) {
        let empty = value.is_null() || value.as_str() == Some("");
        match &*name {
            _ if empty => {}
            "config_path" | "enabled" | "skip_outputs" => {
                parent.attributes.insert(name, value);
            }
            "mock_outputs" | "mock_outputs_allowed_terraform_commands" => {
                let merged = match parent.get(&name) {
                    Some(before) => deep_merge(before, &value)?,
                    None => value,
                };
                parent.attributes.insert(name, merged);
            }
            _ => {}
        }
    }
    Ok(())
}

fn shallow_merge(parent: &Value, child: &Value) -> Value {
    match (parent.as_map(), child.as_map()) {
        (Some(before), Some(after)) => {
            let kept = before.iter().filter(|(name, _)| !after.contains_key(*name));
            let entries = kept.chain(after).map(owned).collect();
            let sensitive = parent.is_sensitive() || child.is_sensitive();
            Value::object(entries, child.origin().clone()).mark(sensitive)
        }
        _ => Value::derived("merge", &[parent.clone(), child.clone()], child.origin().clone()),
    }
}

/// Maps are merged recursively, lists appended, anything else is the child's.
///
/// # Errors
/// `PC-0406` when a list meets something else that is no list.
pub(super) fn deep_merge(parent: &Value, child: &Value) -> Result<Value, Fault> {
    deep(parent, child, true)
}

/// As [`deep_merge`], but a list replaces a list.
pub(super) fn deep_merge_maps(parent: &Value, child: &Value) -> Result<Value, Fault> {
    deep(parent, child, false)
}

fn deep(parent: &Value, child: &Value, append: bool) -> Result<Value, Fault> {
    let sensitive = parent.is_sensitive() || child.is_sensitive();
    let merged = match (parent.kind(), child.kind()) {
        (Kind::Unknown(_), _) | (_, Kind::Unknown(_)) => {
            return Ok(Value::derived("deep merge", &[parent.clone(), child.clone()], child.origin().clone()));
        }
        (Kind::Map(_, before), Kind::Map(_, after)) => {
            let mut entries: Entries = before.clone();
            for (name, value) in after {
                let merged = match before.get(name) {
                    Some(before) => deep(before, value, append)?,
                    None => value.clone(),
                };
                entries.insert(name.clone(), merged);
            }
            Value::object(entries, child.origin().clone())
        }
        (Kind::Seq(_, before), Kind::Seq(_, after)) if append => {
            Value::tuple(before.iter().chain(after).cloned().collect(), child.origin().clone())
        }
        (Kind::Null | Kind::Seq(..), _) | (_, Kind::Null) => return Ok(child.clone()),
        (_, Kind::Seq(..)) if append => {
            return Err(child
                .fault(Code::HCL_TYPE, format!("a list cannot be merged into {}", article(parent.type_name())))
                .note(format!("the other value is at {}", parent.origin().place())));
        }
        _ => return Ok(child.clone()),
    };
    Ok(merged.mark(sensitive))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_hcl::Origin;

    fn value(json: &serde_json::Value) -> Value {
        crate::json::to_value(json, &Origin::built_in())
    }

    fn merged(parent: &serde_json::Value, child: &serde_json::Value) -> serde_json::Value {
        crate::json::from_value(&deep_merge(&value(parent), &value(child)).unwrap()).unwrap()
    }

    #[test]
    fn deep_merge_appends_lists_and_joins_maps() {
        use serde_json::json;
        assert_eq!(
            merged(&json!({"a": [1], "m": {"x": 1, "y": 2}, "n": 1}), &json!({"a": [2], "m": {"y": 3}, "n": null})),
            json!({"a": [1, 2], "m": {"x": 1, "y": 3}, "n": null})
        );
        assert_eq!(merged(&json!({"a": "x"}), &json!({"a": {"b": 1}})), json!({"a": {"b": 1}}));
        let fault = |parent| deep_merge(&value(&parent), &value(&json!({"a": [1]}))).unwrap_err();
        assert_eq!(fault(json!({"a": "x"})).message(), "a list cannot be merged into a string");
        assert_eq!(fault(json!({"a": {}})).message(), "a list cannot be merged into an object");
    }
}
