//! What a token says of itself: its audience, read before it is sent anywhere.
//!
//! Nothing is verified here, and nothing is believed: the runner does that. This only keeps a token that was made
//! for somebody else from being sent to a runner.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// Whom a token says that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audiences {
    /// These. None when it names nobody.
    Named(Vec<String>),
    /// It is no JWT: a run's read token.
    Opaque,
}

/// Reads the `aud` of a compact JWT.
pub fn audiences(token: &str) -> Audiences {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Audiences::Opaque;
    };
    let decoded = URL_SAFE_NO_PAD.decode(payload).ok();
    let Some(Value::Object(claims)) = decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok()) else {
        return Audiences::Opaque;
    };
    Audiences::Named(match claims.get("aud") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(list)) => {
            list.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect()
        }
        Some(other) => vec![other.to_string()],
        None => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_audience_is_read_in_all_its_spellings() {
        let token = |claims: Value| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let named = |names: &[&str]| Audiences::Named(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(audiences(&token(json!({"aud": "a"}))), named(&["a"]));
        assert_eq!(audiences(&token(json!({"aud": ["a", "b"]}))), named(&["a", "b"]));
        assert_eq!(audiences(&token(json!({"aud": [1]}))), named(&["1"]));
        assert_eq!(audiences(&token(json!({}))), named(&[]));
        for opaque in ["pcr_0123", "", "a.b", "a.b.c", "a.!!.c", "a.b.c.d"] {
            assert_eq!(audiences(opaque), Audiences::Opaque, "{opaque}");
        }
    }
}
