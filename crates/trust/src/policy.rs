//! Which of an account's principals a token is, and what these may do.
//!
//! Pure: no I/O, no clock. Claims are compared exactly, as whole strings; a list means one of. There are no
//! patterns. An action that is not declared does not exist, and an empty `allow` lets nobody in.

use std::collections::BTreeMap;

use portcullis_model::{ActionKind, Code, Fault, PrincipalName};

use crate::oidc::Verified;

/// A caller that the fleet definition names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The name of the identity (issuer and audience) that its tokens come from.
    pub identity: String,
    /// Claims that must all be there; each with the values that it may have. Empty matches nothing.
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

/// May this token start this action?
pub fn decide(grants: &Grants, token: &Verified, action: ActionKind) -> Decision {
    let _ = (grants, token, action);
    Decision {
        allowed: false,
        principals: Vec::new(),
        reason: String::new(),
        fault: Some(Fault::new(Code::DENIED, "")),
    }
}

/// May this token approve what this action holds?
pub fn decide_approval(grants: &Grants, token: &Verified, action: ActionKind) -> Decision {
    decide(grants, token, action)
}

/// The principals that the token is, in the order of their names.
pub fn principals(grants: &Grants, token: &Verified) -> Vec<PrincipalName> {
    let _ = (grants, token);
    Vec::new()
}
