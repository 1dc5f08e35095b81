//! Request and response bodies of the HTTP API, shared by the runner and the command line.
//!
//! Times are RFC 3339 in UTC. Errors are RFC 9457 problem documents ([`Problem`]).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::parameter::{Given, Value, given};
use crate::run::{EventKind, PlanSummary, RunState, TaskState};
use crate::{AccountName, ActionKind, Code, CommitId, Digest, Fault, Place, RunId, TaskId, UnitPath};

/// Largest request body, in bytes.
pub const BODY_MAX_BYTES: usize = 256 * 1024;
/// Largest bearer token, in bytes.
pub const TOKEN_MAX_BYTES: usize = 16 * 1024;
/// Default and largest page of a list.
pub const PAGE_DEFAULT: u32 = 50;
/// Largest page of a list.
pub const PAGE_MAX: u32 = 200;

/// Body of `POST /v1/runs`. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TriggerRequest {
    /// `plan`, `apply`, or another action that the account offers.
    pub action: String,
    /// A repository's name in the fleet definition.
    pub repository: String,
    /// A branch, `main` or `refs/heads/main`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Only these units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<Vec<String>>,
    /// Every unit of the account.
    #[serde(default)]
    pub all: bool,
    /// Values for the parameters of a declared action, by name: texts, numbers, booleans, lists and maps of these.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "given::by_name")]
    #[schema(value_type = Object)]
    pub parameters: BTreeMap<String, Given>,
}

/// An action, as `GET /v1/actions` shows it to who may ask for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActionView {
    /// Its name.
    #[schema(value_type = String)]
    pub name: ActionKind,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it can be asked for.
    pub offered: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_offered_because: Option<String>,
    /// Where it can be asked for, in words: at which commits.
    pub commits: String,
    /// Whether `units` and `all` can be sent with it.
    pub takes_units: bool,
    /// What can be sent as its `parameters`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ParameterView>,
    /// A request for it.
    #[schema(value_type = Object)]
    pub example: TriggerRequest,
}

/// A parameter of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ParameterView {
    /// Its name.
    pub name: String,
    /// Its type: `string`, `enum`, `integer`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// What it takes, in words.
    pub takes: String,
    /// The bounds of the type, as the definition has them.
    #[schema(value_type = Object)]
    pub bounds: serde_json::Value,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it has to be sent.
    pub required: bool,
    /// Whether the account has chosen its value, so that it may not be sent.
    pub fixed: bool,
    /// Its value when it is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub value: Option<Value>,
    /// A value that it takes.
    #[schema(value_type = Object)]
    pub example: Value,
}

/// Answer to `GET /v1/actions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActionList {
    /// The account.
    pub account: String,
    /// The repository's name in requests.
    pub repository: String,
    /// The caller's principals.
    pub principals: Vec<String>,
    /// What the caller may ask for, by name.
    pub actions: Vec<ActionView>,
}

/// Answer to `POST /v1/explain`: what would become of the request, as far as it can be said without fetching the
/// repository. Nothing was started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// Whether it would be accepted.
    pub allowed: bool,
    /// Why, in words.
    pub reason: String,
    /// The principals that the caller is.
    pub principals: Vec<String>,
    /// The problem document that the request would be answered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The commit that the ref stood for when the repository was last fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub commit: Option<CommitId>,
    /// The values of the action's parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub parameters: BTreeMap<String, Value>,
    /// The program and its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
}

/// Answer to `POST /v1/runs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TriggerResponse {
    /// The run.
    pub run: RunView,
    /// Reads this run, its events and logs, and nothing else. Shown once. Absent when an idempotent
    /// request is answered again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_token: Option<String>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: RunId,
    /// What it does.
    #[schema(value_type = String)]
    pub action: ActionKind,
    /// The account.
    pub account: String,
    /// The repository's name.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// The commit, resolved by the runner.
    #[schema(value_type = String)]
    pub commit: CommitId,
    /// The values of a declared action's parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub parameters: BTreeMap<String, Value>,
    /// The principals that matched, and who in particular (`principal live-ci, subject …`).
    pub requested_by: String,
    /// Where it is.
    pub state: RunState,
    /// Its error, when it failed before it had tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub fault: Option<Fault>,
    /// What was decided about its units, for people ("nothing is affected: …").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was accepted.
    pub created_at: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Its tasks, in dependency order. Empty in lists.
    #[serde(default)]
    pub tasks: Vec<TaskView>,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: TaskId,
    /// Its unit.
    #[schema(value_type = String)]
    pub unit: UnitPath,
    /// Units of this run that it waits for.
    #[schema(value_type = Vec<String>)]
    pub after: Vec<UnitPath>,
    /// Why the unit is part of the run.
    pub why: String,
    /// Where it is.
    #[serde(flatten)]
    pub state: TaskState,
    /// The code of what keeps it from being done: of its error, `PC-0700` held, `PC-0709` blocked, `PC-0707` needs
    /// destroy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The unit's input digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub input_digest: Option<Digest>,
    /// The plan that it made or applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub plan: Option<Digest>,
    /// What that plan does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<PlanSummary>,
    /// When its first sandbox started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
}

/// A page of runs, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunPage {
    /// The runs, without their tasks.
    pub runs: Vec<RunView>,
    /// Send as `?after=` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One call of a task through its sandbox's door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallView {
    /// The task's unit.
    #[schema(value_type = String)]
    pub unit: UnitPath,
    /// The task.
    #[schema(value_type = String)]
    pub task: TaskId,
    /// When it arrived.
    pub at: String,
    /// The method. `CONNECT`: a connection was asked for.
    pub method: String,
    /// The host that was asked for, with its port where it is not the usual one.
    pub host: String,
    /// The path, without its query.
    pub path: String,
    /// What was asked for, where the runner understands it, such as `s3:PutObject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// On what, where the request says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// What allowed it: `state`, or a part of the fleet definition such as `egress "git"`. Empty when it was refused.
    pub rule: String,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<CallRefused>,
    /// The status of the answer. 0: the connection ended before there was one.
    pub status: u16,
    /// Bytes of bodies, or of a tunnel, from the sandbox.
    pub sent_bytes: u64,
    /// The same, to the sandbox.
    pub received_bytes: u64,
    /// How many calls like it came after it and are not listed.
    pub repeated: u64,
}

/// Why a call was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallRefused {
    /// The code.
    #[schema(value_type = String)]
    pub code: Code,
    /// For people.
    pub why: String,
}

/// A page of a run's calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallPage {
    /// In the order in which tasks ended; of one task in the order in which they came.
    pub calls: Vec<CallView>,
    /// What to ask after for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// An event of a run. Its `id` is what `Last-Event-ID` names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Counts from 1 within a run.
    pub id: u64,
    /// When.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub event: EventKind,
}

/// Body of `POST /v1/runs/{id}/approve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveRequest {
    /// The digests of the held plans, as `run show` prints them. All must be held in this run.
    pub plans: Vec<String>,
}

/// A unit, as `GET /v1/units` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnitView {
    /// Its path.
    #[schema(value_type = String)]
    pub path: UnitPath,
    /// The units it depends on.
    #[schema(value_type = Vec<String>)]
    pub dependencies: Vec<UnitPath>,
    /// Its input digest at the head of the protected branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub input_digest: Option<Digest>,
    /// The input digest that was last applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub applied_digest: Option<Digest>,
    /// `applied`, `needs-apply`, `needs-destroy` or `broken`.
    pub status: String,
    /// What is wrong with its configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub faults: Vec<Fault>,
}

/// A page of units, by path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnitPage {
    /// The commit that they are from: the head of the protected branch.
    #[schema(value_type = String)]
    pub commit: CommitId,
    /// The units.
    pub units: Vec<UnitView>,
    /// Send as `?after=` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Body of `GET /v1/definition`: which fleet definition decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DefinitionView {
    /// The runner's account.
    #[schema(value_type = String)]
    pub account: AccountName,
    /// The definition in force. `null` until there is one.
    pub in_force: Option<InForceView>,
    /// The definition at the head of the protected branch, where it was refused.
    pub refused: Option<RefusedView>,
}

/// The definition in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InForceView {
    /// The commit that it was read from.
    #[schema(value_type = String)]
    pub commit: CommitId,
    /// Names what it says for this account. Runs and the ledger name definitions by it.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Since when this, or one that says the same, is in force (UTC).
    #[schema(value_type = String)]
    pub since: Timestamp,
}

/// A definition that did not come into force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedView {
    /// The commit.
    #[schema(value_type = String)]
    pub commit: CommitId,
    /// Since when it is refused (UTC).
    #[schema(value_type = String)]
    pub since: Timestamp,
    /// Why.
    pub problem: Problem,
}

/// Body of `GET /healthz` and `GET /readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, `starting`, `degraded` or `stopping`.
    pub status: String,
    /// The runner's account.
    pub account: String,
    /// Its version.
    pub version: String,
    /// What is wrong, for people: a fleet definition that is refused, a mirror that cannot be fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// An error, as RFC 9457 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI of the code's page.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's title.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened.
    pub detail: String,
    /// The stable code, `PC-0123`.
    pub code: String,
    /// Where in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// More, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_task_survives_the_wire() {
        let digest = Digest::of(b"x");
        let view = TaskView {
            id: "01890000-0000-7000-8000-000000000000".parse().unwrap(),
            unit: UnitPath::parse("dev/vpc").unwrap(),
            after: Vec::new(),
            why: "is new".into(),
            state: TaskState::Held { plan: digest, why: "nobody reviewed it".into() },
            code: Some("PC-0700".into()),
            input_digest: None,
            plan: Some(digest),
            summary: None,
            started_at: None,
            ended_at: None,
        };
        let json = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<TaskView>(&json).unwrap(), view, "{json}");
    }
}
