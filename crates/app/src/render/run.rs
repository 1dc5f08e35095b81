//! A run and its tasks as text for people.

use std::fmt::Write as _;

use portcullis_model::ChangeKind;
use portcullis_model::api::{RunView, TaskView};
use portcullis_model::run::TaskState;

use super::terminal::plain;

/// One line of a task: its unit, state, and what its plan does.
pub fn task_line(task: &TaskView) -> String {
    let mut line = format!("{:<12} {}", task.state.name(), plain(task.unit.as_str()));
    if let Some(summary) = &task.summary {
        let _ = write!(line, "  ({summary})");
    }
    match &task.state {
        TaskState::Held { why, .. } => {
            let _ = write!(line, "\n  held: {}", plain(why));
        }
        TaskState::Blocked { by } => {
            let _ = write!(line, "\n  blocked by {}", plain(by.as_str()));
        }
        TaskState::Failed { fault } => {
            let _ = write!(line, "\n  {}", plain(&fault.to_string()));
        }
        _ => {}
    }
    line
}

/// The run with its tasks and what their plans change, as people know it from Terraform.
pub fn text(run: &RunView) -> String {
    let state = format!("{:?}", run.state).to_lowercase();
    let mut text = format!(
        "run {}: {} of {} at {} on {}: {state}\n",
        run.id,
        run.action,
        plain(&run.repository),
        run.commit.short(),
        plain(&run.branch)
    );
    if let Some(message) = &run.message {
        let _ = writeln!(text, "{}", plain(message));
    }
    if let Some(fault) = &run.fault {
        text.push_str(&super::fault::text(fault));
    }
    for task in &run.tasks {
        let _ = writeln!(text, "{}", task_line(task));
        let Some(summary) = &task.summary else { continue };
        for change in &summary.changes {
            let sign = match change.kind {
                ChangeKind::Create => "+",
                ChangeKind::Update => "~",
                ChangeKind::Replace => "-/+",
                ChangeKind::Destroy => "-",
                ChangeKind::Read => "<=",
                _ => "=",
            };
            let _ = writeln!(text, "    {sign:>3} {}", plain(&change.address));
        }
        if let Some(plan) = &task.plan {
            let _ = writeln!(text, "    plan {plan}");
        }
    }
    text
}
