//! Runs, tasks, their states, events, and what a plan says it will do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Code, Digest, Fault, UnitPath};

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Accepted; its units are not decided yet.
    Accepted,
    /// Tasks wait or run.
    Running,
    /// Nothing runs, and at least one task waits for an approval.
    Held,
    /// Every task ended well.
    Succeeded,
    /// At least one task failed or was blocked.
    Failed,
    /// Cancelled by a caller or at shutdown, before every task ended.
    Cancelled,
}

impl RunState {
    /// Whether nothing can change it any more.
    pub fn is_final(self) -> bool {
        matches!(self, RunState::Succeeded | RunState::Failed | RunState::Cancelled)
    }
}

/// Where a task is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum TaskState {
    /// Waits for its dependencies, its unit's lock, or a free place.
    Waiting,
    /// A sandbox plans the unit.
    Planning,
    /// A sandbox applies a plan, or does a declared action. Written before the sandbox starts: after a crash its
    /// outcome is unknown.
    Applying,
    /// The change is not the reviewed one; an approver must name this plan.
    Held {
        /// The plan that waits.
        // The views flatten a state into an object that has a `plan` and a `why` of its own.
        #[serde(rename = "held_plan")]
        #[schema(value_type = String)]
        plan: Digest,
        /// Why it is held, for people.
        #[serde(rename = "held_because")]
        why: String,
    },
    /// Done.
    Succeeded {
        /// What was done.
        result: TaskResult,
    },
    /// Ended with an error.
    Failed {
        /// The error.
        #[schema(value_type = Object)]
        fault: Fault,
    },
    /// Not started, because a unit that it depends on did not end well.
    Blocked {
        /// That unit.
        #[schema(value_type = String)]
        by: UnitPath,
    },
    /// Cancelled before it ended.
    Cancelled,
    /// The unit was deleted and has state: listed so that it is not forgotten.
    NeedsDestroy,
}

impl TaskState {
    /// Whether nothing can change it any more within its run.
    pub fn is_final(&self) -> bool {
        !matches!(self, TaskState::Waiting | TaskState::Planning | TaskState::Applying | TaskState::Held { .. })
    }

    /// Whether dependents may start.
    pub fn is_success(&self) -> bool {
        matches!(self, TaskState::Succeeded { .. } | TaskState::NeedsDestroy)
    }

    /// The code of what keeps it from being done: of its error, or of what it waits for.
    pub fn code(&self) -> Option<Code> {
        match self {
            TaskState::Failed { fault } => Some(fault.code()),
            TaskState::Held { .. } => Some(Code::HELD),
            TaskState::Blocked { .. } => Some(Code::BLOCKED),
            TaskState::NeedsDestroy => Some(Code::NEEDS_DESTROY),
            _ => None,
        }
    }

    /// One word.
    pub fn name(&self) -> &'static str {
        match self {
            TaskState::Waiting => "waiting",
            TaskState::Planning => "planning",
            TaskState::Applying => "applying",
            TaskState::Held { .. } => "held",
            TaskState::Succeeded { .. } => "succeeded",
            TaskState::Failed { .. } => "failed",
            TaskState::Blocked { .. } => "blocked",
            TaskState::Cancelled => "cancelled",
            TaskState::NeedsDestroy => "needs-destroy",
        }
    }
}

/// What a task that ended well has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskResult {
    /// A plan with changes is kept.
    Planned,
    /// The plan shows no change (in an apply run: nothing was applied, the digest is recorded).
    NoChange,
    /// The reviewed plan was applied as it was.
    AppliedReviewed,
    /// A new plan was made, and applied because it is the reviewed change.
    AppliedSameChange,
    /// A new plan was applied that nobody reviewed, as the account's rule allows (it only creates, …).
    AppliedUnreviewed,
    /// A new plan was applied after an approval named it.
    AppliedApproved,
    /// It failed with an error that the unit's configuration ignores: there is no plan, or what was applied is not known to
    /// be all. What depends on it goes on, and the unit is planned again in the next run.
    FailureIgnored,
    /// The program of a declared action ended well.
    Done,
}

/// What a sandbox is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Plan: state may be read, not written.
    Plan,
    /// Apply: the unit's own state may be written.
    Apply,
    /// Read outputs of a unit from its state.
    Outputs,
}

/// What a plan does to one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Create.
    Create,
    /// Update in place.
    Update,
    /// Destroy and create, in either order.
    Replace,
    /// Destroy.
    Destroy,
    /// Read a data source while applying.
    Read,
    /// Remove from state without destroying.
    Forget,
    /// Only its address changes (`moved`): nothing in the world does, but the state does.
    Move,
    /// Take what exists into the state as it is (`import`).
    Import,
}

/// One resource that a plan changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResourceChange {
    /// The resource's address, as the tool spells it.
    pub address: String,
    /// What happens to it.
    pub kind: ChangeKind,
}

/// What a plan does, without any value of it: safe to show.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct PlanSummary {
    /// Resources created.
    pub add: u32,
    /// Resources updated in place.
    pub change: u32,
    /// Resources replaced (not counted in `add` and `destroy`).
    pub replace: u32,
    /// Resources destroyed.
    pub destroy: u32,
    /// Each change, by address, at most [`PlanSummary::CHANGES_MAX`].
    pub changes: Vec<ResourceChange>,
    /// How many more changes there are than listed.
    #[serde(default)]
    pub changes_left_out: u32,
    /// Names of outputs whose value changes.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// Units whose outputs were mocked for this plan: it is never applied as it is.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub mocked: Vec<UnitPath>,
}

impl PlanSummary {
    /// Most changes listed by address.
    pub const CHANGES_MAX: usize = 500;

    /// Whether the plan changes nothing, outputs included.
    pub fn is_empty(&self) -> bool {
        self.add == 0
            && self.change == 0
            && self.replace == 0
            && self.destroy == 0
            && self.changes.is_empty()
            && self.outputs.is_empty()
    }

    /// Whether it creates and reads only: nothing that exists is changed or destroyed.
    pub fn only_creates(&self) -> bool {
        self.change == 0
            && self.replace == 0
            && self.destroy == 0
            && self.changes_left_out == 0
            && self.changes.iter().all(|c| matches!(c.kind, ChangeKind::Create | ChangeKind::Read))
    }
}

/// `2 to add, 1 to change, 0 to destroy`, as people know it; replacements count as add and destroy.
impl std::fmt::Display for PlanSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} to add, {} to change, {} to destroy",
            self.add.saturating_add(self.replace),
            self.change,
            self.destroy.saturating_add(self.replace)
        )
    }
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum EventKind {
    /// The run changed state.
    Run {
        /// The new state.
        state: RunState,
        /// A sentence for people, such as why nothing is affected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// A task changed state.
    Task {
        /// The task.
        #[schema(value_type = String)]
        task: crate::TaskId,
        /// Its unit.
        #[schema(value_type = String)]
        unit: UnitPath,
        /// The new state.
        #[serde(flatten)]
        state: TaskState,
        /// The plan's summary, once there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        summary: Option<PlanSummary>,
    },
    /// Somebody approved held plans.
    Approved {
        /// Who.
        by: String,
        /// Which plans.
        #[schema(value_type = Vec<String>)]
        plans: Vec<Digest>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_done_has_a_code() {
        let unit = UnitPath::parse("dev/vpc").unwrap();
        for (state, code) in [
            (TaskState::Held { plan: Digest::of(b"p"), why: "nobody reviewed it".into() }, Some(Code::HELD)),
            (TaskState::Blocked { by: unit }, Some(Code::BLOCKED)),
            (TaskState::NeedsDestroy, Some(Code::NEEDS_DESTROY)),
            (TaskState::Failed { fault: Fault::internal("x") }, Some(Code::INTERNAL)),
            (TaskState::Succeeded { result: TaskResult::NoChange }, None),
            (TaskState::Waiting, None),
        ] {
            assert_eq!(state.code(), code, "{state:?}");
        }
    }
}
