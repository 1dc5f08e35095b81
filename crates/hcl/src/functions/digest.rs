//! Hashes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use portcullis_model::Fault;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use uuid::Uuid;

use super::Param::Text;
use super::{Call, Function, plain};
use crate::Value;

pub(super) const TABLE: &[Function] = &[
    plain("base64sha256", &[Text], |call| call.string(STANDARD.encode(hash::<Sha256>(call)?))),
    plain("base64sha512", &[Text], |call| call.string(STANDARD.encode(hash::<Sha512>(call)?))),
    plain("md5", &[Text], |call| call.string(hex(&hash::<Md5>(call)?))),
    plain("sha1", &[Text], |call| call.string(hex(&hash::<Sha1>(call)?))),
    plain("sha256", &[Text], |call| call.string(hex(&hash::<Sha256>(call)?))),
    plain("sha512", &[Text], |call| call.string(hex(&hash::<Sha512>(call)?))),
    plain("uuidv5", &[Text, Text], uuidv5),
];

fn hash<D: Digest>(call: &Call<'_>) -> Result<Vec<u8>, Fault> {
    Ok(D::digest(call.text(0)?.as_bytes()).to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn uuidv5(call: &Call<'_>) -> Result<Value, Fault> {
    let namespace = match call.text(0)? {
        "dns" => Uuid::NAMESPACE_DNS,
        "url" => Uuid::NAMESPACE_URL,
        "oid" => Uuid::NAMESPACE_OID,
        "x500" => Uuid::NAMESPACE_X500,
        text => Uuid::parse_str(text)
            .map_err(|_| call.bad(0, "must be a UUID, or one of `dns`, `url`, `oid` and `x500`"))?,
    };
    // Version 5 of RFC 9562, section 5.5: SHA-1 over namespace and name.
    let mut sha = Sha1::new();
    sha.update(namespace.as_bytes());
    sha.update(call.text(1)?.as_bytes());
    let mut bytes = [0u8; 16];
    for (to, from) in bytes.iter_mut().zip(sha.finalize()) {
        *to = from;
    }
    let made = uuid::Builder::from_sha1_bytes(bytes).into_uuid();
    call.string(made.to_string())
}
