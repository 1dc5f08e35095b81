//! `portcullis units`: looks at the units of a folder or of a revision of a repository, without a runner.
//!
//! One module per subcommand; [`tree`] finds the files and evaluates them, [`views`] is what `--json` prints.
//! Nothing of the repository is executed, and nothing is written to it.

mod affected;
mod check;
mod diff;
mod explain;
mod graph;
mod list;
mod order;
mod show;
mod tree;
pub mod views;

use std::collections::BTreeMap;

use portcullis_estate::Estate;
use portcullis_model::Fault;

use super::output;
use crate::outcome::Exit;
use crate::render;

/// Subcommands of `units`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Every unit, what it depends on and whether its configuration is fully known
    List(list::Args),
    /// A unit's effective configuration, after all includes
    Show(show::Args),
    /// Which unit depends on which
    Graph(graph::Args),
    /// Which units a change affects, and why
    Affected(affected::Args),
    /// What a change means for every unit's effective configuration
    Diff(diff::Args),
    /// Every unit after all that it depends on
    Order(order::Args),
    /// Where a unit's values come from, and what they replaced
    Explain(explain::Args),
    /// Everything that is wrong, in one pass
    Check(check::Args),
}

/// Does it.
///
/// # Errors
/// A folder or revision that is not there, a unit that is none, an output that cannot be written.
pub fn run(command: Command) -> Result<Exit, Fault> {
    match command {
        Command::List(args) => list::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::Affected(args) => affected::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Order(args) => order::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Check(args) => check::run(&args),
    }
}

/// Says on standard error what is wrong with units that could not be evaluated: a fault that several units
/// share is shown once. The exit code that follows.
fn complain_of_broken(estate: &Estate) -> Exit {
    let problems = problems(estate);
    for (fault, units) in &problems {
        output::complain(&render::fault::text(fault));
        output::complain(&render::units::breaks(units));
    }
    if problems.is_empty() { Exit::Done } else { Exit::Failed }
}

/// What stops nothing and is better known, with the units that it is about, in the order of places.
fn notes(estate: &Estate) -> Vec<(Fault, Vec<String>)> {
    let mut found: BTreeMap<(Option<portcullis_model::Place>, String), (Fault, Vec<String>)> = BTreeMap::new();
    for (path, unit) in estate.units() {
        for note in unit.as_ref().map_or_else(|_| [].as_slice(), |unit| unit.notes.as_slice()) {
            let key = (note.place().cloned(), note.message().to_owned());
            found.entry(key).or_insert_with(|| (note.clone(), Vec::new())).1.push(path.as_str().to_owned());
        }
    }
    found.into_values().collect()
}

/// Each fault of an estate with the units that it breaks, in the order of places.
fn problems(estate: &Estate) -> Vec<(Fault, Vec<String>)> {
    let mut found: BTreeMap<(Option<portcullis_model::Place>, String), (Fault, Vec<String>)> = BTreeMap::new();
    let mut add = |fault: &Fault, unit: Option<&str>| {
        let key = (fault.place().cloned(), format!("{} {:?}", fault.message(), fault.notes()));
        let entry = found.entry(key).or_insert_with(|| (fault.clone(), Vec::new()));
        entry.1.extend(unit.map(str::to_owned));
    };
    estate.faults().iter().for_each(|fault| add(fault, None));
    for (path, unit) in estate.units() {
        let faults = unit.as_ref().map_or_else(Vec::as_slice, |unit| unit.problems.as_slice());
        faults.iter().for_each(|fault| add(fault, Some(path.as_str())));
    }
    for (path, stack) in estate.stacks() {
        let faults = stack.as_ref().map_or_else(Vec::as_slice, |stack| stack.problems.as_slice());
        faults.iter().for_each(|fault| add(fault, Some(path.as_str())));
    }
    found.into_values().collect()
}
