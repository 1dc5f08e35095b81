//! `portcullis units graph`: which unit depends on which.

use portcullis_model::Fault;

use super::tree::Tree;
use super::views::GraphView;
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `units graph`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("format").args(["json", "dot", "mermaid", "svg"]))]
pub struct Args {
    #[command(flatten)]
    tree: Tree,
    /// A revision of the repository, read from git objects; the working files when not given
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
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
    let estate = args.tree.estate_at(args.rev.as_deref())?;
    let graph = GraphView::of(&estate);
    if args.json {
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
