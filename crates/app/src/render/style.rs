//! Words for states, and their colours. One place, so that a state looks the same everywhere.

use owo_colors::Style;
use portcullis_model::ChangeKind;
use portcullis_model::run::{RunState, TaskResult, TaskState};

/// A task's state in one or two words, and how they look.
pub fn task(state: &TaskState) -> (&'static str, Style) {
    let style = Style::new();
    match state {
        TaskState::Waiting => ("waiting", style.dimmed()),
        TaskState::Planning => ("planning", style.cyan()),
        TaskState::Applying => ("applying", style.cyan()),
        TaskState::Held { .. } => ("held", style.yellow().bold()),
        TaskState::Succeeded { result: TaskResult::Planned } => ("planned", style.green()),
        TaskState::Succeeded { result: TaskResult::NoChange } => ("no change", style.dimmed()),
        TaskState::Succeeded { result: TaskResult::FailureIgnored } => ("ignored", style.yellow()),
        TaskState::Succeeded { .. } => ("applied", style.green()),
        TaskState::Failed { .. } => ("failed", style.red().bold()),
        TaskState::Blocked { .. } => ("blocked", style.red()),
        TaskState::Cancelled => ("cancelled", style.magenta()),
        TaskState::NeedsDestroy => ("needs destroy", style.yellow()),
    }
}

/// A run's state in one word, and how it looks.
pub fn run(state: RunState) -> (&'static str, Style) {
    let style = Style::new();
    match state {
        RunState::Accepted => ("accepted", style.cyan()),
        RunState::Running => ("running", style.cyan()),
        RunState::Held => ("held", style.yellow().bold()),
        RunState::Succeeded => ("succeeded", style.green().bold()),
        RunState::Failed => ("failed", style.red().bold()),
        RunState::Cancelled => ("cancelled", style.magenta().bold()),
    }
}

/// What happens to a resource: Terraform's symbol and sentence, and how they look.
pub fn change(kind: ChangeKind) -> (&'static str, &'static str, Style) {
    let style = Style::new();
    match kind {
        ChangeKind::Create => ("+", "will be created", style.green()),
        ChangeKind::Update => ("~", "will be updated in-place", style.yellow()),
        ChangeKind::Replace => ("-/+", "must be replaced", style.red()),
        ChangeKind::Destroy => ("-", "will be destroyed", style.red()),
        ChangeKind::Read => ("<=", "will be read during apply", style.cyan()),
        ChangeKind::Forget => (".", "will be removed from the state, but not destroyed", style.yellow()),
        ChangeKind::Move => ("=", "has moved", style.cyan()),
        ChangeKind::Import => ("=", "will be imported", style.cyan()),
    }
}
