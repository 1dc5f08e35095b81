//! Which URLs a repository may have.
//!
//! Four transports and nothing else. Git's remote helpers (`ext::`, `fd::`, …) run programs that the URL
//! names; they are refused here, and once more by git itself, which is told the one protocol it may use.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use portcullis_model::{Code, Fault};

const URL_MAX_BYTES: usize = 2048;

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Https,
    /// On loopback alone.
    Http,
    Ssh,
    File,
}

impl Transport {
    /// The name under which git allows it (`GIT_ALLOW_PROTOCOL`).
    pub fn protocol(self) -> &'static str {
        match self {
            Transport::Https => "https",
            Transport::Http => "http",
            Transport::Ssh => "ssh",
            Transport::File => "file",
        }
    }
}

/// A repository's URL, checked. Holds no secret, so it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryUrl {
    text: String,
    transport: Transport,
}

impl RepositoryUrl {
    /// Checks a URL: `https://…`, `ssh://…` or `user@host:path`, `file:///…` or an absolute path, and
    /// `http://` on loopback. A user or password in an `http(s)` URL is refused: give it as a
    /// [`crate::Credential`], since a URL is shown and ends up in places that are read.
    ///
    /// # Errors
    /// `PC-0802`, without the URL's secrets.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let transport = check(text).map_err(|why| {
            // The text itself is not shown: what is wrong with it may be a password in it.
            Fault::new(Code::GIT_PROTOCOL, format!("the repository's URL is not allowed: {why}")).remedy(
                "Use `https://host/path`, `ssh://user@host/path`, `user@host:path`, `file:///path` or an absolute path.",
            )
        })?;
        Ok(RepositoryUrl { text: text.to_owned(), transport })
    }

    /// The URL as git is given it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port, without brackets; for `http` and `https` alone.
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        let (scheme, rest) = self.text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "https" | "http"))?;
        let authority = rest.split('/').next()?;
        let host = host_of(authority, true).ok()?;
        let default = if scheme == "https" { 443 } else { 80 };
        let after = authority.rsplit(']').next().unwrap_or(authority);
        let port = after.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(default);
        Some((host, port))
    }

    /// What tells curl to connect there for this host: `host:port:address,address`.
    pub(crate) fn pinned_to(&self, addresses: &[IpAddr]) -> Option<String> {
        let (host, port) = self.host_and_port().filter(|_| !addresses.is_empty())?;
        // An address is connected to as it is.
        if host.parse::<IpAddr>().is_ok() {
            return None;
        }
        let shown = addresses.iter().map(|address| match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        });
        Some(format!("{host}:{port}:{}", shown.collect::<Vec<_>>().join(",")))
    }

    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for RepositoryUrl {
    type Err = Fault;
    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::parse(text)
    }
}

fn check(text: &str) -> Result<Transport, &'static str> {
    if text.is_empty() || text.len() > URL_MAX_BYTES {
        return Err("it is empty or longer than 2048 bytes");
    }
    if text.chars().any(|c| c.is_control() || c == '\\') {
        return Err("it contains a control character or a backslash");
    }
    if text.starts_with('/') {
        return Ok(Transport::File);
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return match scheme {
            "file" if rest.starts_with('/') => Ok(Transport::File),
            "file" => Err("a `file` URL has three slashes"),
            "https" => http(rest).map(|_| Transport::Https),
            "http" if is_loopback(http(rest)?) => Ok(Transport::Http),
            "http" => Err("`http` is for loopback alone"),
            "ssh" => {
                let (authority, path) = rest.split_once('/').ok_or("it has no path")?;
                ssh_authority(authority, true)?;
                plain_path(path)?;
                Ok(Transport::Ssh)
            }
            _ => Err("its scheme is not `https`, `ssh` or `file`"),
        };
    }
    // `user@host:path`. A helper's `ext::…` has no user, and `::` is no path.
    let (authority, path) = text.split_once(':').ok_or("it is neither a URL nor an absolute path")?;
    if authority.contains('/') || !authority.contains('@') || path.starts_with(':') {
        return Err("it is neither a URL nor `user@host:path`");
    }
    ssh_authority(authority, false)?;
    plain_path(path)?;
    Ok(Transport::Ssh)
}

/// The host of what follows `http(s)://`.
fn http(rest: &str) -> Result<&str, &'static str> {
    let (authority, path) = rest.split_once('/').ok_or("it has no path")?;
    if rest.contains('@') {
        return Err("it contains a user or a password; give that as the repository's credential");
    }
    plain_path(path)?;
    host_of(authority, true)
}

fn ssh_authority(authority: &str, port_allowed: bool) -> Result<(), &'static str> {
    let host = match authority.rsplit_once('@') {
        None => authority,
        Some((user, host)) => {
            let plain = user.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
            if user.contains(':') {
                return Err("it contains a password");
            }
            if user.is_empty() || user.starts_with('-') || !plain {
                return Err("its user is not understood");
            }
            host
        }
    };
    host_of(host, port_allowed).map(|_| ())
}

/// The host, without its port. One that starts with `-` would be an option of `ssh`.
fn host_of(authority: &str, port_allowed: bool) -> Result<&str, &'static str> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let plain = host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:_".contains(c));
    if host.is_empty() || host.starts_with('-') || !plain {
        return Err("its host is not understood");
    }
    match port {
        Some(_) if !port_allowed => Err("its port is not understood"),
        Some(port) if port.parse::<u16>().is_err() => Err("its port is not understood"),
        _ => Ok(host),
    }
}

fn plain_path(path: &str) -> Result<(), &'static str> {
    if path.is_empty() || path.starts_with('-') {
        return Err("its path is empty or starts with `-`");
    }
    // A query may hold a token, and no git server needs one.
    if path.contains(['?', '#', ' ']) {
        return Err("its path contains `?`, `#` or a space");
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_transports_are_taken() {
        for (good, transport) in [
            ("https://github.com/acme/live", Transport::Https),
            ("https://git.acme.example:8443/live.git", Transport::Https),
            ("http://127.0.0.1:8080/live.git", Transport::Http),
            ("http://[::1]:8080/live.git", Transport::Http),
            ("http://localhost/live.git", Transport::Http),
            ("ssh://git@github.com/acme/live", Transport::Ssh),
            ("ssh://git@git.acme.example:2222/acme/live", Transport::Ssh),
            ("git@github.com:acme/live.git", Transport::Ssh),
            ("file:///srv/git/live.git", Transport::File),
            ("/srv/git/my live.git", Transport::File),
        ] {
            assert_eq!(RepositoryUrl::parse(good).map(|url| url.transport()), Ok(transport), "{good}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "",
            "ext::sh -c touch% /tmp/x",
            "ext::https://x/y",
            "fd::17",
            "git://github.com/acme/live",
            "ftp://x/y",
            "http://github.com/acme/live",
            "http://127.0.0.1.evil.example/x",
            "http://127.0.0.1@evil.example/x",
            "HTTPS://x/y",
            "https://-oProxyCommand=x/y",
            "ssh://-oProxyCommand=touch/x",
            "ssh://git@-oProxyCommand=touch/x",
            "ssh://-l@host/x",
            "-oProxyCommand=x@host:y",
            "git@-oProxyCommand=x:y",
            "git@host:-x",
            "host:path",
            "../relative",
            "relative",
            "--upload-pack=touch /tmp/x",
            "file://host/x",
            "https://host",
            "https://host/",
            "https://host/x?token=1",
            "https://host/x\nremote",
            "C:\\repo",
        ] {
            let fault = RepositoryUrl::parse(bad).expect_err(bad);
            assert_eq!(fault.code(), Code::GIT_PROTOCOL, "{bad}");
        }
    }

    #[test]
    fn a_host_is_pinned_to_its_addresses() {
        let addresses: Vec<IpAddr> = ["192.0.2.7".parse().unwrap(), "2001:db8::1".parse().unwrap()].into();
        for (url, pin) in [
            ("https://github.com/acme/live", Some("github.com:443:192.0.2.7,[2001:db8::1]")),
            ("https://git.acme.example:8443/live.git", Some("git.acme.example:8443:192.0.2.7,[2001:db8::1]")),
            ("http://localhost/live.git", Some("localhost:80:192.0.2.7,[2001:db8::1]")),
            ("http://[::1]:8080/live.git", None),
            ("git@github.com:acme/live.git", None),
        ] {
            assert_eq!(RepositoryUrl::parse(url).unwrap().pinned_to(&addresses).as_deref(), pin, "{url}");
        }
        assert_eq!(RepositoryUrl::parse("https://github.com/acme/live").unwrap().pinned_to(&[]), None);
    }

    #[test]
    fn a_refusal_does_not_repeat_the_password() {
        for bad in ["https://user:hunter2@host/x", "https://hunter2@host/x", "ssh://git:hunter2@host/x"] {
            let fault = RepositoryUrl::parse(bad).unwrap_err();
            let shown = format!("{fault} {fault:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
