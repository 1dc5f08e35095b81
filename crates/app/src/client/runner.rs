//! Requests to a runner and their answers.

use std::time::Duration;

use portcullis_model::api::{ApproveRequest, Problem, RunPage, RunView, TriggerRequest, TriggerResponse};
use portcullis_model::{Code, Fault, RunId, TaskId};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;

use super::link::{self, Unread};
use crate::outcome::{code_of_status, fault_of};

/// Longest that one request may take.
const REQUEST: Duration = Duration::from_secs(120);
/// Largest answer, in bytes.
const ANSWER_MAX_BYTES: usize = 64 << 20;

/// A runner, from outside.
pub struct Client {
    base: Url,
    http: reqwest::Client,
}

impl Client {
    /// For the runner at a URL.
    ///
    /// # Errors
    /// `PC-0001` for what is no URL of a runner.
    pub fn new(url: &str) -> Result<Self, Fault> {
        let base = link::checked(url).map_err(|why| {
            Fault::new(Code::USAGE, format!("{url:?} is no runner's URL: {why}"))
                .remedy("Give `--runner https://HOST[:PORT]`, or set PORTCULLIS_RUNNER.")
        })?;
        let http = link::client(Some(REQUEST), REQUEST)?;
        Ok(Client { base, http })
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
        let request = self.request(Method::POST, "/v1/runs", token)?.json(body);
        let request = match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        };
        self.json(request).await
    }

    /// A run.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn run(&self, token: &str, run: RunId) -> Result<RunView, Fault> {
        self.json(self.request(Method::GET, &format!("/v1/runs/{run}"), token)?).await
    }

    /// A page of runs.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn runs(&self, token: &str, limit: u32) -> Result<RunPage, Fault> {
        self.json(self.request(Method::GET, &format!("/v1/runs?limit={limit}"), token)?).await
    }

    /// Approves held plans.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn approve(&self, token: &str, run: RunId, plans: Vec<String>) -> Result<RunView, Fault> {
        let body = ApproveRequest { plans };
        self.json(self.request(Method::POST, &format!("/v1/runs/{run}/approve"), token)?.json(&body)).await
    }

    /// Cancels a run.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn cancel(&self, token: &str, run: RunId) -> Result<RunView, Fault> {
        self.json(self.request(Method::POST, &format!("/v1/runs/{run}/cancel"), token)?).await
    }

    /// A task's log, from its beginning, as it is now.
    ///
    /// # Errors
    /// As [`Client::trigger`].
    pub async fn log(&self, token: &str, task: TaskId) -> Result<Vec<u8>, Fault> {
        let answer = self.send(self.request(Method::GET, &format!("/v1/tasks/{task}/log"), token)?).await?;
        body(answer).await
    }

    fn request(&self, method: Method, path: &str, token: &str) -> Result<RequestBuilder, Fault> {
        let url = self.base.join(path).map_err(|error| Fault::internal(format!("a request's URL: {error}")))?;
        Ok(self.http.request(method, url).bearer_auth(token))
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
            Err(_) => Err(Fault::new(code_of_status(status.as_u16()), format!("the runner answered {status}"))),
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
