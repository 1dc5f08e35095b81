//! `portcullis trigger`: asks a runner for a plan or an apply, and follows it.

use portcullis_model::Fault;
use portcullis_model::api::TriggerRequest;

use super::follow::{Ended, Following, Patience};
use super::output;
use super::target::Target;
use crate::client::Access;
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render;
use crate::render::run::Logs;

/// Arguments of `trigger`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do
    #[arg(value_parser = ["plan", "apply"])]
    action: String,
    /// The repository, as portcullis.hcl names it
    #[arg(long, value_name = "NAME")]
    repository: String,
    /// The branch, such as main or refs/heads/main
    #[arg(long = "ref", value_name = "REF")]
    reference: String,
    /// Only this unit; may be given several times
    #[arg(long = "unit", value_name = "PATH", conflicts_with = "all")]
    units: Vec<String>,
    /// Every unit of the account, affected or not
    #[arg(long)]
    all: bool,
    /// Wait until the run has ended or is held; the exit code is the run's
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    patience: Patience,
    /// A name for this request: sent again, it starts nothing twice
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Triggers.
pub async fn run(args: Args, environment: &Environment) -> Result<Exit, Fault> {
    let target = args.target;
    let (client, tokens) = target.open(environment)?;
    let token = tokens.token().await?;
    let request = TriggerRequest {
        action: args.action,
        repository: args.repository,
        reference: args.reference,
        units: (!args.units.is_empty()).then_some(args.units),
        all: args.all,
    };
    let mut answer = client.trigger(&token, args.idempotency_key.as_deref(), &request).await?;
    let (mut exit, mut logs) = (Exit::Done, Logs::new());
    if args.follow {
        if !target.json {
            output::complain(&render::run::title(&answer.run));
        }
        let access = match answer.read_token.clone() {
            Some(token) => Access::by_read_token(token),
            // The request was sent before: its read token was shown then.
            None => Access::by_caller(tokens, Some(token)),
        };
        let following = Following { client: &client, access, target: &target, patience: args.patience.time() };
        Ended { run: answer.run, logs, exit } = following.until_end(answer.run.id, environment).await?;
    }
    if target.json {
        output::print_json(&answer)?;
    } else {
        let gap = if args.follow { "\n" } else { "" };
        output::print(&format!("{gap}{}", render::run::text(&answer.run, &logs, &target.place(environment))))?;
    }
    Ok(exit)
}
