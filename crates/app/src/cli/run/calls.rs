//! `portcullis run calls`: what a run's tasks asked for through their sandboxes' doors.

use portcullis_model::api::{CallPage, CallView};
use portcullis_model::{Fault, RunId, UnitPath};

use crate::cli::output;
use crate::cli::target::Target;
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render;

/// Most pages that are asked for.
const PAGES_MAX: usize = 500;

/// Arguments of `run calls`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run's id
    #[arg(value_name = "RUN")]
    run: RunId,
    /// Only of this unit's task
    #[arg(long, value_name = "PATH", value_parser = UnitPath::parse)]
    unit: Option<UnitPath>,
    /// Only what was refused
    #[arg(long)]
    refused: bool,
    #[command(flatten)]
    target: Target,
}

/// Shows calls.
pub async fn run(args: Args, environment: &Environment) -> Result<Exit, Fault> {
    let (client, tokens) = args.target.open(environment)?;
    let (mut calls, mut after) = (Vec::new(), 0);
    let wanted = |call: &CallView| {
        args.unit.as_ref().is_none_or(|unit| *unit == call.unit) && (!args.refused || call.refused.is_some())
    };
    for _ in 0..PAGES_MAX {
        let page = client.calls(&tokens.token().await?, args.run, after).await?;
        calls.extend(page.calls.into_iter().filter(wanted));
        match page.next {
            Some(next) if next > after => after = next,
            _ => break,
        }
    }
    if args.target.json {
        output::print_json(&CallPage { calls, next: None })?;
    } else {
        output::print(&render::calls::table(&calls))?;
    }
    Ok(Exit::Done)
}
