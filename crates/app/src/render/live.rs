//! A run as it goes on: a live view on a terminal, a line for each change elsewhere.
//!
//! Both are [`Watch`]ers and write to standard error, so that standard output holds the result alone.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use owo_colors::OwoColorize;
use portcullis_model::api::EventView;
use portcullis_model::run::{EventKind, PlanSummary, RunState, TaskState};
use portcullis_model::{Fault, TaskId, UnitPath};

use super::terminal::plain;
use super::{next, plan, run, style, time};
use crate::client::Watch;

/// How often the live view moves.
const TICK: Duration = Duration::from_millis(120);
/// Most running tasks that have a line of their own.
const LINES_MAX: usize = 12;

/// What is known of the tasks of a run from its events alone.
#[derive(Debug, Default)]
struct Tally {
    states: BTreeMap<TaskId, TaskState>,
    started: BTreeMap<TaskId, String>,
}

impl Tally {
    /// Takes a task's new state in. The line that says it, if it is worth one.
    fn take(
        &mut self,
        at: &str,
        task: TaskId,
        unit: &UnitPath,
        state: &TaskState,
        sum: Option<&PlanSummary>,
    ) -> Option<String> {
        let known = self.states.insert(task, state.clone());
        if is_active(state) {
            self.started.entry(task).or_insert_with(|| at.to_owned());
        }
        // A unit that waits is no news; one that waits again is, as its runner was restarted.
        if known.as_ref() == Some(state) || (*state == TaskState::Waiting && known.is_none()) {
            return None;
        }
        let took = time::between(self.started.get(&task).map(String::as_str), Some(at));
        let took = took.filter(|_| state.is_final()).map(time::duration).unwrap_or_default();
        let (word, look) = style::task(state);
        let word = format!("{word:<13}");
        let change = sum.filter(|_| !is_active(state)).map(plan::short).unwrap_or_default();
        let parts = [plain(unit.as_str()), change, took, run::remark(state)];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Some(format!("{} {}", word.style(look), parts.join("  ")))
    }

    fn count(&self, of: impl Fn(&TaskState) -> bool) -> usize {
        self.states.values().filter(|state| of(state)).count()
    }
}

fn is_active(state: &TaskState) -> bool {
    matches!(state, TaskState::Planning | TaskState::Applying)
}

/// What an event of the run itself says.
fn of_run(event: &EventKind, tasks: usize) -> Option<String> {
    match event {
        EventKind::Run { state: RunState::Running, message } => {
            let message = message.as_deref().map(|message| format!(": {}", plain(message))).unwrap_or_default();
            Some(format!("{}{message}", next::count(tasks, "unit")))
        }
        EventKind::Run { state, message } => {
            let (word, look) = style::run(*state);
            let message = message.as_deref().map(|message| format!(": {}", plain(message))).unwrap_or_default();
            Some(format!("{}{message}", format!("run {word}").style(look)))
        }
        EventKind::Approved { by, plans } => {
            Some(format!("{} by {}", next::count(plans.len(), "plan").green(), plain(by)).replacen(
                " by ",
                " approved by ",
                1,
            ))
        }
        EventKind::Task { .. } => None,
    }
}

fn lost_line(why: &Fault) -> String {
    format!("{} {}; asking again", "the runner does not answer:".yellow(), plain(why.message()))
}

/// A line for each change.
pub struct Lines<W: FnMut(&str)> {
    tally: Tally,
    say: W,
    lost: bool,
}

impl<W: FnMut(&str)> Lines<W> {
    /// Says each line, which has no line end, with this.
    pub fn new(say: W) -> Self {
        Lines { tally: Tally::default(), say, lost: false }
    }
}

impl<W: FnMut(&str)> Watch for Lines<W> {
    fn event(&mut self, event: &EventView) {
        let line = match &event.event {
            EventKind::Task { task, unit, state, summary } => {
                self.tally.take(&event.at, *task, unit, state, summary.as_ref())
            }
            other => of_run(other, self.tally.states.len()),
        };
        if let Some(line) = line {
            (self.say)(&line);
        }
    }

    fn lost(&mut self, why: &Fault) {
        // Once, not for every attempt.
        if !std::mem::replace(&mut self.lost, true) {
            (self.say)(&lost_line(why));
        }
    }

    fn found(&mut self) {
        self.lost = false;
        (self.say)(&"the runner answers again".green().to_string());
    }
}

/// The live view: what has happened, above; a bar and a line for each running task, below.
pub struct Live {
    tally: Tally,
    all: MultiProgress,
    bar: ProgressBar,
    running: BTreeMap<TaskId, ProgressBar>,
    paint: fn(&str) -> String,
}

impl Live {
    /// On standard error. `paint` takes styles out where they are not wanted.
    pub fn new(paint: fn(&str) -> String) -> Self {
        Self::on(ProgressDrawTarget::stderr(), paint)
    }

    fn on(target: ProgressDrawTarget, paint: fn(&str) -> String) -> Self {
        let all = MultiProgress::with_draw_target(target);
        let bar = all.add(ProgressBar::new(0));
        bar.set_style(styled("{spinner} {msg}  {elapsed}"));
        bar.set_message("waiting for the runner to decide on units");
        bar.enable_steady_tick(TICK);
        Live { tally: Tally::default(), all, bar, running: BTreeMap::new(), paint }
    }

    fn say(&self, line: &str) {
        // A terminal that is gone shows nothing; the run is followed all the same.
        let _ = self.all.println((self.paint)(line));
    }

    fn update(&mut self, task: TaskId, unit: &UnitPath, state: &TaskState) {
        if is_active(state) {
            let (word, look) = style::task(state);
            let text = (self.paint)(&format!("{} {}", format!("{word:<13}").style(look), plain(unit.as_str())));
            if let Some(line) = self.running.get(&task) {
                line.set_message(text);
            } else if self.running.len() < LINES_MAX {
                let line = self.all.add(ProgressBar::new_spinner());
                line.set_style(styled("{spinner} {msg}  {elapsed}"));
                line.enable_steady_tick(TICK);
                line.set_message(text);
                self.running.insert(task, line);
            }
        } else if let Some(line) = self.running.remove(&task) {
            line.finish_and_clear();
            self.all.remove(&line);
        }
        if self.bar.length() == Some(0) {
            self.bar.set_style(styled("{bar:30} {pos}/{len}  {msg}  {elapsed}"));
        }
        self.bar.set_length(self.tally.states.len() as u64);
        self.bar.set_position(self.tally.count(TaskState::is_final) as u64);
        let counts = [
            ("running", self.tally.count(is_active)),
            ("waiting", self.tally.count(|state| *state == TaskState::Waiting)),
            ("held", self.tally.count(|state| matches!(state, TaskState::Held { .. }))),
            ("failed", self.tally.count(|state| matches!(state, TaskState::Failed { .. } | TaskState::Blocked { .. }))),
        ];
        let counts: Vec<String> =
            counts.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{count} {word}")).collect();
        self.bar.set_message(counts.join(", "));
    }
}

impl Watch for Live {
    fn event(&mut self, event: &EventView) {
        if let EventKind::Task { task, unit, state, summary } = &event.event {
            let line = self.tally.take(&event.at, *task, unit, state, summary.as_ref());
            // What is running has a line below.
            if let Some(line) = line.filter(|_| !is_active(state)) {
                self.say(&line);
            }
            self.update(*task, unit, state);
        } else if let Some(line) = of_run(&event.event, self.tally.states.len()) {
            self.say(&line);
        }
    }

    fn lost(&mut self, why: &Fault) {
        self.bar.set_message((self.paint)(&lost_line(why)));
    }

    fn found(&mut self) {
        self.bar.set_message("");
        self.say(&"the runner answers again".green().to_string());
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        for line in self.running.values() {
            line.finish_and_clear();
        }
        self.bar.finish_and_clear();
    }
}

/// The bar is drawn without one where the template is not understood.
fn styled(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ").tick_chars("-\\|/ ")
}
