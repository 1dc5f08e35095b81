//! `portcullis run logs`: what the tools of a run's tasks printed.

use portcullis_model::api::TaskView;
use portcullis_model::run::TaskState;
use portcullis_model::{Code, Fault, RunId, TaskId, UnitPath};
use serde_json::json;

use super::logs_follow;
use crate::cli::follow::Patience;
use crate::cli::output;
use crate::cli::target::Target;
use crate::client::{Access, Client};
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render::terminal::{LogFilter, plain};

/// Arguments of `run logs`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run's id
    #[arg(value_name = "RUN")]
    run: RunId,
    /// Only this unit's log, without a heading
    #[arg(long, value_name = "PATH", value_parser = UnitPath::parse)]
    unit: Option<UnitPath>,
    /// Start at this byte of the unit's log
    #[arg(long, value_name = "BYTES", default_value_t = 0, requires = "unit")]
    offset: u64,
    /// Go on until the run has ended or is held; the exit code is the run's. With --json, one object per line
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    target: Target,
}

/// Shows logs.
pub async fn run(args: Args, environment: &Environment) -> Result<Exit, Fault> {
    let (client, tokens) = args.target.open(environment)?;
    let access = Access::by_caller(tokens, None);
    if args.follow {
        let wanted = logs_follow::Wanted {
            run: args.run,
            unit: args.unit,
            offset: args.offset,
            json: args.target.json,
            patience: args.patience.time(),
        };
        return logs_follow::run(&client, &access, &wanted).await;
    }
    let view = client.run(&access.token().await?, args.run).await?;
    let tasks: Vec<&TaskView> =
        view.tasks.iter().filter(|task| args.unit.as_ref().is_none_or(|unit| *unit == task.unit)).collect();
    if tasks.is_empty() && args.unit.is_some() {
        return Err(no_such_task());
    }
    let mut facts = Vec::new();
    for task in tasks {
        if args.target.json {
            let mut bytes = Vec::new();
            let collect = |part: &[u8]| {
                bytes.extend_from_slice(part);
                Ok(())
            };
            let (next, complete) = whole(&client, &access, task.id, args.offset, collect).await?;
            facts.push(json!({
                "unit": task.unit, "task": task.id, "state": task.state.name(),
                "log": String::from_utf8_lossy(&bytes), "next": next, "complete": complete,
            }));
            continue;
        }
        if args.unit.is_none() {
            if matches!(task.state, TaskState::Waiting | TaskState::NeedsDestroy | TaskState::Blocked { .. }) {
                continue;
            }
            output::print(&format!("== {}\n", plain(task.unit.as_str())))?;
        }
        let mut filter = LogFilter::new(output::log_colours());
        whole(&client, &access, task.id, args.offset, |part| output::print_raw(&filter.next(part))).await?;
        output::print("\x1b[0m")?;
    }
    if args.target.json {
        output::print_json(&facts)?;
    }
    Ok(Exit::Done)
}

/// The fault for a unit that is no task of the run.
pub fn no_such_task() -> Fault {
    Fault::new(Code::NOT_FOUND, "the run has no such task").remedy("`portcullis run show RUN` lists its units.")
}

/// A log as it is now, part by part. Where it ends, and whether that is its end.
async fn whole(
    client: &Client,
    access: &Access,
    task: TaskId,
    mut offset: u64,
    mut each: impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(u64, bool), Fault> {
    loop {
        let part = client.log_part(&access.token().await?, task, offset).await?;
        each(&part.bytes)?;
        if part.complete || part.next <= offset {
            return Ok((part.next.max(offset), part.complete));
        }
        offset = part.next;
    }
}
