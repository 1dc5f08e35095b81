//! What the runner's own state store and the door to it agree on: limits, and the lock of a state.
//!
//! The form is that of Terraform's `http` backend: a lock is a small JSON object that the tool made, with
//! an `ID`; who finds a state locked gets that object back, as it was.

use serde::{Deserialize, Serialize};

use crate::{Code, Fault};

/// The host name at which a sandbox reaches the runner's own state store.
pub const STATE_HOST: &str = "state.portcullis";
/// Largest state, in bytes.
pub const STATE_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Largest lock info, in bytes.
pub const LOCK_INFO_MAX_BYTES: usize = 16 * 1024;
/// Longest id of a lock, in bytes (Terraform's and OpenTofu's are UUIDs of 36).
pub const LOCK_ID_MAX_BYTES: usize = 128;

/// A state's lock, as the tool described it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockInfo {
    id: String,
    json: String,
}

impl LockInfo {
    /// From the body of a `LOCK` or `UNLOCK` request.
    ///
    /// # Errors
    /// `PC-0101` when it is too large, no JSON object, or has no usable `ID`.
    pub fn parse(body: &[u8]) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct WithId {
            #[serde(rename = "ID")]
            id: String,
        }
        let bad = |why: String| Fault::new(Code::BAD_REQUEST, format!("the lock info is not usable: {why}"));
        if body.len() > LOCK_INFO_MAX_BYTES {
            return Err(bad(format!("it has {} bytes, allowed are {LOCK_INFO_MAX_BYTES}", body.len())));
        }
        let json = std::str::from_utf8(body).map_err(|_| bad("it is no UTF-8".into()))?;
        let WithId { id } = serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
        check_lock_id(&id)?;
        Ok(LockInfo { id, json: json.to_string() })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The JSON, as it was sent.
    pub fn json(&self) -> &str {
        &self.json
    }
}

/// Checks the id of a lock: 1 to [`LOCK_ID_MAX_BYTES`] printable ASCII characters.
///
/// # Errors
/// `PC-0101`.
pub fn check_lock_id(id: &str) -> Result<(), Fault> {
    if id.is_empty() || id.len() > LOCK_ID_MAX_BYTES || !id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Fault::new(Code::BAD_REQUEST, format!("{} is no lock id", crate::id::quoted(id))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_keeps_its_text_and_needs_an_id() {
        let text = r#"{"ID":"6c5d","Operation":"OperationTypeApply","Who":"x@y"}"#;
        let lock = LockInfo::parse(text.as_bytes()).unwrap();
        assert_eq!((lock.id(), lock.json()), ("6c5d", text));
        for bad in [&b""[..], b"[]", b"{}", br#"{"ID":""}"#, br#"{"ID":"a b"}"#, br#"{"ID":7}"#, b"\xff"] {
            assert_eq!(LockInfo::parse(bad).unwrap_err().code(), Code::BAD_REQUEST);
        }
        let huge = format!(r#"{{"ID":"a","Info":"{}"}}"#, "x".repeat(LOCK_INFO_MAX_BYTES));
        assert!(LockInfo::parse(huge.as_bytes()).is_err());
    }
}
