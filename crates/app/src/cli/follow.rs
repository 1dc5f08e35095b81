//! Following a run from a command: how it is shown meanwhile, what is shown when it fails, and what Ctrl-C means.

use std::collections::VecDeque;
use std::time::Duration;

use portcullis_model::api::RunView;
use portcullis_model::run::TaskState;
use portcullis_model::{Fault, RunId, TaskId};

use super::output;
use super::target::Target;
use crate::client::{Access, Client, Follow, Watch};
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render;
use crate::render::live::{Lines, Live};
use crate::render::run::Logs;
use crate::render::terminal::LogFilter;

/// Most lines of a failed task's log that are shown at the end.
const LOG_LINES_MAX: usize = 60;
/// Most failed tasks whose log is shown at the end.
const LOGS_MAX: usize = 5;

/// How long a runner is waited for.
#[derive(Debug, clap::Args)]
pub struct Patience {
    /// While following: how long to wait for a runner that does not answer
    #[arg(long = "patience", value_name = "SECONDS", default_value_t = 120)]
    seconds: u64,
}

impl Patience {
    /// As a duration.
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// How following a run ended.
pub struct Ended {
    /// The run, as it is now.
    pub run: RunView,
    /// The ends of the logs of tasks that failed.
    pub logs: Logs,
    /// The run's exit code.
    pub exit: Exit,
}

/// A run that a command follows.
pub struct Following<'a> {
    /// Its runner.
    pub client: &'a Client,
    /// What it is read with.
    pub access: Access,
    /// The options that led there.
    pub target: &'a Target,
    /// How long the runner is waited for.
    pub patience: Duration,
}

impl Following<'_> {
    /// Until the run has ended or is held.
    ///
    /// # Errors
    /// The runner's refusal, or `PC-0002` when it does not come back.
    pub async fn until_end(self, run: RunId, environment: &Environment) -> Result<Ended, Fault> {
        let mut watch: Box<dyn Watch> = if self.target.json {
            Box::new(Silent)
        } else if output::is_live(environment.get("TERM")) {
            Box::new(Live::new(output::painted))
        } else {
            Box::new(Lines::new(|line: &str| output::complain(&format!("{line}\n"))))
        };
        let follow = Follow::new(self.client, &self.access, run, self.patience);
        let ended = tokio::select! {
            ended = follow.until_end(watch.as_mut()) => ended,
            _ = tokio::signal::ctrl_c() => {
                drop(watch);
                self.interrupted(run, environment);
            }
        };
        drop(watch);
        let run = ended?;
        let logs = if self.target.json { Logs::new() } else { self.logs(&run).await };
        Ok(Ended { exit: Exit::of_run(run.state), run, logs })
    }

    /// The run is not this command's: it goes on.
    fn interrupted(&self, run: RunId, environment: &Environment) -> ! {
        let options = self.target.place(environment).options;
        output::complain(&format!(
            "\nThe run goes on. Take it up again, or end it, with:\n\n    \
             portcullis run show {run} --follow{options}\n    portcullis run cancel {run}{options}\n"
        ));
        std::process::exit(Exit::INTERRUPTED);
    }

    /// The ends of the logs of failed tasks. What cannot be read is said; the run's own end is not changed by it.
    async fn logs(&self, run: &RunView) -> Logs {
        let mut logs = Logs::new();
        let failed = run.tasks.iter().filter(|task| matches!(task.state, TaskState::Failed { .. }));
        for task in failed.take(LOGS_MAX) {
            match self.log_end(task.id).await {
                Ok(lines) => _ = logs.insert(task.id, lines),
                Err(fault) => output::complain(&render::fault::text(&fault)),
            }
        }
        logs
    }

    async fn log_end(&self, task: TaskId) -> Result<String, Fault> {
        let mut filter = LogFilter::new(output::log_colours());
        let (mut lines, mut rest, mut offset) = (VecDeque::new(), Vec::new(), 0);
        loop {
            let token = self.access.token().await?;
            let part = self.client.log_part(&token, task, offset).await?;
            for piece in filter.next(&part.bytes).split_inclusive(|byte| *byte == b'\n') {
                rest.extend_from_slice(piece);
                if piece.ends_with(b"\n") {
                    lines.push_back(String::from_utf8_lossy(&rest).trim_end().to_owned());
                    rest.clear();
                }
                if lines.len() > LOG_LINES_MAX {
                    lines.pop_front();
                }
            }
            if part.complete || part.next <= offset {
                break;
            }
            offset = part.next;
        }
        if !rest.is_empty() {
            lines.push_back(String::from_utf8_lossy(&rest).into_owned());
        }
        let skipped = lines.len().saturating_sub(LOG_LINES_MAX);
        Ok(lines.iter().skip(skipped).map(|line| format!("    | {line}\x1b[0m\n")).collect())
    }
}

/// Says nothing: for `--json`.
struct Silent;

impl Watch for Silent {
    fn event(&mut self, _: &portcullis_model::api::EventView) {}
    fn lost(&mut self, _: &Fault) {}
    fn found(&mut self) {}
}
