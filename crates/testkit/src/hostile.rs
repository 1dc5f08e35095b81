//! Tokens that must be refused.

use portcullis_model::Code;
use serde_json::{Value, json};

use crate::issuer::{Algorithm, FakeIssuer, Keys, complete, encode, signing_input};

/// A token that must be refused, and how.
#[derive(Debug, Clone)]
pub struct HostileToken {
    /// What is wrong with it.
    pub name: &'static str,
    /// The token.
    pub token: String,
    /// The code that it must be refused with.
    pub code: Code,
}

/// Hostile variants of a token that would be good with these claims (which name the right audience).
pub fn hostile_tokens(issuer: &FakeIssuer, claims: &Value) -> Vec<HostileToken> {
    let shared = issuer.lock();
    let claims = complete(&shared.url, claims.clone());
    let header = json!({"alg": "none"});
    let token = format!("{}.", signing_input(&header, &claims));
    let _ = (Keys::generate, Algorithm::ALL, encode);
    vec![HostileToken { name: "alg none", token, code: Code::TOKEN_BAD_ALGORITHM }]
}
