//! Which of an account's principals a token is, and what these may do.
//!
//! Pure: no I/O, no clock. Claims are compared exactly, as whole values; a list means one of. There are no
//! patterns. An action that is not declared does not exist, and an empty `allow` lets nobody in. What
//! cannot be compared denies.

use portcullis_model::{ActionKind, Code, Fault, PrincipalName};
use serde_json::Value;

use crate::grants::{Caller, Grant, Grants, Principal};

/// Most principals that a reason explains, and most differences of each.
const EXPLAINED_MAX: usize = 4;
/// Most characters of a claim's value that a reason shows.
const SHOWN_MAX_CHARS: usize = 100;

/// What was decided, and why. Kept for the record whether granted or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The principals that the token is and that may do this; when it is denied, all that the token is.
    pub principals: Vec<PrincipalName>,
    /// Why, in full, for the record and the operators. Names claims and the values that were wanted.
    pub reason: String,
    /// For the caller, when it is denied: the same reason, but a caller that is no principal at all is not
    /// told what values would have let it in.
    pub fault: Option<Fault>,
}

impl Decision {
    /// The principals, or the fault for the caller.
    ///
    /// # Errors
    /// `PC-0100`, `PC-0300` or `PC-0301` when it was denied.
    pub fn into_result(self) -> Result<Vec<PrincipalName>, Fault> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.principals),
        }
    }
}

/// May this token start this action?
pub fn decide(grants: &Grants, token: &Caller<'_>, action: ActionKind) -> Decision {
    decide_for(grants, token, action, Right::Start)
}

/// May this token approve what this action holds?
pub fn decide_approval(grants: &Grants, token: &Caller<'_>, action: ActionKind) -> Decision {
    decide_for(grants, token, action, Right::Approve)
}

/// The principals that the token is, in the order of their names.
pub fn principals(grants: &Grants, token: &Caller<'_>) -> Vec<PrincipalName> {
    let matching = |(_, principal): &(&PrincipalName, &Principal)| differences(principal, token).is_empty();
    grants.principals.iter().filter(matching).map(|(name, _)| name.clone()).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    Start,
    Approve,
}

impl Right {
    fn names(self, grant: &Grant) -> &[PrincipalName] {
        match self {
            Right::Start => &grant.allow,
            Right::Approve => &grant.approvers,
        }
    }

    fn describe(self, action: ActionKind) -> String {
        match self {
            Right::Start => action.to_string(),
            Right::Approve => format!("approving `{action}`"),
        }
    }

    fn verb(self, action: ActionKind) -> String {
        match self {
            Right::Start => action.to_string(),
            Right::Approve => format!("approve `{action}`"),
        }
    }

    fn code(self) -> Code {
        match self {
            Right::Start => Code::DENIED,
            Right::Approve => Code::NOT_AN_APPROVER,
        }
    }

    fn attribute(self) -> &'static str {
        match self {
            Right::Start => "allow",
            Right::Approve => "approvers",
        }
    }
}

fn decide_for(grants: &Grants, token: &Caller<'_>, action: ActionKind, right: Right) -> Decision {
    let matched = principals(grants, token);
    let Some(grant) = grants.actions.get(&action) else {
        let reason = format!("the action `{action}` does not exist in this account");
        let offered: Vec<String> = grants.actions.keys().map(|kind| format!("`{kind}`")).collect();
        let fault = Fault::new(Code::UNKNOWN_ACTION, reason.clone()).remedy(format!(
            "This account offers: {}.",
            if offered.is_empty() { "nothing".into() } else { offered.join(", ") }
        ));
        return Decision { allowed: false, principals: matched, reason, fault: Some(fault) };
    };
    let wanted = right.names(grant);
    let allowed: Vec<PrincipalName> = matched.iter().filter(|name| wanted.contains(name)).cloned().collect();
    if !allowed.is_empty() {
        let reason = format!("{} may {}", listed(&allowed), right.verb(action));
        return Decision { allowed: true, principals: allowed, reason, fault: None };
    }
    let reason = explain(grants, token, action, right, &matched, Audience::Operators);
    let told = if matched.is_empty() { Audience::Strangers } else { Audience::Operators };
    let remedy = if wanted.is_empty() {
        format!("Name a principal in `{}` of action \"{action}\", on the protected branch.", right.attribute())
    } else {
        format!(
            "Ask from where {} would be matched, or change the fleet definition on the protected branch.",
            listed(wanted)
        )
    };
    let message = explain(grants, token, action, right, &matched, told);
    let fault = Fault::new(right.code(), message).remedy(remedy);
    Decision { allowed: false, principals: matched, reason, fault: Some(fault) }
}

/// Who reads a reason.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// People who run the fleet, or a principal of it: told what was wanted.
    Operators,
    /// Anyone with a token of a declared issuer: told what they sent, not what would have done.
    Strangers,
}

/// "`live-ci` may plan; apply needs `live-merge`: claim `ref` is `refs/heads/x`, wanted `refs/heads/main`".
fn explain(
    grants: &Grants,
    token: &Caller<'_>,
    action: ActionKind,
    right: Right,
    matched: &[PrincipalName],
    audience: Audience,
) -> String {
    let mut parts = Vec::new();
    if matched.is_empty() {
        parts.push("the token matches no principal".to_owned());
    } else {
        let may: Vec<String> = grants
            .actions
            .iter()
            .filter(|(_, grant)| grant.allow.iter().any(|name| matched.contains(name)))
            .map(|(kind, _)| kind.to_string())
            .collect();
        let may = if may.is_empty() { "do nothing here".to_owned() } else { may.join(" and ") };
        parts.push(format!("{} may {may}", listed(matched)));
    }
    let wanted = grants.actions.get(&action).map_or(&[][..], |grant| right.names(grant));
    if wanted.is_empty() {
        parts.push(format!("{} is granted to nobody", right.describe(action)));
    }
    let mut candidates: Vec<(&PrincipalName, Option<Vec<Difference>>)> = wanted
        .iter()
        .map(|name| (name, grants.principals.get(name).map(|principal| differences(principal, token))))
        .collect();
    // The nearest first: that is most likely the one that was meant.
    candidates.sort_by_key(|(_, differences)| differences.as_ref().map_or(usize::MAX, Vec::len));
    for (name, differences) in candidates.iter().take(EXPLAINED_MAX) {
        let why = match differences {
            None => "it is not defined".to_owned(),
            Some(list) => {
                list.iter().take(EXPLAINED_MAX).map(|one| one.tell(audience)).collect::<Vec<_>>().join(" and ")
            }
        };
        parts.push(format!("{} needs `{name}`: {why}", right.describe(action)));
    }
    if candidates.len() > EXPLAINED_MAX {
        parts.push(format!("{} more principals do not match either", candidates.len() - EXPLAINED_MAX));
    }
    parts.join("; ")
}

/// One thing in which a token is not a principal.
enum Difference {
    Identity { has: Vec<String>, wanted: String },
    NoClaims,
    Missing { claim: String, wanted: Vec<String> },
    Other { claim: String, has: String, wanted: Vec<String> },
    NotComparable { claim: String },
}

impl Difference {
    fn tell(&self, audience: Audience) -> String {
        let wanted = |values: &[String]| match audience {
            Audience::Strangers => String::new(),
            Audience::Operators if values.is_empty() => ", wanted one of none".to_owned(),
            Audience::Operators => {
                let values: Vec<String> = values.iter().take(EXPLAINED_MAX).map(|value| shown(value)).collect();
                format!(", wanted {}", values.join(" or "))
            }
        };
        match self {
            Difference::Identity { has, wanted } => {
                let has: Vec<String> = has.iter().map(|name| shown(name)).collect();
                format!("the token is of identity {}, not {}", has.join(", "), shown(wanted))
            }
            Difference::NoClaims => "it names no claims, so it matches nothing".to_owned(),
            Difference::Missing { claim, wanted: values } => {
                format!("there is no claim {}{}", shown(claim), wanted(values))
            }
            Difference::Other { claim, has, wanted: values } => {
                format!("claim {} is {}{}", shown(claim), shown(has), wanted(values))
            }
            Difference::NotComparable { claim } => format!("claim {} is no single value", shown(claim)),
        }
    }
}

/// In what a token is not a principal. Empty: it is.
fn differences(principal: &Principal, token: &Caller<'_>) -> Vec<Difference> {
    let mut differences = Vec::new();
    if !token.identities.contains(&principal.identity) {
        let has = token.identities.iter().cloned().collect();
        differences.push(Difference::Identity { has, wanted: principal.identity.clone() });
    }
    if principal.claims.is_empty() {
        differences.push(Difference::NoClaims);
    }
    for (claim, wanted) in &principal.claims {
        let (claim, wanted) = (claim.clone(), wanted.clone());
        match token.claims.get(&claim).map(single) {
            None => differences.push(Difference::Missing { claim, wanted }),
            Some(None) => differences.push(Difference::NotComparable { claim }),
            Some(Some(has)) if wanted.contains(&has) => {}
            Some(Some(has)) => differences.push(Difference::Other { claim, has, wanted }),
        }
    }
    differences
}

/// A claim's value as the fleet definition would write it. Lists and objects have no such form, and
/// fractions have several.
fn single(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

fn listed(names: &[PrincipalName]) -> String {
    let mut text: Vec<String> = names.iter().take(EXPLAINED_MAX).map(|name| format!("`{name}`")).collect();
    if names.len() > EXPLAINED_MAX {
        text.push(format!("{} more", names.len() - EXPLAINED_MAX));
    }
    text.join(" or ")
}

/// Outside text in a message: escaped and cut. A branch's name may hold what a terminal would obey.
fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(SHOWN_MAX_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_MAX_CHARS).is_some() {
        cut.push('…');
    }
    format!("`{}`", cut.replace("\\'", "'").replace("\\\"", "\""))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::{Map, json};

    use super::*;

    fn name(text: &str) -> PrincipalName {
        PrincipalName::parse(text).unwrap()
    }

    fn principal(claims: &[(&str, &[&str])]) -> Principal {
        let claims = claims
            .iter()
            .map(|(claim, values)| ((*claim).to_owned(), values.iter().map(|value| (*value).to_owned()).collect()))
            .collect();
        Principal { identity: "github".into(), claims }
    }

    fn grants() -> Grants {
        let repository: (&str, &[&str]) = ("repository_id", &["8210441"]);
        Grants {
            principals: BTreeMap::from([
                (name("live-ci"), principal(&[repository])),
                (name("live-merge"), principal(&[repository, ("ref", &["refs/heads/main", "refs/heads/release"])])),
                (name("lead"), principal(&[("actor", &["ada"])])),
                (name("anyone"), principal(&[])),
            ]),
            actions: BTreeMap::from([
                (ActionKind::Plan, Grant { allow: vec![name("live-ci"), name("anyone")], approvers: vec![] }),
                (ActionKind::Apply, Grant { allow: vec![name("live-merge")], approvers: vec![name("lead")] }),
            ]),
        }
    }

    #[allow(clippy::needless_pass_by_value, reason = "reads better at the calls")]
    /// A token, as the gate has it.
    struct Token {
        identities: BTreeSet<String>,
        claims: Map<String, Value>,
    }

    impl Token {
        fn caller(&self) -> Caller<'_> {
            let (identities, claims) = (&self.identities, &self.claims);
            Caller { identities, issuer: "https://issuer.example", subject: "x", claims }
        }
    }

    #[allow(clippy::needless_pass_by_value, reason = "reads better at the calls")]
    fn token(claims: Value) -> Token {
        Token { identities: ["github".to_owned()].into(), claims: claims.as_object().unwrap().clone() }
    }

    fn decide(grants: &Grants, token: &Token, action: ActionKind) -> Decision {
        super::decide(grants, &token.caller(), action)
    }

    #[test]
    fn claims_decide_exactly() {
        let main = json!({"repository_id": "8210441", "ref": "refs/heads/main"});
        let decision = decide(&grants(), &token(main), ActionKind::Apply);
        assert!(decision.allowed);
        assert_eq!(decision.principals, [name("live-merge")]);
        assert_eq!(decision.reason, "`live-merge` may apply");
        assert_eq!(decision.fault, None);
        let number = json!({"repository_id": 8210441});
        assert!(decide(&grants(), &token(number), ActionKind::Plan).allowed, "GitLab sends numbers as numbers");
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
            assert!(!decide(&grants(), &token(near.clone()), ActionKind::Plan).allowed, "{near}");
        }
        for near in ["refs/heads/Main", "refs/heads/main ", "refs/heads/main\n", "refs/heads/main2", "main"] {
            let claims = json!({"repository_id": "8210441", "ref": near});
            assert!(!decide(&grants(), &token(claims), ActionKind::Apply).allowed, "{near:?}");
        }
    }

    #[test]
    fn another_identity_with_the_same_claims_is_somebody_else() {
        let mut stranger = token(json!({"repository_id": "8210441"}));
        stranger.identities = ["gitlab".to_owned()].into();
        let decision = decide(&grants(), &stranger, ActionKind::Plan);
        assert!(!decision.allowed);
        assert!(decision.reason.contains("the token is of identity `gitlab`, not `github`"), "{}", decision.reason);
    }

    #[test]
    fn a_denial_says_what_is_missing() {
        let branch = token(json!({"repository_id": "8210441", "ref": "refs/heads/x"}));
        let decision = decide(&grants(), &branch, ActionKind::Apply);
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
        let decision = decide(&grants(), &stranger, ActionKind::Apply);
        assert!(decision.reason.contains("8210441"), "the record has it: {}", decision.reason);
        let told = format!("{:?}", decision.fault.unwrap());
        assert!(told.contains("claim `repository_id` is `666`"), "{told}");
        assert!(!told.contains("8210441"), "{told}");
    }

    #[test]
    fn nobody_is_let_in_by_omission() {
        // An identity without claims would be half the world.
        let stranger = token(json!({"repository_id": "666"}));
        assert!(principals(&grants(), &stranger.caller()).is_empty());
        let ci = token(json!({"repository_id": "8210441"}));
        let mut grants = grants();
        grants.actions.insert(ActionKind::Apply, Grant::default());
        let decision = decide(&grants, &ci, ActionKind::Apply);
        assert_eq!(decision.reason, "`live-ci` may plan; apply is granted to nobody");
        grants.actions.remove(&ActionKind::Apply);
        let decision = decide(&grants, &ci, ActionKind::Apply);
        assert_eq!(decision.fault.unwrap().code(), Code::UNKNOWN_ACTION);
        grants.actions.insert(ActionKind::Apply, Grant { allow: vec![name("ghost")], approvers: vec![] });
        let decision = decide(&grants, &ci, ActionKind::Apply);
        assert!(!decision.allowed && decision.reason.contains("`ghost`: it is not defined"), "{}", decision.reason);
        let empty = Principal { identity: "github".into(), claims: [("repository_id".to_owned(), vec![])].into() };
        grants.principals.insert(name("ghost"), empty);
        assert!(!decide(&grants, &ci, ActionKind::Apply).allowed, "a claim that may have no value matches nothing");
    }

    #[test]
    fn who_may_start_may_not_approve() {
        let merge = token(json!({"repository_id": "8210441", "ref": "refs/heads/main"}));
        let decision = decide_approval(&grants(), &merge.caller(), ActionKind::Apply);
        assert_eq!(decision.into_result().unwrap_err().code(), Code::NOT_AN_APPROVER);
        let lead = token(json!({"actor": "ada"}));
        let decision = decide_approval(&grants(), &lead.caller(), ActionKind::Apply);
        assert_eq!(decision.reason, "`lead` may approve `apply`");
        assert!(!decide(&grants(), &lead, ActionKind::Apply).allowed);
    }

    #[test]
    fn claims_are_shown_escaped_and_cut() {
        let hostile = token(json!({"repository_id": format!("\u{1b}[2J\n{}", "x".repeat(9000))}));
        let decision = decide(&grants(), &hostile, ActionKind::Plan);
        for text in [decision.reason.as_str(), decision.fault.as_ref().unwrap().message()] {
            assert!(!text.chars().any(char::is_control) && text.len() < 1000, "{text}");
        }
    }
}
