//! Grants and `policy` texts in, decisions and rights out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]
#![allow(missing_docs, reason = "nobody but these tests uses it")]

mod claims;
mod forbids;
mod texts;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis_model::{AccountName, ActionKind, PrincipalName};
use portcullis_policy::{
    Caller, Compiler, Decision, Facts, Freeze, Grant, Grants, Policies, Principal, Role, TextFault,
};
use serde_json::{Map, Value};

pub fn name(text: &str) -> PrincipalName {
    PrincipalName::parse(text).unwrap()
}

pub fn principal(claims: &[(&str, &[&str])]) -> Principal {
    let claims = claims
        .iter()
        .map(|(claim, values)| ((*claim).to_owned(), values.iter().map(|value| (*value).to_owned()).collect()))
        .collect();
    Principal { identity: "github".into(), claims }
}

/// `live-ci` plans, `live-merge` applies, `lead` approves; `anyone` has no claims.
pub fn principals() -> BTreeMap<PrincipalName, Principal> {
    let repository: (&str, &[&str]) = ("repository_id", &["8210441"]);
    BTreeMap::from([
        (name("live-ci"), principal(&[repository])),
        (name("live-merge"), principal(&[repository, ("ref", &["refs/heads/main", "refs/heads/release"])])),
        (name("lead"), principal(&[("actor", &["ada"])])),
        (name("anyone"), principal(&[])),
    ])
}

pub fn actions() -> BTreeMap<ActionKind, Grant> {
    BTreeMap::from([
        (ActionKind::Plan, Grant { allow: vec![name("live-ci"), name("anyone")], ..Grant::default() }),
        (ActionKind::Apply, Grant { allow: vec![name("live-merge")], approvers: vec![name("lead")], protected: true }),
    ])
}

pub fn freezes() -> BTreeMap<String, Freeze> {
    let freeze = Freeze { from: time("2026-12-20T00:00:00Z"), until: time("2027-01-03T00:00:00Z") };
    BTreeMap::from([("year-end".to_owned(), freeze)])
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn compile(
    principals: BTreeMap<PrincipalName, Principal>,
    actions: BTreeMap<ActionKind, Grant>,
    texts: &[(&str, &str)],
) -> Result<Policies, Vec<TextFault>> {
    let account = AccountName::parse("dev").unwrap();
    let accounts = BTreeSet::from([account.clone(), AccountName::parse("prod").unwrap()]);
    let mut compiler = Compiler::new(accounts, principals, actions.keys().copied().collect()).unwrap();
    let mut grants = Grants { actions, freezes: freezes(), ..Grants::new(account) };
    for (name, text) in texts {
        grants.forbids.push(compiler.forbid(name, text, None, &grants.freezes)?);
    }
    Ok(compiler.compile(grants).unwrap())
}

/// The usual grants, and these texts.
pub fn policies(texts: &[(&str, &str)]) -> Policies {
    compile(principals(), actions(), texts).unwrap()
}

/// A token, as the gate has it.
pub struct Token {
    pub identities: BTreeSet<String>,
    pub claims: Map<String, Value>,
}

impl Token {
    pub fn caller(&self) -> Caller<'_> {
        let (identities, claims) = (&self.identities, &self.claims);
        Caller { identities, issuer: "https://issuer.example", subject: "x", claims }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "reads better at the calls")]
pub fn token(claims: Value) -> Token {
    Token { identities: ["github".to_owned()].into(), claims: claims.as_object().unwrap().clone() }
}

pub fn facts() -> Facts<'static> {
    Facts {
        repository: "live",
        branch: "main",
        protected: true,
        all: false,
        units: vec!["dev/vpc"],
        at: time("2026-11-28T00:00:00Z"),
        requester: None,
    }
}

/// May this token start this action, with nothing else known of the request?
pub fn decide(policies: &Policies, token: &Token, action: ActionKind) -> Decision {
    let decided = policies.decide(&token.caller(), action, Role::Start, &facts());
    assert_eq!(decided, policies.may(&token.caller(), action, Role::Start), "nothing is forbidden here");
    decided
}

pub fn approve(policies: &Policies, token: &Token, action: ActionKind) -> Decision {
    policies.may(&token.caller(), action, Role::Approve)
}
