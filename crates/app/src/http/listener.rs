//! Sockets, connection limits, and a clean stop.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use portcullis_model::Fault;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::patient::Patient;
use super::rate::{Rate, network};
use super::router::{Shared, router};
use super::service::Service;
use super::tls::Tls;
use crate::options::Transport;

/// Largest request header, in bytes: a token of 16 KiB and much room.
const HEADER_MAX_BYTES: usize = 64 * 1024;
/// Longest time that open requests are given at the stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// What callers may take up, whoever they are.
///
/// The defaults leave half of the 1,024 files that a service usually may open to the runner itself.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most connections at once; more wait in the kernel's queue.
    pub connections: usize,
    /// Most connections of one address, so that one host cannot take all.
    pub connections_of_one: usize,
    /// Longest time for a TLS handshake, for a request's header, and for a connection that asks for nothing.
    pub silence: Duration,
    /// Longest time that a caller may not read what it is sent.
    pub stuck: Duration,
    /// Most requests that are answered at once, streams and health not counted.
    pub requests: usize,
    /// Most streams (events, followed logs) that are open at once.
    pub streams: usize,
    /// How often one address may ask. Not where something in front of the runner terminates TLS: all requests come
    /// from there.
    pub rate: Rate,
    /// How often one caller may ask whose token holds, from wherever.
    pub rate_of_caller: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 512,
            connections_of_one: 384,
            silence: Duration::from_secs(10),
            stuck: Duration::from_secs(30),
            requests: 128,
            streams: 256,
            rate: Rate { burst: 500, per_second: 50 },
            rate_of_caller: Rate { burst: 300, per_second: 20 },
        }
    }
}

/// Whom a request comes from, as far as addresses go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker(pub IpAddr);

/// A bound address, not served yet.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    scheme: &'static str,
    /// Whether a connection's peer is who asks.
    direct: bool,
    tls: Option<Arc<Tls>>,
    limits: Limits,
}

impl Listener {
    /// Binds the address and reads the certificate.
    ///
    /// # Errors
    /// `PC-0006` for a certificate or key that cannot be used, `PC-0901` for an address that cannot be bound.
    pub async fn bind(address: SocketAddr, transport: &Transport) -> Result<Self, Fault> {
        let tls = match transport {
            Transport::Tls { cert, key } => Some(Arc::new(Tls::load(cert, key)?)),
            Transport::Loopback | Transport::TerminatedUpstream { .. } => None,
        };
        let failed = |error: &std::io::Error| {
            Fault::io(format!("cannot listen on {address}"), error).remedy("Choose another address with `--listen`.")
        };
        let socket = TcpListener::bind(address).await.map_err(|error| failed(&error))?;
        let address = socket.local_addr().map_err(|error| failed(&error))?;
        let direct = !matches!(transport, Transport::TerminatedUpstream { .. });
        Ok(Listener { socket, address, scheme: transport.scheme(), direct, tls, limits: Limits::default() })
    }

    /// With other limits.
    #[must_use]
    pub fn limited(self, limits: Limits) -> Self {
        Listener { limits, ..self }
    }

    /// The address, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL, such as `http://127.0.0.1:7480`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Serves until `stop` resolves; then takes no more connections, ends the open streams, and gives open
    /// requests five seconds.
    pub async fn serve(self, service: Arc<dyn Service>, stop: impl Future<Output = ()>) {
        let (close, closing) = watch::channel(false);
        let app = router(Shared::new(service, closing, &self.limits));
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let peers = Peers::new(self.limits.connections_of_one);
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&self.socket, &places) => accepted,
            };
            let Some((stream, peer, place)) = accepted else { continue };
            // More of one address than it may have: closed at once.
            let asker = self.direct.then(|| Asker(network(peer.ip())));
            let Some(peer) = peers.enter(peer.ip()) else { continue };
            let app = TowerToHyperService::new(app.clone().layer(Extension(asker)));
            let (tls, watcher, limits) = (self.tls.clone(), graceful.watcher(), self.limits);
            tokio::spawn(async move {
                connection(stream, tls, app, watcher, &limits).await;
                drop((peer, place));
            });
        }
        drop(self.socket);
        close.send_replace(true);
        if tokio::time::timeout(STOP_TIMEOUT, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests were still open after {} s at the stop", STOP_TIMEOUT.as_secs());
        }
    }
}

/// The next connection. `None` after a failure: the reason is logged, and a moment has passed, because a lack
/// of file descriptors does not go away by asking again at once.
async fn accept(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, peer)) => {
            let _ = stream.set_nodelay(true);
            Some((stream, peer, place))
        }
        Err(error) => {
            tracing::warn!("a connection could not be accepted: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<Arc<Tls>>,
    app: TowerToHyperService<axum::Router>,
    watcher: Watcher,
    limits: &Limits,
) {
    let Some(tls) = tls else {
        return http1(stream, app, watcher, limits).await;
    };
    match tokio::time::timeout(limits.silence, TlsAcceptor::from(tls.current()).accept(stream)).await {
        Ok(Ok(stream)) => http1(stream, app, watcher, limits).await,
        Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn http1<S>(stream: S, app: TowerToHyperService<axum::Router>, watcher: Watcher, limits: &Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.silence).max_buf_size(HEADER_MAX_BYTES);
    let connection = builder.serve_connection(TokioIo::new(Patient::new(stream, limits.stuck)), app);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!("a connection ended with an error: {error}");
    }
}

/// Connections by address.
struct Peers {
    most: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Peers {
    fn new(most: usize) -> Self {
        Peers { most, open: Arc::default() }
    }

    /// Counts a connection for as long as the answer lives. `None`: there are enough of this address.
    fn enter(&self, address: IpAddr) -> Option<Peer> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Peer { address, open: self.open.clone() })
    }
}

struct Peer {
    address: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}
