//! `portcullis fleet report`: what accounts and profiles repeat.

use portcullis_model::Fault;

use super::Tree;
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `fleet report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    tree: Tree,
    /// End with exit code 1 when something is repeated
    #[arg(long)]
    exit_code: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Reports.
///
/// # Errors
/// A definition that is not right, or an output that cannot be written.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let repeated = args.tree.fleet()?.repeated();
    if args.json {
        output::print_json(&repeated)?;
    } else {
        output::print(&render::fleet::report(&repeated))?;
    }
    Ok(if args.exit_code && !repeated.is_empty() { Exit::Failed } else { Exit::Done })
}
