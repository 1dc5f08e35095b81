//! Records as the API shows them.

use portcullis_model::api::{RunView, TaskView};
use portcullis_model::record::{RunRecord, TaskRecord};

/// A run with these tasks (none in lists).
pub fn run_view(run: &RunRecord, tasks: &[TaskRecord]) -> RunView {
    RunView {
        id: run.id,
        action: run.action.kind,
        account: run.account.to_string(),
        repository: run.action.repository.to_string(),
        branch: run.action.branch.to_string(),
        commit: run.commit.clone(),
        parameters: run.action.parameters.clone(),
        requested_by: run.requested_by.clone(),
        state: run.state,
        fault: run.fault.clone(),
        message: run.message.clone(),
        created_at: run.created_at.to_string(),
        ended_at: run.ended_at.map(|at| at.to_string()),
        tasks: tasks.iter().map(task_view).collect(),
    }
}

fn task_view(task: &TaskRecord) -> TaskView {
    TaskView {
        id: task.id,
        unit: task.unit.clone(),
        after: task.after.clone(),
        why: task.why.clone(),
        state: task.state.clone(),
        code: task.state.code().map(|code| code.to_string()),
        input_digest: task.input_digest,
        plan: task.plan,
        summary: task.summary.clone(),
        started_at: task.started_at.map(|at| at.to_string()),
        ended_at: task.ended_at.map(|at| at.to_string()),
    }
}
