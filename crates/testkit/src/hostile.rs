//! Tokens that must be refused, made from one that would be taken.

use aws_lc_rs::hmac;
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
    let forge = Forge { keys: &shared.keys, stranger: Keys::generate(shared.keys.generation()), claims };
    [forge.algorithms(), forge.keys_of_its_own(), forge.signatures(), forge.claims(), forge.shapes()].concat()
}

/// What forgeries are made of: the issuer's keys, another's keys under the same ids, good claims.
struct Forge<'a> {
    keys: &'a Keys,
    stranger: Keys,
    claims: Value,
}

fn hostile(name: &'static str, code: Code, token: String) -> HostileToken {
    HostileToken { name, token, code }
}

impl Forge<'_> {
    fn header(&self, algorithm: Algorithm) -> Value {
        json!({"typ": "JWT", "alg": algorithm.as_str(), "kid": self.keys.kid(algorithm)})
    }

    /// Signed by the issuer's key, whatever the header says.
    fn signed(&self, with: Algorithm, header: &Value, claims: &Value) -> String {
        let input = signing_input(header, claims);
        let signature = self.keys.sign(with, input.as_bytes());
        format!("{input}.{}", encode(&signature))
    }

    /// Signed by the issuer, with other claims.
    fn claiming(&self, changes: Value) -> String {
        self.signed(Algorithm::Rs256, &self.header(Algorithm::Rs256), &merged(&self.claims, changes))
    }

    /// Signed by the issuer, with more in the header.
    fn heading(&self, changes: Value) -> String {
        self.signed(Algorithm::Rs256, &merged(&self.header(Algorithm::Rs256), changes), &self.claims)
    }

    fn algorithms(&self) -> Vec<HostileToken> {
        let bad = Code::TOKEN_BAD_ALGORITHM;
        let kid = self.keys.kid(Algorithm::Rs256);
        let unsigned = |alg: &str| format!("{}.", signing_input(&json!({"alg": alg, "kid": kid}), &self.claims));
        let input = signing_input(&json!({"alg": "HS256", "kid": kid}), &self.claims);
        // The classic: the public key, known to all, as the secret of an HMAC.
        let public = self.keys.jwk(Algorithm::Rs256).to_string();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public.as_bytes()), input.as_bytes());
        let (rsa, ec, ed) = (Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa);
        let crossed = |alg: Algorithm, key: Algorithm| {
            let header = json!({"alg": alg.as_str(), "kid": self.keys.kid(key)});
            self.signed(key, &header, &self.claims)
        };
        vec![
            hostile("alg none", bad, unsigned("none")),
            hostile("alg None", bad, unsigned("None")),
            hostile("alg nOnE", bad, unsigned("nOnE")),
            hostile("alg empty", bad, unsigned("")),
            hostile("HMAC with the public key", bad, format!("{input}.{}", encode(tag.as_ref()))),
            hostile("ES256 with an RSA key", bad, crossed(ec, rsa)),
            hostile("RS256 with an EC key", bad, crossed(rsa, ec)),
            hostile("RS256 with an Ed25519 key", bad, crossed(rsa, ed)),
            hostile("EdDSA with an RSA key", bad, crossed(ed, rsa)),
            hostile("RS512", bad, self.heading(json!({"alg": "RS512"}))),
            hostile("PS256", bad, self.heading(json!({"alg": "PS256"}))),
            hostile("rs256 in lower case", bad, self.heading(json!({"alg": "rs256"}))),
        ]
    }

    fn keys_of_its_own(&self) -> Vec<HostileToken> {
        let unknown = Code::TOKEN_UNKNOWN_KEY;
        // Signed by a stranger who brings, or points to, his own key.
        let brought = |changes: Value| {
            let input = signing_input(&merged(&self.header(Algorithm::Rs256), changes), &self.claims);
            format!("{input}.{}", encode(&self.stranger.sign(Algorithm::Rs256, input.as_bytes())))
        };
        let jwk = self.stranger.jwk(Algorithm::Rs256);
        vec![
            hostile("embedded jwk", unknown, brought(json!({"jwk": jwk, "kid": null}))),
            hostile("embedded jwk with the issuer's kid", unknown, brought(json!({"jwk": jwk}))),
            hostile("jku", unknown, brought(json!({"jku": "https://evil.example/jwks"}))),
            hostile("x5u", unknown, brought(json!({"x5u": "https://evil.example/chain"}))),
            hostile("x5c", unknown, brought(json!({"x5c": ["AAAA"]}))),
            hostile("another's key under the same kid", Code::TOKEN_BAD_SIGNATURE, brought(json!({}))),
            hostile("unknown kid", unknown, brought(json!({"kid": "other"}))),
            hostile("kid that is a path", unknown, brought(json!({"kid": "../../../../dev/null"}))),
            hostile("kid that is SQL", unknown, brought(json!({"kid": "' OR '1'='1"}))),
            hostile("no kid", unknown, brought(json!({"kid": null}))),
            hostile("kid that is a number", Code::UNAUTHENTICATED, brought(json!({"kid": 1}))),
            hostile("crit", Code::UNAUTHENTICATED, self.heading(json!({"crit": ["exp"]}))),
            hostile(
                "b64 that is critical",
                Code::UNAUTHENTICATED,
                self.heading(json!({"crit": ["b64"], "b64": false})),
            ),
            hostile("typ of another purpose", Code::UNAUTHENTICATED, self.heading(json!({"typ": "logout+jwt"}))),
        ]
    }

    fn signatures(&self) -> Vec<HostileToken> {
        let bad = Code::TOKEN_BAD_SIGNATURE;
        let input = |algorithm| signing_input(&self.header(algorithm), &self.claims);
        let with = |algorithm, signature: &[u8]| format!("{}.{}", input(algorithm), encode(signature));
        let good = self.keys.sign(Algorithm::Rs256, input(Algorithm::Rs256).as_bytes());
        let cut = good.get(..good.len() - 1).unwrap_or_default();
        let other = signing_input(&self.header(Algorithm::Rs256), &merged(&self.claims, json!({"sub": "root"})));
        let raw = self.keys.sign(Algorithm::Es256, input(Algorithm::Es256).as_bytes());
        vec![
            hostile("no signature", bad, with(Algorithm::Rs256, &[])),
            hostile("signature cut short", bad, with(Algorithm::Rs256, cut)),
            hostile("signature of zeros (RS256)", bad, with(Algorithm::Rs256, &[0; 256])),
            hostile("signature of zeros (ES256)", bad, with(Algorithm::Es256, &[0; 64])),
            hostile("signature of zeros (EdDSA)", bad, with(Algorithm::EdDsa, &[0; 64])),
            hostile("ES256 signature as DER", bad, with(Algorithm::Es256, &der(&raw))),
            hostile("claims changed after signing", bad, format!("{other}.{}", encode(&good))),
        ]
    }

    fn claims(&self) -> Vec<HostileToken> {
        let second = |name: &str, offset: i64| {
            let now = self.claims.get("iat").and_then(Value::as_i64).unwrap_or_default();
            json!({name: now + offset})
        };
        let text = |name: &str| self.claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (audience, issuer) = (text("aud"), text("iss"));
        let (wrong_audience, wrong_issuer) = (Code::TOKEN_WRONG_AUDIENCE, Code::TOKEN_WRONG_ISSUER);
        let (late, early, unreadable) = (Code::TOKEN_EXPIRED, Code::TOKEN_NOT_YET_VALID, Code::UNAUTHENTICATED);
        vec![
            hostile("expired", late, self.claiming(second("exp", -61))),
            hostile("expired long ago", late, self.claiming(json!({"exp": 1}))),
            hostile("expired at the smallest number", late, self.claiming(json!({"exp": i64::MIN}))),
            hostile("nbf in the future", early, self.claiming(second("nbf", 3600))),
            hostile("iat in the future", early, self.claiming(second("iat", 3600))),
            hostile("no exp", unreadable, self.claiming(json!({"exp": null}))),
            hostile("exp as text", unreadable, self.claiming(json!({"exp": "9999999999"}))),
            hostile("exp out of all bounds", unreadable, self.claiming(json!({"exp": 1e300}))),
            hostile("exp at the largest number", unreadable, self.claiming(json!({"exp": i64::MAX}))),
            hostile("nbf as a list", unreadable, self.claiming(json!({"nbf": [0]}))),
            hostile("another audience", wrong_audience, self.claiming(json!({"aud": "portcullis:other/prod"}))),
            hostile(
                "audience with more behind it",
                wrong_audience,
                self.claiming(json!({"aud": format!("{audience}x")})),
            ),
            hostile("audience in upper case", wrong_audience, self.claiming(json!({"aud": audience.to_uppercase()}))),
            hostile("two audiences", wrong_audience, self.claiming(json!({"aud": [audience, "other"]}))),
            hostile("no audience", wrong_audience, self.claiming(json!({"aud": null}))),
            hostile("empty list of audiences", wrong_audience, self.claiming(json!({"aud": []}))),
            hostile("audience as an object", unreadable, self.claiming(json!({"aud": {"a": audience}}))),
            hostile("another issuer", wrong_issuer, self.claiming(json!({"iss": "https://evil.example"}))),
            hostile("issuer with a slash", wrong_issuer, self.claiming(json!({"iss": format!("{issuer}/")}))),
            hostile("issuer with a user", wrong_issuer, self.claiming(json!({"iss": issuer.replace("//", "//x@")}))),
            hostile("no issuer", unreadable, self.claiming(json!({"iss": null}))),
            hostile("issuer as a list", unreadable, self.claiming(json!({"iss": [issuer]}))),
            hostile("no subject", unreadable, self.claiming(json!({"sub": null}))),
            hostile("jti as a number", unreadable, self.claiming(json!({"jti": 7}))),
            hostile("empty jti", unreadable, self.claiming(json!({"jti": ""}))),
        ]
    }

    fn shapes(&self) -> Vec<HostileToken> {
        let bad = Code::UNAUTHENTICATED;
        let good = self.claiming(json!({}));
        let (input, signature) = good.rsplit_once('.').unwrap_or_default();
        let (header, payload) = input.split_once('.').unwrap_or_default();
        let deep = encode("[".repeat(8000).as_bytes());
        let twice = encode(br#"{"alg":"RS256","alg":"none","kid":"x"}"#);
        vec![
            hostile("empty", bad, String::new()),
            hostile("two dots alone", bad, "..".into()),
            hostile("two parts", bad, input.into()),
            hostile("four parts", bad, format!("{good}.")),
            hostile("five parts, encrypted", bad, format!("{header}....{signature}")),
            hostile("larger than 16 KiB", Code::TOKEN_TOO_LARGE, format!("{good}{}", "A".repeat(16 * 1024))),
            hostile("padding", bad, format!("{good}=")),
            hostile("white space", bad, format!("{good} ")),
            hostile("line break inside", bad, format!("{header}.{payload}\n.{signature}")),
            hostile("other alphabet", bad, format!("{header}.{payload}.+/+/")),
            hostile("left-over bits", bad, left_over_bits(&good)),
            hostile("no base64", bad, format!("ü.{payload}.{signature}")),
            hostile("header is a list", bad, format!("{}.{payload}.{signature}", encode(b"[]"))),
            hostile("header without alg", bad, format!("{}.{payload}.{signature}", encode(b"{}"))),
            hostile("header with alg twice", bad, format!("{twice}.{payload}.{signature}")),
            hostile("payload is text", bad, format!("{header}.{}.{signature}", encode(b"\"x\""))),
            hostile("payload is not JSON", bad, format!("{header}.{}.{signature}", encode(b"\xff\xfe"))),
            hostile("payload nested deep", bad, format!("{header}.{deep}.{signature}")),
            hostile(
                "JSON form",
                bad,
                json!({"payload": payload, "protected": header, "signature": signature}).to_string(),
            ),
        ]
    }
}

/// Changes members of an object; `null` removes.
fn merged(object: &Value, changes: Value) -> Value {
    let mut all = object.as_object().cloned().unwrap_or_default();
    if let Value::Object(changes) = changes {
        all.extend(changes);
    }
    all.retain(|_, value| !value.is_null());
    Value::Object(all)
}

/// An ECDSA signature in the form that JWS does not use.
fn der(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(32);
    let integer = |number: &[u8]| {
        let sign = number.first().is_some_and(|byte| *byte >= 0x80);
        let body = [if sign { &[0][..] } else { &[] }, number].concat();
        [&[2, u8::try_from(body.len()).unwrap_or_default()][..], &body].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(body.len()).unwrap_or_default()][..], &body].concat()
}

/// The same bytes in another spelling: a lax decoder would take it, and see a token that it has not seen yet.
/// A signature of 256 bytes ends with a character of which four bits are unused.
fn left_over_bits(token: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut characters: Vec<char> = token.chars().collect();
    let last = characters.pop().and_then(|last| ALPHABET.find(last)).unwrap_or_default();
    characters.extend(ALPHABET.chars().nth(last | 1));
    characters.into_iter().collect()
}
