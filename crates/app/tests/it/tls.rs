//! TLS of the listener: real certificates, real handshakes, and files that do not do.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use portcullis_app::http::Listener;
use portcullis_app::options::Transport;
use portcullis_model::Code;
use rcgen::{CertificateParams, KeyPair, generate_simple_self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fixture::Fixture;

/// A certificate for this machine and its key, as PEM files of a folder.
fn pair(dir: &Path, name: &str) -> (PathBuf, PathBuf, String) {
    let made = generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.join(format!("{name}.crt")), dir.join(format!("{name}.key")));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert, key, made.cert.pem())
}

async fn bind(cert: &Path, key: &Path) -> Result<Listener, Code> {
    let transport = Transport::Tls { cert: cert.to_owned(), key: key.to_owned() };
    Listener::bind("127.0.0.1:0".parse().unwrap(), &transport).await.map_err(|fault| {
        assert!(fault.remedy_text().is_some(), "{fault:?}");
        fault.code()
    })
}

fn client(trusted: &str) -> reqwest::Client {
    let trusted = reqwest::Certificate::from_pem(trusted.as_bytes()).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_merge([trusted]).build().unwrap()
}

#[tokio::test]
async fn a_runner_speaks_tls_to_who_trusts_its_certificate_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key, pem) = pair(dir.path(), "good");
    let fixture = Fixture::over_tls(cert, key).await;
    assert!(fixture.url.starts_with("https://127.0.0.1:"), "{}", fixture.url);
    let answer = client(&pem).get(format!("{}/v1/healthz", fixture.url)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let (_, _, other) = pair(dir.path(), "other");
    assert!(client(&other).get(format!("{}/v1/healthz", fixture.url)).send().await.is_err());
    // Plain HTTP gets no answer, and does not keep others from theirs.
    let mut plain = TcpStream::connect(fixture.address).await.unwrap();
    plain.write_all(b"GET /v1/healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    let _ = plain.read_to_end(&mut bytes).await;
    assert!(!String::from_utf8_lossy(&bytes).contains("HTTP/1.1 200"), "{bytes:?}");
    let answer = client(&pem).get(format!("{}/v1/healthz", fixture.url)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn files_that_do_not_do_are_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key, _) = pair(dir.path(), "good");
    let (_, other_key, _) = pair(dir.path(), "other");
    let write = |name: &str, text: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (empty, noise) = (write("empty", b""), write("noise", b"\xff\xfe\x00"));
    let broken = write("broken", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let huge = write("huge", &vec![b'x'; 2 << 20]);
    let missing = dir.path().join("missing");
    for (what, cert, key) in [
        ("the key of another certificate", &cert, &other_key),
        ("no certificate file", &missing, &key),
        ("no key file", &cert, &missing),
        ("an empty certificate", &empty, &key),
        ("an empty key", &cert, &empty),
        ("no PEM", &noise, &key),
        ("a certificate that is none", &broken, &key),
        ("the files the wrong way round", &key, &cert),
        ("a key in place of the certificate", &key, &key),
        ("a file that is too large", &huge, &key),
        ("a folder", &dir.path().to_owned(), &key),
    ] {
        assert_eq!(bind(cert, key).await.err(), Some(Code::BAD_OPTION), "{what}");
    }
    assert!(bind(&cert, &key).await.is_ok());
    // Root reads everything, so this says something for other users only.
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read(&key).is_err() {
        assert_eq!(bind(&cert, &key).await.err(), Some(Code::BAD_OPTION));
    } else {
        eprintln!("SKIPPED: this user reads files of any mode");
    }
}

#[tokio::test]
async fn a_chain_and_keys_of_other_kinds_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_RSA_SHA256] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let (cert_file, key_file) = (dir.path().join("c"), dir.path().join("k"));
        std::fs::write(&cert_file, format!("# a comment\n{}{}", cert.pem(), cert.pem())).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        assert!(bind(&cert_file, &key_file).await.is_ok(), "{algorithm:?}");
    }
}
