//! [`Egress`]: the hosts that a task may reach, and what is done on the way.
//!
//! Plain data, made of the fleet definition by `app`. Whatever is not named in it is not reached.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use portcullis_model::{Scheme, Target};

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
}

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
        self.routes.get(target)
    }

    /// Whether TLS to some host ends here, so that the sandbox needs this task's authority.
    pub(crate) fn terminates(&self) -> bool {
        self.routes
            .iter()
            .any(|(target, route)| target.scheme == Scheme::Https && matches!(route.way, Way::Credential(_)))
    }
}
