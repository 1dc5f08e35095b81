//! A process that writes is killed (SIGKILL) at many moments; what it was told is kept must be there, whole.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use portcullis_model::RunState;
use portcullis_model::record::StepRecord;
use portcullis_model::run::EventKind;
use portcullis_model::state::LockInfo;
use portcullis_store::Store;

use crate::sample::{Folder, accept, at, run, state, task, task_id, unit};

const FOLDER: &str = "PORTCULLIS_STORE_CRASH_FOLDER";

/// The process that is killed: this test, started by the one below.
#[tokio::test]
#[ignore = "started by `killed_at_any_moment_nothing_that_was_acknowledged_is_lost`"]
#[allow(clippy::disallowed_methods, reason = "how the parent names the folder")]
async fn writer() {
    let folder = std::path::PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let store = Store::open(&folder.join("data"), &folder.join("key")).await.unwrap();
    let first = store.run_list(None, 1).await.unwrap().first().map_or(1, |run| run.id.uuid().as_u128() + 1);
    for number in first.. {
        write_one(&store, number).await;
        println!("kept {number}");
        std::io::stdout().flush().unwrap();
    }
}

/// One run: accepted, one step with two tasks and an event, a state under a lock, a log.
async fn write_one(store: &Store, number: u128) {
    store.run_accept(&accept(number)).await.unwrap();
    let mut running = run(number);
    running.state = RunState::Running;
    let event = EventKind::Run { state: RunState::Running, message: None };
    let step = StepRecord {
        tasks: vec![task(number * 2, &running, 0), task(number * 2 + 1, &running, 1)],
        events: vec![(running.id, at(1), event)],
        runs: vec![running],
        applied: vec![],
    };
    store.step_commit(&step).await.unwrap();
    let (db, lock) = (unit("dev/db"), LockInfo::parse(br#"{"ID":"a"}"#).unwrap());
    store.state_lock(&db, task_id(number), &lock, at(0)).await.unwrap();
    store.state_put(&db, task_id(number), Some("a"), &state(number as u64), at(0)).await.unwrap();
    store.log_append(task_id(number), b"log").unwrap();
    store.state_unlock(&db, task_id(number), "a").await.unwrap();
}

#[test]
fn killed_at_any_moment_nothing_that_was_acknowledged_is_lost() {
    let folder = Folder::new();
    let mut kept = BTreeSet::new();
    for round in 0..12 {
        kept.extend(kill_after(&folder, 1 + round % 5, round));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&folder, &kept));
    }
}

/// Starts the writer, waits for so many acknowledgements, kills it. Gives what it acknowledged.
#[allow(clippy::disallowed_methods, reason = "the process that is killed")]
fn kill_after(folder: &Folder, lines: usize, round: usize) -> Vec<u128> {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "crash::writer", "--nocapture"])
        .env(FOLDER, folder.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(writer.stdout.take().unwrap()).lines();
    let acknowledged = |line: std::io::Result<String>| line.unwrap().strip_prefix("kept ").and_then(|n| n.parse().ok());
    let mut kept: Vec<u128> = output.by_ref().filter_map(acknowledged).take(lines).collect();
    assert_eq!(kept.len(), lines, "the writer ended by itself");
    // Between two writes, wherever that falls this time.
    let mut spin = round * 7919;
    while spin > 0 {
        spin = std::hint::black_box(spin - 1);
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    kept.extend(output.filter_map(acknowledged));
    kept
}

async fn check(folder: &Folder, kept: &BTreeSet<u128>) {
    let last = *kept.last().unwrap();
    let store = folder.open().await;
    let runs = store.run_list(None, 10_000).await.unwrap();
    let numbers: BTreeSet<u128> = runs.iter().map(|run| run.id.uuid().as_u128()).collect();
    assert!(numbers.is_superset(kept));
    for run in &runs {
        let number = run.id.uuid().as_u128();
        let (tasks, events) =
            (store.task_list(run.id).await.unwrap().len(), store.event_list(run.id, 0, 10).await.unwrap().len());
        // The step is there with all its parts, or with none.
        match run.state {
            RunState::Accepted => assert_eq!((tasks, events), (0, 1)),
            _ => assert_eq!((tasks, events), (2, 2)),
        }
        assert!(!store.token_use(&format!("token-{number}"), at(300), at(0)).await.unwrap());
        if kept.contains(&number) {
            assert_eq!(run.state, RunState::Running);
            assert_eq!(store.log_read(task_id(number), 0, 10).await.unwrap().bytes, b"log");
        }
    }
    let records = crate::ledger::chain(&store.ledger()).await;
    let count = |kind| records.iter().filter(|record| record.kind() == kind).count();
    assert_eq!(count("decision"), runs.len(), "a decision is there with its run");
    let versions = store.state_versions(&unit("dev/db"), None, 10_000).await.unwrap().len();
    assert_eq!(count("state"), versions, "a state is there with its entry");
    let newest = store.state_get(&unit("dev/db")).await.unwrap().unwrap();
    assert!(u128::from(newest.info.serial) >= last);
    assert_eq!(newest.bytes, state(newest.info.serial));
    // A lock that the dead left is found and let go.
    for (_, holder) in store.state_lock_list().await.unwrap() {
        assert_eq!(store.state_unlock_task(holder.task).await.unwrap().len(), 1);
    }
    store.close().await;
}
