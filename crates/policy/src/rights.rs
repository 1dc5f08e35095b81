//! Who may do what, asked of the same policies that decide.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Decision as Answer, Policy, PrincipalConstraint};
use portcullis_model::{ActionKind, PrincipalName};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::compile::{Door, Policies};
use crate::decide::{answer, principals};
use crate::forbid::shown;
use crate::grants::{Caller, Facts, Principal, Role};
use crate::request::{Asker, question};

/// A policy under whose conditions a right is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unless {
    /// The `policy` block.
    pub policy: String,
    /// Its author's words, if it has some (`@reason`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The policy.
    pub forbids: String,
}

impl Policies {
    /// Every right that there is: an action, a role and a principal, with what may forbid it.
    ///
    /// Each is asked of the policies, with a token that is this principal and nothing more. A right that a policy forbids
    /// whatever the request says is none.
    pub fn rights(&self) -> BTreeMap<(ActionKind, Role, PrincipalName), Vec<Unless>> {
        let mut rights = BTreeMap::new();
        for ((action, role), door) in self.doors() {
            for name in self.grants.named(*action, *role) {
                let Some(principal) = self.principals.get(name) else { continue };
                let Some(token) = Sample::of(principal) else { continue };
                if self.certainly(door, &token, &self.always(principal)).contains(name) {
                    rights.insert((*action, *role, name.clone()), self.unless(door, name));
                }
            }
        }
        rights
    }

    /// The principals that every token of this one is.
    fn always(&self, one: &Principal) -> Vec<PrincipalName> {
        let covers = |other: &Principal| {
            !other.claims.is_empty()
                && other.identity == one.identity
                && other.claims.iter().all(|(claim, values)| {
                    one.claims.get(claim).is_some_and(|wanted| wanted.iter().all(|value| values.contains(value)))
                })
        };
        self.principals.iter().filter(|(_, other)| covers(other)).map(|(name, _)| name.clone()).collect()
    }

    /// Those of the principals that this token is whom the policies allow it, as long as no condition forbids it.
    fn certainly(&self, door: &Door, token: &Sample, matched: &[PrincipalName]) -> Vec<PrincipalName> {
        let asker = Asker { caller: token.caller(), principals: matched };
        let Ok(asked) = question(&asker, &door.action, &self.account, &Facts::best(), &[]) else { return Vec::new() };
        let response = answer(&asked, &door.certain);
        if response.decision() == Answer::Allow { principals(&response) } else { Vec::new() }
    }

    /// What may forbid it: policies with conditions, and those about others who the token may be as well.
    fn unless(&self, door: &Door, name: &PrincipalName) -> Vec<Unless> {
        let open = |policy: &&Policy| match about(policy) {
            None => policy.has_non_scope_constraint(),
            Some(other) => self.may_be_both(name, &other),
        };
        let told = |policy: &Policy| {
            let block = policy.id().to_string();
            Unless {
                policy: block.split_once('#').map_or(block.as_str(), |(name, _)| name).to_owned(),
                reason: policy.annotation("reason").filter(|words| !words.is_empty()).map(str::to_owned),
                forbids: shown(policy),
            }
        };
        door.forbids.iter().filter(open).map(told).collect()
    }

    /// Whether a token can be both: no claim has to be this for one and that for the other.
    fn may_be_both(&self, one: &PrincipalName, other: &PrincipalName) -> bool {
        let (Some(one), Some(other)) = (self.principals.get(one), self.principals.get(other)) else { return false };
        one.claims.iter().all(|(claim, values)| {
            other.claims.get(claim).is_none_or(|others| values.iter().any(|value| others.contains(value)))
        })
    }
}

/// The principal that a policy's scope is about, if it is about one.
fn about(policy: &Policy) -> Option<PrincipalName> {
    match policy.principal_constraint() {
        PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => {
            PrincipalName::parse(uid.id().unescaped()).ok()
        }
        _ => None,
    }
}

/// A token that is one principal, and nothing more.
struct Sample {
    identities: BTreeSet<String>,
    claims: Map<String, Value>,
}

impl Sample {
    /// `None`: no token is this principal.
    fn of(principal: &Principal) -> Option<Sample> {
        let claim =
            |(claim, values): (&String, &Vec<String>)| Some((claim.clone(), Value::from(values.first()?.as_str())));
        let claims = principal.claims.iter().map(claim).collect::<Option<Map<_, _>>>()?;
        Some(Sample { identities: BTreeSet::from([principal.identity.clone()]), claims })
    }

    fn caller(&self) -> Caller<'_> {
        Caller { identities: &self.identities, issuer: "a", subject: "sample", claims: &self.claims }
    }
}
