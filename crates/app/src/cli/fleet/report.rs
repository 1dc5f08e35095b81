//! `portcullis fleet report`: what accounts and profiles repeat.

use portcullis_fleet::report;
use portcullis_model::Fault;

use super::Tree;
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;
use crate::runner::definition;

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
    let source = args.tree.files()?;
    let imports = args.tree.network.imports(&*source)?;
    let repeated = report(&|path| definition::file(&*source, path), &|pinned| imports.get(pinned));
    let repeated = repeated.map_err(definition::one_fault)?;
    if args.json {
        output::print_json(&repeated)?;
    } else {
        output::print(&render::fleet::report(&repeated))?;
    }
    Ok(if args.exit_code && !repeated.is_empty() { Exit::Failed } else { Exit::Done })
}
