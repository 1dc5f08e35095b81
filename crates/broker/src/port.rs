//! [`StatePort`]: what the door needs of a state store.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use portcullis_model::state::LockInfo;
use portcullis_model::{Fault, TaskId, UnitPath};

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The answer to a request for a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockAnswer {
    /// The task holds it (also when it held this very lock before).
    Taken,
    /// Somebody else holds it: their lock.
    Held(LockInfo),
}

/// The answer to a request to unlock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnlockAnswer {
    /// It is not locked any more, or was not.
    Released,
    /// Another lock is held; nothing was released.
    Held(LockInfo),
}

/// A state store, as the door uses it. The door has judged each call: a port does as it is told.
pub trait StatePort: Send + Sync + 'static {
    /// The newest state of a unit.
    fn state_get<'a>(&'a self, unit: &'a UnitPath) -> BoxFuture<'a, Result<Option<Bytes>, Fault>>;

    /// Writes a new version. `lock` is the id that the tool sent along.
    ///
    /// Errors: `PC-0703` when the state is locked and not by this task under this id, `PC-0101` when it is no
    /// state, `PC-0708` when it is too large.
    fn state_put<'a>(
        &'a self,
        unit: &'a UnitPath,
        task: TaskId,
        lock: Option<&'a str>,
        state: Bytes,
    ) -> BoxFuture<'a, Result<(), Fault>>;

    /// Takes the lock.
    fn state_lock<'a>(
        &'a self,
        unit: &'a UnitPath,
        task: TaskId,
        lock: &'a LockInfo,
    ) -> BoxFuture<'a, Result<LockAnswer, Fault>>;

    /// Gives the lock back.
    fn state_unlock<'a>(
        &'a self,
        unit: &'a UnitPath,
        task: TaskId,
        lock: &'a str,
    ) -> BoxFuture<'a, Result<UnlockAnswer, Fault>>;
}
