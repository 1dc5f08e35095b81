//! A declared action: its program in a sandbox, once.

use std::collections::BTreeMap;

use portcullis_driver::{Limits, action};
use portcullis_engine::{JobDone, JobRequest, Stop};
use portcullis_model::Fault;

use super::Worker;
use super::drive::{Ended, ended};
use super::sandbox::{self, Around};

/// Starts the program that the run was accepted with. What it prints is the task's log.
pub async fn act(worker: &Worker, request: &JobRequest, mut stop: Stop) -> Result<JobDone, Ended> {
    let Some(program) = &request.run.program else {
        return Err(Fault::internal("a declared action without a program").into());
    };
    let tool = worker.program(&program.name, program.sha256).await?;
    let limits = Limits { step_timeout_s: u32::try_from(program.timeout_s).unwrap_or(u32::MAX), ..Limits::default() };
    let recipe = action::recipe(&tool.driver, &program.arguments, &program.folder, limits)?;
    if stop.is_raised() {
        return Err(Ended::Interrupted);
    }
    let around = Around::action(program, tool);
    let ran = sandbox::run(worker, request, around, recipe, BTreeMap::new(), &mut stop).await?;
    ended(worker, request, ran).await?;
    Ok(JobDone::Acted)
}
