//! What a hostile program may send through its door.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use portcullis_broker::{CONNECTIONS_MAX, Decision, Door};
use portcullis_model::state::{LOCK_INFO_MAX_BYTES, STATE_MAX_BYTES};
use portcullis_model::{Code, Phase};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::memory::House;

const OWN: &str = "http://state.portcullis/dev/db";

struct Client(UnixStream);

impl Client {
    async fn connect(socket: &Path) -> Self {
        Client(UnixStream::connect(socket).await.unwrap())
    }

    async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.write_all(text.as_ref()).await.unwrap();
    }

    /// One answer: status and body (by its length). `None` when the connection ended.
    async fn answer(&mut self) -> Option<(u16, String)> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        Some((status, String::from_utf8(body).unwrap()))
    }

    async fn ask(&mut self, method: &str, target: &str, body: &str) -> (u16, String) {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
            .await;
        self.answer().await.expect("the connection ended")
    }
}

async fn once(socket: &Path, method: &str, target: &str, body: &str) -> (u16, String) {
    Client::connect(socket).await.ask(method, target, body).await
}

#[tokio::test]
async fn each_request_on_a_kept_connection_is_judged_for_itself() {
    let house = House::new();
    let door = house.open("dev/db", Phase::Apply);
    let mut client = Client::connect(door.socket()).await;
    assert_eq!(client.ask("GET", OWN, "").await.0, 404);
    assert_eq!(client.ask("GET", "http://state.portcullis/prod/db", "").await.0, 403);
    assert_eq!(client.ask("GET", "http://169.254.169.254/latest/meta-data/", "").await.0, 403);
    assert_eq!(client.ask("GET", "http://state.portcullis/dev/vpc", "").await, (200, "{\"serial\":1}".into()));
    assert_eq!(client.ask("POST", "http://state.portcullis/dev/vpc", "{}").await.0, 403);
    assert_eq!(client.ask("GET", "/dev/db", "").await.0, 403);
    assert_eq!(client.ask("GET", OWN, "").await.0, 404);
    let (status, why) = client.ask("GET", "http://state.portcullis/prod/db", "").await;
    assert_eq!(status, 403);
    assert!(why.contains("prod/db") && why.contains("[PC-0704]"), "{why}");

    drop(client);
    let calls = door.close().await;
    let seen: Vec<_> = calls.iter().map(|call| (call.path.as_str(), call.status)).collect();
    assert_eq!(
        seen,
        [
            ("/dev/db", 404),
            ("/prod/db", 403),
            ("/latest/meta-data/", 403),
            ("/dev/vpc", 200),
            ("/dev/vpc", 403),
            ("/dev/db", 403),
            ("/dev/db", 404),
            ("/prod/db", 403),
        ]
    );
    assert_eq!((calls[2].host.as_str(), &calls[0].decision), ("169.254.169.254", &Decision::Allowed));
    assert!(matches!(calls[2].decision, Decision::Refused { code: Code::DOOR_REFUSED, .. }));
}

#[tokio::test]
async fn pipelined_requests_and_a_tunnel_gain_nothing() {
    let house = House::new();
    let door = house.open("dev/db", Phase::Plan);
    let mut client = Client::connect(door.socket()).await;
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: state.portcullis\r\n\r\n");
    client.send([get(OWN), get("http://state.portcullis/prod/db"), get(OWN)].concat()).await;
    for status in [404, 403, 404] {
        assert_eq!(client.answer().await.unwrap().0, status);
    }
    // No tunnel: what comes after a refused CONNECT is no more than the next request, or the end.
    let mut client = Client::connect(door.socket()).await;
    client.send("CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().0, 403);
    // Two lengths, or a length and chunks: refused or read one way only; never a second, hidden request.
    let hidden = "0\r\n\r\nPOST http://state.portcullis/dev/db HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    let mut client = Client::connect(door.socket()).await;
    client
        .send(format!(
            "GET {OWN} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n{hidden}",
            hidden.len()
        ))
        .await;
    let mut rest = String::new();
    client.0.shutdown().await.unwrap();
    client.0.read_to_string(&mut rest).await.unwrap();
    assert_eq!(house.memory.versions("dev/db"), 0);
    assert!(!rest.contains("HTTP/1.1 200"), "{rest}");
    door.close().await;
}

#[tokio::test]
async fn locks_follow_the_protocol() {
    let house = House::new();
    let door = house.open("dev/db", Phase::Apply);
    let lock = |id: &str| format!(r#"{{"ID":"{id}","Operation":"OperationTypeApply","Who":"a@b"}}"#);
    let socket = door.socket();
    assert_eq!(once(socket, "LOCK", OWN, &lock("one")).await.0, 200);
    assert_eq!(once(socket, "LOCK", OWN, &lock("two")).await, (423, lock("one")));
    assert_eq!(once(socket, "POST", &format!("{OWN}?ID=two"), "{}").await.0, 423);
    assert_eq!(once(socket, "POST", OWN, "{}").await.0, 423);
    assert_eq!(once(socket, "POST", &format!("{OWN}?ID=one"), "{\"serial\":7}").await.0, 200);
    assert_eq!(once(socket, "UNLOCK", OWN, &lock("two")).await, (423, lock("one")));
    assert_eq!(once(socket, "UNLOCK", OWN, "").await.0, 400);
    assert_eq!(once(socket, "UNLOCK", OWN, &lock("one")).await.0, 200);
    assert_eq!(once(socket, "DELETE", OWN, "").await.0, 403);
    assert_eq!(once(socket, "GET", OWN, "").await, (200, "{\"serial\":7}".into()));
    assert_eq!(once(socket, "LOCK", OWN, "x").await.0, 400);
    assert_eq!(once(socket, "LOCK", OWN, &lock(&"x".repeat(LOCK_INFO_MAX_BYTES))).await.0, 413);
    assert_eq!(house.memory.locks(), 0);
    door.close().await;
}

#[tokio::test]
async fn a_plan_can_lock_and_read_and_not_write() {
    let house = House::new();
    let door = house.open("dev/db", Phase::Plan);
    let socket = door.socket();
    assert_eq!(once(socket, "LOCK", OWN, r#"{"ID":"a"}"#).await.0, 200);
    assert_eq!(once(socket, "POST", &format!("{OWN}?ID=a"), "{}").await.0, 403);
    assert_eq!(once(socket, "UNLOCK", OWN, r#"{"ID":"a"}"#).await.0, 200);
    assert_eq!(house.memory.versions("dev/db"), 0);
    door.close().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_held() {
    let house = House::new();
    let door = house.open("dev/db", Phase::Apply);
    // By its announced length: nothing of it is read.
    let mut client = Client::connect(door.socket()).await;
    client.send(format!("POST {OWN} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", STATE_MAX_BYTES + 1)).await;
    assert_eq!(client.answer().await.unwrap().0, 413);
    // Without one: as soon as it is over the limit.
    let mut client = Client::connect(door.socket()).await;
    client.send(format!("LOCK {OWN} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")).await;
    client.send(format!("{:x}\r\n{}\r\n", LOCK_INFO_MAX_BYTES + 1, " ".repeat(LOCK_INFO_MAX_BYTES + 1))).await;
    assert_eq!(client.answer().await.unwrap().0, 413);
    // Headers.
    let mut client = Client::connect(door.socket()).await;
    client.send(format!("GET {OWN} HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100))).await;
    assert_eq!(client.answer().await.unwrap().0, 431);
    let mut client = Client::connect(door.socket()).await;
    client.send(format!("GET {OWN}{} HTTP/1.1\r\n", "x".repeat(60_000))).await;
    let long = "y".repeat(60_000);
    // It may be cut off before all of it is sent.
    let _ = client.0.write_all(long.as_bytes()).await;
    assert!(matches!(client.answer().await, None | Some((431 | 414 | 400, _))));
    // A request that is none.
    let mut client = Client::connect(door.socket()).await;
    client.send("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").await;
    assert!(matches!(client.answer().await, None | Some((400, _))));
    assert_eq!(house.memory.versions("dev/db"), 0);
    door.close().await;
}

#[tokio::test]
async fn a_broken_store_tells_a_sandbox_nothing_of_the_host() {
    let house = House::new();
    let door = house.open("dev/db", Phase::Apply);
    for (code, status) in [(Code::STORE, 500), (Code::DISK_FULL, 507), (Code::SEAL_BROKEN, 500)] {
        house.memory.inner.lock().unwrap().broken = Some(code);
        for (method, body) in [("GET", ""), ("POST", "{}"), ("LOCK", r#"{"ID":"a"}"#), ("UNLOCK", r#"{"ID":"a"}"#)] {
            let (answered, why) = once(door.socket(), method, OWN, body).await;
            assert_eq!(answered, status, "{method}");
            assert!(why.contains(&code.to_string()) && !why.contains("secret") && !why.contains("/var"), "{why}");
        }
    }
    let calls = door.close().await;
    assert!(calls.iter().all(|call| matches!(call.decision, Decision::Refused { .. })));
}

#[tokio::test]
async fn after_closing_nothing_reaches_a_state() {
    let house = House::new();
    let door = house.open("dev/db", Phase::Apply);
    let mut kept = Client::connect(door.socket()).await;
    assert_eq!(kept.ask("GET", OWN, "").await.0, 404);
    let mut half = Client::connect(door.socket()).await;
    half.send(format!("POST {OWN} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{")).await;

    // A write that has arrived is let end.
    house.memory.gate.forget_permits(usize::MAX);
    let mut writing = Client::connect(door.socket()).await;
    let socket = door.socket().to_path_buf();
    drop(half);
    writing.send(format!("POST {OWN} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}")).await;
    house.memory.arrived.acquire().await.unwrap().forget();
    let closing = tokio::spawn(door.close());
    house.memory.gate.add_permits(1);
    assert_eq!(writing.answer().await.unwrap().0, 200);
    let calls = closing.await.unwrap();
    assert_eq!(house.memory.versions("dev/db"), 1);
    assert_eq!(calls.iter().filter(|call| call.status == 200).count(), 1);

    house.memory.gate.add_permits(10);
    let _ =
        kept.0.write_all(format!("POST {OWN} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}").as_bytes()).await;
    assert!(kept.answer().await.is_none());
    assert!(UnixStream::connect(&socket).await.is_err());
    assert!(!socket.exists());
    assert_eq!(house.memory.versions("dev/db"), 1);
}

#[tokio::test]
async fn a_door_that_is_dropped_cuts_what_is_under_way() {
    let house = House::new();
    let door = house.open("dev/db", Phase::Apply);
    house.memory.gate.forget_permits(usize::MAX);
    let mut writing = Client::connect(door.socket()).await;
    writing.send(format!("POST {OWN} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}")).await;
    house.memory.arrived.acquire().await.unwrap().forget();
    drop(door);
    assert!(writing.answer().await.is_none());
    house.memory.gate.add_permits(1);
    assert_eq!(house.memory.versions("dev/db"), 0);
    assert!(!house.socket().exists());
}

#[tokio::test]
async fn a_door_does_not_wait_for_a_client_that_stalls() {
    let house = House::new();
    let door = house.open("dev/db", Phase::Apply);
    let mut stalled = Client::connect(door.socket()).await;
    stalled.send(format!("POST {OWN} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{")).await;
    let mut asking = Client::connect(door.socket()).await;
    assert_eq!(asking.ask("GET", OWN, "").await.0, 404);
    door.close().await;
    assert!(stalled.answer().await.is_none());
    assert_eq!(house.memory.versions("dev/db"), 0);
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_their_turn() {
    let house = House::new();
    let door = house.open("dev/db", Phase::Apply);
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut client = Client::connect(door.socket()).await;
        assert_eq!(client.ask("GET", OWN, "").await.0, 404);
        idle.push(client);
    }
    let mut late = Client::connect(door.socket()).await;
    late.send(format!("GET {OWN} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    let mut byte = [0];
    tokio::select! {
        biased;
        read = late.0.read(&mut byte) => panic!("it was served: {read:?}"),
        // The others are still served meanwhile.
        answer = idle[0].ask("GET", OWN, "") => assert_eq!(answer.0, 404),
    }
    idle.pop();
    assert_eq!(late.answer().await.unwrap().0, 404);
    door.close().await;
}

#[tokio::test]
async fn the_socket_is_for_its_owner() {
    let house = House::new();
    // What a killed runner left is replaced, anything else is not.
    drop(std::os::unix::net::UnixListener::bind(house.socket()).unwrap());
    let door = house.open("dev/db", Phase::Plan);
    let known = std::fs::metadata(door.socket()).unwrap();
    assert_eq!(known.permissions().mode() & 0o777, 0o600);
    door.close().await;
    std::fs::write(house.socket(), "precious").unwrap();
    assert_eq!(Door::open(house.settings("dev/db", Phase::Plan)).err().unwrap().code(), Code::IO);
    assert_eq!(std::fs::read(house.socket()).unwrap(), b"precious");
    std::fs::remove_file(house.socket()).unwrap();

    let mut long = house.settings("dev/db", Phase::Plan);
    long.socket = house.dir.path().join("x".repeat(120));
    assert_eq!(Door::open(long).err().unwrap().code(), Code::IO);

    // A door that belongs to another uid takes nothing from this one, though root may connect.
    let mut foreign = house.settings("dev/db", Phase::Plan);
    foreign.owner_uid = Some(54_321);
    if std::fs::metadata(house.dir.path()).unwrap().uid() == 0 {
        let door = Door::open(foreign).unwrap();
        let mut client = Client::connect(door.socket()).await;
        let _ = client.0.write_all(format!("GET {OWN} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await;
        assert!(client.answer().await.is_none());
        assert_eq!(door.close().await, []);
    } else {
        assert_eq!(Door::open(foreign).err().unwrap().code(), Code::IO);
    }
}
