//! AWS through the door: what a request that was signed with a placeholder key asks for, whether it may, and the same
//! request with a real signature.
//!
//! Pure: no socket, no clock, no store. The proxy hands in what it has read and does what comes back.
//!
//! | module | job |
//! |---|---|
//! | `request` | a request's line and headers, refused where they can be read in two ways |
//! | `encode` | percent-encoding as AWS signs it |
//! | `sigv4` | verify with the placeholder, sign with the real key |
//! | `table` | which operation a request asks for, its access level, and on which resource |

mod encode;
mod request;
pub mod sigv4;
pub mod table;

pub use request::{Ambiguous, Request};
