//! What the executor is told at start. Plain data; finds nothing out by itself.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a [`crate::LocalExecutor`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// The static `portcullis-agent` binary (see [`crate::agent_build`]).
    pub agent: PathBuf,
    /// Folder for this executor's private files. Nobody else may use it: leftovers in it are removed at start.
    pub data: PathBuf,
    /// The `bwrap` program. `None`: looked for in the usual places.
    pub bwrap: Option<PathBuf>,
    /// Folder in a cgroup v2 hierarchy below which task groups are made. `None`: the runner's own group
    /// (v1 and v2), or the top of the hierarchy when it is root's.
    pub cgroup: Option<PathBuf>,
    /// User ids that tasks get when the runner is root, one per sandbox. `None`: a range far from usual
    /// ids, chosen from the data folder's path so that runners on one machine do not share any.
    pub uids: Option<Range<u32>>,
    /// Time between an interrupt (SIGINT) and the kill of what still runs.
    pub grace: Duration,
}

impl Settings {
    /// The defaults, with an agent and a data folder.
    pub fn new(agent: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Settings {
            agent: agent.into(),
            data: data.into(),
            bwrap: None,
            cgroup: None,
            uids: None,
            grace: Duration::from_secs(30),
        }
    }
}
