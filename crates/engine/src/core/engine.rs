//! The engine: one method per event.

use jiff::Timestamp;
use portcullis_model::record::{RunRecord, TaskRecord};
use portcullis_model::{Digest, DigestBuilder, Fault, UnitPath};

use super::event::{Event, Settings, Step};

/// All unfinished runs, and what happens next.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
}

impl Engine {
    /// Takes up what the store has unfinished, after a start or a crash. The step says what became of it.
    pub fn restore(runs: Vec<(RunRecord, Vec<TaskRecord>)>, settings: Settings, now: Timestamp) -> (Self, Step) {
        let _ = (runs, now);
        (Engine { settings }, Step::default())
    }

    /// Takes one event.
    ///
    /// # Errors
    /// For [`Event::Approve`] and [`Event::Cancel`] that cannot be: `PC-0114` no such unfinished run, `PC-0117`
    /// nothing is held, `PC-0706` a plan is not held in this run. Nothing has changed then. No other event
    /// is refused.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Result<Step, Fault> {
        let _ = (event, now, self.settings);
        Ok(Step::default())
    }

    /// How many jobs are at work: started, and not yet answered.
    pub fn active(&self) -> usize {
        0
    }
}

/// Stands for the last applied digest of a unit from the moment that an apply begins until it ends well: no
/// unit has it, so a unit that was left half applied needs apply, whatever its configuration goes back to.
pub fn partly_applied_digest(unit: &UnitPath) -> Digest {
    let mut builder = DigestBuilder::new("portcullis partly applied v1");
    builder.text(unit.as_str());
    builder.finish()
}
