//! Who is asking: OIDC tokens.
//!
//! [`oidc::Verifier`] turns a bearer token into a [`oidc::Verified`]: signature, issuer, audience and times
//! hold. It is told the time and reads no clock. What the token may do is said by the crate `policy`.
//!
//! That a token is used once is kept by the store: [`oidc::Verified::token_id`] and
//! [`oidc::Verified::expires_at`] are what it has to remember, and for how long.
//!
//! Architecture invariant: this crate launches nothing, and nothing but [`oidc::Verifier`] opens a
//! connection, to declared issuers only. Claims that are not verified have a type of their own that does
//! not leave the crate.

pub mod ledger;
pub mod oidc;
