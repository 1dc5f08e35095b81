//! GitHub's request URL: where a job of GitHub Actions asks for its OIDC token. A fake, because the real one
//! answers only jobs that GitHub runs.
//!
//! `GET <url>&audience=…` with the job's secret as bearer token answers `{"value": "<token>"}`. The token is signed by
//! the same issuer. Never gives a token without the secret.

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::issuer::{Algorithm, Answer, FakeIssuer, Shared, bad_answer, lock, mint, padded};

/// The secret of the one job that there is.
pub const SECRET: &str = "a-job-s-secret";

impl FakeIssuer {
    /// What `ACTIONS_ID_TOKEN_REQUEST_URL` holds in a job.
    pub fn request_url(&self) -> String {
        format!("{}/actions/token?api-version=2.0", self.url())
    }

    /// How often a token was asked for there, rightly or not.
    pub fn job_tokens(&self) -> u64 {
        self.lock().job_tokens
    }
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(rename = "api-version")]
    version: String,
    audience: Option<String>,
}

pub(crate) async fn token(
    State(shared): State<Arc<Mutex<Shared>>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let answer = {
        let mut shared = lock(&shared);
        shared.job_tokens += 1;
        match &mut shared.answer {
            Answer::Busy(left) if *left > 0 => {
                *left -= 1;
                Answer::Status(503)
            }
            other => other.clone(),
        }
    };
    let authorized = headers.get("authorization").is_some_and(|given| given == &format!("Bearer {SECRET}"));
    if !authorized || asked.version != "2.0" {
        return StatusCode::FORBIDDEN.into_response();
    }
    let audience = asked.audience.unwrap_or_else(|| "https://github.com/acme".to_owned());
    let value = mint(&lock(&shared), Algorithm::Rs256, json!({"aud": audience}));
    let document = json!({"count": value.len(), "value": value});
    match answer {
        Answer::Good | Answer::Busy(_) => Json(document).into_response(),
        Answer::Huge(bytes) => padded(&document, bytes),
        Answer::Keys(document) | Answer::Discovery(document) => Json(document).into_response(),
        other => bad_answer(other).await,
    }
}
