//! `portcullis run logs --follow`: the logs of all tasks as they are written, each line with its unit before it.
//!
//! The run's events say which task has started; its log is then read as a stream, and taken up where it was when the
//! connection breaks. When the run has ended or is held, each log is read to where it is, and that is all.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use portcullis_model::api::EventView;
use portcullis_model::run::{EventKind, TaskState};
use portcullis_model::{Fault, RunId, TaskId, UnitPath};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;

use super::logs::no_such_task;
use crate::cli::output;
use crate::client::follow::is_passing;
use crate::client::{Access, Client, Follow, Watch};
use crate::outcome::Exit;
use crate::render::terminal::{LogFilter, plain};

/// Most logs that are read at once. A runner has a limit on streams.
const STREAMS_MAX: usize = 16;
/// Between two attempts to take up a log.
const PAUSE: Duration = Duration::from_millis(500);

/// What is to be followed.
pub struct Wanted {
    /// The run.
    pub run: RunId,
    /// Only this unit.
    pub unit: Option<UnitPath>,
    /// From this byte of its log.
    pub offset: u64,
    /// As JSON.
    pub json: bool,
    /// How long the runner is waited for.
    pub patience: Duration,
}

/// Follows.
pub async fn run(client: &Client, access: &Access, wanted: &Wanted) -> Result<Exit, Fault> {
    let (starts, mut started) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let places = Semaphore::new(STREAMS_MAX);
    let mut seen = Starts { wanted: wanted.unit.as_ref(), starts, known: BTreeSet::new(), found: false };
    let mut logs = FuturesUnordered::new();
    let log = |(task, unit): (TaskId, UnitPath)| {
        let stopped = stopped.clone();
        let places = &places;
        async move {
            let _place = places.acquire().await;
            Log::new(task, &unit, wanted).until_end(client, access, wanted.patience, stopped).await
        }
    };
    let view = {
        let mut follow = std::pin::pin!(Follow::new(client, access, wanted.run, wanted.patience).until_end(&mut seen));
        loop {
            tokio::select! {
                view = &mut follow => break view?,
                Some(next) = started.recv() => logs.push(log(next)),
                Some(ended) = logs.next(), if !logs.is_empty() => ended?,
            }
        }
    };
    if wanted.unit.is_some() && !seen.found {
        return Err(no_such_task());
    }
    while let Ok(next) = started.try_recv() {
        logs.push(log(next));
    }
    // Nobody listens only when no log is open.
    let _ = stop.send(true);
    while let Some(ended) = logs.next().await {
        ended?;
    }
    Ok(Exit::of_run(view.state))
}

/// Finds out which tasks have started.
struct Starts<'a> {
    wanted: Option<&'a UnitPath>,
    starts: mpsc::UnboundedSender<(TaskId, UnitPath)>,
    known: BTreeSet<TaskId>,
    found: bool,
}

impl Watch for Starts<'_> {
    fn event(&mut self, event: &EventView) {
        let EventKind::Task { task, unit, state, .. } = &event.event else { return };
        if self.wanted.is_some_and(|wanted| wanted != unit) {
            return;
        }
        self.found = true;
        if matches!(state, TaskState::Planning | TaskState::Applying) && self.known.insert(*task) {
            // The receiver lives as long as the events are followed.
            let _ = self.starts.send((*task, unit.clone()));
        }
    }

    fn lost(&mut self, why: &Fault) {
        output::complain(&format!("the runner does not answer: {}; asking again\n", plain(why.message())));
    }

    fn found(&mut self) {
        output::complain("the runner answers again\n");
    }
}

/// How a log is shown.
enum Form {
    /// As it is.
    Raw,
    /// Line by line, with the unit before it.
    Lines(String),
    /// A JSON object for each line.
    Json(UnitPath),
}

/// One task's log.
struct Log {
    task: TaskId,
    offset: u64,
    filter: LogFilter,
    form: Form,
    line: Vec<u8>,
}

impl Log {
    fn new(task: TaskId, unit: &UnitPath, wanted: &Wanted) -> Self {
        let form = match (wanted.json, &wanted.unit) {
            (true, _) => Form::Json(unit.clone()),
            (false, Some(_)) => Form::Raw,
            (false, None) => Form::Lines(plain(unit.as_str())),
        };
        Log { task, offset: wanted.offset, filter: LogFilter::new(output::log_colours()), form, line: Vec::new() }
    }

    /// Until the task has ended, or following has stopped and what there is was read.
    async fn until_end(
        mut self,
        client: &Client,
        access: &Access,
        patience: Duration,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<(), Fault> {
        let mut alive = Instant::now();
        loop {
            let before = self.offset;
            let fault = match self.once(client, access, &mut stopped).await {
                Ok(true) => return self.end(),
                Ok(false) => None,
                Err(fault) => Some(fault),
            };
            if self.offset > before {
                alive = Instant::now();
            }
            if let Some(fault) = fault
                && !access.renews_after(&fault).await
                && (!is_passing(&fault) || alive.elapsed() >= patience)
            {
                return Err(fault);
            }
            // Following ends the pause too.
            let _ = tokio::time::timeout(PAUSE, stopped.wait_for(|stopped| *stopped)).await;
        }
    }

    /// One stream, then what was written since. Whether that is all.
    async fn once(
        &mut self,
        client: &Client,
        access: &Access,
        stopped: &mut watch::Receiver<bool>,
    ) -> Result<bool, Fault> {
        let token = access.token().await?;
        if !*stopped.borrow() {
            let mut stream = client.log_stream(&token, self.task, self.offset).await?;
            loop {
                let part = tokio::select! {
                    part = stream.chunk() => part,
                    _ = stopped.wait_for(|stopped| *stopped) => break,
                };
                // A stream that breaks is taken up below, from where it was.
                let Ok(Some(part)) = part else { break };
                self.offset += part.len() as u64;
                self.show(&part)?;
            }
        }
        loop {
            let part = client.log_part(&token, self.task, self.offset).await?;
            self.show(&part.bytes)?;
            let more = part.next > self.offset;
            self.offset = self.offset.max(part.next);
            if part.complete || !more {
                return Ok(part.complete || *stopped.borrow());
            }
        }
    }

    fn show(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if matches!(self.form, Form::Raw) {
            return output::print_raw(&self.filter.next(bytes));
        }
        let bytes = if matches!(self.form, Form::Json(_)) { bytes.to_vec() } else { self.filter.next(bytes) };
        for byte in bytes {
            if byte == b'\n' {
                self.end_line()?;
            } else {
                self.line.push(byte);
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), Fault> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        match &self.form {
            Form::Raw => Ok(()),
            Form::Lines(unit) => output::print(&format!("{unit} | {line}\x1b[0m\n")),
            Form::Json(unit) => output::print_json_line(&json!({"unit": unit, "task": self.task, "line": line})),
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        if self.line.is_empty() { Ok(()) } else { self.end_line() }
    }
}
