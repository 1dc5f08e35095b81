//! Who is asking, and may they: OIDC tokens and the fleet's grants.
//!
//! [`oidc::Verifier`] turns a bearer token into a [`oidc::Verified`]: signature, issuer, audience and times
//! hold. [`policy::decide`] compares its claims with the account's principals and says which action is
//! allowed, with a reason that can be acted on. Both are told the time; neither reads a clock.
//!
//! That a token is used once is kept by the store: [`oidc::Verified::token_id`] and
//! [`oidc::Verified::expires_at`] are what it has to remember, and for how long.
//!
//! Architecture invariant: this crate launches nothing, and nothing but [`oidc::Verifier`] opens a
//! connection, to declared issuers only. Claims that are not verified have a type of their own that does
//! not leave the crate.

pub mod oidc;
pub mod policy;
