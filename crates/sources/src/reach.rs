//! Which addresses are never connected to, whatever name stands for them.
//!
//! The fleet names hosts, not addresses, and whoever keeps a host's name decides what it stands for. Private networks
//! are reached: that is where many keep their modules. This machine, its link and the places where clouds hand out
//! credentials are not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use portcullis_model::source::is_loopback;
use portcullis_model::{Code, Fault};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Where clouds hand out credentials, besides the link-local addresses: Azure, Alibaba, Oracle.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
/// The same over IPv6: Google Cloud, Oracle, Scaleway.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];
/// The network of AWS's services for an instance: metadata, and credentials of EKS pods.
const AWS_V6: [u16; 2] = [0xfd00, 0xec2];

/// Whether an address is never connected to. Loopback is, for a host that is named as such.
pub(crate) fn is_forbidden(address: IpAddr, loopback_named: bool) -> bool {
    match address {
        IpAddr::V4(address) => is_forbidden_v4(address, loopback_named),
        IpAddr::V6(address) => {
            if let Some(inner) = embedded(address) {
                return is_forbidden_v4(inner, loopback_named);
            }
            (address.is_loopback() && !loopback_named)
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unicast_link_local()
                || METADATA_V6.contains(&address)
                || address.segments().starts_with(&AWS_V6)
        }
    }
}

fn is_forbidden_v4(address: Ipv4Addr, loopback_named: bool) -> bool {
    (address.is_loopback() && !loopback_named)
        // `0.0.0.0/8` is this machine to some.
        || address.octets().first() == Some(&0)
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_link_local()
        || METADATA_V4.contains(&address)
}

/// The IPv4 address in an IPv6 one: mapped, compatible, translated (RFC 2765), NAT64 (RFC 6052, and RFC 8215 where it
/// ends with the address), 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0, 0, 0, 0, 0xffff, 0] => Some(v4(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0] | [0x64, 0xff9b, 1, ..] => Some(v4(high, low)),
        [0, 0, 0, 0, 0, 0] if high != 0 => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
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
    fn no_way_leads_to_this_machine_or_to_credentials() {
        for wrong in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2002:7f00:1::",
            "fe80::1",
            "64:ff9b:1::a9fe:a9fe",
            "::ffff:0:a9fe:a9fe",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "fd20:ce::254",
            "ff02::1",
        ] {
            assert!(is_forbidden(wrong.parse().unwrap(), false), "{wrong}");
        }
        for right in ["140.82.112.3", "10.1.2.3", "192.168.1.1", "100.64.0.1", "2606:50c0::1", "fd12::1"] {
            assert!(!is_forbidden(right.parse().unwrap(), false), "{right}");
        }
        assert!(!is_forbidden("127.0.0.1".parse().unwrap(), true));
        assert!(is_forbidden("169.254.169.254".parse().unwrap(), true));
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
