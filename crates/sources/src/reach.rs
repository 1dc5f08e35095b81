//! Which addresses are never connected to, whatever name stands for them.
//!
//! The fleet names hosts, not addresses, and whoever keeps a host's name decides what it stands for. Private networks
//! are reached: that is where many keep their modules. This machine, its link and the places where clouds hand out
//! credentials are not.

use std::net::{IpAddr, SocketAddr};

use portcullis_model::source::is_loopback;
use portcullis_model::{Code, Fault, Reach};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whether an address is never connected to. Loopback is, for a host that is named as such.
fn is_forbidden(address: IpAddr, loopback_named: bool) -> bool {
    match Reach::of(address) {
        Reach::Public | Reach::Private => false,
        Reach::Loopback => !loopback_named,
        Reach::Never => true,
    }
}

/// The addresses of a host, checked.
///
/// # Errors
/// `PC-0616` when there are none, or one is never connected to.
pub(crate) async fn addresses(host: &str, port: u16) -> Result<Vec<IpAddr>, Fault> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found: Vec<IpAddr> = match bare.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => tokio::net::lookup_host((bare, port))
            .await
            .map_err(|error| Fault::new(Code::SOURCE_FETCH, format!("{host} cannot be looked up: {error}")))?
            .map(|address| address.ip())
            .collect(),
    };
    // One that is wrong among them is no accident.
    if let Some(wrong) = found.iter().find(|address| is_forbidden(**address, is_loopback(bare))) {
        return Err(Fault::new(Code::SOURCE_FETCH, format!("{host} stands for {wrong}, which is never connected to"))
            .remedy("Modules are not fetched from this machine, its link or a cloud's metadata service."));
    }
    if found.is_empty() {
        return Err(Fault::new(Code::SOURCE_FETCH, format!("{host} stands for no address")));
    }
    Ok(found)
}

/// Looks names up for the HTTP client.
pub(crate) struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = addresses(name.as_str(), 0).await?;
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_reached_only_by_its_own_name() {
        for (address, named, forbidden) in [
            ("127.0.0.1", false, true),
            ("127.0.0.1", true, false),
            ("169.254.169.254", true, true),
            ("10.1.2.3", false, false),
            ("140.82.112.3", false, false),
        ] {
            assert_eq!(is_forbidden(address.parse().unwrap(), named), forbidden, "{address}");
        }
    }

    #[tokio::test]
    async fn what_only_looks_like_a_name_is_looked_up_all_the_same() {
        for host in ["0x7f000001", "2130706433", "127.1", "0177.0.0.1", "169.254.169.254"] {
            // Some systems do not take these spellings at all, which is as good.
            assert!(addresses(host, 443).await.is_err(), "{host}");
        }
        assert!(addresses("127.0.0.1", 443).await.is_ok());
    }
}
