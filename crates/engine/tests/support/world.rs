//! A simulated world round the engine's core: the store, the executor, the callers, and what the units really are.
//!
//! It checks on every effect that the promise P8 holds: nothing accepted is lost, nothing is applied by two at once or
//! twice blindly, what counts as applied is so, and every run ends.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use portcullis_engine::core::partly_applied_digest;
use portcullis_engine::{
    Effect, Engine, Event, Job, JobDone, JobRequest, NewTask, NewTaskKind, Prepared, Settings, Step, Verdict,
};
use portcullis_model::record::{RunRecord, TaskRecord};
use portcullis_model::run::TaskResult;
use portcullis_model::{ActionKind, Code, Digest, Fault, PlanSummary, RunId, RunState, TaskId, TaskState, UnitPath};

use super::{at, digest, run, some_change, task_id, unit};

pub const PARALLEL: usize = 2;
pub const UNITS: usize = 5;

#[derive(Debug, Clone, Copy)]
pub enum Crash {
    Never,
    BeforeCommit,
    AfterCommit,
    AfterEffects,
}

#[derive(Debug, Clone)]
pub enum Move {
    Accept { apply: bool, units: u8, edges: u16 },
    Prepare { which: u8, fails: bool },
    Finish { which: u8, how: u8 },
    Stale { which: u8 },
    Approve { which: u8, by: u8 },
    Cancel { which: u8 },
    Restart,
}

pub struct World {
    pub engine: Engine,
    now: i64,
    // The store.
    pub runs: BTreeMap<RunId, RunRecord>,
    pub tasks: BTreeMap<TaskId, TaskRecord>,
    pub applied: BTreeMap<UnitPath, Digest>,
    // The executor; empty after a crash.
    pub jobs: Vec<JobRequest>,
    pub preparing: Vec<RunRecord>,
    interrupted: BTreeSet<(TaskId, u32)>,
    // The callers.
    shapes: BTreeMap<RunId, (u64, u8, u16)>,
    accepted: u64,
    plans: u64,
    /// Plans whose apply was begun: none is begun again.
    begun: BTreeSet<(TaskId, Digest)>,
    /// What each unit really is: the input digest that it was last applied with. None of a unit's is what a cut-off
    /// apply leaves.
    real: BTreeMap<UnitPath, Option<Digest>>,
}

impl World {
    pub fn new() -> Self {
        let (engine, step) = Engine::restore(Vec::new(), Settings { parallel: PARALLEL }, at(0));
        assert_eq!(step, Step::default());
        World {
            engine,
            now: 1000,
            runs: BTreeMap::new(),
            tasks: BTreeMap::new(),
            applied: BTreeMap::new(),
            jobs: Vec::new(),
            preparing: Vec::new(),
            interrupted: BTreeSet::new(),
            shapes: BTreeMap::new(),
            accepted: 0,
            plans: 0,
            begun: BTreeSet::new(),
            real: BTreeMap::new(),
        }
    }

    pub fn event(&mut self, event: Event, crash: Crash) {
        self.now += 1;
        // A refused event changes nothing; there is nothing to check.
        let Ok(step) = self.engine.handle(event, at(self.now)) else { return };
        self.take(step, crash);
    }

    fn take(&mut self, step: Step, crash: Crash) {
        if matches!(crash, Crash::BeforeCommit) {
            return self.restart();
        }
        self.commit(&step);
        if matches!(crash, Crash::AfterCommit) {
            return self.restart();
        }
        for effect in step.effects {
            self.perform(effect);
        }
        if matches!(crash, Crash::AfterEffects) {
            self.restart();
        }
    }

    fn commit(&mut self, step: &Step) {
        for run in &step.record.runs {
            let before = self.runs.insert(run.id, run.clone()).expect("a run is stored when it is accepted");
            assert!(!before.state.is_final(), "a run that had ended is changed");
        }
        for task in &step.record.tasks {
            if let Some(before) = self.tasks.insert(task.id, task.clone()) {
                assert!(!before.state.is_final(), "a task that had ended is changed");
                assert!(task.attempt >= before.attempt);
            }
        }
        for applied in &step.record.applied {
            self.applied.insert(applied.unit.clone(), applied.input_digest);
            let real = self.real.get(&applied.unit).copied().flatten();
            let begun = applied.input_digest == partly_applied_digest(&applied.unit);
            assert!(begun || real == Some(applied.input_digest), "{} counts as applied, and is not", applied.unit);
        }
        for run in &step.record.runs {
            let open = self.tasks.values().filter(|t| t.run == run.id && !t.state.is_final()).count();
            assert!(!run.state.is_final() || open == 0, "a run ended with {open} open tasks");
            assert_eq!(run.state.is_final(), run.ended_at.is_some());
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Prepare(run) => {
                assert!(!self.preparing.iter().any(|other| other.id == run.id), "prepared twice at once");
                self.preparing.push(*run);
            }
            Effect::Start(request) => self.start(*request),
            Effect::Interrupt { task, attempt } => {
                self.interrupted.insert((task, attempt));
            }
        }
    }

    fn start(&mut self, request: JobRequest) {
        let task = &request.task;
        let stored = &self.tasks[&task.id];
        assert_eq!(stored, task, "a job started that is not on record as it is");
        assert!(!self.jobs.iter().any(|job| job.task.unit == task.unit), "two jobs work on {}", task.unit);
        assert!(self.jobs.len() < PARALLEL);
        let run = &self.runs[&task.run];
        assert!(run.cancelled_by.is_none(), "a job of a cancelled run started");
        for before in self.tasks.values().filter(|t| t.run == task.run && task.after.contains(&t.unit)) {
            assert!(before.state.is_success(), "{} started before {} ended well", task.unit, before.unit);
        }
        match request.job {
            Job::Plan => assert_eq!(run.action.kind, ActionKind::Plan),
            Job::Ready => assert_eq!(run.action.kind, ActionKind::Apply),
            Job::Act => {
                assert!(matches!(run.action.kind, ActionKind::Custom(_)), "{:?}", run.action.kind);
                assert_eq!(stored.state, TaskState::Applying);
                assert_eq!(task.attempt, 1, "an action's program was started twice");
            }
            Job::Apply { plan, .. } => {
                assert_eq!((&stored.state, stored.plan), (&TaskState::Applying, Some(plan)));
                assert!(self.begun.insert((task.id, plan)), "a plan's apply was begun twice");
                assert_ne!(
                    self.applied.get(&task.unit),
                    task.input_digest.as_ref(),
                    "its digest counts as applied already"
                );
            }
        }
        self.jobs.push(request);
    }

    /// A crash: the sandboxes die with the runner, and only the store is left.
    pub fn restart(&mut self) {
        // How far an apply came is nobody's to know: to its end, halfway, or nowhere.
        for job in std::mem::take(&mut self.jobs) {
            self.cut_off(&job);
        }
        self.preparing.clear();
        self.interrupted.clear();
        self.now += 1;
        let unfinished = self
            .runs
            .values()
            .filter(|run| !run.state.is_final())
            .map(|run| (run.clone(), self.tasks.values().filter(|task| task.run == run.id).cloned().collect()));
        let (engine, step) = Engine::restore(unfinished.collect(), Settings { parallel: PARALLEL }, at(self.now));
        self.engine = engine;
        for task in &step.record.tasks {
            let acts = matches!(self.runs[&task.run].action.kind, ActionKind::Custom(_));
            let cut_off = matches!(self.tasks[&task.id].state, TaskState::Applying) && !acts;
            assert!(!cut_off || task.unknown_outcome_of.is_some(), "the outcome of a cut-off apply counts as known");
        }
        self.take(step, Crash::Never);
    }

    pub fn play(&mut self, action: &Move, crash: Crash) {
        match *action {
            Move::Accept { apply, units, edges } => {
                self.accepted += 1;
                let kind = match apply {
                    true => ActionKind::Apply,
                    // A few of the others are of a declared action.
                    false if units >> 6 == 3 => ActionKind::parse("rotate-keys").unwrap(),
                    false => ActionKind::Plan,
                };
                let record = run(self.accepted, kind);
                self.shapes.insert(record.id, (self.accepted, units, edges));
                self.runs.insert(record.id, record.clone());
                self.event(Event::Accepted(Box::new(record)), crash);
            }
            Move::Prepare { which, fails } => {
                if self.preparing.is_empty() {
                    return;
                }
                let run = self.preparing.remove(usize::from(which) % self.preparing.len()).id;
                let result = if fails { Err(Fault::new(Code::HCL_SYNTAX, "no")) } else { Ok(self.tasks_of(run)) };
                self.event(Event::Prepared { run, result }, crash);
            }
            Move::Finish { which, how } => {
                if self.jobs.is_empty() {
                    return;
                }
                let job = self.jobs.remove(usize::from(which) % self.jobs.len());
                let done = self.outcome(&job, how);
                self.event(Event::Done { task: job.task.id, attempt: job.task.attempt, done }, crash);
            }
            Move::Stale { which } => {
                let Some(job) = self.jobs.get(usize::from(which) % self.jobs.len().max(1)) else { return };
                let (task, attempt) = (job.task.id, job.task.attempt - 1);
                let step =
                    self.engine.handle(Event::Done { task, attempt, done: JobDone::Applied }, at(self.now)).unwrap();
                assert_eq!(step, Step::default(), "an old attempt's result counted");
            }
            Move::Approve { which, by } => {
                let held = |task: &&TaskRecord| matches!(task.state, TaskState::Held { .. });
                let all: Vec<_> = self.tasks.values().filter(held).map(|t| (t.run, t.plan.unwrap())).collect();
                let Some((run, plan)) = all.get(usize::from(which) % all.len().max(1)).copied() else { return };
                self.event(Event::Approve { run, plans: vec![plan], by: format!("person {}", by % 3) }, crash);
            }
            Move::Cancel { which } => {
                let runs: Vec<RunId> = self.runs.keys().copied().collect();
                let Some(run) = runs.get(usize::from(which) % runs.len().max(1)) else { return };
                let run = *run;
                self.event(Event::Cancel { run, by: "someone".into() }, crash);
                let told = |job: &JobRequest| self.interrupted.contains(&(job.task.id, job.task.attempt));
                // A crash before the commit: nobody was told that it is cancelled.
                let on_record = self.runs[&run].cancelled_by.is_some();
                assert!(
                    !on_record || self.jobs.iter().filter(|job| job.task.run == run).all(told),
                    "a cancelled job goes on"
                );
            }
            Move::Restart => self.drain(),
        }
    }

    /// A stop with notice: running jobs end as if interrupted, then a new process starts.
    pub fn drain(&mut self) {
        self.event(Event::Drain, Crash::Never);
        self.event(Event::Interrupt, Crash::Never);
        assert!(self.jobs.iter().all(|job| self.interrupted.contains(&(job.task.id, job.task.attempt))));
        while let Some(job) = self.jobs.pop() {
            let done = if job.task.attempt % 2 == 0 { JobDone::Interrupted } else { self.outcome(&job, 0) };
            self.event(Event::Done { task: job.task.id, attempt: job.task.attempt, done }, Crash::Never);
        }
        assert_eq!(self.engine.active(), 0, "something started while draining");
        self.restart();
    }

    /// What an apply that was cut off leaves.
    fn cut_off(&mut self, job: &JobRequest) {
        if matches!(job.job, Job::Apply { .. }) {
            self.plans += 1;
            match self.plans % 3 {
                0 => drop(self.real.insert(job.task.unit.clone(), job.task.input_digest)),
                1 => drop(self.real.insert(job.task.unit.clone(), None)),
                _ => {}
            }
        }
    }

    fn is_real(&self, job: &JobRequest) -> bool {
        self.real.get(&job.task.unit).copied().flatten() == job.task.input_digest
    }

    fn tasks_of(&self, run: RunId) -> Prepared {
        let (number, units, edges) = self.shapes[&run];
        let mut tasks: Vec<NewTask> = Vec::new();
        let mut bits = edges;
        for index in (0..UNITS).filter(|index| units & (1 << index) != 0) {
            let mut after = Vec::new();
            for before in &tasks {
                if bits & 1 == 1 {
                    after.push(before.unit.clone());
                }
                bits = bits.rotate_right(1);
            }
            let deleted = units & (1 << 5) != 0 && tasks.is_empty();
            tasks.push(NewTask {
                id: task_id(number, index as u64),
                unit: unit(&format!("dev/u{index}")),
                after,
                why: "changed".into(),
                kind: if deleted { NewTaskKind::NeedsDestroy } else { NewTaskKind::Work },
                input_digest: (!deleted).then(|| digest(format!("{number} {index}"))),
            });
        }
        Prepared { message: Some("these".into()), tasks }
    }

    fn outcome(&mut self, job: &JobRequest, how: u8) -> JobDone {
        self.plans += 1;
        let plan = digest(format!("plan {}", self.plans));
        let decided = |verdict| JobDone::Decided { plan, summary: some_change(), verdict };
        let how = how % 12;
        if matches!(how, 10 | 11) {
            self.cut_off(job);
        }
        // A plan of what is there already is empty, and one of what is not there is not.
        let there = self.is_real(job);
        match (job.job, how) {
            (_, 10) => JobDone::Failed(Fault::new(Code::TOOL_FAILED, "no")),
            (_, 11) => JobDone::Interrupted,
            (Job::Plan, 9) => JobDone::Planned { plan, summary: PlanSummary::default() },
            (Job::Plan, _) => JobDone::Planned { plan, summary: some_change() },
            (Job::Act, _) => JobDone::Acted,
            (Job::Ready, _) | (Job::Apply { .. }, 8 | 9) if there => decided(Verdict::NoChange),
            (Job::Ready, 7 | 8) | (Job::Apply { .. }, 7) => decided(Verdict::Hold { why: "other".into() }),
            (Job::Ready, _) | (Job::Apply { .. }, 8 | 9) => decided(Verdict::Apply(TaskResult::AppliedSameChange)),
            (Job::Apply { .. }, _) => {
                self.real.insert(job.task.unit.clone(), job.task.input_digest);
                JobDone::Applied
            }
        }
    }

    /// From here on all goes well and nobody crashes: every run must end.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.preparing.is_empty() {
                self.play(&Move::Prepare { which: 0, fails: false }, Crash::Never);
            } else if !self.jobs.is_empty() {
                self.play(&Move::Finish { which: 0, how: 0 }, Crash::Never);
            } else if self.tasks.values().any(|task| matches!(task.state, TaskState::Held { .. })) {
                self.play(&Move::Approve { which: 0, by: 0 }, Crash::Never);
            } else {
                break;
            }
        }
        assert_eq!(self.runs.len() as u64, self.accepted, "a run was lost");
        for run in self.runs.values() {
            assert!(run.state.is_final(), "{} never ended: {:?}", run.id, run.state);
            let mine: Vec<_> = self.tasks.values().filter(|task| task.run == run.id).collect();
            for task in &mine {
                if let TaskState::Blocked { by } = &task.state {
                    let root = mine.iter().find(|other| other.unit == *by).unwrap();
                    assert!(matches!(root.state, TaskState::Failed { .. } | TaskState::Cancelled), "{:?}", root.state);
                    assert!(leads_to(&mine, task, by), "{} is blocked by {by}, and does not wait for it", task.unit);
                    assert_eq!(task.attempt, 0, "{} is blocked, and was started", task.unit);
                }
            }
            let well = run.fault.is_none() && mine.iter().all(|task| task.state.is_success());
            match run.state {
                RunState::Succeeded => assert!(well),
                RunState::Failed => assert!(!well),
                // A run that is cancelled before it has tasks has nothing that did not end well.
                _ => assert!(run.cancelled_by.is_some() && (!well || mine.is_empty())),
            }
        }
    }
}

/// Whether a task waits for a unit, over however many others.
fn leads_to(all: &[&TaskRecord], task: &TaskRecord, unit: &UnitPath) -> bool {
    let next = |name: &UnitPath| all.iter().find(|other| other.unit == *name).is_some_and(|t| leads_to(all, t, unit));
    task.after.iter().any(|name| name == unit || next(name))
}
