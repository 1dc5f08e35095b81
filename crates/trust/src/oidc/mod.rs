//! OIDC bearer tokens, as CI systems give them to their jobs.
//!
//! | module | holds |
//! |---|---|
//! | `token` | a token taken apart: nothing in it is believed yet |
//! | `keys` | an issuer's public keys; each knows the one algorithm it is for |
//! | `source` | where keys come from: discovery, fetch, a cache that strangers cannot make hammer an issuer |
//! | `verifier` | [`Verifier`]: the order of checks |
//!
//! The rules are those of RFC 7515, 7517, 7518, 7519 and of RFC 8725 (best current practices), and stricter
//! where CI tokens allow it: one audience, three algorithms, no key or certificate named by the token.

mod keys;
mod source;
mod token;
mod verifier;

pub use source::Connection;
pub use token::{LEEWAY_SECONDS, TOKEN_MAX_BYTES};
pub use verifier::{Identity, Verified, Verifier};
