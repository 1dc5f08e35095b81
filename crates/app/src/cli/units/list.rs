//! `portcullis units list`: every unit of an estate.

use portcullis_model::Fault;

use super::tree::Look;
use super::views::UnitView;
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `units list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    look: Look,
}

/// Lists. Units that cannot be evaluated are told of on standard error, and the others listed all the same.
///
/// # Errors
/// When there is nothing to read, or nothing can be written.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let estate = args.look.estate()?;
    // Folders with nothing to run are listed as well, as Terragrunt does.
    let known = estate.units().values().flatten().chain(estate.parents().values());
    let stacks = estate.stacks().values().flatten().map(|stack| UnitView::of_stack(stack));
    let mut units: Vec<UnitView> = known.map(|unit| UnitView::of(unit)).chain(stacks).collect();
    units.sort_by(|a, b| a.path.cmp(&b.path));
    if args.look.json {
        output::print_json(&units)?;
    } else {
        output::print(&render::units::list(&units))?;
    }
    Ok(super::complain_of_broken(&estate))
}
