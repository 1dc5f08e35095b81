//! AWS through the door: what a request that was signed with a placeholder key asks for, whether it may, and the same
//! request with a real signature.
//!
//! Pure: no socket, no clock, no store. The proxy hands in what it has read and does what comes back.
//!
//! | module | job |
//! |---|---|
//! | `call` | a request from its head to the signed request: what a proxy calls |
//! | `request` | a request's line and headers, refused where they can be read in two ways |
//! | `encode` | percent-encoding as AWS signs it |
//! | `sigv4` | verify with the placeholder, sign with the real key |
//! | `role` | `sts:AssumeRole` from inside |
//! | `judge` | whether it may, by phase and grants; the answer to what may not |
//! | `table` | which operation a request asks for, its access level, and on which resource |

mod call;
mod encode;
pub mod judge;
mod request;
pub mod role;
pub mod sigv4;
pub mod table;

pub use call::{Allowed, Asked, BodyRead, BodyWanted, Call, Denied, Identity, SESSIONS_MAX, Task};
pub use request::{Ambiguous, Request};
