//! What the engine asks for: preparing runs, planning and applying units.
//!
//! | module | holds |
//! |---|---|
//! | [`prepare`] | which units a run is about, and in which order |
//! | [`perform`] | one unit's plan or apply: plan, compare, decide |
//! | [`act`] | a declared action: its program, once |
//! | [`subject`] | the unit at its commit, and what goes into it |
//! | [`drive`] | the unit through its driver |
//! | [`retry`] | whether what failed is tried again |
//! | [`network`] | what a task's door leads to |
//! | [`sandbox`] | one recipe in one sandbox, with its door and its log |
//! | [`checkout`] | the repository at a commit, as a read-only folder for sandboxes |
//! | [`outputs`] | a unit's outputs, read from its state |
//! | [`took`] | how long each part took |
//!
//! Whether a plan may be applied is `engine::decide`'s; this module gathers what the decision depends on.

pub mod act;
pub mod checkout;
pub mod drive;
pub mod network;
pub mod outputs;
pub mod perform;
pub mod prepare;
pub mod retry;
pub mod sandbox;
pub mod subject;
pub mod took;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use portcullis_engine::{BoxFuture, JobDone, JobRequest, Prepared, Stop, Work};
use portcullis_estate::Estate;
use portcullis_exec::LocalExecutor;
use portcullis_mirror::Mirror;
use portcullis_model::record::RunRecord;
use portcullis_model::{CommitId, Digest, Fault};
use portcullis_sources::Sources;
use portcullis_store::Store;

use crate::gate::entry::not_ready;
use crate::runner::definition::{Definition, Definitions};
use crate::runner::tool::Tool;
use checkout::Checkouts;
use network::Network;

/// Does the engine's work.
pub struct Worker {
    pub(crate) store: Store,
    pub(crate) mirror: Arc<Mirror>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) executor: LocalExecutor,
    definitions: Arc<Definitions>,
    pub(crate) checkouts: Checkouts,
    pub(crate) doors: PathBuf,
    pub(crate) network: Network,
}

impl Worker {
    /// Of its parts.
    ///
    /// # Errors
    /// Those of the data folder.
    pub fn new(
        store: Store,
        mirror: Arc<Mirror>,
        sources: Arc<Sources>,
        executor: LocalExecutor,
        definitions: Arc<Definitions>,
        network: Network,
        data: &Path,
    ) -> Result<Self, Fault> {
        let doors = data.join("doors");
        std::fs::create_dir_all(&doors).map_err(|error| Fault::io(doors.display(), &error))?;
        let checkouts = Checkouts::open(data.join("checkouts"))?;
        Ok(Worker { store, mirror, sources, executor, definitions, checkouts, doors, network })
    }

    /// The definition that a run goes by: the one that was in force when it was accepted.
    pub(crate) async fn definition(&self, run: &RunRecord) -> Result<Arc<Definition>, Fault> {
        match &run.definition {
            Some(pin) => self.definitions.pinned(pin).await,
            None => self.definitions.in_force().ok_or_else(not_ready),
        }
    }

    /// A program of a declared action.
    pub(crate) async fn program(&self, name: &str, sha256: Digest) -> Result<Tool, Fault> {
        self.definitions.program(name, sha256).await
    }

    /// The estate at a commit.
    pub(crate) async fn estate(&self, definition: &Definition, commit: &CommitId) -> Result<Arc<Estate>, Fault> {
        self.definitions.estate(definition, commit).await
    }
}

impl Work for Worker {
    fn prepare(&self, run: RunRecord) -> BoxFuture<'_, Result<Prepared, Fault>> {
        Box::pin(async move {
            let begun = Instant::now();
            let prepared = prepare::prepare(self, &run).await;
            took::took("prepare the run", &run.id, begun);
            prepared
        })
    }

    fn perform(&self, request: JobRequest, stop: Stop) -> BoxFuture<'_, JobDone> {
        Box::pin(async move { perform::perform(self, &request, stop).await })
    }
}
