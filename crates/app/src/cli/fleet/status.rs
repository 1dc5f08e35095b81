//! `portcullis fleet status`: the definition that a runner goes by, since when, and the newer one that it refused.

use portcullis_model::Fault;

use crate::cli::output;
use crate::cli::target::Target;
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `fleet status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
}

/// Shows it. Ends with 1 where the head of the protected branch is not in force.
pub async fn run(args: &Args, environment: &Environment) -> Result<Exit, Fault> {
    let (client, tokens) = args.target.open(environment)?;
    let view = client.definition(&tokens.token().await?).await?;
    if args.target.json {
        output::print_json(&view)?;
    } else {
        output::print(&render::fleet::status(&view))?;
    }
    let current = view.in_force.is_some() && view.refused.is_none();
    Ok(if current { Exit::Done } else { Exit::Failed })
}
