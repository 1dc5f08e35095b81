//! [`Claim`]: what a request says about its signature, before that is verified.

use http::{HeaderName, header};
use jiff::{SignedDuration, Timestamp};

use super::credentials::{Digest, Scope};
use crate::aws::encode::unhex;
use crate::aws::request::{Ambiguous, Request, check_plain_path, check_s3_path, of_the_connection};

/// How far a request's clock may be off. AWS: "requests must be signed within 5 minutes".
pub const SKEW_MAX: SignedDuration = SignedDuration::from_mins(5);
/// Longest life of a presigned request: 7 days, as with AWS.
const EXPIRES_MAX_S: i64 = 604_800;
const SIGNED_MAX: usize = 64;

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// The request can be read in two ways.
    #[error(transparent)]
    Ambiguous(#[from] Ambiguous),
    /// There is none.
    #[error("the request is not signed; requests to AWS are let through only with a signature of this task's key")]
    Missing,
    /// Not version 4.
    #[error("signature version 2 is not taken: its requests are not bound to a service and region")]
    Version2,
    /// SigV4A.
    #[error(
        "SigV4A (AWS4-ECDSA-P256-SHA256) is not taken: its key is derived from the real secret for a set of regions, so \
         that neither the placeholder nor the region of a request can be checked; use an endpoint of one region"
    )]
    Version4A,
    /// Not in the form that it has to have.
    #[error("the signature is not well formed: {0}")]
    Malformed(&'static str),
    /// The key is not one of this task's.
    #[error("the access key is not the one that this task was given")]
    UnknownKey,
    /// The token does not belong to the key.
    #[error("the session token is not the one that this task was given")]
    Token,
    /// It was made too early or too late.
    #[error("the signature is of another time: more than 5 minutes off, or expired")]
    Time,
    /// A header that has to be signed is not.
    #[error("the header {0} is not signed")]
    Unsigned(String),
    /// The body is not sent in a way that can be signed again.
    #[error("a body in the form `{0}` is not taken")]
    Payload(String),
    /// It is not the signature of this request.
    #[error("the signature is not that of this request")]
    Mismatch,
}

impl SignatureFault {
    /// What AWS calls it.
    pub fn aws_code(&self) -> &'static str {
        match self {
            SignatureFault::Missing => "MissingAuthenticationToken",
            SignatureFault::UnknownKey | SignatureFault::Token => "InvalidClientTokenId",
            SignatureFault::Time => "RequestExpired",
            SignatureFault::Mismatch => "SignatureDoesNotMatch",
            SignatureFault::Malformed(_) | SignatureFault::Unsigned(_) => "IncompleteSignature",
            _ => "AccessDenied",
        }
    }
}

/// Where a signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In `Authorization`.
    Header,
    /// In the query: a presigned request, with its life in seconds.
    Query(i64),
}

/// How a body is bound to the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// By its digest, which no header names: the whole body is needed to verify the signature.
    Undeclared,
    /// By the digest that `X-Amz-Content-Sha256` names.
    Digest(Digest),
    /// Not at all: `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// In signed chunks: `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`, and `…-TRAILER` with signed trailers.
    SignedChunks {
        /// Whether trailers follow.
        trailers: bool,
    },
    /// In chunks without signatures, with trailers: `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
    UnsignedChunks,
}

impl Payload {
    /// As it is signed. `None`: [`Payload::Undeclared`].
    pub(super) fn text(&self) -> Option<String> {
        Some(match self {
            Payload::Undeclared => return None,
            Payload::Digest(digest) => crate::aws::encode::hex(digest),
            Payload::Unsigned => UNSIGNED.into(),
            Payload::SignedChunks { trailers: false } => SIGNED_CHUNKS.into(),
            Payload::SignedChunks { trailers: true } => SIGNED_CHUNKS_TRAILER.into(),
            Payload::UnsignedChunks => UNSIGNED_CHUNKS.into(),
        })
    }
}

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const SIGNED_CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_CHUNKS_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_CHUNKS: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// A signature that is well formed and of this moment; whose it is has not been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Where it is.
    pub place: Place,
    /// The id of the key that it names.
    pub access_key_id: String,
    /// What it is good for.
    pub scope: Scope,
    /// How the body is bound to it.
    pub payload: Payload,
    pub(super) time: String,
    pub(super) token: Option<String>,
    pub(super) signed: Vec<HeaderName>,
    pub(super) signature: Digest,
}

impl Claim {
    /// Reads it.
    pub fn read(request: &Request, now: Timestamp) -> Result<Self, SignatureFault> {
        let in_query = request.parameters.iter().any(|(name, _)| is_of_signature(name));
        let claim = match request.headers.get(header::AUTHORIZATION) {
            Some(_) if in_query => return Err(SignatureFault::Malformed("it is in the header and in the query")),
            Some(value) => {
                let value = value.to_str().map_err(|_| SignatureFault::Malformed("not text"))?;
                Self::of_header(request, value)?
            }
            None if in_query => Self::of_query(request)?,
            None => return Err(SignatureFault::Missing),
        };
        claim.check_time(now)?;
        claim.check_signed(request)?;
        if claim.is_s3() {
            check_s3_path(&request.path)?;
        } else {
            check_plain_path(&request.path)?;
        }
        Ok(claim)
    }

    /// Whether S3's rules for paths hold: for S3 and for what is built on it.
    pub(super) fn is_s3(&self) -> bool {
        matches!(self.scope.service.as_str(), "s3" | "s3express" | "s3-object-lambda" | "s3-outposts")
    }

    fn of_header(request: &Request, value: &str) -> Result<Self, SignatureFault> {
        let rest = match value.split_once(' ') {
            Some(("AWS4-HMAC-SHA256", rest)) => rest,
            Some(("AWS4-ECDSA-P256-SHA256", _)) => return Err(SignatureFault::Version4A),
            Some(("AWS", _)) => return Err(SignatureFault::Version2),
            _ => return Err(SignatureFault::Missing),
        };
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or(SignatureFault::Malformed("not name=value"))?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed,
                "Signature" => &mut signature,
                _ => return Err(SignatureFault::Malformed("an unknown part")),
            };
            if slot.replace(value).is_some() {
                return Err(SignatureFault::Malformed("a part is there twice"));
            }
        }
        let (Some(credential), Some(signed), Some(signature)) = (credential, signed, signature) else {
            return Err(SignatureFault::Malformed("a part is missing"));
        };
        let time = request
            .header("x-amz-date")
            .ok_or(SignatureFault::Malformed("X-Amz-Date is missing; it is needed even where Date is sent"))?;
        let token = request.headers.get("x-amz-security-token").map(|_| request.header("x-amz-security-token"));
        let token = token.map(|token| token.ok_or(SignatureFault::Token)).transpose()?;
        Self::new(request, Place::Header, credential, time, token, signed, signature)
    }

    fn of_query(request: &Request) -> Result<Self, SignatureFault> {
        let one = |name: &'static str| {
            let mut values = request.parameter(name);
            match (values.next(), values.next()) {
                (Some(_), Some(_)) => Err(SignatureFault::Malformed("a parameter is there twice")),
                (value, _) => Ok(value),
            }
        };
        let need = |name| one(name)?.ok_or(SignatureFault::Malformed("a parameter is missing"));
        match one("X-Amz-Algorithm")? {
            Some("AWS4-HMAC-SHA256") => {}
            Some("AWS4-ECDSA-P256-SHA256") => return Err(SignatureFault::Version4A),
            None if request.parameters.iter().any(|(name, _)| name == "Signature") => {
                return Err(SignatureFault::Version2);
            }
            _ => return Err(SignatureFault::Malformed("an unknown algorithm")),
        }
        // Case decides: a service that takes `x-amz-date` for `X-Amz-Date` would read another signature than this.
        if request.parameters.iter().any(|(name, _)| is_of_signature(name) && !PARAMETERS.contains(&name.as_str())) {
            return Err(SignatureFault::Malformed("a parameter is spelled in another way"));
        }
        let text = need("X-Amz-Expires")?;
        let digits = text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        let expires: i64 = text
            .parse()
            .ok()
            .filter(|s| digits && (1..=EXPIRES_MAX_S).contains(s))
            .ok_or(SignatureFault::Malformed("X-Amz-Expires is not a number of seconds from 1 to 604800"))?;
        for name in ["x-amz-date", "x-amz-security-token", "x-amz-content-sha256"] {
            if request.headers.contains_key(name) {
                return Err(SignatureFault::Malformed("a presigned request says it again in a header"));
            }
        }
        Self::new(
            request,
            Place::Query(expires),
            need("X-Amz-Credential")?,
            need("X-Amz-Date")?,
            one("X-Amz-Security-Token")?,
            need("X-Amz-SignedHeaders")?,
            need("X-Amz-Signature")?,
        )
    }

    fn new(
        request: &Request,
        place: Place,
        credential: &str,
        time: &str,
        token: Option<&str>,
        signed: &str,
        signature: &str,
    ) -> Result<Self, SignatureFault> {
        let (access_key_id, scope) = read_credential(credential)?;
        if time.get(..8) != Some(scope.date.as_str()) {
            return Err(SignatureFault::Malformed("its scope is of another day than its time"));
        }
        Ok(Claim {
            payload: read_payload(request, place, &scope.service)?,
            place,
            access_key_id,
            scope,
            time: time.into(),
            token: token.map(String::from),
            signed: read_signed(signed)?,
            signature: unhex(signature).ok_or(SignatureFault::Malformed("the signature is not 64 digits"))?,
        })
    }

    fn check_time(&self, now: Timestamp) -> Result<(), SignatureFault> {
        let time = read_time(&self.time).ok_or(SignatureFault::Malformed("the time is not YYYYMMDDTHHMMSSZ"))?;
        let age = now.duration_since(time);
        let life = match self.place {
            Place::Header => SKEW_MAX,
            Place::Query(expires) => SignedDuration::from_secs(expires),
        };
        if age < -SKEW_MAX || age > life { Err(SignatureFault::Time) } else { Ok(()) }
    }

    /// AWS wants `host` and every `x-amz-…` signed. So does whoever decides by them.
    fn check_signed(&self, request: &Request) -> Result<(), SignatureFault> {
        if !self.signed.contains(&header::HOST) {
            return Err(SignatureFault::Unsigned("host".into()));
        }
        for name in &self.signed {
            if *name != header::HOST && !request.headers.contains_key(name) {
                return Err(SignatureFault::Malformed("it names a header that is not there"));
            }
            if of_the_connection(name.as_str()) || name == header::AUTHORIZATION {
                return Err(SignatureFault::Malformed("it names a header that is not passed on"));
            }
        }
        for name in request.headers.keys() {
            if name.as_str().starts_with("x-amz-") && !self.signed.contains(name) {
                return Err(SignatureFault::Unsigned(name.to_string()));
            }
        }
        Ok(())
    }
}

/// The parameters of a presigned request.
pub(super) const PARAMETERS: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Content-Sha256",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
];

/// Whether a parameter is part of a signature, however it is spelled.
pub(crate) fn is_of_signature(name: &str) -> bool {
    PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(name))
        || ["AWSAccessKeyId", "Signature"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn read_credential(text: &str) -> Result<(String, Scope), SignatureFault> {
    let mut parts = text.split('/');
    let (Some(key), Some(date), Some(region), Some(service), Some("aws4_request"), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SignatureFault::Malformed("its credential is not key/date/region/service/aws4_request"));
    };
    let is_name = |text: &str| {
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let is_key = (1..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_key || date.len() != 8 || !is_name(region) || !is_name(service) {
        return Err(SignatureFault::Malformed("its credential has a part that cannot be"));
    }
    let scope = Scope { date: date.into(), region: region.into(), service: service.into() };
    Ok((key.into(), scope))
}

fn read_signed(text: &str) -> Result<Vec<HeaderName>, SignatureFault> {
    let mut names: Vec<HeaderName> = Vec::new();
    for name in text.split(';') {
        let known =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| SignatureFault::Malformed("a header's name"))?;
        if known.as_str() != name {
            return Err(SignatureFault::Malformed("a header's name is not in lower case"));
        }
        if names.last().is_some_and(|last| last.as_str() >= name) || names.len() == SIGNED_MAX {
            return Err(SignatureFault::Malformed("its headers are not sorted, or too many"));
        }
        names.push(known);
    }
    Ok(names)
}

fn read_payload(request: &Request, place: Place, service: &str) -> Result<Payload, SignatureFault> {
    let declared = match place {
        Place::Header => match request.headers.get("x-amz-content-sha256") {
            None => None,
            Some(value) => Some(value.to_str().map_err(|_| SignatureFault::Malformed("the body's digest"))?),
        },
        Place::Query(_) => {
            let mut values = request.parameter("X-Amz-Content-Sha256");
            match (values.next(), values.next()) {
                (Some(_), Some(_)) => return Err(SignatureFault::Malformed("a parameter is there twice")),
                (None, _) if service.starts_with("s3") => Some(UNSIGNED),
                (value, _) => value,
            }
        }
    };
    let chunked = |payload| match place {
        // Elsewhere what a service makes of the chunks is not known, and its operation may be in the body.
        Place::Header if !service.starts_with("s3") => Err(SignatureFault::Payload("chunks, but not to S3".into())),
        Place::Header => Ok(payload),
        Place::Query(_) => Err(SignatureFault::Payload("chunks of a presigned request".into())),
    };
    match declared {
        None => Ok(Payload::Undeclared),
        Some(UNSIGNED) => Ok(Payload::Unsigned),
        Some(SIGNED_CHUNKS) => chunked(Payload::SignedChunks { trailers: false }),
        Some(SIGNED_CHUNKS_TRAILER) => chunked(Payload::SignedChunks { trailers: true }),
        Some(UNSIGNED_CHUNKS) => chunked(Payload::UnsignedChunks),
        Some(text) if text.contains("ECDSA") => Err(SignatureFault::Version4A),
        Some(text) => match unhex(text) {
            Some(digest) => Ok(Payload::Digest(digest)),
            None => Err(SignatureFault::Payload(text.chars().take(80).collect())),
        },
    }
}

/// `YYYYMMDDTHHMMSSZ`, exactly.
fn read_time(text: &str) -> Option<Timestamp> {
    let digits = |range: std::ops::Range<usize>| text.get(range).filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    if text.len() != 16 || text.get(8..9) != Some("T") || text.get(15..) != Some("Z") {
        return None;
    }
    let number = |range| digits(range)?.parse::<i16>().ok();
    let small = |range| digits(range)?.parse::<i8>().ok();
    let (year, month, day) = (number(0..4)?, small(4..6)?, small(6..8)?);
    let (hour, minute, second) = (small(9..11)?, small(11..13)?, small(13..15)?);
    let time = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(time).ok()
}

/// The same, of a moment.
pub(super) fn write_time(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}
