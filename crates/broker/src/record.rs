//! What is kept of each call through the door.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_model::{Code, Target};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::tunnel::Passed;

/// Most calls that are kept of one task, of those that were let through and of those that were refused.
/// Later ones are counted with the last of their kind, so that a flood of one kind does not hide the other.
pub const CALLS_MAX: usize = 500;

const TEXT_MAX_CHARS: usize = 200;

/// What the door decided about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It was let through.
    Allowed,
    /// It was refused.
    Refused {
        /// `PC-0614`, `PC-0704` and friends.
        code: Code,
        /// Why, for people.
        why: String,
    },
}

/// One call. Texts from the sandbox are cut and escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Milliseconds after the door was opened.
    pub after_ms: u64,
    /// The method.
    pub method: String,
    /// The host that was asked for. Empty when none was named.
    pub host: String,
    /// The path, without its query.
    pub path: String,
    /// The decision.
    pub decision: Decision,
    /// What was asked for, where the door understands it: `s3:PutObject`.
    pub operation: Option<String>,
    /// On what, where the request says so.
    pub resource: Option<String>,
    /// What allowed it: `state`, or a part of the fleet definition. Empty when it was refused.
    pub rule: String,
    /// The status of the answer. 0: the connection ended before there was one, so the effect is not known.
    pub status: u16,
    /// Bytes of bodies, or of a tunnel, from the sandbox.
    pub sent_bytes: u64,
    /// The same, to the sandbox.
    pub received_bytes: u64,
    /// How many calls came after it that are not listed: the same again, or beyond [`CALLS_MAX`].
    pub repeated: u64,
}

/// Collects the calls of one door.
pub(crate) struct Record {
    opened: Instant,
    calls: Mutex<Vec<Call>>,
}

impl Record {
    pub(crate) fn new() -> Self {
        Record { opened: Instant::now(), calls: Mutex::default() }
    }

    /// A call that has arrived. It is kept when the value is dropped, however that comes about.
    pub(crate) fn arrived(self: &Arc<Self>, method: &http::Method, uri: &http::Uri) -> Pending {
        let host = uri.authority().map(|authority| shown(authority.as_str())).unwrap_or_default();
        self.pending(method, host, uri)
    }

    /// A call that has arrived on a connection to a host.
    pub(crate) fn arrived_at(self: &Arc<Self>, target: &Target, method: &http::Method, uri: &http::Uri) -> Pending {
        self.pending(method, target.to_string(), uri)
    }

    fn pending(self: &Arc<Self>, method: &http::Method, host: String, uri: &http::Uri) -> Pending {
        let call = Call {
            after_ms: u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX),
            method: shown(method.as_str()),
            host,
            path: shown(uri.path()),
            decision: Decision::Allowed,
            operation: None,
            resource: None,
            rule: String::new(),
            status: 0,
            sent_bytes: 0,
            received_bytes: 0,
            repeated: 0,
        };
        Pending { record: self.clone(), call: Some(call), passed: Arc::default(), place: None }
    }

    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, call: Call) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = calls.last_mut()
            && last.is_like(&call)
        {
            last.also(&call);
            return;
        }
        let same_kind = |known: &Call| (known.decision == Decision::Allowed) == (call.decision == Decision::Allowed);
        if calls.iter().filter(|known| same_kind(known)).count() < CALLS_MAX {
            calls.push(call);
        } else if let Some(last) = calls.iter_mut().rev().find(|known| same_kind(known)) {
            last.also(&call);
        }
    }
}

impl Call {
    /// Whether another call is the same again.
    fn is_like(&self, other: &Call) -> bool {
        (&self.method, &self.host, &self.path, &self.operation, &self.resource)
            == (&other.method, &other.host, &other.path, &other.operation, &other.resource)
            && (&self.decision, &self.rule, self.status) == (&other.decision, &other.rule, other.status)
    }

    /// Counts another call with this one.
    fn also(&mut self, other: &Call) {
        self.repeated += 1;
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
    }
}

/// A call whose answer is on its way.
pub(crate) struct Pending {
    record: Arc<Record>,
    call: Option<Call>,
    passed: Arc<Passed>,
    /// Its place among the requests of a task that are under way.
    place: Option<OwnedSemaphorePermit>,
}

impl Pending {
    /// Where what passes is counted.
    pub(crate) fn passed(&self) -> Arc<Passed> {
        self.passed.clone()
    }

    /// Takes a place until the call has ended.
    pub(crate) fn takes(&mut self, place: OwnedSemaphorePermit) {
        self.place = Some(place);
    }

    pub(crate) fn asked(&mut self, operation: &str, resource: Option<&str>) {
        if let Some(call) = &mut self.call {
            call.operation = Some(shown(operation));
            call.resource = resource.map(shown);
        }
    }

    pub(crate) fn allowed_by(&mut self, rule: &str) {
        if let Some(call) = &mut self.call {
            call.rule = rule.to_owned();
        }
    }

    pub(crate) fn refused(&mut self, code: Code, why: &str) {
        if let Some(call) = &mut self.call {
            call.decision = Decision::Refused { code, why: why.to_string() };
            call.rule = String::new();
        }
    }

    pub(crate) fn answered(&mut self, status: http::StatusCode) {
        if let Some(call) = &mut self.call {
            call.status = status.as_u16();
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(mut call) = self.call.take() {
            call.sent_bytes = self.passed.sent.load(Ordering::Relaxed);
            call.received_bytes = self.passed.received.load(Ordering::Relaxed);
            self.record.keep(call);
        }
    }
}

/// Text from the sandbox, for people: control characters escaped, cut at 200 characters.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == TEXT_MAX_CHARS {
            shown.push('…');
            break;
        }
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_stays_small_and_hides_no_write() {
        let record = Arc::new(Record::new());
        let call = |path: &str, refused: bool| {
            let mut call = record.arrived(&http::Method::GET, &format!("http://x{path}").parse().unwrap());
            if refused {
                call.refused(Code::DOOR_REFUSED, "no");
            }
            call.answered(http::StatusCode::OK);
        };
        for n in 0..2000 {
            call(&format!("/{n}"), true);
        }
        call("/write", false);
        call("/write", false);
        let calls = record.take();
        assert_eq!(calls.len(), CALLS_MAX + 1);
        assert_eq!(calls[CALLS_MAX - 1].repeated, 1500);
        assert_eq!((calls[CALLS_MAX].path.as_str(), calls[CALLS_MAX].repeated), ("/write", 1));
    }

    #[test]
    fn what_a_sandbox_sends_cannot_write_to_a_terminal() {
        assert_eq!(shown("a\u{1b}[31m"), "a\\u{1b}[31m");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), TEXT_MAX_CHARS + 1);
    }
}
