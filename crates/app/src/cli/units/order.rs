//! `portcullis units order`: every unit after all that it depends on.

use portcullis_model::Fault;

use super::tree::Tree;
use super::views::{GraphView, OrderView};
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `units order`.
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

/// Prints the order in which all units would be applied.
///
/// # Errors
/// When there is nothing to read, or nothing can be written.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let estate = args.tree.estate_at(args.rev.as_deref())?;
    let order = OrderView::of(&estate, &GraphView::of(&estate));
    if args.json {
        output::print_json(&order)?;
    } else {
        output::print(&render::units::order(&order))?;
    }
    Ok(super::complain_of_broken(&estate))
}
