//! `portcullis trigger`: asks a runner for a plan or an apply, and follows it.

use std::collections::BTreeMap;
use std::time::Duration;

use portcullis_model::Fault;
use portcullis_model::api::{RunView, TriggerRequest};
use portcullis_model::run::RunState;

use super::output;
use super::target::Target;
use crate::client::Client;
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render;

/// Between two looks at a run that is followed.
const LOOK: Duration = Duration::from_millis(250);

/// Arguments of `trigger`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do: plan or apply
    #[arg(value_parser = ["plan", "apply"])]
    action: String,
    #[command(flatten)]
    target: Target,
    /// The repository, as portcullis.hcl names it
    #[arg(long, value_name = "NAME")]
    repository: String,
    /// The branch
    #[arg(long = "ref", value_name = "REF")]
    reference: String,
    /// Only this unit; may be given several times
    #[arg(long = "unit", value_name = "PATH", conflicts_with = "all")]
    units: Vec<String>,
    /// Every unit of the account, affected or not
    #[arg(long)]
    all: bool,
    /// Wait for the end, and end with the run's exit code
    #[arg(long)]
    follow: bool,
    /// A name for this request: sent again, it starts nothing twice
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// Triggers.
pub async fn run(args: Args, environment: &Environment) -> Result<Exit, Fault> {
    let (client, tokens) = args.target.open(environment)?;
    let token = tokens.token().await?;
    let request = TriggerRequest {
        action: args.action,
        repository: args.repository,
        reference: args.reference,
        units: (!args.units.is_empty()).then_some(args.units),
        all: args.all,
    };
    let mut answer = client.trigger(&token, args.idempotency_key.as_deref(), &request).await?;
    let mut exit = Exit::Done;
    if args.follow {
        let reader = answer.read_token.clone().unwrap_or(token);
        answer.run = follow(&client, &reader, answer.run, !args.target.json).await?;
        exit = Exit::of_run(answer.run.state);
    }
    if args.target.json {
        output::print_json(&answer)?;
    } else {
        output::print(&render::run::text(&answer.run))?;
    }
    Ok(exit)
}

/// Looks at a run until it has ended or is held; says each change of a task.
async fn follow(client: &Client, token: &str, mut run: RunView, speak: bool) -> Result<RunView, Fault> {
    let mut seen = BTreeMap::new();
    loop {
        for task in &run.tasks {
            if seen.insert(task.id, task.state.name()) != Some(task.state.name()) && speak {
                output::complain(&format!("{}\n", render::run::task_line(task)));
            }
        }
        if run.state.is_final() || run.state == RunState::Held {
            return Ok(run);
        }
        tokio::time::sleep(LOOK).await;
        run = client.run(token, run.id).await?;
    }
}
