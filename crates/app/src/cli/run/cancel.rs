//! `portcullis run cancel`: waiting tasks do not start any more, running ones are interrupted.

use portcullis_model::{Fault, RunId};

use crate::cli::output;
use crate::cli::target::Target;
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render;
use crate::render::run::Logs;

/// Arguments of `run cancel`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run's id
    #[arg(value_name = "RUN")]
    run: RunId,
    #[command(flatten)]
    target: Target,
}

/// Cancels.
pub async fn run(args: Args, environment: &Environment) -> Result<Exit, Fault> {
    let (client, tokens) = args.target.open(environment)?;
    let view = client.cancel(&tokens.token().await?, args.run).await?;
    if args.target.json {
        output::print_json(&view)?;
    } else {
        output::print(&render::run::text(&view, &Logs::new(), &args.target.place(environment)))?;
    }
    Ok(Exit::Done)
}
