//! An issuer's public keys. Each is for one algorithm, and that is decided here, never by a token.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Code, Fault, id::quoted};
use serde::Deserialize;
use serde_json::Value;

use super::token::Unverified;

/// Most keys of a set that are looked at.
const KEYS_MAX: usize = 100;

/// The signature algorithms that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    /// As JWS spells it. `Ed25519` is the fully specified name of RFC 9864.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Algorithm::Rs256),
            "ES256" => Some(Algorithm::Es256),
            "EdDSA" | "Ed25519" => Some(Algorithm::EdDsa),
            _ => None,
        }
    }
}

enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256 { point: Vec<u8> },
    Ed25519 { point: Vec<u8> },
}

struct Key {
    kid: Option<String>,
    material: Material,
}

/// A JSON Web Key, as far as it matters. What does not fit is skipped: issuers publish other keys as well.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The usable keys of an issuer.
#[derive(Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

/// Whether a set can answer for a token.
pub(super) enum Judgement {
    /// The signature holds.
    Holds,
    /// The key is not in this set; a newer one may have it.
    UnknownKey,
}

impl KeySet {
    /// From a JWKS document (RFC 7517 §5).
    pub fn parse(document: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_slice(document).ok()?;
        let keys = document
            .keys
            .into_iter()
            .take(KEYS_MAX)
            .filter_map(|value| Key::from_jwk(serde_json::from_value(value).ok()?))
            .collect();
        Some(KeySet { keys })
    }

    /// Whether no key of it can be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Checks a token's signature with the key that it names.
    pub fn judge(&self, token: &Unverified<'_>) -> Result<Judgement, Fault> {
        let named: Vec<&Key> = match &token.kid {
            Some(kid) => self.keys.iter().filter(|key| key.kid.as_ref() == Some(kid)).collect(),
            // Without a name there is a choice only if there is no choice.
            None if self.keys.len() == 1 => self.keys.iter().collect(),
            None => Vec::new(),
        };
        if named.is_empty() {
            return Ok(Judgement::UnknownKey);
        }
        let fitting: Vec<&Key> = named.into_iter().filter(|key| key.algorithm() == token.algorithm).collect();
        if fitting.is_empty() {
            return Err(Fault::new(
                Code::TOKEN_BAD_ALGORITHM,
                format!("the token's algorithm is not that of its key {}", shown(token.kid.as_deref())),
            )
            .remedy("Send the CI job's OIDC token as it was issued."));
        }
        if fitting.iter().any(|key| key.verifies(token.signed.as_bytes(), &token.signature)) {
            return Ok(Judgement::Holds);
        }
        Err(Fault::new(Code::TOKEN_BAD_SIGNATURE, "the token's signature does not hold")
            .remedy("Send the CI job's OIDC token as it was issued."))
    }
}

/// A key's name for a message.
pub(super) fn shown(kid: Option<&str>) -> String {
    kid.map_or_else(|| "(it names none)".to_owned(), quoted)
}

impl Key {
    fn from_jwk(jwk: Jwk) -> Option<Self> {
        let signs = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
            && jwk.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|name| name == "verify"));
        if !signs {
            return None;
        }
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => rsa(&jwk)?,
            ("EC", Some("P-256")) => {
                let (x, y) = (exactly_32(jwk.x.as_deref()?)?, exactly_32(jwk.y.as_deref()?)?);
                Material::P256 { point: [&[0x04][..], &x, &y].concat() }
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519 { point: exactly_32(jwk.x.as_deref()?)? },
            _ => return None,
        };
        let key = Key { kid: jwk.kid, material };
        // A key that names another algorithm (RS512, RSA-OAEP, …) is not for this one.
        match jwk.alg {
            Some(name) if Algorithm::from_name(&name) != Some(key.algorithm()) => None,
            _ => Some(key),
        }
    }

    fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::P256 { .. } => Algorithm::Es256,
            Material::Ed25519 { .. } => Algorithm::EdDsa,
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            Material::P256 { point } => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Material::Ed25519 { point } => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
        }
        .is_ok()
    }
}

/// An RSA key of 2048 to 8192 bits whose exponent is at least 65537: with an exponent of 1 every message is
/// its own signature, and small ones have a history.
fn rsa(jwk: &Jwk) -> Option<Material> {
    let n = number(jwk.n.as_deref()?)?;
    let e = number(jwk.e.as_deref()?)?;
    let exponent = (e.len() <= 8).then(|| e.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte)))?;
    ((256..=1024).contains(&n.len()) && exponent >= 65537 && exponent % 2 == 1).then_some(Material::Rsa { n, e })
}

/// A big-endian number without leading zeros (some issuers add one, against RFC 7518 §6.3.1.1).
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let start = bytes.iter().position(|byte| *byte != 0)?;
    bytes.get(start..).map(<[u8]>::to_vec)
}

fn exactly_32(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == 32)
}
