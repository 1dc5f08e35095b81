//! The runner's memory: one data folder, one [`Store`], one process at a time.
//!
//! | part | where | what |
//! |---|---|---|
//! | records | SQLite (WAL) | runs, tasks, events, used tokens, applied digests |
//! | ledger | SQLite (WAL) | decisions and effects, in a chain of hashes: appended in the transaction of what they record |
//! | sealed objects | SQLite, AES-256-GCM | saved plans and their parts, every version of every state |
//! | logs | append-only files, 0600 | what a task's tools printed |
//! | cache | sealed files | what can be made again (the result of an `init`) |
//!
//! Methods are `noun_verb`. What one call changes is committed in one transaction, or not at all, and is on
//! the disk when the call returns. Times are arguments.
//!
//! Architecture invariant: the store holds no logic of the engine and never opens a sealed object to look
//! at its meaning; it knows neither HTTP nor Terraform beyond the `serial` and `lineage` of a state.

mod cache;
mod calls;
mod failure;
mod ledger;
mod logs;
mod open;
mod plans;
mod runs;
mod schema;
mod seal;
mod states;
mod tokens;

pub use cache::{CACHE_ITEM_MAX_BYTES, CACHE_MAX_BYTES};
pub use ledger::{KeptEntry, LedgerReader};
pub use logs::{LOG_MAX_BYTES, LogChunk, LogWriter};
pub use open::Store;
pub use plans::{ModulePin, PLAN_PART_MAX_BYTES, PlanPurpose, PlanRecord};
pub use portcullis_model::ledger::DecisionRecord;
pub use runs::{AcceptRun, Accepted, Idempotency, ReadToken, UsedToken};
pub use states::{Holder, LockOutcome, StateInfo, StateVersion, UnlockOutcome};
