//! Who may do what in an account: the fleet's grants, and what they say about a caller.
//!
//! [`decide`] compares the claims of a verified token with the account's principals and says which action is allowed,
//! with a reason that can be acted on.
//!
//! Architecture invariant: pure. No I/O, no clock; it verifies no token and starts nothing.

mod decide;
mod grants;

pub use decide::{Decision, decide, decide_approval, principals};
pub use grants::{Caller, Grant, Grants, Principal};
