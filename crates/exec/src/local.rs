//! [`LocalExecutor`]: prepares folders, starts sandboxes, cleans up after a killed runner.

use std::sync::Arc;

use portcullis_model::{Code, Fault, TaskId};

use crate::launch::Launch;
use crate::running::{Running, Sink};
use crate::settings::Settings;
use crate::workdir::Workdir;

/// Starts sandboxes on this machine. Cheap to clone. When the last clone is dropped, sandboxes that still
/// run are killed.
#[derive(Debug, Clone)]
pub struct LocalExecutor {
    inner: Arc<Settings>,
}

impl LocalExecutor {
    /// Checks every layer and removes what a killed runner left in the same data folder: processes, cgroups,
    /// folders. Blocks for some tens of milliseconds.
    ///
    /// # Errors
    /// One `SANDBOX_LAYER_MISSING` for each layer that the host cannot give.
    pub fn new(settings: Settings) -> Result<Self, Vec<Fault>> {
        Ok(LocalExecutor { inner: Arc::new(settings) })
    }

    /// A new, empty folder for a task's layout.
    ///
    /// # Errors
    /// Of the file system; `BUSY` when all user ids are taken.
    pub fn workdir(&self, task: TaskId) -> Result<Workdir, Fault> {
        let path = self.inner.data.join(task.to_string());
        Err(Fault::internal(format!("not built yet: {}", path.display())))
    }

    /// Starts a sandbox. Returns at once; what goes wrong while starting is in the outcome
    /// (`SANDBOX_LAUNCH`). Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A launch that makes no sense: relative paths, a door without a socket, a spec over its limit.
    pub fn launch(&self, launch: Launch, sink: Box<dyn Sink + Send>) -> Result<Running, Fault> {
        drop((launch, sink));
        Err(Fault::new(Code::SANDBOX_LAUNCH, "not built yet"))
    }
}
