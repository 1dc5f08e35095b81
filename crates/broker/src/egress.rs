//! [`Egress`]: the hosts that a task may reach, and what is done on the way.
//!
//! Plain data, made of the fleet definition by `app`. Whatever is not named in it is not reached.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use http::{HeaderName, HeaderValue};
use portcullis_model::{Scheme, Target};

use crate::aws::table::is_aws;
use crate::cloud::Aws;
use crate::dial::Names;

/// Where a task may connect to.
#[derive(Clone)]
pub struct Egress {
    /// The hosts, each with its port and scheme.
    pub routes: BTreeMap<Target, Route>,
    /// How names are looked up.
    pub names: Arc<dyn Names>,
    /// How the runner speaks TLS to hosts: whose certificates it trusts.
    pub upstream: Arc<rustls::ClientConfig>,
    /// AWS, at its own hosts and at those of [`Way::Aws`]. `None`: no host of AWS is anything else than a host.
    pub aws: Option<Aws>,
}

/// The way to AWS's own hosts: their names may stand for the private addresses of VPC endpoints. Who answers there has to
/// have their certificate.
static AWS: LazyLock<Route> =
    LazyLock::new(|| Route { rule: "aws".into(), private: true, address: None, way: Way::Aws });

/// One host that may be reached.
#[derive(Debug, Clone)]
pub struct Route {
    /// Which part of the fleet definition allows it: `egress "registries"`.
    pub rule: String,
    /// Whether the host's name may stand for this machine or an address of a private network. A host that is named
    /// by its address may always be what it is. Metadata services and the link are never reached.
    pub private: bool,
    /// Where the host is, if it is not to be looked up.
    pub address: Option<SocketAddr>,
    /// What is done with what is sent there.
    pub way: Way,
}

/// What is done with what is sent to a host.
#[derive(Debug, Clone)]
pub enum Way {
    /// The bytes are passed on: TLS from end to end, to the host that the connection named.
    Tunnel,
    /// TLS ends here; each request is looked at and sent on with the runner's credential.
    Credential(Vec<Injected>),
    /// TLS ends here; each request is judged and signed again with keys of AWS.
    Aws,
}

/// A header that the runner sets in each request to a host.
#[derive(Debug, Clone)]
pub struct Injected {
    /// Its name.
    pub name: HeaderName,
    /// Its value, marked as sensitive.
    pub value: HeaderValue,
}

impl Egress {
    /// The route to a host.
    pub(crate) fn route(&self, target: &Target) -> Option<&Route> {
        let at_aws = || self.aws.is_some() && target.scheme == Scheme::Https && target.port == 443;
        match self.routes.get(target) {
            // A host of AWS that is named by itself is a host like any other: no keys go there.
            Some(route) => Some(route),
            None if at_aws() && is_aws(&target.host) => Some(&AWS),
            None => None,
        }
    }

    /// The names of hosts that answer as AWS and are not AWS's own.
    pub(crate) fn endpoints(&self) -> Vec<String> {
        let endpoints = self.routes.iter().filter(|(_, route)| matches!(route.way, Way::Aws));
        endpoints.map(|(target, _)| target.host.clone()).collect()
    }

    /// Whether TLS to some host ends here, so that the sandbox needs this task's authority.
    pub(crate) fn terminates(&self) -> bool {
        let ends =
            |(target, route): (&Target, &Route)| target.scheme == Scheme::Https && !matches!(route.way, Way::Tunnel);
        self.aws.is_some() || self.routes.iter().any(ends)
    }
}
