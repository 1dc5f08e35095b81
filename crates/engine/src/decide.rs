//! Whether a fresh plan may be applied: pure, from the account's rule, the review, and what was begun.
//!
//! Architecture invariant: no I/O. It does not choose which plan counts as the reviewed one; whoever asks does.

use jiff::Timestamp;
use portcullis_model::record::{ApplyRule, Approval, Unreviewed};
use portcullis_model::run::TaskResult;
use portcullis_model::{Code, Digest, Fault, PlanSummary, UnitPath};
use serde_json::Value;

use crate::change::{Change, is_subset, same_change};

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
    /// The time: approvals expire.
    pub now: Timestamp,
}

/// Decides.
///
/// In this order: a plan without a change is done; what an apply that was cut off has left is finished if it
/// is a part of that apply, and held otherwise; an approved or reviewed change goes on if it is the same, and
/// is held otherwise, also where the rule would apply a plan without a review: somebody saw another one; and
/// only for a plan without a review does the rule speak.
///
/// # Errors
/// `PC-0705` for a plan that was made with mock outputs: it is never applied, nor held to be.
pub fn decide(case: &Case<'_>) -> Result<Verdict, Fault> {
    let Fresh { change, summary } = case.fresh;
    if !summary.mocked.is_empty() {
        let units: Vec<&str> = summary.mocked.iter().map(UnitPath::as_str).collect();
        return Err(Fault::new(Code::OUTPUTS_MISSING, format!("the plan uses mock outputs of {}", units.join(", ")))
            .remedy("Apply the dependencies first, or in the same run."));
    }
    if change.is_empty() {
        return Ok(Verdict::NoChange);
    }
    if let Some(begun) = case.begun {
        return Ok(match is_subset(begun.change, change) {
            Ok(()) => Verdict::Apply(basis_of_begun(case, &begun)),
            Err(difference) => hold(format!(
                "the apply of plan {} was cut off, and what is left to do is not a part of it: {difference}",
                begun.plan.short()
            )),
        });
    }
    if let Some(approved) = case.approved {
        return Ok(match same_change(approved.change, change, &[]) {
            Ok(()) => Verdict::Apply(TaskResult::AppliedApproved),
            Err(difference) => {
                hold(format!("the world has moved and the change is not the approved one: {difference}"))
            }
        });
    }
    if let Some(reviewed) = case.reviewed {
        return Ok(match same_change(reviewed.change, change, reviewed.mocks) {
            Ok(()) => Verdict::Apply(TaskResult::AppliedSameChange),
            Err(difference) => hold(format!("the change is not the reviewed one: {difference}")),
        });
    }
    Ok(unreviewed(case.rule, change))
}

/// What the rule says of a plan that nobody saw.
fn unreviewed(rule: &ApplyRule, change: &Change) -> Verdict {
    match rule.unreviewed {
        Unreviewed::Apply => Verdict::Apply(TaskResult::AppliedUnreviewed),
        Unreviewed::CreateOnly if change.only_creates() => Verdict::Apply(TaskResult::AppliedUnreviewed),
        Unreviewed::CreateOnly => hold("nobody reviewed it, and it does more than create".to_owned()),
        Unreviewed::Hold => hold("nobody reviewed it".to_owned()),
    }
}

/// Why the cut-off apply was allowed: it is what finishes now.
fn basis_of_begun(case: &Case<'_>, begun: &Begun<'_>) -> TaskResult {
    if is_approved(case.rule, case.approvals, begun.plan, case.now) {
        return TaskResult::AppliedApproved;
    }
    match case.reviewed {
        Some(reviewed) if same_change(reviewed.change, begun.change, reviewed.mocks).is_ok() => {
            TaskResult::AppliedSameChange
        }
        _ => TaskResult::AppliedUnreviewed,
    }
}

fn hold(why: String) -> Verdict {
    Verdict::Hold { why }
}

/// Whether enough different people approved this very plan, and not too long ago.
pub fn is_approved(rule: &ApplyRule, approvals: &[Approval], plan: Digest, now: Timestamp) -> bool {
    let counts = |approval: &&Approval| approval.plan == plan && approval.counts_at(now);
    let mut people: Vec<&str> = approvals.iter().filter(counts).map(|a| a.by.as_str()).collect();
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
