//! `portcullis fleet diff A..B`: what a change means in each account.

use portcullis_fleet::diff;
use portcullis_model::Fault;

use super::{Network, load};
use crate::cli::output;
use crate::cli::repository::{RANGES, Repository, files};
use crate::outcome::Exit;
use crate::render;
use crate::runner::definition;

/// Arguments of `fleet diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = RANGES)]
pub struct Args {
    /// What to compare
    #[arg(value_name = "A..B", default_value = "HEAD")]
    range: String,
    #[command(flatten)]
    repository: Repository,
    #[command(flatten)]
    network: Network,
    /// Print JSON
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print Markdown, for a comment on a change
    #[arg(long)]
    markdown: bool,
    /// End with exit code 1 when something differs
    #[arg(long)]
    exit_code: bool,
}

/// Compares.
///
/// # Errors
/// When there is nothing to read, a revision that names no commit, or a definition that is not right.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let checkout = args.repository.checkout()?;
    let range = checkout.range(&args.range)?;
    let at = |commit| load(&*files(&checkout, commit)?, &args.network)?.map_err(definition::one_fault);
    let (base, head) = (at(Some(&range.base))?, at(range.head.as_ref())?);
    let found = diff(&base, &head);
    if args.json {
        output::print_json(&found)?;
    } else if args.markdown {
        output::print(&render::fleet::diff_markdown(&found))?;
    } else {
        output::print(&render::fleet::diff_text(&found))?;
    }
    Ok(if args.exit_code && !found.is_empty() { Exit::Failed } else { Exit::Done })
}
