//! The runner's own state store: every version of every unit's state, sealed, and one lock per unit.

use jiff::Timestamp;
use portcullis_model::state::LockInfo;
use portcullis_model::{Fault, TaskId, UnitPath};

use crate::Store;
use crate::decisions::unbuilt;

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
        let _ = unit;
        Err(unbuilt())
    }

    /// One version of a unit's state.
    ///
    /// # Errors
    /// `PC-0702` when it does not open.
    pub async fn state_get_version(&self, unit: &UnitPath, version: i64) -> Result<Option<StateVersion>, Fault> {
        let _ = (unit, version);
        Err(unbuilt())
    }

    /// The newest version of a unit's state, without opening it.
    pub async fn state_info(&self, unit: &UnitPath) -> Result<Option<StateInfo>, Fault> {
        let _ = unit;
        Err(unbuilt())
    }

    /// The versions of a unit's state, newest first, below `before`.
    pub async fn state_versions(
        &self,
        unit: &UnitPath,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<StateInfo>, Fault> {
        let _ = (unit, before, limit);
        Err(unbuilt())
    }

    /// The units that have a state, with the newest version of each.
    pub async fn state_list(&self) -> Result<Vec<(UnitPath, StateInfo)>, Fault> {
        Err(unbuilt())
    }

    /// Writes a new version. `lock`: the id of the lock that the writer says it holds.
    ///
    /// # Errors
    /// `PC-0703` when the state is locked and not by this task with this lock, `PC-0708` when it is too large,
    /// `PC-0101` when it is no state.
    pub async fn state_put(
        &self,
        unit: &UnitPath,
        task: TaskId,
        lock: Option<&str>,
        bytes: &[u8],
        at: Timestamp,
    ) -> Result<StateInfo, Fault> {
        let _ = (unit, task, lock, bytes, at);
        Err(unbuilt())
    }

    /// Takes a unit's lock for a task, or says who holds it.
    pub async fn state_lock(
        &self,
        unit: &UnitPath,
        task: TaskId,
        lock: &LockInfo,
        at: Timestamp,
    ) -> Result<LockOutcome, Fault> {
        let _ = (unit, task, lock, at);
        Err(unbuilt())
    }

    /// Releases a unit's lock, if this task holds it under this id.
    pub async fn state_unlock(&self, unit: &UnitPath, task: TaskId, lock: &str) -> Result<UnlockOutcome, Fault> {
        let _ = (unit, task, lock);
        Err(unbuilt())
    }

    /// Releases what a task left locked: for a task whose sandbox is gone. Gives the units.
    pub async fn state_unlock_task(&self, task: TaskId) -> Result<Vec<UnitPath>, Fault> {
        let _ = task;
        Err(unbuilt())
    }

    /// All locks: at start, those of tasks that no longer run.
    pub async fn state_lock_list(&self) -> Result<Vec<(UnitPath, Holder)>, Fault> {
        Err(unbuilt())
    }
}
