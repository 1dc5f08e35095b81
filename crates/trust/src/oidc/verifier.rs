//! The [`Verifier`]: a bearer token in, a [`Verified`] or a fault out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use portcullis_model::{Code, Digest, Fault, id::quoted};
use serde_json::{Map, Value};

use super::source::{Connection, KeyPlace, KeySource, checked_url};
use super::token::Unverified;

/// An issuer that the fleet definition declares, for one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name in the fleet definition, such as `github`.
    pub name: String,
    /// Exactly what `iss` has to be: an `https` URL, or `http` on loopback.
    pub issuer: String,
    /// Where its keys are. `None`: what `{issuer}/.well-known/openid-configuration` says.
    pub jwks_uri: Option<String>,
    /// Its keys (a JWKS document), where they are pinned: nothing is fetched.
    pub jwks: Option<String>,
    /// What `aud` has to be: `portcullis:<fleet>/<account>` unless the fleet says otherwise.
    pub audience: String,
}

/// A token whose signature, issuer, audience and times hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The names of the identities that it fits: those with its issuer and its audience. Never empty.
    pub identities: BTreeSet<String>,
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// All claims of the token.
    pub claims: Map<String, Value>,
    /// What the store remembers so that the token is used once: a digest over issuer and `jti`, or over
    /// what was signed when there is no `jti`.
    pub token_id: Digest,
    /// When the token would no longer be taken: `exp` plus the leeway. `token_id` must be remembered until
    /// then.
    pub expires_at: Timestamp,
}

/// Verifies bearer tokens of the declared issuers. Shared by all requests; keeps the issuers' keys.
pub struct Verifier {
    client: reqwest::Client,
    declared: RwLock<Arc<Declared>>,
}

/// What is declared at a time. Replaced as a whole.
#[derive(Default)]
struct Declared {
    issuers: BTreeMap<String, Issuer>,
}

/// An issuer, with the identities that use it. They share its keys.
struct Issuer {
    keys: Arc<KeySource>,
    /// Name and audience.
    identities: Vec<(String, String)>,
}

impl Verifier {
    /// For these issuers. Nothing is fetched before the first token.
    ///
    /// # Errors
    /// Every identity whose issuer or `jwks_uri` is no `https` URL (or `http` on loopback).
    pub fn new(identities: Vec<Identity>) -> Result<Self, Vec<Fault>> {
        Self::with_connection(identities, &Connection::default())
    }

    /// For these issuers, reached in a way of the host's own.
    ///
    /// # Errors
    /// As [`Verifier::new`], and `PC-0006` for a connection that is not understood.
    pub fn with_connection(identities: Vec<Identity>, connection: &Connection) -> Result<Self, Vec<Fault>> {
        let client = connection.client().map_err(|fault| vec![fault])?;
        let declared = Declared::new(identities, &client, &Declared::default())?;
        Ok(Verifier { client, declared: RwLock::new(Arc::new(declared)) })
    }

    /// Takes other issuers from now on (the fleet definition changed). Keys of issuers that stay are kept.
    ///
    /// # Errors
    /// As [`Verifier::new`]; the former ones stay in force then.
    pub fn replace(&self, identities: Vec<Identity>) -> Result<(), Vec<Fault>> {
        let mut declared = self.declared.write().unwrap_or_else(PoisonError::into_inner);
        *declared = Arc::new(Declared::new(identities, &self.client, &declared)?);
        Ok(())
    }

    /// Verifies a token at a time.
    ///
    /// What can be judged without a key is judged first, so that a stranger's token costs no fetch.
    ///
    /// # Errors
    /// The `PC-02xx` code that says what does not hold. The message never contains the token.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, Fault> {
        let declared = Arc::clone(&self.declared.read().unwrap_or_else(PoisonError::into_inner));
        let token = Unverified::parse(token)?;
        let name = token.issuer()?.to_owned();
        let issuer = declared.issuers.get(&name).ok_or_else(|| {
            Fault::new(Code::TOKEN_WRONG_ISSUER, format!("the token's issuer {} is not declared", quoted(&name)))
                .remedy("Send a token from an issuer that an `identity` block of the fleet definition names.")
        })?;
        let identities = issuer.fitting(token.audience()?)?;
        let times = token.times(now)?;
        let subject = token.subject()?.to_owned();
        let token_id = token.id(&name)?;
        issuer.keys.check(&token, now).await?;
        Ok(Verified {
            identities,
            issuer: name,
            subject,
            claims: token.into_claims(),
            token_id,
            expires_at: times.expires_at,
        })
    }
}

impl Issuer {
    /// The identities whose audience this is.
    fn fitting(&self, audience: &str) -> Result<BTreeSet<String>, Fault> {
        let fitting: BTreeSet<String> =
            self.identities.iter().filter(|(_, wanted)| wanted == audience).map(|(name, _)| name.clone()).collect();
        if fitting.is_empty() {
            let wanted: BTreeSet<&str> = self.identities.iter().map(|(_, wanted)| wanted.as_str()).collect();
            let wanted: Vec<&str> = wanted.into_iter().collect();
            return Err(Fault::new(
                Code::TOKEN_WRONG_AUDIENCE,
                format!("the token is for {}, this runner is `{}`", quoted(audience), wanted.join("` or `")),
            )
            .remedy("Ask for a token whose audience is this runner's; each account has its own."));
        }
        Ok(fitting)
    }
}

impl Declared {
    /// Checks identities; takes over the keys of issuers that were declared before in the same way.
    fn new(identities: Vec<Identity>, client: &reqwest::Client, before: &Declared) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut declared = Declared::default();
        for identity in identities {
            let place = match check(&identity) {
                Ok(place) => place,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            };
            let issuer = declared.issuers.entry(identity.issuer.clone()).or_insert_with(|| {
                let kept = before
                    .issuers
                    .get(&identity.issuer)
                    .filter(|known| *known.keys.place() == place)
                    .map(|known| Arc::clone(&known.keys));
                let keys = kept.unwrap_or_else(|| {
                    Arc::new(KeySource::new(identity.issuer.clone(), place.clone(), client.clone()))
                });
                Issuer { keys, identities: Vec::new() }
            });
            if *issuer.keys.place() != place {
                faults.push(wrong(&identity, "another identity with this issuer names other keys"));
                continue;
            }
            issuer.identities.push((identity.name, identity.audience));
        }
        if faults.is_empty() { Ok(declared) } else { Err(faults) }
    }
}

fn check(identity: &Identity) -> Result<KeyPlace, Fault> {
    checked_url(&identity.issuer)
        .map_err(|why| wrong(identity, &format!("issuer {}: {why}", quoted(&identity.issuer))))?;
    if identity.audience.is_empty() {
        return Err(wrong(identity, "its audience is empty"));
    }
    match (identity.jwks.as_deref(), identity.jwks_uri.as_deref()) {
        (None, None) => Ok(KeyPlace::Discovered),
        (None, Some(text)) => match checked_url(text) {
            Ok(url) => Ok(KeyPlace::At(url)),
            Err(why) => Err(wrong(identity, &format!("jwks_uri {}: {why}", quoted(text)))),
        },
        (Some(text), None) => KeyPlace::pinned(text).ok_or_else(|| {
            wrong(identity, "of its pinned keys none can be used (RSA of 2048 to 8192 bits, P-256, Ed25519)")
        }),
        (Some(_), Some(_)) => Err(wrong(identity, "it has pinned keys and a place for them")),
    }
}

fn wrong(identity: &Identity, why: &str) -> Fault {
    Fault::new(Code::FLEET_TYPE, format!("identity {}: {why}", quoted(&identity.name)))
        .remedy("Give the issuer exactly as its tokens have it in `iss`: an `https` URL without query.")
}
