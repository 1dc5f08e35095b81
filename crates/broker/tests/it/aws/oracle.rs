//! Against AWS's own signer for Rust: what it signs is verified, what we sign is what it would have signed, and
//! nothing that was changed after it was signed passes.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as SdkCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use jiff::Timestamp;
use portcullis_broker::aws::Request;
use portcullis_broker::aws::sigv4::{Credentials, SignatureFault};
use proptest::prelude::*;

use super::{key, sha256, verify};

const SECONDS: u64 = 1_780_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(i64::try_from(SECONDS).unwrap()).unwrap()
}

/// A request, before it is signed.
#[derive(Debug, Clone)]
struct Plain {
    s3: bool,
    in_query: bool,
    /// Seconds, in a query.
    expires: u64,
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    token: Option<String>,
}

impl Plain {
    fn host(&self) -> &'static str {
        if self.s3 { "bucket.s3.eu-west-1.amazonaws.com" } else { "lambda.eu-west-1.amazonaws.com" }
    }

    fn key(&self, id: &str, secret: &str) -> Credentials {
        key(id, secret, self.token.as_deref())
    }

    /// As the SDK would send it.
    fn signed(&self, key: &Credentials) -> http::Request<()> {
        let query: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let path: String = self.path.split('/').map(encode).collect::<Vec<_>>().join("/");
        let target = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
        let mut request = http::Request::builder()
            .method(self.method.as_str())
            .uri(format!("https://{}{target}", self.host()))
            .header("host", self.host());
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), value.as_str());
        }
        let mut request = request.body(()).unwrap();
        let mut settings = SigningSettings::default();
        if self.s3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if self.in_query {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(self.expires));
        }
        let identity =
            SdkCredentials::new(&key.access_key_id, &key.secret_access_key, key.session_token.clone(), None, "test")
                .into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-west-1")
            .name(if self.s3 { "s3" } else { "lambda" })
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(SECONDS))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let body =
            if self.s3 && self.in_query { SignableBody::UnsignedPayload } else { SignableBody::Bytes(&self.body) };
        let uri = request.uri().to_string();
        let signable = SignableRequest::new(&self.method, uri, headers, body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request
    }

    fn digest(&self) -> Option<[u8; 32]> {
        Some(sha256(&self.body))
    }
}

fn encode(text: impl AsRef<str>) -> String {
    let mut out = String::new();
    for byte in text.as_ref().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

fn plain() -> impl Strategy<Value = Plain> {
    let segment = "[a-zA-Z0-9 äø!'()*:@,=&$+._~-]{1,8}".prop_filter("dots", |s| !s.chars().all(|c| c == '.'));
    let path = prop::collection::vec(segment, 0..4).prop_map(|segments| format!("/{}", segments.join("/")));
    let pair = ("[a-zA-Z][a-zA-Z0-9-]{0,6}", "[a-zA-Z0-9 /:+=&%äø*~-]{0,8}");
    let header = ("my-[a-z]{1,6}", "[a-zA-Z0-9][a-zA-Z0-9 ,;=\"-]{0,20}[a-zA-Z0-9]");
    (
        any::<(bool, bool)>(),
        prop::sample::select(vec!["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"]),
        path,
        prop::collection::vec(pair, 0..4),
        prop::collection::vec(header, 0..4),
        prop::collection::vec(any::<u8>(), 0..64),
        prop::option::of("[A-Za-z0-9/+=]{1,60}"),
    )
        .prop_map(|((s3, in_query), method, path, query, headers, body, token)| Plain {
            s3,
            in_query,
            expires: 600,
            method: method.into(),
            path,
            query,
            headers,
            body,
            token,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_sdk_signs_is_verified_and_signed_again_as_it_would(plain in plain()) {
        let placeholder = plain.key("AKIAPLACEHOLDER", "placeholder");
        let (parts, ()) = plain.signed(&placeholder).into_parts();
        let (request, verified) = verify(&parts, plain.host(), &placeholder, plain.digest(), now())
            .map_err(|fault| TestCaseError::fail(format!("{fault}: {:?}", parts.uri)))?;
        prop_assert_eq!(&verified.scope().region, "eu-west-1");

        let real = plain.key("AKIAREAL", "real");
        let signed = verified.sign(&request, &placeholder, &real, now()).unwrap();
        let (wanted, ()) = plain.signed(&real).into_parts();
        if plain.in_query {
            let sorted = |query: &str| { let mut all: Vec<String> = query.split('&').map(String::from).collect(); all.sort(); all };
            let query = signed.target.split_once('?').unwrap().1;
            prop_assert_eq!(sorted(query), sorted(wanted.uri.query().unwrap()));
        } else {
            prop_assert_eq!(&signed.target, wanted.uri.path_and_query().unwrap().as_str());
            prop_assert_eq!(&signed.headers["authorization"], &wanted.headers["authorization"]);
        }
        let text = format!("{} {:?}", signed.target, signed.headers.values().map(|v| v.as_bytes()).collect::<Vec<_>>());
        prop_assert!(!text.contains("AKIAPLACEHOLDER"));
    }

    /// One byte of what is signed is another: method, path, query, a signed header, the body.
    #[test]
    fn what_was_changed_is_refused(plain in plain(), part in 0..5, at in any::<prop::sample::Index>(), to in 33_u8..127) {
        let placeholder = plain.key("AKIAPLACEHOLDER", "placeholder");
        let (mut parts, ()) = plain.signed(&placeholder).into_parts();
        let mut digest = plain.digest();
        let change = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = if bytes[at] == to { to ^ 1 } else { to };
            String::from_utf8(bytes).ok()
        };
        let before = parts.clone();
        match part {
            0 => parts.method = if plain.method == "GET" { http::Method::PUT } else { http::Method::GET },
            1 | 2 => {
                let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or(""));
                prop_assume!(part == 1 || !query.is_empty());
                let changed = if part == 1 { change(path) } else { change(query) };
                let Some(changed) = changed else { return Ok(()) };
                prop_assume!(part == 1 || !changed.contains('#'));
                let target = if part == 1 { format!("{changed}?{query}") } else { format!("{path}?{changed}") };
                let Ok(uri) = target.parse() else { return Ok(()) };
                parts.uri = uri;
            }
            3 => {
                prop_assume!(!plain.headers.is_empty());
                let (name, _) = &plain.headers[0];
                let value = parts.headers[name.as_str()].to_str().unwrap().to_string();
                let Some(Ok(changed)) = change(&value).map(|v| v.parse()) else { return Ok(()) };
                parts.headers.insert(http::HeaderName::try_from(name.as_str()).unwrap(), changed);
            }
            _ => {
                // The body of others is bound by its digest on the way: see `body`.
                prop_assume!(!plain.s3);
                digest = Some(sha256(b"another"));
            }
        }
        match verify(&parts, plain.host(), &placeholder, digest, now()) {
            Err(_) => {}
            // The same request in another spelling is the same request.
            Ok((request, _)) => {
                let old = Request::read(&before, plain.host()).unwrap();
                let canonical = |query: Option<&str>| {
                    let mut all: Vec<String> = query.unwrap_or("").split('&').filter(|p| !p.is_empty()).map(|pair| {
                        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                        format!("{}={}", decode(name), decode(value))
                    }).collect();
                    all.sort();
                    all
                };
                prop_assert_eq!(before.method, parts.method);
                prop_assert_eq!(before.uri.path(), parts.uri.path());
                prop_assert_eq!(canonical(before.uri.query()), canonical(parts.uri.query()), "{:?} {:?}", old, request);
                let trimmed = |h: &http::HeaderMap| h.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().split(' ').filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" "))).collect::<Vec<_>>();
                prop_assert_eq!(trimmed(&before.headers), trimmed(&parts.headers));
                prop_assert_eq!(digest, plain.digest());
            }
        }
    }

    /// Reading never panics, whatever it is given.
    #[test]
    fn anything_is_read_or_refused(
        method in "[A-Z]{1,8}",
        target in "/[ -~]{0,60}",
        authorization in "(AWS4-HMAC-SHA256 |AWS |AWS4-ECDSA-P256-SHA256 )?(Credential=[ -~]{0,40},)?( ?SignedHeaders=[ -~]{0,20},)?( ?Signature=[0-9a-fA-F]{0,70})?",
        date in "[0-9TZ]{0,18}",
        digest in "(STREAMING-)?[A-Za-z0-9-]{0,66}",
    ) {
        let request = http::Request::builder().method(method.as_str()).uri(&target)
            .header("authorization", &authorization).header("x-amz-date", &date).header("x-amz-content-sha256", &digest).body(());
        if let Ok(request) = request {
            let (parts, ()) = request.into_parts();
            prop_assert!(verify(&parts, "h", &key("k", "s", None), Some([0; 32]), now()).is_err());
        }
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits: String = [rest.next().unwrap(), rest.next().unwrap()].map(char::from).iter().collect();
            bytes.push(u8::from_str_radix(&digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn a_request() -> Plain {
    Plain {
        s3: true,
        in_query: false,
        expires: 600,
        method: "GET".into(),
        path: "/k".into(),
        query: Vec::new(),
        headers: Vec::new(),
        body: Vec::new(),
        token: Some("tok".into()),
    }
}

#[test]
fn a_signature_counts_for_its_key_token_and_time_only() {
    let plain = a_request();
    let right = plain.key("AKIAPLACEHOLDER", "placeholder");
    let (parts, ()) = plain.signed(&right).into_parts();
    let ask = |key: &Credentials, now| verify(&parts, plain.host(), key, None, now).map(|_| ());
    assert_eq!(ask(&right, now()), Ok(()));
    assert_eq!(ask(&plain.key("AKIAOTHER", "placeholder"), now()), Err(SignatureFault::UnknownKey));
    assert_eq!(ask(&plain.key("AKIAPLACEHOLDER", "other"), now()), Err(SignatureFault::Mismatch));
    assert_eq!(ask(&key("AKIAPLACEHOLDER", "placeholder", None), now()), Err(SignatureFault::Token));
    assert_eq!(ask(&key("AKIAPLACEHOLDER", "placeholder", Some("x")), now()), Err(SignatureFault::Token));
    let minutes = |n: i64| now() + jiff::SignedDuration::from_secs(n);
    for (seconds, ok) in [(300, true), (301, false), (-300, true), (-301, false)] {
        assert_eq!(ask(&right, minutes(seconds)).is_ok(), ok, "{seconds}");
    }
}

/// A host may answer with the address that it was asked for (S3 redirects so), the real signature in it.
#[test]
fn what_is_presigned_for_days_leaves_for_minutes() {
    let plain = Plain { in_query: true, expires: 604_800, ..a_request() };
    let placeholder = plain.key("AKIAPLACEHOLDER", "placeholder");
    let (parts, ()) = plain.signed(&placeholder).into_parts();
    let (request, verified) = verify(&parts, plain.host(), &placeholder, None, now()).unwrap();
    let real = plain.key("AKIAREAL", "real");
    let signed = verified.sign(&request, &placeholder, &real, now()).unwrap();
    let pairs: Vec<&str> = signed.target.split_once('?').unwrap().1.split('&').collect();
    assert!(pairs.contains(&"X-Amz-Expires=900"), "{pairs:?}");
    // And it is signed so.
    let (wanted, ()) = Plain { expires: 900, ..plain }.signed(&real).into_parts();
    assert!(wanted.uri.query().unwrap().split('&').all(|pair| pairs.contains(&pair)), "{pairs:?}");
}

#[test]
fn each_fault_says_what_it_is() {
    let plain = a_request();
    let placeholder = plain.key("AKIAPLACEHOLDER", "placeholder");
    let (parts, ()) = plain.signed(&placeholder).into_parts();
    let value = parts.headers["authorization"].to_str().unwrap().to_string();
    let with = |name: &'static str, value: &str| {
        let mut parts = parts.clone();
        parts.headers.insert(name, value.parse().unwrap());
        verify(&parts, plain.host(), &placeholder, None, now()).map(|_| ()).unwrap_err()
    };
    assert_eq!(with("x-amz-acl", "public-read"), SignatureFault::Unsigned("x-amz-acl".into()));
    assert_eq!(with("authorization", "AWS AKIA:c2ln"), SignatureFault::Version2);
    assert_eq!(with("authorization", "Bearer x"), SignatureFault::Missing);
    let v4a = value.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256");
    let fault = with("authorization", &v4a);
    assert_eq!(fault, SignatureFault::Version4A);
    assert!(fault.to_string().contains("an endpoint of one region"));
    for (from, to) in [
        ("aws4_request", "aws5_request"),
        ("SignedHeaders=host", "SignedHeaders=Host"),
        ("SignedHeaders=host;", "SignedHeaders=host;host;"),
        ("Signature=", "Signature=00"),
        ("Credential=", "Credential=a/"),
        (", Signature", ", Extra=1, Signature"),
        ("SignedHeaders=", "SignedHeaders=authorization;"),
        ("SignedHeaders=", "SignedHeaders=accept;"),
        ("/20260528/", "/20260529/"),
    ] {
        let changed = value.replace(from, to);
        assert_ne!(changed, value, "{from}");
        assert!(matches!(with("authorization", &changed), SignatureFault::Malformed(_)), "{from} → {to}");
    }
    assert!(matches!(with("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-EVENTS"), SignatureFault::Payload(_)));
    assert_eq!(with("x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), SignatureFault::Version4A);
    let unsigned = value.replace("SignedHeaders=host;", "SignedHeaders=");
    assert_eq!(with("authorization", &unsigned), SignatureFault::Unsigned("host".into()));
}

#[test]
fn chunks_go_to_s3_alone() {
    let mut plain = a_request();
    plain.s3 = false;
    plain.headers = vec![("x-amz-content-sha256".into(), "STREAMING-UNSIGNED-PAYLOAD-TRAILER".into())];
    let placeholder = plain.key("AKIAPLACEHOLDER", "placeholder");
    let (parts, ()) = plain.signed(&placeholder).into_parts();
    let fault = verify(&parts, plain.host(), &placeholder, plain.digest(), now()).unwrap_err();
    assert_eq!(fault, SignatureFault::Payload("chunks, but not to S3".into()));
}

/// What is said in two places could be read in either.
#[test]
fn a_signature_is_in_one_place() {
    let mut plain = a_request();
    plain.query = vec![("x-amz-signature".into(), "0".into())];
    let placeholder = plain.key("AKIAPLACEHOLDER", "placeholder");
    let ask = |plain: &Plain| {
        let (parts, ()) = plain.signed(&placeholder).into_parts();
        verify(&parts, plain.host(), &placeholder, None, now()).map(|_| ()).unwrap_err()
    };
    assert_eq!(ask(&plain), SignatureFault::Malformed("it is in the header and in the query"));
    for name in ["x-amz-date", "x-amz-security-token", "x-amz-content-sha256"] {
        let mut plain = a_request();
        plain.in_query = true;
        plain.headers = vec![(name.into(), "20260528T202640Z".into())];
        assert_eq!(ask(&plain), SignatureFault::Malformed("a presigned request says it again in a header"), "{name}");
    }
}

#[test]
fn headers_of_the_connection_are_left_behind() {
    let mut plain = a_request();
    plain.headers = vec![("accept".into(), "a/b".into())];
    let placeholder = plain.key("AKIAPLACEHOLDER", "placeholder");
    let (mut parts, ()) = plain.signed(&placeholder).into_parts();
    parts.headers.insert("expect", "100-continue".parse().unwrap());
    parts.headers.insert("proxy-authorization", "Basic eA==".parse().unwrap());
    parts.headers.insert("user-agent", "x".parse().unwrap());
    let (request, verified) = verify(&parts, plain.host(), &placeholder, None, now()).unwrap();
    let real = key("AKIAREAL", "real", None);
    let signed = verified.sign(&request, &placeholder, &real, now()).unwrap();
    let names: Vec<&str> = signed.headers.keys().map(http::HeaderName::as_str).collect();
    for gone in ["expect", "proxy-authorization", "x-amz-security-token"] {
        assert!(!names.contains(&gone), "{gone}");
    }
    for there in ["accept", "user-agent", "host", "authorization", "x-amz-date", "x-amz-content-sha256"] {
        assert!(names.contains(&there), "{there}");
    }
    assert!(signed.headers["authorization"].is_sensitive());
    assert!(!format!("{placeholder:?} {signed:?}").contains("placeholder"), "no secret in Debug");
}
