//! The engine: one method per event, and what every event ends with.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_model::record::{AppliedRecord, Approval, RunRecord, TaskRecord};
use portcullis_model::run::{EventKind, TaskResult};
use portcullis_model::{
    ActionKind, Code, Digest, DigestBuilder, Fault, PlanSummary, RunId, TaskId, TaskState, UnitPath,
};

use super::event::{Effect, Event, Job, JobDone, JobRequest, NewTask, NewTaskKind, Prepared, Settings, Step};
use super::run::{Run, Task};
use super::schedule;
use super::turn::Turn;
use crate::decide::{Verdict, is_approved};

/// How often in a row an apply may find its plan out of date and go on with the next one. Somebody else then
/// keeps changing the unit, and a human is asked.
const OUTDATED_MAX: u32 = 5;

/// All unfinished runs, and what happens next.
#[derive(Debug, Clone)]
pub struct Engine {
    settings: Settings,
    /// By a number that counts up with each acceptance.
    runs: BTreeMap<u64, Run>,
    next: u64,
    by_id: BTreeMap<RunId, u64>,
    by_task: BTreeMap<TaskId, (u64, usize)>,
    draining: bool,
}

impl Engine {
    /// Takes up what the store has unfinished, after a start or a crash. The step says what became of it:
    /// a plan that was cut off is made again, an apply that was cut off has an unknown outcome, and a run
    /// that was being cancelled is.
    pub fn restore(runs: Vec<(RunRecord, Vec<TaskRecord>)>, settings: Settings, now: Timestamp) -> (Self, Step) {
        let mut engine = Engine {
            settings,
            runs: BTreeMap::new(),
            next: 0,
            by_id: BTreeMap::new(),
            by_task: BTreeMap::new(),
            draining: false,
        };
        let mut turn = Turn::new(now);
        let mut runs: Vec<_> = runs.into_iter().filter(|(run, _)| !run.state.is_final()).collect();
        runs.sort_by_key(|(run, _)| (run.created_at, run.id));
        for (record, tasks) in runs {
            engine.restore_run(&mut turn, record, tasks);
        }
        let step = engine.finish(turn);
        (engine, step)
    }

    /// Takes one event.
    ///
    /// # Errors
    /// For [`Event::Approve`] and [`Event::Cancel`] that cannot be: `PC-0114` no such unfinished run, `PC-0117`
    /// nothing is held, `PC-0706` a plan is not held in this run, `PC-0101` no plan is named. Nothing has
    /// changed then. No other event is refused.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Result<Step, Fault> {
        let mut turn = Turn::new(now);
        match event {
            Event::Accepted(run) => self.accepted(*run),
            Event::Prepared { run, result } => self.prepared(&mut turn, run, result),
            Event::Done { task, attempt, done } => self.done(&mut turn, task, attempt, done),
            Event::Approve { run, plans, by } => self.approve(&mut turn, run, &plans, by)?,
            Event::Cancel { run, by } => self.cancel(&mut turn, run, by)?,
            Event::Drain => self.draining = true,
            Event::Interrupt => self.interrupt(&mut turn),
        }
        Ok(self.finish(turn))
    }

    /// How many jobs are at work: started, and not yet answered.
    pub fn active(&self) -> usize {
        self.runs.values().flat_map(|run| &run.tasks).filter(|task| task.is_active()).count()
    }

    fn add(&mut self, run: Run) -> u64 {
        let number = self.next;
        self.next += 1;
        self.by_id.insert(run.record.id, number);
        for (at, task) in run.tasks.iter().enumerate() {
            self.by_task.insert(task.record.id, (number, at));
        }
        self.runs.insert(number, run);
        number
    }

    fn restore_run(&mut self, turn: &mut Turn, record: RunRecord, mut tasks: Vec<TaskRecord>) {
        let prepared = record.state != portcullis_model::RunState::Accepted;
        let mut run = Run::new(record);
        if prepared {
            tasks.sort_by_key(|task| task.index);
            if let Err(fault) = run.set_tasks(tasks) {
                run.record.fault = Some(fault);
            }
        }
        let (cancelled, acts) = (run.is_cancelled(), run.acts());
        let number = self.add(run);
        let Some(run) = self.runs.get_mut(&number) else { return };
        turn.touch_run(number);
        for (at, task) in run.tasks.iter_mut().enumerate() {
            if matches!(task.record.state, TaskState::Applying) {
                task.record.unknown_outcome_of = task.record.plan;
            }
            if cancelled && !task.record.state.is_final() {
                turn.set((number, at), task, TaskState::Cancelled);
            } else if acts && task.is_active() {
                turn.set((number, at), task, TaskState::Failed { fault: outcome_unknown() });
            } else if task.is_active() {
                turn.set((number, at), task, TaskState::Waiting);
            }
        }
    }

    fn accepted(&mut self, record: RunRecord) {
        if record.state.is_final() || self.by_id.contains_key(&record.id) {
            return;
        }
        self.add(Run::new(record));
    }

    fn prepared(&mut self, turn: &mut Turn, id: RunId, result: Result<Prepared, Fault>) {
        let Some(&number) = self.by_id.get(&id) else { return };
        let Some(run) = self.runs.get_mut(&number).filter(|run| !run.prepared) else { return };
        turn.touch_run(number);
        let linked = result.and_then(|Prepared { message, tasks }| {
            run.record.message = message;
            run.set_tasks(new_records(id, tasks, turn.now))
        });
        if let Err(fault) = linked {
            run.record.fault = Some(fault);
            return;
        }
        for (at, task) in run.tasks.iter().enumerate() {
            self.by_task.insert(task.record.id, (number, at));
            turn.announce((number, at), task);
        }
    }

    fn done(&mut self, turn: &mut Turn, id: TaskId, attempt: u32, done: JobDone) {
        let Some(&(number, at)) = self.by_task.get(&id) else { return };
        let Some(run) = self.runs.get_mut(&number) else { return };
        let (cancelled, acts, kind) = (run.is_cancelled(), run.acts(), run.record.action.kind);
        let Some(task) = run.tasks.get_mut(at) else { return };
        if !task.is_active() || task.record.attempt != attempt {
            return;
        }
        let applying = matches!(task.record.state, TaskState::Applying);
        let state = match done {
            JobDone::Decided { plan, summary, verdict } if kind == ActionKind::Apply => {
                self.decided(turn, (number, at), plan, summary, verdict);
                return;
            }
            JobDone::Planned { plan, summary } if kind == ActionKind::Plan => {
                let result = if summary.is_empty() { TaskResult::NoChange } else { TaskResult::Planned };
                task.record.plan = Some(plan);
                task.record.summary = Some(summary);
                TaskState::Succeeded { result }
            }
            JobDone::Applied if applying && !acts => {
                let result = task.basis.unwrap_or(TaskResult::AppliedReviewed);
                turn.applied.extend(applied(&run.record, &task.record, task.record.input_digest, turn.now));
                TaskState::Succeeded { result }
            }
            JobDone::Acted if acts && applying => TaskState::Succeeded { result: TaskResult::Done },
            JobDone::Failed(fault) => TaskState::Failed { fault },
            // Nothing is recorded as applied: an apply has taken the unit's digest back when it began.
            JobDone::Ignored if cancelled => TaskState::Cancelled,
            JobDone::Ignored => TaskState::Succeeded { result: TaskResult::FailureIgnored },
            JobDone::Interrupted => {
                if applying {
                    task.record.unknown_outcome_of = task.record.plan;
                }
                if cancelled {
                    TaskState::Cancelled
                } else if acts {
                    TaskState::Failed { fault: outcome_unknown() }
                } else if self.draining {
                    TaskState::Waiting
                } else {
                    let why = "the job was interrupted, and nobody asked for it";
                    TaskState::Failed { fault: Fault::new(Code::TOOL_KILLED, why) }
                }
            }
            JobDone::Planned { .. } | JobDone::Decided { .. } | JobDone::Applied | JobDone::Acted => {
                TaskState::Failed {
                    fault: Fault::internal(format!(
                        "a job ended in a way that is not for it: {kind}, {}",
                        task.record.state.name()
                    )),
                }
            }
        };
        turn.set((number, at), task, state);
    }

    /// A plan and what is to be done with it. Nothing was applied by this attempt.
    fn decided(&mut self, turn: &mut Turn, at: (u64, usize), plan: Digest, summary: PlanSummary, verdict: Verdict) {
        let draining = self.draining;
        let Some(run) = self.runs.get_mut(&at.0) else { return };
        let cancelled = run.is_cancelled();
        let Some(task) = run.tasks.get_mut(at.1) else { return };
        if matches!(task.record.state, TaskState::Applying) {
            task.outdated += 1;
        }
        task.record.plan = Some(plan);
        task.record.summary = Some(summary);
        match verdict {
            Verdict::NoChange => {
                task.record.unknown_outcome_of = None;
                turn.applied.extend(applied(&run.record, &task.record, task.record.input_digest, turn.now));
                turn.set(at, task, TaskState::Succeeded { result: TaskResult::NoChange });
            }
            _ if cancelled => turn.set(at, task, TaskState::Cancelled),
            Verdict::Apply(_) if task.outdated > OUTDATED_MAX => {
                hold(
                    turn,
                    at,
                    task,
                    plan,
                    format!("{OUTDATED_MAX} plans in a row were out of date before they could be applied"),
                );
            }
            // The unknown outcome stays on record: the next attempt compares with it again.
            Verdict::Apply(_) if draining => turn.set(at, task, TaskState::Waiting),
            Verdict::Apply(basis) => self.start(turn, at, Job::Apply { plan, basis }),
            Verdict::Hold { why } => hold(turn, at, task, plan, why),
        }
    }

    fn approve(&mut self, turn: &mut Turn, id: RunId, plans: &[Digest], by: String) -> Result<(), Fault> {
        let (number, run) = find(&self.by_id, &mut self.runs, id)?;
        if plans.is_empty() {
            return Err(Fault::new(Code::BAD_REQUEST, "no plan is named")
                .remedy("Name the digests of the held plans, as `portcullis run show` prints them."));
        }
        let held: Vec<Digest> = run.tasks.iter().filter_map(held_plan).collect();
        if held.is_empty() {
            return Err(Fault::new(Code::RUN_NOT_HELD, "no task of the run waits for an approval").remedy(
                "Look at the run with `portcullis run show`: others may have approved it, or it has gone on.",
            ));
        }
        if let Some(stale) = plans.iter().find(|plan| !held.contains(plan)) {
            return Err(Fault::new(Code::APPROVAL_STALE, format!("plan {} is not held in this run", stale.short()))
                .remedy("Look at the run again with `portcullis run show`, read its plans, and name those that are held now."));
        }
        let mut counted = false;
        for (at, task) in run.tasks.iter_mut().enumerate() {
            let Some(plan) = held_plan(task).filter(|plan| plans.contains(plan)) else { continue };
            let same = |approval: &Approval| approval.by == by && approval.plan == plan;
            if task.record.approvals.iter().any(|approval| same(approval) && approval.counts_at(turn.now)) {
                continue;
            }
            task.record.approvals.retain(|approval| !same(approval));
            counted = true;
            task.record.approvals.push(Approval { by: by.clone(), plan, at: turn.now });
            turn.touch((number, at));
            if is_approved(&run.record.rule, &task.record.approvals, plan, turn.now) {
                turn.set((number, at), task, TaskState::Waiting);
            }
        }
        if counted {
            let mut plans = plans.to_vec();
            plans.sort();
            plans.dedup();
            turn.events.push((id, turn.now, EventKind::Approved { by, plans }));
        }
        Ok(())
    }

    fn cancel(&mut self, turn: &mut Turn, id: RunId, by: String) -> Result<(), Fault> {
        let (number, run) = find(&self.by_id, &mut self.runs, id)?;
        if run.is_cancelled() {
            return Ok(());
        }
        run.record.cancelled_by = Some(by);
        turn.touch_run(number);
        for (at, task) in run.tasks.iter_mut().enumerate() {
            if task.is_active() {
                turn.effects.push(Effect::Interrupt { task: task.record.id, attempt: task.record.attempt });
            } else if !task.record.state.is_final() {
                turn.set((number, at), task, TaskState::Cancelled);
            }
        }
        Ok(())
    }

    fn interrupt(&mut self, turn: &mut Turn) {
        self.draining = true;
        let active = self.runs.values().flat_map(|run| &run.tasks).filter(|task| task.is_active());
        turn.effects
            .extend(active.map(|task| Effect::Interrupt { task: task.record.id, attempt: task.record.attempt }));
    }

    /// Starts a job. An apply is on record as begun, with its unit's last applied digest taken back.
    fn start(&mut self, turn: &mut Turn, at: (u64, usize), job: Job) {
        let Some(run) = self.runs.get_mut(&at.0) else { return };
        let Some(task) = run.tasks.get_mut(at.1) else { return };
        task.record.attempt += 1;
        task.record.started_at.get_or_insert(turn.now);
        let state = match job {
            Job::Plan | Job::Ready => TaskState::Planning,
            Job::Apply { plan, basis } => {
                task.basis = Some(basis);
                task.record.plan = Some(plan);
                task.record.unknown_outcome_of = None;
                let unit = partly_applied_digest(&task.record.unit);
                turn.applied.extend(applied(&run.record, &task.record, Some(unit), turn.now));
                TaskState::Applying
            }
            Job::Act => TaskState::Applying,
        };
        turn.set(at, task, state);
        let (run, task) = (run.record.clone(), task.record.clone());
        turn.effects.push(Effect::Start(Box::new(JobRequest { run, task, job })));
    }

    /// What every event ends with: blocking what can never start, starting what can, the runs' own states,
    /// and the runs that can be prepared now.
    fn finish(&mut self, mut turn: Turn) -> Step {
        for number in turn.touched_runs() {
            let Some(run) = self.runs.get_mut(&number) else { continue };
            for (at, by) in run.blocked() {
                if let Some(task) = run.tasks.get_mut(at) {
                    turn.set((number, at), task, TaskState::Blocked { by });
                }
            }
        }
        if !self.draining {
            for at in schedule::choose(&self.runs, self.settings.parallel) {
                let task = self.runs.get(&at.0).and_then(|run| Some((run, run.tasks.get(at.1)?)));
                if let Some(job) = task.map(|(run, task)| task.job(&run.record, turn.now)) {
                    self.start(&mut turn, at, job);
                }
            }
        }
        for number in turn.touched_runs() {
            if let Some(run) = self.runs.get_mut(&number) {
                turn.refresh(number, run);
            }
        }
        if !self.draining {
            for number in schedule::preparable(&self.runs) {
                if let Some(run) = self.runs.get_mut(&number) {
                    run.asked = true;
                    turn.effects.push(Effect::Prepare(Box::new(run.record.clone())));
                }
            }
        }
        let (step, ended) = turn.into_step(&self.runs);
        for number in ended {
            if let Some(run) = self.runs.remove(&number) {
                self.by_id.remove(&run.record.id);
                for task in run.tasks {
                    self.by_task.remove(&task.record.id);
                }
            }
        }
        step
    }
}

/// Stands for the last applied digest of a unit from the moment that an apply begins until it ends well: no
/// unit has it, so a unit that was left half applied needs apply, whatever its configuration goes back to.
pub fn partly_applied_digest(unit: &UnitPath) -> Digest {
    let mut builder = DigestBuilder::new("portcullis partly applied v1");
    builder.text(unit.as_str());
    builder.finish()
}

fn find<'a>(
    by_id: &BTreeMap<RunId, u64>,
    runs: &'a mut BTreeMap<u64, Run>,
    id: RunId,
) -> Result<(u64, &'a mut Run), Fault> {
    let number = by_id.get(&id).copied();
    number.and_then(|number| Some((number, runs.get_mut(&number)?))).ok_or_else(|| {
        Fault::new(Code::NOT_FOUND, format!("there is no unfinished run {id}"))
            .remedy("List the runs with `portcullis run list`.")
    })
}

/// Nobody but the program's author knows whether it can be started a second time.
fn outcome_unknown() -> Fault {
    let why = "the action was cut off while its program ran, and how far it came is not known";
    Fault::new(Code::OUTCOME_UNKNOWN, why).remedy(
        "It is not repeated by itself. Look at its log and at what it changes, then ask for it again if it is needed.",
    )
}

fn held_plan(task: &Task) -> Option<Digest> {
    match task.record.state {
        TaskState::Held { plan, .. } => Some(plan),
        _ => None,
    }
}

/// Approvals that name this very plan do not count a second time: they did not lead to its apply.
fn hold(turn: &mut Turn, at: (u64, usize), task: &mut Task, plan: Digest, why: String) {
    task.record.unknown_outcome_of = None;
    task.record.approvals.retain(|approval| approval.plan != plan);
    task.outdated = 0;
    turn.set(at, task, TaskState::Held { plan, why });
}

fn applied(run: &RunRecord, task: &TaskRecord, digest: Option<Digest>, at: Timestamp) -> Option<AppliedRecord> {
    let input_digest = digest?;
    Some(AppliedRecord { unit: task.unit.clone(), input_digest, commit: run.commit.clone(), run: run.id, at })
}

fn new_records(run: RunId, tasks: Vec<NewTask>, now: Timestamp) -> Vec<TaskRecord> {
    let record = |(index, new): (usize, NewTask)| {
        let (state, ended_at) = match new.kind {
            NewTaskKind::Work => (TaskState::Waiting, None),
            NewTaskKind::NeedsDestroy => (TaskState::NeedsDestroy, Some(now)),
        };
        TaskRecord {
            id: new.id,
            run,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            unit: new.unit,
            after: new.after,
            why: new.why,
            state,
            attempt: 0,
            input_digest: new.input_digest,
            plan: None,
            unknown_outcome_of: None,
            summary: None,
            approvals: Vec::new(),
            started_at: None,
            ended_at,
        }
    };
    tasks.into_iter().enumerate().map(record).collect()
}
