//! The engine's rules, one at a time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use portcullis_engine::core::partly_applied_digest;
use portcullis_engine::{
    Effect, Engine, Event, Job, JobDone, JobRequest, NewTaskKind, Prepared, Settings, Step, Verdict,
};
use portcullis_model::record::{ApplyRule, RunRecord, StepRecord, TaskRecord};
use portcullis_model::run::TaskResult;
use portcullis_model::{ActionKind, Code, Fault, PlanSummary, RunState, TaskState};
use support::{at, digest, run, run_id, some_change, task_id, tasks, unit};

/// An engine, and what it has said so far.
struct Bench {
    engine: Engine,
    record: StepRecord,
    /// What its clock shows, in seconds.
    now: i64,
}

impl Bench {
    fn new(parallel: usize) -> Self {
        let (engine, _) = Engine::restore(Vec::new(), Settings { parallel }, at(0));
        Bench { engine, record: StepRecord::default(), now: 100 }
    }

    fn tell(&mut self, event: Event) -> Vec<Effect> {
        self.try_tell(event).unwrap()
    }

    fn try_tell(&mut self, event: Event) -> Result<Vec<Effect>, Fault> {
        let Step { record, effects } = self.engine.handle(event, at(self.now))?;
        self.record.runs.extend(record.runs);
        self.record.tasks.extend(record.tasks);
        self.record.events.extend(record.events);
        self.record.applied.extend(record.applied);
        Ok(effects)
    }

    /// Accepts and prepares a run; the jobs that start.
    fn begin(&mut self, record: RunRecord, prepared: Prepared) -> Vec<JobRequest> {
        let run = record.id;
        assert!(matches!(self.tell(Event::Accepted(Box::new(record))).as_slice(), [Effect::Prepare(_)]));
        started(self.tell(Event::Prepared { run, result: Ok(prepared) }))
    }

    fn finish(&mut self, job: &JobRequest, done: JobDone) -> Vec<JobRequest> {
        started(self.tell(Event::Done { task: job.task.id, attempt: job.task.attempt, done }))
    }

    fn pass(&mut self, seconds: i64) {
        self.now += seconds;
    }

    fn run(&self, number: u64) -> &RunRecord {
        self.record.runs.iter().rev().find(|run| run.id == run_id(number)).unwrap()
    }

    fn task(&self, number: u64, index: u64) -> &TaskRecord {
        self.record.tasks.iter().rev().find(|task| task.id == task_id(number, index)).unwrap()
    }
}

fn started(effects: Vec<Effect>) -> Vec<JobRequest> {
    effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Start(request) => Some(*request),
            _ => None,
        })
        .collect()
}

fn units(jobs: &[JobRequest]) -> Vec<&str> {
    jobs.iter().map(|job| job.task.unit.as_str()).collect()
}

fn decided(plan: &str, verdict: Verdict) -> JobDone {
    JobDone::Decided { plan: digest(plan), summary: some_change(), verdict }
}

fn held() -> Verdict {
    Verdict::Hold { why: "it is another change".into() }
}

fn tool_failed() -> JobDone {
    JobDone::Failed(Fault::new(Code::TOOL_FAILED, "exit code 1"))
}

#[test]
fn a_failed_unit_blocks_what_depends_on_it_and_nothing_else() {
    let mut bench = Bench::new(8);
    let graph: &[(&str, &[&str])] = &[("vpc", &[]), ("logs", &[]), ("db", &["vpc"]), ("app", &["db", "logs"])];
    let jobs = bench.begin(run(1, ActionKind::Plan), tasks(1, graph));
    assert_eq!(units(&jobs), ["vpc", "logs"]);
    bench.finish(&jobs[0], tool_failed());
    assert_eq!(bench.task(1, 2).state, TaskState::Blocked { by: unit("vpc") });
    assert_eq!(bench.task(1, 3).state, TaskState::Blocked { by: unit("vpc") });
    assert!(!bench.run(1).state.is_final());
    bench.finish(&jobs[1], JobDone::Planned { plan: digest("p"), summary: PlanSummary::default() });
    assert_eq!(bench.task(1, 1).state, TaskState::Succeeded { result: TaskResult::NoChange });
    assert_eq!(bench.run(1).state, RunState::Failed);
}

#[test]
fn a_failure_that_is_ignored_blocks_nothing_and_is_no_success_for_the_next_run() {
    let mut bench = Bench::new(8);
    let graph: &[(&str, &[&str])] = &[("vpc", &[]), ("db", &["vpc"])];
    let jobs = bench.begin(run(1, ActionKind::Apply), tasks(1, graph));
    let jobs = bench.finish(&jobs[0], decided("p", Verdict::Apply(TaskResult::AppliedReviewed)));
    let next = bench.finish(&jobs[0], JobDone::Ignored);
    assert_eq!(bench.task(1, 0).state, TaskState::Succeeded { result: TaskResult::FailureIgnored });
    // What was taken back when the apply began stays so.
    assert_eq!(bench.record.applied.last().unwrap().input_digest, partly_applied_digest(&unit("vpc")));
    assert_eq!(units(&next), ["db"]);
    bench.finish(&next[0], decided("q", Verdict::NoChange));
    assert_eq!(bench.run(1).state, RunState::Succeeded);
}

#[test]
fn no_more_than_the_limit_work_at_once_and_the_rest_follow_in_order() {
    let mut bench = Bench::new(2);
    let mut jobs = bench.begin(run(1, ActionKind::Plan), tasks(1, &[("a", &[]), ("b", &[]), ("c", &[])]));
    assert_eq!(units(&jobs), ["a", "b"]);
    let next = bench.finish(&jobs.remove(0), JobDone::Planned { plan: digest("p"), summary: some_change() });
    assert_eq!(units(&next), ["c"]);
    assert_eq!(bench.engine.active(), 2);
}

#[test]
fn an_apply_counts_as_begun_before_it_starts_and_as_applied_when_it_ends_well() {
    let mut bench = Bench::new(1);
    let jobs = bench.begin(run(1, ActionKind::Apply), tasks(1, &[("vpc", &[])]));
    assert_eq!(jobs[0].job, Job::Ready);
    assert_eq!(bench.task(1, 0).state, TaskState::Planning);
    let jobs = bench.finish(&jobs[0], decided("p", Verdict::Apply(TaskResult::AppliedReviewed)));
    assert_eq!(jobs[0].job, Job::Apply { plan: digest("p"), basis: TaskResult::AppliedReviewed });
    assert_eq!((jobs[0].task.attempt, &bench.task(1, 0).state), (2, &TaskState::Applying));
    assert_eq!(bench.record.applied.last().unwrap().input_digest, partly_applied_digest(&unit("vpc")));
    bench.finish(&jobs[0], JobDone::Applied);
    assert_eq!(bench.record.applied.last().unwrap().input_digest, digest("1 vpc"));
    assert_eq!(bench.task(1, 0).state, TaskState::Succeeded { result: TaskResult::AppliedReviewed });
    assert_eq!(bench.run(1).state, RunState::Succeeded);
}

#[test]
fn a_failed_apply_leaves_the_unit_to_be_applied_again() {
    let mut bench = Bench::new(1);
    let jobs = bench.begin(run(1, ActionKind::Apply), tasks(1, &[("vpc", &[])]));
    let jobs = bench.finish(&jobs[0], decided("p", Verdict::Apply(TaskResult::AppliedReviewed)));
    bench.finish(&jobs[0], tool_failed());
    assert_eq!(bench.record.applied.last().unwrap().input_digest, partly_applied_digest(&unit("vpc")));
    assert_eq!(bench.run(1).state, RunState::Failed);
}

#[test]
fn a_held_task_keeps_its_dependents_waiting_until_enough_different_people_name_its_plan() {
    let mut bench = Bench::new(4);
    let record = RunRecord { rule: ApplyRule { approvals: 2, ..ApplyRule::default() }, ..run(1, ActionKind::Apply) };
    let jobs = bench.begin(record, tasks(1, &[("vpc", &[]), ("app", &["vpc"])]));
    assert!(bench.finish(&jobs[0], decided("p", held())).is_empty());
    assert_eq!((bench.run(1).state, &bench.task(1, 1).state), (RunState::Held, &TaskState::Waiting));

    let approve = |plans: &[&str], by: &str| Event::Approve {
        run: run_id(1),
        plans: plans.iter().map(digest).collect(),
        by: by.into(),
    };
    let refused = |bench: &mut Bench, event| bench.try_tell(event).unwrap_err().code();
    assert_eq!(refused(&mut bench, approve(&[], "ann")), Code::BAD_REQUEST);
    assert_eq!(refused(&mut bench, approve(&["p", "q"], "ann")), Code::APPROVAL_STALE);
    assert!(started(bench.tell(approve(&["p"], "ann"))).is_empty());
    assert!(started(bench.tell(approve(&["p"], "ann"))).is_empty(), "one person counted twice");
    let jobs = started(bench.tell(approve(&["p"], "bob")));
    assert_eq!(jobs[0].job, Job::Apply { plan: digest("p"), basis: TaskResult::AppliedApproved });
    assert_eq!(bench.run(1).state, RunState::Running);
    assert_eq!(refused(&mut bench, approve(&["p"], "eve")), Code::RUN_NOT_HELD);

    // The world moved on, and the new plan is held again: the approvals were for another plan.
    bench.finish(&jobs[0], decided("q", held()));
    assert_eq!(bench.run(1).state, RunState::Held);
    assert_eq!(refused(&mut bench, approve(&["p"], "eve")), Code::APPROVAL_STALE);
    assert!(started(bench.tell(approve(&["q"], "ann"))).is_empty());
    let jobs = started(bench.tell(approve(&["q"], "bob")));
    let next = bench.finish(&jobs[0], JobDone::Applied);
    assert_eq!(units(&next), ["app"]);
}

#[test]
fn an_approval_expires() {
    let mut bench = Bench::new(4);
    let record = RunRecord { rule: ApplyRule { approvals: 2, ..ApplyRule::default() }, ..run(1, ActionKind::Apply) };
    let jobs = bench.begin(record, tasks(1, &[("vpc", &[])]));
    bench.finish(&jobs[0], decided("p", held()));
    let approve = |by: &str| Event::Approve { run: run_id(1), plans: vec![digest("p")], by: by.into() };
    assert!(started(bench.tell(approve("ann"))).is_empty());
    // A day later the first one does not count any more; given again, it does, and is kept once.
    bench.pass(24 * 3600 + 1);
    assert!(started(bench.tell(approve("bob"))).is_empty());
    let jobs = started(bench.tell(approve("ann")));
    assert_eq!(jobs[0].job, Job::Apply { plan: digest("p"), basis: TaskResult::AppliedApproved });
    assert_eq!(bench.task(1, 0).approvals.len(), 2);
}

#[test]
fn a_plan_that_is_held_a_second_time_needs_new_approvals() {
    let mut bench = Bench::new(1);
    let jobs = bench.begin(run(1, ActionKind::Apply), tasks(1, &[("vpc", &[])]));
    bench.finish(&jobs[0], decided("p", held()));
    let approve = Event::Approve { run: run_id(1), plans: vec![digest("p")], by: "ann".into() };
    let jobs = started(bench.tell(approve.clone()));
    bench.finish(&jobs[0], decided("p", held()));
    assert_eq!(started(bench.tell(approve)).len(), 1);
}

#[test]
fn an_apply_that_always_finds_its_plan_out_of_date_asks_a_human() {
    let mut bench = Bench::new(1);
    let mut jobs = bench.begin(run(1, ActionKind::Apply), tasks(1, &[("vpc", &[])]));
    for round in 0.. {
        assert!(round < 20, "it goes on for ever");
        let plan = format!("p{round}");
        jobs = bench.finish(&jobs[0], decided(&plan, Verdict::Apply(TaskResult::AppliedSameChange)));
        if jobs.is_empty() {
            break;
        }
    }
    assert_eq!(bench.run(1).state, RunState::Held);
}

#[test]
fn an_older_commit_is_not_applied_after_a_newer_one() {
    let mut bench = Bench::new(8);
    let first = bench.begin(run(1, ActionKind::Apply), tasks(1, &[("vpc", &[]), ("app", &["vpc"])]));
    // What a second apply run has to do is decided when the first has done its part.
    assert_eq!(bench.tell(Event::Accepted(Box::new(run(2, ActionKind::Apply)))), []);
    // A plan run is prepared at once, and waits for the unit.
    let plan = bench.begin(run(3, ActionKind::Plan), tasks(3, &[("app", &[]), ("db", &[])]));
    assert_eq!(units(&plan), ["db"]);

    let app = bench.finish(&first[0], decided("p", Verdict::NoChange));
    assert_eq!(units(&app), ["app"]);
    let effects = bench.tell(Event::Done {
        task: app[0].task.id,
        attempt: app[0].task.attempt,
        done: decided("q", Verdict::NoChange),
    });
    assert!(effects.iter().any(|e| matches!(e, Effect::Prepare(run) if run.id == run_id(2))), "{effects:?}");
    assert_eq!(units(&started(effects)), ["app"]);
}

#[test]
fn a_held_unit_lets_later_runs_pass() {
    let mut bench = Bench::new(8);
    let jobs = bench.begin(run(1, ActionKind::Apply), tasks(1, &[("vpc", &[]), ("app", &["vpc"])]));
    bench.finish(&jobs[0], decided("p", held()));
    let jobs = bench.begin(run(2, ActionKind::Apply), tasks(2, &[("vpc", &[]), ("app", &[])]));
    assert_eq!(units(&jobs), ["vpc", "app"]);
    // Approved meanwhile, it waits for the lock.
    let approve = Event::Approve { run: run_id(1), plans: vec![digest("p")], by: "ann".into() };
    assert_eq!(bench.tell(approve), []);
    assert_eq!(bench.run(1).state, RunState::Running);
    let next = bench.finish(&jobs[0], decided("q", Verdict::NoChange));
    assert_eq!((units(&next), next[0].run.id), (vec!["vpc"], run_id(1)));
}

#[test]
fn cancelling_stops_what_waits_at_once_and_what_runs_soon() {
    let mut bench = Bench::new(1);
    let jobs = bench.begin(run(1, ActionKind::Apply), tasks(1, &[("a", &[]), ("b", &[])]));
    let cancel = Event::Cancel { run: run_id(1), by: "ann".into() };
    let effects = bench.tell(cancel.clone());
    assert_eq!(effects, [Effect::Interrupt { task: jobs[0].task.id, attempt: 1 }]);
    assert_eq!(bench.task(1, 1).state, TaskState::Cancelled);
    assert!(!bench.run(1).state.is_final(), "its sandbox still runs");
    assert_eq!(bench.tell(cancel.clone()), []);
    // Too late to be interrupted: it came to a verdict. Nothing of a cancelled run is applied.
    let next = bench.finish(&jobs[0], decided("p", Verdict::Apply(TaskResult::AppliedReviewed)));
    assert!(next.is_empty());
    assert_eq!(bench.run(1).state, RunState::Cancelled);
    assert_eq!(bench.try_tell(cancel).unwrap_err().code(), Code::NOT_FOUND);
}

#[test]
fn a_run_cancelled_before_it_has_tasks_never_gets_any() {
    let mut bench = Bench::new(1);
    bench.tell(Event::Accepted(Box::new(run(1, ActionKind::Apply))));
    bench.tell(Event::Cancel { run: run_id(1), by: "ann".into() });
    assert_eq!(bench.run(1).state, RunState::Cancelled);
    assert_eq!(bench.tell(Event::Prepared { run: run_id(1), result: Ok(tasks(1, &[("a", &[])])) }), []);
}

#[test]
fn a_cancelled_apply_has_an_unknown_outcome_on_record() {
    let mut bench = Bench::new(1);
    let jobs = bench.begin(run(1, ActionKind::Apply), tasks(1, &[("a", &[])]));
    let jobs = bench.finish(&jobs[0], decided("p", Verdict::Apply(TaskResult::AppliedReviewed)));
    bench.tell(Event::Cancel { run: run_id(1), by: "ann".into() });
    bench.finish(&jobs[0], JobDone::Interrupted);
    assert_eq!(bench.task(1, 0).unknown_outcome_of, Some(digest("p")));
    assert_eq!(bench.run(1).state, RunState::Cancelled);
}

#[test]
fn a_cancelled_run_stays_cancelled_over_a_crash() {
    let mut bench = Bench::new(1);
    let jobs = bench.begin(run(1, ActionKind::Apply), tasks(1, &[("a", &[])]));
    bench.finish(&jobs[0], decided("p", Verdict::Apply(TaskResult::AppliedReviewed)));
    bench.tell(Event::Cancel { run: run_id(1), by: "ann".into() });
    let stored = vec![(bench.run(1).clone(), vec![bench.task(1, 0).clone()])];
    let (_, step) = Engine::restore(stored, Settings { parallel: 1 }, at(200));
    assert_eq!(step.record.runs[0].state, RunState::Cancelled);
    assert_eq!(step.record.tasks[0].state, TaskState::Cancelled);
    assert_eq!(step.record.tasks[0].unknown_outcome_of, Some(digest("p")));
    assert_eq!(step.effects, []);
}

#[test]
fn after_a_crash_an_approved_apply_is_compared_and_not_repeated() {
    let mut bench = Bench::new(1);
    let jobs = bench.begin(run(1, ActionKind::Apply), tasks(1, &[("a", &[])]));
    bench.finish(&jobs[0], decided("p", held()));
    bench.tell(Event::Approve { run: run_id(1), plans: vec![digest("p")], by: "ann".into() });
    assert_eq!(bench.task(1, 0).state, TaskState::Applying);
    let stored = vec![(bench.run(1).clone(), vec![bench.task(1, 0).clone()])];
    let (mut engine, step) = Engine::restore(stored, Settings { parallel: 1 }, at(200));
    let jobs = started(step.effects);
    assert_eq!(jobs[0].job, Job::Ready);
    assert_eq!(jobs[0].task.unknown_outcome_of, Some(digest("p")));
    // A second crash while comparing forgets nothing.
    let stored = vec![(jobs[0].run.clone(), vec![jobs[0].task.clone()])];
    let (_, step) = Engine::restore(stored, Settings { parallel: 1 }, at(201));
    assert_eq!(started(step.effects)[0].task.unknown_outcome_of, Some(digest("p")));
    // A result of the sandbox before the crash is refused.
    let stale = Event::Done { task: jobs[0].task.id, attempt: 2, done: JobDone::Applied };
    assert_eq!(engine.handle(stale, at(202)).unwrap(), Step::default());
}

#[test]
fn while_draining_nothing_starts_and_what_is_interrupted_goes_on_after_the_restart() {
    let mut bench = Bench::new(4);
    let jobs = bench.begin(run(1, ActionKind::Apply), tasks(1, &[("a", &[]), ("b", &[]), ("c", &[])]));
    let apply = bench.finish(&jobs[0], decided("p", Verdict::Apply(TaskResult::AppliedReviewed)));
    assert_eq!(bench.tell(Event::Drain), []);
    assert!(bench.finish(&jobs[1], decided("q", Verdict::Apply(TaskResult::AppliedReviewed))).is_empty());
    assert_eq!(bench.task(1, 1).state, TaskState::Waiting);
    assert_eq!(bench.tell(Event::Accepted(Box::new(run(2, ActionKind::Plan)))), []);
    assert_eq!(bench.tell(Event::Interrupt).len(), 2);
    bench.finish(&apply[0], JobDone::Interrupted);
    bench.finish(&jobs[2], JobDone::Interrupted);
    assert_eq!(bench.engine.active(), 0);
    assert_eq!(
        (&bench.task(1, 0).state, bench.task(1, 0).unknown_outcome_of),
        (&TaskState::Waiting, Some(digest("p")))
    );
    assert_eq!(bench.task(1, 2).state, TaskState::Waiting);
    assert_eq!(bench.run(1).state, RunState::Running);
}

#[test]
fn a_run_that_cannot_be_prepared_fails_and_says_why() {
    let mut bench = Bench::new(1);
    bench.tell(Event::Accepted(Box::new(run(1, ActionKind::Plan))));
    let fault = Fault::new(Code::HCL_SYNTAX, "an unclosed brace");
    bench.tell(Event::Prepared { run: run_id(1), result: Err(fault.clone()) });
    assert_eq!((bench.run(1).state, bench.run(1).fault.as_ref()), (RunState::Failed, Some(&fault)));
}

#[test]
fn a_run_with_nothing_to_do_succeeds_and_deleted_units_are_listed() {
    let mut bench = Bench::new(1);
    let nothing = Prepared { message: Some("nothing is affected".into()), tasks: Vec::new() };
    assert!(bench.begin(run(1, ActionKind::Plan), nothing).is_empty());
    assert_eq!(bench.run(1).state, RunState::Succeeded);
    assert_eq!(bench.run(1).message.as_deref(), Some("nothing is affected"));

    let mut deleted = tasks(2, &[("gone", &[])]);
    deleted.tasks[0].kind = NewTaskKind::NeedsDestroy;
    assert!(bench.begin(run(2, ActionKind::Apply), deleted).is_empty());
    assert_eq!(bench.task(2, 0).state, TaskState::NeedsDestroy);
    assert_eq!(bench.run(2).state, RunState::Succeeded);
}

#[test]
fn tasks_that_could_wait_for_ever_are_a_fault() {
    for graph in [
        &[("a", &["b"] as &[&str]), ("b", &[])] as &[(&str, &[&str])],
        &[("a", &["a"])],
        &[("a", &["missing"])],
        &[("a", &[]), ("a", &[])],
    ] {
        let mut bench = Bench::new(1);
        assert!(bench.begin(run(1, ActionKind::Plan), tasks(1, graph)).is_empty());
        assert_eq!(bench.run(1).fault.as_ref().map(Fault::code), Some(Code::INTERNAL));
    }
}

#[test]
fn a_job_that_ends_in_a_way_that_is_not_for_it_is_a_bug_and_not_a_success() {
    let mut bench = Bench::new(1);
    let jobs = bench.begin(run(1, ActionKind::Apply), tasks(1, &[("a", &[])]));
    bench.finish(&jobs[0], JobDone::Applied);
    assert!(matches!(bench.task(1, 0).state, TaskState::Failed { .. }));
    assert!(bench.record.applied.is_empty());
}

/// The core has no runtime, no clock and no I/O; nor have the comparison and the decision.
#[test]
fn the_pure_modules_name_no_runtime_and_no_clock() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![source.join("decide.rs")];
    for folder in ["core", "change"] {
        files.extend(std::fs::read_dir(source.join(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    assert!(files.len() > 8, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for word in
                ["tokio", "async ", ".await", "::now()", "std::fs", "std::net", "std::process", "std::env", "runtime"]
            {
                assert!(!line.contains(word), "{} names `{word}`: {line}", file.display());
            }
        }
    }
}

fn action() -> ActionKind {
    ActionKind::parse("rotate-keys").unwrap()
}

#[test]
fn a_declared_action_is_started_once_and_its_end_is_the_runs() {
    let mut bench = Bench::new(8);
    let jobs = bench.begin(run(1, action()), tasks(1, &[("ops", &[])]));
    assert_eq!((jobs[0].job, jobs[0].task.attempt), (Job::Act, 1));
    assert_eq!(jobs[0].task.state, TaskState::Applying, "what is begun is on record before it starts");
    assert!(bench.finish(&jobs[0], JobDone::Acted).is_empty());
    assert_eq!(bench.run(1).state, RunState::Succeeded);
    assert!(bench.record.applied.is_empty(), "it applies no unit");
}

#[test]
fn a_declared_action_that_was_cut_off_is_not_repeated() {
    // By a crash.
    let mut bench = Bench::new(8);
    bench.begin(run(1, action()), tasks(1, &[("ops", &[])]));
    let found = vec![(bench.run(1).clone(), vec![bench.task(1, 0).clone()])];
    let (_, step) = Engine::restore(found, Settings { parallel: 8 }, at(200));
    assert!(started(step.effects).is_empty());
    assert_eq!(step.record.runs[0].state, RunState::Failed);
    assert_eq!(step.record.tasks[0].state.code(), Some(Code::OUTCOME_UNKNOWN));
    // By a stop of the runner.
    let mut bench = Bench::new(8);
    let jobs = bench.begin(run(1, action()), tasks(1, &[("ops", &[])]));
    bench.tell(Event::Drain);
    bench.tell(Event::Interrupt);
    bench.finish(&jobs[0], JobDone::Interrupted);
    assert_eq!(bench.task(1, 0).state.code(), Some(Code::OUTCOME_UNKNOWN));
    // One that was accepted and not begun goes on.
    let (_, step) = Engine::restore(vec![(run(1, action()), Vec::new())], Settings { parallel: 8 }, at(200));
    assert!(matches!(step.effects.as_slice(), [Effect::Prepare(_)]));
}

#[test]
fn a_declared_action_that_fails_or_is_cancelled_says_so() {
    let mut bench = Bench::new(8);
    let jobs = bench.begin(run(1, action()), tasks(1, &[("ops", &[])]));
    bench.finish(&jobs[0], tool_failed());
    assert_eq!(bench.task(1, 0).state.code(), Some(Code::TOOL_FAILED));
    let mut bench = Bench::new(8);
    let jobs = bench.begin(run(1, action()), tasks(1, &[("ops", &[])]));
    bench.tell(Event::Cancel { run: run_id(1), by: "someone".into() });
    bench.finish(&jobs[0], JobDone::Interrupted);
    assert_eq!(bench.run(1).state, RunState::Cancelled);
    // The end of a job of another kind is none of its own.
    let mut bench = Bench::new(8);
    let jobs = bench.begin(run(1, action()), tasks(1, &[("ops", &[])]));
    bench.finish(&jobs[0], JobDone::Applied);
    assert_eq!(bench.task(1, 0).state.code(), Some(Code::INTERNAL));
}
