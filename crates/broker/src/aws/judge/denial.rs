//! The answer to a request that is denied, as AWS would give it: so that the tool shows it, and does not try again.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use crate::aws::request::Request;
use crate::aws::table::Protocol;

/// Longest text that is answered with.
const MESSAGE_MAX_CHARS: usize = 1000;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Its status.
    pub status: StatusCode,
    /// Its headers; `Content-Length` is not among them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub body: Bytes,
}

/// In which form an error is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// S3: `<Error>`.
    S3,
    /// Query and the other REST-XML services: `<ErrorResponse>`.
    Xml,
    /// EC2: `<Response><Errors>`.
    Ec2,
    /// JSON by target: `__type`.
    Json,
    /// REST-JSON: `X-Amzn-ErrorType`.
    RestJson,
    /// CBOR: `__type`.
    Cbor,
}

impl Form {
    /// Of a request that was recognised.
    pub fn of(protocol: Protocol, service: &str) -> Self {
        match protocol {
            Protocol::Query => Form::Xml,
            Protocol::RestXml if service == "s3" => Form::S3,
            Protocol::RestXml => Form::Xml,
            Protocol::Ec2 => Form::Ec2,
            Protocol::Json => Form::Json,
            Protocol::RestJson => Form::RestJson,
            Protocol::Cbor => Form::Cbor,
        }
    }

    /// Of a request that was not: the form that its sender is most likely to understand. Nothing rests on it.
    pub fn guess(headers: &http::HeaderMap, host: &str) -> Self {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let label =
            |name: &str| host.split('.').any(|label| label == name || label.strip_suffix("-fips") == Some(name));
        if headers.contains_key("smithy-protocol") {
            Form::Cbor
        } else if headers.contains_key("x-amz-target") {
            Form::Json
        } else if label("s3") {
            Form::S3
        } else if label("ec2") {
            Form::Ec2
        } else if kind.starts_with("application/x-www-form-urlencoded") || label("cloudfront") || label("route53") {
            Form::Xml
        } else {
            Form::RestJson
        }
    }

    /// The same, of a request that could at least be read.
    pub fn of_request(request: &Request) -> Self {
        Form::guess(&request.headers, request.host_name())
    }
}

/// The answer. `message` names operation and rule; `id` is shown as the request's.
pub fn denial(form: Form, method: &Method, message: &str, id: &str) -> Denial {
    let message: String = message.chars().filter(|c| !c.is_control()).take(MESSAGE_MAX_CHARS).collect();
    let message = format!("portcullis: {message}");
    let (xml, id) = (escape(&message), escape(id));
    let head = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
    let json = |code: &str| serde_json::json!({ "__type": code, "message": message, "Message": message }).to_string();
    let (status, kind, body) = match form {
        Form::S3 => (
            StatusCode::FORBIDDEN,
            "application/xml",
            format!(
                "{head}\n<Error><Code>AccessDenied</Code><Message>{xml}</Message><RequestId>{id}</RequestId></Error>"
            ),
        ),
        Form::Xml => (
            StatusCode::FORBIDDEN,
            "text/xml",
            format!(
                "{head}\n<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{xml}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
            ),
        ),
        Form::Ec2 => (
            StatusCode::FORBIDDEN,
            "text/xml",
            format!(
                "{head}\n<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>{xml}</Message></Error></Errors><RequestID>{id}</RequestID></Response>"
            ),
        ),
        Form::Json => (StatusCode::BAD_REQUEST, "application/x-amz-json-1.1", json("AccessDeniedException")),
        Form::RestJson => (StatusCode::FORBIDDEN, "application/json", json("AccessDeniedException")),
        Form::Cbor => (StatusCode::BAD_REQUEST, "application/cbor", String::new()),
    };
    let body = if form == Form::Cbor { cbor(&message) } else { body.into_bytes() };
    let mut headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    if form == Form::RestJson {
        let name = HeaderName::from_static("x-amzn-errortype");
        headers.push((name, HeaderValue::from_static("AccessDeniedException")));
    }
    if form == Form::Cbor {
        headers.push((HeaderName::from_static("smithy-protocol"), HeaderValue::from_static("rpc-v2-cbor")));
    }
    let body = if method == Method::HEAD { Bytes::new() } else { body.into() };
    Denial { status, headers, body }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

/// `{"__type": …, "message": …}` (RFC 8949: a map of two pairs, texts with their length in two bytes).
fn cbor(message: &str) -> Vec<u8> {
    let mut out = vec![0xa2];
    for text in ["__type", "AccessDeniedException", "message", message] {
        out.push(0x79);
        // Bounded by `MESSAGE_MAX_CHARS`, four bytes each.
        out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out
}
