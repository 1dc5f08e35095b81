//! A request on its way to a host: what it may look like, what is taken off it, and the connection that it goes by.
//!
//! The request that leaves is written anew from what was understood. Nothing of how the sandbox framed it is passed
//! on, so two readings of one message (CL and TE, absolute form against `Host`) cannot differ further on.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Uri, Version};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use portcullis_model::{Code, Scheme, Target};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::body::Body;
use crate::dial::dial;
use crate::egress::{Egress, Injected, Route, Way};
use crate::judge::{Refusal, bad_request};
use crate::record::shown;

/// Headers that are about one connection (RFC 9110, 7.6.1), besides those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Checks what a request says of where it goes and how it is framed.
pub(crate) fn check<B>(target: &Target, request: &Request<B>) -> Result<(), Refusal> {
    let headers = request.headers();
    if request.method() == Method::CONNECT {
        return Err(refused("a connection in a connection"));
    }
    // A host answers with the request that it got, the runner's credential in it (RFC 9110, 9.3.8).
    if ["TRACE", "TRACK"].iter().any(|echoes| request.method().as_str().eq_ignore_ascii_case(echoes)) {
        return Err(refused("a request that is answered with its own headers (`TRACE`)"));
    }
    if headers.contains_key(UPGRADE) || names(headers).any(|name| name.eq_ignore_ascii_case("upgrade")) {
        return Err(refused("another protocol than HTTP (`Upgrade`)"));
    }
    if headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING) {
        return Err(bad_request("the request has both `Content-Length` and `Transfer-Encoding`"));
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(bad_request("the request has more than one `Host`"));
    }
    let named = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let named: Vec<&[u8]> = named.into_iter().chain(host.map(http::HeaderValue::as_bytes)).collect();
    if named.is_empty() {
        return Err(bad_request("the request names no host"));
    }
    for name in named {
        let text = String::from_utf8_lossy(name);
        if Target::of_authority(target.scheme, &text).as_ref() != Ok(target) {
            return Err(Refusal {
                status: StatusCode::MISDIRECTED_REQUEST,
                code: Code::DOOR_REFUSED,
                why: format!("the request names the host {}; the connection is to {target}", shown(&text)),
            });
        }
    }
    Ok(())
}

fn refused(what: &str) -> Refusal {
    let why = format!("{what} does not go through a sandbox's door");
    Refusal { status: StatusCode::FORBIDDEN, code: Code::DOOR_REFUSED, why }
}

/// The names in all `Connection` headers.
fn names(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(str::trim)
}

/// Takes off what is about one connection.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = names(headers).filter_map(|name| name.parse().ok()).collect();
    for name in listed.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// The request as it leaves.
pub(crate) fn request(
    target: &Target,
    route: &Route,
    head: http::request::Parts,
    body: Body,
) -> Result<Request<Body>, Refusal> {
    let trailers = head.headers.get(TE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers"));
    let mut headers = head.headers;
    strip(&mut headers);
    for name in [HOST, CONTENT_LENGTH, EXPECT, TRAILER] {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, http::HeaderValue::from_static("trailers"));
    }
    if let Way::Credential(injected) = &route.way {
        // Whatever the sandbox says under these names is its own: it never travels with the runner's.
        let own: Vec<HeaderName> = headers.keys().filter(|name| names_somebody(name, injected)).cloned().collect();
        for name in own {
            headers.remove(name);
        }
        for one in injected {
            headers.append(&one.name, one.value.clone());
        }
    }
    let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let scheme = if target.scheme == Scheme::Https { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(target.authority()).path_and_query(path).build();
    let mut outgoing = Request::new(body);
    *outgoing.uri_mut() = uri.map_err(|_| bad_request("the path is not understood"))?;
    *outgoing.method_mut() = head.method;
    *outgoing.version_mut() = Version::HTTP_11;
    *outgoing.headers_mut() = headers;
    Ok(outgoing)
}

/// Whether a header could say who asks, beside the runner's: under the same name, where dashes and underscores are one to
/// what maps headers to variables; or by one of the ways that are common to all hosts.
fn names_somebody(name: &HeaderName, injected: &[Injected]) -> bool {
    let same = |one: &Injected| name.as_str().replace('_', "-") == one.name.as_str().replace('_', "-");
    *name == AUTHORIZATION || *name == COOKIE || injected.iter().any(same)
}

/// Why a host was not connected to, for the sandbox.
#[derive(Debug)]
pub(crate) struct NotConnected(pub(crate) String);

/// A reason of ours in an error of the client.
pub(crate) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

impl std::fmt::Display for NotConnected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for NotConnected {}

/// Connections of one task to hosts at a time, those included that are kept for a next request. More wait.
const CONNECTIONS_MAX: usize = 256;

/// Connects the client to the hosts of the routes.
#[derive(Clone)]
pub(crate) struct Connector {
    egress: Arc<Egress>,
    room: Arc<Semaphore>,
    tls: TlsConnector,
    /// Without HTTP/2: what is signed for AWS is a request as HTTP/1.1 writes it.
    tls_1: TlsConnector,
}

impl Connector {
    pub(crate) fn new(egress: Arc<Egress>) -> Self {
        let tls = |protocols: &[&[u8]]| {
            let mut config = rustls::ClientConfig::clone(&egress.upstream);
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
        };
        let (tls, tls_1) = (tls(&[b"h2", b"http/1.1"]), tls(&[b"http/1.1"]));
        Connector { egress, room: Arc::new(Semaphore::new(CONNECTIONS_MAX)), tls, tls_1 }
    }

    async fn connect(self, uri: Uri) -> Result<TokioIo<Upstream>, NotConnected> {
        let scheme = if uri.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
        let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
        let target = Target::of_authority(scheme, authority).map_err(NotConnected)?;
        let route = self.egress.route(&target).ok_or_else(|| NotConnected(format!("there is no way to {target}")))?;
        let room = self.room.acquire_owned().await.map_err(|_| NotConnected("the door is closing".into()))?;
        let stream = dial(self.egress.names.as_ref(), &target, route).await.map_err(NotConnected)?;
        if scheme == Scheme::Http {
            return Ok(TokioIo::new(Upstream { stream: Stream::Plain(stream), _room: room }));
        }
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| NotConnected(format!("{target} can have no certificate")))?;
        let tls = if matches!(route.way, Way::Aws) { &self.tls_1 } else { &self.tls };
        let stream = tls.connect(name, stream).await;
        let stream = stream.map_err(|error| NotConnected(format!("{target} is not trusted: {error}")))?;
        Ok(TokioIo::new(Upstream { stream: Stream::Tls(Box::new(stream)), _room: room }))
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Upstream>;
    type Error = NotConnected;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, NotConnected>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotConnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connection to a host, and its place among those of the task.
pub(crate) struct Upstream {
    stream: Stream,
    _room: OwnedSemaphorePermit,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Upstream {
    fn connected(&self) -> Connected {
        match &self.stream {
            Stream::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                Connected::new().negotiated_h2()
            }
            _ => Connected::new(),
        }
    }
}

impl AsyncRead for Upstream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Upstream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
