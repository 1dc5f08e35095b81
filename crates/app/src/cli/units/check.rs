//! `portcullis units check`: everything that is wrong in an estate, in one pass.

use portcullis_model::Fault;

use super::tree::Look;
use super::views::ProblemView;
use crate::cli::output;
use crate::outcome::Exit;
use crate::render;

/// Arguments of `units check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    look: Look,
}

/// Checks. A fault that several units share is told once, with the units that it breaks.
///
/// # Errors
/// When there is nothing to read, or nothing can be written.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let estate = args.look.estate()?;
    let problems = super::problems(&estate);
    if args.look.json {
        let views: Vec<ProblemView> =
            problems.iter().map(|(fault, units)| ProblemView { fault: fault.clone(), units: units.clone() }).collect();
        output::print_json(&views)?;
    } else {
        for (fault, units) in &problems {
            output::print(&render::fault::text(fault))?;
            output::print(&render::units::breaks(units))?;
        }
        for (note, units) in super::notes(&estate) {
            output::print(&render::fault::note(&note))?;
            output::print(&render::units::concerns(&units))?;
        }
        output::print(&render::units::checked(estate.units().len(), problems.len()))?;
    }
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Failed })
}
