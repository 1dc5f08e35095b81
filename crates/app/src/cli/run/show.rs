//! `portcullis run show`: a run, its tasks and what their plans change.

use portcullis_model::{Fault, RunId};

use crate::cli::follow::{Ended, Following, Patience};
use crate::cli::output;
use crate::cli::target::Target;
use crate::client::Access;
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render;
use crate::render::run::Logs;

/// Arguments of `run show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run's id
    #[arg(value_name = "RUN")]
    run: RunId,
    /// Wait until the run has ended or is held; the exit code is the run's
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    target: Target,
}

/// Shows.
pub async fn run(args: Args, environment: &Environment) -> Result<Exit, Fault> {
    let target = args.target;
    let (client, tokens) = target.open(environment)?;
    let access = Access::by_caller(tokens, None);
    let Ended { run: view, logs, exit } = if args.follow {
        let following = Following { client: &client, access, target: &target, patience: args.patience.time() };
        following.until_end(args.run, environment).await?
    } else {
        let run = client.run(&access.token().await?, args.run).await?;
        Ended { run, logs: Logs::new(), exit: Exit::Done }
    };
    if target.json {
        output::print_json(&view)?;
    } else {
        output::print(&render::run::text(&view, &logs, &target.place(environment)))?;
    }
    Ok(exit)
}
