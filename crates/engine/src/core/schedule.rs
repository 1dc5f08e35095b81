//! Which waiting tasks may start now, and which runs may be prepared.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_model::{ActionKind, RunState, UnitPath};

use super::run::{Run, Task};

/// Chooses tasks to start, in order: `(position of the run, position of the task)`.
///
/// One pass over all tasks, runs in the order of acceptance and tasks in dependency order. The first task of a
/// unit that could go on has the unit for itself, also while it waits for its dependencies: otherwise a later
/// run could apply a newer commit first and an older one after it. A task that waits for a held one leaves
/// the unit to later runs: a human may take days.
///
/// Nothing deadlocks: a task waits for tasks before it in its own run, or of runs before its own.
pub(super) fn choose(runs: &BTreeMap<u64, Run>, parallel: usize) -> Vec<(u64, usize)> {
    let active = || runs.values().flat_map(|run| &run.tasks).filter(|task| task.is_active());
    let mut taken: BTreeSet<&UnitPath> = active().map(|task| &task.record.unit).collect();
    let mut free = parallel.max(1).saturating_sub(active().count());
    let mut chosen = Vec::new();
    for (number, run) in runs {
        if free == 0 {
            break;
        }
        let stuck = run.stuck();
        let waiting = |(_, (task, stuck)): &(usize, (&Task, &bool))| task.is_waiting() && !**stuck;
        for (at, (task, _)) in run.tasks.iter().zip(&stuck).enumerate().filter(waiting) {
            if free > 0 && taken.insert(&task.record.unit) && run.may_start(task) {
                chosen.push((*number, at));
                free -= 1;
            }
        }
    }
    chosen
}

/// Chooses runs to prepare: every plan run at once, an apply run when those before it have ended or are held.
///
/// What an apply run has to do follows from what was last applied. Were it decided while an earlier run has
/// yet to apply, a commit that takes that one back would find nothing to do, and the earlier one would stay.
pub(super) fn preparable(runs: &BTreeMap<u64, Run>) -> Vec<u64> {
    let mut applying = false;
    let mut chosen = Vec::new();
    for (number, run) in runs {
        let apply = run.record.action.kind == ActionKind::Apply;
        if run.record.state == RunState::Accepted && !run.asked && !(apply && applying) {
            chosen.push(*number);
        }
        applying |= apply && matches!(run.record.state, RunState::Accepted | RunState::Running);
    }
    chosen
}
