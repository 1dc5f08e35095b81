//! Records for tests: short to write, valid to read.
#![allow(dead_code, missing_docs, clippy::unwrap_used, reason = "each test binary uses its part")]

pub mod world;

use jiff::Timestamp;
use portcullis_engine::{NewTask, NewTaskKind, Prepared};
use portcullis_model::record::{ApplyRule, RunRecord};
use portcullis_model::{
    AccountName, Action, ActionKind, BranchName, CommitId, Digest, PlanSummary, RepositoryName, RunId, RunState,
    Selection, TaskId, UnitPath,
};

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

pub fn run_id(number: u64) -> RunId {
    format!("00000000-0000-7000-8000-{number:012x}").parse().unwrap()
}

pub fn task_id(run: u64, index: u64) -> TaskId {
    format!("00000000-0000-7000-9000-{run:06x}{index:06x}").parse().unwrap()
}

pub fn unit(name: &str) -> UnitPath {
    UnitPath::parse(name).unwrap()
}

pub fn digest(text: impl AsRef<str>) -> Digest {
    Digest::of(text.as_ref().as_bytes())
}

pub fn run(number: u64, kind: ActionKind) -> RunRecord {
    RunRecord {
        id: run_id(number),
        program: None,
        action: Action {
            parameters: std::collections::BTreeMap::new(),
            kind,
            repository: RepositoryName::parse("live").unwrap(),
            branch: BranchName::parse("main").unwrap(),
            selection: Selection::Affected,
        },
        account: AccountName::parse("dev").unwrap(),
        commit: CommitId::parse(&format!("{number:040x}")).unwrap(),
        principals: Vec::new(),
        requested_by: "live-merge".into(),
        requester_claims: std::collections::BTreeMap::new(),
        rule: ApplyRule::default(),
        state: RunState::Accepted,
        fault: None,
        message: None,
        cancelled_by: None,
        definition: None,
        involved: vec![],
        created_at: at(number.try_into().unwrap()),
        ended_at: None,
    }
}

/// Tasks for units, each with the units that it comes after.
pub fn tasks(number: u64, units: &[(&str, &[&str])]) -> Prepared {
    let task = |(index, (name, after)): (usize, &(&str, &[&str]))| NewTask {
        id: task_id(number, index as u64),
        unit: unit(name),
        after: after.iter().map(|name| unit(name)).collect(),
        why: "changed".into(),
        kind: NewTaskKind::Work,
        input_digest: Some(digest(format!("{number} {name}"))),
    };
    Prepared { message: None, tasks: units.iter().enumerate().map(task).collect() }
}

pub fn some_change() -> PlanSummary {
    PlanSummary { add: 1, ..PlanSummary::default() }
}
