//! `portcullis trigger`: asks a runner for a plan, an apply or another action, and follows it.

use portcullis_model::Fault;

use super::follow::{Ended, Following, Patience};
use super::output;
use super::request::Request;
use super::target::Target;
use crate::client::Access;
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render;
use crate::render::run::Logs;

/// Arguments of `trigger`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    request: Request,
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
    let request = args.request.body()?;
    let (client, tokens) = target.open(environment)?;
    let token = tokens.token().await?;
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
