//! What one launch needs.

use std::path::PathBuf;

use portcullis_model::TaskId;
use portcullis_model::agent::TaskSpec;
pub use portcullis_model::agent::{DOOR_SOCKET, WORK};

use crate::workdir::Workdir;

/// One sandbox to start.
#[derive(Debug)]
pub struct Launch {
    /// The task.
    pub task: TaskId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What the agent does. `read_only` and `read_write` may be empty: the system's folders, [`WORK`] and
    /// the binds are added. With `door` in the spec, `socket` there must be [`DOOR_SOCKET`].
    pub spec: TaskSpec,
    /// What is in `/work` when the first step starts.
    pub workdir: Workdir,
    /// Host folders and files to show inside. They must be readable by others (folders `0755`, files `0644`
    /// or `0755`) but may lie below a folder that is not.
    pub binds: Vec<Bind>,
    /// The door's Unix socket on the host. It must belong to [`Workdir::uid`], or be writable by it.
    pub door: Option<PathBuf>,
    /// Limits.
    pub limits: Limits,
}

/// A host path shown inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Absolute path on the host; a link is followed.
    pub host: PathBuf,
    /// Absolute path inside: `/repo`, `/tools/terraform`, or below `/work`.
    pub inside: String,
    /// What the task may do with it.
    pub access: Access,
}

/// What a task may do with a host path that it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    Read,
    /// Write it: what it writes stays on the host.
    Write,
    /// Write a copy of it (a folder), in memory, that is the task's own and gone with it. At most
    /// [`Limits::disk_bytes`], counted apart from `/work`'s.
    Copy,
}

impl Bind {
    /// Shown read-only.
    pub fn read_only(host: impl Into<PathBuf>, inside: impl Into<String>) -> Self {
        Bind { host: host.into(), inside: inside.into(), access: Access::Read }
    }

    /// Shown as a private copy.
    pub fn copy(host: impl Into<PathBuf>, inside: impl Into<String>) -> Self {
        Bind { host: host.into(), inside: inside.into(), access: Access::Copy }
    }
}

/// What a sandbox may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all its processes, in bytes. What it writes to `/work` is counted apart, by `disk_bytes`.
    pub memory_bytes: u64,
    /// Processes and threads at a time.
    pub pids: u32,
    /// Processor time in percent of one core: 150 is one and a half.
    pub cpu_percent: u32,
    /// Size of `/work` (with `/tmp`), in bytes. It is in memory: nothing of a task is written to disk.
    pub disk_bytes: u64,
    /// Seconds from launch until the task is interrupted; killed when the grace is over.
    pub wall_s: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { memory_bytes: 1 << 30, pids: 512, cpu_percent: 200, disk_bytes: 1 << 30, wall_s: 3600 }
    }
}
