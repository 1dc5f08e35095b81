//! Signature version 4: a request that was signed with a placeholder key is verified, and signed again with a real one.
//!
//! | module | job |
//! |---|---|
//! | `claim` | what a request says about its signature; refuses what can be read in two ways |
//! | `canonical` | the text that is signed |
//! | `credentials` | keys, and signatures of requests, chunks and trailers |
//! | `sign` | verifies a claim; the same request with a real signature |
//! | `body` | a body on its way: verified, and its chunks signed again, in bounded memory |
//!
//! Verifying and signing go through the same canonical form: what leaves is what was verified. Pure: the time is an
//! argument, and nothing is read or sent.

mod body;
mod canonical;
mod claim;
mod credentials;
mod sign;

pub use body::{Body, BodyFault, CHUNK_MAX_BYTES};
pub(crate) use claim::is_of_signature;
pub use claim::{Claim, Payload, Place, SKEW_MAX, SignatureFault};
pub use credentials::{Credentials, Digest, Scope};
pub use sign::{Signed, Verified};
