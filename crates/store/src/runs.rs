//! Runs, tasks, events, and what was last applied.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_model::api::EventView;
use portcullis_model::record::{AppliedRecord, RunRecord, StepRecord, TaskRecord};
use portcullis_model::{Digest, Fault, RunId, TaskId, UnitPath};

use crate::decisions::unbuilt;
use crate::{DecisionRecord, Store};

/// A run that is to be accepted, with all that must be on record with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptRun {
    /// The run, in state `Accepted`.
    pub run: RunRecord,
    /// The decision that lets it in. Recorded when the answer is `New` or `Existing`.
    pub decision: DecisionRecord,
    /// The token that asked, so that it is used once.
    pub token: Option<UsedToken>,
    /// What makes a repeated request the same request.
    pub idempotency: Option<Idempotency>,
    /// The token that may read this run.
    pub read_token: Option<ReadToken>,
}

/// A caller's token, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedToken {
    /// `jti`, or a digest of the token; unique within the runner (so: with its issuer).
    pub id: String,
    /// When it expires (UTC).
    pub expires_at: Timestamp,
}

/// An idempotency key. The caller of the store makes it unique per principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key.
    pub key: String,
    /// Over the request, so that a key used for another request is noticed.
    pub request: Digest,
}

/// A read token, kept as its digest only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadToken {
    /// SHA-256 over the token.
    pub digest: Digest,
    /// When it stops working (UTC).
    pub expires_at: Timestamp,
}

/// What became of [`Store::run_accept`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// The run is on record.
    New,
    /// The idempotency key was used for the same request before, by this run. The token counts as used.
    Existing(RunId),
    /// The token was used before. Nothing was recorded: record the refusal.
    Replayed,
    /// The idempotency key was used for another request. Nothing was recorded: record the refusal.
    Conflict,
}

impl Store {
    /// Accepts a run: the run, its first event, the decision, the token, the keys, in one transaction.
    pub async fn run_accept(&self, accept: &AcceptRun) -> Result<Accepted, Fault> {
        let _ = accept;
        Err(unbuilt())
    }

    /// Commits one step of the engine. Gives its events with their numbers, in order.
    ///
    /// # Errors
    /// `PC-0900` when a task's `attempt` is lower than the one on record: an old sandbox's result.
    pub async fn step_commit(&self, step: &StepRecord) -> Result<Vec<(RunId, EventView)>, Fault> {
        let _ = step;
        Err(unbuilt())
    }

    /// A run.
    pub async fn run_get(&self, run: RunId) -> Result<Option<RunRecord>, Fault> {
        let _ = run;
        Err(unbuilt())
    }

    /// Runs, newest first, older than `before`.
    pub async fn run_list(&self, before: Option<RunId>, limit: u32) -> Result<Vec<RunRecord>, Fault> {
        let _ = (before, limit);
        Err(unbuilt())
    }

    /// Runs that have not ended, oldest first, with their tasks: what a restart goes on with.
    pub async fn runs_unfinished(&self) -> Result<Vec<(RunRecord, Vec<TaskRecord>)>, Fault> {
        Err(unbuilt())
    }

    /// A task.
    pub async fn task_get(&self, task: TaskId) -> Result<Option<TaskRecord>, Fault> {
        let _ = task;
        Err(unbuilt())
    }

    /// The tasks of a run, by index.
    pub async fn task_list(&self, run: RunId) -> Result<Vec<TaskRecord>, Fault> {
        let _ = run;
        Err(unbuilt())
    }

    /// Events of a run after number `after` (0: from the first), in order.
    pub async fn event_list(&self, run: RunId, after: u64, limit: u32) -> Result<Vec<EventView>, Fault> {
        let _ = (run, after, limit);
        Err(unbuilt())
    }

    /// What was last applied to a unit.
    pub async fn applied_get(&self, unit: &UnitPath) -> Result<Option<AppliedRecord>, Fault> {
        let _ = unit;
        Err(unbuilt())
    }

    /// What was last applied, of every unit.
    pub async fn applied_list(&self) -> Result<BTreeMap<UnitPath, AppliedRecord>, Fault> {
        Err(unbuilt())
    }

    /// Whether a read token (by its digest) is valid for this run at this time.
    pub async fn read_token_check(&self, run: RunId, token: &Digest, now: Timestamp) -> Result<bool, Fault> {
        let _ = (run, token, now);
        Err(unbuilt())
    }
}
