//! Saved plans: a record that may be shown, and parts that are sealed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_model::ledger::Record;
use portcullis_model::{Code, CommitId, Digest, Fault, PlanSummary, RunId, TaskId, UnitPath};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::failure::{database, from_json, to_json};
use crate::seal::Label;

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

/// What a module outside of the repository was, when a plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModulePin {
    /// For people: the commit, or the archive.
    pub resolved: String,
    /// Names its content.
    pub digest: Digest,
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
    /// The unit's module, where it was fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<ModulePin>,
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
    /// `PC-0708` when a part is over [`PLAN_PART_MAX_BYTES`], `PC-0900` when the digest names another unit's
    /// plan already.
    pub async fn plan_insert(&self, plan: &PlanRecord, parts: BTreeMap<String, Vec<u8>>) -> Result<(), Fault> {
        const WHAT: &str = "recording a plan";
        let mut sealed = Vec::with_capacity(parts.len());
        for (name, content) in parts {
            if content.len() > PLAN_PART_MAX_BYTES {
                return Err(Fault::new(
                    Code::STATE_TOO_LARGE,
                    format!("the plan's part `{name}` has {} bytes, allowed are {PLAN_PART_MAX_BYTES}", content.len()),
                ));
            }
            let part = self.seal(label(&plan.digest, &name), content).await?;
            sealed.push((name, part));
        }
        let mut txn = self.begin(WHAT).await?;
        let digest = plan.digest.as_bytes().as_slice();
        let known: Option<String> = sqlx::query_scalar("SELECT unit FROM plan WHERE digest = ?")
            .bind(digest)
            .fetch_optional(&mut *txn)
            .await
            .map_err(database(WHAT))?;
        if let Some(unit) = known {
            if unit == plan.unit.as_str() {
                return Ok(());
            }
            return Err(Fault::internal(format!("plan {} is on record for unit {unit}", plan.digest)));
        }
        sqlx::query("INSERT INTO plan (digest, unit, input_digest, body) VALUES (?, ?, ?, ?)")
            .bind(digest)
            .bind(plan.unit.as_str())
            .bind(plan.input_digest.as_bytes().as_slice())
            .bind(to_json("a plan", plan)?)
            .execute(&mut *txn)
            .await
            .map_err(database(WHAT))?;
        for (name, part) in sealed {
            sqlx::query("INSERT INTO plan_part (plan, name, sealed) VALUES (?, ?, ?)")
                .bind(digest)
                .bind(name)
                .bind(part)
                .execute(&mut *txn)
                .await
                .map_err(database(WHAT))?;
        }
        let record = Record::Plan {
            run: plan.run,
            task: plan.task,
            unit: plan.unit.clone(),
            commit: plan.commit.clone(),
            plan: plan.digest,
        };
        self.append_in_txn(&mut txn, plan.created_at, &record).await?;
        self.commit(txn, WHAT).await
    }

    /// A plan's record.
    pub async fn plan_get(&self, plan: &Digest) -> Result<Option<PlanRecord>, Fault> {
        let body: Option<String> = sqlx::query_scalar("SELECT body FROM plan WHERE digest = ?")
            .bind(plan.as_bytes().as_slice())
            .fetch_optional(&self.0.readers)
            .await
            .map_err(database("reading a plan"))?;
        body.map(|body| from_json("a plan", &body)).transpose()
    }

    /// One part of a plan, opened.
    ///
    /// # Errors
    /// `PC-0702` when it does not open.
    pub async fn plan_part(&self, plan: &Digest, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        let sealed: Option<Vec<u8>> = sqlx::query_scalar("SELECT sealed FROM plan_part WHERE plan = ? AND name = ?")
            .bind(plan.as_bytes().as_slice())
            .bind(name)
            .fetch_optional(&self.0.readers)
            .await
            .map_err(database("reading a plan"))?;
        let Some(sealed) = sealed else { return Ok(None) };
        let what = format!("the part `{name}` of plan {}", plan.short());
        self.unseal(label(plan, name), what, sealed).await.map(Some)
    }

    /// Plans of a unit with this input digest, newest first, at most 100.
    pub async fn plan_find(&self, unit: &UnitPath, input: &Digest) -> Result<Vec<PlanRecord>, Fault> {
        let bodies: Vec<String> = sqlx::query_scalar(
            "SELECT body FROM plan WHERE unit = ? AND input_digest = ? ORDER BY number DESC LIMIT 100",
        )
        .bind(unit.as_str())
        .bind(input.as_bytes().as_slice())
        .fetch_all(&self.0.readers)
        .await
        .map_err(database("looking for plans"))?;
        bodies.iter().map(|body| from_json("a plan", body)).collect()
    }
}

fn label(plan: &Digest, part: &str) -> Label {
    Label::new("plan", &[plan.as_bytes(), part.as_bytes()])
}
