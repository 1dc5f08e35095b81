//! Handlers of `/v1/actions` and `/v1/explain`.

use axum::Json;
use axum::extract::State;
use portcullis_model::api::{ActionList, Explanation, Problem, TriggerRequest};

use super::extract::{Admitted, Body, Caller};
use super::refusal::Refusal;
use super::router::Shared;

/// Lists what the caller may ask for, with types and examples. Spends no token.
#[utoipa::path(
    get, path = "/v1/actions", tag = "actions",
    responses(
        (status = 200, description = "The actions that the caller may ask for, offered or not.", body = ActionList),
        (status = "default", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn list(State(shared): State<Shared>, Caller(caller): Caller) -> Result<Json<ActionList>, Refusal> {
    Ok(Json(shared.service.actions(caller).await?))
}

/// Says what would become of a request, and why. Starts nothing, spends no token, and does not fetch the repository.
#[utoipa::path(
    post, path = "/v1/explain", tag = "actions",
    request_body = TriggerRequest,
    responses(
        (status = 200, description = "What would be decided, also when that is a refusal.", body = Explanation),
        (status = "default", description = "The caller is none of the account's principals.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn explain(
    State(shared): State<Shared>,
    Admitted(caller): Admitted,
    Body(request): Body<TriggerRequest>,
) -> Result<Json<Explanation>, Refusal> {
    Ok(Json(shared.service.explain(caller, request).await?))
}
