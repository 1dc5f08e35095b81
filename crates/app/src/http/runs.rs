//! Handlers of `/v1/runs`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use portcullis_model::api::{
    ApproveRequest, CallPage, PAGE_DEFAULT, PAGE_MAX, Problem, RunPage, RunView, TriggerRequest, TriggerResponse,
};
use portcullis_model::{Code, Fault, RunId};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::extract::{Admitted, Body, Caller, Id, Key, Params};
use super::refusal::Refusal;
use super::router::Shared;
use super::service::{Events, RunReader};
use crate::outcome::problem_of;

/// How long one wait for events lasts before the service is asked again.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a silent stream carries a comment, so that proxies keep it open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Asks for an action.
#[utoipa::path(
    post, path = "/v1/runs", tag = "runs",
    params(("Idempotency-Key" = Option<String>, Header, description = "Sending the same request with the same key again answers with the same run. 1 to 200 visible ASCII characters.")),
    request_body = TriggerRequest,
    responses(
        (status = 201, description = "Accepted. `Location` names the run.", body = TriggerResponse),
        (status = 200, description = "The same idempotency key and request were sent before: that run.", body = TriggerResponse),
        (status = "default", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn trigger(
    State(shared): State<Shared>,
    Admitted(caller): Admitted,
    Key(key): Key,
    Body(request): Body<TriggerRequest>,
) -> Result<Response, Refusal> {
    let answer = shared.service.trigger(caller, key, request).await?;
    // The read token is made with the run and shown once, so an answer without it is a repeated one.
    let status = if answer.read_token.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("/v1/runs/{}", answer.run.id);
    let mut response = (status, Json(answer)).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Query of a list of runs.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// `next` of the page before.
    after: Option<String>,
    /// Runs per page: 50, at most 200.
    limit: Option<u32>,
}

/// Lists runs, newest first.
#[utoipa::path(
    get, path = "/v1/runs", tag = "runs",
    params(ListParams),
    responses(
        (status = 200, description = "A page of runs, without their tasks.", body = RunPage),
        (status = "default", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn list(
    State(shared): State<Shared>,
    Caller(caller): Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<RunPage>, Refusal> {
    let after = match params.after {
        None => None,
        Some(text) => Some(text.parse::<RunId>().map_err(|_| bad_cursor("after"))?),
    };
    Ok(Json(shared.service.runs(caller, after, page_limit(params.limit)?).await?))
}

/// Checks a page's size.
pub(super) fn page_limit(limit: Option<u32>) -> Result<u32, Fault> {
    match limit {
        None => Ok(PAGE_DEFAULT),
        Some(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        Some(limit) => Err(Fault::new(Code::BAD_REQUEST, format!("`limit` is {limit}, allowed are 1 to {PAGE_MAX}"))),
    }
}

pub(super) fn bad_cursor(name: &str) -> Fault {
    Fault::new(Code::BAD_CURSOR, format!("`{name}` is no cursor of this list"))
        .remedy("Send `next` of the page before, as it was.")
}

/// Shows a run with its tasks.
#[utoipa::path(
    get, path = "/v1/runs/{id}", tag = "runs",
    params(("id" = String, Path, description = "The run's id.")),
    responses(
        (status = 200, description = "The run.", body = RunView),
        (status = "default", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("read_token" = []))
)]
pub async fn show(
    State(shared): State<Shared>,
    Caller(caller): Caller,
    Id(run): Id<RunId>,
) -> Result<Json<RunView>, Refusal> {
    let reader = shared.service.run_reader(caller, run).await?;
    Ok(Json(shared.service.run(reader).await?))
}

/// Query of an event stream.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventParams {
    /// Only events with a higher id. `Last-Event-ID` wins.
    after: Option<u64>,
}

/// Streams a run's events until it has ended.
///
/// Each event's `id` counts from 1 within the run, its `event` is `run`, `task` or `approved`, its `data` an
/// `EventView`. An event named `end`, without an id, says that there will be no more; a stream that ends
/// without it was cut off and is taken up again with `Last-Event-ID`.
#[utoipa::path(
    get, path = "/v1/runs/{id}/events", tag = "runs",
    params(
        ("id" = String, Path, description = "The run's id."),
        ("Last-Event-ID" = Option<u64>, Header, description = "Go on after this event."),
        EventParams,
    ),
    responses(
        (status = 200, description = "Server-sent events.", body = String, content_type = "text/event-stream"),
        (status = "default", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("read_token" = []))
)]
pub async fn events(
    State(shared): State<Shared>,
    Caller(caller): Caller,
    Id(run): Id<RunId>,
    Params(params): Params<EventParams>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let after = match headers.get("last-event-id") {
        None => params.after.unwrap_or(0),
        Some(text) => {
            text.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| bad_cursor("Last-Event-ID"))?
        }
    };
    let reader = shared.service.run_reader(caller, run).await?;
    let place = stream_place(&shared)?;
    let stream = event_stream(shared, reader, after, place);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// A place among the streams that may be open at once.
pub(super) fn stream_place(shared: &Shared) -> Result<OwnedSemaphorePermit, Fault> {
    shared.streams.clone().try_acquire_owned().map_err(|_| {
        Fault::new(Code::BUSY, "too many streams are open").remedy("Close one, or ask for `/v1/runs/{id}` instead.")
    })
}

struct Following {
    shared: Shared,
    reader: RunReader,
    after: u64,
    ready: VecDeque<Event>,
    over: bool,
    _place: OwnedSemaphorePermit,
}

fn event_stream(
    shared: Shared,
    reader: RunReader,
    after: u64,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let following = Following { shared, reader, after, ready: VecDeque::new(), over: false, _place: place };
    stream::unfold(following, |mut following| async move {
        loop {
            if let Some(event) = following.ready.pop_front() {
                return Some((Ok(event), following));
            }
            if following.over {
                return None;
            }
            following.wait().await;
        }
    })
}

impl Following {
    /// Waits for what comes next and puts it into `ready`.
    async fn wait(&mut self) {
        let mut closing = self.shared.closing.clone();
        let next = tokio::select! {
            next = self.shared.service.events(self.reader, self.after, PATIENCE) => next,
            _ = closing.wait_for(|closing| *closing) => {
                self.over = true;
                return;
            }
        };
        match next {
            Ok(Events { events, over }) => {
                for view in events {
                    self.after = self.after.max(view.id);
                    let name = match view.event {
                        portcullis_model::run::EventKind::Run { .. } => "run",
                        portcullis_model::run::EventKind::Task { .. } => "task",
                        portcullis_model::run::EventKind::Approved { .. } => "approved",
                    };
                    let data = serde_json::to_string(&view).unwrap_or_default();
                    self.ready.push_back(Event::default().id(view.id.to_string()).event(name).data(data));
                }
                if over {
                    self.over = true;
                    self.ready.push_back(Event::default().event("end").data("{}"));
                }
            }
            Err(fault) => {
                tracing::error!(code = %fault.code(), "{fault}");
                self.over = true;
                let data = serde_json::to_string(&problem_of(&fault)).unwrap_or_default();
                self.ready.push_back(Event::default().event("problem").data(data));
            }
        }
    }
}

/// Query of a list of calls.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CallParams {
    /// `next` of the page before.
    #[serde(default)]
    after: u64,
    /// Calls per page: 50, at most 200.
    limit: Option<u32>,
}

/// Lists what the run's tasks have asked for through their sandboxes' doors.
///
/// The calls of a task are there when its sandbox has ended.
#[utoipa::path(
    get, path = "/v1/runs/{id}/calls", tag = "runs",
    params(("id" = String, Path, description = "The run's id."), CallParams),
    responses(
        (status = 200, description = "A page of calls.", body = CallPage),
        (status = "default", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("read_token" = []))
)]
pub async fn calls(
    State(shared): State<Shared>,
    Caller(caller): Caller,
    Id(run): Id<RunId>,
    Params(params): Params<CallParams>,
) -> Result<Json<CallPage>, Refusal> {
    let limit = page_limit(params.limit)?;
    let reader = shared.service.run_reader(caller, run).await?;
    Ok(Json(shared.service.calls(reader, params.after, limit).await?))
}

/// Cancels a run.
///
/// Waiting tasks are cancelled, running ones are interrupted. May be done by whoever may ask for the run's
/// action, and by its approvers.
#[utoipa::path(
    post, path = "/v1/runs/{id}/cancel", tag = "runs",
    params(("id" = String, Path, description = "The run's id.")),
    responses(
        (status = 200, description = "The run, as it is now.", body = RunView),
        (status = "default", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn cancel(
    State(shared): State<Shared>,
    Caller(caller): Caller,
    Id(run): Id<RunId>,
) -> Result<Json<RunView>, Refusal> {
    Ok(Json(shared.service.cancel(caller, run).await?))
}

/// Approves held plans, by their digests.
#[utoipa::path(
    post, path = "/v1/runs/{id}/approve", tag = "runs",
    params(("id" = String, Path, description = "The run's id.")),
    request_body = ApproveRequest,
    responses(
        (status = 200, description = "The run, as it is now.", body = RunView),
        (status = "default", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn approve(
    State(shared): State<Shared>,
    Admitted(caller): Admitted,
    Id(run): Id<RunId>,
    Body(request): Body<ApproveRequest>,
) -> Result<Json<RunView>, Refusal> {
    Ok(Json(shared.service.approve(caller, run, request).await?))
}
