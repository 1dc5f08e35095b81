//! The engine: runs, tasks, locks, approvals, and what a plan really changes.
//!
//! Planner and executor are apart. [`core`] is a state machine without I/O: events in, a record to commit and
//! effects to perform out. [`runtime`] owns one tokio task that hands events to it, commits each record
//! through a [`Journal`], and only then has the effects performed through a [`Work`]. So what was begun is
//! always on record before it begins, and a crash at any moment is answered by [`core::Engine::restore`].
//!
//! | module | holds | does I/O |
//! |---|---|---|
//! | [`core`] | runs, tasks, one lock per unit, approvals, cancelling, crash recovery | no |
//! | [`change`] | what a plan changes, from `show -json`; whether two plans are the same change | no |
//! | [`decide`] | whether a fresh plan may be applied under an account's rule | no |
//! | [`runtime`] | the task that linearises events, and the ports that `app` fills | yes |
//!
//! Architecture invariant: nothing here names the store, the executor, the driver or HTTP. The engine owns
//! its ports; `app` gives the adapters. Only [`runtime`] knows tokio or reads a clock.

pub mod change;
pub mod core;
pub mod decide;
pub mod runtime;

pub use change::{Change, Difference};
pub use core::{Effect, Engine, Event, Job, JobDone, JobRequest, NewTask, NewTaskKind, Prepared, Settings, Step};
pub use decide::{Approved, Begun, Case, Fresh, Mock, Reviewed, Verdict, decide, is_approved};
pub use runtime::{BoxFuture, Handle, Journal, Stop, Work};
