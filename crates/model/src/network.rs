//! Where something may connect: how an address is classed, and a host as a fleet names it.
//!
//! Pure: names are looked up elsewhere, and each address that a name stands for is classed here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::id::quoted;
use crate::source::is_loopback;

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
/// Longest name of a host, in bytes (RFC 1035).
const HOST_MAX_BYTES: usize = 253;

/// What kind of place an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Somewhere on the internet.
    Public,
    /// A private network: RFC 1918, RFC 6598 (carrier-grade NAT), RFC 4193 (IPv6), RFC 2544 (benchmarks).
    Private,
    /// This machine.
    Loopback,
    /// Nothing that anybody has to connect to: a cloud's metadata service, the link, multicast, broadcast, reserved.
    Never,
}

impl Reach {
    /// Classes an address. An IPv6 address that stands for an IPv4 one is what that is.
    pub fn of(address: IpAddr) -> Reach {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => embedded(address).map_or_else(|| of_v6(address), of_v4),
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reach::Public => "a public address",
            Reach::Private => "an address of a private network",
            Reach::Loopback => "this machine",
            Reach::Never => "a metadata service, the link, or no address of a host",
        })
    }
}

fn of_v4(address: Ipv4Addr) -> Reach {
    let [a, b, ..] = address.octets();
    match (a, b) {
        (127, _) => Reach::Loopback,
        _ if METADATA_V4.contains(&address) => Reach::Never,
        // `0.0.0.0/8` is this machine to some; `240.0.0.0/4` is reserved, broadcast among it.
        (0 | 224.., _) | (169, 254) => Reach::Never,
        (10, _) | (172, 16..=31) | (192, 168) | (100, 64..=127) | (198, 18 | 19) => Reach::Private,
        _ => Reach::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Reach {
    if address.is_loopback() {
        return Reach::Loopback;
    }
    let never = address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || METADATA_V6.contains(&address)
        || address.segments().starts_with(&AWS_V6);
    match address.segments() {
        _ if never => Reach::Never,
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Reach::Private,
        _ => Reach::Public,
    }
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

/// How a host is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// The scheme's own port.
    pub fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// A host that may be connected to: `github.com`, `git.example.com:8443`, `http://10.0.0.5:5000`. One host and one
/// port; no patterns. Names are in lower case, and an address is spelled in the one way that Rust and Go print it, so
/// that two spellings of one place cannot differ in what they may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// How.
    pub scheme: Scheme,
    /// The name, or an address (IPv6 without brackets).
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Target {
    /// From a host as the fleet definition writes it: `https` and its port unless it says otherwise.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, authority) = match text.split_once("://") {
            None => (Scheme::Https, text),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            Some((other, _)) => return Err(format!("{} is neither `http` nor `https`", quoted(other))),
        };
        if authority.contains(['/', '?', '#']) {
            return Err("a host has no path: it is allowed as a whole".into());
        }
        if authority.chars().any(|c| c.is_ascii_uppercase()) {
            return Err("a host is written in lower case".into());
        }
        Self::of_authority(scheme, authority)
    }

    /// From the authority of a request (`host`, `host:port`), of any case.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn of_authority(scheme: Scheme, authority: &str) -> Result<Self, String> {
        if authority.contains('@') {
            return Err("it names a user".into());
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or("its `[` is not closed")?;
                let address: Ipv6Addr = host.parse().map_err(|_| "it is no IPv6 address".to_owned())?;
                if address.to_string() != host.to_ascii_lowercase() {
                    return Err(format!("the address is spelled {address}"));
                }
                let port = match rest {
                    "" => None,
                    rest => Some(rest.strip_prefix(':').ok_or("what follows `]` is no port")?),
                };
                (address.to_string(), port)
            }
            None => {
                let (host, port) = match authority.split_once(':') {
                    None => (authority, None),
                    Some((host, port)) => (host, Some(port)),
                };
                (name(host)?, port)
            }
        };
        let port = match port {
            None => scheme.port(),
            Some(text) => text
                .parse::<u16>()
                .ok()
                .filter(|port| *port != 0 && port.to_string() == text)
                .ok_or_else(|| format!("{} is no port", quoted(text)))?,
        };
        Ok(Target { scheme, host, port })
    }

    /// The address, if the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether it is this machine, as it is written.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// The authority, with the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.port() { host } else { format!("{host}:{}", self.port) }
    }
}

/// A name in lower case, or an IPv4 address in its one spelling.
fn name(host: &str) -> Result<String, String> {
    if host.is_empty() || host.len() > HOST_MAX_BYTES {
        return Err(format!("the host is empty or longer than {HOST_MAX_BYTES} bytes"));
    }
    if host.contains('*') {
        return Err("a host is named exactly; there are no patterns".into());
    }
    let plain = |label: &str| {
        let edge = label.starts_with('-') || label.ends_with('-');
        (1..=63).contains(&label.len()) && !edge && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    if !host.split('.').all(plain) {
        return Err("the host is no name: letters, digits, `-` and `_`, in parts with dots between".into());
    }
    // What ends in a number is an address to every resolver (WHATWG URL), in whatever odd spelling.
    let last = host.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let numeric = last.bytes().all(|b| b.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err("the host is no name and no address in the form 192.0.2.1".into());
    }
    Ok(host.to_ascii_lowercase())
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scheme == Scheme::Http {
            f.write_str("http://")?;
        }
        f.write_str(&self.authority())
    }
}

impl FromStr for Target {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Target::parse(text)
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_they_stand_for() {
        use Reach::{Loopback, Never, Private, Public};
        for (address, reach) in [
            ("140.82.112.3", Public),
            ("2606:50c0::1", Public),
            ("172.15.0.1", Public),
            ("172.32.0.1", Public),
            ("10.1.2.3", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.1.1", Private),
            ("100.64.0.1", Private),
            ("198.18.0.1", Private),
            ("fd12::1", Private),
            ("fec0::1", Private),
            ("::ffff:10.0.0.1", Private),
            ("64:ff9b::a00:1", Private),
            ("127.0.0.1", Loopback),
            ("127.9.9.9", Loopback),
            ("::1", Loopback),
            ("::ffff:127.0.0.1", Loopback),
            ("2002:7f00:1::", Loopback),
            ("0.0.0.0", Never),
            ("0.1.2.3", Never),
            ("169.254.169.254", Never),
            ("169.254.170.2", Never),
            ("168.63.129.16", Never),
            ("100.100.100.200", Never),
            ("224.0.0.1", Never),
            ("240.0.0.1", Never),
            ("255.255.255.255", Never),
            ("::", Never),
            ("::ffff:169.254.169.254", Never),
            ("::169.254.169.254", Never),
            ("64:ff9b::a9fe:a9fe", Never),
            ("64:ff9b:1::a9fe:a9fe", Never),
            ("::ffff:0:a9fe:a9fe", Never),
            ("2002:a9fe:a9fe::1", Never),
            ("fe80::1", Never),
            ("ff02::1", Never),
            ("fd00:ec2::254", Never),
            ("fd00:ec2::23", Never),
            ("fd00:c1::a9fe:a9fe", Never),
            ("fd00:42::42", Never),
            ("fd20:ce::254", Never),
        ] {
            assert_eq!(Reach::of(address.parse().unwrap()), reach, "{address}");
        }
    }

    #[test]
    fn a_target_has_one_spelling() {
        for (text, shown) in [
            ("github.com", "github.com"),
            ("https://github.com:443", "github.com"),
            ("http://moto.example:80", "http://moto.example"),
            ("git.example.com:8443", "git.example.com:8443"),
            ("10.0.0.5:5000", "10.0.0.5:5000"),
            ("[::1]:8080", "[::1]:8080"),
            ("a_b.example", "a_b.example"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.to_string(), shown);
            assert_eq!(Target::parse(shown).unwrap(), target);
        }
        for wrong in [
            "",
            "*.example.com",
            "GitHub.com",
            "github.com/acme",
            "git://x",
            "user@github.com",
            "github.com:",
            "github.com:0",
            "github.com:0443",
            "github.com:65536",
            "github.com.",
            ".com",
            "a..b",
            "-a.example",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "1.2.3.4.5",
            "1.2.3.256",
            "[::1",
            "[::0001]",
            "[1.2.3.4]",
            "::1",
            "exämple.com",
            "a b",
            "a\n.example",
            "host%00.example",
            "x:80:90",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            Target::of_authority(Scheme::Https, "GitHub.COM:443").unwrap(),
            Target::parse("github.com").unwrap()
        );
    }
}
