//! What one event changes, while it is being handled.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis_model::record::{AppliedRecord, StepRecord};
use portcullis_model::run::EventKind;
use portcullis_model::{RunId, TaskState};

use super::event::{Effect, Step};
use super::run::{Run, Task};

/// Collects changes; each record is written once, as it is at the end.
pub(super) struct Turn {
    pub now: Timestamp,
    pub events: Vec<(RunId, Timestamp, EventKind)>,
    pub applied: Vec<AppliedRecord>,
    pub effects: Vec<Effect>,
    runs: BTreeSet<u64>,
    changed_runs: BTreeSet<u64>,
    tasks: BTreeSet<(u64, usize)>,
}

impl Turn {
    pub fn new(now: Timestamp) -> Self {
        Turn {
            now,
            events: Vec::new(),
            applied: Vec::new(),
            effects: Vec::new(),
            runs: BTreeSet::new(),
            changed_runs: BTreeSet::new(),
            tasks: BTreeSet::new(),
        }
    }

    /// The run's own record changed.
    pub fn touch_run(&mut self, number: u64) {
        self.runs.insert(number);
        self.changed_runs.insert(number);
    }

    /// The task's record changed, not its state.
    pub fn touch(&mut self, at: (u64, usize)) {
        self.runs.insert(at.0);
        self.tasks.insert(at);
    }

    /// Gives a task its next state.
    pub fn set(&mut self, at: (u64, usize), task: &mut Task, state: TaskState) {
        task.record.ended_at = state.is_final().then_some(self.now);
        if matches!(state, TaskState::Succeeded { .. }) {
            task.record.unknown_outcome_of = None;
        }
        task.record.state = state;
        self.announce(at, task);
    }

    /// Says the state that a task is in.
    pub fn announce(&mut self, at: (u64, usize), task: &Task) {
        self.touch(at);
        let record = &task.record;
        let event = EventKind::Task {
            task: record.id,
            unit: record.unit.clone(),
            state: record.state.clone(),
            summary: record.summary.clone(),
        };
        self.events.push((record.run, self.now, event));
    }

    /// Numbers of the runs of which something changed.
    pub fn touched_runs(&self) -> Vec<u64> {
        self.runs.iter().copied().collect()
    }

    /// Gives a run the state that follows from its tasks.
    pub fn refresh(&mut self, number: u64, run: &mut Run) {
        let state = run.state_now();
        if state == run.record.state {
            return;
        }
        run.record.state = state;
        run.record.ended_at = state.is_final().then_some(self.now);
        self.touch_run(number);
        let message = run.record.message.clone().or_else(|| run.record.fault.as_ref().map(ToString::to_string));
        self.events.push((run.record.id, self.now, EventKind::Run { state, message }));
    }

    /// The step, and the numbers of the runs that have ended.
    pub fn into_step(self, runs: &BTreeMap<u64, Run>) -> (Step, Vec<u64>) {
        let changed: Vec<(u64, &Run)> =
            self.changed_runs.iter().filter_map(|number| Some((*number, runs.get(number)?))).collect();
        let ended = changed.iter().filter(|(_, run)| run.record.state.is_final()).map(|(number, _)| *number).collect();
        let record = StepRecord {
            runs: changed.into_iter().map(|(_, run)| run.record.clone()).collect(),
            tasks: self
                .tasks
                .iter()
                .filter_map(|(number, at)| Some(runs.get(number)?.tasks.get(*at)?.record.clone()))
                .collect(),
            events: self.events,
            applied: self.applied,
        };
        (Step { record, effects: self.effects }, ended)
    }
}
