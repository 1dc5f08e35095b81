//! The runtime: commit before effects, a journal that refuses, jobs that panic, and stopping.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_engine::runtime::start;
use portcullis_engine::{
    BoxFuture, Handle, Job, JobDone, JobRequest, Journal, Prepared, Settings, Stop, Verdict, Work,
};
use portcullis_model::record::{RunRecord, StepRecord, TaskRecord};
use portcullis_model::run::TaskResult;
use portcullis_model::{ActionKind, Code, Fault, RunId, RunState, TaskId, TaskState};
use support::{digest, run, run_id, some_change, task_id, tasks};
use tokio::sync::Notify;

/// A store in memory that may refuse.
#[derive(Default)]
struct Memory {
    kept: Mutex<(BTreeMap<RunId, RunRecord>, BTreeMap<TaskId, TaskRecord>)>,
    refuse: Mutex<u32>,
}

impl Journal for Memory {
    fn commit<'a>(&'a self, record: &'a StepRecord) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            // Whatever was spawned before the commit runs before it.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            let mut refuse = self.refuse.lock().unwrap();
            if *refuse > 0 {
                *refuse -= 1;
                return Err(Fault::new(Code::DISK_FULL, "the disk is full"));
            }
            let mut kept = self.kept.lock().unwrap();
            kept.0.extend(record.runs.iter().map(|run| (run.id, run.clone())));
            kept.1.extend(record.tasks.iter().map(|task| (task.id, task.clone())));
            Ok(())
        })
    }
}

impl Memory {
    fn run(&self, number: u64) -> Option<RunState> {
        self.kept.lock().unwrap().0.get(&run_id(number)).map(|run| run.state)
    }

    fn task(&self, number: u64, index: u64) -> TaskRecord {
        self.kept.lock().unwrap().1[&task_id(number, index)].clone()
    }
}

/// Plans and applies `a`, then `b`; does with `b` what the test says.
struct Script {
    store: Arc<Memory>,
    b: fn() -> JobDone,
    /// When set, `b` runs until it is told to stop.
    endless: bool,
    b_runs: Notify,
}

impl Work for Script {
    fn prepare(&self, run: RunRecord) -> BoxFuture<'_, Result<Prepared, Fault>> {
        Box::pin(async move {
            assert_ne!(run.id, run_id(13), "unlucky");
            Ok(tasks(1, &[("a", &[]), ("b", &["a"])]))
        })
    }

    fn perform(&self, request: JobRequest, mut stop: Stop) -> BoxFuture<'_, JobDone> {
        Box::pin(async move {
            assert_eq!(self.store.kept.lock().unwrap().1[&request.task.id], request.task, "not on record yet");
            if request.task.unit.as_str() == "b" {
                self.b_runs.notify_one();
                if self.endless {
                    stop.raised().await;
                    assert!(stop.is_raised());
                    return JobDone::Interrupted;
                }
                return (self.b)();
            }
            match request.job {
                Job::Apply { .. } => JobDone::Applied,
                Job::Ready => JobDone::Decided {
                    plan: digest("p"),
                    summary: some_change(),
                    verdict: Verdict::Apply(TaskResult::AppliedReviewed),
                },
                Job::Plan => JobDone::Planned { plan: digest("p"), summary: some_change() },
                Job::Act => JobDone::Acted,
            }
        })
    }
}

async fn begin(b: fn() -> JobDone, endless: bool) -> (Arc<Memory>, Arc<Script>, Handle) {
    let store = Arc::new(Memory::default());
    let script = Arc::new(Script { store: Arc::clone(&store), b, endless, b_runs: Notify::new() });
    let handle = start(Vec::new(), Settings { parallel: 2 }, store.clone(), script.clone()).await.unwrap();
    (store, script, handle)
}

/// What does not happen within a minute does not happen: the test fails and does not hang.
async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), event).await.expect("it never happened")
}

/// Waits until a run has the state, by the changes that the engine tells of.
async fn reach(handle: &Handle, store: &Memory, number: u64, record: RunRecord, wanted: RunState) {
    let mut changes = handle.subscribe();
    handle.submit(record).await.unwrap();
    while store.run(number) != Some(wanted) {
        assert_eq!(soon(changes.recv()).await.unwrap(), run_id(number));
    }
}

#[tokio::test]
async fn every_job_finds_its_record_committed_and_the_run_ends() {
    let (store, _, handle) = begin(|| JobDone::Failed(Fault::new(Code::TOOL_FAILED, "no")), false).await;
    reach(&handle, &store, 1, run(1, ActionKind::Apply), RunState::Failed).await;
    assert_eq!(store.task(1, 0).state, TaskState::Succeeded { result: TaskResult::AppliedReviewed });
    assert_eq!(handle.cancel(run_id(1), "ann".into()).await.unwrap_err().code(), Code::NOT_FOUND);
}

#[tokio::test]
async fn a_panic_ends_its_task_or_run_and_nothing_else() {
    let (store, _, handle) = begin(|| panic!("a bug"), false).await;
    reach(&handle, &store, 13, run(13, ActionKind::Plan), RunState::Failed).await;
    reach(&handle, &store, 1, run(1, ActionKind::Plan), RunState::Failed).await;
    let TaskState::Failed { fault } = store.task(1, 1).state else { panic!("{:?}", store.task(1, 1).state) };
    assert_eq!(fault.code(), Code::INTERNAL);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_the_journal_refuses_is_offered_again_and_the_trouble_is_shown() {
    let (store, script, handle) = begin(|| JobDone::Interrupted, true).await;
    *store.refuse.lock().unwrap() = 3;
    handle.submit(run(1, ActionKind::Plan)).await.unwrap();
    soon(script.b_runs.notified()).await;
    assert_eq!(*store.refuse.lock().unwrap(), 0);
    assert_eq!(handle.trouble(), None);
    *store.refuse.lock().unwrap() = 1;
    let (cancelled, trouble) = tokio::join!(handle.cancel(run_id(1), "ann".into()), async {
        while handle.trouble().is_none() {
            tokio::task::yield_now().await;
        }
        handle.trouble()
    });
    cancelled.unwrap();
    assert_eq!(trouble.unwrap().code(), Code::DISK_FULL);
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_running_jobs_their_time_and_keeps_what_they_were_at() {
    let (store, script, handle) = begin(|| JobDone::Interrupted, true).await;
    handle.submit(run(1, ActionKind::Plan)).await.unwrap();
    soon(script.b_runs.notified()).await;
    let before = tokio::time::Instant::now();
    handle.shutdown(Duration::from_secs(30)).await;
    assert_eq!(before.elapsed().as_secs(), 30);
    assert_eq!(store.task(1, 1).state, TaskState::Waiting);
    assert_eq!(store.run(1), Some(RunState::Running));
    assert_eq!(handle.submit(run(2, ActionKind::Plan)).await.unwrap_err().code(), Code::SHUTTING_DOWN);

    // The next start takes it up from there.
    let (runs, kept) = store.kept.lock().unwrap().clone();
    let unfinished = vec![(runs[&run_id(1)].clone(), kept.into_values().collect())];
    let _again = start(unfinished, Settings { parallel: 2 }, store.clone(), script.clone()).await.unwrap();
    soon(script.b_runs.notified()).await;
    assert_eq!(store.task(1, 1).attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_also_while_the_journal_refuses() {
    let (store, script, handle) = begin(|| JobDone::Interrupted, true).await;
    handle.submit(run(1, ActionKind::Plan)).await.unwrap();
    soon(script.b_runs.notified()).await;
    *store.refuse.lock().unwrap() = u32::MAX;
    let cancel = tokio::spawn({
        let handle = handle.clone();
        async move { handle.cancel(run_id(1), "ann".into()).await }
    });
    handle.shutdown(Duration::from_secs(5)).await;
    assert_eq!(cancel.await.unwrap().unwrap_err().code(), Code::SHUTTING_DOWN);
    assert_eq!(store.task(1, 1).state, TaskState::Planning, "what is not committed has not happened");
}

#[tokio::test]
async fn the_engine_stops_when_nobody_can_talk_to_it_any_more() {
    let (store, script, handle) = begin(|| JobDone::Interrupted, true).await;
    let mut changes = handle.subscribe();
    handle.submit(run(1, ActionKind::Plan)).await.unwrap();
    soon(script.b_runs.notified()).await;
    drop(handle);
    while changes.recv().await.is_ok() {}
    assert_eq!(store.task(1, 1).state, TaskState::Waiting);
}
