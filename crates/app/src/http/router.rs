//! Every route on one page, and what all of them share: a limit on requests at once, headers, the request log.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::{HeaderValue, Method, header};
use portcullis_model::{Code, Fault};
use tokio::sync::{Semaphore, watch};

use super::listener::{Asker, Limits};
use super::rate::Buckets;
use super::refusal::Refusal;
use super::service::Service;
use super::{actions, definition, health, openapi, runs, tasks, units};

/// How much of a path is logged.
const PATH_LOGGED_CHARS: usize = 120;

/// What the handlers share.
#[derive(Clone)]
pub struct Shared {
    /// The runner.
    pub service: Arc<dyn Service>,
    /// Becomes true when open streams are to end.
    pub closing: watch::Receiver<bool>,
    /// Places for streams.
    pub streams: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    requests_max: usize,
    rates: Arc<Buckets<IpAddr>>,
}

impl Shared {
    /// Over a runner.
    pub fn new(service: Arc<dyn Service>, closing: watch::Receiver<bool>, limits: &Limits) -> Self {
        Shared {
            service,
            closing,
            streams: Arc::new(Semaphore::new(limits.streams)),
            requests: Arc::new(Semaphore::new(limits.requests)),
            requests_max: limits.requests,
            rates: Arc::new(Buckets::new(limits.rate)),
        }
    }
}

/// Routes by path.
pub type Routes = Vec<(&'static str, MethodRouter<Shared>)>;

/// The routes that take a place among the requests.
pub fn counted_routes() -> Routes {
    vec![
        ("/v1/actions", get(actions::list)),
        ("/v1/explain", post(actions::explain)),
        ("/v1/runs", post(runs::trigger).get(runs::list)),
        ("/v1/runs/{id}", get(runs::show)),
        ("/v1/runs/{id}/events", get(runs::events)),
        ("/v1/runs/{id}/calls", get(runs::calls)),
        ("/v1/runs/{id}/cancel", post(runs::cancel)),
        ("/v1/runs/{id}/approve", post(runs::approve)),
        ("/v1/tasks/{id}/log", get(tasks::log)),
        ("/v1/units", get(units::list)),
        ("/v1/definition", get(definition::show)),
        ("/v1/openapi.json", get(openapi::document)),
    ]
}

/// The routes that are answered whatever else there is to do: load balancers look here.
pub fn health_routes() -> Routes {
    vec![
        ("/v1/healthz", get(health::health)),
        ("/v1/readyz", get(health::ready)),
        ("/healthz", get(health::health)),
        ("/readyz", get(health::ready)),
    ]
}

/// The whole API.
pub fn router(shared: Shared) -> Router {
    let of = |routes: Routes| routes.into_iter().fold(Router::new(), |router, (path, to)| router.route(path, to));
    of(counted_routes())
        .route_layer(middleware::from_fn_with_state(shared.clone(), counted))
        .merge(of(health_routes()))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn(around))
        .with_state(shared)
}

async fn no_such_path() -> Refusal {
    Fault::new(Code::NOT_FOUND, "there is no such path in this API").remedy("See `/v1/openapi.json`.").into()
}

async fn no_such_method() -> Refusal {
    Fault::new(Code::METHOD_NOT_ALLOWED, "the method is not allowed on this path")
        .remedy("See `/v1/openapi.json`.")
        .into()
}

/// Limits the requests at once, and those of one address in a time. A stream gives its place back when it begins.
async fn counted(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let asker = request.extensions().get::<Option<Asker>>().copied().flatten();
    if asker.is_some_and(|Asker(address)| !shared.rates.take(address, Instant::now())) {
        return Refusal(too_often("this address asks")).into_response();
    }
    match shared.requests.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => {
            let fault = Fault::new(Code::BUSY, format!("{} requests are being answered already", shared.requests_max));
            Refusal(fault.remedy("Try again in a moment.")).into_response()
        }
    }
}

/// What is said to who asks too often.
pub fn too_often(who: &str) -> Fault {
    Fault::new(Code::BUSY, format!("{who} too often")).remedy("Ask less often; try again in a second.")
}

/// Sets the headers of every answer, and logs the request. Neither tokens nor query strings are logged.
async fn around(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(PATH_LOGGED_CHARS).collect();
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let (status, ms) = (response.status().as_u16(), begun.elapsed().as_millis());
    if method == Method::GET || response.status().is_client_error() {
        tracing::debug!(%method, path, status, ms, "request");
    } else {
        tracing::info!(%method, path, status, ms, "request");
    }
    response
}
