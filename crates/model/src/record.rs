//! What is kept of runs and tasks: the form in which the engine hands its steps to the store.
//!
//! The engine's core decides a step; the store commits all of a [`StepRecord`] in one transaction before
//! any effect of it is performed. So after a crash the records say what may have happened, never less.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::run::{EventKind, PlanSummary, RunState, TaskState};
use crate::{AccountName, Action, CommitId, Digest, Fault, PrincipalName, RunId, TaskId, UnitPath};

/// What an account's `apply` does with a plan that nobody reviewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unreviewed {
    /// It is applied if it only creates, and held otherwise.
    #[default]
    CreateOnly,
    /// It is always held.
    Hold,
    /// It is always applied.
    Apply,
}

/// The part of an account's definition that decides about plans, as it was when the run was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyRule {
    /// For plans without a review.
    pub unreviewed: Unreviewed,
    /// How many different people or identities must name a held plan before it is applied. At least 1.
    pub approvals: u32,
}

impl Default for ApplyRule {
    fn default() -> Self {
        ApplyRule { unreviewed: Unreviewed::default(), approvals: 1 }
    }
}

/// A fleet definition, by where it was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionPin {
    /// The commit.
    pub commit: CommitId,
    /// Names what it says for this account.
    pub digest: Digest,
}

/// A program and how it is started: all of it decided when the run was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramRun {
    /// The program's file name.
    pub name: String,
    /// The SHA-256 that its file must have.
    pub sha256: Digest,
    /// Its arguments, without the program's own name.
    pub arguments: Vec<String>,
    /// The folder of the repository that it starts in.
    pub folder: UnitPath,
    /// Memory of its sandbox, in MiB.
    pub memory_mib: u64,
    /// Private disk of its sandbox, in MiB.
    pub disk_mib: u64,
    /// Processes and threads of its sandbox.
    pub pids: u32,
    /// CPU of its sandbox, in percent of one core.
    pub cpu_percent: u32,
    /// Wall time, in seconds.
    pub timeout_s: u64,
}

/// A run, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// What was asked for, checked.
    pub action: Action,
    /// The account.
    pub account: AccountName,
    /// The commit, resolved by the runner when it accepted the run.
    pub commit: CommitId,
    /// The principals that matched.
    pub principals: Vec<PrincipalName>,
    /// The definition that was in force when it was accepted: it goes by that one. `None`: accepted by a version that did
    /// not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<DefinitionPin>,
    /// Who had a hand in the change, as far as the requester's token and the commits tell: none of them approves it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub involved: Vec<String>,
    /// Who in particular, for people: principal, issuer and subject.
    pub requested_by: String,
    /// The claims of its requester's token that are single values: what policies about approvals compare with.
    #[serde(default)]
    pub requester_claims: BTreeMap<String, String>,
    /// The rule for its plans.
    pub rule: ApplyRule,
    /// The program that a declared action starts, as it was declared when the run was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Box<ProgramRun>>,
    /// Where it is.
    pub state: RunState,
    /// Its error, when it failed before it had tasks.
    pub fault: Option<Fault>,
    /// What was decided about its units, for people.
    pub message: Option<String>,
    /// Who asked to cancel it. From then on nothing of it starts, also after a restart.
    #[serde(default)]
    pub cancelled_by: Option<String>,
    /// When it was accepted (UTC).
    pub created_at: Timestamp,
    /// When it ended (UTC).
    pub ended_at: Option<Timestamp>,
}

/// One approval of a held plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who: issuer and subject, so that one person counts once.
    pub by: String,
    /// The plan that was named.
    pub plan: Digest,
    /// When (UTC).
    pub at: Timestamp,
}

impl Approval {
    /// How long an approval counts: what was looked at longer ago has to be looked at again.
    pub const LIFE: SignedDuration = SignedDuration::from_hours(24);

    /// Whether it counts at this time. One from the future does not: the clock was set back.
    pub fn counts_at(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.at);
        age <= Self::LIFE && age >= -Self::LIFE
    }
}

/// A task, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Its id.
    pub id: TaskId,
    /// Its run.
    pub run: RunId,
    /// Place in the run's dependency order, from 0.
    pub index: u32,
    /// Its unit.
    pub unit: UnitPath,
    /// Units of this run that it waits for.
    pub after: Vec<UnitPath>,
    /// Why the unit is part of the run.
    pub why: String,
    /// Where it is.
    pub state: TaskState,
    /// Counts the sandboxes started for it. A result that carries an older number is refused.
    pub attempt: u32,
    /// The unit's input digest at the run's commit. `None` for a unit that was deleted.
    pub input_digest: Option<Digest>,
    /// The plan it made, or is applying or has applied.
    pub plan: Option<Digest>,
    /// The plan whose apply was begun and whose outcome is not known (the runner was killed). It is planned
    /// again and compared with this one; it is never applied again as it is.
    pub unknown_outcome_of: Option<Digest>,
    /// What the plan does.
    pub summary: Option<PlanSummary>,
    /// Approvals of held plans, in order.
    pub approvals: Vec<Approval>,
    /// When its first sandbox started (UTC).
    pub started_at: Option<Timestamp>,
    /// When it ended (UTC).
    pub ended_at: Option<Timestamp>,
}

/// An input digest that is now the last applied one of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedRecord {
    /// The unit.
    pub unit: UnitPath,
    /// The digest.
    pub input_digest: Digest,
    /// The commit it was applied from.
    pub commit: CommitId,
    /// The run.
    pub run: RunId,
    /// When (UTC).
    pub at: Timestamp,
}

/// Everything that one step of the engine changes. Committed in one transaction, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepRecord {
    /// Runs, whole, as they are now.
    pub runs: Vec<RunRecord>,
    /// Tasks, whole, as they are now.
    pub tasks: Vec<TaskRecord>,
    /// Events to append, in order. The store numbers them within their run.
    pub events: Vec<(RunId, Timestamp, EventKind)>,
    /// Digests that are now applied.
    pub applied: Vec<AppliedRecord>,
}

impl StepRecord {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.tasks.is_empty() && self.events.is_empty() && self.applied.is_empty()
    }
}
