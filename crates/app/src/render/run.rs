//! A run as text for people: what it is, a table of its tasks, what each plan changes, and what to do next.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use owo_colors::{OwoColorize, Style};
use portcullis_model::api::{RunPage, RunView, TaskView};
use portcullis_model::run::{TaskResult, TaskState};
use portcullis_model::{ActionKind, TaskId};

use super::next::{self, Place};
use super::table::{self, Cell};
use super::terminal::plain;
use super::{fault, plan, style, time};

/// Ends of the logs of tasks that failed, ready to be shown.
pub type Logs = BTreeMap<TaskId, String>;

/// The whole run. What failed comes last, with the end of its log where there is one: that is what is read first.
pub fn text(run: &RunView, logs: &Logs, place: &Place) -> String {
    let mut text = head(run);
    if let Some(fault) = &run.fault {
        text.push_str(&fault::text(fault));
    }
    if !run.tasks.is_empty() {
        let _ = write!(text, "\n{}", tasks(&run.tasks));
    }
    let (failed, others): (Vec<_>, Vec<_>) =
        run.tasks.iter().partition(|task| matches!(task.state, TaskState::Failed { .. }));
    for task in others.into_iter().chain(failed) {
        text.push_str(&detail(task));
        if let Some(log) = logs.get(&task.id).filter(|log| !log.is_empty()) {
            let _ = write!(text, "  {}\n{log}", "The end of its log:".bold());
        }
    }
    text.push_str(&sum(run));
    let _ = write!(text, "\n{}", next::text(run, place));
    text
}

/// What the run is, in one line: said as soon as it was accepted.
pub fn title(run: &RunView) -> String {
    format!(
        "Run {}: {} of {}, {} at {}, in {}\n",
        run.id.bold(),
        run.action,
        plain(&run.repository),
        plain(&run.branch),
        run.commit.short(),
        plain(&run.account)
    )
}

fn head(run: &RunView) -> String {
    let mut text = title(run);
    let (state, look) = style::run(run.state);
    let took = time::between(Some(&run.created_at), run.ended_at.as_deref());
    let took = took.map(|took| format!(" after {}", time::duration(took))).unwrap_or_default();
    let _ = writeln!(text, "  State  {}{took}", state.style(look));
    let _ = writeln!(text, "  Asked  {}, {}", time::moment(&run.created_at), plain(&run.requested_by));
    if let Some(message) = &run.message {
        let _ = writeln!(text, "  Units  {}", plain(message));
    }
    text
}

fn tasks(tasks: &[TaskView]) -> String {
    let heading = ["STATE", "UNIT", "CHANGE", "TIME", ""];
    let mut rows: Vec<Vec<Cell>> = vec![heading.map(|name| (name.to_owned(), Style::new().dimmed())).to_vec()];
    for task in tasks {
        let (state, look) = style::task(&task.state);
        let took = time::between(task.started_at.as_deref(), task.ended_at.as_deref());
        let cell = |text: String| (text, Style::new());
        rows.push(vec![
            (state.to_owned(), look),
            cell(plain(task.unit.as_str())),
            cell(task.summary.as_ref().map(plan::short).unwrap_or_default()),
            (took.map(time::duration).unwrap_or_default(), Style::new().dimmed()),
            cell(remark(&task.state)),
        ]);
    }
    table::text(&rows, "  ")
}

/// What a task's state says beyond its name, on one line.
pub fn remark(state: &TaskState) -> String {
    match state {
        TaskState::Succeeded { result: TaskResult::AppliedReviewed } => "as reviewed".to_owned(),
        TaskState::Succeeded { result: TaskResult::AppliedSameChange } => {
            "planned again, the change that was reviewed".to_owned()
        }
        TaskState::Succeeded { result: TaskResult::AppliedUnreviewed } => {
            "not reviewed, as the account's rule allows".to_owned()
        }
        TaskState::Succeeded { result: TaskResult::AppliedApproved } => "as approved".to_owned(),
        TaskState::Succeeded { result: TaskResult::FailureIgnored } => {
            "failed with an error that its `errors` block ignores".to_owned()
        }
        TaskState::Held { why, .. } => plain(why),
        TaskState::Failed { fault } => format!("{} [{}]", plain(fault.message()), fault.code()),
        TaskState::Blocked { by } => format!("by {}", plain(by.as_str())),
        TaskState::NeedsDestroy => "was deleted and still has state".to_owned(),
        _ => String::new(),
    }
}

/// What a task's plan changes, and its fault.
fn detail(task: &TaskView) -> String {
    let changes = task.summary.as_ref().filter(|summary| !summary.is_empty());
    let fault = match &task.state {
        TaskState::Failed { fault } => Some(fault),
        _ => None,
    };
    if changes.is_none() && fault.is_none() {
        return String::new();
    }
    let mut text = format!("\n{}", plain(task.unit.as_str()).bold());
    if !task.why.is_empty() {
        let _ = write!(text, " ({})", plain(&task.why));
    }
    text.push('\n');
    if let Some(summary) = changes {
        text.push_str(&plan::text(summary, "  "));
    }
    if let TaskState::Held { plan, why } = &task.state {
        let _ = writeln!(text, "  {} {}\n  Digest: {plan}", "Held:".yellow().bold(), plain(why));
    }
    if let Some(fault) = fault {
        for line in fault::text(fault).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// The sum over all units, where there is more than one.
fn sum(run: &RunView) -> String {
    let changed =
        run.tasks.iter().filter_map(|task| Some((task, task.summary.as_ref().filter(|sum| !sum.is_empty())?)));
    let of = |chosen: &dyn Fn(&TaskView) -> bool| -> Vec<_> {
        changed.clone().filter(|(task, _)| chosen(task)).map(|(_, summary)| summary).collect()
    };
    match run.action {
        ActionKind::Apply => {
            let applied = of(&|task| matches!(task.state, TaskState::Succeeded { .. }));
            if applied.is_empty() {
                return String::new();
            }
            let sum = plan::sum(applied.iter().copied());
            format!(
                "\n{} {} added, {} changed, {} destroyed in {}.\n",
                "Applied:".bold(),
                sum.add.saturating_add(sum.replace),
                sum.change,
                sum.destroy.saturating_add(sum.replace),
                next::count(applied.len(), "unit")
            )
        }
        _ => match of(&|_| true).as_slice() {
            [] | [_] => String::new(),
            many => format!("\n{} {} in {} units.\n", "Plan:".bold(), plan::sum(many.iter().copied()), many.len()),
        },
    }
}

/// A page of runs as a table.
pub fn list(page: &RunPage) -> String {
    if page.runs.is_empty() {
        return "No runs.\n".to_owned();
    }
    let heading = ["RUN", "STATE", "ACTION", "BRANCH", "COMMIT", "ACCEPTED", "ASKED BY"];
    let mut rows: Vec<Vec<Cell>> = vec![heading.map(|name| (name.to_owned(), Style::new().dimmed())).to_vec()];
    for run in &page.runs {
        let (state, look) = style::run(run.state);
        let cell = |text: String| (text, Style::new());
        rows.push(vec![
            cell(run.id.to_string()),
            (state.to_owned(), look),
            cell(run.action.to_string()),
            cell(plain(&run.branch)),
            cell(run.commit.short().to_owned()),
            cell(time::moment(&run.created_at)),
            cell(plain(&run.requested_by)),
        ]);
    }
    table::text(&rows, "")
}
