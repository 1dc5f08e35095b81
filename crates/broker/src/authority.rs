//! [`Authority`]: the certificates that a task's sandbox is shown for hosts where TLS ends at its door.
//!
//! Each task has an authority of its own, made when its door opens. Its key is in memory alone and gone with the door,
//! so a certificate of it is worth nothing anywhere else, at any other time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_model::Fault;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Hosts whose certificates are kept. AWS has as many as there are buckets.
const HOSTS_MAX: usize = 128;

/// A certificate authority, and the certificates that it has made.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    /// For hosts that were asked for.
    made: Mutex<BTreeMap<String, Arc<ServerConfig>>>,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, Fault> {
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name = named("the broker of one Portcullis task");
        let certificate = params.self_signed(&key).map_err(|error| failed(&error))?;
        let pem = certificate.pem();
        Ok(Authority { pem, issuer: Issuer::new(params, key), made: Mutex::default() })
    }

    /// The authority's certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// What is needed to be a host.
    pub(crate) fn host(&self, host: &str) -> Result<Arc<ServerConfig>, Fault> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = made.get(host) {
            return Ok(config.clone());
        }
        let config = Arc::new(self.make(host)?);
        if made.len() >= HOSTS_MAX {
            made.clear();
        }
        made.insert(host.to_owned(), config.clone());
        Ok(config)
    }

    fn make(&self, host: &str) -> Result<ServerConfig, Fault> {
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named(host);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = vec![match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(host.try_into().map_err(|error| failed(&error))?),
        }];
        let certificate = params.signed_by(&key, &self.issuer).map_err(|error| failed(&error))?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key))
            .map_err(|error| Fault::internal(format!("TLS for {host}: {error}")))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    // The longest that a common name may be (RFC 5280); what counts is the alternative name.
    distinguished.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    distinguished
}

fn failed(error: &rcgen::Error) -> Fault {
    Fault::internal(format!("a certificate for a task's door: {error}"))
}
