//! Bodies that pass through the door: streamed, counted, never held.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use crate::record::Pending;
use crate::tunnel::Passed;

/// A body that is passed on.
pub(crate) type Body = BoxBody<Bytes, Failure>;

/// Why a body ended early.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the sandbox is answered.
pub(crate) type Answer = Response<Body>;

/// A body that counts what passes. That of an answer keeps the call open until it has ended.
pub(crate) struct Counted {
    inner: Incoming,
    passed: Arc<Passed>,
    call: Option<Pending>,
}

impl Counted {
    /// A request's.
    pub(crate) fn sent(inner: Incoming, passed: Arc<Passed>) -> Body {
        Counted { inner, passed, call: None }.boxed()
    }

    /// An answer's.
    pub(crate) fn received(inner: Incoming, call: Pending) -> Body {
        Counted { inner, passed: call.passed(), call: Some(call) }.boxed()
    }
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let mut frame = Pin::new(&mut self.inner).poll_frame(cx).map_err(Failure::from);
        // Trailers of a request are headers that nobody has looked at. They come last.
        if self.call.is_none()
            && let Poll::Ready(Some(Ok(trailers))) = &frame
            && trailers.is_trailers()
        {
            frame = Poll::Ready(None);
        }
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            let counter = if self.call.is_some() { &self.passed.received } else { &self.passed.sent };
            counter.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Bytes that keep their place among those that a task may have in memory, for as long as somebody has them.
pub(crate) fn kept(bytes: impl Into<Bytes>, place: OwnedSemaphorePermit) -> Bytes {
    struct Kept(Bytes, #[allow(dead_code, reason = "given back when it is dropped")] OwnedSemaphorePermit);
    impl AsRef<[u8]> for Kept {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    Bytes::from_owner(Kept(bytes.into(), place))
}

pub(crate) fn json(status: StatusCode, body: Bytes) -> Answer {
    answer(status, "application/json", body)
}

pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, "text/plain; charset=utf-8", body.into())
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body).map_err(|never| match never {}).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
