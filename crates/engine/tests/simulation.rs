//! The state machine under random schedules, with crashes before, between and after commit and effects.
//!
//! The simulator is the store, the executor and the callers. It checks on every effect that the promise P8
//! holds: nothing accepted is lost, nothing is applied by two at once or twice blindly, and every run ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use portcullis_engine::{
    Effect, Engine, Event, Job, JobDone, JobRequest, NewTask, NewTaskKind, Prepared, Settings, Step, Verdict,
};
use portcullis_model::record::{RunRecord, TaskRecord};
use portcullis_model::run::TaskResult;
use portcullis_model::{ActionKind, Code, Digest, Fault, PlanSummary, RunId, RunState, TaskId, TaskState, UnitPath};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use support::{at, digest, run, some_change, task_id, unit};

const PARALLEL: usize = 2;
const UNITS: usize = 5;

#[derive(Debug, Clone, Copy)]
enum Crash {
    Never,
    BeforeCommit,
    AfterCommit,
    AfterEffects,
}

#[derive(Debug, Clone)]
enum Move {
    Accept { apply: bool, units: u8, edges: u16 },
    Prepare { which: u8, fails: bool },
    Finish { which: u8, how: u8 },
    Stale { which: u8 },
    Approve { which: u8, by: u8 },
    Cancel { which: u8 },
    Restart,
}

struct World {
    engine: Engine,
    now: i64,
    // The store.
    runs: BTreeMap<RunId, RunRecord>,
    tasks: BTreeMap<TaskId, TaskRecord>,
    applied: BTreeMap<UnitPath, Digest>,
    // The executor; empty after a crash.
    jobs: Vec<JobRequest>,
    preparing: Vec<RunRecord>,
    interrupted: BTreeSet<(TaskId, u32)>,
    // The callers.
    shapes: BTreeMap<RunId, (u64, u8, u16)>,
    accepted: u64,
    plans: u64,
    /// Plans whose apply was begun: none is begun again.
    begun: BTreeSet<(TaskId, Digest)>,
}

impl World {
    fn new() -> Self {
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
        }
    }

    fn event(&mut self, event: Event, crash: Crash) {
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
    fn restart(&mut self) {
        self.jobs.clear();
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
            let cut_off = matches!(self.tasks[&task.id].state, TaskState::Applying);
            assert!(!cut_off || task.unknown_outcome_of.is_some(), "the outcome of a cut-off apply counts as known");
        }
        self.take(step, Crash::Never);
    }

    fn play(&mut self, action: &Move, crash: Crash) {
        match *action {
            Move::Accept { apply, units, edges } => {
                self.accepted += 1;
                let kind = if apply { ActionKind::Apply } else { ActionKind::Plan };
                let record = run(self.accepted, kind);
                self.shapes.insert(record.id, (self.accepted, units, edges));
                self.runs.insert(record.id, record.clone());
                self.event(Event::Accepted(record), crash);
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
                self.event(Event::Cancel { run: *run, by: "someone".into() }, crash);
            }
            Move::Restart => self.drain(),
        }
    }

    /// A stop with notice: running jobs end as if interrupted, then a new process starts.
    fn drain(&mut self) {
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
        match (job.job, how % 12) {
            (_, 10) => JobDone::Failed(Fault::new(Code::TOOL_FAILED, "no")),
            (_, 11) => JobDone::Interrupted,
            (Job::Plan, 9) => JobDone::Planned { plan, summary: PlanSummary::default() },
            (Job::Plan, _) => JobDone::Planned { plan, summary: some_change() },
            (Job::Ready, 7 | 8) | (Job::Apply { .. }, 7) => decided(Verdict::Hold { why: "other".into() }),
            (Job::Ready, 9) | (Job::Apply { .. }, 9) => decided(Verdict::NoChange),
            (Job::Ready, _) | (Job::Apply { .. }, 8) => decided(Verdict::Apply(TaskResult::AppliedSameChange)),
            (Job::Apply { .. }, _) => JobDone::Applied,
        }
    }

    /// From here on all goes well and nobody crashes: every run must end.
    fn settle(&mut self) {
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

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        3 => (any::<bool>(), any::<u8>(), any::<u16>())
            .prop_map(|(apply, units, edges)| Move::Accept { apply, units, edges }),
        4 => (any::<u8>(), 0..10u8).prop_map(|(which, fails)| Move::Prepare { which, fails: fails == 0 }),
        10 => (any::<u8>(), any::<u8>()).prop_map(|(which, how)| Move::Finish { which, how }),
        1 => any::<u8>().prop_map(|which| Move::Stale { which }),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(which, by)| Move::Approve { which, by }),
        1 => any::<u8>().prop_map(|which| Move::Cancel { which }),
        1 => Just(Move::Restart),
    ]
}

fn crashes() -> impl Strategy<Value = Crash> {
    prop_oneof![
        12 => Just(Crash::Never),
        1 => Just(Crash::BeforeCommit),
        1 => Just(Crash::AfterCommit),
        1 => Just(Crash::AfterEffects),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))), ..ProptestConfig::default() })]

    #[test]
    fn promises_hold_under_any_schedule_with_crashes_anywhere(
        schedule in prop::collection::vec((moves(), crashes()), 1..120),
    ) {
        let mut world = World::new();
        for (action, crash) in &schedule {
            world.play(action, *crash);
        }
        world.settle();
    }

    /// One schedule, and a crash at each of its steps in turn: before the commit, between commit and effects,
    /// and after the effects.
    #[test]
    fn promises_hold_when_any_single_step_is_the_last_one_before_a_crash(
        schedule in prop::collection::vec(moves(), 1..30),
    ) {
        for crash in [Crash::BeforeCommit, Crash::AfterCommit, Crash::AfterEffects] {
            for last in 0..schedule.len() {
                let mut world = World::new();
                for (index, action) in schedule.iter().enumerate() {
                    world.play(action, if index == last { crash } else { Crash::Never });
                }
                world.settle();
            }
        }
    }
}

/// The whole way of an apply run with dependencies, a crash after every step of it in turn.
#[test]
fn a_bring_up_ends_with_every_unit_applied_once_wherever_it_is_killed() {
    for crash in [Crash::BeforeCommit, Crash::AfterCommit, Crash::AfterEffects] {
        for last in 0..40 {
            let mut world = World::new();
            let accept = Move::Accept { apply: true, units: 0b1_1111, edges: 0b1010_1100_1011_0101 };
            world.play(&accept, if last == 0 { crash } else { Crash::Never });
            for step in 1..40 {
                let action = if world.preparing.is_empty() {
                    Move::Finish { which: 0, how: 0 }
                } else {
                    Move::Prepare { which: 0, fails: false }
                };
                world.play(&action, if step == last { crash } else { Crash::Never });
            }
            world.settle();
            assert_eq!(world.applied.len(), UNITS);
            for task in world.tasks.values() {
                assert!(task.state.is_success(), "{:?}", task.state);
                assert_eq!(world.applied.get(&task.unit), task.input_digest.as_ref());
            }
        }
    }
}
