//! What is taken from a request: the caller's token, ids, query parameters and bodies.
//!
//! Everything has a limit before it is parsed, and what is not understood is refused.

use std::str::FromStr;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::header::{self, HeaderMap};
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use portcullis_model::api::{BODY_MAX_BYTES, TOKEN_MAX_BYTES};
use portcullis_model::{Code, Fault};
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use super::router::Shared;
use super::service::{Bearer, IdempotencyKey};

/// Longest time that a body may take to arrive: a place among the requests is held meanwhile.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The caller's bearer token.
pub struct Caller(pub Bearer);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Ok(Caller(bearer(&parts.headers)?))
    }
}

/// A caller whose token holds. Stands before a [`Body`]: what a stranger sends is not read.
pub struct Admitted(pub Bearer);

impl FromRequestParts<Shared> for Admitted {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Refusal> {
        let caller = bearer(&parts.headers)?;
        let path = parts.uri.path();
        let asked = match path {
            _ if path.ends_with("/approve") => "approve",
            _ if path.ends_with("/explain") => "explain",
            _ => "trigger",
        };
        shared.service.admit(&caller, asked).await?;
        Ok(Admitted(caller))
    }
}

fn bearer(headers: &HeaderMap) -> Result<Bearer, Fault> {
    let refuse = |why: &str| {
        Fault::new(Code::UNAUTHENTICATED, why)
            .remedy("Send `Authorization: Bearer TOKEN` with a token for this runner's audience.")
    };
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(refuse("the request has no `Authorization` header"));
    };
    if values.next().is_some() {
        return Err(refuse("the request has more than one `Authorization` header"));
    }
    let text = value.to_str().map_err(|_| refuse("the `Authorization` header is not text"))?;
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => return Err(refuse("the `Authorization` header is not a bearer token")),
    };
    if token.len() > TOKEN_MAX_BYTES {
        return Err(Fault::new(
            Code::TOKEN_TOO_LARGE,
            format!("the token has {} bytes, allowed are {TOKEN_MAX_BYTES}", token.len()),
        ));
    }
    if token.is_empty() {
        return Err(refuse("the bearer token is empty"));
    }
    Ok(Bearer::new(token))
}

/// The `Idempotency-Key` header, if there is one.
pub struct Key(pub Option<IdempotencyKey>);

impl<S: Sync> FromRequestParts<S> for Key {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else {
            return Ok(Key(None));
        };
        if values.next().is_some() {
            return Err(Fault::new(Code::BAD_REQUEST, "the request has more than one `Idempotency-Key` header").into());
        }
        Ok(Key(Some(IdempotencyKey::parse(value.to_str().unwrap_or_default())?)))
    }
}

/// The id in the path.
pub struct Id<T>(pub T);

impl<S: Send + Sync, T: FromStr<Err = Fault>> FromRequestParts<S> for Id<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Fault::new(Code::BAD_ID, "the path does not hold an id"))?;
        Ok(Id(text.parse()?))
    }
}

/// Query parameters. Unknown ones are refused where `T` says so.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Params(value)),
            Err(rejection) => Err(Fault::new(Code::BAD_REQUEST, cut(&rejection.body_text())).into()),
        }
    }
}

/// A JSON body of at most [`BODY_MAX_BYTES`].
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        if let Some(kind) = request.headers().get(header::CONTENT_TYPE) {
            let kind = kind.to_str().unwrap_or_default();
            let essence = kind.split(';').next().unwrap_or_default().trim();
            if !essence.eq_ignore_ascii_case("application/json") {
                return Err(Fault::new(Code::BAD_REQUEST, "the body's content type is not `application/json`").into());
            }
        }
        let read = Limited::new(request.into_body(), BODY_MAX_BYTES).collect();
        let bytes = match tokio::time::timeout(BODY_TIMEOUT, read).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return Err(Fault::new(Code::BODY_TOO_LARGE, format!("the body is over {BODY_MAX_BYTES} bytes"))
                    .remedy("Name fewer units, or leave `units` out.")
                    .into());
            }
            Ok(Err(_)) => return Err(Fault::new(Code::BAD_REQUEST, "the body was cut off").into()),
            Err(_) => return Err(Fault::new(Code::BAD_REQUEST, "the body took too long to arrive").into()),
        };
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Body(value)),
            Err(error) => Err(Fault::new(Code::BAD_REQUEST, format!("the body: {}", cut(&error.to_string())))
                .remedy("See docs/api.md for the fields that this request takes.")
                .into()),
        }
    }
}

/// A message of a parser, which can quote the request: one line, at most 300 characters.
fn cut(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}
