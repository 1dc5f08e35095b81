//! Following a run from a command: how it is shown meanwhile, what is shown when it fails, and what Ctrl-C means.

use std::collections::VecDeque;
use std::time::Duration;

use owo_colors::OwoColorize;
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
    /// Until the run has ended or is held; then shows it. The exit code is the run's.
    ///
    /// # Errors
    /// The runner's refusal, or `PC-0002` when it does not come back.
    pub async fn until_end(self, run: RunId, environment: &Environment) -> Result<(RunView, Exit), Fault> {
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
        let view = ended?;
        if !self.target.json {
            self.show_logs(&view).await;
        }
        let exit = Exit::of_run(view.state);
        Ok((view, exit))
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
    async fn show_logs(&self, run: &RunView) {
        let failed = run.tasks.iter().filter(|task| matches!(task.state, TaskState::Failed { .. }));
        for task in failed.take(LOGS_MAX) {
            match self.log_end(task.id).await {
                Ok(lines) if lines.is_empty() => {}
                Ok(lines) => {
                    let unit = render::terminal::plain(task.unit.as_str());
                    let text = format!("\n{}\n{lines}\x1b[0m", format!("The end of the log of {unit}:").bold());
                    if output::print(&text).is_err() {
                        return;
                    }
                }
                Err(fault) => output::complain(&render::fault::text(&fault)),
            }
        }
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
        Ok(lines.iter().skip(skipped).map(|line| format!("  | {line}\n")).collect())
    }
}

/// Says nothing: for `--json`.
struct Silent;

impl Watch for Silent {
    fn event(&mut self, _: &portcullis_model::api::EventView) {}
    fn lost(&mut self, _: &Fault) {}
    fn found(&mut self) {}
}
