//! What a task's tools printed: one append-only file per task, readable from any offset while it grows.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use portcullis_model::{Code, Fault, TaskId};
use tokio::sync::watch;

use crate::Store;
use crate::failure::blocking;
use crate::open::make_private_dir;

/// Largest log of a task, in bytes. What comes after is dropped, and the log says so.
pub const LOG_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Most bytes that one read gives.
const CHUNK_MAX_BYTES: usize = 1 << 20;
const CUT: &[u8] = b"\n[the log is over its limit; the rest is not kept]\n";

/// The folder of the logs, and who waits for them.
pub(crate) struct Logs {
    dir: PathBuf,
    /// A task's log wakes those who wait for a log of its shard: a fixed size, nothing to clean up.
    shards: Arc<[watch::Sender<()>]>,
}

impl Logs {
    pub(crate) fn open(dir: PathBuf) -> Result<Self, Fault> {
        make_private_dir(&dir)?;
        Ok(Logs { dir, shards: (0..=u8::MAX).map(|_| watch::Sender::new(())).collect() })
    }

    fn shard(task: TaskId) -> u8 {
        // The last byte of a version 7 UUID is random.
        task.uuid().as_bytes().last().copied().unwrap_or(0)
    }

    fn path(&self, task: TaskId) -> PathBuf {
        self.dir.join(format!("{:02x}", Self::shard(task))).join(format!("{task}.log"))
    }

    fn grown(&self, task: TaskId) -> watch::Sender<()> {
        // There are 256 shards, one for each byte; a default is never used.
        self.shards.get(usize::from(Self::shard(task))).cloned().unwrap_or_default()
    }
}

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
pub struct LogWriter {
    file: File,
    length: u64,
    max: u64,
    grown: watch::Sender<()>,
}

impl LogWriter {
    /// Appends. The bytes are with the operating system when it returns: they outlive the runner's death,
    /// not the machine's.
    ///
    /// # Errors
    /// `PC-0901`, or `PC-0902` when the disk is full.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if bytes.is_empty() || self.length >= self.max {
            return Ok(());
        }
        let room = usize::try_from(self.max - self.length).unwrap_or(usize::MAX);
        let failed = |error: std::io::Error| Fault::io("writing a log", &error);
        match bytes.get(..room).filter(|_| bytes.len() > room) {
            None => self.file.write_all(bytes).map_err(failed)?,
            Some(fits) => {
                self.file.write_all(fits).map_err(failed)?;
                self.file.write_all(CUT).map_err(failed)?;
            }
        }
        self.length = self.length.saturating_add(bytes.len() as u64);
        self.grown.send_replace(());
        Ok(())
    }
}

impl Store {
    /// Opens a task's log for appending; makes it if there is none.
    ///
    /// # Errors
    /// `PC-0901`, or `PC-0902` when the disk is full.
    pub fn log_writer(&self, task: TaskId) -> Result<LogWriter, Fault> {
        let logs = &self.0.logs;
        let path = logs.path(task);
        if let Some(dir) = path.parent() {
            make_private_dir(dir)?;
        }
        let failed = |error: std::io::Error| Fault::io("opening a log", &error);
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Ok(LogWriter { file, length, max: LOG_MAX_BYTES, grown: logs.grown(task) })
    }

    /// Appends once. For more than one append, keep a [`LogWriter`].
    ///
    /// # Errors
    /// `PC-0901`, or `PC-0902` when the disk is full.
    pub fn log_append(&self, task: TaskId, bytes: &[u8]) -> Result<(), Fault> {
        self.log_writer(task)?.append(bytes)
    }

    /// Reads at most `max` bytes (and never more than 1 MiB) from `offset`. A task without a log has an
    /// empty one.
    ///
    /// # Errors
    /// `PC-0116` when `offset` is beyond the end.
    pub async fn log_read(&self, task: TaskId, offset: u64, max: usize) -> Result<LogChunk, Fault> {
        let path = self.0.logs.path(task);
        blocking(move || {
            let failed = |error: std::io::Error| Fault::io("reading a log", &error);
            let mut file = match File::open(path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(failed(error)),
            };
            let length = match &file {
                Some(file) => file.metadata().map_err(failed)?.len(),
                None => 0,
            };
            if offset > length {
                return Err(Fault::new(Code::BAD_CURSOR, format!("offset {offset} is beyond the log's end, {length}"))
                    .remedy("Read on from the offset that the last answer named."));
            }
            let mut bytes = Vec::new();
            if let Some(file) = &mut file {
                file.seek(SeekFrom::Start(offset)).map_err(failed)?;
                // Not beyond `length`, so that the three figures of an answer agree.
                let most = (length - offset).min(max.min(CHUNK_MAX_BYTES) as u64);
                file.take(most).read_to_end(&mut bytes).map_err(failed)?;
            }
            let end = offset.saturating_add(bytes.len() as u64);
            Ok(LogChunk { bytes, end, length })
        })
        .await
    }

    /// Waits until a log is longer than `length`. Cancel it when the task has ended: a log that is complete
    /// never grows.
    ///
    /// # Errors
    /// `PC-0901` when it cannot be read.
    pub async fn log_wait(&self, task: TaskId, length: u64) -> Result<(), Fault> {
        let mut grown = self.0.logs.grown(task).subscribe();
        loop {
            // Marked as seen before the look, so that what is written after the look wakes us.
            grown.mark_unchanged();
            if self.log_read(task, 0, 0).await?.length > length {
                return Ok(());
            }
            if grown.changed().await.is_err() {
                return Err(Fault::new(Code::SHUTTING_DOWN, "the store is closed"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_over_its_limit_is_cut_once_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log =
            LogWriter { file: File::create(&path).unwrap(), length: 0, max: 10, grown: watch::Sender::new(()) };
        log.append(b"12345678").unwrap();
        log.append(b"90abc").unwrap();
        log.append(b"never").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [b"1234567890", CUT].concat());
    }

    #[test]
    fn a_full_disk_is_told_apart() {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut log = LogWriter { file, length: 0, max: 10, grown: watch::Sender::new(()) };
        assert_eq!(log.append(b"x").unwrap_err().code(), Code::DISK_FULL);
    }
}
