//! What the engine needs of the world, and how it asks a job to stop. Implemented by `app`.

use std::future::Future;
use std::pin::Pin;

use portcullis_model::Fault;
use portcullis_model::record::{RunRecord, StepRecord};
use tokio::sync::watch;

use crate::core::{JobDone, JobRequest, Prepared};

/// A boxed future, so that the ports can be used as trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps what the engine decides.
pub trait Journal: Send + Sync + 'static {
    /// Commits all of a step in one transaction, or nothing of it. A step that failed is offered again, the
    /// same one, until it is taken.
    fn commit<'a>(&'a self, record: &'a StepRecord) -> BoxFuture<'a, Result<(), Fault>>;
}

/// Does what the engine decides. A panic of either method counts as a fault, and ends that task or run only.
pub trait Work: Send + Sync + 'static {
    /// Decides the units of a run. Executes nothing of the repository.
    fn prepare(&self, run: RunRecord) -> BoxFuture<'_, Result<Prepared, Fault>>;

    /// Does one job. When `stop` is raised it ends soon, cleanly, in [`JobDone::Interrupted`] or in whatever
    /// it had come to by then. It is always polled to its end, but for a killed process.
    fn perform(&self, request: JobRequest, stop: Stop) -> BoxFuture<'_, JobDone>;
}

/// Asks a job to stop. Clones see the same request.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A signal, and the way to raise it: send `true`.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (raise, signal) = watch::channel(false);
        (raise, Stop(signal))
    }

    /// Whether it was asked.
    pub fn is_raised(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is asked. Never returns if it never is.
    pub async fn raised(&mut self) {
        if self.0.wait_for(|raised| *raised).await.is_err() {
            // The engine let go of its end without asking: it never will.
            std::future::pending::<()>().await;
        }
    }
}
