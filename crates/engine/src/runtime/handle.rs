//! What the rest of the runner may ask of the engine.

use std::sync::Arc;
use std::time::Duration;

use portcullis_model::record::{RunRecord, TaskRecord};
use portcullis_model::{Code, Digest, Fault, RunId};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::actor::{Actor, Message};
use super::ports::{Journal, Work};
use crate::core::{Event, Settings};

/// Requests that wait for the engine. More wait in their callers.
const INBOX: usize = 64;
/// Changes that a slow subscriber may be behind.
const CHANGES: usize = 1024;

/// Talks to the engine. Cheap to clone. When the last one is dropped, the engine stops as if told to.
#[derive(Debug, Clone)]
pub struct Handle {
    inbox: mpsc::Sender<Message>,
    changes: broadcast::Sender<RunId>,
    trouble: watch::Receiver<Option<Fault>>,
    deadline: Arc<watch::Sender<Option<Instant>>>,
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
    let (inbox, messages) = mpsc::channel(INBOX);
    let (changes, _) = broadcast::channel(CHANGES);
    let (trouble_out, trouble) = watch::channel(None);
    let (deadline, deadline_in) = watch::channel(None);
    let handle = Handle { inbox, changes: changes.clone(), trouble, deadline: Arc::new(deadline) };
    let actor = Actor::start(unfinished, settings, journal, work, changes, trouble_out, deadline_in).await?;
    tokio::spawn(actor.run(messages));
    Ok(handle)
}

impl Handle {
    /// Hands over a run that the store has accepted. Returns when the engine has it.
    ///
    /// # Errors
    /// `PC-0904` when the engine has stopped; the run is taken up at the next start.
    pub async fn submit(&self, run: RunRecord) -> Result<(), Fault> {
        self.ask(Event::Accepted(Box::new(run))).await
    }

    /// Approves held plans of a run. Returns when it is on record.
    ///
    /// # Errors
    /// `PC-0114`, `PC-0117`, `PC-0706`, `PC-0101` as [`crate::core::Engine::handle`] says; `PC-0904` when the
    /// engine has stopped.
    pub async fn approve(&self, run: RunId, plans: Vec<Digest>, by: String) -> Result<(), Fault> {
        self.ask(Event::Approve { run, plans, by }).await
    }

    /// Cancels a run. Returns when it is on record; running jobs are interrupted and end after it.
    ///
    /// # Errors
    /// `PC-0114` when no unfinished run has this id, `PC-0904` when the engine has stopped.
    pub async fn cancel(&self, run: RunId, by: String) -> Result<(), Fault> {
        self.ask(Event::Cancel { run, by }).await
    }

    /// Stops: nothing new starts, running jobs are given `grace`, then interrupted. Returns when the engine
    /// has stopped and every job has ended. Calling it again with a shorter time shortens it.
    pub async fn shutdown(&self, grace: Duration) {
        let at = Instant::now() + grace;
        self.deadline.send_modify(|deadline| *deadline = Some(deadline.map_or(at, |earlier| earlier.min(at))));
        self.inbox.closed().await;
    }

    /// Ids of runs of which something changed, after it is on record. A reader that lags misses ids, not
    /// facts: look in the store.
    pub fn subscribe(&self) -> broadcast::Receiver<RunId> {
        self.changes.subscribe()
    }

    /// What is wrong now, for the health page: the journal's last fault, while it refuses to commit.
    pub fn trouble(&self) -> Option<Fault> {
        self.trouble.borrow().clone()
    }

    async fn ask(&self, event: Event) -> Result<(), Fault> {
        let stopped = || {
            Fault::new(Code::SHUTTING_DOWN, "the engine has stopped")
                .remedy("Try again when the runner has been started again; what it had accepted goes on then.")
        };
        let (answer, answered) = oneshot::channel();
        self.inbox.send(Message { event, answer }).await.map_err(|_| stopped())?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }
}
