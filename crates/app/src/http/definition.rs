//! Handler of `/v1/definition`.

use axum::Json;
use axum::extract::State;
use portcullis_model::api::{DefinitionView, Problem};

use super::extract::Caller;
use super::refusal::Refusal;
use super::router::Shared;

/// Says which fleet definition decides, and which one at the head of the protected branch was refused.
#[utoipa::path(
    get, path = "/v1/definition", tag = "definition",
    responses(
        (status = 200, description = "The definition in force.", body = DefinitionView),
        (status = "default", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn show(State(shared): State<Shared>, Caller(caller): Caller) -> Result<Json<DefinitionView>, Refusal> {
    Ok(Json(shared.service.definition(caller).await?))
}
