//! TLS of downloads: a host is believed if its certificate is from an authority that is trusted, and not otherwise.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::path::Path;
use std::sync::Arc;

use portcullis_model::{Code, Fault, RemoteSource, SourcePattern};
use portcullis_sources::{Fetched, Order, Settings, Sources};
use rcgen::generate_simple_self_signed;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// An empty archive.
const ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Answers everything with the archive, over TLS for `localhost`. Gives its port and its certificate.
#[allow(clippy::disallowed_methods, reason = "the server ends with the test's runtime")]
async fn serve() -> (u16, String) {
    let made = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let chain = vec![made.cert.der().clone()];
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust it goes away, and the next one comes.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", ZIP.len());
            let _ = stream.write_all(&[head.as_bytes(), ZIP].concat()).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, made.cert.pem())
}

async fn fetch(dir: &Path, authority: Option<&str>, url: &str) -> Result<Fetched, Fault> {
    let mut settings = Settings::new(dir.join("sources"));
    settings.ca_file = authority.map(|pem| {
        std::fs::write(dir.join("ca.pem"), pem).unwrap();
        dir.join("ca.pem")
    });
    let source = RemoteSource::parse(url).unwrap();
    let allow = [SourcePattern::parse(&source.address("x.example")).unwrap()];
    let order = Order { source: &source, allow: &allow, default_registry: "x.example", scope: "run" };
    Sources::open(settings).unwrap().fetch(order).await
}

#[tokio::test]
async fn a_host_is_believed_if_its_authority_is_trusted() {
    let (port, pem) = serve().await;
    let dir = tempfile::tempdir().unwrap();
    let url = format!("https://localhost:{port}/m/a.zip");
    assert!(fetch(dir.path(), Some(&pem), &url).await.is_ok());
    let stranger = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
    for authority in [None, Some(stranger.as_str())] {
        let refused = fetch(dir.path(), authority, &url).await.unwrap_err();
        assert_eq!(refused.code(), Code::SOURCE_FETCH, "{refused}");
    }
    // Its certificate is for another name.
    let other = format!("https://127.0.0.1:{port}/m/a.zip");
    assert_eq!(fetch(dir.path(), Some(&pem), &other).await.unwrap_err().code(), Code::SOURCE_FETCH);
}
