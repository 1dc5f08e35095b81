//! A tunnel: TLS between the sandbox and the host that the connection named, passed on byte by byte.
//!
//! The first message says to whom the sandbox speaks (SNI). It must be that host, or the tunnel would lead to whatever
//! else answers at the same address. What is no TLS does not go through.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_model::Target;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest time for the first message.
const HELLO_TIMEOUT: Duration = Duration::from_secs(15);
/// Largest first message, in bytes.
const HELLO_MAX_BYTES: usize = 16 * 1024;
/// The type of a record of a handshake (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;
/// Extensions that name a host encrypted: ECH, and its drafts' (ESNI, ECH before its tenth).
const HIDING: [u16; 5] = [0xfe0d, 0xffce, 0xfe08, 0xfe09, 0xfe0a];
/// How long nothing may pass.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
const BUFFER_BYTES: usize = 64 * 1024;

/// Bytes that have passed.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// From the sandbox.
    pub(crate) sent: AtomicU64,
    /// To the sandbox.
    pub(crate) received: AtomicU64,
}

/// Reads the first message and says what is wrong with it. What was read is for the host.
pub(crate) async fn hello(sandbox: &mut (impl AsyncRead + Unpin), target: &Target) -> Result<Vec<u8>, String> {
    let read = tokio::time::timeout(HELLO_TIMEOUT, read_hello(sandbox));
    let (bytes, name) = read.await.map_err(|_| "no TLS handshake was begun in time".to_owned())??;
    check_name(name.as_deref(), target)?;
    check_open(&bytes)?;
    Ok(bytes)
}

/// The name in a handshake must be the host that the connection was asked for.
pub(crate) fn check_name(name: Option<&str>, target: &Target) -> Result<(), String> {
    match name {
        Some(name) if name.eq_ignore_ascii_case(&target.host) => Ok(()),
        // An address has no place in the message (RFC 6066).
        None if target.address().is_some() => Ok(()),
        None => Err(format!("the TLS handshake names no host; the connection was for {}", target.host)),
        Some(name) => Err(format!(
            "the TLS handshake names {}; the connection was for {}",
            crate::record::shown(name),
            target.host
        )),
    }
}

/// A first message can hold another one, encrypted, that names the host that is meant (ECH; TLS-ECH, 5). Then the name that
/// can be read says nothing.
fn check_open(records: &[u8]) -> Result<(), String> {
    let extensions = extensions(records).ok_or_else(not_tls)?;
    if extensions.iter().any(|kind| HIDING.contains(kind)) {
        return Err("the TLS handshake hides the name of a host (Encrypted Client Hello)".into());
    }
    Ok(())
}

/// The extensions of a first message that was read before (RFC 8446, 4.1.2).
fn extensions(records: &[u8]) -> Option<Vec<u16>> {
    let (mut message, mut rest) = (Vec::new(), records);
    while let [HANDSHAKE, _, _, high, low, tail @ ..] = rest {
        let (part, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        message.extend_from_slice(part);
        rest = tail;
    }
    // Type and length, version, random; then a session, suites and compressions.
    let (_, rest) = take(message.get(4 + 2 + 32..)?, 1)?;
    let (_, rest) = take(rest, 2)?;
    let (_, rest) = take(rest, 1)?;
    let (mut all, _) = take(rest, 2)?;
    let mut kinds = Vec::new();
    while let [high, low, rest @ ..] = all {
        kinds.push(u16::from_be_bytes([*high, *low]));
        all = take(rest, 2)?.1;
    }
    Some(kinds)
}

/// What has its length in front of it, in so many bytes, and what follows.
fn take(bytes: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(width)?;
    rest.split_at_checked(length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
}

async fn read_hello(sandbox: &mut (impl AsyncRead + Unpin)) -> Result<(Vec<u8>, Option<String>), String> {
    let mut acceptor = Acceptor::default();
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 2048];
        let count = sandbox.read(&mut chunk).await.map_err(|error| format!("the connection ended: {error}"))?;
        let Some(chunk) = chunk.get(..count).filter(|chunk| !chunk.is_empty()) else {
            return Err("the connection ended before a TLS handshake".into());
        };
        bytes.extend_from_slice(chunk);
        let mut rest = Cursor::new(chunk);
        while (rest.position() as usize) < count {
            acceptor.read_tls(&mut rest).map_err(|_| not_tls())?;
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let name = accepted.client_hello().server_name().map(str::to_owned);
                return Ok((bytes, name));
            }
            Ok(None) if bytes.len() > HELLO_MAX_BYTES => return Err(not_tls()),
            Ok(None) => {}
            Err(_) => return Err(not_tls()),
        }
    }
}

fn not_tls() -> String {
    "only TLS goes through a tunnel, and this is none".into()
}

/// Passes on in both directions until both have ended, or nothing passes for ten minutes.
pub(crate) async fn pass<S>(sandbox: S, mut host: TcpStream, first: &[u8], passed: &Arc<Passed>) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    host.write_all(first).await?;
    passed.sent.fetch_add(first.len() as u64, Ordering::Relaxed);
    let (mut from_sandbox, mut to_sandbox) = tokio::io::split(sandbox);
    let (mut from_host, mut to_host) = host.split();
    let up = copy(&mut from_sandbox, &mut to_host, &passed.sent);
    let down = copy(&mut from_host, &mut to_sandbox, &passed.received);
    let mut both = std::pin::pin!(async { tokio::try_join!(up, down) });
    let mut before = 0;
    loop {
        match tokio::time::timeout(IDLE_TIMEOUT, both.as_mut()).await {
            Ok(ended) => return ended.map(|_| ()),
            Err(_) => {
                let now = passed.sent.load(Ordering::Relaxed) + passed.received.load(Ordering::Relaxed);
                if now == before {
                    return Err(std::io::ErrorKind::TimedOut.into());
                }
                before = now;
            }
        }
    }
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    count: &AtomicU64,
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return to.shutdown().await;
        };
        to.write_all(bytes).await?;
        count.fetch_add(read as u64, Ordering::Relaxed);
    }
}
