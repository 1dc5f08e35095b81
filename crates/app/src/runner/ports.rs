//! The store as the engine's journal and as the door's state store. Adapters only.

use std::time::{Duration, Instant};

use bytes::Bytes;
use portcullis_broker::{LockAnswer, StatePort, UnlockAnswer};
use portcullis_engine::runtime::Journal;
use portcullis_model::record::StepRecord;
use portcullis_model::state::LockInfo;
use portcullis_model::{Code, Fault, TaskId, UnitPath};
use portcullis_store::{LockOutcome, Store, UnlockOutcome};

use super::now;
use crate::work::took::took;

/// Between two attempts to write to a full disk.
const FULL: Duration = Duration::from_millis(500);

/// The engine's journal.
pub struct StoreJournal(pub Store);

impl Journal for StoreJournal {
    fn commit<'a>(&'a self, record: &'a StepRecord) -> portcullis_engine::runtime::BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let begun = Instant::now();
            let committed = self.0.step_commit(record).await.map(|_| ());
            took("commit a step", &"the engine", begun);
            committed
        })
    }
}

/// The door's state store.
pub struct StoreStates(pub Store);

impl StatePort for StoreStates {
    fn state_get<'a>(&'a self, unit: &'a UnitPath) -> portcullis_broker::BoxFuture<'a, Result<Option<Bytes>, Fault>> {
        Box::pin(async move { Ok(self.0.state_get(unit).await?.map(|version| Bytes::from(version.bytes))) })
    }

    fn state_put<'a>(
        &'a self,
        unit: &'a UnitPath,
        task: TaskId,
        lock: Option<&'a str>,
        state: Bytes,
    ) -> portcullis_broker::BoxFuture<'a, Result<(), Fault>> {
        // The tool has changed the world already, and what it cannot hand over dies with its sandbox.
        Box::pin(
            async move { when_there_is_space(|| self.0.state_put(unit, task, lock, &state, now())).await.map(|_| ()) },
        )
    }

    fn state_lock<'a>(
        &'a self,
        unit: &'a UnitPath,
        task: TaskId,
        lock: &'a LockInfo,
    ) -> portcullis_broker::BoxFuture<'a, Result<LockAnswer, Fault>> {
        Box::pin(async move {
            Ok(match when_there_is_space(|| self.0.state_lock(unit, task, lock, now())).await? {
                LockOutcome::Taken => LockAnswer::Taken,
                LockOutcome::Held(holder) => LockAnswer::Held(holder.info),
            })
        })
    }

    fn state_unlock<'a>(
        &'a self,
        unit: &'a UnitPath,
        task: TaskId,
        lock: &'a str,
    ) -> portcullis_broker::BoxFuture<'a, Result<UnlockAnswer, Fault>> {
        Box::pin(async move {
            Ok(match when_there_is_space(|| self.0.state_unlock(unit, task, lock)).await? {
                UnlockOutcome::Released | UnlockOutcome::NotLocked => UnlockAnswer::Released,
                UnlockOutcome::Held(holder) => UnlockAnswer::Held(holder.info),
            })
        })
    }
}

/// Writes, and while the disk is full waits and writes again. It ends when there is space, or when whoever waits for
/// it gives up: a task that is over, or interrupted.
pub async fn when_there_is_space<T, F>(write: impl Fn() -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    loop {
        match write().await {
            Err(fault) if fault.code() == Code::DISK_FULL => {
                tracing::error!(%fault, "the disk is full: this waits for space");
                tokio::time::sleep(FULL).await;
            }
            other => return other,
        }
    }
}
