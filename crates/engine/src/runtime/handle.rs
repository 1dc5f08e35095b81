//! What the rest of the runner may ask of the engine.

use std::sync::Arc;
use std::time::Duration;

use portcullis_model::record::{RunRecord, TaskRecord};
use portcullis_model::{Digest, Fault, RunId};
use tokio::sync::broadcast;

use super::ports::{Journal, Work};
use crate::core::Settings;

/// Talks to the engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    changes: broadcast::Sender<RunId>,
}

/// Starts the engine on what the store has unfinished (`runs_unfinished`). Needs a tokio runtime.
///
/// # Errors
/// Those of the journal, when what became of the unfinished runs cannot be committed.
pub async fn start(
    unfinished: Vec<(RunRecord, Vec<TaskRecord>)>,
    settings: Settings,
    journal: Arc<dyn Journal>,
    work: Arc<dyn Work>,
) -> Result<Handle, Fault> {
    let _ = (unfinished, settings, journal, work);
    Ok(Handle { changes: broadcast::channel(16).0 })
}

impl Handle {
    /// Hands over a run that the store has accepted. Returns when the engine has it.
    ///
    /// # Errors
    /// `PC-0904` when the engine has stopped; the run is taken up at the next start.
    pub async fn submit(&self, run: RunRecord) -> Result<(), Fault> {
        let _ = run;
        Ok(())
    }

    /// Approves held plans of a run. Returns when it is on record.
    ///
    /// # Errors
    /// `PC-0114`, `PC-0117`, `PC-0706` as [`crate::core::Engine::handle`] says; `PC-0904` when the engine has stopped.
    pub async fn approve(&self, run: RunId, plans: Vec<Digest>, by: String) -> Result<(), Fault> {
        let _ = (run, plans, by);
        Ok(())
    }

    /// Cancels a run. Returns when it is on record; running jobs are interrupted and end after it.
    ///
    /// # Errors
    /// `PC-0114` when no unfinished run has this id, `PC-0904` when the engine has stopped.
    pub async fn cancel(&self, run: RunId, by: String) -> Result<(), Fault> {
        let _ = (run, by);
        Ok(())
    }

    /// Stops: nothing new starts, running jobs are given `grace`, then interrupted. Returns when the engine
    /// has stopped. Calling it again with a shorter time shortens it.
    pub async fn shutdown(&self, grace: Duration) {
        let _ = grace;
    }

    /// Ids of runs of which something changed, after it is on record. A reader that lags misses ids, not
    /// facts: look in the store.
    pub fn subscribe(&self) -> broadcast::Receiver<RunId> {
        self.changes.subscribe()
    }

    /// What is wrong now, for the health page: the journal's last fault, while it refuses to commit.
    pub fn trouble(&self) -> Option<Fault> {
        None
    }
}
