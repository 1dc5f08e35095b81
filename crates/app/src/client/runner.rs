//! Requests to a runner and their answers.

use std::time::Duration;

use portcullis_model::api::{
    ActionList, ApproveRequest, CallPage, DefinitionView, Explanation, PAGE_MAX, Problem, RunPage, RunView,
    TriggerRequest, TriggerResponse,
};
use portcullis_model::{Code, Fault, RunId, TaskId};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;

use super::link::{self, Unread};
use crate::http::tasks::{COMPLETE, NEXT_OFFSET};
use crate::outcome::fault_of;

/// Longest that one request may take.
const REQUEST: Duration = Duration::from_secs(120);
/// Longest time in which a stream may be silent. A runner says something at least every 20 s.
const SILENCE: Duration = Duration::from_secs(60);
/// Largest answer, in bytes.
const ANSWER_MAX_BYTES: usize = 64 << 20;

/// A runner, from outside.
pub struct Client {
    base: Url,
    http: reqwest::Client,
    streams: reqwest::Client,
}

/// A part of a task's log.
#[derive(Debug)]
pub struct LogPart {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where to go on.
    pub next: u64,
    /// Whether the task has ended and this is the log's end.
    pub complete: bool,
}

impl Client {
    /// For the runner at a URL.
    ///
    /// # Errors
    /// `PC-0001` for what is no URL of a runner.
    pub fn new(url: &str) -> Result<Self, Fault> {
        let refuse = |why: &str| {
            // A URL with a password in it is not shown.
            let shown =
                if url.contains('@') { String::new() } else { format!("{} ", portcullis_model::id::quoted(url)) };
            Fault::new(Code::USAGE, format!("the runner's URL {shown}cannot be used: {why}"))
                .remedy("Give `--runner https://HOST[:PORT]`, or set PORTCULLIS_RUNNER.")
        };
        let mut base = link::checked(url).map_err(refuse)?;
        if base.query().is_some() || base.fragment().is_some() {
            return Err(refuse("it has more than a host, a port and a path"));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let http = link::client(Some(REQUEST), REQUEST)?;
        let streams = link::client(None, SILENCE)?;
        Ok(Client { base, http, streams })
    }

    /// Its base URL, as it was understood.
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Asks for a run.
    ///
    /// # Errors
    /// The runner's own fault, or `PC-0002`.
    pub async fn trigger(
        &self,
        token: &str,
        key: Option<&str>,
        body: &TriggerRequest,
    ) -> Result<TriggerResponse, Fault> {
        let request = self.request(Method::POST, "v1/runs", token)?.json(body);
        let request = match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        };
        self.json(request).await
    }

    /// Which fleet definition it goes by.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn definition(&self, token: &str) -> Result<DefinitionView, Fault> {
        self.json(self.request(Method::GET, "v1/definition", token)?).await
    }

    /// What the caller may ask for.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn actions(&self, token: &str) -> Result<ActionList, Fault> {
        self.json(self.request(Method::GET, "v1/actions", token)?).await
    }

    /// What would become of a request.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn explain(&self, token: &str, body: &TriggerRequest) -> Result<Explanation, Fault> {
        self.json(self.request(Method::POST, "v1/explain", token)?.json(body)).await
    }

    /// A run.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn run(&self, token: &str, run: RunId) -> Result<RunView, Fault> {
        self.json(self.request(Method::GET, &format!("v1/runs/{run}"), token)?).await
    }

    /// A page of runs: the newest, or those that are older than `after`.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn runs(&self, token: &str, after: Option<RunId>, limit: u32) -> Result<RunPage, Fault> {
        let after = after.map(|run| format!("&after={run}")).unwrap_or_default();
        self.json(self.request(Method::GET, &format!("v1/runs?limit={limit}{after}"), token)?).await
    }

    /// A page of a run's calls.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn calls(&self, token: &str, run: RunId, after: u64) -> Result<CallPage, Fault> {
        let path = format!("v1/runs/{run}/calls?limit={PAGE_MAX}&after={after}");
        self.json(self.request(Method::GET, &path, token)?).await
    }

    /// A run's events after one of them, as a stream.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn events(&self, token: &str, run: RunId, after: u64) -> Result<Response, Fault> {
        let request = self.stream(&format!("v1/runs/{run}/events"), token)?;
        let answer = self.send(request.header("Last-Event-ID", after)).await?;
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            return Ok(answer);
        }
        Err(Fault::new(Code::RUNNER_UNREACHABLE, "the answer is not a runner's event stream")
            .remedy("Check `--runner`, and that nothing between here and the runner answers for it."))
    }

    /// Approves held plans.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn approve(&self, token: &str, run: RunId, plans: Vec<String>) -> Result<RunView, Fault> {
        let body = ApproveRequest { plans };
        self.json(self.request(Method::POST, &format!("v1/runs/{run}/approve"), token)?.json(&body)).await
    }

    /// Cancels a run.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn cancel(&self, token: &str, run: RunId) -> Result<RunView, Fault> {
        self.json(self.request(Method::POST, &format!("v1/runs/{run}/cancel"), token)?).await
    }

    /// A task's log from an offset, as it is now: at most what the runner gives at once.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn log_part(&self, token: &str, task: TaskId, offset: u64) -> Result<LogPart, Fault> {
        let request = self.request(Method::GET, &format!("v1/tasks/{task}/log?offset={offset}"), token)?;
        let answer = self.send(request).await?;
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let complete = header(COMPLETE).as_deref() == Some("true");
        let next = header(NEXT_OFFSET).and_then(|next| next.parse().ok());
        let bytes = body(answer).await?;
        let next = next.unwrap_or(offset + bytes.len() as u64);
        Ok(LogPart { bytes, next, complete })
    }

    /// A task's log from an offset, as a stream that ends when the task has ended.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn log_stream(&self, token: &str, task: TaskId, offset: u64) -> Result<Response, Fault> {
        self.send(self.stream(&format!("v1/tasks/{task}/log?offset={offset}&follow=true"), token)?).await
    }

    fn request(&self, method: Method, path: &str, token: &str) -> Result<RequestBuilder, Fault> {
        Ok(self.http.request(method, self.at(path)?).bearer_auth(token))
    }

    fn stream(&self, path: &str, token: &str) -> Result<RequestBuilder, Fault> {
        Ok(self.streams.get(self.at(path)?).bearer_auth(token))
    }

    fn at(&self, path: &str) -> Result<Url, Fault> {
        self.base.join(path).map_err(|error| Fault::internal(format!("a request's URL: {error}")))
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Fault> {
        let bytes = body(self.send(request).await?).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Fault::new(Code::RUNNER_UNREACHABLE, format!("the answer is not a runner's: {error}"))
                .remedy("Check `--runner`, and that runner and command line are of the same version.")
        })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Fault> {
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let bytes = body(answer).await?;
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err(fault_of(problem)),
            // A runner's refusals are problem documents: something else has answered for it.
            Err(_) => Err(Fault::new(
                Code::RUNNER_UNREACHABLE,
                format!("what answers at {} is no runner, or it does not reach one: it says {status}", self.base),
            )
            .remedy("Check `--runner`. Redirects are not followed: give the URL that they lead to.")),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Fault {
        let why = link::why(error);
        Fault::new(Code::RUNNER_UNREACHABLE, format!("the runner at {} does not answer: {why}", self.base))
            .remedy("Check `--runner`, the network, and that the runner is up.")
    }
}

async fn body(answer: Response) -> Result<Vec<u8>, Fault> {
    link::body(answer, ANSWER_MAX_BYTES).await.map_err(|unread| {
        let what = match unread {
            Unread::Broken(why) => format!("the answer broke off: {why}"),
            Unread::TooLarge(max) => format!("the answer has more than {max} bytes"),
        };
        Fault::new(Code::RUNNER_UNREACHABLE, what)
    })
}
