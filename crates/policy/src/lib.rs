//! Who may do what in an account: the fleet's grants compiled to Cedar, and what they say about a caller.
//!
//! [`Compiler`] makes [`Policies`] of an account's [`Grants`]: one `permit` for each right, from `allow` and `approvers`, and
//! the `forbid`s of `policy` blocks. [`Policies::decide`] asks them about a verified token and what the runner knows of the
//! request; [`Policies::rights`] asks the same policies who may do what at all. There is no other way to a right.
//!
//! | module | holds |
//! |---|---|
//! | `grants` | the data: principals, grants, freezes; who asks, and what is known of a request |
//! | `schema` | the Cedar schema, and the names of its entities |
//! | `permit`, `forbid` | policies: made of grants, and read from `policy` blocks |
//! | `compile`, `index` | [`Compiler`] and [`Policies`]; finding the principals that a token is |
//! | `request` | a question in Cedar's terms |
//! | `decide`, `explain`, `rights` | answers, their words, and all answers there are |
//!
//! Architecture invariant: pure. No I/O, no clock; it verifies no token and starts nothing. Only Cedar's stable interface.

mod compile;
mod decide;
mod explain;
mod forbid;
mod grants;
mod index;
mod permit;
mod request;
mod rights;
mod schema;

pub use compile::{Compiler, Policies};
pub use decide::Decision;
pub use forbid::{Forbid, TEXT_MAX_BYTES, TextFault};
pub use grants::{Caller, Facts, Freeze, Grant, Grants, Principal, Requester, Role};
pub use rights::Unless;
