//! `portcullis run list`: runs as a table, the newest first.

use portcullis_model::{Fault, RunId};

use crate::cli::output;
use crate::cli::target::Target;
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `run list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Only runs that are older than this one
    #[arg(long, value_name = "RUN")]
    after: Option<RunId>,
    #[command(flatten)]
    target: Target,
}

/// Lists.
pub async fn run(args: Args, environment: &Environment) -> Result<Exit, Fault> {
    let (client, tokens) = args.target.open(environment)?;
    let page = client.runs(&tokens.token().await?, args.after, args.limit).await?;
    if args.target.json {
        output::print_json(&page)?;
        return Ok(Exit::Done);
    }
    output::print(&render::run::list(&page))?;
    if let Some(next) = &page.next {
        let (next, options) = (render::terminal::shell_word(next), args.target.place(environment).options);
        output::print(&format!("\nOlder ones:\n\n    portcullis run list --after {next}{options}\n"))?;
    }
    Ok(Exit::Done)
}
