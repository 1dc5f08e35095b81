//! `portcullis units check`: everything that is wrong in an estate, in one pass.

use portcullis_model::Fault;

use super::tree::Tree;
use super::views::ProblemView;
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `units check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    tree: Tree,
    /// A revision of the repository, read from git objects; the working files when not given
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Checks. A fault that several units share is told once, with the units that it breaks.
///
/// # Errors
/// When there is nothing to read, or nothing can be written.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let estate = args.tree.estate_at(args.rev.as_deref())?;
    let problems = super::problems(&estate);
    if args.json {
        let views: Vec<ProblemView> =
            problems.iter().map(|(fault, units)| ProblemView { fault: fault.clone(), units: units.clone() }).collect();
        output::print_json(&views)?;
    } else {
        for (fault, units) in &problems {
            output::print(&render::fault::text(fault))?;
            output::print(&render::units::breaks(units))?;
        }
        output::print(&render::units::checked(estate.units().len(), problems.len()))?;
    }
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Failed })
}
