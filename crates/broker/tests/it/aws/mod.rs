//! AWS through the door, from outside of the crate.

mod body;
mod call;
mod go;
mod oracle;
mod sdk;
mod suite;
mod table;

use http::request::Parts;
use jiff::Timestamp;
use portcullis_broker::aws::Request;
use portcullis_broker::aws::sigv4::{Claim, Credentials, Digest, SignatureFault, Verified};

pub fn parts(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

pub fn verify(
    parts: &Parts,
    authority: &str,
    key: &Credentials,
    body: Option<Digest>,
    now: Timestamp,
) -> Result<(Request, Verified), SignatureFault> {
    let request = Request::read(parts, authority)?;
    let verified = Claim::read(&request, now)?.verify(&request, key, body)?;
    Ok((request, verified))
}

pub fn key(id: &str, secret: &str, token: Option<&str>) -> Credentials {
    Credentials { access_key_id: id.into(), secret_access_key: secret.into(), session_token: token.map(String::from) }
}

pub fn sha256(bytes: &[u8]) -> Digest {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
