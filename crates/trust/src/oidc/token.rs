//! A token taken apart: compact JWS, its header, its claims. Nothing in it is believed yet.
//!
//! [`Unverified`] does not leave the crate. It can be judged (issuer, audience, times) before its signature
//! is: a token that fails there costs no fetch of keys and no arithmetic. It becomes claims that others may
//! read only in `verifier`, after the signature holds.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use portcullis_model::{Code, Digest, DigestBuilder, Fault, id::quoted};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::Algorithm;

/// How far the clocks of issuer and runner may differ. The one leeway there is: `exp`, `nbf` and `iat` are
/// judged with it, and [`super::Verified::expires_at`] contains it, so that a token id is remembered for as
/// long as the token would be taken.
pub const LEEWAY_SECONDS: i64 = 60;

/// Largest token that is looked at.
pub const TOKEN_MAX_BYTES: usize = 16 * 1024;

/// Longest `sub`, `jti` and `kid`, in bytes. OpenID Connect Core allows 255 for `sub`; GitHub's goes beyond
/// that with a customized template.
const FIELD_MAX_BYTES: usize = 1024;

/// What of a JOSE header matters. A known name given twice is an error.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
    jwk: Option<Value>,
    jku: Option<Value>,
    x5u: Option<Value>,
    x5c: Option<Value>,
}

/// A token's parts, not verified.
pub(super) struct Unverified<'a> {
    /// The algorithm that the token claims. The key decides; this has to agree.
    pub algorithm: Algorithm,
    /// The id of the key that it claims.
    pub kid: Option<String>,
    /// What is signed: `header.payload` as they were sent.
    pub signed: &'a str,
    /// The signature.
    pub signature: Vec<u8>,
    claims: Map<String, Value>,
}

/// The times of a token, judged.
pub(super) struct Times {
    /// When the token is no longer taken: `exp` plus the leeway.
    pub expires_at: Timestamp,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart.
    pub fn parse(token: &'a str) -> Result<Self, Fault> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(Fault::new(
                Code::TOKEN_TOO_LARGE,
                format!("the token has {} bytes, allowed are {TOKEN_MAX_BYTES}", token.len()),
            )
            .remedy("Send the CI job's OIDC token as it was issued; leave out claims that the job added to it."));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(unreadable("it is not three parts with dots between them"));
        };
        let signed = token.get(..header.len() + 1 + payload.len()).unwrap_or_default();

        let header: Header = serde_json::from_slice(&decode(header, "header")?)
            .map_err(|_| unreadable("its header is not a JOSE header"))?;
        let algorithm = check_header(&header)?;
        let Ok(Value::Object(claims)) = serde_json::from_slice(&decode(payload, "payload")?) else {
            return Err(unreadable("its payload is not a JSON object"));
        };
        Ok(Unverified { algorithm, kid: header.kid, signed, signature: decode(signature, "signature")?, claims })
    }

    /// `iss`, as the token claims it.
    pub fn issuer(&self) -> Result<&str, Fault> {
        self.text("iss")?.ok_or_else(|| unreadable("it has no `iss`"))
    }

    /// `aud`, which has to be one: a token for two runners could be carried by one of them to the other.
    pub fn audience(&self) -> Result<&str, Fault> {
        let wrong = |why: String| {
            Fault::new(Code::TOKEN_WRONG_AUDIENCE, why)
                .remedy("Ask for a token whose only audience is this runner: `portcullis:<fleet>/<account>`.")
        };
        match self.claims.get("aud") {
            Some(Value::String(audience)) => Ok(audience),
            Some(Value::Array(list)) => match list.as_slice() {
                [Value::String(audience)] => Ok(audience),
                list => Err(wrong(format!("the token names {} audiences, it has to name one", list.len()))),
            },
            Some(_) => Err(unreadable("its `aud` is no text")),
            None => Err(wrong("the token names no audience".to_owned())),
        }
    }

    /// `sub`.
    pub fn subject(&self) -> Result<&str, Fault> {
        self.text("sub")?.ok_or_else(|| unreadable("it has no `sub`"))
    }

    /// Judges `exp`, `nbf` and `iat`.
    pub fn times(&self, now: Timestamp) -> Result<Times, Fault> {
        let now = now.as_second();
        let expires = self.seconds("exp")?.ok_or_else(|| unreadable("it has no `exp`"))?;
        let end = expires.saturating_add(LEEWAY_SECONDS);
        if now >= end {
            return Err(Fault::new(
                Code::TOKEN_EXPIRED,
                format!("the token expired {} s ago", now.saturating_sub(expires)),
            )
            .remedy(
                "Ask for the token right before it is used. If it was, compare the runner's clock with the issuer's.",
            ));
        }
        for name in ["nbf", "iat"] {
            if let Some(from) = self.seconds(name)?
                && now < from.saturating_sub(LEEWAY_SECONDS)
            {
                let early = from.saturating_sub(now);
                return Err(Fault::new(
                    Code::TOKEN_NOT_YET_VALID,
                    format!("the token's `{name}` is {early} s in the future"),
                )
                .remedy("Compare the runner's clock with the issuer's."));
            }
        }
        let expires_at = Timestamp::from_second(end).map_err(|_| unreadable("its `exp` is no possible time"))?;
        Ok(Times { expires_at })
    }

    /// What makes the token unique: issuer and `jti`, or what was signed.
    ///
    /// Never the signature: an ECDSA signature has a twin that verifies as well, so that one token would have
    /// two ids. Base64 is decoded strictly for the same reason.
    pub fn id(&self, issuer: &str) -> Result<Digest, Fault> {
        let mut digest;
        if let Some(jti) = self.text("jti")? {
            digest = DigestBuilder::new("portcullis token jti v1");
            digest.text(issuer).text(jti);
        } else {
            digest = DigestBuilder::new("portcullis token content v1");
            digest.text(issuer).text(self.signed);
        }
        Ok(digest.finish())
    }

    /// The claims, once the signature holds.
    pub fn into_claims(self) -> Map<String, Value> {
        self.claims
    }

    fn text(&self, name: &str) -> Result<Option<&str>, Fault> {
        match self.claims.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() && text.len() <= FIELD_MAX_BYTES => Ok(Some(text)),
            Some(_) => Err(unreadable(&format!("its `{name}` is no text of 1 to {FIELD_MAX_BYTES} bytes"))),
        }
    }

    /// A NumericDate (RFC 7519 §2): seconds since 1970, fractions allowed.
    fn seconds(&self, name: &str) -> Result<Option<i64>, Fault> {
        let Some(value) = self.claims.get(name) else { return Ok(None) };
        let seconds = value.as_i64().or_else(|| {
            let number = value.as_f64()?.floor();
            // Within ±2^53 a float is an exact integer.
            #[allow(clippy::cast_possible_truncation, reason = "checked to be in range")]
            (number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
        });
        seconds.map(Some).ok_or_else(|| unreadable(&format!("its `{name}` is no time in seconds")))
    }
}

fn check_header(header: &Header) -> Result<Algorithm, Fault> {
    // RFC 7515 §4.1.11: who does not understand an extension that is marked critical must refuse the token.
    if header.crit.is_some() {
        return Err(unreadable("its header has `crit`"));
    }
    let keys = [("jwk", &header.jwk), ("jku", &header.jku), ("x5u", &header.x5u), ("x5c", &header.x5c)];
    for (name, value) in keys {
        if value.is_some() {
            return Err(Fault::new(Code::TOKEN_UNKNOWN_KEY, format!("the token brings its own key (`{name}`)"))
                .remedy("Send a token whose key is named by `kid` among its issuer's published keys."));
        }
    }
    // RFC 8725 §3.11: a token made for another purpose says so here.
    if let Some(kind) = &header.typ
        && !kind.eq_ignore_ascii_case("JWT")
        && !kind.eq_ignore_ascii_case("application/jwt")
    {
        return Err(unreadable(&format!("its type is {}, not `JWT`", quoted(kind))));
    }
    if header.kid.as_ref().is_some_and(|kid| kid.len() > FIELD_MAX_BYTES) {
        return Err(unreadable("its `kid` is too long"));
    }
    Algorithm::from_name(&header.alg).ok_or_else(|| {
        Fault::new(Code::TOKEN_BAD_ALGORITHM, format!("the token's algorithm is {}", quoted(&header.alg)))
            .remedy("Use an issuer that signs with RS256, ES256 or EdDSA.")
    })
}

/// Strict base64url: no padding, no other alphabet, no left-over bits. So one content has one spelling.
fn decode(part: &str, name: &str) -> Result<Vec<u8>, Fault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| unreadable(&format!("its {name} is not base64url")))
}

/// A token that is no token.
pub(super) fn unreadable(why: &str) -> Fault {
    Fault::new(Code::UNAUTHENTICATED, format!("the bearer token cannot be read: {why}"))
        .remedy("Send the CI job's OIDC token as `Authorization: Bearer …`.")
}
