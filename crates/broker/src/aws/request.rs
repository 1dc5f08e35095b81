//! [`Request`]: a request's line and headers, read so that there is one way to understand them.
//!
//! The broker, the service's front end and the service itself each parse a request on their own. Whatever two parsers
//! are known to read differently is refused here, before anything is decided.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};

use super::encode::{decode, is_canonical};

/// Longest path, and longest query, as on the wire.
const TARGET_MAX_BYTES: usize = 16 * 1024;
/// Most parameters of a query.
pub(crate) const PARAMETERS_MAX: usize = 1024;

/// Headers that a service or something in front of it could take for another method, path or address.
const OVERRIDES: [&str; 11] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-original-uri",
    "x-original-host",
    "x-rewrite-url",
    "x-forwarded-host",
    "x-forwarded-uri",
    "x-forwarded-prefix",
    "forwarded",
];

/// Headers that belong to a connection and not to the request (RFC 9110 section 7.6.1): never passed on.
const OF_THE_CONNECTION: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
];

/// Headers of which one value counts, whichever a service takes.
const SINGLE: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::DATE,
    header::HOST,
];

/// Why a request is not even looked at. Each could be read in two ways.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ambiguous {
    /// Something in the path.
    #[error("the path {0}")]
    Path(&'static str),
    /// Something in the query.
    #[error("the query {0}")]
    Query(&'static str),
    /// A header that may be there once.
    #[error("the header {0} is there more than once")]
    Repeated(HeaderName),
    /// A header that says another method, path or host than the request does.
    #[error("the header {0} could stand for another request")]
    Override(HeaderName),
    /// `Host` is not the host of the connection.
    #[error("the request is for another host than its connection")]
    Host,
    /// `Connection` takes away headers that a signature or a decision could rest on.
    #[error("the header connection names other headers")]
    Connection,
}

/// A request's line and headers.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) method: Method,
    /// As on the wire; begins with `/`.
    pub(crate) path: String,
    /// As on the wire, without the `?`.
    pub(crate) query: Option<String>,
    /// Names and values, decoded.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    /// `Host` as it was sent, or the connection's: what is signed.
    pub(crate) host: String,
    /// The same in lower case, without the port.
    host_name: String,
}

impl Request {
    /// Reads a request that came over a connection to `authority` (`host` or `host:port`): what CONNECT, or a
    /// request in absolute form, has named.
    pub fn read(parts: &Parts, authority: &str) -> Result<Self, Ambiguous> {
        let path = parts.uri.path();
        check_path(path)?;
        let query = parts.uri.query();
        let parameters = query.map(read_query).transpose()?.unwrap_or_default();
        check_headers(&parts.headers)?;
        let host = read_host(parts, authority)?;
        let host_name = split_port(authority).0.to_ascii_lowercase();
        Ok(Request {
            method: parts.method.clone(),
            path: if path.is_empty() { "/".into() } else { path.into() },
            query: query.map(String::from),
            parameters,
            headers: parts.headers.clone(),
            host,
            host_name,
        })
    }

    /// The host that the request is for, in lower case and without its port.
    pub fn host_name(&self) -> &str {
        &self.host_name
    }

    /// The value of a header that [`Request::read`] has seen at most once, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// All values of a parameter of the query.
    pub(crate) fn parameter<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.parameters.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The headers that are passed on.
    pub(crate) fn passed_on(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        for name in OF_THE_CONNECTION {
            headers.remove(name);
        }
        headers.remove("proxy-connection");
        if let Ok(host) = HeaderValue::from_str(&self.host) {
            headers.insert(header::HOST, host);
        }
        headers
    }
}

/// Whether a header is left behind, because it belongs to the connection.
pub(crate) fn of_the_connection(name: &str) -> bool {
    name == "proxy-connection" || OF_THE_CONNECTION.iter().any(|known| known == name)
}

fn check_path(path: &str) -> Result<(), Ambiguous> {
    if path.len() > TARGET_MAX_BYTES {
        return Err(Ambiguous::Path("is longer than 16 KiB"));
    }
    if !path.is_empty() && !path.starts_with('/') {
        return Err(Ambiguous::Path("does not begin with a slash"));
    }
    if path.bytes().any(|byte| !byte.is_ascii_graphic() || br#"\"<>^`{|};"#.contains(&byte)) {
        return Err(Ambiguous::Path("has a character that belongs encoded"));
    }
    let Some(decoded) = decode(path) else { return Err(Ambiguous::Path("is not well encoded")) };
    if decoded.chars().any(char::is_control) {
        return Err(Ambiguous::Path("has a control character"));
    }
    // Also as encoded text: what decodes first and what decodes last must see the same segments.
    if decoded.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(Ambiguous::Path("has a `.` or `..` segment"));
    }
    Ok(())
}

/// Paths of S3 are signed as they are sent, and an object's key is what they decode to: so there has to be one
/// spelling of each.
pub(crate) fn check_s3_path(path: &str) -> Result<(), Ambiguous> {
    if is_canonical(path) { Ok(()) } else { Err(Ambiguous::Path("is not encoded as AWS encodes an object's key")) }
}

/// Paths of other services are normalised before they are signed, by some.
pub(crate) fn check_plain_path(path: &str) -> Result<(), Ambiguous> {
    if path.contains("//") { Err(Ambiguous::Path("has an empty segment")) } else { Ok(()) }
}

fn read_query(query: &str) -> Result<Vec<(String, String)>, Ambiguous> {
    if query.len() > TARGET_MAX_BYTES {
        return Err(Ambiguous::Query("is longer than 16 KiB"));
    }
    // `;` was a separator once. `+` is a space for some.
    if query.bytes().any(|byte| !byte.is_ascii_graphic() || b"+;#\"<>\\^`{|}".contains(&byte)) {
        return Err(Ambiguous::Query("has a character that belongs encoded"));
    }
    let mut parameters = Vec::new();
    for piece in query.split('&').filter(|piece| !piece.is_empty()) {
        if parameters.len() == PARAMETERS_MAX {
            return Err(Ambiguous::Query("has too many parameters"));
        }
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            return Err(Ambiguous::Query("is not well encoded"));
        };
        parameters.push((name, value));
    }
    Ok(parameters)
}

fn check_headers(headers: &HeaderMap) -> Result<(), Ambiguous> {
    for name in headers.keys() {
        let text = name.as_str();
        // Underscores and dashes are the same to what maps headers to variables.
        if text.contains('_') || OVERRIDES.contains(&text) {
            return Err(Ambiguous::Override(name.clone()));
        }
        let counts = SINGLE.contains(name) || text.starts_with("x-amz") || text.starts_with("smithy");
        if counts && headers.get_all(name).iter().nth(1).is_some() {
            return Err(Ambiguous::Repeated(name.clone()));
        }
    }
    for value in headers.get_all(header::CONNECTION) {
        let value = value.to_str().map_err(|_| Ambiguous::Connection)?;
        let known = ["close", "keep-alive", "te"];
        if !value.split(',').all(|word| known.iter().any(|known| word.trim().eq_ignore_ascii_case(known))) {
            return Err(Ambiguous::Connection);
        }
    }
    Ok(())
}

/// What `Host` says, which must be the connection's host: that is where the request goes, and what was decided by.
fn read_host(parts: &Parts, authority: &str) -> Result<String, Ambiguous> {
    let same = |other: &str| {
        let (name, port) = split_port(other);
        let (own_name, own_port) = split_port(authority);
        let default = |port: Option<&str>| port.is_none_or(|port| port == "443" || port == "80");
        name.eq_ignore_ascii_case(own_name) && (port == own_port || (default(port) && default(own_port)))
    };
    if parts.uri.authority().is_some_and(|named| !same(named.as_str())) {
        return Err(Ambiguous::Host);
    }
    match parts.headers.get(header::HOST) {
        None => Ok(authority.into()),
        Some(host) => {
            let host = host.to_str().map_err(|_| Ambiguous::Host)?;
            if same(host) { Ok(host.into()) } else { Err(Ambiguous::Host) }
        }
    }
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (name, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &str, headers: &[(&str, &str)]) -> Result<Request, Ambiguous> {
        let mut request = http::Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Request::read(&parts, "s3.eu-west-1.amazonaws.com:443")
    }

    #[test]
    fn what_two_parsers_read_differently_is_refused() {
        let long = format!("/{}", "a".repeat(TARGET_MAX_BYTES));
        for target in [
            "/a/../b",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a%2f..%2fb",
            "/.",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%ff",
            "/a%00b",
            "/a%0d%0ab",
            "/a;b",
            "/a?x=1+1",
            "/a?x=%",
            "/a?x=%ff",
            "/a?x=1;y=2",
            &long,
        ] {
            assert!(matches!(read(target, &[]), Err(Ambiguous::Path(_) | Ambiguous::Query(_))), "{target}");
        }
        for headers in [
            &[("x-amz-target", "A.b"), ("X-Amz-Target", "A.c")][..],
            &[("content-type", "a/b"), ("content-type", "a/c")],
            &[("content-length", "1"), ("content-length", "2")],
            &[("x-http-method-override", "DELETE")],
            &[("x_amz_target", "A.b")],
            &[("connection", "x-amz-date")],
            &[("host", "s3.us-east-1.amazonaws.com")],
            &[("host", "s3.eu-west-1.amazonaws.com:8443")],
            &[("host", "s3.eu-west-1.amazonaws.com"), ("host", "s3.eu-west-1.amazonaws.com")],
        ] {
            assert!(read("/a", headers).is_err(), "{headers:?}");
        }
        assert!(read("http://iam.amazonaws.com/a", &[]).is_err());
    }

    #[test]
    fn what_is_clear_is_read() {
        let request = read("/a%20b/c?list-type=2&prefix=x%2Fy&acl", &[("host", "S3.eu-west-1.amazonaws.com")]).unwrap();
        assert_eq!(request.path, "/a%20b/c");
        assert_eq!(request.parameter("prefix").collect::<Vec<_>>(), ["x/y"]);
        assert_eq!(request.parameter("acl").collect::<Vec<_>>(), [""]);
        assert_eq!(
            (request.host.as_str(), request.host_name.as_str()),
            ("S3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com")
        );
        let request = read("/", &[("connection", "keep-alive"), ("expect", "100-continue"), ("x", "1")]).unwrap();
        assert_eq!(request.passed_on().len(), 2, "host and x");
    }
}
