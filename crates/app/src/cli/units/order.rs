//! `portcullis units order`: every unit after all that it depends on.

use portcullis_model::Fault;

use super::tree::Look;
use super::views::OrderView;
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `units order`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    look: Look,
}

/// Prints the order in which all units would be applied, by level, and what no run is shorter than.
///
/// # Errors
/// When there is nothing to read, or nothing can be written.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let estate = args.look.estate()?;
    let order = OrderView::of(&estate);
    if args.look.json {
        output::print_json(&order)?;
    } else {
        output::print(&render::units::order(&order))?;
    }
    Ok(super::complain_of_broken(&estate))
}
