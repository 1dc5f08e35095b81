//! Identities and principals: who issues tokens, and whose tokens these are.
//!
//! Claims are exact values. What looks like a pattern is refused: it would never match, and whoever wrote it
//! believes that it does.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_hcl::Value;
use portcullis_model::id::quoted;
use portcullis_model::{Code, Fault, PrincipalName};

use crate::presets::Preset;
use crate::read::{Evaluator, text, texts, wrong};
use crate::schema::{self, Contents, Entry, contents};
use crate::spelling::hint;
use portcullis_policy::Principal;

/// Stands for the account's name in an identity's `audience`.
const ACCOUNT_PLACEHOLDER: &str = "{account}";
/// Largest pinned key set, in bytes.
const JWKS_MAX_BYTES: usize = 64 * 1024;
/// Most values that a claim may list.
const CLAIM_VALUES_MAX: usize = 256;
/// Claims that the runner checks itself, for every token.
const RESERVED_CLAIMS: [&str; 6] = ["iss", "aud", "exp", "nbf", "iat", "jti"];

/// An issuer, as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    pub issuer: String,
    pub preset: Option<Preset>,
    pub jwks_uri: Option<String>,
    pub jwks: Option<String>,
    audience: Option<String>,
}

impl Issuer {
    /// The audience of one account's tokens.
    pub fn audience(&self, account: &str) -> Option<String> {
        self.audience.as_ref().map(|audience| audience.replace(ACCOUNT_PLACEHOLDER, account))
    }
}

pub(crate) fn issuer(entry: &Entry<'_>, evaluator: &Evaluator<'_>, faults: &mut Vec<Fault>) -> Option<Issuer> {
    let body = contents(&entry.block.body, entry.origin.file(), &schema::IDENTITY, faults);
    let read = || -> Result<Issuer, Fault> {
        let issuer = url(&evaluator.required(&body, "issuer", &entry.origin)?, "`issuer`")?;
        let jwks_uri = present(evaluator, &body, "jwks_uri")?.map(|value| url(&value, "`jwks_uri`")).transpose()?;
        let pinned = present(evaluator, &body, "jwks")?;
        if let (Some(pinned), Some(_)) = (&pinned, &jwks_uri) {
            return Err(pinned
                .fault(Code::FLEET_TYPE, "`jwks` and `jwks_uri` exclude each other")
                .remedy("Pin the keys with `jwks`, or say with `jwks_uri` where they are."));
        }
        let jwks = pinned.map(|value| keys(&value)).transpose()?;
        let audience = present(evaluator, &body, "audience")?.map(|value| audience(&value)).transpose()?;
        let preset = match present(evaluator, &body, "preset")? {
            None => Preset::of_issuer(&issuer),
            Some(value) => Some(preset(&value)?),
        };
        Ok(Issuer { issuer, preset, jwks_uri, jwks, audience })
    };
    read().map_err(|fault| faults.push(fault)).ok()
}

/// Pinned keys: a JWKS document, as an object or as its text. Which of its keys can be used, the runner says.
fn keys(value: &Value) -> Result<String, Fault> {
    let refuse = |why: &str| {
        value.fault(Code::FLEET_TYPE, format!("`jwks` {why}")).remedy(
            "Give the issuer's key set: `{ keys = [{ kty = \"RSA\", kid = \"…\", n = \"…\", e = \"AQAB\" }] }`, or its JSON as text.",
        )
    };
    let json = value.to_json().map_err(|_| refuse("is not known"))?;
    let json = match json {
        serde_json::Value::String(text) if text.len() <= JWKS_MAX_BYTES => {
            serde_json::from_str(&text).map_err(|error| refuse(&format!("is no JSON: {error}")))?
        }
        other => other,
    };
    let keys = json.get("keys").and_then(serde_json::Value::as_array);
    let keys = keys.filter(|keys| !keys.is_empty()).ok_or_else(|| refuse("has no `keys`"))?;
    // A secret key would be in the repository, and make whoever reads it the issuer.
    if keys.iter().any(|key| ["d", "k", "p", "q"].iter().any(|part| key.get(part).is_some())) {
        return Err(value
            .fault(Code::FLEET_TYPE, "`jwks` holds a private key")
            .remedy("Keep the public part alone (no `d`, `p`, `q` or `k`), and give the issuer a new key."));
    }
    let text = json.to_string();
    if text.len() > JWKS_MAX_BYTES {
        return Err(refuse(&format!("has {} bytes, allowed are {JWKS_MAX_BYTES}", text.len())));
    }
    Ok(text)
}

/// An attribute's value, if it is there and not `null`.
fn present(evaluator: &Evaluator<'_>, body: &Contents<'_>, name: &str) -> Result<Option<Value>, Fault> {
    Ok(evaluator.optional(body, name)?.filter(|value| !value.is_null()))
}

/// The CI service that an issuer is a server of.
fn preset(value: &Value) -> Result<Preset, Fault> {
    let name = text(value, "`preset`")?;
    Preset::from_name(&name)
        .ok_or_else(|| unknown_name(value, "preset", &name, Preset::ALL.iter().map(|preset| preset.as_str())))
}

/// A token that was made for one account must be worth nothing at another.
fn audience(value: &Value) -> Result<String, Fault> {
    let text = text(value, "`audience`")?;
    if text.contains(ACCOUNT_PLACEHOLDER) {
        return Ok(text);
    }
    Err(value
        .fault(Code::FLEET_TYPE, "the audience is the same for every account")
        .remedy("Put `{account}` into it, or leave it out: it is then `portcullis:<fleet>/<account>`."))
}

/// `https://…`, or `http://` on this machine for tests.
///
/// Stricter than a URL parser: a text that two parsers could take for two hosts is refused, so that what is
/// checked here is what is asked later. No user (`http://localhost:x@elsewhere` names `elsewhere`), no
/// backslash, and a port of digits only. An issuer has no query and no fragment (OpenID Connect Discovery §3).
fn url(value: &Value, what: &str) -> Result<String, Fault> {
    let text = text(value, what)?;
    let plain = text.len() <= 2048
        && !text.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '@' | '\\' | '?' | '#'));
    let ok = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => host(rest).is_some(),
        (_, Some(rest)) => host(rest).is_some_and(|host| matches!(host, "127.0.0.1" | "[::1]" | "localhost")),
        _ => false,
    };
    if plain && ok {
        return Ok(text);
    }
    Err(value.fault(Code::FLEET_TYPE, format!("{what} is {}, which is no https URL", quoted(&text))).remedy(
        "Give an `https://` URL without user, query or fragment. Plain `http://` is taken for a loopback address \
             only.",
    ))
}

/// The host of what follows `://`; `None` when there is none, or when what follows it is no port.
fn host(rest: &str) -> Option<&str> {
    let authority = rest.split('/').next()?;
    // The colons of an IPv6 address are inside its brackets.
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at_checked(end)?;
    let port_ok = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()) && digits.parse::<u16>().is_ok());
    (!host.is_empty() && port_ok).then_some(host)
}

/// A principal; its identity must be declared.
pub(crate) fn principal(
    entry: &Entry<'_>,
    evaluator: &Evaluator<'_>,
    identities: &BTreeMap<String, Option<Issuer>>,
    faults: &mut Vec<Fault>,
) -> Option<Principal> {
    let body = contents(&entry.block.body, entry.origin.file(), &schema::PRINCIPAL, faults);
    let read = || -> Result<Principal, Fault> {
        let identity = evaluator.required(&body, "identity", &entry.origin)?;
        let identity_name = text(&identity, "`identity`")?;
        if !identities.contains_key(&identity_name) {
            return Err(unknown_name(&identity, "identity", &identity_name, identities.keys().map(String::as_str)));
        }
        let claims = claims(&evaluator.required(&body, "claims", &entry.origin)?)?;
        Ok(Principal { identity: identity_name, claims })
    };
    read().map_err(|fault| faults.push(fault)).ok()
}

fn claims(value: &Value) -> Result<BTreeMap<String, Vec<String>>, Fault> {
    let entries = value.as_map().ok_or_else(|| wrong(value, "`claims`", "a map"))?;
    if entries.is_empty() {
        return Err(value
            .fault(Code::FLEET_TYPE, "a principal without claims would be everybody that the issuer knows")
            .remedy("Name claims that only this caller has, such as `repository_id`."));
    }
    let mut claims = BTreeMap::new();
    for (claim, wanted) in entries {
        if RESERVED_CLAIMS.contains(&&**claim) {
            return Err(wanted
                .fault(Code::FLEET_TYPE, format!("claim `{claim}` is checked for every token and cannot be wanted"))
                .remedy("Issuer and audience belong to `identity`; times and token id are the runner's."));
        }
        claims.insert(claim.to_string(), claim_values(claim, wanted)?);
    }
    Ok(claims)
}

fn claim_values(claim: &str, wanted: &Value) -> Result<Vec<String>, Fault> {
    let what = format!("claim `{claim}`");
    // Numbers and bools are claims too; their text form is compared.
    let one = |value: &Value| -> Result<String, Fault> {
        let text =
            value.text_form().ok_or_else(|| wrong(value, &what, "a string, a number, a bool or a list of them"))?;
        if text.is_empty() {
            return Err(value
                .fault(Code::FLEET_TYPE, format!("{what} is empty"))
                .remedy("Name the value it must have."));
        }
        // `[` is no wildcard here: names of bots have it (`dependabot[bot]`).
        if text.contains(['*', '?']) {
            return Err(value
                .fault(Code::FLEET_TYPE, format!("{what} is {}, but claims are compared exactly", quoted(&text)))
                .remedy("List the values that are allowed. There are no wildcards."));
        }
        Ok(text.to_string())
    };
    let Some(elements) = wanted.as_seq() else { return Ok(vec![one(wanted)?]) };
    if elements.is_empty() || elements.len() > CLAIM_VALUES_MAX {
        return Err(wanted
            .fault(
                Code::FLEET_TYPE,
                format!("{what} lists {} values, allowed are 1 to {CLAIM_VALUES_MAX}", elements.len()),
            )
            .remedy("List the values that it may have."));
    }
    let values = elements.iter().map(one).collect::<Result<BTreeSet<_>, _>>()?;
    Ok(values.into_iter().collect())
}

/// `PC-0504`, with the names that there are.
pub(crate) fn unknown_name<'n>(at: &Value, kind: &str, name: &str, known: impl Iterator<Item = &'n str>) -> Fault {
    let known: Vec<&str> = known.collect();
    let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let remedy = if list.is_empty() {
        format!("Define it: `{kind} \"…\" {{ … }}`.")
    } else {
        let hint = hint(name, known.iter().copied());
        format!("{hint}There are {list}. Name one of them, or define it.")
    };
    at.fault(Code::FLEET_UNKNOWN_NAME, format!("there is no {kind} {}", quoted(name))).remedy(remedy)
}

/// The principals that a list names; each must exist.
pub(crate) fn named(
    value: &Value,
    what: &str,
    known: &BTreeMap<PrincipalName, Option<Principal>>,
) -> Result<Vec<PrincipalName>, Fault> {
    let mut names = Vec::new();
    for (name, at) in texts(value, what)?.iter().zip(value.as_seq().unwrap_or_default()) {
        let parsed = PrincipalName::parse(name).map_err(|fault| fault.at(at.origin().place()))?;
        if !known.contains_key(&parsed) {
            return Err(unknown_name(at, "principal", name, known.keys().map(PrincipalName::as_str)));
        }
        if names.contains(&parsed) {
            return Err(schema::duplicate(&format!("principal `{name}` in {what}"), at.origin()));
        }
        names.push(parsed);
    }
    Ok(names)
}
