//! What comes into the engine and what goes out of it. Data only.

use portcullis_model::record::{RunRecord, StepRecord, TaskRecord};
use portcullis_model::run::TaskResult;
use portcullis_model::{Digest, Fault, PlanSummary, RunId, TaskId, UnitPath};

use crate::decide::Verdict;

/// What the engine is told once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Most tasks at work at the same time, in all runs together. 0 counts as 1.
    pub parallel: usize,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A run was accepted. Its record is in the store already, in state `Accepted`.
    Accepted(Box<RunRecord>),
    /// The units of a run were decided, or could not be.
    Prepared {
        /// The run.
        run: RunId,
        /// Its tasks, or why there are none.
        result: Result<Prepared, Fault>,
    },
    /// A job ended.
    Done {
        /// Its task.
        task: TaskId,
        /// Its attempt; a result of an older one is ignored.
        attempt: u32,
        /// How it ended.
        done: JobDone,
    },
    /// Somebody who may, approves held plans by their digests.
    Approve {
        /// The run.
        run: RunId,
        /// The plans. All must be held in this run.
        plans: Vec<Digest>,
        /// Who: issuer and subject, so that one person counts once.
        by: String,
    },
    /// Somebody who may, cancels a run.
    Cancel {
        /// The run.
        run: RunId,
        /// Who.
        by: String,
    },
    /// The runner is to stop: from now on nothing starts.
    Drain,
    /// The runner is to stop and the time given to running jobs is over: they are interrupted.
    Interrupt,
}

/// The units of a run, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What was decided, for people ("nothing is affected: …").
    pub message: Option<String>,
    /// The tasks in dependency order: a task comes after every task that it names in `after`. Empty when
    /// there is nothing to do; the run then succeeds.
    pub tasks: Vec<NewTask>,
}

/// One unit of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// A new id.
    pub id: TaskId,
    /// The unit; each at most once in a run.
    pub unit: UnitPath,
    /// Units of this run that it waits for.
    pub after: Vec<UnitPath>,
    /// Why the unit is part of the run.
    pub why: String,
    /// Whether there is work.
    pub kind: NewTaskKind,
    /// The unit's input digest at the run's commit; `None` for a unit that was deleted.
    pub input_digest: Option<Digest>,
}

/// Whether a unit of a run has work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewTaskKind {
    /// It is planned, or applied, as the run's action says.
    Work,
    /// It was deleted and has state: listed, and nothing is done.
    NeedsDestroy,
}

/// What one event leads to. Commit `record` in one transaction, then perform `effects` in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// Everything that changed. May be empty.
    pub record: StepRecord,
    /// What is to be done, once the record is committed.
    pub effects: Vec<Effect>,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Decide the units of a run; answer with [`Event::Prepared`].
    Prepare(Box<RunRecord>),
    /// Do a job; answer with [`Event::Done`] for this task and attempt, exactly once.
    Start(Box<JobRequest>),
    /// Interrupt the task's job, so that it ends soon. It still answers.
    Interrupt {
        /// The task.
        task: TaskId,
        /// The attempt to interrupt.
        attempt: u32,
    },
}

/// A job with all that is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    /// The run, as it is.
    pub run: RunRecord,
    /// The task, as it is: its `attempt`, its approvals, and `unknown_outcome_of` with the plan whose apply
    /// was cut off.
    pub task: TaskRecord,
    /// What to do.
    pub job: Job,
}

/// What to do for a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// In a plan run: make a plan and keep it. Ends in [`JobDone::Planned`].
    Plan,
    /// In an apply run: find the reviewed plan, or plan again and compare (always plan again when
    /// `unknown_outcome_of` is set). Ends in [`JobDone::Decided`].
    Ready,
    /// Apply this plan, if what it was made from still holds; ends in [`JobDone::Applied`]. Otherwise plan
    /// again, compare, and end in [`JobDone::Decided`] without applying.
    Apply {
        /// The plan.
        plan: Digest,
        /// Why it may be applied; becomes the task's result.
        basis: TaskResult,
    },
    /// In a run of a declared action: start its program, once. Ends in [`JobDone::Acted`].
    Act,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobDone {
    /// [`Job::Plan`]: a plan was made and kept.
    Planned {
        /// Its digest.
        plan: Digest,
        /// What it does.
        summary: PlanSummary,
    },
    /// [`Job::Ready`], or [`Job::Apply`] that found its plan out of date: this plan, and what is to be done
    /// with it. Nothing was applied.
    Decided {
        /// The plan: the reviewed one, or a new one.
        plan: Digest,
        /// What it does.
        summary: PlanSummary,
        /// What is to be done with it.
        verdict: Verdict,
    },
    /// [`Job::Apply`]: the plan was applied.
    Applied,
    /// [`Job::Act`]: the program ended well.
    Acted,
    /// It ended with an error.
    Failed(Fault),
    /// It ended with an error that the unit's configuration says to ignore. For [`Job::Apply`]: some of it may be applied.
    Ignored,
    /// It ended early because it was interrupted. For [`Job::Apply`]: how much was applied is not known.
    Interrupted,
}
