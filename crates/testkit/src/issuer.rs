//! An OIDC issuer on loopback, with real keys and real signatures.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::background::Background;

/// What a token is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 and a key of 2048 bits. What GitHub and GitLab use.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

    /// As JWS spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
            Algorithm::EdDsa => "EdDSA",
        }
    }
}

/// A key pair of every algorithm, and the ids they are published under.
pub(crate) struct Keys {
    generation: u32,
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's set-up fails loudly")]
impl Keys {
    pub(crate) fn generate(generation: u32) -> Self {
        Keys {
            generation,
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// The `kid` of an algorithm's key.
    pub(crate) fn kid(&self, algorithm: Algorithm) -> String {
        format!("{}-{}", algorithm.as_str().to_ascii_lowercase(), self.generation)
    }

    /// The public key as a JWK.
    pub(crate) fn jwk(&self, algorithm: Algorithm) -> Value {
        let mut jwk = match algorithm {
            Algorithm::Rs256 => {
                let n = self.rsa.public_key().modulus().big_endian_without_leading_zero().to_vec();
                let e = self.rsa.public_key().exponent().big_endian_without_leading_zero().to_vec();
                json!({"kty": "RSA", "n": encode(&n), "e": encode(&e)})
            }
            Algorithm::Es256 => {
                let point = self.ec.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..65])})
            }
            Algorithm::EdDsa => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(self.ed.public_key().as_ref())}),
        };
        jwk["kid"] = json!(self.kid(algorithm));
        jwk["alg"] = json!(algorithm.as_str());
        jwk["use"] = json!("sig");
        jwk
    }

    /// Signs bytes.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match algorithm {
            Algorithm::Rs256 => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Algorithm::Es256 => self.ec.sign(&random, message).unwrap().as_ref().to_vec(),
            Algorithm::EdDsa => self.ed.sign(message).as_ref().to_vec(),
        }
    }
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `base64url(header).base64url(payload)`.
pub(crate) fn signing_input(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()))
}

pub(crate) struct Shared {
    pub(crate) url: String,
    pub(crate) keys: Keys,
    discoveries: u64,
    key_fetches: u64,
    pub(crate) job_tokens: u64,
    pub(crate) answer: Answer,
}

/// How the issuer answers when it is asked for its discovery document or its keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Answer {
    /// As it should.
    #[default]
    Good,
    /// With this status and no body.
    Status(u16),
    /// With a redirect to this URL.
    Redirect(String),
    /// As it should, with this many bytes of white space behind it.
    Huge(usize),
    /// With this body as JSON, for the discovery document.
    Discovery(Value),
    /// With this body as JSON, for the keys.
    Keys(Value),
    /// Never.
    Hang,
    /// With 503 this many times, then as it should. For job tokens.
    Busy(u32),
}

/// An OIDC issuer on loopback that signs whatever it is asked to. Runs in a thread of its own, so it serves
/// tests with and without an async runtime, and ends when it is dropped.
pub struct FakeIssuer {
    shared: Arc<Mutex<Shared>>,
    url: String,
    _server: Background,
}

#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's set-up fails loudly")]
impl FakeIssuer {
    /// On a free port of loopback.
    pub fn start() -> Self {
        Self::listen("127.0.0.1:0")
    }

    /// On this address. Its issuer URL is `http://` and the address, with the port that it got.
    pub fn listen(address: &str) -> Self {
        let shared = Arc::new(Mutex::new(Shared {
            url: String::new(),
            keys: Keys::generate(1),
            discoveries: 0,
            key_fetches: 0,
            job_tokens: 0,
            answer: Answer::Good,
        }));
        let server = Background::start(address, |address| {
            lock(&shared).url = format!("http://{address}");
            router(Arc::clone(&shared))
        });
        let url = lock(&shared).url.clone();
        FakeIssuer { shared, url, _server: server }
    }

    /// Its issuer URL, such as `http://127.0.0.1:4711`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A token (RS256) with these claims. `iss`, `sub`, `iat`, `nbf`, `exp` (in five minutes) and `jti` are
    /// added where they are not given; a claim that is given as `null` is left out.
    pub fn mint(&self, claims: Value) -> String {
        self.mint_with(Algorithm::Rs256, claims)
    }

    /// A token signed with an algorithm.
    pub fn mint_with(&self, algorithm: Algorithm, claims: Value) -> String {
        mint(&self.lock(), algorithm, claims)
    }

    /// New keys under new ids; the former ones are published no more.
    pub fn rotate(&self) {
        let mut shared = self.lock();
        shared.keys = Keys::generate(shared.keys.generation + 1);
    }

    /// How it answers from now on.
    pub fn answer(&self, answer: Answer) {
        self.lock().answer = answer;
    }

    /// How often its keys were fetched.
    pub fn key_fetches(&self) -> u64 {
        self.lock().key_fetches
    }

    /// How often its discovery document was fetched.
    pub fn discoveries(&self) -> u64 {
        self.lock().discoveries
    }

    /// Its public keys, as it publishes them.
    pub fn jwks(&self) -> Value {
        jwks(&self.lock())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

pub(crate) fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn jwks(shared: &Shared) -> Value {
    json!({"keys": Algorithm::ALL.map(|algorithm| shared.keys.jwk(algorithm))})
}

/// The claims with the standard ones added.
pub(crate) fn complete(url: &str, claims: Value) -> Value {
    #[allow(clippy::disallowed_methods, reason = "an issuer has a clock")]
    let now = Timestamp::now().as_second();
    let mut all = Map::new();
    all.insert("iss".into(), json!(url));
    all.insert("sub".into(), json!("test"));
    all.insert("iat".into(), json!(now));
    all.insert("nbf".into(), json!(now));
    all.insert("exp".into(), json!(now + 300));
    all.insert("jti".into(), json!(uuid::Uuid::new_v4().to_string()));
    if let Value::Object(given) = claims {
        all.extend(given);
    }
    all.retain(|_, value| !value.is_null());
    Value::Object(all)
}

pub(crate) fn mint(shared: &Shared, algorithm: Algorithm, claims: Value) -> String {
    let header = json!({"typ": "JWT", "alg": algorithm.as_str(), "kid": shared.keys.kid(algorithm)});
    let input = signing_input(&header, &complete(&shared.url, claims));
    let signature = shared.keys.sign(algorithm, input.as_bytes());
    format!("{input}.{}", encode(&signature))
}

fn router(shared: Arc<Mutex<Shared>>) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/jwks", get(keys))
        .route("/mint", post(mint_route))
        .route("/actions/token", get(crate::actions::token))
        .route("/rotate", post(rotate_route))
        .with_state(shared)
}

async fn discovery(State(shared): State<Arc<Mutex<Shared>>>) -> Response {
    let (answer, url) = {
        let mut shared = lock(&shared);
        shared.discoveries += 1;
        (shared.answer.clone(), shared.url.clone())
    };
    match answer {
        Answer::Huge(bytes) => padded(&discovery_document(&url), bytes),
        Answer::Good | Answer::Busy(_) | Answer::Keys(_) => Json(discovery_document(&url)).into_response(),
        Answer::Discovery(document) => Json(document).into_response(),
        other => bad_answer(other).await,
    }
}

async fn keys(State(shared): State<Arc<Mutex<Shared>>>) -> Response {
    let (answer, keys) = {
        let mut shared = lock(&shared);
        shared.key_fetches += 1;
        (shared.answer.clone(), jwks(&shared))
    };
    match answer {
        Answer::Huge(bytes) => padded(&keys, bytes),
        Answer::Good | Answer::Busy(_) | Answer::Discovery(_) => Json(keys).into_response(),
        Answer::Keys(document) => Json(document).into_response(),
        other => bad_answer(other).await,
    }
}

fn discovery_document(url: &str) -> Value {
    json!({"issuer": url, "jwks_uri": format!("{url}/jwks")})
}

pub(crate) fn padded(document: &Value, bytes: usize) -> Response {
    format!("{document}{}", " ".repeat(bytes)).into_response()
}

pub(crate) async fn bad_answer(answer: Answer) -> Response {
    match answer {
        Answer::Status(status) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
        Answer::Redirect(to) => (StatusCode::FOUND, [("location", to)]).into_response(),
        _ => std::future::pending().await,
    }
}

#[derive(Deserialize)]
struct MintQuery {
    alg: Option<String>,
}

async fn mint_route(
    State(shared): State<Arc<Mutex<Shared>>>,
    Query(query): Query<MintQuery>,
    Json(claims): Json<Value>,
) -> Response {
    let name = query.alg.as_deref().unwrap_or("RS256");
    match Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == name) {
        Some(algorithm) => mint(&lock(&shared), algorithm, claims).into_response(),
        None => (StatusCode::BAD_REQUEST, "alg is RS256, ES256 or EdDSA\n").into_response(),
    }
}

async fn rotate_route(State(shared): State<Arc<Mutex<Shared>>>) -> StatusCode {
    let mut shared = lock(&shared);
    shared.keys = Keys::generate(shared.keys.generation + 1);
    StatusCode::NO_CONTENT
}
