//! Saved plans: a record that may be shown, and parts that are sealed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_model::{CommitId, Digest, Fault, PlanSummary, RunId, TaskId, UnitPath};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::decisions::unbuilt;

/// Largest part of a plan, in bytes.
pub const PLAN_PART_MAX_BYTES: usize = 64 * 1024 * 1024;

/// What a plan was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanPurpose {
    /// A plan run: to be reviewed.
    Plan,
    /// An apply run: made again because the reviewed one could not be applied as it was.
    Apply,
}

/// A plan, without any value of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// Names the plan: what an approval names.
    pub digest: Digest,
    /// The unit.
    pub unit: UnitPath,
    /// The run that made it.
    pub run: RunId,
    /// The task that made it.
    pub task: TaskId,
    /// The commit it was made from.
    pub commit: CommitId,
    /// The unit's input digest there.
    pub input_digest: Digest,
    /// Over the outputs of dependencies that went in.
    pub outputs_digest: Digest,
    /// Over the provider lock file after `init`.
    pub lock_digest: Option<Digest>,
    /// The serial of the state it was made against.
    pub state_serial: Option<u64>,
    /// The lineage of that state.
    pub state_lineage: Option<String>,
    /// The version of that state, if it is in the runner's own store. 0: there was none.
    pub state_version: Option<i64>,
    /// Dependencies whose outputs were mocked.
    pub mocked: Vec<UnitPath>,
    /// What it does.
    pub summary: PlanSummary,
    /// The tool and its version.
    pub tool: String,
    /// What it was made for.
    pub purpose: PlanPurpose,
    /// When (UTC).
    pub created_at: Timestamp,
}

impl Store {
    /// Keeps a plan and its parts (`plan`, `change`, `lock`, …), sealed. A plan that is there already is left
    /// as it is.
    ///
    /// # Errors
    /// `PC-0708` when a part is over [`PLAN_PART_MAX_BYTES`].
    pub async fn plan_insert(&self, plan: &PlanRecord, parts: BTreeMap<String, Vec<u8>>) -> Result<(), Fault> {
        let _ = (plan, parts);
        Err(unbuilt())
    }

    /// A plan's record.
    pub async fn plan_get(&self, plan: &Digest) -> Result<Option<PlanRecord>, Fault> {
        let _ = plan;
        Err(unbuilt())
    }

    /// One part of a plan, opened.
    ///
    /// # Errors
    /// `PC-0702` when it does not open.
    pub async fn plan_part(&self, plan: &Digest, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        let _ = (plan, name);
        Err(unbuilt())
    }

    /// Plans of a unit with this input digest, newest first, at most 100.
    pub async fn plan_find(&self, unit: &UnitPath, input: &Digest) -> Result<Vec<PlanRecord>, Fault> {
        let _ = (unit, input);
        Err(unbuilt())
    }
}
