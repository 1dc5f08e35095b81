//! Sockets, TLS, connection limits, and a clean stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use portcullis_model::{Code, Fault};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::router::{Shared, router};
use super::service::Service;
use crate::options::Transport;

/// Most connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 1024;
/// Longest time for a TLS handshake, and for a request's header.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest request header, in bytes: a token of 16 KiB and much room.
const HEADER_MAX_BYTES: usize = 64 * 1024;
/// Longest time that open requests are given at the stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest certificate or key file, in bytes.
const PEM_MAX_BYTES: u64 = 1 << 20;
/// How often certificate files are looked at for a renewal.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(60);

/// A bound address, not served yet.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    scheme: &'static str,
    tls: Option<Arc<Tls>>,
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
        Ok(Listener { socket, address, scheme: transport.scheme(), tls })
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
        let app = TowerToHyperService::new(router(Shared::new(service, closing)));
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&self.socket, &places) => accepted,
            };
            let Some((stream, place)) = accepted else { continue };
            let (app, tls, watcher) = (app.clone(), self.tls.clone(), graceful.watcher());
            tokio::spawn(async move {
                connection(stream, tls, app, watcher).await;
                drop(place);
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
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, _)) => {
            let _ = stream.set_nodelay(true);
            Some((stream, place))
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
) {
    let Some(tls) = tls else {
        return http1(stream, app, watcher).await;
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(tls.current()).accept(stream)).await {
        Ok(Ok(stream)) => http1(stream, app, watcher).await,
        Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn http1<S>(stream: S, app: TowerToHyperService<axum::Router>, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HANDSHAKE_TIMEOUT).max_buf_size(HEADER_MAX_BYTES);
    let connection = builder.serve_connection(TokioIo::new(stream), app);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!("a connection ended with an error: {error}");
    }
}

/// Certificate and key, read again when the files change, so that a renewal needs no restart.
struct Tls {
    cert: PathBuf,
    key: PathBuf,
    loaded: Mutex<Loaded>,
}

struct Loaded {
    config: Arc<ServerConfig>,
    stamp: Stamp,
    looked: Instant,
}

/// Size and time of change of both files.
type Stamp = [Option<(u64, std::time::SystemTime)>; 2];

impl Tls {
    fn load(cert: &Path, key: &Path) -> Result<Self, Fault> {
        let stamp = stamp(cert, key);
        let config = server_config(cert, key)?;
        let loaded = Mutex::new(Loaded { config, stamp, looked: Instant::now() });
        Ok(Tls { cert: cert.to_owned(), key: key.to_owned(), loaded })
    }

    fn current(&self) -> Arc<ServerConfig> {
        let mut loaded = self.loaded.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if loaded.looked.elapsed() >= RENEWAL_INTERVAL {
            loaded.looked = Instant::now();
            let stamp = stamp(&self.cert, &self.key);
            if stamp != loaded.stamp {
                match server_config(&self.cert, &self.key) {
                    Ok(config) => {
                        tracing::info!("the TLS certificate was renewed");
                        loaded.config = config;
                        loaded.stamp = stamp;
                    }
                    // Half a renewal: the old pair stays, and the files are looked at again.
                    Err(fault) => tracing::error!(code = %fault.code(), "{fault}"),
                }
            }
        }
        loaded.config.clone()
    }
}

fn stamp(cert: &Path, key: &Path) -> Stamp {
    [cert, key].map(|path| std::fs::metadata(path).ok().and_then(|meta| Some((meta.len(), meta.modified().ok()?))))
}

fn server_config(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, Fault> {
    let bad = |path: &Path, why: String| {
        Fault::new(Code::BAD_OPTION, format!("{}: {why}", path.display()))
            .remedy("Give a PEM certificate chain with `--tls-cert` and its private key with `--tls-key`.")
    };
    let chain = CertificateDer::pem_slice_iter(&read_pem(cert)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(bad(cert, "no certificate in it".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_slice(&read_pem(key)?).map_err(|error| bad(key, error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::internal(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| bad(cert, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read_pem(path: &Path) -> Result<Vec<u8>, Fault> {
    let failed = |error: &std::io::Error| {
        Fault::new(Code::BAD_OPTION, format!("{}: {error}", path.display()))
            .remedy("Check the path, and that the runner may read the file.")
    };
    let meta = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if meta.len() > PEM_MAX_BYTES {
        return Err(Fault::new(Code::BAD_OPTION, format!("{} is over {PEM_MAX_BYTES} bytes", path.display())));
    }
    std::fs::read(path).map_err(|error| failed(&error))
}
