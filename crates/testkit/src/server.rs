//! Git over HTTP, through git's own `http-backend`, with a password.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt;

use crate::background::Background;

const BODY_MAX_BYTES: usize = 64 << 20;

/// How a [`GitServer`] answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// As it should.
    #[default]
    Good,
    /// With a redirect to this URL, the path appended.
    Redirect(String),
    /// Never.
    Hang,
}

struct Shared {
    root: PathBuf,
    authorization: Option<String>,
    behaviour: Mutex<Behaviour>,
    seen: Mutex<Vec<Option<String>>>,
}

/// A git server on loopback for the bare repositories of a folder. Runs in a thread of its own and ends when
/// it is dropped.
pub struct GitServer {
    url: String,
    shared: Arc<Shared>,
    _server: Background,
}

#[allow(clippy::unwrap_used, reason = "a test's set-up fails loudly")]
impl GitServer {
    /// Serves the folder. With a user and a password, only to who gives them.
    pub fn start(root: &Path, login: Option<(&str, &str)>) -> Self {
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            authorization: login.map(|(user, secret)| format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")))),
            behaviour: Mutex::default(),
            seen: Mutex::default(),
        });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let server = Background::start("127.0.0.1:0", |_| router);
        GitServer { url: format!("http://{}", server.address()), shared, _server: server }
    }

    /// The URL of a repository in the folder, such as `remote.git`.
    pub fn url(&self, repository: &str) -> String {
        format!("{}/{repository}", self.url)
    }

    /// How it answers from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// The `Authorization` header of every request so far.
    pub fn authorizations(&self) -> Vec<Option<String>> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let authorization = header(&parts, "authorization");
    shared
        .seen
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Some(authorization.clone()).filter(|text| !text.is_empty()));
    let behaviour = shared.behaviour.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match behaviour {
        Behaviour::Good => {}
        Behaviour::Redirect(to) => {
            return (StatusCode::FOUND, [("location", format!("{to}{}", parts.uri))]).into_response();
        }
        Behaviour::Hang => std::future::pending().await,
    }
    if shared.authorization.as_ref().is_some_and(|wanted| *wanted != authorization) {
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic realm=\"git\"")]).into_response();
    }
    backend(&shared.root, &parts, body).await.unwrap_or_else(|error| {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("git http-backend: {error}\n")).into_response()
    })
}

fn header(parts: &Parts, name: &str) -> String {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// Runs `git http-backend` as CGI (RFC 3875).
async fn backend(root: &Path, parts: &Parts, body: Body) -> std::io::Result<Response> {
    #[allow(clippy::disallowed_methods, reason = "the testkit starts programs")]
    let mut command = tokio::process::Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header(parts, "content-type"))
        .env("HTTP_CONTENT_ENCODING", header(parts, "content-encoding"))
        .env("GIT_PROTOCOL", header(parts, "git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let body = to_bytes(body, BODY_MAX_BYTES).await.map_err(std::io::Error::other)?;
    let mut child = command.env("CONTENT_LENGTH", body.len().to_string()).spawn()?;
    let mut stdin = child.stdin.take();
    let feed = async move {
        if let Some(stdin) = &mut stdin {
            // A backend that has its answer may not read to the end.
            let _ = stdin.write_all(&body).await;
        }
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output?.stdout;
    let split = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(output.len());
    let (head, rest) = output.split_at(split);
    let mut response = Response::new(Body::from(rest.get(4..).unwrap_or_default().to_vec()));
    for line in String::from_utf8_lossy(head).lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("status") {
            let number = value.split_whitespace().next().and_then(|number| number.parse().ok());
            *response.status_mut() = number.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        } else if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value.trim())) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
