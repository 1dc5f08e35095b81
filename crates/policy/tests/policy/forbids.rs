//! Policies that forbid what is allowed, and what is told of them.

use std::collections::BTreeMap;

use portcullis_model::{ActionKind, Code, PrincipalName};
use portcullis_policy::{Caller, Facts, Requester, Role};
use serde_json::json;

use crate::{Token, facts, name, policies, time, token};

const FREEZE: &str = r#"
@reason("no applies over the year's end: ask in #platform")
forbid (principal, action == Action::"apply", resource)
when { context.frozen.contains(Freeze::"year-end") };
"#;

fn merge() -> Token {
    token(json!({"repository_id": "8210441", "ref": "refs/heads/main", "actor": "ada"}))
}

#[test]
fn a_freeze_forbids_while_it_is_on_and_by_the_runners_clock() {
    let policies = policies(&[("year-end", FREEZE)]);
    let at = |moment: &str, action| {
        let facts = Facts { at: time(moment), ..facts() };
        policies.decide(&merge().caller(), action, Role::Start, &facts)
    };
    for moment in ["2026-12-19T23:59:59.999Z", "2027-01-03T00:00:00Z"] {
        assert!(at(moment, ActionKind::Apply).allowed, "{moment}");
    }
    for moment in ["2026-12-20T00:00:00Z", "2027-01-02T23:59:59.999Z"] {
        let denied = at(moment, ActionKind::Apply);
        assert!(!denied.allowed, "{moment}");
        assert_eq!(
            denied.reason,
            "`live-merge` may apply, but policy `year-end` forbids it: no applies over the year's end: ask in #platform"
        );
        assert_eq!(denied.into_result().unwrap_err().code(), Code::FORBIDDEN_BY_POLICY);
        assert!(at(moment, ActionKind::Plan).allowed, "it is about another action");
    }
    assert!(policies.may(&merge().caller(), ActionKind::Apply, Role::Start).allowed, "it has the right all the same");
}

#[test]
fn who_may_not_do_it_at_all_hears_nothing_of_what_forbids_it() {
    let policies = policies(&[("secret-name", "forbid (principal, action, resource);")]);
    for claims in [json!({"repository_id": "666"}), json!({"repository_id": "8210441", "ref": "refs/heads/x"})] {
        let denied = policies.decide(&token(claims).caller(), ActionKind::Apply, Role::Start, &facts());
        assert_eq!(denied.fault.as_ref().unwrap().code(), Code::DENIED);
        assert!(!format!("{denied:?}").contains("secret-name"), "{denied:?}");
    }
    assert!(policies.rights().is_empty(), "what is forbidden always is no right");
}

#[test]
fn an_apply_needs_the_protected_branch_in_the_policy_too() {
    let policies = policies(&[]);
    let facts = Facts { protected: false, ..facts() };
    assert!(!policies.decide(&merge().caller(), ActionKind::Apply, Role::Start, &facts).allowed);
    assert!(policies.decide(&merge().caller(), ActionKind::Plan, Role::Start, &facts).allowed);
}

#[test]
fn duties_are_kept_apart_by_the_claims_of_who_asked() {
    let policies = policies(&[(
        "four-eyes",
        r#"forbid (principal, action == Action::"approve:apply", resource)
           when { principal.hasTag("actor") && context.requester.hasTag("actor")
                  && principal.getTag("actor") == context.requester.getTag("actor") };"#,
    )]);
    let (lead, principals) = (token(json!({"actor": "ada"})), [name("live-merge")]);
    let decide = |actor: &str| {
        let claims = BTreeMap::from([("actor".to_owned(), actor.to_owned())]);
        let requester =
            Requester { issuer: "https://issuer.example", subject: "a job", principals: &principals, claims: &claims };
        let facts = Facts { requester: Some(requester), ..facts() };
        policies.decide(&lead.caller(), ActionKind::Apply, Role::Approve, &facts)
    };
    assert!(decide("bob").allowed);
    assert_eq!(decide("ada").into_result().unwrap_err().code(), Code::FORBIDDEN_BY_POLICY);
}

#[test]
fn what_was_asked_for_and_by_whom_decides() {
    for (text, forbids) in [
        (r#"forbid (principal in Principal::"live-merge", action, resource);"#, true),
        (r#"forbid (principal in Principal::"anyone", action, resource);"#, false),
        (r#"forbid (principal, action, resource == Account::"dev");"#, true),
        (r#"forbid (principal, action, resource == Account::"prod");"#, false),
        (r#"forbid (principal, action in [Action::"apply", Action::"approve:apply"], resource);"#, true),
        (r#"forbid (principal, action == Action::"plan", resource);"#, false),
        (r#"forbid (principal, action == Action::"apply", resource) when { context.branch == "main" };"#, true),
        (r#"forbid (principal, action == Action::"apply", resource) unless { context.branch like "rel*" };"#, true),
        (
            r#"forbid (principal, action == Action::"apply", resource) when { context.units.contains("dev/vpc") };"#,
            true,
        ),
        (r#"forbid (principal, action == Action::"apply", resource) when { context.all };"#, false),
        (r#"forbid (principal, action, resource) when { principal.issuer like "https://issuer.*" };"#, true),
        (r#"forbid (principal, action, resource) when { principal.identities.contains("gitlab") };"#, false),
    ] {
        let decided = policies(&[("p", text)]).decide(&merge().caller(), ActionKind::Apply, Role::Start, &facts());
        assert_eq!(decided.allowed, !forbids, "{text}: {}", decided.reason);
    }
}

#[test]
fn rights_say_what_may_forbid_them() {
    let policies = policies(&[
        ("year-end", FREEZE),
        ("never-release", r#"forbid (principal in Principal::"live-merge", action == Action::"plan", resource);"#),
    ]);
    let rights = policies.rights();
    let told: Vec<String> = rights
        .iter()
        .map(|((action, role, name), unless)| {
            let names: Vec<&str> = unless.iter().map(|unless| unless.policy.as_str()).collect();
            format!("{name} {role} {action} {names:?}")
        })
        .collect();
    assert_eq!(
        told,
        ["live-ci start plan [\"never-release\"]", "live-merge start apply [\"year-end\"]", "lead approve apply []"]
    );
    let freeze = &rights[&(ActionKind::Apply, Role::Start, name("live-merge"))][0];
    assert_eq!(freeze.reason.as_deref(), Some("no applies over the year's end: ask in #platform"));
    assert!(freeze.forbids.contains(r#"when { context.frozen.contains(Freeze::"year-end") }"#), "{}", freeze.forbids);
}

#[test]
fn the_policy_that_forbids_does_not_depend_on_what_a_claim_is_called() {
    // Claims are outside text: as names of tags and as values they are never more than text.
    let hostile = token(json!({
        "repository_id": "8210441\" || true || \"", "ref": "refs/heads/main", "\" || true || \"": "x",
        "identities": ["github"], "a\u{0}b": "\u{202e}", "": "",
    }));
    let policies = policies(&[]);
    let caller: Caller<'_> = hostile.caller();
    assert_eq!(policies.matched(&caller), Vec::<PrincipalName>::new());
    assert!(!policies.decide(&caller, ActionKind::Plan, Role::Start, &facts()).allowed);
}
