//! Who may ask for what, as data; and who asks.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_model::{ActionKind, PrincipalName};
use serde_json::{Map, Value};

/// A caller that the fleet definition names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The name of the identity (issuer and audience) that its tokens come from.
    pub identity: String,
    /// Claims that must all be there; each with the values that it may have. Empty matches nothing: an
    /// identity alone may be half the world (any repository of a public forge).
    pub claims: BTreeMap<String, Vec<String>>,
}

/// Who may do one action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grant {
    /// Who may start it.
    pub allow: Vec<PrincipalName>,
    /// Who may approve what it holds.
    pub approvers: Vec<PrincipalName>,
}

/// The rights of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// The principals of the fleet, by name.
    pub principals: BTreeMap<PrincipalName, Principal>,
    /// The actions that exist in this account.
    pub actions: BTreeMap<ActionKind, Grant>,
}

/// Whose token it is, verified: signature, issuer, audience and times hold.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'t> {
    /// The names of the identities that it is a token of.
    pub identities: &'t BTreeSet<String>,
    /// Who signed it.
    pub issuer: &'t str,
    /// Whom it is about, in the issuer's words.
    pub subject: &'t str,
    /// What it claims.
    pub claims: &'t Map<String, Value>,
}
