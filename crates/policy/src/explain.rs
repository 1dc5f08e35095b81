//! Why: the words of a decision.
//!
//! A principal of the fleet is told what was missing; whoever is none is told what it sent, and not what would have let it
//! in. Outside text is escaped and cut: a branch's name may hold what a terminal would obey.

use portcullis_model::{ActionKind, PrincipalName};

use crate::compile::Policies;
use crate::grants::{Caller, Principal, Role, single};

/// Most principals that a reason explains, and most differences of each.
const EXPLAINED_MAX: usize = 4;
/// Most characters of a claim's value that a reason shows.
const SHOWN_MAX_CHARS: usize = 100;

/// Who reads a reason.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// People who run the fleet, or a principal of it: told what was wanted.
    Operators,
    /// Anyone with a token of a declared issuer: told what they sent, not what would have done.
    Strangers,
}

/// What a role with an action is called.
pub(crate) fn described(action: ActionKind, role: Role) -> String {
    match role {
        Role::Start => action.to_string(),
        Role::Approve => format!("approving `{action}`"),
    }
}

/// What somebody with the right may do.
pub(crate) fn verb(action: ActionKind, role: Role) -> String {
    match role {
        Role::Start => action.to_string(),
        Role::Approve => format!("approve `{action}`"),
    }
}

/// Why nobody whom the token is has the right:
/// "`live-ci` may plan; apply needs `live-merge`: claim `ref` is `refs/heads/x`, wanted `refs/heads/main`".
pub(crate) fn missing(
    policies: &Policies,
    token: &Caller<'_>,
    action: ActionKind,
    role: Role,
    matched: &[PrincipalName],
    audience: Audience,
) -> String {
    let mut parts = Vec::new();
    if matched.is_empty() {
        parts.push("the token matches no principal".to_owned());
    } else {
        let may: Vec<String> = policies
            .grants()
            .actions
            .iter()
            .filter(|(_, grant)| grant.allow.iter().any(|name| matched.contains(name)))
            .map(|(kind, _)| kind.to_string())
            .collect();
        let may = if may.is_empty() { "do nothing here".to_owned() } else { may.join(" and ") };
        parts.push(format!("{} may {may}", listed(matched)));
    }
    let wanted = policies.grants().named(action, role);
    if wanted.is_empty() {
        parts.push(format!("{} is granted to nobody", described(action, role)));
    }
    let mut candidates: Vec<(&PrincipalName, Option<Vec<Difference>>)> = wanted
        .iter()
        .map(|name| (name, policies.principals().get(name).map(|principal| differences(principal, token))))
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
        parts.push(format!("{} needs `{name}`: {why}", described(action, role)));
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
        match token.claims.get(&claim).map(|value| single(value).map(std::borrow::Cow::into_owned)) {
            None => differences.push(Difference::Missing { claim, wanted }),
            Some(None) => differences.push(Difference::NotComparable { claim }),
            Some(Some(has)) if wanted.contains(&has) => {}
            Some(Some(has)) => differences.push(Difference::Other { claim, has, wanted }),
        }
    }
    differences
}

/// Whether a token is a principal.
pub(crate) fn is(principal: &Principal, token: &Caller<'_>) -> bool {
    !principal.claims.is_empty()
        && token.identities.contains(&principal.identity)
        && principal.claims.iter().all(|(claim, wanted)| {
            let has = token.claims.get(claim).and_then(single);
            has.is_some_and(|has| wanted.iter().any(|value| *value == *has))
        })
}

pub(crate) fn listed(names: &[PrincipalName]) -> String {
    let mut text: Vec<String> = names.iter().take(EXPLAINED_MAX).map(|name| format!("`{name}`")).collect();
    if names.len() > EXPLAINED_MAX {
        text.push(format!("{} more", names.len() - EXPLAINED_MAX));
    }
    text.join(" or ")
}

/// Outside text in a message.
fn shown(text: &str) -> String {
    format!("`{}`", escaped(text))
}

/// Escaped and cut.
pub(crate) fn escaped(text: &str) -> String {
    let mut cut: String = text.chars().take(SHOWN_MAX_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_MAX_CHARS).is_some() {
        cut.push('…');
    }
    cut.replace("\\'", "'").replace("\\\"", "\"")
}
