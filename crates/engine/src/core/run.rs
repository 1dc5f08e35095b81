//! A run and its tasks in memory, and what follows from the tasks' states for the run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_model::record::{RunRecord, TaskRecord};
use portcullis_model::run::TaskResult;
use portcullis_model::{ActionKind, Fault, RunState, TaskState, UnitPath};

use super::event::Job;
use crate::decide::is_approved;

/// A task: what is on record, and what holds only while this process lives.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub record: TaskRecord,
    /// Positions of the tasks that it waits for; all are smaller than its own.
    pub after: Vec<usize>,
    /// Why the plan that is being applied may be.
    pub basis: Option<TaskResult>,
    /// How often an apply found its plan out of date.
    pub outdated: u32,
}

impl Task {
    pub fn is_active(&self) -> bool {
        matches!(self.record.state, TaskState::Planning | TaskState::Applying)
    }

    pub fn is_waiting(&self) -> bool {
        matches!(self.record.state, TaskState::Waiting)
    }

    pub fn is_held(&self) -> bool {
        matches!(self.record.state, TaskState::Held { .. })
    }

    /// What is to be done for it when it starts.
    pub fn job(&self, run: &RunRecord, now: Timestamp) -> Job {
        match (run.action.kind, self.record.plan) {
            (ActionKind::Apply, Some(plan))
                if self.record.unknown_outcome_of.is_none()
                    && is_approved(&run.rule, &self.record.approvals, plan, now) =>
            {
                Job::Apply { plan, basis: TaskResult::AppliedApproved }
            }
            (ActionKind::Apply, _) => Job::Ready,
            (ActionKind::Plan, _) => Job::Plan,
            // One that was begun is never found waiting again: it is not repeated.
            _ => Job::Act,
        }
    }
}

/// A run that has not ended.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub record: RunRecord,
    /// In dependency order. Empty until it is prepared.
    pub tasks: Vec<Task>,
    pub prepared: bool,
    /// Whether it is being prepared.
    pub asked: bool,
}

impl Run {
    pub fn new(record: RunRecord) -> Self {
        Run { record, tasks: Vec::new(), prepared: false, asked: false }
    }

    pub fn is_cancelled(&self) -> bool {
        self.record.cancelled_by.is_some()
    }

    /// Whether it is of a declared action, whose program is started once.
    pub fn acts(&self) -> bool {
        !matches!(self.record.action.kind, ActionKind::Plan | ActionKind::Apply)
    }

    /// Gives it its tasks.
    pub fn set_tasks(&mut self, records: Vec<TaskRecord>) -> Result<(), Fault> {
        self.tasks = link(records)?;
        self.prepared = true;
        Ok(())
    }

    /// Whether every unit that the task comes after ended well.
    pub fn may_start(&self, task: &Task) -> bool {
        task.after.iter().all(|&at| self.tasks.get(at).is_some_and(|before| before.record.state.is_success()))
    }

    /// For each task, whether it waits for a held one, over however many others.
    pub fn stuck(&self) -> Vec<bool> {
        let mut stuck = Vec::with_capacity(self.tasks.len());
        for task in &self.tasks {
            let behind = task
                .after
                .iter()
                .any(|&at| stuck.get(at).copied().unwrap_or(false) || self.tasks.get(at).is_some_and(Task::is_held));
            stuck.push(behind);
        }
        stuck
    }

    /// The tasks that can never start because of how another ended, each with the unit at the root of it.
    pub fn blocked(&self) -> Vec<(usize, UnitPath)> {
        let mut roots: BTreeMap<usize, UnitPath> = BTreeMap::new();
        for (at, task) in self.tasks.iter().enumerate().filter(|(_, task)| task.is_waiting()) {
            let root = task.after.iter().find_map(|before| {
                let Task { record, .. } = self.tasks.get(*before)?;
                match &record.state {
                    TaskState::Blocked { by } => Some(by.clone()),
                    state if state.is_final() && !state.is_success() => Some(record.unit.clone()),
                    _ => roots.get(before).cloned(),
                }
            });
            if let Some(root) = root {
                roots.insert(at, root);
            }
        }
        roots.into_iter().collect()
    }

    /// The state that follows from its tasks.
    pub fn state_now(&self) -> RunState {
        if self.record.fault.is_some() {
            return RunState::Failed;
        }
        if !self.prepared {
            return if self.is_cancelled() { RunState::Cancelled } else { RunState::Accepted };
        }
        if self.tasks.iter().all(|task| task.record.state.is_final()) {
            return self.end_state();
        }
        let stuck = self.stuck();
        let goes_on = |(task, stuck): (&Task, &bool)| task.is_active() || (task.is_waiting() && !stuck);
        if self.tasks.iter().zip(&stuck).any(goes_on) { RunState::Running } else { RunState::Held }
    }

    fn end_state(&self) -> RunState {
        let mut end = RunState::Succeeded;
        for task in &self.tasks {
            match task.record.state {
                TaskState::Cancelled => return RunState::Cancelled,
                TaskState::Failed { .. } | TaskState::Blocked { .. } => end = RunState::Failed,
                _ => {}
            }
        }
        end
    }
}

/// Finds what each task waits for. A task that comes before one that it waits for, a unit twice, or one that
/// is not there, would wait for ever or not at all.
fn link(records: Vec<TaskRecord>) -> Result<Vec<Task>, Fault> {
    let mut positions: BTreeMap<UnitPath, usize> = BTreeMap::new();
    let mut tasks = Vec::with_capacity(records.len());
    for (at, record) in records.into_iter().enumerate() {
        let after = record.after.iter().map(|unit| positions.get(unit).copied()).collect::<Option<Vec<_>>>();
        let Some(after) = after else {
            return Err(Fault::internal(format!(
                "unit `{}` waits for a unit that does not come before it",
                record.unit
            )));
        };
        if positions.insert(record.unit.clone(), at).is_some() {
            return Err(Fault::internal(format!("unit `{}` is in the run twice", record.unit)));
        }
        tasks.push(Task { record, after, basis: None, outdated: 0 });
    }
    Ok(tasks)
}
