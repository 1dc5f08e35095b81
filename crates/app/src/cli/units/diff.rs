//! `portcullis units diff A..B`: what a change means for every unit's effective configuration.

use portcullis_estate::diff;
use portcullis_model::Fault;

use super::tree::Tree;
use super::views::DiffView;
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `units diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "`A..B` compares two revisions, `A...B` B with where it left A, `A` the working files with A.")]
pub struct Args {
    /// What to compare
    #[arg(value_name = "A..B", default_value = "HEAD")]
    range: String,
    #[command(flatten)]
    tree: Tree,
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print Markdown, for a comment on a change
    #[arg(long)]
    markdown: bool,
    /// End with exit code 1 when something differs or cannot be compared
    #[arg(long)]
    exit_code: bool,
}

/// Compares.
///
/// # Errors
/// When there is nothing to read, a revision that names no commit, or nothing can be written.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let (base, head) = args.tree.two_estates(&args.range)?;
    let found = diff(&base, &head)?;
    let view = DiffView::of(&found);
    if args.json {
        output::print_json(&view)?;
    } else if args.markdown {
        output::print(&render::units::diff::markdown(&view))?;
    } else {
        output::print(&render::units::diff::text(&view))?;
    }
    let exit = super::complain_of_broken(&head);
    Ok(if args.exit_code && !found.is_empty() { Exit::Failed } else { exit })
}
