//! Handlers of `/v1/tasks`.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use portcullis_model::TaskId;
use portcullis_model::api::Problem;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::extract::{Caller, Id, Params};
use super::refusal::Refusal;
use super::router::Shared;
use super::runs::stream_place;
use super::service::{LogPart, TaskReader};

/// Most bytes of a log in one answer, and in one step of a followed log.
pub const LOG_PART_MAX_BYTES: usize = 1 << 20;
/// How long one wait for more lasts before the service is asked again.
const PATIENCE: Duration = Duration::from_secs(20);
/// The offset after the bytes of an answer.
pub const NEXT_OFFSET: &str = "portcullis-log-next";
/// `true` when the task has ended and the answer holds the log's end.
pub const COMPLETE: &str = "portcullis-log-complete";

/// Query of a log.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogParams {
    /// From this byte on.
    #[serde(default)]
    offset: u64,
    /// Keep the answer open until the task has ended.
    #[serde(default)]
    follow: bool,
}

/// Reads a task's log from an offset.
///
/// The bytes are what the tools printed: they can hold anything, terminal control sequences included. Without
/// `follow`, at most 1 MiB.
#[utoipa::path(
    get, path = "/v1/tasks/{id}/log", tag = "tasks",
    params(("id" = String, Path, description = "The task's id."), LogParams),
    responses(
        (status = 200, description = "The log from the offset.", body = String, content_type = "text/plain",
            headers(
                ("Portcullis-Log-Next" = u64, description = "Where to go on. Not with `follow`."),
                ("Portcullis-Log-Complete" = bool, description = "Whether this is the log's end. Not with `follow`."),
            )),
        (status = "default", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ("read_token" = []))
)]
pub async fn log(
    State(shared): State<Shared>,
    Caller(caller): Caller,
    Id(task): Id<TaskId>,
    Params(params): Params<LogParams>,
) -> Result<Response, Refusal> {
    let reader = shared.service.task_reader(caller, task).await?;
    let first = shared.service.task_log(reader, params.offset, LOG_PART_MAX_BYTES, Duration::ZERO).await?;
    if params.follow {
        let place = stream_place(&shared)?;
        return Ok(plain_text(Body::from_stream(follow(shared, reader, first, place))));
    }
    let (end, over) = (first.end, first.over);
    let mut response = plain_text(Body::from(first.bytes));
    response.headers_mut().insert(NEXT_OFFSET, HeaderValue::from(end));
    response.headers_mut().insert(COMPLETE, HeaderValue::from_static(if over { "true" } else { "false" }));
    Ok(response)
}

fn plain_text(body: Body) -> Response {
    let mut response = Response::new(body);
    // Never anything that a browser would render: the bytes are a stranger's.
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn follow(
    shared: Shared,
    reader: TaskReader,
    first: LogPart,
    place: OwnedSemaphorePermit,
) -> impl stream::Stream<Item = Result<Bytes, io::Error>> {
    stream::unfold((shared, Some(first), 0, place), move |(shared, part, mut end, place)| async move {
        let mut part = part;
        loop {
            let over = match part.take() {
                Some(part) if !part.bytes.is_empty() => {
                    let next = (shared, part.over.then(LogPart::ended), part.end, place);
                    return Some((Ok(Bytes::from(part.bytes)), next));
                }
                Some(part) => {
                    end = end.max(part.end);
                    part.over
                }
                None => false,
            };
            if over {
                return None;
            }
            let mut closing = shared.closing.clone();
            let next = tokio::select! {
                next = shared.service.task_log(reader, end, LOG_PART_MAX_BYTES, PATIENCE) => next,
                _ = closing.wait_for(|closing| *closing) => return None,
            };
            match next {
                Ok(next) => part = Some(next),
                // The answer is under way: cutting it off is all that can be said. The follower asks again from
                // its offset and then gets the fault.
                Err(fault) => {
                    tracing::error!(code = %fault.code(), "{fault}");
                    let error = io::Error::other("the log cannot be read");
                    return Some((Err(error), (shared, Some(LogPart::ended()), end, place)));
                }
            }
        }
    })
}

impl LogPart {
    fn ended() -> Self {
        LogPart { bytes: Vec::new(), end: 0, over: true }
    }
}
