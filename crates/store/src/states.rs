//! The runner's own state store: every version of every unit's state, sealed, and one lock per unit.

use jiff::Timestamp;
use portcullis_model::ledger::Record;
use portcullis_model::state::{LockInfo, STATE_MAX_BYTES};
use portcullis_model::{Code, Digest, Fault, TaskId, UnitPath};
use serde::Deserialize;
use sqlx::SqliteConnection;

use crate::Store;
use crate::failure::{damaged, database, to_time};
use crate::runs::to_uuid;
use crate::seal::Label;

const READING: &str = "reading a state";
const LINEAGE_MAX_BYTES: usize = 256;

/// One version of a state, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateInfo {
    /// Counts from 1 within a unit.
    pub version: i64,
    /// The `serial` inside it.
    pub serial: u64,
    /// The `lineage` inside it.
    pub lineage: String,
    /// The task that wrote it.
    pub task: TaskId,
    /// When (UTC).
    pub at: Timestamp,
}

/// One version of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateVersion {
    /// What is known of it.
    pub info: StateInfo,
    /// The state, as the tool wrote it.
    pub bytes: Vec<u8>,
}

/// Who holds a state's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The lock, as the holder described it.
    pub info: LockInfo,
    /// The task.
    pub task: TaskId,
    /// Since when (UTC).
    pub at: Timestamp,
}

/// What became of [`Store::state_lock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockOutcome {
    /// The task holds the lock (also when it held this very lock before).
    Taken,
    /// Somebody holds it.
    Held(Holder),
}

/// What became of [`Store::state_unlock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnlockOutcome {
    /// It was released.
    Released,
    /// Nobody held it.
    NotLocked,
    /// Another lock is held, or the same one by another task: nothing was released.
    Held(Holder),
}

impl Store {
    /// The newest version of a unit's state.
    ///
    /// # Errors
    /// `PC-0702` when it does not open.
    pub async fn state_get(&self, unit: &UnitPath) -> Result<Option<StateVersion>, Fault> {
        let row: Option<FullRow> = sqlx::query_as(
            "SELECT version, serial, lineage, task, at, sealed FROM state WHERE unit = ? ORDER BY version DESC LIMIT 1",
        )
        .bind(unit.as_str())
        .fetch_optional(&self.0.readers)
        .await
        .map_err(database(READING))?;
        self.open_row(unit, row).await
    }

    /// One version of a unit's state.
    ///
    /// # Errors
    /// `PC-0702` when it does not open.
    pub async fn state_get_version(&self, unit: &UnitPath, version: i64) -> Result<Option<StateVersion>, Fault> {
        let row: Option<FullRow> = sqlx::query_as(
            "SELECT version, serial, lineage, task, at, sealed FROM state WHERE unit = ? AND version = ?",
        )
        .bind(unit.as_str())
        .bind(version)
        .fetch_optional(&self.0.readers)
        .await
        .map_err(database(READING))?;
        self.open_row(unit, row).await
    }

    async fn open_row(&self, unit: &UnitPath, row: Option<FullRow>) -> Result<Option<StateVersion>, Fault> {
        let Some((version, serial, lineage, task, at, sealed)) = row else { return Ok(None) };
        let info = to_info((version, serial, lineage, task, at))?;
        let what = format!("version {version} of the state of {unit}");
        let bytes = self.unseal(label(unit, version), what, sealed).await?;
        Ok(Some(StateVersion { info, bytes }))
    }

    /// The newest version of a unit's state, without opening it.
    pub async fn state_info(&self, unit: &UnitPath) -> Result<Option<StateInfo>, Fault> {
        Ok(self.state_versions(unit, None, 1).await?.pop())
    }

    /// The versions of a unit's state, newest first, below `before`.
    pub async fn state_versions(
        &self,
        unit: &UnitPath,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<StateInfo>, Fault> {
        let rows: Vec<InfoRow> = sqlx::query_as(
            "SELECT version, serial, lineage, task, at FROM state WHERE unit = ? AND version < ? \
             ORDER BY version DESC LIMIT ?",
        )
        .bind(unit.as_str())
        .bind(before.unwrap_or(i64::MAX))
        .bind(limit)
        .fetch_all(&self.0.readers)
        .await
        .map_err(database(READING))?;
        rows.into_iter().map(to_info).collect()
    }

    /// The units that have a state, with the newest version of each, by path.
    pub async fn state_list(&self) -> Result<Vec<(UnitPath, StateInfo)>, Fault> {
        let rows: Vec<(String, i64, i64, String, Vec<u8>, String)> = sqlx::query_as(
            "SELECT s.unit, s.version, s.serial, s.lineage, s.task, s.at FROM state s \
             JOIN (SELECT unit, max(version) AS version FROM state GROUP BY unit) newest USING (unit, version) \
             ORDER BY s.unit",
        )
        .fetch_all(&self.0.readers)
        .await
        .map_err(database(READING))?;
        rows.into_iter()
            .map(|(unit, version, serial, lineage, task, at)| {
                let unit = UnitPath::parse(&unit).map_err(|error| damaged("a state", error))?;
                Ok((unit, to_info((version, serial, lineage, task, at))?))
            })
            .collect()
    }

    /// Writes a new version. `lock`: the id of the lock that the writer says it holds. Without one, the state
    /// must not be locked; with one, this task must hold it: a lock that was broken meanwhile is noticed.
    ///
    /// # Errors
    /// `PC-0703` when the lock does not allow it, `PC-0708` when the state is too large, `PC-0101` when it is
    /// none.
    pub async fn state_put(
        &self,
        unit: &UnitPath,
        task: TaskId,
        lock: Option<&str>,
        bytes: &[u8],
        at: Timestamp,
    ) -> Result<StateInfo, Fault> {
        const WHAT: &str = "writing a state";
        let facts = Facts::of(bytes)?;
        // The version is part of the seal, so it is sealed inside the transaction that gives the version.
        let mut txn = self.begin(WHAT).await?;
        check_lock(unit, task, lock, lock_find(&mut txn, unit).await?)?;
        let version: i64 = sqlx::query_scalar("SELECT 1 + coalesce(max(version), 0) FROM state WHERE unit = ?")
            .bind(unit.as_str())
            .fetch_one(&mut *txn)
            .await
            .map_err(database(WHAT))?;
        let sealed = self.seal(label(unit, version), bytes.to_vec()).await?;
        sqlx::query(
            "INSERT INTO state (unit, version, serial, lineage, task, at, sealed) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(unit.as_str())
        .bind(version)
        .bind(facts.serial)
        .bind(&facts.lineage)
        .bind(task.uuid().as_bytes().as_slice())
        .bind(at.to_string())
        .bind(sealed)
        .execute(&mut *txn)
        .await
        .map_err(database(WHAT))?;
        let record = Record::State {
            unit: unit.clone(),
            task,
            version,
            serial: u64::try_from(facts.serial).unwrap_or_default(),
            digest: Digest::of(bytes),
        };
        self.append_in_txn(&mut txn, at, &record).await?;
        self.commit(txn, WHAT).await?;
        to_info((version, facts.serial, facts.lineage, task.uuid().as_bytes().to_vec(), at.to_string()))
    }

    /// Takes a unit's lock for a task, or says who holds it.
    pub async fn state_lock(
        &self,
        unit: &UnitPath,
        task: TaskId,
        lock: &LockInfo,
        at: Timestamp,
    ) -> Result<LockOutcome, Fault> {
        const WHAT: &str = "locking a state";
        let mut txn = self.begin(WHAT).await?;
        if let Some(holder) = lock_find(&mut txn, unit).await? {
            // The tool repeats a request whose answer it did not get.
            let same = holder.task == task && holder.info.id() == lock.id();
            return Ok(if same { LockOutcome::Taken } else { LockOutcome::Held(holder) });
        }
        sqlx::query("INSERT INTO state_lock (unit, id, task, at, info) VALUES (?, ?, ?, ?, ?)")
            .bind(unit.as_str())
            .bind(lock.id())
            .bind(task.uuid().as_bytes().as_slice())
            .bind(at.to_string())
            .bind(lock.json())
            .execute(&mut *txn)
            .await
            .map_err(database(WHAT))?;
        self.commit(txn, WHAT).await?;
        Ok(LockOutcome::Taken)
    }

    /// Releases a unit's lock, if this task holds it under this id.
    pub async fn state_unlock(&self, unit: &UnitPath, task: TaskId, lock: &str) -> Result<UnlockOutcome, Fault> {
        const WHAT: &str = "unlocking a state";
        let mut txn = self.begin(WHAT).await?;
        let Some(holder) = lock_find(&mut txn, unit).await? else { return Ok(UnlockOutcome::NotLocked) };
        if holder.task != task || holder.info.id() != lock {
            return Ok(UnlockOutcome::Held(holder));
        }
        sqlx::query("DELETE FROM state_lock WHERE unit = ?")
            .bind(unit.as_str())
            .execute(&mut *txn)
            .await
            .map_err(database(WHAT))?;
        self.commit(txn, WHAT).await?;
        Ok(UnlockOutcome::Released)
    }

    /// Releases what a task left locked: for a task whose sandbox is gone. Gives the units.
    pub async fn state_unlock_task(&self, task: TaskId) -> Result<Vec<UnitPath>, Fault> {
        const WHAT: &str = "unlocking the states of a task";
        let mut txn = self.begin(WHAT).await?;
        let units: Vec<String> = sqlx::query_scalar("DELETE FROM state_lock WHERE task = ? RETURNING unit")
            .bind(task.uuid().as_bytes().as_slice())
            .fetch_all(&mut *txn)
            .await
            .map_err(database(WHAT))?;
        self.commit(txn, WHAT).await?;
        units.iter().map(|unit| UnitPath::parse(unit).map_err(|error| damaged("a lock", error))).collect()
    }

    /// All locks, by unit: at start, those of tasks that no longer run.
    pub async fn state_lock_list(&self) -> Result<Vec<(UnitPath, Holder)>, Fault> {
        let rows: Vec<(String, String, Vec<u8>, String)> =
            sqlx::query_as("SELECT unit, info, task, at FROM state_lock ORDER BY unit")
                .fetch_all(&self.0.readers)
                .await
                .map_err(database("listing locks"))?;
        rows.into_iter()
            .map(|(unit, info, task, at)| {
                let unit = UnitPath::parse(&unit).map_err(|error| damaged("a lock", error))?;
                Ok((unit, to_holder((info, task, at))?))
            })
            .collect()
    }
}

/// What is read of a state. OpenTofu's encrypted states have both in the clear, too.
#[derive(Deserialize)]
struct Facts {
    serial: i64,
    lineage: String,
}

impl Facts {
    fn of(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > STATE_MAX_BYTES {
            return Err(Fault::new(
                Code::STATE_TOO_LARGE,
                format!("the state has {} bytes, allowed are {STATE_MAX_BYTES}", bytes.len()),
            )
            .remedy("Split the unit: a state of this size is slow in every tool."));
        }
        let bad = |why: String| Fault::new(Code::BAD_REQUEST, format!("what was sent is no state: {why}"));
        // The parser's own words could quote the state.
        let facts: Self = serde_json::from_slice(bytes)
            .map_err(|error| bad(format!("no `serial` and `lineage` (line {})", error.line())))?;
        if facts.lineage.is_empty() || facts.lineage.len() > LINEAGE_MAX_BYTES {
            return Err(bad(format!("its lineage has {} bytes", facts.lineage.len())));
        }
        if facts.serial < 0 {
            return Err(bad("its serial is negative".into()));
        }
        Ok(facts)
    }
}

fn check_lock(unit: &UnitPath, task: TaskId, lock: Option<&str>, holder: Option<Holder>) -> Result<(), Fault> {
    let locked = |why: String| {
        Err(Fault::new(Code::STATE_LOCKED, format!("the state of {unit} may not be written: {why}"))
            .remedy("Run it again. If another process works on this unit outside the runner, stop that first."))
    };
    match (holder, lock) {
        (None, None) => Ok(()),
        (Some(holder), Some(lock)) if holder.task == task && holder.info.id() == lock => Ok(()),
        (Some(holder), _) => locked(format!("task {} holds its lock", holder.task)),
        (None, Some(_)) => locked("the lock that the tool took is not held any more".into()),
    }
}

async fn lock_find(txn: &mut SqliteConnection, unit: &UnitPath) -> Result<Option<Holder>, Fault> {
    let row: Option<HolderRow> = sqlx::query_as("SELECT info, task, at FROM state_lock WHERE unit = ?")
        .bind(unit.as_str())
        .fetch_optional(txn)
        .await
        .map_err(database("reading a lock"))?;
    row.map(to_holder).transpose()
}

type InfoRow = (i64, i64, String, Vec<u8>, String);
type FullRow = (i64, i64, String, Vec<u8>, String, Vec<u8>);
type HolderRow = (String, Vec<u8>, String);

fn to_info((version, serial, lineage, task, at): InfoRow) -> Result<StateInfo, Fault> {
    let serial = u64::try_from(serial).map_err(|error| damaged("a state", error))?;
    Ok(StateInfo { version, serial, lineage, task: TaskId::from_uuid(to_uuid(&task)?), at: to_time("a state", &at)? })
}

fn to_holder((info, task, at): HolderRow) -> Result<Holder, Fault> {
    let info = LockInfo::parse(info.as_bytes()).map_err(|error| damaged("a lock", error))?;
    Ok(Holder { info, task: TaskId::from_uuid(to_uuid(&task)?), at: to_time("a lock", &at)? })
}

fn label(unit: &UnitPath, version: i64) -> Label {
    Label::new("state", &[unit.as_str().as_bytes(), &version.to_be_bytes()])
}
