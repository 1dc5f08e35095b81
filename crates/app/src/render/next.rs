//! What to do next: the closing lines of a run, with commands that can be copied.

use std::fmt::Write as _;

use owo_colors::OwoColorize;
use portcullis_model::api::{RunView, TaskView};
use portcullis_model::run::{RunState, TaskState};
use portcullis_model::{ActionKind, RunId};

use super::terminal::shell_word;

/// Where commands are to be sent, as the caller would have to write it.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// ` --runner URL`, or nothing where a variable says it.
    pub options: String,
}

/// `1 unit`, `2 units`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The command that approves these plans.
pub fn approval<'a>(run: RunId, plans: impl IntoIterator<Item = &'a str>, place: &Place) -> String {
    let plans: String = plans.into_iter().map(|plan| format!(" --plan {plan}")).collect();
    format!("portcullis run approve {run}{plans}{}", place.options)
}

/// Digests of the plans that wait for an approval, each once.
pub fn held(run: &RunView) -> Vec<String> {
    let mut plans: Vec<String> = Vec::new();
    for task in &run.tasks {
        if let TaskState::Held { plan, .. } = &task.state {
            let plan = plan.to_string();
            if !plans.contains(&plan) {
                plans.push(plan);
            }
        }
    }
    plans
}

/// The closing lines.
pub fn text(run: &RunView, place: &Place) -> String {
    let mut text = match run.state {
        RunState::Accepted | RunState::Running => {
            format!("Follow it with:\n\n    portcullis run show {} --follow{}\n", run.id, place.options)
        }
        RunState::Held => {
            let plans = held(run);
            let waits = if plans.len() == 1 { "waits" } else { "wait" };
            format!(
                "{} {waits} for an approval. An approver lets {} go on with:\n\n    {}\n",
                count(plans.len(), "plan"),
                if plans.len() == 1 { "it" } else { "them" },
                approval(run.id, plans.iter().map(String::as_str), place)
            )
        }
        RunState::Succeeded => succeeded(run),
        RunState::Failed => failed(run, place),
        RunState::Cancelled => {
            "Cancelled. What was not applied is taken up by the next apply of the branch.\n".to_owned()
        }
    };
    let gone: Vec<&TaskView> = run.tasks.iter().filter(|task| matches!(task.state, TaskState::NeedsDestroy)).collect();
    if !gone.is_empty() {
        let _ = writeln!(text, "{}", deleted(gone.len()).yellow());
    }
    text
}

fn deleted(units: usize) -> String {
    if units == 1 {
        return "1 unit was deleted, and its state is still there. Nothing of it is destroyed.".to_owned();
    }
    format!("{units} units were deleted, and their state is still there. Nothing of them is destroyed.")
}

fn succeeded(run: &RunView) -> String {
    let changes = run.tasks.iter().any(|task| task.summary.as_ref().is_some_and(|summary| !summary.is_empty()));
    match run.action {
        _ if run.tasks.is_empty() => "Nothing to do.\n".to_owned(),
        ActionKind::Plan if changes => {
            "Nothing was applied. Merge the branch, and what is shown here is applied.\n".to_owned()
        }
        ActionKind::Plan => "Nothing to apply.\n".to_owned(),
        _ => format!("Done: {}.\n", count(run.tasks.len(), "unit")),
    }
}

fn failed(run: &RunView, place: &Place) -> String {
    let failed: Vec<&TaskView> =
        run.tasks.iter().filter(|task| matches!(task.state, TaskState::Failed { .. })).collect();
    let Some(first) = failed.first() else {
        return "Failed before anything was started. Mend what the error says, and trigger again.\n".to_owned();
    };
    let again = match run.action {
        ActionKind::Plan => "Nothing was applied. Push the mended branch, and plan it again.",
        ActionKind::Apply => "Units that were not applied are taken up by the next apply of the branch.",
        _ => "Look at what it did before you ask again.",
    };
    let command = format!("portcullis run logs {} --unit {}{}", run.id, shell_word(first.unit.as_str()), place.options);
    format!("{} failed. {again} The whole log:\n\n    {command}\n", count(failed.len(), "unit"))
}
