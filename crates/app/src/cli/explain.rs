//! `portcullis explain`: what would become of a request, and why. Starts nothing.

use portcullis_model::Fault;

use super::output;
use super::request::Request;
use super::target::Target;
use crate::environment::Environment;
use crate::outcome::{Exit, fault_of};
use crate::render;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    request: Request,
    #[command(flatten)]
    target: Target,
}

/// Explains. The exit code is the one that the request itself would have.
pub async fn run(args: Args, environment: &Environment) -> Result<Exit, Fault> {
    let request = args.request.body()?;
    let (client, tokens) = args.target.open(environment)?;
    let explanation = client.explain(&tokens.token().await?, &request).await?;
    if args.target.json {
        output::print_json(&explanation)?;
    } else {
        output::print(&render::actions::explanation(&request.action, &explanation))?;
    }
    Ok(explanation.problem.map_or(Exit::Done, |problem| Exit::of_fault(&fault_of(problem))))
}
