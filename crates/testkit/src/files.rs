//! Answers over HTTP that a test writes down: archives, registries, redirects, and what a hostile host would say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use crate::background::Background;

/// One answer.
#[derive(Debug, Clone, Default)]
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Path and query.
    pub path: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<BTreeMap<String, Reply>>,
    slow: Mutex<BTreeMap<String, Duration>>,
    asked: Mutex<Vec<Asked>>,
}

/// A server on loopback. Runs in a thread of its own and ends when it is dropped.
pub struct FileServer {
    host: String,
    shared: Arc<Shared>,
    _server: Background,
}

#[allow(clippy::unwrap_used, reason = "a test's set-up fails loudly")]
impl FileServer {
    /// One that knows nothing yet.
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let server = Background::start("127.0.0.1:0", |_| router);
        FileServer { host: server.address().to_string(), shared, _server: server }
    }

    /// `127.0.0.1:port`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The URL of a path, which starts with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    /// Answers a path (without its query) with this from now on.
    pub fn put(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.reply(path, 200, &[], body);
    }

    /// Answers a path with a redirect.
    pub fn redirect(&self, path: &str, to: &str) {
        self.reply(path, 302, &[("location", to)], "");
    }

    /// Answers a path with this status, these headers and this body.
    pub fn reply(&self, path: &str, status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let reply = Reply { status, headers, body: body.into() };
        self.shared.replies.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), reply);
    }

    /// Lets a path be answered only after some time.
    pub fn slow(&self, path: &str, time: Duration) {
        self.shared.slow.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), time);
    }

    /// What was asked so far, and forgets it.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let asked = Asked { path: request.uri().to_string(), authorization: authorization.map(str::to_owned) };
    shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    let slow = shared.slow.lock().unwrap_or_else(PoisonError::into_inner).get(request.uri().path()).copied();
    if let Some(time) = slow {
        tokio::time::sleep(time).await;
    }
    let known = shared.replies.lock().unwrap_or_else(PoisonError::into_inner).get(request.uri().path()).cloned();
    let reply = known.unwrap_or(Reply { status: 404, ..Reply::default() });
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
