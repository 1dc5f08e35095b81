//! The state machine: what happens next, decided without doing anything.
//!
//! [`Engine::handle`] takes one [`Event`] and the time, and answers with a [`Step`]: the records as they are
//! now, and the effects that follow from them. Whoever drives it commits the record first and performs the
//! effects after, so that after a crash the records say what may have happened, never less.
//!
//! | module | holds |
//! |---|---|
//! | `event` | what comes in and what goes out |
//! | `engine` | one method per event |
//! | `run` | a run and its tasks in memory, and the run's own state |
//! | `schedule` | which waiting tasks may start now, which runs may be prepared |
//! | `turn` | what one event changes, collected |
//!
//! The rules that everything else follows from:
//!
//! - A unit is worked on by one task at a time, in all runs together. Tasks for a unit start in the order in
//!   which their runs were accepted; a task that is held, or waits for a held one, lets later ones pass.
//! - What an apply run has to do is decided when no earlier apply run goes on any more.
//! - A task starts when all units that it comes after ended well. A failed one blocks what depends on it.
//! - `Applying` is on record before an apply starts. Whatever interrupts it leaves `unknown_outcome_of`, and
//!   such a task is planned again and compared, never applied again as it is.
//! - A result counts only for the attempt that it belongs to.
//!
//! Architecture invariant: no I/O, no clock, no async runtime, no randomness. Time and ids are arguments. The
//! same events give the same steps.

mod engine;
mod event;
mod run;
mod schedule;
mod turn;

pub use engine::{Engine, partly_applied_digest};
pub use event::{Effect, Event, Job, JobDone, JobRequest, NewTask, NewTaskKind, Prepared, Settings, Step};
