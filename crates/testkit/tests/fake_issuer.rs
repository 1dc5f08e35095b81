//! The program `fake-issuer`, as the demo uses it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that starts a program")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use portcullis_testkit::ProcessGuard;

fn request(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_says_where_it_is_and_mints() {
    let temp = tempfile::tempdir().unwrap();
    let ready = temp.path().join("ready");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-issuer"));
    command.args(["--listen", "127.0.0.1:0", "--ready-file"]).arg(&ready).stdout(Stdio::piped());
    let mut guard = ProcessGuard::spawn(&mut command).unwrap();
    let mut url = String::new();
    BufReader::new(guard.child().stdout.take().unwrap()).read_line(&mut url).unwrap();
    let url = url.trim();
    assert_eq!(std::fs::read_to_string(&ready).unwrap(), url);
    let address = url.strip_prefix("http://").unwrap();
    assert!(request(address, "GET /.well-known/openid-configuration", "").contains(&format!("{url}/jwks")));
    let before = request(address, "GET /jwks", "");
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let answer = request(address, &format!("POST /mint?alg={algorithm}"), r#"{"aud":"portcullis:acme/dev"}"#);
        let (head, token) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert_eq!(token.split('.').count(), 3, "{token}");
    }
    assert!(request(address, "POST /mint?alg=none", "{}").starts_with("HTTP/1.1 400"));
    assert!(request(address, "POST /rotate", "").starts_with("HTTP/1.1 204"));
    assert_ne!(request(address, "GET /jwks", ""), before);
}
