//! The listener against callers that are slow, silent, too many or too large, and its clean stop.

use std::time::Duration;

use portcullis_app::http::listener::Limits;
use portcullis_app::http::rate::Rate;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{Fixture, Who};

/// Longest that a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

fn slow() -> Value {
    json!({"action": "plan", "repository": "live", "ref": "slow"})
}

/// Sends bytes on a new connection.
async fn sent(fixture: &Fixture, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(fixture.address).await.unwrap();
    // A runner that has refused already may have closed.
    let _ = stream.write_all(bytes.as_bytes()).await;
    stream
}

/// What comes until the runner closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the connection is closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What comes until it contains a text.
async fn until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let mut buffer = [0; 4096];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.expect("it comes").unwrap();
        assert!(read > 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

#[tokio::test]
async fn streams_end_when_the_runner_stops() {
    let mut fixture = Fixture::new().await;
    let (run, token) = fixture.started(Who::Ci, &slow()).await;
    let running = fixture.until(&run, "running").await;
    let task = running["tasks"][0]["id"].as_str().unwrap();
    let get = |path: String| format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    let mut events = sent(&fixture, &get(format!("/v1/runs/{run}/events"))).await;
    let mut log = sent(&fixture, &get(format!("/v1/tasks/{task}/log?follow=true"))).await;
    let mut idle = sent(&fixture, "").await;
    until(&mut events, "event: run").await;
    until(&mut log, "200 OK").await;
    tokio::time::timeout(PATIENCE, fixture.stop()).await.expect("the listener stops");
    let events = rest(&mut events).await;
    assert!(
        !events.contains("event: end") && events.ends_with("0\r\n\r\n"),
        "ended, and not as if the run had: {events:?}"
    );
    assert!(rest(&mut log).await.ends_with("0\r\n\r\n"));
    rest(&mut idle).await;
    assert!(TcpStream::connect(fixture.address).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn a_stream_goes_on_after_the_last_event_that_was_seen() {
    let fixture = Fixture::new().await;
    let plan = json!({"action": "plan", "repository": "live", "ref": "feature"});
    let (run, token) = fixture.started(Who::Ci, &plan).await;
    fixture.until(&run, "succeeded").await;
    let path = format!("/v1/runs/{run}/events");
    let all = fixture.send("GET", &path, Some(&token), None).await;
    let all = all.body.as_str().unwrap().to_owned();
    let ids: Vec<&str> = all.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    assert!(ids.len() > 3 && all.ends_with("event: end\ndata: {}\n\n"), "{all}");
    let after = fixture.send_with("GET", &path, Some(&token), None, &[("last-event-id", ids[1])]).await;
    assert_eq!(after.body.as_str().unwrap(), &all[all.find(&format!("id: {}\n", ids[2])).unwrap()..]);
    for cursor in ["-1", "x", "1.0", "", "99999999999999999999"] {
        let said = fixture.send_with("GET", &path, Some(&token), None, &[("last-event-id", cursor)]).await;
        assert_eq!(said.code(), "PC-0116", "{cursor}: {said:?}");
    }
}

#[tokio::test]
async fn who_is_silent_is_not_waited_for() {
    let limits = Limits { silence: Duration::from_millis(200), ..Limits::default() };
    let fixture = Fixture::with(limits).await;
    let mut nothing = sent(&fixture, "").await;
    let mut half = sent(&fixture, "GET /v1/runs HTTP/1.1\r\nhost: x\r\nx-a: ").await;
    let mut idle = sent(&fixture, "GET /v1/healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(rest(&mut nothing).await, "");
    assert!(!rest(&mut half).await.contains("200 OK"));
    assert!(rest(&mut idle).await.contains("200 OK"));
}

#[tokio::test]
async fn the_body_of_a_stranger_is_not_waited_for() {
    let fixture = Fixture::new().await;
    let stranger = fixture.token(Who::Stranger);
    for (token, status) in [("x", "401"), (stranger.as_str(), "403")] {
        let head = format!(
            "POST /v1/runs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 100000\r\n\r\n{{"
        );
        let mut stream = sent(&fixture, &head).await;
        let answer = until(&mut stream, "\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}

#[tokio::test]
async fn headers_are_bounded() {
    let fixture = Fixture::new().await;
    let large = format!("GET /v1/healthz HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n", "a".repeat(300 * 1024));
    let many = format!("GET /v1/healthz HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-a: b\r\n".repeat(200));
    for request in [large, many] {
        let answer = rest(&mut sent(&fixture, &request).await).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let token = "a".repeat(16 * 1024 + 1);
    let said = fixture.send("GET", "/v1/runs", Some(&token), None).await;
    assert_eq!((said.status.as_u16(), said.code()), (401, "PC-0201"));
    let path = format!("/v1/runs/{}", "a".repeat(30_000));
    let said = fixture.send("GET", &path, Some(&fixture.token(Who::Ci)), None).await;
    assert!(said.code() == "PC-0104" && said.body["detail"].as_str().unwrap().len() < 300, "{said:?}");
}

#[tokio::test]
async fn one_address_cannot_take_every_connection() {
    let limits = Limits { connections: 4, connections_of_one: 2, ..Limits::default() };
    let fixture = Fixture::with(limits).await;
    let request = "GET /v1/healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut first = sent(&fixture, request).await;
    until(&mut first, "200 OK").await;
    let mut second = sent(&fixture, request).await;
    until(&mut second, "200 OK").await;
    assert_eq!(rest(&mut sent(&fixture, request).await).await, "", "closed at once");
    drop(second);
    // The place is free once the runner has seen the end.
    let again = async {
        while !rest(&mut sent(&fixture, "GET /v1/healthz HTTP/1.1\r\nconnection: close\r\nhost: x\r\n\r\n").await)
            .await
            .contains("200 OK")
        {}
    };
    tokio::time::timeout(PATIENCE, again).await.expect("the place is given back");
}

#[tokio::test]
async fn streams_and_requests_have_places_and_health_needs_none() {
    let limits = Limits { streams: 1, requests: 0, ..Limits::default() };
    let fixture = Fixture::with(limits).await;
    for path in ["/v1/healthz", "/v1/readyz", "/healthz", "/readyz"] {
        assert_eq!(fixture.send("GET", path, None, None).await.status, 200, "{path}");
    }
    let busy = fixture.send("GET", "/v1/runs", None, None).await;
    assert_eq!((busy.status.as_u16(), busy.code()), (429, "PC-0907"));
    assert_eq!(busy.headers["retry-after"], "2");

    let fixture = Fixture::with(Limits { streams: 1, ..Limits::default() }).await;
    let (run, token) = fixture.started(Who::Ci, &slow()).await;
    let path = format!("/v1/runs/{run}/events");
    let open = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    let mut stream = sent(&fixture, &open).await;
    until(&mut stream, "event: run").await;
    let busy = fixture.send("GET", &path, Some(&token), None).await;
    assert_eq!((busy.status.as_u16(), busy.code()), (429, "PC-0907"));
}

#[tokio::test]
async fn who_does_not_read_is_given_up() {
    let limits = Limits { stuck: Duration::from_millis(200), streams: 1, ..Limits::default() };
    let fixture = Fixture::with(limits).await;
    let (run, token) = fixture.started(Who::Ci, &slow()).await;
    let running = fixture.until(&run, "running").await;
    let task: portcullis_model::TaskId = running["tasks"][0]["id"].as_str().unwrap().parse().unwrap();
    // More than the kernel keeps for a connection.
    let mut log = fixture.store.log_writer(task).unwrap();
    for _ in 0..24 {
        log.append(&vec![b'x'; 1 << 20]).unwrap();
    }
    let path = format!("/v1/tasks/{task}/log?follow=true");
    let open = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    let stuck = sent(&fixture, &open).await;
    // The only place for streams is taken until the runner gives up.
    stuck.readable().await.unwrap();
    let busy = fixture.send("GET", &path, Some(&token), None).await;
    assert_eq!(busy.code(), "PC-0907", "{busy:?}");
    let freed = async {
        loop {
            let mut stream = sent(&fixture, &open).await;
            let head = until(&mut stream, "\r\n").await;
            if head.starts_with("HTTP/1.1 200") {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.expect("the place is given back");
    drop(stuck);
}

#[tokio::test]
async fn who_asks_too_often_is_told_to_wait_and_others_are_not() {
    let rate = Rate { burst: 20, per_second: 1 };
    let of_address = Fixture::with(Limits { rate, ..Limits::default() }).await;
    let ask = async |fixture: &Fixture, who: Who| {
        let said = fixture.send("GET", "/v1/runs", Some(&fixture.token(who)), None).await;
        (said.status.as_u16(), said.code().to_owned(), said.headers.contains_key("retry-after"))
    };
    let mut answers = Vec::new();
    for _ in 0..60 {
        answers.push(ask(&of_address, Who::Ci).await);
    }
    assert!(answers[..20].iter().all(|answer| answer.0 == 200), "{answers:?}");
    assert!(answers.contains(&(429, "PC-0907".into(), true)), "{answers:?}");
    // Whether it works is answered whatever else there is to do.
    assert_eq!(of_address.send("GET", "/v1/readyz", None, None).await.status.as_u16(), 200);
    let of_caller = Fixture::with(Limits { rate_of_caller: rate, ..Limits::default() }).await;
    let mut answers = Vec::new();
    for _ in 0..60 {
        answers.push(ask(&of_caller, Who::Ci).await);
    }
    assert!(answers[..20].iter().all(|answer| answer.0 == 200) && answers.contains(&(429, "PC-0907".into(), true)));
    assert_eq!(ask(&of_caller, Who::Merge).await.0, 200, "another caller");
    let refused = of_caller.decisions().await;
    assert!(refused.iter().any(|row| row.code == Some(portcullis_model::Code::BUSY)), "it is on record");
}
