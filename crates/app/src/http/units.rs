//! Handlers of `/v1/units`.

use axum::Json;
use axum::extract::State;
use portcullis_model::UnitPath;
use portcullis_model::api::{Problem, UnitPage};
use serde::Deserialize;

use super::extract::{Caller, Params};
use super::refusal::Refusal;
use super::router::Shared;
use super::runs::{bad_cursor, page_limit};

/// Query of a list of units.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// `next` of the page before.
    after: Option<String>,
    /// Units per page: 50, at most 200.
    limit: Option<u32>,
}

/// Lists the account's units at the head of the protected branch, by path.
#[utoipa::path(
    get, path = "/v1/units", tag = "units",
    params(ListParams),
    responses(
        (status = 200, description = "A page of units.", body = UnitPage),
        (status = "default", description = "Refused.", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
pub async fn list(
    State(shared): State<Shared>,
    Caller(caller): Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<UnitPage>, Refusal> {
    let after = match params.after {
        None => None,
        Some(text) => Some(UnitPath::parse(&text).map_err(|_| bad_cursor("after"))?),
    };
    Ok(Json(shared.service.units(caller, after, page_limit(params.limit)?).await?))
}
