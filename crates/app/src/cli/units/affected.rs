//! `portcullis units affected A..B`: which units a change affects, and why.

use portcullis_estate::{Affected, AffectedKind, affected, because};
use portcullis_model::Fault;

use super::tree::Compare;
use super::views::AffectedView;
use crate::cli::output;
use crate::cli::repository::RANGES;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `units affected`.
#[derive(Debug, clap::Args)]
#[command(after_help = RANGES)]
pub struct Args {
    #[command(flatten)]
    compare: Compare,
    /// Also the units that are the same themselves, but depend on one that is not
    #[arg(long)]
    with_dependents: bool,
}

/// Compares.
///
/// # Errors
/// When there is nothing to read, a revision that names no commit, or nothing can be written.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let (base, head) = args.compare.estates()?;
    let mut found: Vec<Affected> = affected(&base, &head);
    if !args.with_dependents {
        found.retain(|affected| affected.kind != AffectedKind::Downstream);
    }
    let reasons = because(&base, &head, &found)?;
    let mut views: Vec<AffectedView> =
        found.iter().zip(reasons).map(|(affected, reasons)| AffectedView::of(affected, reasons)).collect();
    if args.compare.json {
        views.sort_by(|a, b| a.path.cmp(&b.path));
        output::print_json(&views)?;
    } else {
        output::print(&render::units::affected(&views, head.units().len()))?;
    }
    Ok(super::complain_of_broken(&head))
}
