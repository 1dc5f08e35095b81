//! Who may do what in an account, and under which conditions.

use std::collections::BTreeMap;
use std::fmt;

use portcullis_model::record::Unreviewed;
use portcullis_model::{AccountName, ActionKind, PrincipalName};
use portcullis_policy::{Role, Unless};
use serde::Serialize;

use crate::account::Account;
use crate::fleet::Fleet;

/// One right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Right {
    /// The action.
    pub action: ActionKind,
    /// To start it, or to approve it.
    pub role: Role,
    /// Whose right it is.
    pub principal: PrincipalName,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` may {} `{}`", self.principal, self.role, self.action)
    }
}

/// What must be so for a right to be one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conditions {
    /// Who signed the token.
    pub issuer: String,
    /// Whom the token is for.
    pub audience: String,
    /// Its claims: each one of these values.
    pub claims: BTreeMap<String, Vec<String>>,
    /// Branches that may be applied from. Empty for a plan: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<String>,
    /// What becomes of a plan that nobody reviewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreviewed: Option<Unreviewed>,
    /// How many different approvers a held plan needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approvals: Option<u32>,
    /// Policies that forbid it under conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<Unless>,
}

/// A right in an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Access {
    /// Where.
    pub account: AccountName,
    /// What.
    #[serde(flatten)]
    pub right: Right,
    /// When.
    pub conditions: Conditions,
}

impl Account {
    /// Whether every token of `narrow` is one of `wide` as well. A name says nothing: the same caller can have two.
    pub(crate) fn is_always(&self, narrow: &PrincipalName, wide: &PrincipalName) -> bool {
        let (Some(narrow), Some(wide)) = (self.principals.get(narrow), self.principals.get(wide)) else { return false };
        let of = |name: &str| self.identities.get(name).map(|identity| (&identity.issuer, &identity.audience));
        of(&narrow.identity).is_some()
            && of(&narrow.identity) == of(&wide.identity)
            && wide.claims.iter().all(|(claim, values)| {
                narrow.claims.get(claim).is_some_and(|wanted| wanted.iter().all(|value| values.contains(value)))
            })
    }

    /// Every right that there is in this account, asked of the policies that decide. Whoever is not in it has none.
    pub fn rights(&self) -> BTreeMap<Right, Conditions> {
        let mut rights = BTreeMap::new();
        for ((action, role, name), unless) in self.policies.rights() {
            let Some(principal) = self.principals.get(&name) else { continue };
            let Some(identity) = self.identities.get(&principal.identity) else { continue };
            let Some(grant) = self.actions.get(&action) else { continue };
            let applies = action == ActionKind::Apply;
            let branches = self.repository.protected.iter().map(ToString::to_string);
            let conditions = Conditions {
                issuer: identity.issuer.clone(),
                audience: identity.audience.clone(),
                claims: principal.claims.clone(),
                branches: if applies { branches.collect() } else { Vec::new() },
                unreviewed: (applies && role == Role::Start).then_some(grant.unreviewed),
                approvals: applies.then_some(grant.approvals),
                unless,
            };
            rights.insert(Right { action, role, principal: name }, conditions);
        }
        rights
    }
}

impl Fleet {
    /// Every right in every account.
    pub fn access(&self) -> Vec<Access> {
        let of = |(name, account): (&AccountName, &Account)| {
            let name = name.clone();
            let rights = account.rights().into_iter();
            rights.map(move |(right, conditions)| Access { account: name.clone(), right, conditions })
        };
        self.accounts().iter().flat_map(of).collect()
    }
}
