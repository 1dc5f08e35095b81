//! `portcullis fleet check`: everything that is wrong or odd in the definition.

use portcullis_fleet::Finding;
use portcullis_model::Fault;
use serde::Serialize;

use super::Tree;
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `fleet check`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A fault refuses the definition: runners go on with the last good one. A warning refuses nothing."
)]
pub struct Args {
    #[command(flatten)]
    tree: Tree,
    /// End with exit code 1 for a warning as well
    #[arg(long)]
    strict: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct View<'a> {
    faults: &'a [Fault],
    warnings: &'a [Finding],
}

/// Checks.
///
/// # Errors
/// When there is nothing to read, or nothing can be written.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let (fleet, faults) = match args.tree.load()? {
        Ok(fleet) => (Some(fleet), Vec::new()),
        Err(faults) => (None, faults),
    };
    let warnings = fleet.as_ref().map(portcullis_fleet::Fleet::findings).unwrap_or_default();
    if args.json {
        output::print_json(&View { faults: &faults, warnings: &warnings })?;
    } else {
        for fault in &faults {
            output::print(&render::fault::text(fault))?;
        }
        output::print(&render::fleet::check(fleet.as_ref(), &warnings, faults.len()))?;
    }
    let failed = !faults.is_empty() || (args.strict && !warnings.is_empty());
    Ok(if failed { Exit::Failed } else { Exit::Done })
}
