//! What a task's tools printed: one append-only file per task, readable from any offset while it grows.

use portcullis_model::{Fault, TaskId};

use crate::Store;
use crate::decisions::unbuilt;

/// Largest log of a task, in bytes. What comes after is dropped, and the log says so.
pub const LOG_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// A piece of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The offset after them: where to read on.
    pub end: u64,
    /// The log's length now, in bytes.
    pub length: u64,
}

/// Appends to one task's log. Blocking; each append is one write to the file.
#[derive(Debug)]
pub struct LogWriter {}

impl LogWriter {
    /// Appends. The bytes are with the operating system when it returns: they outlive the runner's death,
    /// not the machine's.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let _ = bytes;
        Err(unbuilt())
    }
}

impl Store {
    /// Opens a task's log for appending; makes it if there is none.
    pub fn log_writer(&self, task: TaskId) -> Result<LogWriter, Fault> {
        let _ = task;
        Err(unbuilt())
    }

    /// Appends once. For more than one append, keep a [`LogWriter`].
    pub fn log_append(&self, task: TaskId, bytes: &[u8]) -> Result<(), Fault> {
        self.log_writer(task)?.append(bytes)
    }

    /// Reads at most `max` bytes (and never more than 1 MiB) from `offset`. A task without a log has an
    /// empty one.
    ///
    /// # Errors
    /// `PC-0116` when `offset` is beyond the end.
    pub async fn log_read(&self, task: TaskId, offset: u64, max: usize) -> Result<LogChunk, Fault> {
        let _ = (task, offset, max);
        Err(unbuilt())
    }

    /// Waits until a log is longer than `length`. Cancel it when the task has ended: a log that is complete
    /// never grows.
    pub async fn log_wait(&self, task: TaskId, length: u64) -> Result<(), Fault> {
        let _ = (task, length);
        Err(unbuilt())
    }
}
