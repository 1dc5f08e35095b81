//! Decisions of the gate, and the tokens that were used: kept, never changed.

use jiff::Timestamp;
use portcullis_model::{ActionKind, Code, Fault, PrincipalName, RunId};
use serde::{Deserialize, Serialize};

use crate::Store;

/// One decision of the gate, granted or not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// When (UTC).
    pub at: Timestamp,
    /// What was asked for: `plan`, `apply`, `approve`, `cancel`, …
    pub asked: String,
    /// The kind of action, where one was recognised.
    pub action: Option<ActionKind>,
    /// Whether it was granted.
    pub granted: bool,
    /// The code of the refusal.
    pub code: Option<Code>,
    /// Why, for people.
    pub reason: String,
    /// The token's issuer, once its signature held.
    pub issuer: Option<String>,
    /// The token's subject, once its signature held.
    pub subject: Option<String>,
    /// The token's id, once its signature held.
    pub token_id: Option<String>,
    /// The principals that matched.
    pub principals: Vec<PrincipalName>,
    /// The repository that was named.
    pub repository: Option<String>,
    /// The ref that was named.
    pub reference: Option<String>,
    /// The run that was made or asked about.
    pub run: Option<RunId>,
}

impl Store {
    /// Records a decision. Every text in it is cut at 2,048 bytes. Gives its number.
    pub async fn decision_insert(&self, decision: &DecisionRecord) -> Result<i64, Fault> {
        let _ = decision;
        Err(unbuilt())
    }

    /// Decisions, newest first, below the number `before`.
    pub async fn decision_list(&self, before: Option<i64>, limit: u32) -> Result<Vec<(i64, DecisionRecord)>, Fault> {
        let _ = (before, limit);
        Err(unbuilt())
    }

    /// Marks a token as used. `false`: it was used before. A row is kept for an hour beyond `expires_at`.
    pub async fn token_use(&self, token_id: &str, expires_at: Timestamp, now: Timestamp) -> Result<bool, Fault> {
        let _ = (token_id, expires_at, now);
        Err(unbuilt())
    }
}

pub(crate) fn unbuilt() -> Fault {
    Fault::internal("not built yet")
}
