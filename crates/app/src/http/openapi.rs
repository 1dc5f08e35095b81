//! The OpenAPI document. `docs/openapi.json` is this, kept so by a test.

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

/// The description of the API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Portcullis runner",
        description = "The API of one account's runner. Errors are RFC 9457 problem documents with a stable `code`. \
                       Lists are read with `after` and `limit`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        super::actions::list,
        super::actions::explain,
        super::runs::trigger,
        super::runs::list,
        super::runs::show,
        super::runs::events,
        super::runs::calls,
        super::runs::cancel,
        super::runs::approve,
        super::tasks::log,
        super::units::list,
        super::definition::show,
        super::health::health,
        super::health::ready,
        document,
    ),
    components(schemas(portcullis_model::api::EventView)),
    modifiers(&Schemes),
)]
pub struct Api;

struct Schemes;

impl utoipa::Modify for Schemes {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        let bearer = |description: &str| {
            let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
            SecurityScheme::Http(http.description(Some(description)).build())
        };
        components.add_security_scheme(
            "token",
            bearer("An OIDC token for the audience `portcullis:<fleet>/<account>`. It is spent by the request that changes something."),
        );
        components.add_security_scheme(
            "read_token",
            bearer("The `read_token` that `POST /v1/runs` answered with. It reads that run and nothing else."),
        );
    }
}

/// Describes this API.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "health",
    responses((status = 200, description = "This document.", body = Object))
)]
pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}
