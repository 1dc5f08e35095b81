//! Where an issuer's keys come from: its discovery document, its JWKS, and a cache of it.
//!
//! Fetches are bounded: one at a time per issuer, at most one in [`BETWEEN_FETCHES`], whoever sends what.
//! Redirects are not followed, proxies of the environment are not used, bodies and times have limits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use portcullis_model::{Code, Fault, id::quoted};
use reqwest::{Client, Url};
use serde::Deserialize;

use super::keys::{Judgement, KeySet, shown};
use super::token::Unverified;

/// Keys older than this are fetched again before they are used.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// Keys up to this age are still used when the issuer does not answer. Bounds how long a withdrawn key is
/// taken by a runner that cannot reach the issuer.
const USABLE: SignedDuration = SignedDuration::from_hours(1);
/// The least time between two fetches from one issuer, also when they fail or when a token names a key that
/// is not known. So an attacker can make the runner ask six times a minute, no more.
const BETWEEN_FETCHES: SignedDuration = SignedDuration::from_secs(10);
/// Longest time that a request may have begun before keys were fetched that it then uses.
const BEGAN_BEFORE: SignedDuration = SignedDuration::from_secs(30);
/// Largest discovery document or key set.
const DOCUMENT_MAX_BYTES: usize = 256 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How issuers are reached, where the host's own way does not do.
#[derive(Debug, Clone)]
pub struct Connection {
    /// A proxy for `https`, such as `http://proxy.acme.internal:3128`. Loopback is never reached through it.
    pub proxy: Option<String>,
    /// Certificate authorities (PEM) that are trusted besides the host's.
    pub ca_pem: Option<Vec<u8>>,
    /// Longest time that an issuer may take for one document. 10 s unless said otherwise.
    pub timeout: Duration,
}

impl Default for Connection {
    fn default() -> Self {
        Connection { proxy: None, ca_pem: None, timeout: Duration::from_secs(10) }
    }
}

impl Connection {
    /// The client that all fetches go through.
    pub(super) fn client(&self) -> Result<Client, Fault> {
        let bad = |error: reqwest::Error| {
            Fault::new(Code::BAD_OPTION, format!("issuers cannot be reached this way: {}", chain(&error.without_url())))
                .remedy("Give a proxy as `http://host:port`, and certificate authorities as a PEM file.")
        };
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(self.timeout)
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(reqwest::Proxy::https(proxy).map_err(bad)?);
        }
        if let Some(pem) = &self.ca_pem {
            let authorities = reqwest::Certificate::from_pem_bundle(pem).map_err(bad)?;
            builder = builder.tls_certs_merge(authorities);
        }
        builder.build().map_err(bad)
    }
}

/// Where the keys of an issuer are.
#[derive(Clone)]
pub(super) enum KeyPlace {
    /// Where its discovery document says.
    Discovered,
    /// Here.
    At(Url),
    /// In the fleet definition: the document, and the keys that it holds.
    Pinned(String, Arc<KeySet>),
}

impl KeyPlace {
    /// Of a key set with at least one key that can be used.
    pub fn pinned(document: &str) -> Option<Self> {
        let keys = KeySet::parse(document.as_bytes()).filter(|keys| !keys.is_empty())?;
        Some(KeyPlace::Pinned(document.to_owned(), Arc::new(keys)))
    }
}

impl PartialEq for KeyPlace {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (KeyPlace::Discovered, KeyPlace::Discovered) => true,
            (KeyPlace::At(one), KeyPlace::At(two)) => one == two,
            (KeyPlace::Pinned(one, _), KeyPlace::Pinned(two, _)) => one == two,
            _ => false,
        }
    }
}

/// The keys of one issuer, fetched when they are needed.
pub(super) struct KeySource {
    issuer: String,
    place: KeyPlace,
    client: Client,
    cache: Mutex<Cache>,
    /// Held by the one that fetches.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Cache {
    keys: Option<(Timestamp, Arc<KeySet>)>,
    attempted: Option<Timestamp>,
    failure: Option<Fault>,
}

impl KeySource {
    /// For an issuer whose URLs were checked with [`checked_url`].
    pub fn new(issuer: String, place: KeyPlace, client: Client) -> Self {
        KeySource { issuer, place, client, cache: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// Where the keys are, as the fleet definition says it.
    pub fn place(&self) -> &KeyPlace {
        &self.place
    }

    /// Whether the token's signature holds with this issuer's keys.
    pub async fn check(&self, token: &Unverified<'_>, now: Timestamp) -> Result<(), Fault> {
        let unknown = |remedy: &str| {
            Fault::new(
                Code::TOKEN_UNKNOWN_KEY,
                format!("the token's key {} is not among the keys of {}", shown(token.kid.as_deref()), self.issuer),
            )
            .remedy(remedy)
        };
        if let KeyPlace::Pinned(_, keys) = &self.place {
            return match keys.judge(token)? {
                Judgement::Holds => Ok(()),
                Judgement::UnknownKey => {
                    Err(unknown("The fleet definition pins the issuer's keys. If it has a new one, add it to `jwks`."))
                }
            };
        }
        let keys = self.keys(now).await?;
        if matches!(keys.judge(token)?, Judgement::Holds) {
            return Ok(());
        }
        let newer = self.newer_than(&keys, now).await?;
        let Some(newer) = newer else {
            return Err(unknown("The issuer's keys were fetched a moment ago; try again in ten seconds."));
        };
        match newer.judge(token)? {
            Judgement::Holds => Ok(()),
            Judgement::UnknownKey => {
                Err(unknown("Send a token from the issuer that the fleet definition names, as it was issued."))
            }
        }
    }

    /// Keys that are fresh, or usable if the issuer does not answer.
    async fn keys(&self, now: Timestamp) -> Result<Arc<KeySet>, Fault> {
        if let Some(keys) = self.cached(now, FRESH) {
            return Ok(keys);
        }
        // While another asks a slow issuer, keys that are usable are used: nobody waits for what may not come.
        let _one = match (self.fetching.try_lock(), self.cached(now, USABLE)) {
            (Ok(one), _) => one,
            (Err(_), Some(keys)) => return Ok(keys),
            (Err(_), None) => self.fetching.lock().await,
        };
        if let Some(keys) = self.cached(now, FRESH) {
            return Ok(keys);
        }
        let fetched = self.fetch_bounded(now).await;
        match (fetched, self.cached(now, USABLE)) {
            (Ok(Some(keys)), _) | (_, Some(keys)) => Ok(keys),
            (Err(fault), None) => Err(fault),
            (Ok(None), None) => {
                Err(self.lock().failure.clone().unwrap_or_else(|| self.unreachable("it was asked a moment ago")))
            }
        }
    }

    /// Keys that were fetched after these, now if the time for it has come.
    async fn newer_than(&self, known: &Arc<KeySet>, now: Timestamp) -> Result<Option<Arc<KeySet>>, Fault> {
        let _one = self.fetching.lock().await;
        if let Some(keys) = self.cached(now, FRESH)
            && !Arc::ptr_eq(&keys, known)
        {
            return Ok(Some(keys));
        }
        self.fetch_bounded(now).await
    }

    fn cached(&self, now: Timestamp, age: SignedDuration) -> Option<Arc<KeySet>> {
        let cache = self.lock();
        let (at, keys) = cache.keys.as_ref()?;
        // A request that began before another one fetched them may have them. Keys that are newer than that are not: the
        // clock was set back, and they are old.
        let since = now.duration_since(*at);
        (-BEGAN_BEFORE <= since && since < age).then(|| Arc::clone(keys))
    }

    /// Fetches, unless that was done a moment ago.
    async fn fetch_bounded(&self, now: Timestamp) -> Result<Option<Arc<KeySet>>, Fault> {
        {
            let mut cache = self.lock();
            if cache.attempted.is_some_and(|at| now.duration_since(at).abs() < BETWEEN_FETCHES) {
                return Ok(None);
            }
            cache.attempted = Some(now);
        }
        let fetched = self.fetch().await;
        let mut cache = self.lock();
        match fetched {
            Ok(keys) => {
                let keys = Arc::new(keys);
                cache.keys = Some((now, Arc::clone(&keys)));
                cache.failure = None;
                Ok(Some(keys))
            }
            Err(fault) => {
                tracing::warn!(issuer = self.issuer, fault = %fault, "issuer's keys not fetched");
                cache.failure = Some(fault.clone());
                Err(fault)
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, Fault> {
        let place = match &self.place {
            KeyPlace::At(url) => url.clone(),
            KeyPlace::Discovered | KeyPlace::Pinned(..) => self.discover().await?,
        };
        let document = self.get(place).await?;
        KeySet::parse(&document).ok_or_else(|| self.unreachable("what it publishes is no JWKS document"))
    }

    /// OpenID Connect Discovery 1.0 §4: the document's `issuer` has to be the one that was asked.
    async fn discover(&self) -> Result<Url, Fault> {
        #[derive(Deserialize)]
        struct Document {
            issuer: String,
            jwks_uri: String,
        }
        let place = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let place = Url::parse(&place).map_err(|_| self.unreachable("its URL is not understood"))?;
        let document: Document = serde_json::from_slice(&self.get(place.clone()).await?)
            .map_err(|_| self.unreachable("its discovery document is not understood"))?;
        if document.issuer != self.issuer {
            return Err(self.unreachable(&format!("its discovery document is that of {}", quoted(&document.issuer))));
        }
        // Only an issuer on loopback may name keys on loopback.
        checked_url(&document.jwks_uri)
            .ok()
            .filter(|url| url.scheme() == "https" || place.scheme() == "http")
            .ok_or_else(|| self.unreachable(&format!("its `jwks_uri` is {}", quoted(&document.jwks_uri))))
    }

    async fn get(&self, url: Url) -> Result<Vec<u8>, Fault> {
        // Without the URL: the fault names the issuer, and a proxy's password would be in it.
        let failed = |error: reqwest::Error| self.unreachable(&chain(&error.without_url()));
        let mut response = self.client.get(url).header("accept", "application/json").send().await.map_err(failed)?;
        if response.status().as_u16() != 200 {
            return Err(self.unreachable(&format!("it answered with status {}", response.status().as_u16())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > DOCUMENT_MAX_BYTES {
                return Err(self.unreachable(&format!("it answered with more than {DOCUMENT_MAX_BYTES} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unreachable(&self, why: &str) -> Fault {
        Fault::new(Code::JWKS_UNREACHABLE, format!("the keys of {} cannot be fetched: {why}", self.issuer))
            .remedy("Check that the runner reaches the issuer (no redirect, a valid certificate), then try again.")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error with its causes: reqwest's own text is only "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.chars().take(300).collect()
}

/// An `https` URL, or an `http` one on loopback; without user, password, query or fragment.
pub(super) fn checked_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "it is no URL")?;
    let loopback = match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return Err("it is not `https` (`http` is for loopback alone)");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it contains a user or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it contains a query or a fragment");
    }
    Ok(url)
}
