//! `portcullis units graph`: which unit depends on which.

use portcullis_model::{Fault, UnitPath};

use super::tree::Look;
use super::views::GraphView;
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `units graph`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("format").args(["json", "dot", "mermaid", "svg"]))]
pub struct Args {
    #[command(flatten)]
    look: Look,
    /// Print a graph for Graphviz
    #[arg(long)]
    dot: bool,
    /// Print a graph for Mermaid, as Markdown viewers draw it
    #[arg(long)]
    mermaid: bool,
    /// Print a picture
    #[arg(long)]
    svg: bool,
}

/// Shows the graph: as a tree when nothing else is asked for.
///
/// # Errors
/// When there is nothing to read, or nothing can be written.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let estate = args.look.estate()?;
    let accounts = args.look.accounts()?;
    let account_of = |unit: &UnitPath| {
        // Of folders in each other the inner one counts.
        let holders = accounts.iter().filter(|(_, folder)| unit.is_within(folder));
        holders.max_by_key(|(_, folder)| folder.len()).map(|(name, _)| name.clone())
    };
    let graph = GraphView::of(&estate, &account_of);
    if args.look.json {
        output::print_json(&graph)?;
    } else if args.dot {
        output::print(&render::units::graph::dot(&graph))?;
    } else if args.mermaid {
        output::print(&render::units::graph::mermaid(&graph))?;
    } else if args.svg {
        output::print(&render::units::svg::picture(&graph))?;
    } else {
        output::print(&render::units::graph::tree(&graph))?;
    }
    Ok(super::complain_of_broken(&estate))
}
