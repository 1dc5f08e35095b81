//! What a task's door leads to, from the definition in force: hosts, credentials, and whom the sandbox trusts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use portcullis_broker::{Egress, Injected, Route, SystemNames, Way};
use portcullis_driver::WORK;
use portcullis_fleet::{Account, CredentialForm, CredentialRule, NetworkPhase};
use portcullis_model::{Code, Fault, Phase};
use rustls_pki_types::CertificateDer;

use crate::runner::secrets::Secrets;

/// The certificates that a sandbox trusts, below its working folder.
pub(super) const BUNDLE: &str = "trust/certificates.pem";

/// Makes the ways out of sandboxes.
pub struct Network {
    secrets: Secrets,
    trust: OnceLock<Trust>,
}

/// Whom this machine trusts.
struct Trust {
    config: Arc<rustls::ClientConfig>,
    pem: String,
}

impl Network {
    /// With these secrets.
    pub fn new(secrets: Secrets) -> Self {
        Network { secrets, trust: OnceLock::new() }
    }

    /// Where a task may connect. `None`: nowhere.
    ///
    /// # Errors
    /// `PC-0620` for a secret that is not there.
    pub fn egress(&self, account: &Account, phase: Phase) -> Result<Option<Arc<Egress>>, Fault> {
        let phase = match phase {
            Phase::Plan => NetworkPhase::Plan,
            Phase::Apply => NetworkPhase::Apply,
            Phase::Outputs => return Ok(None),
        };
        let mut routes = BTreeMap::new();
        for (name, rule) in account.egress.iter().filter(|(_, rule)| rule.phases.contains(&phase)) {
            for host in &rule.hosts {
                let rule = Route {
                    rule: format!("egress \"{name}\""),
                    private: rule.private,
                    address: rule.address,
                    way: Way::Tunnel,
                };
                routes.insert(host.clone(), rule);
            }
        }
        for (name, rule) in account.credentials.iter().filter(|(_, rule)| rule.phases.contains(&phase)) {
            let Some(route) = routes.get_mut(&rule.host) else { continue };
            let header = self.header(rule)?;
            route.rule = format!("credential \"{name}\"");
            match &mut route.way {
                Way::Credential(headers) => headers.push(header),
                way => *way = Way::Credential(vec![header]),
            }
        }
        if routes.is_empty() {
            return Ok(None);
        }
        let upstream = self.trust()?.config.clone();
        Ok(Some(Arc::new(Egress { routes, names: Arc::new(SystemNames), upstream, aws: None })))
    }

    fn header(&self, rule: &CredentialRule) -> Result<Injected, Fault> {
        let secret = self.secrets.get(&rule.secret)?;
        let text = match &rule.form {
            CredentialForm::Bearer => format!("Bearer {secret}"),
            CredentialForm::Basic { username } => format!("Basic {}", STANDARD.encode(format!("{username}:{secret}"))),
            CredentialForm::Plain => secret,
        };
        let unfit = || {
            Fault::new(Code::SECRET, format!("the secret `{}` cannot be sent in a header", rule.secret))
                .remedy("Use a secret of printable ASCII characters.")
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| unfit())?;
        value.set_sensitive(true);
        Ok(Injected { name: HeaderName::from_bytes(rule.header.as_bytes()).map_err(|_| unfit())?, value })
    }

    /// What a sandbox trusts: what this machine trusts, and the task's own authority.
    pub fn bundle(&self, authority: Option<&str>) -> Result<String, Fault> {
        Ok(format!("{}{}", self.trust()?.pem, authority.unwrap_or_default()))
    }

    /// Read when the first task needs it: most of a runner's idle memory would be certificates otherwise.
    fn trust(&self) -> Result<&Trust, Fault> {
        if let Some(trust) = self.trust.get() {
            return Ok(trust);
        }
        let trust = Trust::load()?;
        Ok(self.trust.get_or_init(|| trust))
    }
}

impl Trust {
    fn load() -> Result<Self, Fault> {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "certificates of this machine cannot be read");
        }
        let mut roots = rustls::RootCertStore::empty();
        let (_, ignored) = roots.add_parsable_certificates(found.certs.iter().cloned());
        if ignored > 0 {
            tracing::debug!(ignored, "certificates of this machine are not understood");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Fault::internal(format!("TLS: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Trust { config: Arc::new(config), pem: found.certs.iter().fold(String::new(), pem) })
    }
}

fn pem(mut text: String, certificate: &CertificateDer<'_>) -> String {
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    let encoded = STANDARD.encode(certificate);
    for line in encoded.as_bytes().chunks(64) {
        // A string takes all that is written to it; base64 is ASCII.
        let _ = writeln!(text, "{}", String::from_utf8_lossy(line));
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

/// The variables by which programs find whom to trust.
pub(super) fn variables() -> impl Iterator<Item = (String, String)> {
    let names = [
        "SSL_CERT_FILE",
        "AWS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "NODE_EXTRA_CA_CERTS",
        "REQUESTS_CA_BUNDLE",
    ];
    names.into_iter().map(|name| (name.to_owned(), format!("{WORK}/{BUNDLE}")))
}
