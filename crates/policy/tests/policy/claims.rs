//! Claims decide exactly, and a denial says what is missing.

use portcullis_model::{ActionKind, Code};
use portcullis_policy::{Grant, Principal};
use serde_json::json;

use crate::{actions, approve, compile, decide, name, policies, principals, token};

#[test]
fn claims_decide_exactly() {
    let main = json!({"repository_id": "8210441", "ref": "refs/heads/main"});
    let decision = decide(&policies(&[]), &token(main), ActionKind::Apply);
    assert!(decision.allowed);
    assert_eq!(decision.principals, [name("live-merge")]);
    assert_eq!(decision.reason, "`live-merge` may apply");
    assert_eq!(decision.fault, None);
    let number = json!({"repository_id": 8210441});
    assert!(decide(&policies(&[]), &token(number), ActionKind::Plan).allowed, "GitLab sends numbers as numbers");
    for near in [
        json!({"repository_id": "82104411"}),
        json!({"repository_id": " 8210441"}),
        json!({"repository_id": "*"}),
        json!({"repository_id": ""}),
        json!({"repository_id": ["8210441"]}),
        json!({"repository_id": {"8210441": true}}),
        json!({"repository_id": 8210441.0}),
        json!({"repository_id": null}),
        json!({"repository_ID": "8210441"}),
        json!({}),
    ] {
        assert!(!decide(&policies(&[]), &token(near.clone()), ActionKind::Plan).allowed, "{near}");
    }
    for near in ["refs/heads/Main", "refs/heads/main ", "refs/heads/main\n", "refs/heads/main2", "main"] {
        let claims = json!({"repository_id": "8210441", "ref": near});
        assert!(!decide(&policies(&[]), &token(claims), ActionKind::Apply).allowed, "{near:?}");
    }
}

#[test]
fn another_identity_with_the_same_claims_is_somebody_else() {
    let mut stranger = token(json!({"repository_id": "8210441"}));
    stranger.identities = ["gitlab".to_owned()].into();
    let decision = decide(&policies(&[]), &stranger, ActionKind::Plan);
    assert!(!decision.allowed);
    assert!(decision.reason.contains("the token is of identity `gitlab`, not `github`"), "{}", decision.reason);
}

#[test]
fn a_denial_says_what_is_missing() {
    let branch = token(json!({"repository_id": "8210441", "ref": "refs/heads/x"}));
    let decision = decide(&policies(&[]), &branch, ActionKind::Apply);
    assert_eq!(decision.principals, [name("live-ci")]);
    assert_eq!(
        decision.reason,
        "`live-ci` may plan; apply needs `live-merge`: claim `ref` is `refs/heads/x`, wanted `refs/heads/main` or \
         `refs/heads/release`"
    );
    let fault = decision.fault.unwrap();
    assert_eq!((fault.code(), fault.message()), (Code::DENIED, decision.reason.as_str()));
}

#[test]
fn strangers_are_not_told_what_would_let_them_in() {
    let stranger = token(json!({"repository_id": "666", "ref": "refs/heads/main"}));
    let decision = decide(&policies(&[]), &stranger, ActionKind::Apply);
    assert!(decision.reason.contains("8210441"), "the record has it: {}", decision.reason);
    let told = format!("{:?}", decision.fault.unwrap());
    assert!(told.contains("claim `repository_id` is `666`"), "{told}");
    assert!(!told.contains("8210441"), "{told}");
}

#[test]
fn nobody_is_let_in_by_omission() {
    // An identity without claims would be half the world.
    let stranger = token(json!({"repository_id": "666"}));
    assert!(policies(&[]).matched(&stranger.caller()).is_empty());
    let ci = token(json!({"repository_id": "8210441"}));
    let mut grants = actions();
    grants.insert(ActionKind::Apply, Grant::default());
    let decision = decide(&compile(principals(), grants.clone(), &[]).unwrap(), &ci, ActionKind::Apply);
    assert_eq!(decision.reason, "`live-ci` may plan; apply is granted to nobody");
    grants.remove(&ActionKind::Apply);
    let decision = decide(&compile(principals(), grants.clone(), &[]).unwrap(), &ci, ActionKind::Apply);
    assert_eq!(decision.fault.unwrap().code(), Code::UNKNOWN_ACTION);
    grants.insert(ActionKind::Apply, Grant { allow: vec![name("ghost")], ..Grant::default() });
    let decision = decide(&compile(principals(), grants.clone(), &[]).unwrap(), &ci, ActionKind::Apply);
    assert!(!decision.allowed && decision.reason.contains("`ghost`: it is not defined"), "{}", decision.reason);
    let empty = Principal { identity: "github".into(), claims: [("repository_id".to_owned(), vec![])].into() };
    let with_ghost = principals().into_iter().chain([(name("ghost"), empty)]).collect();
    let decision = decide(&compile(with_ghost, grants, &[]).unwrap(), &ci, ActionKind::Apply);
    assert!(!decision.allowed, "a claim that may have no value matches nothing");
}

#[test]
fn who_may_start_may_not_approve() {
    let merge = token(json!({"repository_id": "8210441", "ref": "refs/heads/main"}));
    let decision = approve(&policies(&[]), &merge, ActionKind::Apply);
    assert_eq!(decision.into_result().unwrap_err().code(), Code::NOT_AN_APPROVER);
    let lead = token(json!({"actor": "ada"}));
    let decision = approve(&policies(&[]), &lead, ActionKind::Apply);
    assert_eq!(decision.reason, "`lead` may approve `apply`");
    assert!(!decide(&policies(&[]), &lead, ActionKind::Apply).allowed);
}

#[test]
fn claims_are_shown_escaped_and_cut() {
    let hostile = token(json!({"repository_id": format!("\u{1b}[2J\n{}", "x".repeat(9000))}));
    let decision = decide(&policies(&[]), &hostile, ActionKind::Plan);
    for text in [decision.reason.as_str(), decision.fault.as_ref().unwrap().message()] {
        assert!(!text.chars().any(char::is_control) && text.len() < 1000, "{text}");
    }
}
