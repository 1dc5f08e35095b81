//! The ledger: that it is a chain, grows in the transaction of what it records, and begins with what was there.

use portcullis_model::ledger::{Entry, Head, Record};
use portcullis_model::record::StepRecord;
use portcullis_model::run::{EventKind, TaskResult};
use portcullis_model::{Code, Digest, Fault, RunState, TaskState};
use portcullis_store::{Accepted, DecisionRecord, LedgerReader};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::sample::{Folder, accept, at, run, state, task, task_id, unit};

/// All records of a ledger, once its chain holds.
pub async fn chain(ledger: &LedgerReader) -> Vec<Record> {
    let mut head = Head::EMPTY;
    let mut records = Vec::new();
    loop {
        let page = ledger.page(head.number, 100).await.unwrap();
        if page.is_empty() {
            assert_eq!(head, ledger.head().await.unwrap());
            return records;
        }
        for kept in page {
            let entry: Entry = serde_json::from_str(&kept.text).unwrap();
            assert_eq!((entry.number, entry.previous), (head.number + 1, head.hash));
            assert_eq!((kept.number, kept.hash), (entry.number, Digest::of(kept.text.as_bytes())));
            head = Head { number: kept.number, hash: kept.hash };
            records.push(entry.record);
        }
    }
}

fn kinds(records: &[Record]) -> Vec<&'static str> {
    records.iter().map(Record::kind).collect()
}

#[tokio::test]
async fn decisions_and_effects_are_in_the_chain() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.run_accept(&accept(1)).await.unwrap();
    let mut done = run(1);
    done.state = RunState::Failed;
    let mut first = task(10, &done, 0);
    first.plan = Some(Digest::of(b"plan"));
    let second = task(11, &done, 1);
    let event = |task: &portcullis_model::record::TaskRecord, state: TaskState| {
        (done.id, at(1), EventKind::Task { task: task.id, unit: task.unit.clone(), state, summary: None })
    };
    let fault = Fault::new(Code::TOOL_FAILED, "password hunter2 is wrong");
    let step = StepRecord {
        events: vec![
            event(&first, TaskState::Planning),
            event(&first, TaskState::Applying),
            event(&first, TaskState::Succeeded { result: TaskResult::AppliedReviewed }),
            event(&second, TaskState::Failed { fault }),
            (done.id, at(1), EventKind::Run { state: RunState::Failed, message: Some("hunter2".into()) }),
        ],
        tasks: vec![first.clone(), second],
        runs: vec![done.clone()],
        applied: vec![],
    };
    store.step_commit(&step).await.unwrap();
    store.state_put(&unit("dev/db"), task_id(10), None, &state(3), at(2)).await.unwrap();
    let records = chain(&store.ledger()).await;
    assert_eq!(kinds(&records), ["begun", "decision", "task", "task", "task", "run-ended", "state"]);
    let applied = Record::Task {
        run: done.id,
        task: first.id,
        unit: first.unit.clone(),
        state: "succeeded".into(),
        plan: first.plan,
        result: Some(TaskResult::AppliedReviewed),
        code: None,
    };
    assert_eq!(records[3], applied);
    assert!(matches!(&records[6], Record::State { serial: 3, digest, .. } if *digest == Digest::of(&state(3))));
    let all = format!("{records:?}");
    assert!(!all.contains("hunter2"), "neither a tool's words nor a state's values: {all}");
}

#[tokio::test]
async fn what_is_not_committed_is_not_in_the_chain() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.run_accept(&accept(1)).await.unwrap();
    let before = store.ledger().head().await.unwrap();
    let replayed = portcullis_store::AcceptRun { idempotency: None, ..accept(1) };
    assert_eq!(store.run_accept(&replayed).await.unwrap(), Accepted::Replayed);
    // A step that is refused halfway: an older attempt than the one on record.
    let mut newer = task(10, &run(1), 0);
    newer.attempt = 2;
    store.step_commit(&StepRecord { tasks: vec![newer.clone()], ..StepRecord::default() }).await.unwrap();
    newer.attempt = 1;
    let ended = EventKind::Run { state: RunState::Failed, message: None };
    let step = StepRecord { tasks: vec![newer], events: vec![(run(1).id, at(1), ended)], ..StepRecord::default() };
    store.step_commit(&step).await.unwrap_err();
    assert_eq!(store.ledger().head().await.unwrap(), before);
}

#[tokio::test]
async fn writers_at_the_same_time_make_one_chain() {
    let folder = Folder::new();
    let store = folder.open().await;
    let write = |number: u128| {
        let store = store.clone();
        tokio::spawn(async move {
            store.run_accept(&accept(number)).await.unwrap();
            store.decision_insert(&DecisionRecord::default()).await.unwrap();
        })
    };
    for writer in (1..=40).map(write).collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(chain(&store.ledger()).await.len(), 81);
}

#[tokio::test]
async fn a_ledger_is_read_beside_its_runner_and_never_written_by_others() {
    let folder = Folder::new();
    let store = folder.open().await;
    let beside = LedgerReader::open(&folder.data()).await.unwrap();
    store.ledger_append(at(0), &Record::Started { version: "1".into() }).await.unwrap();
    assert_eq!(kinds(&chain(&beside).await), ["begun", "started"]);
    store.checkpoint_insert(1, "first").await.unwrap();
    store.checkpoint_insert(2, "second").await.unwrap();
    store.checkpoint_insert(2, "another").await.unwrap();
    assert_eq!(beside.checkpoints(0, 1).await.unwrap(), [(1, "first".to_owned())]);
    assert_eq!(beside.checkpoint_last().await.unwrap(), Some((2, "second".to_owned())));
    let nowhere = LedgerReader::open(folder.dir.path()).await.err().unwrap();
    assert_eq!(nowhere.code(), Code::IO);
    // A mistake of this program would be stopped by the database.
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(folder.data().join("portcullis.db")));
    let pool = pool.await.unwrap();
    for sql in ["UPDATE ledger SET kind = 'x'", "DELETE FROM ledger"] {
        let refused = sqlx::raw_sql(sql).execute(&pool).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}

#[tokio::test]
async fn a_database_from_before_the_ledger_is_taken_over() {
    let folder = Folder::new();
    std::fs::create_dir(folder.data()).unwrap();
    let options = SqliteConnectOptions::new().filename(folder.data().join("portcullis.db")).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql(include_str!("../../migrations/0001_first.sql")).execute(&pool).await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 1; PRAGMA application_id = 0x506f7274").execute(&pool).await.unwrap();
    // As the version before this one wrote it.
    let decision = r#"{"at":"2026-01-02T03:04:05Z","asked":"plan","action":"plan","granted":false,"code":"PC-0300",
        "reason":"no","issuer":"https://i","subject":"s","token_id":"j","principals":["live-ci"],
        "repository":"live","reference":"main","run":null}"#;
    for _ in 0..3 {
        sqlx::query("INSERT INTO decision (body) VALUES (?)").bind(decision).execute(&pool).await.unwrap();
    }
    pool.close().await;
    std::fs::write(folder.key(), format!("{}\n", "0".repeat(64))).unwrap();
    std::fs::set_permissions(folder.key(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let store = folder.open().await;
    let records = chain(&store.ledger()).await;
    assert_eq!(kinds(&records), ["begun", "decision", "decision", "decision"]);
    assert_eq!(records[0], Record::Begun { taken_over: 3 });
    let (number, taken) = store.decision_list(None, 1).await.unwrap().remove(0);
    assert_eq!((number, taken.reason.as_str(), taken.code), (4, "no", Some(Code::DENIED)));
    store.decision_insert(&DecisionRecord::default()).await.unwrap();
    store.close().await;
    // And only once.
    assert_eq!(chain(&folder.open().await.ledger()).await.len(), 5);
}
