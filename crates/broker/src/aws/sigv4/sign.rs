//! [`Verified`]: a signature that holds, and the same request with a real one.

use http::{HeaderName, HeaderValue, header};
use jiff::Timestamp;

use super::body::Body;
use super::canonical::{Canonical, PathForm, names};
use super::claim::{Claim, Payload, Place, SignatureFault, is_of_signature, write_time};
use super::credentials::{Credentials, Digest, Scope, SigningKey, same};
use crate::aws::encode::{encode, hex};
use crate::aws::request::Request;

const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// Longest life of a presigned request that leaves, in seconds. It is sent at once; what somebody learns of it afterwards is
/// worth nothing soon.
const EXPIRES_MAX_S: i64 = 900;

/// A claim that was verified.
#[derive(Debug)]
pub struct Verified {
    claim: Claim,
    form: PathForm,
    /// What was signed for the body.
    payload: String,
}

/// A request that can be sent to AWS.
#[derive(Debug)]
pub struct Signed {
    /// Path and query, to be sent as they are: anything that normalises them breaks the signature.
    pub target: String,
    /// All headers but those of the connection.
    pub headers: http::HeaderMap,
    /// What each piece of the body has to go through.
    pub body: Body,
}

impl Claim {
    /// Verifies the signature with the key that the claim names. `body` is the digest of the whole body; it is needed
    /// for [`Payload::Undeclared`] and not used otherwise.
    pub fn verify(
        self,
        request: &Request,
        key: &Credentials,
        body: Option<Digest>,
    ) -> Result<Verified, SignatureFault> {
        if !same(self.access_key_id.as_bytes(), key.access_key_id.as_bytes()) {
            return Err(SignatureFault::UnknownKey);
        }
        match (&self.token, &key.session_token) {
            (None, None) => {}
            (Some(sent), Some(given)) if same(sent.as_bytes(), given.as_bytes()) => {}
            _ => return Err(SignatureFault::Token),
        }
        let payload = match (self.payload.text(), body) {
            (Some(text), _) => text,
            (None, Some(digest)) => hex(&digest),
            (None, None) => return Err(SignatureFault::Payload("without a digest".into())),
        };
        let signing = SigningKey::new(&key.secret_access_key, self.time.clone(), self.scope.clone());
        // Both forms are in use for what is built on S3. The same path is signed in either.
        let forms: &[PathForm] = if self.is_s3() { &[PathForm::Once, PathForm::Twice] } else { &[PathForm::Twice] };
        let made_with = |form: &&PathForm| {
            let canonical = Canonical {
                method: request.method.as_str(),
                path: &request.path,
                form: **form,
                parameters: &request.parameters,
                headers: &request.headers,
                host: &request.host,
                signed: &self.signed,
                payload: &payload,
            };
            same(&signing.sign_request(&canonical.bytes()), &self.signature)
        };
        match forms.iter().find(made_with) {
            Some(form) => Ok(Verified { form: *form, payload, claim: self }),
            None => Err(SignatureFault::Mismatch),
        }
    }
}

impl Verified {
    /// What the signature is good for.
    pub fn scope(&self) -> &Scope {
        &self.claim.scope
    }

    /// How the body is bound to it.
    pub fn payload(&self) -> &Payload {
        &self.claim.payload
    }

    /// The same request, signed with the real key. `placeholder` is the key that it was verified with: the chunks of
    /// its body are verified with it.
    pub fn sign(
        &self,
        request: &Request,
        placeholder: &Credentials,
        real: &Credentials,
        now: Timestamp,
    ) -> Result<Signed, SignatureFault> {
        let time = write_time(now);
        let date = time.get(..8).unwrap_or_default().to_string();
        let scope = Scope { date, ..self.claim.scope.clone() };
        let key = SigningKey::new(&real.secret_access_key, time, scope);
        let mut headers = request.passed_on();
        for name in [header::AUTHORIZATION, header::DATE, DATE, TOKEN] {
            headers.remove(name);
        }
        let (target, signature) = match self.claim.place {
            Place::Header => {
                headers.insert(DATE, text(&key.time)?);
                if let Some(token) = &real.session_token {
                    headers.insert(TOKEN, secret(token)?);
                }
                let signed = self.signed_headers(&headers);
                let signature = self.signature(request, &request.parameters, &headers, &signed, &key);
                let value = format!(
                    "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                    real.access_key_id,
                    key.scope,
                    names(&signed),
                    hex(&signature)
                );
                headers.insert(header::AUTHORIZATION, secret(&value)?);
                (target_of(request), signature)
            }
            Place::Query(expires) => self.presign(request, real, &headers, &key, expires),
        };
        let verify = SigningKey::new(&placeholder.secret_access_key, self.claim.time.clone(), self.claim.scope.clone());
        let body =
            Body::new(request, &self.claim.payload, &self.payload, (verify, self.claim.signature), (key, signature))?;
        Ok(Signed { target, headers, body })
    }

    /// What was signed, less what is gone, and all that AWS wants signed.
    fn signed_headers(&self, headers: &http::HeaderMap) -> Vec<HeaderName> {
        let wanted = |name: &HeaderName| {
            let text = name.as_str();
            text.starts_with("x-amz-") || *name == header::HOST || *name == header::CONTENT_TYPE
        };
        let mut signed: Vec<HeaderName> =
            headers.keys().filter(|name| wanted(name) || self.claim.signed.contains(name)).cloned().collect();
        signed.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        signed
    }

    fn signature(
        &self,
        request: &Request,
        parameters: &[(String, String)],
        headers: &http::HeaderMap,
        signed: &[HeaderName],
        key: &SigningKey,
    ) -> Digest {
        let canonical = Canonical {
            method: request.method.as_str(),
            path: &request.path,
            form: self.form,
            parameters,
            headers,
            host: &request.host,
            signed,
            payload: &self.payload,
        };
        key.sign_request(&canonical.bytes())
    }

    fn presign(
        &self,
        request: &Request,
        real: &Credentials,
        headers: &http::HeaderMap,
        key: &SigningKey,
        expires: i64,
    ) -> (String, Digest) {
        let signed = self.signed_headers(headers);
        let keep = |(name, _): &&(String, String)| !is_of_signature(name) || name == "X-Amz-Content-Sha256";
        let mut parameters: Vec<(String, String)> = request.parameters.iter().filter(keep).cloned().collect();
        let mut add = |name: &str, value: String| parameters.push((name.into(), value));
        add("X-Amz-Algorithm", "AWS4-HMAC-SHA256".into());
        add("X-Amz-Credential", format!("{}/{}", real.access_key_id, key.scope));
        add("X-Amz-Date", key.time.clone());
        add("X-Amz-Expires", expires.min(EXPIRES_MAX_S).to_string());
        add("X-Amz-SignedHeaders", names(&signed));
        if let Some(token) = &real.session_token {
            add("X-Amz-Security-Token", token.clone());
        }
        let signature = self.signature(request, &parameters, headers, &signed, key);
        parameters.push(("X-Amz-Signature".into(), hex(&signature)));
        let pairs: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false)))
            .collect();
        (format!("{}?{}", request.path, pairs.join("&")), signature)
    }
}

fn target_of(request: &Request) -> String {
    match &request.query {
        Some(query) => format!("{}?{query}", request.path),
        None => request.path.clone(),
    }
}

fn text(value: &str) -> Result<HeaderValue, SignatureFault> {
    HeaderValue::from_str(value).map_err(|_| SignatureFault::Malformed("a value cannot be in a header"))
}

/// Not shown by `Debug`, not put into compression tables.
fn secret(value: &str) -> Result<HeaderValue, SignatureFault> {
    let mut value = text(value)?;
    value.set_sensitive(true);
    Ok(value)
}
