//! Handlers of `/v1/healthz` and `/v1/readyz`: the only routes, with the API's own description, that take no
//! token. They name nothing that a caller on the network must not know.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use portcullis_model::api::Health;

use super::router::Shared;

/// Says that the process works.
#[utoipa::path(
    get, path = "/v1/healthz", tag = "health",
    responses((status = 200, description = "It works.", body = Health))
)]
pub async fn health(State(shared): State<Shared>) -> Json<Health> {
    Json(shared.service.health())
}

/// Says whether runs are accepted now.
#[utoipa::path(
    get, path = "/v1/readyz", tag = "health",
    responses(
        (status = 200, description = "Runs are accepted.", body = Health),
        (status = 503, description = "Not now; the body says why.", body = Health),
    )
)]
pub async fn ready(State(shared): State<Shared>) -> Response {
    match shared.service.ready() {
        Ok(health) => Json(health).into_response(),
        Err(health) => (StatusCode::SERVICE_UNAVAILABLE, Json(*health)).into_response(),
    }
}
