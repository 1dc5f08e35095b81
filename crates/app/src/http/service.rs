//! What the API needs of a runner. The HTTP layer knows nothing else of it, so it is tested alone.
//!
//! Rights are decided behind this trait, never in a handler: every method that shows or changes something
//! takes the caller's [`Bearer`], or a reader that only an earlier check hands out.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use portcullis_model::api::{
    ActionList, ApproveRequest, CallPage, DefinitionView, EventView, Explanation, Health, RunPage, RunView,
    TriggerRequest, TriggerResponse, UnitPage,
};
use portcullis_model::{Code, Fault, RunId, TaskId, UnitPath};

/// What a method of [`Service`] answers.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Fault>>;

/// A bearer token as it arrived: an OIDC token, or a run's read token. Not checked yet, and never shown.
#[derive(Clone)]
pub struct Bearer(String);

impl Bearer {
    /// Wraps a token. Its size is checked where it is read from the request.
    pub fn new(token: impl Into<String>) -> Self {
        Bearer(token.into())
    }

    /// The token's text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(hidden)")
    }
}

/// Longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_MAX_BYTES: usize = 200;

/// The caller's name for one request, so that sending it again starts nothing twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// 1 to 200 visible ASCII characters.
    ///
    /// # Errors
    /// `PC-0101`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let fits = !text.is_empty()
            && text.len() <= IDEMPOTENCY_KEY_MAX_BYTES
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            return Ok(IdempotencyKey(text.to_owned()));
        }
        Err(Fault::new(Code::BAD_REQUEST, "the `Idempotency-Key` header is not 1 to 200 visible ASCII characters")
            .remedy("Send a UUID, or any text that is unique to this request."))
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Proof that the caller may read this run. A stream is opened with it and goes on after the caller's token
/// has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunReader {
    run: RunId,
}

impl RunReader {
    /// To be called by a [`Service`] once it has checked the caller's right.
    pub fn granted(run: RunId) -> Self {
        RunReader { run }
    }

    /// The run that may be read.
    pub fn run(&self) -> RunId {
        self.run
    }
}

/// Proof that the caller may read this task's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskReader {
    task: TaskId,
}

impl TaskReader {
    /// To be called by a [`Service`] once it has checked the caller's right.
    pub fn granted(task: TaskId) -> Self {
        TaskReader { task }
    }

    /// The task whose log may be read.
    pub fn task(&self) -> TaskId {
        self.task
    }
}

/// A run's next events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Events {
    /// In order of their ids; at most a few hundred.
    pub events: Vec<EventView>,
    /// The run has ended and there will be no event after these.
    pub over: bool,
}

/// A part of a task's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPart {
    /// The bytes from the offset that was asked for. Raw output of the tool.
    pub bytes: Vec<u8>,
    /// The offset after them.
    pub end: u64,
    /// The task has ended and there will be nothing after these.
    pub over: bool,
}

/// A runner, as the API sees it.
pub trait Service: Send + Sync + 'static {
    /// Whether this caller's body is read at all: its token holds and it is a principal. `asked` is for the
    /// record.
    fn admit<'a>(&'a self, caller: &'a Bearer, asked: &'a str) -> Answer<'a, ()>;

    /// Passes a request through the gate and accepts a run, or answers with the run that the same
    /// idempotency key made.
    fn trigger(
        &self,
        caller: Bearer,
        key: Option<IdempotencyKey>,
        request: TriggerRequest,
    ) -> Answer<'_, TriggerResponse>;

    /// What the caller may ask for.
    fn actions(&self, caller: Bearer) -> Answer<'_, ActionList>;

    /// What would become of a request. Nothing is started, and the token is not spent.
    fn explain(&self, caller: Bearer, request: TriggerRequest) -> Answer<'_, Explanation>;

    /// Runs older than `after`, newest first, without their tasks.
    fn runs(&self, caller: Bearer, after: Option<RunId>, limit: u32) -> Answer<'_, RunPage>;

    /// Whether the caller may read this run: by a right of its own, or by the run's read token.
    fn run_reader(&self, caller: Bearer, run: RunId) -> Answer<'_, RunReader>;

    /// The run with its tasks.
    fn run(&self, reader: RunReader) -> Answer<'_, RunView>;

    /// Events with ids above `after`. With none there, waits for one up to `patience` and then answers with
    /// an empty list.
    fn events(&self, reader: RunReader, after: u64, patience: Duration) -> Answer<'_, Events>;

    /// Calls of the run's tasks after number `after`, at most `limit`.
    fn calls(&self, reader: RunReader, after: u64, limit: u32) -> Answer<'_, CallPage>;

    /// Whether the caller may read this task's log.
    fn task_reader(&self, caller: Bearer, task: TaskId) -> Answer<'_, TaskReader>;

    /// The log from `offset`, at most `max` bytes. With nothing there, waits up to `patience`.
    /// An offset beyond the end is `PC-0116`.
    fn task_log(&self, reader: TaskReader, offset: u64, max: usize, patience: Duration) -> Answer<'_, LogPart>;

    /// Cancels a run; answers with it as it is then.
    fn cancel(&self, caller: Bearer, run: RunId) -> Answer<'_, RunView>;

    /// Approves held plans by their digests; answers with the run as it is then.
    fn approve(&self, caller: Bearer, run: RunId, request: ApproveRequest) -> Answer<'_, RunView>;

    /// Units of the account at the protected branch's head, by path, after `after`.
    fn units(&self, caller: Bearer, after: Option<UnitPath>, limit: u32) -> Answer<'_, UnitPage>;

    /// The definition in force, and one that was refused.
    fn definition(&self, caller: Bearer) -> Answer<'_, DefinitionView>;

    /// Whether the process works at all. Never waits.
    fn health(&self) -> Health;

    /// Whether it accepts runs now. Not ready is `Err` with the same body. Never waits.
    ///
    /// # Errors
    /// The body for a 503.
    fn ready(&self) -> Result<Health, Box<Health>>;
}
