//! Who may ask for what, as data; and who asks.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use portcullis_model::{AccountName, ActionKind, PrincipalName};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::forbid::Forbid;

/// A caller that the fleet definition names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// Whether it is started at commits of a protected branch only.
    pub protected: bool,
}

/// What a principal may do with an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Ask for it.
    Start,
    /// Approve what it holds.
    Approve,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Start => "start",
            Role::Approve => "approve",
        })
    }
}

/// A time in which policies may forbid what they allow otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Freeze {
    /// Its first moment (UTC).
    pub from: Timestamp,
    /// The first moment after it (UTC).
    pub until: Timestamp,
}

impl Freeze {
    /// Whether a moment is in it.
    pub fn is_on(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// The rights of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// The account.
    pub account: AccountName,
    /// The actions that exist in this account.
    pub actions: BTreeMap<ActionKind, Grant>,
    /// What is forbidden all the same.
    pub forbids: Vec<Forbid>,
    /// Freezes that policies may name.
    pub freezes: BTreeMap<String, Freeze>,
}

impl Grants {
    /// Of an account in which nothing exists yet.
    pub fn new(account: AccountName) -> Self {
        Grants { account, actions: BTreeMap::new(), forbids: Vec::new(), freezes: BTreeMap::new() }
    }

    /// Who has a right.
    pub(crate) fn named(&self, action: ActionKind, role: Role) -> &[PrincipalName] {
        self.actions.get(&action).map_or(&[], |grant| match role {
            Role::Start => &grant.allow,
            Role::Approve => &grant.approvers,
        })
    }
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

impl Caller<'_> {
    /// The claims that are a single value, as a fleet definition would write them: what policies see of a token.
    pub fn plain_claims(&self) -> BTreeMap<String, String> {
        let plain = |(claim, value): (&String, &Value)| Some((claim.clone(), single(value)?.into_owned()));
        self.claims.iter().filter_map(plain).collect()
    }
}

/// A claim's value as the fleet definition would write it. Lists and objects have no such form, and
/// fractions have several.
pub(crate) fn single(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// What the runner knows of a request, beside who asks. Nothing in it is taken from the caller's word alone: the branch
/// is one that the runner's own clone has, the time is the runner's.
#[derive(Debug, Clone)]
pub struct Facts<'f> {
    /// The repository, by its name in the fleet definition.
    pub repository: &'f str,
    /// The branch.
    pub branch: &'f str,
    /// Whether the commit is on a protected branch.
    pub protected: bool,
    /// Whether every unit was asked for, affected or not.
    pub all: bool,
    /// The units that were named.
    pub units: Vec<&'f str>,
    /// Now.
    pub at: Timestamp,
    /// For an approval: whose request is to be approved.
    pub requester: Option<Requester<'f>>,
}

impl Facts<'_> {
    /// Of a request with which nothing is wrong. For asking about rights alone: permits ask no more of a request.
    pub(crate) fn best() -> Self {
        Facts {
            repository: "",
            branch: "",
            protected: true,
            all: false,
            units: Vec::new(),
            at: Timestamp::UNIX_EPOCH,
            requester: None,
        }
    }
}

/// Who asked for what is to be approved.
#[derive(Debug, Clone, Copy)]
pub struct Requester<'f> {
    /// Who signed its token.
    pub issuer: &'f str,
    /// Whom that was about.
    pub subject: &'f str,
    /// As which principals it was let in.
    pub principals: &'f [PrincipalName],
    /// The claims of its token that are single values.
    pub claims: &'f BTreeMap<String, String>,
}
