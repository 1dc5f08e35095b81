//! Certificate and key: read, checked against each other, and read again when they are renewed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portcullis_model::{Code, Fault};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Largest certificate or key file, in bytes.
const PEM_MAX_BYTES: u64 = 1 << 20;
/// How often certificate files are looked at for a renewal.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(60);

/// Certificate and key, read again when the files change, so that a renewal needs no restart.
pub(super) struct Tls {
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
    pub(super) fn load(cert: &Path, key: &Path) -> Result<Self, Fault> {
        let stamp = stamp(cert, key);
        let config = server_config(cert, key)?;
        let loaded = Mutex::new(Loaded { config, stamp, looked: Instant::now() });
        Ok(Tls { cert: cert.to_owned(), key: key.to_owned(), loaded })
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
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
        return Err(Fault::new(Code::BAD_OPTION, format!("{} is over {PEM_MAX_BYTES} bytes", path.display()))
            .remedy("Give a PEM certificate chain with `--tls-cert` and its private key with `--tls-key`."));
    }
    std::fs::read(path).map_err(|error| failed(&error))
}
