//! What the gate needs of the account's definition.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use portcullis_fleet::Declared;
use portcullis_model::record::{ApplyRule, DefinitionPin};
use portcullis_model::{AccountName, ActionKind, BranchName, Fault, PrincipalName, RepositoryName};
use portcullis_policy::Policies;

/// What the gate needs of the account's definition. Replaced as a whole when the definition changes.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The account.
    pub account: AccountName,
    /// Its folder in the repository; `.` for all of it.
    pub folder: String,
    /// The repository's name in the fleet definition.
    pub repository: RepositoryName,
    /// Its protected branches. Never empty in a definition that is in force.
    pub protected: Vec<BranchName>,
    /// What decides who may do what.
    pub policies: Arc<Policies>,
    /// The declared actions.
    pub declared: BTreeMap<ActionKind, Declared>,
    /// What an apply does with plans, as it is now.
    pub apply: ApplyRule,
    /// The definition that all this is of.
    pub definition: DefinitionPin,
}

/// The way to a newer definition.
pub trait Newer: Send + Sync + 'static {
    /// Fetches the repository and takes the definition at the head of the protected branch, if it has no fault.
    /// For callers that are principals: `who` they are is who brought it, if it is a new one.
    ///
    /// # Errors
    /// 08xx when the repository cannot be fetched. A definition with a fault is none: the last good one stays.
    fn refresh<'a>(&'a self, who: &'a [PrincipalName]) -> BoxFuture<'a, Result<(), Fault>>;

    /// The same at a bounded rate, for whoever asks. Whether another definition is in force now.
    fn refresh_bounded(&self) -> BoxFuture<'_, bool>;
}
