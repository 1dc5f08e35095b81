//! `portcullis units list`: every unit of an estate.

use portcullis_model::Fault;

use super::tree::Tree;
use super::views::UnitView;
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `units list`.
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

/// Lists. Units that cannot be evaluated are told of on standard error, and the others listed all the same.
///
/// # Errors
/// When there is nothing to read, or nothing can be written.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let estate = args.tree.estate_at(args.rev.as_deref())?;
    // Folders with nothing to run are listed as well, as Terragrunt does.
    let known = estate.units().values().flatten().chain(estate.parents().values());
    let stacks = estate.stacks().values().flatten().map(|stack| UnitView::of_stack(stack));
    let mut units: Vec<UnitView> = known.map(|unit| UnitView::of(unit)).chain(stacks).collect();
    units.sort_by(|a, b| a.path.cmp(&b.path));
    if args.json {
        output::print_json(&units)?;
    } else {
        output::print(&render::units::list(&units))?;
    }
    Ok(super::complain_of_broken(&estate))
}
