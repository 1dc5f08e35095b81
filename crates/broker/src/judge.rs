//! Pure: a request line in, a decision out.
//!
//! The request target is compared as typed values, never as text: the path is decoded once and must be a
//! [`UnitPath`], so that no spelling of another unit's path passes for this one's.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use portcullis_model::state::check_lock_id;
use portcullis_model::{Code, Fault, Phase, UnitPath};

use crate::HOST;

/// What a task may do.
pub(crate) struct Rights {
    pub(crate) unit: UnitPath,
    pub(crate) phase: Phase,
    pub(crate) readable: BTreeMap<UnitPath, Bytes>,
}

/// A request that is allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Read the task's own state.
    Get,
    /// Give this answer: another unit's outputs.
    Answer(Bytes),
    /// Write the task's own state, under the lock of this id.
    Put { lock: Option<String> },
    /// Lock the task's own state.
    Lock,
    /// Unlock it.
    Unlock,
}

/// A request that is not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
    pub(crate) why: String,
}

/// Decides about one request.
pub(crate) fn judge(rights: &Rights, method: &Method, uri: &Uri) -> Result<Operation, Refusal> {
    check_host(method, uri)?;
    let unit = unit_of(uri.path())?;
    if unit != rights.unit {
        return match rights.readable.get(&unit) {
            Some(answer) if method == Method::GET => {
                no_query(uri)?;
                Ok(Operation::Answer(answer.clone()))
            }
            Some(_) => Err(state_refused(format!("the outputs of {unit} may be read here, nothing else"))),
            None => {
                Err(state_refused(format!("this task belongs to {} and may not use the state of {unit}", rights.unit)))
            }
        };
    }
    own_state(rights, method, uri)
}

fn own_state(rights: &Rights, method: &Method, uri: &Uri) -> Result<Operation, Refusal> {
    let locks = matches!(rights.phase, Phase::Plan | Phase::Apply);
    match method.as_str() {
        "GET" => no_query(uri).map(|()| Operation::Get),
        "LOCK" if locks => no_query(uri).map(|()| Operation::Lock),
        "UNLOCK" if locks => no_query(uri).map(|()| Operation::Unlock),
        "LOCK" | "UNLOCK" => Err(state_refused("reading outputs takes no lock")),
        "POST" if rights.phase == Phase::Apply => lock_of(uri).map(|lock| Operation::Put { lock }),
        "POST" => Err(state_refused("the state may be written while applying only")),
        "DELETE" => Err(state_refused("a state is never deleted from a sandbox")),
        _ => Err(Refusal {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: Code::STATE_REFUSED,
            why: "the method is not one of GET, POST, LOCK and UNLOCK".into(),
        }),
    }
}

/// Only `http://state.portcullis/…` is answered, spelled just so: no port but 80, no user.
fn check_host(method: &Method, uri: &Uri) -> Result<(), Refusal> {
    let refused = |why: String| Err(Refusal { status: StatusCode::FORBIDDEN, code: Code::DOOR_REFUSED, why });
    let Some(authority) = uri.authority() else {
        return refused("this is a proxy: the request must name a host".into());
    };
    if method == Method::CONNECT {
        return refused(format!(
            "a sandbox has no network, so there is no way to {}",
            crate::record::shown(authority.as_str())
        ));
    }
    let host = authority.as_str();
    let known =
        host.eq_ignore_ascii_case(HOST) || host.strip_suffix(":80").is_some_and(|h| h.eq_ignore_ascii_case(HOST));
    if !known || uri.scheme_str() != Some("http") {
        return refused(format!(
            "a sandbox has no network, so there is no way to {}; it can reach its own state at http://{HOST} only",
            crate::record::shown(host)
        ));
    }
    Ok(())
}

fn unit_of(path: &str) -> Result<UnitPath, Refusal> {
    let text = path.strip_prefix('/').unwrap_or(path);
    let decoded = decode(text).ok_or_else(|| bad_request("the path is not well encoded"))?;
    let text = if decoded.is_empty() { "." } else { &decoded };
    UnitPath::parse(text).map_err(|fault| from_fault(&fault))
}

/// Percent-decodes a path. An encoded `/` would join two parts that the sender kept apart: refused.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
        let value = digit(rest.next())? * 16 + digit(rest.next())?;
        let byte = u8::try_from(value).ok()?;
        if byte == b'/' || byte == 0 {
            return None;
        }
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

fn lock_of(uri: &Uri) -> Result<Option<String>, Refusal> {
    let Some(query) = uri.query().filter(|query| !query.is_empty()) else { return Ok(None) };
    let id = query
        .strip_prefix("ID=")
        .filter(|id| !id.contains('&'))
        .and_then(decode)
        .ok_or_else(|| bad_request("the query is not `ID=` with the id of a lock"))?;
    check_lock_id(&id).map_err(|fault| from_fault(&fault))?;
    Ok(Some(id))
}

fn no_query(uri: &Uri) -> Result<(), Refusal> {
    match uri.query() {
        None => Ok(()),
        Some(_) => Err(bad_request("this request takes no query")),
    }
}

fn state_refused(why: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::FORBIDDEN, code: Code::STATE_REFUSED, why: why.into() }
}

pub(crate) fn bad_request(why: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, code: Code::BAD_REQUEST, why: why.into() }
}

pub(crate) fn from_fault(fault: &Fault) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, code: fault.code(), why: fault.message().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(phase: Phase) -> Rights {
        let readable = BTreeMap::from([(UnitPath::parse("dev/vpc").unwrap(), Bytes::from_static(b"{}"))]);
        Rights { unit: UnitPath::parse("dev/a b/db").unwrap(), phase, readable }
    }

    fn ask(phase: Phase, method: &str, uri: &str) -> Result<Operation, Refusal> {
        judge(&rights(phase), &Method::from_bytes(method.as_bytes()).unwrap(), &uri.parse().unwrap())
    }

    const OWN: &str = "http://state.portcullis/dev/a%20b/db";

    #[test]
    fn each_phase_gives_what_its_row_says() {
        use Phase::{Apply, Outputs, Plan};
        let put = |id: Option<&str>| Operation::Put { lock: id.map(String::from) };
        let query = format!("{OWN}?ID=6c-5d");
        for (phase, method, uri, allowed) in [
            (Plan, "GET", OWN, Some(Operation::Get)),
            (Plan, "LOCK", OWN, Some(Operation::Lock)),
            (Plan, "UNLOCK", OWN, Some(Operation::Unlock)),
            (Plan, "POST", OWN, None),
            (Plan, "POST", &query, None),
            (Apply, "GET", OWN, Some(Operation::Get)),
            (Apply, "LOCK", OWN, Some(Operation::Lock)),
            (Apply, "UNLOCK", OWN, Some(Operation::Unlock)),
            (Apply, "POST", OWN, Some(put(None))),
            (Apply, "POST", &query, Some(put(Some("6c-5d")))),
            (Outputs, "GET", OWN, Some(Operation::Get)),
            (Outputs, "LOCK", OWN, None),
            (Outputs, "UNLOCK", OWN, None),
            (Outputs, "POST", OWN, None),
        ] {
            assert_eq!(ask(phase, method, uri).ok(), allowed, "{phase:?} {method} {uri}");
        }
        for phase in [Plan, Apply, Outputs] {
            for method in ["DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "get", "MOVE", "TRACE"] {
                assert!(ask(phase, method, OWN).is_err(), "{phase:?} {method}");
            }
            let other = "http://state.portcullis/dev/vpc";
            assert_eq!(ask(phase, "GET", other), Ok(Operation::Answer(Bytes::from_static(b"{}"))));
            for method in ["POST", "LOCK", "UNLOCK", "DELETE"] {
                assert_eq!(ask(phase, method, other).unwrap_err().status, StatusCode::FORBIDDEN);
            }
        }
    }

    #[test]
    fn no_spelling_of_another_path_or_host_passes() {
        for uri in [
            "http://state.portcullis/prod/db",
            "http://state.portcullis/dev/a%20b/db/",
            "http://state.portcullis/dev//a%20b/db",
            "http://state.portcullis/dev/a%20b%2Fdb",
            "http://state.portcullis/dev/vpc/../a%20b/db",
            "http://state.portcullis/dev/vpc/%2e%2e/a%20b/db",
            "http://state.portcullis/dev/a%20b/db%00",
            "http://state.portcullis/dev/a%20b/db%",
            "http://state.portcullis/dev/a%20b/db%zz",
            "http://state.portcullis/dev/a%20b/db%ff",
            "http://state.portcullis/%2e",
            "http://state.portcullis/",
            "http://state.portcullis/dev/a%20b/db?x=1",
            "http://state.portcullis/dev/a%20b/db?",
            "http://user@state.portcullis/dev/a%20b/db",
            "http://state.portcullis:8080/dev/a%20b/db",
            "https://state.portcullis/dev/a%20b/db",
            "http://state.portcullis.example.com/dev/a%20b/db",
            "http://169.254.169.254/latest/meta-data",
            "/dev/a%20b/db",
            "*",
            "state.portcullis:80",
        ] {
            assert!(ask(Phase::Apply, "GET", uri).is_err(), "{uri} passed");
        }
        assert_eq!(ask(Phase::Apply, "CONNECT", "example.com:443").unwrap_err().code, Code::DOOR_REFUSED);
        assert_eq!(ask(Phase::Apply, "CONNECT", "state.portcullis:80").unwrap_err().code, Code::DOOR_REFUSED);
        for uri in ["http://STATE.portcullis/dev/a%20b/db", "http://state.portcullis:80/dev/a%20b/db"] {
            assert_eq!(ask(Phase::Plan, "GET", uri), Ok(Operation::Get));
        }
        for query in ["ID=", "ID=a&ID=b", "id=a", "ID=a%20b", "ID=a&force=true", &format!("ID={}", "a".repeat(200))] {
            let refusal = ask(Phase::Apply, "POST", &format!("{OWN}?{query}")).unwrap_err();
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{query}");
        }
    }

    #[test]
    fn the_root_unit_has_an_address() {
        let rights = Rights { unit: UnitPath::parse(".").unwrap(), phase: Phase::Plan, readable: BTreeMap::new() };
        for uri in ["http://state.portcullis/.", "http://state.portcullis/", "http://state.portcullis"] {
            assert_eq!(judge(&rights, &Method::GET, &uri.parse().unwrap()), Ok(Operation::Get));
        }
    }
}
