//! Hosts outside of the sandbox: which are reached, by what way, and what a hostile program gains by asking.
//!
//! The hosts are real servers on loopback, with TLS and certificates of an authority made here. That they stand at
//! public addresses is made up: a name server of the test says so, or the route names their address.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_broker::{BoxFuture, Call, Decision, Door, Egress, Injected, Names, Route, SystemNames, Way};
use portcullis_model::{Code, Phase, Target};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use crate::memory::House;

/// The token that the sandbox must never see.
const TOKEN: &str = "Bearer real-token-of-the-runner";

/// What a server was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub line: String,
    pub headers: HeaderMap,
    /// `None`: it did not arrive whole.
    pub body: Option<Bytes>,
    /// What came after the body.
    pub trailers: Option<HeaderMap>,
}

/// The world: an authority that the runner trusts, and a host whose certificate is of it.
pub struct World {
    pub trusted: Arc<rustls::ClientConfig>,
    pub https: SocketAddr,
    http: SocketAddr,
    served: Arc<Served>,
}

/// What the servers were asked, and what they answer next if not `hello`.
#[derive(Default)]
struct Served {
    asked: Mutex<Vec<Asked>>,
    answer: Mutex<Option<Bytes>>,
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn client(roots: rustls::RootCertStore, alpn: &[&str]) -> Arc<rustls::ClientConfig> {
    let builder =
        rustls::ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

impl World {
    /// Hosts `api.example`, `git.example` and `other.example`.
    pub async fn new() -> World {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let names = ["api.example", "git.example", "other.example", "aws.example"].map(str::to_owned);
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let builder = rustls::ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let mut config =
            builder.unwrap().with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut roots = rustls::RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();

        let served = Arc::<Served>::default();
        let https = serve(Some(TlsAcceptor::from(Arc::new(config))), served.clone()).await;
        let http = serve(None, served.clone()).await;
        World { trusted: client(roots, &[]), https, http, served }
    }

    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.served.asked.lock().unwrap())
    }

    /// What the next request is answered with.
    pub fn answers(&self, body: impl Into<Bytes>) {
        *self.served.answer.lock().unwrap() = Some(body.into());
    }

    /// What the sandbox may reach: `api.example` with a credential, `git.example` by a tunnel,
    /// `http://plain.example` with a credential.
    pub fn egress(&self) -> Egress {
        let route = |rule: &str, address: SocketAddr, way: Way| Route {
            rule: rule.into(),
            private: false,
            address: Some(address),
            way,
        };
        let token = || {
            Way::Credential(vec![Injected {
                name: http::header::AUTHORIZATION,
                value: HeaderValue::from_static(TOKEN),
            }])
        };
        Egress {
            routes: BTreeMap::from([
                (target("api.example"), route("credential \"api\"", self.https, token())),
                (target("git.example"), route("egress \"git\"", self.https, Way::Tunnel)),
                (target("http://plain.example"), route("credential \"plain\"", self.http, token())),
            ]),
            names: Arc::new(SystemNames),
            upstream: self.trusted.clone(),
            aws: None,
        }
    }
}

pub fn target(text: &str) -> Target {
    Target::parse(text).unwrap()
}

/// A server that answers with what it was asked, and keeps that.
async fn serve(tls: Option<TlsAcceptor>, served: Arc<Served>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let (tls, served) = (tls.clone(), served.clone());
            tokio::spawn(async move {
                let service =
                    hyper::service::service_fn(move |request: Request<Incoming>| note(served.clone(), request));
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                // What becomes of a connection is the test's to see at its own end.
                let _ = match tls {
                    None => builder.serve_connection(TokioIo::new(stream), service).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => builder.serve_connection(TokioIo::new(stream), service).await,
                        Err(_) => return,
                    },
                };
            });
        }
    });
    address
}

async fn note(
    served: Arc<Served>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let (head, body) = request.into_parts();
    let collected = body.collect().await.ok();
    let trailers = collected.as_ref().and_then(|body| body.trailers().cloned());
    let body = collected.map(http_body_util::Collected::to_bytes);
    let answer = served.answer.lock().unwrap().take();
    let answer = answer.unwrap_or_else(|| format!("hello {}", body.as_ref().map_or(0, Bytes::len)).into());
    let line = format!("{} {}", head.method, head.uri.path());
    let host = head.uri.authority().map(|authority| authority.to_string());
    let mut headers = head.headers;
    if let Some(host) = host {
        headers.insert(http::header::HOST, HeaderValue::from_str(&host).unwrap());
    }
    served.asked.lock().unwrap().push(Asked { line, headers, body, trailers });
    let mut response = Response::new(Full::new(answer));
    response.headers_mut().insert("keep-alive", HeaderValue::from_static("timeout=5"));
    response.headers_mut().insert("x-of", HeaderValue::from_static("the host"));
    Ok(response)
}

pub fn open(house: &House, egress: Egress) -> Door {
    let mut settings = house.settings("dev/db", Phase::Plan);
    settings.egress = Some(Arc::new(egress));
    Door::open(settings).unwrap()
}

/// `CONNECT`: the connection and the status of the answer, with its text.
pub async fn connect(door: &Door, authority: &str) -> (UnixStream, u16, String) {
    let mut stream = UnixStream::connect(door.socket()).await.unwrap();
    stream.write_all(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes()).await.unwrap();
    let (status, text) = answer(&mut stream).await;
    (stream, status, text)
}

/// One answer of HTTP/1.1: status and body.
async fn answer(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> (u16, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("the connection ended"));
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    (status, String::from_utf8(body).unwrap())
}

/// TLS as a program in the sandbox speaks it: trusting the given authority, to the given name.
pub async fn tls(stream: UnixStream, roots: &str, name: &str, alpn: &[&str]) -> std::io::Result<TlsStream<UnixStream>> {
    let mut store = rustls::RootCertStore::empty();
    store.add(CertificateDer::from_pem_slice(roots.as_bytes()).unwrap()).unwrap();
    let connector = TlsConnector::from(client(store, alpn));
    connector.connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

pub async fn ask(
    stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin),
    request: &str,
) -> (u16, String) {
    stream.write_all(request.as_bytes()).await.unwrap();
    answer(stream).await
}

pub fn refusals(calls: &[Call]) -> Vec<&str> {
    let why = |call| match call {
        &Call { decision: Decision::Refused { ref why, .. }, .. } => Some(why.as_str()),
        _ => None,
    };
    calls.iter().filter_map(why).collect()
}

#[tokio::test]
async fn a_host_with_a_credential_gets_the_runners_header_and_never_the_sandboxs() {
    let (house, world) = (House::new(), World::new().await);
    let door = open(&house, world.egress());
    let authority = door.authority().unwrap().to_owned();
    let (stream, status, _) = connect(&door, "api.example:443").await;
    assert_eq!(status, 200);
    let mut stream = tls(stream, &authority, "api.example", &["http/1.1"]).await.unwrap();
    let request = "POST /a?x=1 HTTP/1.1\r\nHost: api.example\r\nAUTHORIZATION: Bearer mine\r\nauthorization: Basic eA==\r\n\
                   Proxy-Authorization: Basic eA==\r\nConnection: X-Drop, keep-alive\r\nX-Drop: y\r\nX-Keep: z\r\n\
                   Content-Length: 3\r\n\r\nabc";
    assert_eq!(ask(&mut stream, request).await, (200, "hello 3".into()));
    // The next one on the same connection is judged for itself.
    let (status, why) = ask(&mut stream, "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n").await;
    assert_eq!(status, 421);
    assert!(why.contains("other.example") && why.contains("[PC-0614]"), "{why}");
    assert_eq!(ask(&mut stream, "GET /b HTTP/1.1\r\nHost: API.example:443\r\n\r\n").await.0, 200);
    drop(stream);

    let asked = world.asked();
    assert_eq!(asked.iter().map(|one| one.line.as_str()).collect::<Vec<_>>(), ["POST /a", "GET /b"]);
    let all = |name: &str| asked[0].headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(all("authorization"), [TOKEN]);
    assert_eq!(all("x-keep"), ["z"]);
    assert_eq!(all("host"), ["api.example"]);
    for gone in ["proxy-authorization", "x-drop"] {
        assert_eq!(all(gone), [""; 0], "{gone}");
    }
    assert_eq!(asked[0].body.as_deref(), Some(&b"abc"[..]));

    let calls = door.close().await;
    let seen: Vec<_> = calls
        .iter()
        .map(|call| (call.method.as_str(), call.host.as_str(), call.path.as_str(), call.status, call.rule.as_str()))
        .collect();
    let rule = "credential \"api\"";
    assert_eq!(
        seen,
        [
            ("CONNECT", "api.example:443", "", 200, rule),
            ("POST", "api.example", "/a", 200, rule),
            ("GET", "api.example", "/", 421, ""),
            ("GET", "api.example", "/b", 200, rule),
        ]
    );
    assert_eq!((calls[1].sent_bytes, calls[1].received_bytes), (3, 7));
}

#[tokio::test]
async fn the_same_over_http_2_where_the_authority_cannot_be_another() {
    let (house, world) = (House::new(), World::new().await);
    let door = open(&house, world.egress());
    let authority = door.authority().unwrap().to_owned();
    let (stream, ..) = connect(&door, "api.example:443").await;
    let stream = tls(stream, &authority, "api.example", &["h2"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let running = tokio::spawn(connection);
    let request = |uri: &str, host: Option<&str>| {
        let mut request = Request::builder().uri(uri).header("authorization", "Bearer mine");
        if let Some(host) = host {
            request = request.header("host", host);
        }
        request.body(Full::new(Bytes::new())).unwrap()
    };
    let answer = client.send_request(request("https://api.example/h2", None)).await.unwrap();
    assert_eq!((answer.status(), answer.headers()["x-of"].to_str().unwrap()), (StatusCode::OK, "the host"));
    for (uri, host) in [
        ("https://other.example/", None),
        ("https://api.example/", Some("other.example")),
        ("https://api.example:8443/", None),
    ] {
        let answer = client.send_request(request(uri, host)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{uri} {host:?}");
    }
    let asked = world.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].headers["authorization"], TOKEN);
    drop(client);
    door.close().await;
    // The connection ends with the door at the latest.
    let _ = running.await.unwrap();
}

#[tokio::test]
async fn a_tunnel_leads_to_the_host_that_it_names_and_carries_tls_alone() {
    let (house, world) = (House::new(), World::new().await);
    let door = open(&house, world.egress());
    // End to end: the certificate is the host's own, so the sandbox's own trust decides.
    let (stream, status, _) = connect(&door, "git.example:443").await;
    assert_eq!(status, 200);
    let connector = TlsConnector::from(world.trusted.clone());
    let mut stream = connector.connect("git.example".try_into().unwrap(), stream).await.unwrap();
    let request = "GET /x HTTP/1.1\r\nHost: git.example\r\nAuthorization: Bearer mine\r\n\r\n";
    assert_eq!(ask(&mut stream, request).await.0, 200);
    assert_eq!(world.asked()[0].headers["authorization"], "Bearer mine");
    drop(stream);

    // Another name at the same address.
    let (stream, ..) = connect(&door, "git.example:443").await;
    assert!(connector.connect("other.example".try_into().unwrap(), stream).await.is_err());
    // Also where TLS ends at the door.
    let (stream, ..) = connect(&door, "api.example:443").await;
    let authority = door.authority().unwrap().to_owned();
    assert!(tls(stream, &authority, "other.example", &[]).await.is_err());
    // No TLS at all.
    for text in ["GET / HTTP/1.1\r\nHost: git.example\r\n\r\n", "SSH-2.0-x\r\n", "\x16\x03\x01\x40\x01"] {
        let (mut stream, ..) = connect(&door, "git.example:443").await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert_eq!(String::from_utf8_lossy(&rest), "", "{text:?}");
    }
    assert!(world.asked().is_empty());

    let calls = door.close().await;
    assert!(calls[0].sent_bytes > 300 && calls[0].received_bytes > 300, "{:?}", calls[0]);
    let refused = refusals(&calls);
    assert_eq!(refused.iter().filter(|why| why.contains("names other.example; the connection was for")).count(), 2);
    assert!(refused.contains(&"only TLS goes through a tunnel, and this is none"), "{refused:?}");
}

#[tokio::test]
async fn what_the_definition_does_not_name_is_not_reached() {
    let (house, world) = (House::new(), World::new().await);
    let door = open(&house, world.egress());
    for authority in [
        "other.example:443",
        "api.example:8443",
        "api.example:80",
        "plain.example:80",
        "plain.example:443",
        "api.example.evil.example:443",
        "127.0.0.1:443",
        "169.254.169.254:80",
        "[::1]:443",
        "state.portcullis:80",
        "user@api.example:443",
        "0x7f000001:443",
    ] {
        let (_, status, why) = connect(&door, authority).await;
        assert!(matches!(status, 400 | 403), "{authority}: {status} {why}");
    }
    let mut stream = UnixStream::connect(door.socket()).await.unwrap();
    for uri in [
        "http://api.example/",
        "https://api.example/",
        "http://plain.example:8080/",
        "http://169.254.169.254/latest/meta-data/",
        "http://user@plain.example/",
        "ftp://plain.example/",
    ] {
        let host = uri.split('/').nth(2).unwrap();
        let (status, why) = ask(&mut stream, &format!("GET {uri} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(status, 403, "{uri}: {why}");
    }
    // The state is still where it was.
    let (status, _) = ask(&mut stream, "GET http://state.portcullis/dev/db HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(status, 404);
    assert!(world.asked().is_empty());
    door.close().await;
}

#[tokio::test]
async fn two_readings_of_one_request_are_refused() {
    let (house, world) = (House::new(), World::new().await);
    let door = open(&house, world.egress());
    for (request, status) in [
        ("GET http://plain.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n", 421),
        ("GET http://plain.example/ HTTP/1.1\r\nHost: plain.example\r\nHost: plain.example\r\n\r\n", 400),
        (
            "GET http://plain.example/ HTTP/1.1\r\nHost: plain.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            403,
        ),
        ("GET http://plain.example/ HTTP/1.1\r\nHost: plain.example\r\nConnection: close, UPGRADE\r\n\r\n", 403),
        (
            "POST http://plain.example/ HTTP/1.1\r\nHost: plain.example\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            400,
        ),
        ("POST http://plain.example/ HTTP/1.1\r\nHost: plain.example\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
    ] {
        let mut stream = UnixStream::connect(door.socket()).await.unwrap();
        assert_eq!(ask(&mut stream, request).await.0, status, "{request:?}");
    }
    assert!(world.asked().is_empty());
    // Length and chunks at once: whichever is believed, what leaves is one request with one framing.
    let mut stream = UnixStream::connect(door.socket()).await.unwrap();
    let smuggled = "POST http://plain.example/ HTTP/1.1\r\nHost: plain.example\r\nContent-Length: 4\r\n\
                    Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n";
    stream.write_all(smuggled.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    let asked = world.asked();
    assert!(asked.len() <= 1, "{asked:?}");
    assert!(asked.iter().all(|one| one.line == "POST /"
        && one.headers["host"] == "plain.example"
        && one.body.as_ref().is_none_or(Bytes::is_empty)));
    door.close().await;
}

#[tokio::test]
async fn a_plain_host_gets_the_credential_as_well() {
    let (house, world) = (House::new(), World::new().await);
    let door = open(&house, world.egress());
    let mut stream = UnixStream::connect(door.socket()).await.unwrap();
    let request = "PUT http://plain.example/p HTTP/1.1\r\nHost: plain.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(ask(&mut stream, request).await, (200, "hello 3".into()));
    let asked = world.asked();
    assert_eq!(
        (asked[0].line.as_str(), &asked[0].headers["authorization"]),
        ("PUT /p", &HeaderValue::from_static(TOKEN))
    );
    assert_eq!(asked[0].body.as_deref(), Some(&b"abc"[..]));
    door.close().await;
}

#[tokio::test]
async fn a_host_that_nobody_trusts_or_that_is_not_there_is_said_so() {
    let (house, world) = (House::new(), World::new().await);
    let mut egress = world.egress();
    egress.upstream = client(rustls::RootCertStore::empty(), &[]);
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    egress.routes.get_mut(&target("git.example")).unwrap().address = Some(free);
    let door = open(&house, egress);
    let (stream, ..) = connect(&door, "api.example:443").await;
    let authority = door.authority().unwrap().to_owned();
    let mut stream = tls(stream, &authority, "api.example", &[]).await.unwrap();
    let (status, why) = ask(&mut stream, "GET / HTTP/1.1\r\nHost: api.example\r\n\r\n").await;
    assert_eq!(status, 502);
    assert!(why.contains("api.example is not trusted") && why.contains("[PC-0619]"), "{why}");
    let (_, status, why) = connect(&door, "git.example:443").await;
    assert_eq!(status, 502);
    assert!(why.contains("git.example cannot be connected to"), "{why}");
    let calls = door.close().await;
    assert!(calls.iter().any(|call| matches!(call.decision, Decision::Refused { code: Code::DOOR_UNREACHABLE, .. })));
}

/// A name server in the hands of an attacker.
struct Hostile(Mutex<Vec<IpAddr>>);

impl Names for Hostile {
    fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        let next = self.0.lock().unwrap().pop();
        Box::pin(async move { next.map(|address| vec![address]).ok_or_else(|| std::io::ErrorKind::NotFound.into()) })
    }
}

#[tokio::test]
async fn a_name_that_becomes_this_machine_is_not_connected_to() {
    let (house, world) = (House::new(), World::new().await);
    let mut egress = world.egress();
    for route in egress.routes.values_mut() {
        route.address = None;
    }
    let addresses = ["169.254.169.254", "10.0.0.1", "127.0.0.1", "::ffff:127.0.0.1"];
    egress.names = Arc::new(Hostile(Mutex::new(addresses.iter().map(|text| text.parse().unwrap()).collect())));
    let door = open(&house, egress);
    for _ in addresses {
        let (_, status, why) = connect(&door, "git.example:443").await;
        assert_eq!(status, 502);
        assert!(why.contains("git.example stands for"), "{why}");
    }
    let (_, _, why) = connect(&door, "git.example:443").await;
    assert!(why.contains("cannot be looked up"), "{why}");
    door.close().await;
}

#[tokio::test]
async fn nothing_goes_on_when_the_door_is_closed() {
    let (house, world) = (House::new(), World::new().await);
    // A host that takes a connection and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut egress = world.egress();
    for route in egress.routes.values_mut() {
        route.address = Some(silent.local_addr().unwrap());
    }
    let door = open(&house, egress);
    let (stream, ..) = connect(&door, "git.example:443").await;
    let connector = TlsConnector::from(world.trusted.clone());
    let waiting =
        tokio::spawn(async move { connector.connect("git.example".try_into().unwrap(), stream).await.is_err() });
    let (mut host, _) = silent.accept().await.unwrap();
    // The handshake has arrived there.
    let mut first = [0; 1];
    host.read_exact(&mut first).await.unwrap();
    let mut plain = UnixStream::connect(door.socket()).await.unwrap();
    plain.write_all(b"GET http://plain.example/ HTTP/1.1\r\nHost: plain.example\r\n\r\n").await.unwrap();
    let (mut other, _) = silent.accept().await.unwrap();
    let calls = door.close().await;
    assert!(waiting.await.unwrap());
    for host in [&mut host, &mut other] {
        assert!(ended(host).await);
    }
    assert_eq!(calls.len(), 2);
    assert_eq!(calls.iter().filter(|call| call.status == 0).count(), 1, "one had no answer yet: {calls:?}");
}

async fn ended(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.is_ok_and(|_| true)
}
