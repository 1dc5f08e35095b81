//! `portcullis units show`: a unit's effective configuration.

use portcullis_estate::Effective;
use portcullis_model::Fault;
use serde_json::{Map, Value as Json};

use super::tree::{Look, unit_path};
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `units show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "JSON has the shape of `terragrunt render --json`; of several units, it is an object by path.")]
pub struct Args {
    /// The units' folders, relative to the repository's root
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,
    #[command(flatten)]
    look: Look,
    /// Say of each value where it is written
    #[arg(long, conflicts_with = "json")]
    explain: bool,
}

/// Shows. What is not known without running something is said so, with the reason.
///
/// # Errors
/// When there is nothing to read, a path names no unit, or nothing can be written.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let estate = args.look.estate()?;
    let (mut shown, mut exit) = (Vec::new(), Exit::Done);
    for path in &args.paths {
        match estate.effective(&unit_path(path)?) {
            Ok(effective) => shown.push(effective),
            Err(faults) => {
                faults.iter().for_each(|fault| output::complain(&render::fault::text(fault)));
                exit = Exit::Failed;
            }
        }
    }
    match (args.look.json, shown.as_slice()) {
        (true, [only]) if args.paths.len() == 1 => output::print_json(&only.to_json())?,
        (true, _) if args.paths.len() == 1 => {}
        (true, all) => {
            let by_path: Map<String, Json> = all.iter().map(|unit| (unit.path.to_string(), unit.to_json())).collect();
            output::print_json(&by_path)?;
        }
        (false, all) => all.iter().try_for_each(|unit| output::print(&text(unit, args)))?,
    }
    Ok(exit)
}

fn text(unit: &Effective, args: &Args) -> String {
    let provenance = if args.explain { unit.provenance() } else { Vec::new() };
    let notes = provenance.into_iter().filter(|(_, from)| from.place.is_some());
    let notes = notes.map(|(name, from)| (name, from.to_string())).collect();
    let title = if args.paths.len() > 1 { Some(unit.path.as_str()) } else { None };
    render::units::hcl::text(title, &unit.to_json(), &notes)
}
