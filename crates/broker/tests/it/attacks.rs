//! What a hostile program tries once it has a way to a host: to have the runner's credential told, to be somebody else
//! beside it, to be led elsewhere, and to make the runner hold more than it can.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_broker::{Door, Injected, Way};
use portcullis_model::Phase;
use rustls::client::{EchGreaseConfig, EchMode};
use rustls::crypto::aws_lc_rs::hpke::ALL_SUPPORTED_SUITES;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_stream::iter;

use crate::memory::House;
use crate::outside::{World, ask, connect, open, refusals, target, tls};

/// For what must not happen: nothing waits so long unless it waits for ever.
const NEVER: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_host_is_not_asked_to_tell_what_it_was_sent() {
    let (house, world) = (House::new(), World::new().await);
    let door = open(&house, world.egress());
    let mut stream = UnixStream::connect(door.socket()).await.unwrap();
    for method in ["TRACE", "TRACK", "trace"] {
        let request = format!("{method} http://plain.example/ HTTP/1.1\r\nHost: plain.example\r\n\r\n");
        let (status, why) = ask(&mut stream, &request).await;
        assert_eq!(status, 403, "{method}: {why}");
        assert!(why.contains("its own headers"), "{why}");
    }
    assert!(world.asked().is_empty());
    door.close().await;
}

#[tokio::test]
async fn nobody_else_is_named_beside_the_runners_credential() {
    let (house, world) = (House::new(), World::new().await);
    let mut egress = world.egress();
    egress.routes.get_mut(&target("http://plain.example")).unwrap().way = Way::Credential(vec![Injected {
        name: HeaderName::from_static("private-token"),
        value: HeaderValue::from_static("the runner's"),
    }]);
    let door = open(&house, egress);
    let mut stream = UnixStream::connect(door.socket()).await.unwrap();
    let request = "GET http://plain.example/ HTTP/1.1\r\nHost: plain.example\r\nPrivate_Token: mine\r\n\
                   private-token: mine\r\nAuthorization: Bearer mine\r\nCookie: session=mine\r\nX-Keep: y\r\n\r\n";
    assert_eq!(ask(&mut stream, request).await.0, 200);
    let asked = world.asked();
    let values: Vec<_> = asked[0].headers.values().collect();
    assert!(values.iter().all(|value| !value.to_str().unwrap().contains("mine")), "{:?}", asked[0].headers);
    assert_eq!(
        (&asked[0].headers["private-token"], &asked[0].headers["x-keep"]),
        (&HeaderValue::from_static("the runner's"), &HeaderValue::from_static("y"))
    );
    door.close().await;
}

#[tokio::test]
async fn trailers_of_a_request_do_not_travel() {
    let (house, world) = (House::new(), World::new().await);
    let door = open(&house, world.egress());
    let mut stream = UnixStream::connect(door.socket()).await.unwrap();
    let request = "POST http://plain.example/ HTTP/1.1\r\nHost: plain.example\r\nTE: trailers\r\nTrailer: x-role\r\n\
                   Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Role: admin\r\n\r\n";
    assert_eq!(ask(&mut stream, request).await, (200, "hello 3".into()));
    // And over HTTP/2, where they need no announcement.
    let mut client = speaks_2(&door, "api.example").await;
    let mut trailers = HeaderMap::new();
    trailers.insert("authorization", HeaderValue::from_static("Bearer mine"));
    let frames = [Frame::data(Bytes::from_static(b"abc")), Frame::trailers(trailers)].map(Ok::<_, Infallible>);
    let request = Request::post("https://api.example/").body(StreamBody::new(iter(frames)).boxed()).unwrap();
    assert_eq!(client.send_request(request).await.unwrap().status(), StatusCode::OK);
    let asked = world.asked();
    assert_eq!(asked.len(), 2);
    for one in asked {
        assert_eq!((one.body.as_deref(), &one.trailers), (Some(&b"abc"[..]), &None), "{}", one.line);
        assert!(!one.headers.contains_key("trailer"));
    }
    door.close().await;
}

#[tokio::test]
async fn a_tunnel_names_its_host_in_the_open() {
    let (house, world) = (House::new(), World::new().await);
    let door = open(&house, world.egress());
    // What stands in it is random here, and nobody on the way can tell that from the name of another host.
    let suite = ALL_SUPPORTED_SUITES[0];
    let (key, _) = suite.generate_key_pair().unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_ech(EchMode::Grease(EchGreaseConfig::new(suite, key)))
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let (stream, status, _) = connect(&door, "git.example:443").await;
    assert_eq!(status, 200);
    let ended = TlsConnector::from(Arc::new(config)).connect("git.example".try_into().unwrap(), stream).await;
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    let calls = door.close().await;
    assert_eq!(refusals(&calls), ["the TLS handshake hides the name of a host (Encrypted Client Hello)"]);
}

/// A connection to a host, by HTTP/2.
async fn speaks_2(door: &Door, host: &str) -> SendRequest<http_body_util::combinators::BoxBody<Bytes, Infallible>> {
    let (stream, ..) = connect(door, &format!("{host}:443")).await;
    let stream = tls(stream, door.authority().unwrap(), host, &["h2"]).await.unwrap();
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn requests_under_way_have_a_limit_on_however_many_connections() {
    let (house, world) = (House::new(), World::new().await);
    // A host that takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut egress = world.egress();
    egress.routes.get_mut(&target("api.example")).unwrap().address = Some(silent.local_addr().unwrap());
    let door = open(&house, egress);
    let request = || Request::get("https://api.example/").body(Full::new(Bytes::new()).boxed()).unwrap();
    let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..5 {
        let client = speaks_2(&door, "api.example").await;
        for _ in 0..60 {
            let (mut client, answers) = (client.clone(), answers.clone());
            tokio::spawn(async move {
                if let Ok(answer) = client.send_request(request()).await {
                    let status = answer.status();
                    let text = answer.into_body().collect().await.unwrap().to_bytes();
                    let _ = answers.send((status, String::from_utf8_lossy(&text).into_owned()));
                }
            });
        }
    }
    for _ in 256..300 {
        let (status, why) = answered.recv().await.unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(why.contains("256 requests under way"), "{why}");
    }
    assert!(tokio::time::timeout(NEVER, answered.recv()).await.is_err(), "the others wait for the host");
    door.close().await;
}

/// Says how many of its kind there are, and were at most.
struct Counted(Bytes, Arc<[AtomicUsize; 2]>);

impl Counted {
    fn bytes(bytes: Bytes, counts: &Arc<[AtomicUsize; 2]>) -> Bytes {
        let now = counts[0].fetch_add(1, Ordering::SeqCst) + 1;
        counts[1].fetch_max(now, Ordering::SeqCst);
        Bytes::from_owner(Counted(bytes, counts.clone()))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1[0].fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_state_that_nobody_reads_is_not_held_once_for_each_who_asks() {
    let house = House::new();
    let counts = Arc::<[AtomicUsize; 2]>::default();
    let state = Bytes::from(vec![b' '; 4 << 20]);
    let given = counts.clone();
    *house.memory.answers.lock().unwrap() = Some(Box::new(move || Counted::bytes(state.clone(), &given)));
    let door = house.open("dev/db", Phase::Plan);
    let asks = async || {
        let mut stream = UnixStream::connect(door.socket()).await.unwrap();
        stream.write_all(b"GET http://state.portcullis/dev/db HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        stream
    };
    let mut begun = Vec::new();
    for _ in 0..2 {
        let mut stream = asks().await;
        assert_eq!(stream.read_u8().await.unwrap(), b'H');
        begun.push(stream);
    }
    let mut third = asks().await;
    assert!(tokio::time::timeout(NEVER, third.read_u8()).await.is_err(), "two are held already");
    drop(begun.pop());
    assert_eq!(third.read_u8().await.unwrap(), b'H');
    assert_eq!(counts[1].load(Ordering::SeqCst), 2);
    door.close().await;
}
