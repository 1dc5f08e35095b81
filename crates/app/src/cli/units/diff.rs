//! `portcullis units diff A..B`: what a change means for every unit's effective configuration.

use portcullis_estate::diff;
use portcullis_model::Fault;

use super::tree::Compare;
use super::views::DiffView;
use crate::cli::output;
use crate::cli::repository::RANGES;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `units diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = RANGES)]
pub struct Args {
    #[command(flatten)]
    compare: Compare,
    /// Print Markdown, for a comment on a change
    #[arg(long, conflicts_with = "json")]
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
    let (base, head) = args.compare.estates()?;
    let found = diff(&base, &head)?;
    let view = DiffView::of(&found);
    if args.compare.json {
        output::print_json(&view)?;
    } else if args.markdown {
        output::print(&render::units::diff::markdown(&view))?;
    } else {
        output::print(&render::units::diff::text(&view))?;
    }
    let exit = super::complain_of_broken(&head);
    Ok(if args.exit_code && !found.is_empty() { Exit::Failed } else { exit })
}
