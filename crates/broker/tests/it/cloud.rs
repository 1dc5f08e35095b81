//! AWS through an open door: what leaves it, what is answered inside, and what is on record.
//!
//! AWS is a server on loopback that keeps what it is asked: whether it would take the signature is checked with the real
//! key. What real programs send, and what a double with access control says to it, is in `aws` and in the demo.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::Timestamp;
use portcullis_broker::aws::judge::{Actions, Grant, Phase, Rights};
use portcullis_broker::aws::sigv4::Credentials;
use portcullis_broker::{Aws, BoxFuture, Decision, Door, Egress, Keys, Route, Way, placeholder};
use portcullis_model::Fault;
use tokio::net::TcpListener;
use tokio_stream::iter;

use crate::aws::{key, parts, sha256, verify};
use crate::memory::House;
use crate::outside::{Asked, World, connect, open, target, tls};

const SECONDS: u64 = 1_780_000_000;
const HOST: &str = "aws.example";

fn now() -> Timestamp {
    Timestamp::from_second(i64::try_from(SECONDS).unwrap()).unwrap()
}

fn real() -> Credentials {
    key("ASIAREALREALREALREAL", "real-secret", Some("real-token"))
}

struct Fixed(Credentials);

impl Keys for Fixed {
    fn keys(&self) -> BoxFuture<'_, Result<Credentials, Fault>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

/// The hosts of the world, AWS among them.
fn egress(world: &World, phase: Phase, placeholder: &Credentials) -> Egress {
    let rights = Rights {
        phase,
        account: "111111111111".into(),
        regions: BTreeSet::from(["eu-west-1".to_string()]),
        buckets: Vec::new(),
        states: Vec::new(),
        grants: vec![Grant {
            name: "grant \"site\"".into(),
            phases: BTreeSet::from([Phase::Apply]),
            actions: vec![Actions::parse("s3:PutObject").unwrap(), Actions::parse("ec2:*").unwrap()],
            resources: Vec::new(),
        }],
        roles: BTreeSet::from(["arn:aws:iam::222222222222:role/dns".to_string()]),
    };
    let mut egress = world.egress();
    let route = Route { rule: "aws".into(), private: false, address: Some(world.https), way: Way::Aws };
    egress.routes.insert(target(HOST), route);
    let keys = Arc::new(Fixed(real()));
    egress.aws = Some(Aws { placeholder: placeholder.clone(), rights, keys, clock: now });
    egress
}

/// How a body is sent.
enum Sent<'a> {
    Whole(&'a [u8]),
    /// Another one than was signed.
    Forged(&'a [u8]),
}

/// A request, signed as AWS's own signer does it.
fn signed(key: &Credentials, service: &str, method: &str, path: &str, kind: &str, body: &[u8]) -> Request<()> {
    let request = Request::builder().method(method).uri(format!("https://{HOST}{path}")).header("host", HOST);
    let mut request = request.header("content-type", kind).body(()).unwrap();
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let identity = aws_credential_types::Credentials::new(
        &key.access_key_id,
        &key.secret_access_key,
        key.session_token.clone(),
        None,
        "test",
    )
    .into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name(service)
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(SECONDS))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let signable = SignableRequest::new(method, request.uri().to_string(), headers, SignableBody::Bytes(body)).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}

/// Sends a request on a connection of its own; the answer's status and text.
async fn send(door: &Door, request: Request<()>, body: Sent<'_>) -> (u16, String) {
    let (stream, ..) = connect(door, "aws.example:443").await;
    let stream = tls(stream, door.authority().unwrap(), HOST, &["http/1.1"]).await.unwrap();
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (head, ()) = request.into_parts();
    let path = head.uri.path_and_query().unwrap().as_str().to_owned();
    let mut request = Request::from_parts(head, ());
    *request.uri_mut() = path.parse().unwrap();
    let (Sent::Whole(bytes) | Sent::Forged(bytes)) = body;
    let pieces: Vec<Result<Frame<Bytes>, std::convert::Infallible>> =
        bytes.chunks(60_000).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    request.headers_mut().insert("content-length", bytes.len().into());
    let answer: Response<Incoming> =
        client.send_request(request.map(|()| StreamBody::new(iter(pieces)))).await.unwrap();
    let status = answer.status().as_u16();
    (status, String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

/// Whether AWS would take the request: its signature is the real key's.
fn is_signed_by(asked: &Asked, method: &str, path: &str, key: &Credentials, body: &[u8]) -> bool {
    let headers: Vec<(&str, &str)> =
        asked.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    verify(&parts(method, path, &headers), HOST, key, Some(sha256(body)), now()).is_ok()
}

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

#[tokio::test]
async fn a_read_leaves_with_the_real_signature_and_a_write_does_not_leave_while_planning() {
    let (house, world, inside) = (House::new(), World::new().await, placeholder().unwrap());
    let door = open(&house, egress(&world, Phase::Plan, &inside));
    let body = b"Action=DescribeVpcs&Version=2016-11-15";
    let answer = send(&door, signed(&inside, "ec2", "POST", "/", FORM, body), Sent::Whole(body)).await;
    assert_eq!(answer, (200, format!("hello {}", body.len())));
    let asked = world.asked();
    assert!(is_signed_by(&asked[0], "POST", "/", &real(), body));
    assert_eq!(asked[0].body.as_deref(), Some(&body[..]));
    let sent = format!("{:?}", asked[0].headers);
    assert!(!sent.contains(&inside.access_key_id) && !sent.contains(inside.session_token.as_ref().unwrap()), "{sent}");

    let body = b"Action=RunInstances&Version=2016-11-15&ImageId=ami-1&MinCount=1&MaxCount=1";
    let (status, why) = send(&door, signed(&inside, "ec2", "POST", "/", FORM, body), Sent::Whole(body)).await;
    assert_eq!(status, 403);
    assert!(why.starts_with("<?xml") && why.contains("ec2:RunInstances") && why.contains("rule `phase`"), "{why}");
    // Keys of somebody else, and a body that is not the signed one.
    let read = b"Action=DescribeVpcs&Version=2016-11-15";
    let other = placeholder().unwrap();
    assert_eq!(send(&door, signed(&other, "ec2", "POST", "/", FORM, read), Sent::Whole(read)).await.0, 403);
    assert_eq!(send(&door, signed(&inside, "ec2", "POST", "/", FORM, read), Sent::Forged(body)).await.0, 403);
    assert!(world.asked().is_empty());

    let calls = door.close().await;
    let seen: Vec<_> = calls
        .iter()
        .filter(|call| call.method != "CONNECT")
        .map(|call| (call.operation.as_deref(), call.status, call.decision == Decision::Allowed))
        .collect();
    assert_eq!(
        seen,
        [
            (Some("ec2:DescribeVpcs"), 200, true),
            (Some("ec2:RunInstances"), 403, false),
            (None, 403, false),
            (None, 403, false),
        ]
    );
    assert_eq!((calls[1].rule.as_str(), calls[1].sent_bytes), ("reads", 38));
}

#[tokio::test]
async fn an_upload_streams_and_one_that_is_not_the_signed_one_is_never_whole() {
    let (house, world, inside) = (House::new(), World::new().await, placeholder().unwrap());
    let door = open(&house, egress(&world, Phase::Apply, &inside));
    let large: Vec<u8> = (0..20_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let put = || signed(&inside, "s3", "PUT", "/site/a.bin", "application/octet-stream", &large);
    let (status, _) = send(&door, put(), Sent::Whole(&large)).await;
    assert_eq!(status, 200);
    let asked = world.asked();
    assert!(asked[0].body.as_deref() == Some(&large[..]));
    assert!(is_signed_by(&asked[0], "PUT", "/site/a.bin", &real(), &large));

    let mut forged = large.clone();
    *forged.last_mut().unwrap() ^= 1;
    let (status, why) = send(&door, put(), Sent::Forged(&forged)).await;
    assert_eq!(status, 400);
    assert!(why.contains("the body is not the one that was signed"), "{why}");
    assert!(world.asked().iter().all(|one| one.body.is_none()));

    // Without a digest in a header it has to be kept, and that has a limit.
    let (status, why) = send(
        &door,
        signed(&inside, "lambda", "POST", "/2015-03-31/functions", "application/json", &large),
        Sent::Whole(&large),
    )
    .await;
    assert_eq!(status, 413);
    assert!(why.contains("8388608 bytes"), "{why}");
    door.close().await;
}

#[tokio::test]
async fn a_role_is_assumed_with_keys_that_stay_outside() {
    let (house, world, inside) = (House::new(), World::new().await, placeholder().unwrap());
    let door = open(&house, egress(&world, Phase::Plan, &inside));
    let role = "arn%3Aaws%3Aiam%3A%3A222222222222%3Arole%2F";
    let assume = |name: &str| format!("Action=AssumeRole&Version=2011-06-15&RoleArn={role}{name}&RoleSessionName=x");
    let body = assume("admin");
    let (status, why) =
        send(&door, signed(&inside, "sts", "POST", "/", FORM, body.as_bytes()), Sent::Whole(body.as_bytes())).await;
    assert_eq!(status, 403, "{why}");
    assert!(world.asked().is_empty());

    let of_role = key("ASIAROLEROLEROLEROLE", "role-secret", Some("role-token"));
    world.answers(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLEROLEROLEROLE</AccessKeyId>\
         <SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken>\
         <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
    );
    let body = assume("dns");
    let (status, text) =
        send(&door, signed(&inside, "sts", "POST", "/", FORM, body.as_bytes()), Sent::Whole(body.as_bytes())).await;
    assert_eq!(status, 200, "{text}");
    for real in ["ASIAROLE", "role-secret", "role-token"] {
        assert!(!text.contains(real), "{text}");
    }
    let of = |name: &str| {
        let rest = text.split_once(&format!("<{name}>")).unwrap().1;
        rest.split_once("</").unwrap().0.to_owned()
    };
    let given = key(&of("AccessKeyId"), &of("SecretAccessKey"), Some(&of("SessionToken")));
    world.asked();
    let read = b"Action=DescribeVpcs&Version=2016-11-15";
    assert_eq!(send(&door, signed(&given, "ec2", "POST", "/", FORM, read), Sent::Whole(read)).await.0, 200);
    assert!(is_signed_by(&world.asked()[0], "POST", "/", &of_role, read));

    // What does not read as an answer of STS is not passed on.
    world.answers("{\"SecretAccessKey\":\"role-secret\"}");
    let (status, text) =
        send(&door, signed(&inside, "sts", "POST", "/", FORM, body.as_bytes()), Sent::Whole(body.as_bytes())).await;
    assert_eq!(status, 502);
    assert!(!text.contains("role-secret"), "{text}");
    door.close().await;
}

#[tokio::test]
async fn hosts_of_aws_lead_to_aws_by_tls_alone() {
    let (house, world, inside) = (House::new(), World::new().await, placeholder().unwrap());
    let door = open(&house, egress(&world, Phase::Plan, &inside));
    for (authority, status) in [
        ("ec2.eu-west-1.amazonaws.com:443", 200),
        ("bucket.s3.eu-west-1.amazonaws.com:443", 200),
        ("ec2.eu-west-1.amazonaws.com:80", 403),
        ("ec2.eu-west-1.amazonaws.com.evil.example:443", 403),
        ("evilamazonaws.com:443", 403),
        ("amazonaws.com:443", 403),
        ("169.254.169.254:443", 403),
    ] {
        assert_eq!(connect(&door, authority).await.1, status, "{authority}");
    }
    door.close().await;
    // And nowhere without AWS.
    let door = open(&house, world.egress());
    assert_eq!(connect(&door, "ec2.eu-west-1.amazonaws.com:443").await.1, 403);
    door.close().await;
}

#[tokio::test]
async fn bodies_that_are_kept_have_their_place_until_they_were_sent() {
    let (house, world, inside) = (House::new(), World::new().await, placeholder().unwrap());
    // A host that takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut egress = egress(&world, Phase::Plan, &inside);
    egress.routes.get_mut(&target(HOST)).unwrap().address = Some(silent.local_addr().unwrap());
    let door = open(&house, egress);
    let (stream, ..) = connect(&door, "aws.example:443").await;
    let stream = tls(stream, door.authority().unwrap(), HOST, &["h2"]).await.unwrap();
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    // No header names its digest or its length, so as much is set aside as it may have: a quarter of all.
    let body = format!("Action=DescribeVpcs&Version=2016-11-15&Filter.1.Value.1={}", "x".repeat(900 << 10));
    let mut sent = Vec::new();
    for _ in 0..5 {
        let (mut head, ()) = signed(&inside, "ec2", "POST", "/", FORM, body.as_bytes()).into_parts();
        head.headers.remove("host");
        let frame = Frame::data(Bytes::from(body.clone()));
        let request = Request::from_parts(head, StreamBody::new(iter([Ok::<_, std::convert::Infallible>(frame)])));
        let mut client = client.clone();
        sent.push(tokio::spawn(async move { client.send_request(request).await }));
    }
    let mut reached = Vec::new();
    for _ in 0..4 {
        reached.push(silent.accept().await.unwrap());
    }
    assert!(tokio::time::timeout(Duration::from_millis(300), silent.accept()).await.is_err(), "the fifth waits");
    // One that has ended makes room.
    reached.pop();
    silent.accept().await.unwrap();
    door.close().await;
}

#[test]
fn a_placeholder_is_not_guessed() {
    let (one, other) = (placeholder().unwrap(), placeholder().unwrap());
    assert_ne!(one.secret_access_key, other.secret_access_key);
    assert_ne!(one.session_token, other.session_token);
}
