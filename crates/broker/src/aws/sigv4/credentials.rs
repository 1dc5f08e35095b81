//! [`Credentials`], and what is made with them: keys and signatures.

use std::fmt;

use aws_lc_rs::{constant_time, digest, hmac};

use crate::aws::encode::hex;

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// An access key, real or a placeholder.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Its id: not a secret.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The token that goes with keys that expire.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// What a signature is good for: one day, region and service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `YYYYMMDD`.
    pub date: String,
    /// The region, as in `eu-west-1`.
    pub region: String,
    /// The service by the name that it has in signatures, as in `s3` or `monitoring`.
    pub service: String,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// A key for one [`Scope`], with the moment that is signed.
pub(super) struct SigningKey {
    key: hmac::Key,
    /// `YYYYMMDDTHHMMSSZ`.
    pub(super) time: String,
    pub(super) scope: Scope,
}

impl SigningKey {
    pub(super) fn new(secret: &str, time: String, scope: Scope) -> Self {
        let mut key = hmac_sha256(format!("AWS4{secret}").as_bytes(), scope.date.as_bytes());
        for part in [scope.region.as_str(), &scope.service, "aws4_request"] {
            key = hmac_sha256(key.as_ref(), part.as_bytes());
        }
        SigningKey { key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), time, scope }
    }

    /// Of a canonical request.
    pub(super) fn sign_request(&self, canonical: &[u8]) -> Digest {
        let digest = hex(&sha256(canonical));
        self.sign(&format!("AWS4-HMAC-SHA256\n{}\n{}\n{digest}", self.time, self.scope))
    }

    /// Of a chunk of a body, by its digest, after the signature before it.
    pub(super) fn sign_chunk(&self, previous: &Digest, chunk: &Digest) -> Digest {
        self.sign(&format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{EMPTY}\n{}",
            self.time,
            self.scope,
            hex(previous),
            hex(chunk)
        ))
    }

    /// Of a body's trailers, by their digest, after the last chunk's signature.
    pub(super) fn sign_trailers(&self, previous: &Digest, trailers: &Digest) -> Digest {
        self.sign(&format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{}",
            self.time,
            self.scope,
            hex(previous),
            hex(trailers)
        ))
    }

    fn sign(&self, text: &str) -> Digest {
        bytes_of(hmac::sign(&self.key, text.as_bytes()).as_ref())
    }
}

/// SHA-256 of nothing.
pub(super) const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(super) fn sha256(bytes: &[u8]) -> Digest {
    bytes_of(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Takes as long whatever differs.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

/// SHA-256 and HMAC-SHA256 have 32 bytes.
fn bytes_of(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(bytes);
    out
}
