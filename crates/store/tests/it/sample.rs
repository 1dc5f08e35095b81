//! Records to put in.

use std::path::PathBuf;

use jiff::{Timestamp, ToSpan};
use portcullis_model::record::{RunRecord, TaskRecord};
use portcullis_model::{CommitId, Digest, RunId, TaskId, UnitPath};
use portcullis_store::{AcceptRun, DecisionRecord, Idempotency, ReadToken, Store, UsedToken};
use tempfile::TempDir;

pub struct Folder {
    pub dir: TempDir,
}

impl Folder {
    pub fn new() -> Self {
        Folder { dir: tempfile::tempdir().unwrap() }
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn key(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    pub async fn open(&self) -> Store {
        Store::open(&self.data(), &self.key()).await.unwrap()
    }
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000).unwrap() + second.seconds()
}

pub fn run_id(number: u128) -> RunId {
    RunId::from_uuid(uuid::Uuid::from_u128(number))
}

pub fn task_id(number: u128) -> TaskId {
    TaskId::from_uuid(uuid::Uuid::from_u128(number))
}

pub fn unit(text: &str) -> UnitPath {
    UnitPath::parse(text).unwrap()
}

pub fn commit() -> CommitId {
    CommitId::parse(&"a".repeat(40)).unwrap()
}

pub fn run(number: u128) -> RunRecord {
    serde_json::from_value(serde_json::json!({
        "id": run_id(number), "account": "dev", "commit": "a".repeat(40), "principals": ["live-ci"],
        "action": { "kind": "plan", "repository": "live", "branch": "main", "selection": "all" },
        "requested_by": "principal live-ci", "rule": { "unreviewed": "create-only", "approvals": 1 },
        "state": "accepted", "fault": null, "message": null, "created_at": at(0), "ended_at": null,
    }))
    .unwrap()
}

pub fn task(number: u128, of: &RunRecord, index: u32) -> TaskRecord {
    serde_json::from_value(serde_json::json!({
        "id": task_id(number), "run": of.id, "index": index, "unit": format!("dev/u{index}"), "after": [],
        "why": "all", "state": { "state": "waiting" }, "attempt": 0,
        "input_digest": Digest::of(b"input"), "plan": null, "unknown_outcome_of": null, "summary": null,
        "approvals": [], "started_at": null, "ended_at": null,
    }))
    .unwrap()
}

pub fn accept(number: u128) -> AcceptRun {
    AcceptRun {
        run: run(number),
        decision: DecisionRecord { at: at(0), asked: "plan".into(), granted: true, ..Default::default() },
        token: Some(UsedToken { id: format!("token-{number}"), expires_at: at(300) }),
        idempotency: Some(Idempotency { key: format!("key-{number}"), request: Digest::of(b"request") }),
        read_token: Some(ReadToken { digest: Digest::of(&number.to_be_bytes()), expires_at: at(3600) }),
    }
}

pub fn state(serial: u64) -> Vec<u8> {
    format!(r#"{{"version":4,"serial":{serial},"lineage":"l-1","outputs":{{"secret":{{"value":"hunter2"}}}}}}"#)
        .into_bytes()
}
