//! The [`Verifier`]: a bearer token in, a [`Verified`] or a fault out.

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_model::{Digest, Fault};
use serde_json::{Map, Value};

/// How far the clocks of issuer and runner may differ. The one leeway there is: `exp`, `nbf` and `iat` are
/// judged with it, and [`Verified::expires_at`] contains it, so that a token id is remembered for as long
/// as the token would be taken.
pub const LEEWAY_SECONDS: i64 = 60;

/// Largest token that is looked at.
pub const TOKEN_MAX_BYTES: usize = 16 * 1024;

/// An issuer that the fleet definition declares, for one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name in the fleet definition, such as `github`.
    pub name: String,
    /// Exactly what `iss` has to be: an `https` URL, or `http` on loopback.
    pub issuer: String,
    /// Where its keys are. `None`: what `{issuer}/.well-known/openid-configuration` says.
    pub jwks_uri: Option<String>,
    /// What `aud` has to name: `portcullis:<fleet>/<account>` unless the fleet says otherwise.
    pub audience: String,
}

/// A token whose signature, issuer, audience and times hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The names of the identities that it fits: those with its issuer and its audience. Never empty.
    pub identities: BTreeSet<String>,
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// All claims of the token.
    pub claims: Map<String, Value>,
    /// What the store remembers so that the token is used once: a digest over issuer and `jti`, or over
    /// what was signed when there is no `jti`.
    pub token_id: Digest,
    /// When the token would no longer be taken: `exp` plus the leeway. `token_id` must be remembered until
    /// then.
    pub expires_at: Timestamp,
}

/// Verifies bearer tokens of the declared issuers. Shared by all requests; keeps the issuers' keys.
pub struct Verifier {
    _private: (),
}

impl Verifier {
    /// For these issuers. Nothing is fetched before the first token.
    ///
    /// # Errors
    /// Every identity whose issuer or `jwks_uri` is no `https` URL (or `http` on loopback).
    pub fn new(identities: Vec<Identity>) -> Result<Self, Vec<Fault>> {
        drop(identities);
        Ok(Verifier { _private: () })
    }

    /// Takes other issuers from now on (the fleet definition changed). Keys of issuers that stay are kept.
    ///
    /// # Errors
    /// As [`Verifier::new`]; the former ones stay in force then.
    pub fn replace(&self, identities: Vec<Identity>) -> Result<(), Vec<Fault>> {
        drop(identities);
        Ok(())
    }

    /// Verifies a token at a time.
    ///
    /// # Errors
    /// The `PC-02xx` code that says what does not hold. The message never contains the token.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, Fault> {
        let _ = (token, now);
        Err(Fault::internal("not there yet"))
    }
}
