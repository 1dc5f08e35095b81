//! OIDC bearer tokens, as CI systems give them to their jobs.

mod verifier;

pub use verifier::{Identity, LEEWAY_SECONDS, TOKEN_MAX_BYTES, Verified, Verifier};
