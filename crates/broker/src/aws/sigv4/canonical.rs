//! The canonical request: what is hashed and signed.
//!
//! Source: IAM user guide, *Create a signed AWS API request*; *Signature Calculations for the Authorization Header* of
//! S3 for what is different there.

use http::{HeaderMap, HeaderName};

use crate::aws::encode::encode;

/// How a path is written into the canonical request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathForm {
    /// As it is on the wire: S3.
    Once,
    /// Encoded again: all others.
    Twice,
}

/// A request as it is signed.
pub(super) struct Canonical<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) form: PathForm,
    /// Decoded; a signature among them is left out.
    pub(super) parameters: &'a [(String, String)],
    pub(super) headers: &'a HeaderMap,
    /// What stands for `host`.
    pub(super) host: &'a str,
    /// Lower case, sorted.
    pub(super) signed: &'a [HeaderName],
    /// The digest of the body, or the word that stands for it.
    pub(super) payload: &'a str,
}

impl Canonical<'_> {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(self.method.as_bytes());
        out.push(b'\n');
        match self.form {
            PathForm::Once => out.extend_from_slice(self.path.as_bytes()),
            PathForm::Twice => out.extend_from_slice(encode(self.path, true).as_bytes()),
        }
        out.push(b'\n');
        out.extend_from_slice(query(self.parameters).as_bytes());
        out.push(b'\n');
        for name in self.signed {
            self.header(&mut out, name);
        }
        out.push(b'\n');
        out.extend_from_slice(names(self.signed).as_bytes());
        out.push(b'\n');
        out.extend_from_slice(self.payload.as_bytes());
        out
    }

    fn header(&self, out: &mut Vec<u8>, name: &HeaderName) {
        out.extend_from_slice(name.as_str().as_bytes());
        out.push(b':');
        if name == http::header::HOST {
            out.extend_from_slice(self.host.as_bytes());
        } else {
            for (n, value) in self.headers.get_all(name).iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                trim_into(out, value.as_bytes());
            }
        }
        out.push(b'\n');
    }
}

/// `a;b;c`.
pub(super) fn names(signed: &[HeaderName]) -> String {
    signed.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(";")
}

/// Encoded and sorted, by name and then by value.
fn query(parameters: &[(String, String)]) -> String {
    let mut encoded: Vec<(String, String)> = parameters
        .iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| (encode(name, false), encode(value, false)))
        .collect();
    encoded.sort();
    let pairs: Vec<String> = encoded.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// Without spaces at the ends; several in a row are one.
fn trim_into(out: &mut Vec<u8>, value: &[u8]) {
    let mut pending = false;
    let start = out.len();
    for byte in value {
        if *byte == b' ' {
            pending = out.len() > start;
        } else {
            if pending {
                out.push(b' ');
            }
            pending = false;
            out.push(*byte);
        }
    }
}
