//! A sandbox that runs, and what came of it.

use std::collections::BTreeMap;

use portcullis_model::Fault;
use portcullis_model::agent::{Ended, Report};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Takes what a sandbox says, as it comes. Called from the runtime: be quick.
pub trait Sink {
    /// Log bytes as the tools printed them; not always whole lines, not always UTF-8.
    fn log(&mut self, bytes: &[u8]);
    /// `Ready`, `StepStarted` and `StepEnded`, checked against the spec.
    fn step(&mut self, report: &Report);
}

/// What came of a launch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// One for each step that the agent reported as ended, in the order of the spec.
    pub steps: Vec<StepOutcome>,
    /// What steps collected and printed into artifacts, by name.
    pub artifacts: BTreeMap<String, Vec<u8>>,
    /// Why the task failed; `None` when no step did.
    pub fault: Option<Fault>,
    /// Index of the first step that failed, where it is a step that failed.
    pub failed: Option<usize>,
    /// It was interrupted: by [`Running::interrupt`] or by its time limit.
    pub interrupted: bool,
    /// Milliseconds from launch to the closed sandbox (`Ready`).
    pub launch_ms: u64,
}

/// How one step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOutcome {
    /// How.
    pub ended: Ended,
    /// Wall time in milliseconds.
    pub wall_ms: u64,
    /// Peak resident memory of its largest process, in KiB.
    pub peak_kib: u64,
}

/// A sandbox that runs. Dropping it kills the sandbox.
#[derive(Debug)]
pub struct Running {
    pub(crate) interrupts: mpsc::UnboundedSender<()>,
    pub(crate) supervisor: JoinHandle<Outcome>,
}

impl Running {
    /// Interrupts the running step (SIGINT to its process group; SIGKILL when the grace is over) and starts
    /// no further steps but `Always` ones. May be called often.
    pub fn interrupt(&self) {
        // A sandbox that has ended already needs no interrupt.
        let _ = self.interrupts.send(());
    }

    /// [`Running::interrupt`] for while somebody waits.
    pub fn interrupter(&self) -> impl Fn() + Send + 'static {
        let interrupts = self.interrupts.clone();
        move || {
            let _ = interrupts.send(());
        }
    }

    /// Waits for the end. All of the sandbox's processes are gone when this returns.
    pub async fn wait(self) -> Outcome {
        let Running { interrupts, supervisor } = self;
        let outcome = supervisor.await;
        drop(interrupts);
        outcome.unwrap_or_else(|error| Outcome {
            fault: Some(Fault::internal(format!("the supervisor of a sandbox ended: {error}"))),
            ..Outcome::default()
        })
    }
}
