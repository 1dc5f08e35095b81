//! [`Task`] and [`Call`]: a request of a sandbox to AWS, from its head to the signed request, in the order in which a
//! proxy has to go about it.
//!
//! ```text
//! Task::begin(head)      reads it and the claim of its signature        → Denied, or a Call
//! Call::body             what of the body is wanted before a decision
//! Call::judge(body)      verifies, recognises, decides                  → Denied, or Allowed
//! Allowed::sign(key)     the request to be sent, and a sigv4::Body for each piece of its body
//! Allowed::assumes       if it is AssumeRole: the answer goes to role::answer, the session to Task::keep
//! ```
//!
//! What the proxy sees to: the request leaves with the target, the headers and the `Content-Length` that it was given
//! here, to the host that it named; a body that ends in a fault is broken off; an answer is passed on as it is.

use std::collections::VecDeque;

use http::Method;
use http::request::Parts;
use jiff::Timestamp;

use super::judge::{Decision, Denial, Form, Phase, Rights, decide, denial};
use super::request::Request;
use super::role::Session;
use super::sigv4::{Claim, Credentials, Digest, Payload, SignatureFault, Signed, Verified};
use super::table::{Body, Endpoints, Recognised, Resource, Wanted, recognise, wanted};

/// Most sessions of roles that a task has at a time; an older one goes. Its keys are then not known any more.
pub const SESSIONS_MAX: usize = 64;

/// What one task may do in AWS, and the keys that it was given.
#[derive(Debug, Clone)]
pub struct Task {
    placeholder: Credentials,
    rights: Rights,
    endpoints: Endpoints,
    sessions: VecDeque<Session>,
}

/// Whose real keys a request is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The task's own, which the runner gets and renews.
    Task,
    /// A role's, which it has assumed.
    Role {
        /// The role's ARN.
        role: String,
        /// Its keys.
        real: Credentials,
        /// Until when they count.
        expires: Timestamp,
    },
}

/// A request that was refused, with the answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// For the sandbox.
    pub answer: Denial,
    /// The rule, for the record: `signature` and `recognised` besides those of [`decide`].
    pub rule: &'static str,
    /// Why, for people.
    pub why: String,
    /// What was asked for, if that was found out.
    pub asked: Option<Asked>,
}

/// What a request asks for, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `s3:PutObject`.
    pub action: String,
    /// Where.
    pub region: String,
    /// On what.
    pub resource: Option<String>,
}

/// What of a body has to be there before a request is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyWanted {
    /// All of it has to be there, for its digest: no header names one. It has to be kept until it is sent on.
    pub digest: bool,
    /// What is in it may decide.
    pub content: Wanted,
}

/// What was read of a body.
#[derive(Debug, Clone, Copy)]
pub struct BodyRead<'a> {
    /// All of it, unless it is larger than [`BodyWanted::content`] asks for.
    pub whole: Option<&'a [u8]>,
    /// Its digest, if [`BodyWanted::digest`] asks for it.
    pub digest: Option<Digest>,
}

/// A request whose head was read.
#[derive(Debug)]
pub struct Call {
    request: Request,
    claim: Claim,
}

/// A request that may be made.
#[derive(Debug)]
pub struct Allowed {
    request: Request,
    verified: Verified,
    placeholder: Credentials,
    /// Whose keys it goes by.
    pub identity: Identity,
    /// The rules that allow it.
    pub rule: String,
    /// What it asks for.
    pub asked: Asked,
    assumes: Option<String>,
}

impl Task {
    /// A task with its placeholder.
    pub fn new(placeholder: Credentials, rights: Rights, endpoints: Endpoints) -> Self {
        Task { placeholder, rights, endpoints, sessions: VecDeque::new() }
    }

    /// Keeps the session of a role; its placeholder counts from now on.
    pub fn keep(&mut self, session: Session) {
        if self.sessions.len() == SESSIONS_MAX {
            self.sessions.pop_front();
        }
        self.sessions.push_back(session);
    }

    /// Reads a request that came over a connection to `authority`.
    pub fn begin(&self, head: &Parts, authority: &str, now: Timestamp) -> Result<Call, Box<Denied>> {
        let early = |rule, why: String| {
            let form = Form::guess(&head.headers, authority.split(':').next().unwrap_or_default());
            denied(form, &head.method, rule, why, None)
        };
        if self.rights.phase == Phase::Fetch {
            return Err(early("phase", "nothing of AWS is needed to fetch providers and modules".into()));
        }
        let request = Request::read(head, authority).map_err(|fault| early("signature", fault.to_string()))?;
        let claim = Claim::read(&request, now).map_err(|fault| early("signature", fault.to_string()))?;
        Ok(Call { request, claim })
    }

    fn session(&self, access_key_id: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.placeholder.access_key_id == access_key_id)
    }
}

impl Call {
    /// What of the body is wanted.
    pub fn body(&self) -> BodyWanted {
        BodyWanted { digest: self.claim.payload == Payload::Undeclared, content: wanted(&self.request) }
    }

    /// Verifies, recognises and decides.
    pub fn judge(self, task: &Task, body: BodyRead<'_>) -> Result<Allowed, Box<Denied>> {
        let Call { request, claim } = self;
        let form = Form::of_request(&request);
        let refuse = |rule, why: String| Err(denied(form, &request.method, rule, why, None));
        let session = task.session(&claim.access_key_id);
        let placeholder = session.map_or(&task.placeholder, |session| &session.placeholder).clone();
        let verified = match claim.verify(&request, &placeholder, body.digest) {
            Ok(verified) => verified,
            Err(fault) => return refuse("signature", fault.to_string()),
        };
        let content = body.whole.map_or(Body::NotRead, Body::Whole);
        let found = match recognise(&request, verified.scope(), &task.endpoints, content) {
            Ok(found) => found,
            Err(unknown) => return refuse("recognised", unknown.to_string()),
        };
        let mut rights = task.rights.clone();
        let identity = match session {
            None => Identity::Task,
            Some(session) => {
                // A name without an account is then one of the role's account, where no state of this task is.
                rights.account = account_of(&session.role).into();
                Identity::Role { role: session.role.clone(), real: session.real.clone(), expires: session.expires }
            }
        };
        let asked = Asked::of(&found);
        match decide(&rights, &found) {
            Decision::Allow { rule } => {
                let assumes = assumed(&found);
                Ok(Allowed { request, verified, placeholder, identity, rule, asked, assumes })
            }
            Decision::Deny { rule, why } => {
                let form = Form::of(found.protocol, &found.service);
                Err(denied(form, &request.method, rule, why, Some(asked)))
            }
        }
    }
}

impl Allowed {
    /// The ARN of the role that the request assumes: a good answer to it has to go through
    /// [`answer`](super::role::answer) before the sandbox sees anything of it.
    pub fn assumes(&self) -> Option<&str> {
        self.assumes.as_deref()
    }

    /// The request with a real signature.
    pub fn sign(mut self, real: &Credentials, now: Timestamp) -> Result<Signed, SignatureFault> {
        if self.assumes.is_some() {
            // STS answers in JSON, or compressed, to who asks for it.
            self.request.headers.remove(http::header::ACCEPT);
            self.request.headers.remove(http::header::ACCEPT_ENCODING);
        }
        self.verified.sign(&self.request, &self.placeholder, real, now)
    }
}

impl Asked {
    fn of(found: &Recognised) -> Self {
        let first = found.needs.first();
        Asked {
            action: first.map(|need| need.action.clone()).unwrap_or_default(),
            region: found.region.to_string(),
            resource: first.and_then(|need| need.resource.shown()),
        }
    }
}

fn assumed(found: &Recognised) -> Option<String> {
    let need = found.needs.iter().find(|need| need.operation == "AssumeRole")?;
    match &need.resource {
        Resource::Named(names) => names.first().cloned(),
        Resource::Unnamed => None,
    }
}

/// `arn:aws:iam::111111111111:role/x` → the number.
fn account_of(role: &str) -> &str {
    role.split(':').nth(4).unwrap_or_default()
}

fn denied(form: Form, method: &Method, rule: &'static str, why: String, asked: Option<Asked>) -> Box<Denied> {
    Box::new(Denied { answer: denial(form, method, &why, "portcullis"), rule, why, asked })
}
