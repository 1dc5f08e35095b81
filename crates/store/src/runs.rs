//! Runs, tasks, events, and what was last applied.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_model::api::EventView;
use portcullis_model::ledger::effects;
use portcullis_model::record::{AppliedRecord, RunRecord, StepRecord, TaskRecord};
use portcullis_model::run::EventKind;
use portcullis_model::{Digest, Fault, RunId, TaskId, UnitPath};
use sqlx::SqliteConnection;

use crate::failure::{damaged, database, from_json, to_json};
use crate::tokens::token_use_in_txn;
use crate::{DecisionRecord, Store};

/// A run that is to be accepted, with all that must be on record with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptRun {
    /// The run, in state `Accepted`.
    pub run: RunRecord,
    /// The decision that lets it in. Recorded when the answer is `New` or `Existing`.
    pub decision: DecisionRecord,
    /// The token that asked, so that it is used once.
    pub token: Option<UsedToken>,
    /// What makes a repeated request the same request.
    pub idempotency: Option<Idempotency>,
    /// The token that may read this run.
    pub read_token: Option<ReadToken>,
}

/// A caller's token, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedToken {
    /// `jti`, or a digest of the token; unique within the runner (so: with its issuer).
    pub id: String,
    /// When it expires (UTC).
    pub expires_at: Timestamp,
}

/// An idempotency key. The caller of the store makes it unique per principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key.
    pub key: String,
    /// Over the request, so that a key used for another request is noticed.
    pub request: Digest,
}

/// A read token, kept as its digest only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadToken {
    /// SHA-256 over the token.
    pub digest: Digest,
    /// When it stops working (UTC).
    pub expires_at: Timestamp,
}

/// What became of [`Store::run_accept`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// The run is on record.
    New,
    /// The idempotency key was used for the same request before, by this run. The token counts as used.
    Existing(RunId),
    /// The token was used before. Nothing was recorded: record the refusal.
    Replayed,
    /// The idempotency key was used for another request. Nothing was recorded: record the refusal.
    Conflict,
}

impl Store {
    /// Accepts a run: the run, its first event, the decision, the token, the keys, in one transaction.
    ///
    /// A repeated request is answered before its token is looked at: a client that lost the answer may send
    /// the very same request again.
    pub async fn run_accept(&self, accept: &AcceptRun) -> Result<Accepted, Fault> {
        const WHAT: &str = "accepting a run";
        let mut txn = self.begin(WHAT).await?;
        let (run, decision) = (&accept.run, &accept.decision);
        let known = match &accept.idempotency {
            Some(key) => idempotency_find(&mut txn, key).await?,
            None => None,
        };
        if known == Some(Accepted::Conflict) {
            return Ok(Accepted::Conflict);
        }
        let first_use = match &accept.token {
            Some(token) => token_use_in_txn(&mut txn, &token.id, token.expires_at, decision.at).await?,
            None => true,
        };
        if known.is_none() && !first_use {
            return Ok(Accepted::Replayed);
        }
        self.decision_insert_in_txn(&mut txn, decision).await?;
        if let Some(existing) = known {
            self.commit(txn, WHAT).await?;
            return Ok(existing);
        }
        run_upsert(&mut txn, run).await?;
        let accepted = EventKind::Run { state: run.state, message: run.message.clone() };
        event_append(&mut txn, run.id, run.created_at, accepted).await?;
        if let Some(key) = &accept.idempotency {
            sqlx::query("INSERT INTO idempotency (key, request, run) VALUES (?, ?, ?)")
                .bind(&key.key)
                .bind(key.request.as_bytes().as_slice())
                .bind(run.id.uuid().as_bytes().as_slice())
                .execute(&mut *txn)
                .await
                .map_err(database(WHAT))?;
        }
        if let Some(token) = &accept.read_token {
            sqlx::query("INSERT INTO read_token (digest, run, expires_at) VALUES (?, ?, ?)")
                .bind(token.digest.as_bytes().as_slice())
                .bind(run.id.uuid().as_bytes().as_slice())
                .bind(token.expires_at.as_second())
                .execute(&mut *txn)
                .await
                .map_err(database(WHAT))?;
        }
        self.commit(txn, WHAT).await?;
        Ok(Accepted::New)
    }

    /// What an earlier request with this key came to: `Existing`, `Conflict`, or `None` when there is none.
    ///
    /// The token counts as used by it. The decision is recorded when that was its first use: sending one request
    /// over and over leaves one row.
    pub async fn run_repeated(
        &self,
        key: &Idempotency,
        token: &UsedToken,
        decision: &DecisionRecord,
    ) -> Result<Option<Accepted>, Fault> {
        const WHAT: &str = "looking for a repeated request";
        let mut reader = self.0.readers.acquire().await.map_err(database(WHAT))?;
        let known = idempotency_find(&mut reader, key).await?;
        drop(reader);
        let Some(Accepted::Existing(run)) = known else { return Ok(known) };
        let mut txn = self.begin(WHAT).await?;
        if token_use_in_txn(&mut txn, &token.id, token.expires_at, decision.at).await? {
            self.decision_insert_in_txn(&mut txn, &DecisionRecord { run: Some(run), ..decision.clone() }).await?;
        }
        self.commit(txn, WHAT).await?;
        Ok(known)
    }

    /// How many runs have not ended.
    pub async fn runs_unfinished_count(&self) -> Result<u64, Fault> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM run WHERE ended = 0")
            .fetch_one(&self.0.readers)
            .await
            .map_err(database("counting runs"))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Commits one step of the engine, its effects in the ledger with it. Gives its events with their numbers, in order.
    ///
    /// # Errors
    /// `PC-0900` when a task's `attempt` is lower than the one on record: an old sandbox's result.
    pub async fn step_commit(&self, step: &StepRecord) -> Result<Vec<(RunId, EventView)>, Fault> {
        if step.is_empty() {
            return Ok(Vec::new());
        }
        const WHAT: &str = "recording a step";
        let mut txn = self.begin(WHAT).await?;
        for run in &step.runs {
            run_upsert(&mut txn, run).await?;
        }
        for task in &step.tasks {
            task_upsert(&mut txn, task).await?;
        }
        let mut events = Vec::with_capacity(step.events.len());
        for (run, at, kind) in &step.events {
            events.push((*run, event_append(&mut txn, *run, *at, kind.clone()).await?));
        }
        for applied in &step.applied {
            sqlx::query(
                "INSERT INTO applied (unit, body) VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
            )
            .bind(applied.unit.as_str())
            .bind(to_json("an applied digest", applied)?)
            .execute(&mut *txn)
            .await
            .map_err(database(WHAT))?;
        }
        for (at, record) in effects(step) {
            self.append_in_txn(&mut txn, at, &record).await?;
        }
        self.commit(txn, WHAT).await?;
        Ok(events)
    }

    /// A run.
    pub async fn run_get(&self, run: RunId) -> Result<Option<RunRecord>, Fault> {
        let body: Option<String> = sqlx::query_scalar("SELECT body FROM run WHERE id = ?")
            .bind(run.uuid().as_bytes().as_slice())
            .fetch_optional(&self.0.readers)
            .await
            .map_err(database("reading a run"))?;
        body.map(|body| from_json("a run", &body)).transpose()
    }

    /// Runs, newest first, older than `before`.
    pub async fn run_list(&self, before: Option<RunId>, limit: u32) -> Result<Vec<RunRecord>, Fault> {
        let before = before.map_or([0xff; 16], |run| *run.uuid().as_bytes());
        let bodies: Vec<String> = sqlx::query_scalar("SELECT body FROM run WHERE id < ? ORDER BY id DESC LIMIT ?")
            .bind(before.as_slice())
            .bind(limit)
            .fetch_all(&self.0.readers)
            .await
            .map_err(database("listing runs"))?;
        bodies.iter().map(|body| from_json("a run", body)).collect()
    }

    /// Runs that have not ended, oldest first, with their tasks: what a restart goes on with.
    pub async fn runs_unfinished(&self) -> Result<Vec<(RunRecord, Vec<TaskRecord>)>, Fault> {
        let bodies: Vec<String> = sqlx::query_scalar("SELECT body FROM run WHERE ended = 0 ORDER BY id")
            .fetch_all(&self.0.readers)
            .await
            .map_err(database("listing unfinished runs"))?;
        let mut runs = Vec::with_capacity(bodies.len());
        for body in bodies {
            let run: RunRecord = from_json("a run", &body)?;
            let tasks = self.task_list(run.id).await?;
            runs.push((run, tasks));
        }
        Ok(runs)
    }

    /// A task.
    pub async fn task_get(&self, task: TaskId) -> Result<Option<TaskRecord>, Fault> {
        let body: Option<String> = sqlx::query_scalar("SELECT body FROM task WHERE id = ?")
            .bind(task.uuid().as_bytes().as_slice())
            .fetch_optional(&self.0.readers)
            .await
            .map_err(database("reading a task"))?;
        body.map(|body| from_json("a task", &body)).transpose()
    }

    /// The tasks of a run, by index.
    pub async fn task_list(&self, run: RunId) -> Result<Vec<TaskRecord>, Fault> {
        let bodies: Vec<String> = sqlx::query_scalar("SELECT body FROM task WHERE run = ? ORDER BY position")
            .bind(run.uuid().as_bytes().as_slice())
            .fetch_all(&self.0.readers)
            .await
            .map_err(database("listing tasks"))?;
        bodies.iter().map(|body| from_json("a task", body)).collect()
    }

    /// Events of a run after number `after` (0: from the first), in order.
    pub async fn event_list(&self, run: RunId, after: u64, limit: u32) -> Result<Vec<EventView>, Fault> {
        let rows: Vec<(i64, String, String)> =
            sqlx::query_as("SELECT number, at, body FROM event WHERE run = ? AND number > ? ORDER BY number LIMIT ?")
                .bind(run.uuid().as_bytes().as_slice())
                .bind(i64::try_from(after).unwrap_or(i64::MAX))
                .bind(limit)
                .fetch_all(&self.0.readers)
                .await
                .map_err(database("listing events"))?;
        rows.into_iter()
            .map(|(number, at, body)| {
                let id = u64::try_from(number).map_err(|error| damaged("an event", error))?;
                Ok(EventView { id, at, event: from_json("an event", &body)? })
            })
            .collect()
    }

    /// What was last applied to a unit.
    pub async fn applied_get(&self, unit: &UnitPath) -> Result<Option<AppliedRecord>, Fault> {
        let body: Option<String> = sqlx::query_scalar("SELECT body FROM applied WHERE unit = ?")
            .bind(unit.as_str())
            .fetch_optional(&self.0.readers)
            .await
            .map_err(database("reading an applied digest"))?;
        body.map(|body| from_json("an applied digest", &body)).transpose()
    }

    /// What was last applied, of every unit.
    pub async fn applied_list(&self) -> Result<BTreeMap<UnitPath, AppliedRecord>, Fault> {
        let bodies: Vec<String> = sqlx::query_scalar("SELECT body FROM applied")
            .fetch_all(&self.0.readers)
            .await
            .map_err(database("listing applied digests"))?;
        bodies
            .iter()
            .map(|body| {
                let applied: AppliedRecord = from_json("an applied digest", body)?;
                Ok((applied.unit.clone(), applied))
            })
            .collect()
    }

    /// Whether a read token (by its digest) is valid for this run at this time.
    pub async fn read_token_check(&self, run: RunId, token: &Digest, now: Timestamp) -> Result<bool, Fault> {
        // Looked up by a digest: how long it takes says nothing about the token.
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM read_token WHERE digest = ? AND run = ? AND expires_at > ?)")
            .bind(token.as_bytes().as_slice())
            .bind(run.uuid().as_bytes().as_slice())
            .bind(now.as_second())
            .fetch_one(&self.0.readers)
            .await
            .map_err(database("checking a read token"))
    }
}

async fn idempotency_find(txn: &mut SqliteConnection, key: &Idempotency) -> Result<Option<Accepted>, Fault> {
    let known: Option<(Vec<u8>, Vec<u8>)> = sqlx::query_as("SELECT request, run FROM idempotency WHERE key = ?")
        .bind(&key.key)
        .fetch_optional(txn)
        .await
        .map_err(database("looking for an idempotency key"))?;
    let Some((request, run)) = known else { return Ok(None) };
    if request != key.request.as_bytes() {
        return Ok(Some(Accepted::Conflict));
    }
    Ok(Some(Accepted::Existing(RunId::from_uuid(to_uuid(&run)?))))
}

async fn run_upsert(txn: &mut SqliteConnection, run: &RunRecord) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO run (id, ended, body) VALUES (?, ?, ?) \
         ON CONFLICT DO UPDATE SET ended = excluded.ended, body = excluded.body",
    )
    .bind(run.id.uuid().as_bytes().as_slice())
    .bind(run.state.is_final())
    .bind(to_json("a run", run)?)
    .execute(txn)
    .await
    .map_err(database("recording a run"))?;
    Ok(())
}

async fn task_upsert(txn: &mut SqliteConnection, task: &TaskRecord) -> Result<(), Fault> {
    let done = sqlx::query(
        "INSERT INTO task (id, run, position, attempt, body) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET attempt = excluded.attempt, body = excluded.body \
         WHERE excluded.run = task.run AND excluded.attempt >= task.attempt",
    )
    .bind(task.id.uuid().as_bytes().as_slice())
    .bind(task.run.uuid().as_bytes().as_slice())
    .bind(task.index)
    .bind(task.attempt)
    .bind(to_json("a task", task)?)
    .execute(txn)
    .await
    .map_err(database("recording a task"))?;
    if done.rows_affected() != 1 {
        return Err(Fault::internal(format!("task {} is on record with a later attempt or another run", task.id)));
    }
    Ok(())
}

async fn event_append(
    txn: &mut SqliteConnection,
    run: RunId,
    at: Timestamp,
    event: EventKind,
) -> Result<EventView, Fault> {
    let at = at.to_string();
    let number: i64 = sqlx::query_scalar(
        "INSERT INTO event (run, number, at, body) \
         SELECT ?1, 1 + coalesce(max(number), 0), ?2, ?3 FROM event WHERE run = ?1 RETURNING number",
    )
    .bind(run.uuid().as_bytes().as_slice())
    .bind(&at)
    .bind(to_json("an event", &event)?)
    .fetch_one(txn)
    .await
    .map_err(database("recording an event"))?;
    let id = u64::try_from(number).map_err(|error| damaged("an event", error))?;
    Ok(EventView { id, at, event })
}

pub(crate) fn to_uuid(bytes: &[u8]) -> Result<uuid::Uuid, Fault> {
    uuid::Uuid::from_slice(bytes).map_err(|error| damaged("an id", error))
}
