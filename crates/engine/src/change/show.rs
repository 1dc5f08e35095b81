//! Reads `show -json` of a saved plan, distrustfully: it comes out of a sandbox.
//!
//! Format: <https://developer.hashicorp.com/terraform/internals/json-format#plan-representation>, version 1.
//! Minor versions only add to it. What they added that has an effect and is not compared here (deferred
//! changes, invocations of provider actions) is refused, not skipped.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_model::id::quoted;
use portcullis_model::{Code, Fault, PlanSummary};
use serde::Deserialize;
use serde_json::Value;

use super::delta::{Action, Change, OutputDelta, ResourceDelta};

/// Largest output of `show -json` that is read, in bytes.
pub const SHOW_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Longest address or name of an output, in bytes.
const ADDRESS_MAX_BYTES: usize = 4096;

#[derive(Deserialize)]
struct Show {
    format_version: String,
    #[serde(default)]
    resource_changes: Vec<ShownResource>,
    #[serde(default)]
    output_changes: BTreeMap<String, ShownChange>,
    #[serde(default)]
    deferred_changes: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    action_invocations: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    deferred_action_invocations: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    errored: bool,
}

#[derive(Deserialize)]
struct ShownResource {
    address: String,
    #[serde(default)]
    previous_address: Option<String>,
    #[serde(default)]
    deposed: Option<String>,
    change: ShownChange,
}

#[derive(Deserialize)]
struct ShownChange {
    actions: Vec<String>,
    #[serde(default)]
    after: Value,
    #[serde(default)]
    after_unknown: Value,
    #[serde(default)]
    after_sensitive: Value,
    #[serde(default)]
    importing: Option<Value>,
}

impl Change {
    /// Reads the output of `show -json PLAN`.
    ///
    /// # Errors
    /// `PC-0603` for what is no plan, a plan that ended with an error, or one that holds what is not
    /// understood.
    pub fn from_show_json(bytes: &[u8]) -> Result<(Change, PlanSummary), Fault> {
        if bytes.len() > SHOW_MAX_BYTES {
            return Err(not_a_plan(format!("it has {} bytes, at most {SHOW_MAX_BYTES} are read", bytes.len())));
        }
        // The error of the parser is not passed on: it may quote a value.
        let show: Show = serde_json::from_slice(bytes).map_err(|error| {
            not_a_plan(format!("it does not parse at line {}, column {}", error.line(), error.column()))
        })?;
        check(&show)?;

        let mut seen = BTreeSet::new();
        let mut change = Change::default();
        for shown in show.resource_changes {
            let Some(delta) = resource(shown)? else { continue };
            if !seen.insert((delta.address.clone(), delta.deposed.clone())) {
                return Err(not_a_plan(format!("`{}` is in it twice", delta.label())));
            }
            change.resources.push(delta);
        }
        for (name, shown) in show.output_changes {
            check_text("an output", &name)?;
            let action = action(&name, &shown.actions)?;
            if action == Action::NoOp {
                continue;
            }
            let ShownChange { after, after_unknown, after_sensitive, .. } = shown;
            change.outputs.push(OutputDelta { name, action, after, after_unknown, after_sensitive });
        }
        let summary = change.summary();
        Ok((change, summary))
    }
}

fn check(show: &Show) -> Result<(), Fault> {
    if show.format_version.split('.').next() != Some("1") {
        return Err(not_a_plan(format!("its format is version {}, not 1", quoted(&show.format_version))));
    }
    if show.errored {
        return Err(not_a_plan("planning ended with an error, so it is not whole"));
    }
    if !show.deferred_changes.is_empty() || !show.deferred_action_invocations.is_empty() {
        return Err(not_a_plan("it defers changes to a later plan, which is not supported"));
    }
    if !show.action_invocations.is_empty() {
        return Err(not_a_plan("it invokes actions of a provider, which is not supported"));
    }
    Ok(())
}

fn resource(shown: ShownResource) -> Result<Option<ResourceDelta>, Fault> {
    let ShownResource { address, previous_address, deposed, change } = shown;
    check_text("an address", &address)?;
    for text in [&previous_address, &deposed].into_iter().flatten() {
        check_text("an address", text)?;
    }
    let previous_address = previous_address.filter(|previous| *previous != address);
    let action = action(&address, &change.actions)?;
    let import = change.importing.filter(|import| !import.is_null());
    if action == Action::NoOp && previous_address.is_none() && import.is_none() {
        return Ok(None);
    }
    Ok(Some(ResourceDelta {
        address,
        deposed: deposed.filter(|key| !key.is_empty()),
        previous_address,
        import,
        action,
        after: change.after,
        after_unknown: change.after_unknown,
        after_sensitive: change.after_sensitive,
    }))
}

fn action(of: &str, actions: &[String]) -> Result<Action, Fault> {
    let names: Vec<&str> = actions.iter().map(String::as_str).collect();
    Ok(match names.as_slice() {
        ["no-op"] => Action::NoOp,
        ["create"] => Action::Create,
        ["read"] => Action::Read,
        ["update"] => Action::Update,
        ["delete"] => Action::Delete,
        ["delete", "create"] => Action::DeleteThenCreate,
        ["create", "delete"] => Action::CreateThenDelete,
        ["create", "forget"] => Action::CreateThenForget,
        ["forget"] => Action::Forget,
        _ => return Err(not_a_plan(format!("its action {} for `{of}` is not understood", quoted(&names.join(", "))))),
    })
}

/// Addresses are shown in terminals and on pages; the tool escapes what is not printable.
fn check_text(what: &str, text: &str) -> Result<(), Fault> {
    if text.is_empty() || text.len() > ADDRESS_MAX_BYTES || text.chars().any(char::is_control) {
        return Err(not_a_plan(format!("{} is no name of {what}", quoted(text))));
    }
    Ok(())
}

fn not_a_plan(why: impl std::fmt::Display) -> Fault {
    Fault::new(Code::TOOL_FAILED, format!("the plan as the tool shows it cannot be used: {why}"))
        .remedy("Look at the task's log, and check that the tool's version is one that this runner knows.")
}

#[cfg(test)]
mod tests {
    use portcullis_model::ChangeKind;

    use super::*;

    fn read(text: &str) -> Result<(Change, PlanSummary), Fault> {
        Change::from_show_json(text.as_bytes())
    }

    fn plan(rest: &str) -> String {
        format!(r#"{{"format_version":"1.2",{rest}}}"#)
    }

    #[test]
    fn what_is_no_whole_plan_is_refused() {
        for (text, why) in [
            ("", "does not parse"),
            ("[]", "does not parse"),
            (r#"{"resource_changes":[]}"#, "does not parse"),
            (r#"{"format_version":"2.0"}"#, "version"),
            (&plan(r#""errored":true"#), "not whole"),
            (&plan(r#""deferred_changes":[{}]"#), "defers"),
            (&plan(r#""action_invocations":[{"address":"action.x"}]"#), "invokes"),
            (&plan(r#""resource_changes":[{"address":"a.b","change":{"actions":["explode"]}}]"#), "not understood"),
            (&plan(r#""resource_changes":[{"address":"a.b","change":{"actions":[]}}]"#), "not understood"),
            (&plan(r#""resource_changes":[{"address":"a\u001b[2J","change":{"actions":["create"]}}]"#), "no name"),
            (&plan(r#""output_changes":{"a\nb":{"actions":["create"]}}"#), "no name"),
            (
                &plan(
                    r#""resource_changes":[{"address":"a.b","change":{"actions":["create"]}},
                                           {"address":"a.b","change":{"actions":["delete"]}}]"#,
                ),
                "twice",
            ),
        ] {
            let fault = read(text).unwrap_err();
            assert_eq!(fault.code(), Code::TOOL_FAILED);
            assert!(fault.message().contains(why), "{text}: {fault}");
        }
    }

    #[test]
    fn a_parse_error_does_not_quote_a_value() {
        let fault = read(&plan(r#""errored":"hunter2""#)).unwrap_err();
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
    }

    #[test]
    fn every_kind_of_change_is_counted() {
        let (change, summary) = read(&plan(
            r#""resource_changes":[
              {"address":"t.same","change":{"actions":["no-op"]}},
              {"address":"t.add","change":{"actions":["create"],"after":{"s":"hunter2"}}},
              {"address":"t.update","previous_address":"t.old","change":{"actions":["update"]}},
              {"address":"t.gone","change":{"actions":["delete"]}},
              {"address":"t.gone","deposed":"1234abcd","change":{"actions":["delete"]}},
              {"address":"t.dc","change":{"actions":["delete","create"]}},
              {"address":"t.cd","change":{"actions":["create","delete"]}},
              {"address":"t.let","change":{"actions":["forget"]}},
              {"address":"t.moved[\"a b\"]","previous_address":"t.here","change":{"actions":["no-op"]}},
              {"address":"t.taken","change":{"actions":["no-op"],"importing":{"id":"i-1"}}},
              {"address":"data.t.read","mode":"data","change":{"actions":["read"]}}],
              "output_changes":{"same":{"actions":["no-op"]},"o":{"actions":["update"],"after":1}}"#,
        ))
        .unwrap();
        assert_eq!(summary.to_string(), "3 to add, 1 to change, 4 to destroy");
        let kinds: Vec<_> = summary.changes.iter().map(|c| (c.address.as_str(), c.kind)).collect();
        assert_eq!(
            kinds,
            [
                ("t.add", ChangeKind::Create),
                ("t.update", ChangeKind::Update),
                ("t.gone", ChangeKind::Destroy),
                ("t.gone (deposed object 1234abcd)", ChangeKind::Destroy),
                ("t.dc", ChangeKind::Replace),
                ("t.cd", ChangeKind::Replace),
                ("t.let", ChangeKind::Forget),
                (r#"t.moved["a b"]"#, ChangeKind::Move),
                ("t.taken", ChangeKind::Import),
                ("data.t.read", ChangeKind::Read),
            ]
        );
        assert_eq!(summary.outputs, ["o"]);
        assert!(!change.is_empty() && !change.only_creates());
        assert!(!format!("{change:?}").contains("hunter2"), "values are not for debugging output");
    }

    #[test]
    fn a_change_survives_being_kept() {
        let (change, _) = read(&plan(
            r#""resource_changes":[{"address":"t.a","change":{"actions":["create"],"after":{"n":1},
               "after_unknown":{"id":true},"after_sensitive":{"n":true}}}]"#,
        ))
        .unwrap();
        let kept = serde_json::to_vec(&change).unwrap();
        assert_eq!(serde_json::from_slice::<Change>(&kept).unwrap(), change);
    }

    #[test]
    fn only_creating_means_also_that_no_output_changes() {
        let create = r#""resource_changes":[{"address":"t.a","change":{"actions":["create"]}}]"#;
        let (first, _) =
            read(&plan(&format!(r#"{create},"output_changes":{{"o":{{"actions":["create"]}}}}"#))).unwrap();
        assert!(first.only_creates());
        let (later, _) =
            read(&plan(&format!(r#"{create},"output_changes":{{"o":{{"actions":["update"]}}}}"#))).unwrap();
        assert!(!later.only_creates());
    }
}
