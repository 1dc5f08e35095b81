//! Connecting to a host: its name looked up, each address classed, and one of just these connected to.
//!
//! What was checked is what is connected to, so a name that stands for something else a moment later (DNS rebinding)
//! gains nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use portcullis_model::{Reach, Target};
use tokio::net::TcpStream;

use crate::BoxFuture;
use crate::egress::Route;

/// Longest time for looking a name up.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for connecting to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;

/// How names are looked up. Given from outside, so that tests can be a hostile name server.
pub trait Names: Send + Sync + 'static {
    /// The addresses of a name.
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>>;
}

/// As this machine looks names up.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// Connects to a host.
///
/// # Errors
/// In words for the sandbox: what the host stands for that is not allowed, or why it does not answer.
pub(crate) async fn dial(names: &dyn Names, target: &Target, route: &Route) -> Result<TcpStream, String> {
    let mut last = String::new();
    for address in addresses(names, target, route).await? {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A failure costs delay alone.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = format!("{target} cannot be connected to: {error}"),
            Err(_) => last = format!("{target} did not answer within {} s", CONNECT_TIMEOUT.as_secs()),
        }
    }
    Err(last)
}

/// The addresses of a host, all of them allowed.
async fn addresses(names: &dyn Names, target: &Target, route: &Route) -> Result<Vec<SocketAddr>, String> {
    let (found, private) = match (route.address, target.address()) {
        // Written in the definition as an address: that is what it is.
        (Some(address), _) => (vec![address], true),
        (None, Some(address)) => (vec![SocketAddr::new(address, target.port)], true),
        (None, None) => {
            let looked_up = tokio::time::timeout(LOOKUP_TIMEOUT, names.addresses(&target.host)).await;
            let found = looked_up
                .map_err(|_| format!("{} was not looked up within {} s", target.host, LOOKUP_TIMEOUT.as_secs()))?
                .map_err(|error| format!("{} cannot be looked up: {error}", target.host))?;
            let found = found.into_iter().map(|address| SocketAddr::new(address, target.port)).collect();
            (found, route.private || target.is_loopback())
        }
    };
    // One that is wrong among them is no accident.
    for address in &found {
        let reach = Reach::of(address.ip());
        let allowed = match reach {
            Reach::Public => true,
            Reach::Private | Reach::Loopback => private,
            Reach::Never => false,
        };
        if !allowed {
            return Err(format!("{} stands for {}, which is {reach}", target.host, address.ip()));
        }
    }
    if found.is_empty() {
        return Err(format!("{} stands for no address", target.host));
    }
    Ok(found.into_iter().take(ADDRESSES_MAX).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::egress::Way;

    /// Answers with one list after the other, as a name server that rebinds does.
    struct Rebinding(Mutex<Vec<Vec<&'static str>>>);

    impl Names for Rebinding {
        fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
            let found = self.0.lock().unwrap().remove(0);
            Box::pin(async move { Ok(found.into_iter().map(|text| text.parse().unwrap()).collect()) })
        }
    }

    fn route(private: bool, address: Option<&str>) -> Route {
        let address = address.map(|text| text.parse().unwrap());
        Route { rule: "egress \"x\"".into(), private, address, way: Way::Tunnel }
    }

    async fn ask(host: &str, answer: &[&'static str], route: &Route) -> Result<Vec<SocketAddr>, String> {
        let names = Rebinding(Mutex::new(vec![answer.to_vec()]));
        addresses(&names, &Target::parse(host).unwrap(), route).await
    }

    #[tokio::test]
    async fn every_address_of_a_name_is_classed() {
        let public = route(false, None);
        assert_eq!(ask("a.example", &["140.82.112.3"], &public).await.unwrap().len(), 1);
        for wrong in ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254", "::ffff:10.0.0.1"] {
            let why = ask("a.example", &["140.82.112.3", wrong], &public).await.unwrap_err();
            assert!(why.contains(wrong) || why.contains("10.0.0.1"), "{wrong}: {why}");
        }
        assert_eq!(ask("a.example", &[], &public).await.unwrap_err(), "a.example stands for no address");
        let private = route(true, None);
        for right in ["10.0.0.1", "127.0.0.1", "fd12::1"] {
            assert!(ask("a.example", &[right], &private).await.is_ok(), "{right}");
        }
        for wrong in ["169.254.169.254", "fe80::1", "0.0.0.0", "100.100.100.200"] {
            assert!(ask("a.example", &[wrong], &private).await.is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn an_address_in_the_definition_is_meant() {
        assert!(ask("10.0.0.1", &[], &route(false, None)).await.is_ok());
        assert!(ask("a.example", &[], &route(false, Some("127.0.0.1:5000"))).await.is_ok());
        // But what hands out credentials is not reached by any spelling.
        assert!(ask("169.254.169.254", &[], &route(true, None)).await.is_err());
        assert!(ask("a.example", &[], &route(true, Some("169.254.169.254:80"))).await.is_err());
    }
}
