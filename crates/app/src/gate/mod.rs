//! The one way in: authenticate, validate, authorize, accept.
//!
//! | module | holds |
//! |---|---|
//! | [`rules`] | [`Rules`]: what the gate needs of the definition in force, and [`Newer`]: the way to a newer one |
//! | [`entry`] | [`Gate`], [`Intake`], and who the caller is |
//! | [`trigger`] | asking for a run |
//! | [`declared`] | what a declared action comes to for a request |
//! | [`ask`] | what a caller may ask for, and what would become of a request |
//! | [`existing`] | approving, cancelling and reading runs |
//! | `people` | who had a hand in a change, so that nobody approves their own |
//! | [`place`] | where a unit may be, and where it must not lead |
//! | [`record`] | decisions on record, bounded against floods |
//!
//! Every request that changes something passes here, and what was decided about it is on record before
//! anything starts, granted or not. A token is spent by the request that it starts, approves or cancels with;
//! reading does not spend it.
//!
//! Never believes a request: refs are resolved in the runner's own mirror, rights come from the last good fleet
//! definition on the protected branch. Never fetches for a stranger: a caller is judged by the definition in
//! force first; only who is a principal of it makes the runner look at the repository, everybody else at most
//! once in ten seconds, all of them together.

mod ask;
mod declared;
pub mod entry;
pub mod existing;
mod people;
pub mod place;
pub mod record;
pub mod rules;
pub mod trigger;

pub use entry::{Gate, Intake, READ_TOKEN_PREFIX, no_such_run};
pub use rules::{Newer, Rules};
pub use trigger::LetIn;
