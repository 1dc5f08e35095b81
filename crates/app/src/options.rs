//! `serve`'s options, checked: what a runner is started with.
//!
//! Everything else comes from `portcullis.hcl` at the head of the protected branch.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use portcullis_model::{AccountName, BranchName, Code, Fault};
use portcullis_sources::SourceCredential;

/// What `portcullis serve` was started with.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The account that this runner serves.
    pub account: AccountName,
    /// Where the fleet's repository is fetched from.
    pub fleet_url: String,
    /// The branch that `portcullis.hcl` is read from.
    pub protected: BranchName,
    /// The runner's data folder.
    pub data: PathBuf,
    /// The address to listen on. Port 0 takes a free one: see `ready_file`.
    pub listen: SocketAddr,
    /// How the connection is kept private.
    pub transport: Transport,
    /// The credential for `fleet_url`.
    pub credential: Option<RepositoryCredential>,
    /// Credentials for places that modules are fetched from.
    pub source_credentials: Vec<SourceCredential>,
    /// Folders with the secrets that the fleet definition names, a file each.
    pub secrets: Vec<PathBuf>,
    /// The OpenTofu or Terraform program; found on `PATH` when not given.
    pub tool: Option<PathBuf>,
    /// The Terragrunt program, for the driver of that name; found on `PATH` when not given.
    pub terragrunt: Option<PathBuf>,
    /// The `portcullis-agent` program; found beside `portcullis` when not given.
    pub agent: Option<PathBuf>,
    /// Tasks at a time; the account's own limit when not given.
    pub parallel: Option<NonZeroU32>,
    /// How long running tasks are given at shutdown before they are interrupted.
    pub shutdown_grace: Duration,
    /// Written (atomically) with the base URL once the API answers; removed at exit.
    pub ready_file: Option<PathBuf>,
    /// `PATH` of this process, to find programs on.
    pub search_path: Option<String>,
}

/// How a runner's listener is kept private.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// No TLS. Only on a loopback address.
    Loopback,
    /// TLS by certificate chain and key (PEM).
    Tls {
        /// The certificate chain.
        cert: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// Plain HTTP, because something in front of the runner terminates TLS.
    TerminatedUpstream {
        /// Who does, in the operator's words: shown at start.
        by: String,
    },
}

impl Transport {
    /// Checks what was asked for against the address.
    ///
    /// # Errors
    /// `PC-0006` for options that exclude or need each other, `PC-0005` for a public address without TLS.
    pub fn check(
        listen: SocketAddr,
        cert: Option<PathBuf>,
        key: Option<PathBuf>,
        upstream: Option<String>,
    ) -> Result<Self, Fault> {
        match (cert, key, upstream) {
            (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                Err(Fault::new(Code::BAD_OPTION, "`--tls-cert` and `--tls-terminated-upstream` exclude each other")
                    .remedy("Say which one terminates TLS: this runner, or what is in front of it."))
            }
            (Some(cert), Some(key), None) => Ok(Transport::Tls { cert, key }),
            (Some(_), None, None) | (None, Some(_), None) => {
                Err(Fault::new(Code::BAD_OPTION, "`--tls-cert` and `--tls-key` need each other")
                    .remedy("Give both PEM files."))
            }
            (None, None, Some(by)) if by.trim().is_empty() => {
                Err(Fault::new(Code::BAD_OPTION, "`--tls-terminated-upstream` does not say who terminates TLS")
                    .remedy("Name it, such as `--tls-terminated-upstream \"the internal load balancer\"`."))
            }
            (None, None, Some(by)) => Ok(Transport::TerminatedUpstream { by }),
            (None, None, None) if listen.ip().is_loopback() => Ok(Transport::Loopback),
            (None, None, None) => Err(Fault::new(
                Code::INSECURE_LISTEN,
                format!("{listen} is not a loopback address, and there is no TLS"),
            )
            .remedy(
                "Give `--tls-cert` and `--tls-key`, or say with `--tls-terminated-upstream WHO` what terminates \
                 TLS in front of this runner.",
            )),
        }
    }

    /// `https` if this runner speaks TLS itself.
    pub fn scheme(&self) -> &'static str {
        match self {
            Transport::Tls { .. } => "https",
            Transport::Loopback | Transport::TerminatedUpstream { .. } => "http",
        }
    }
}

/// Where the repository's credential comes from. It is never an argument.
#[derive(Clone, PartialEq, Eq)]
pub enum RepositoryCredential {
    /// A file that holds it.
    File(PathBuf),
    /// The text itself, from `PORTCULLIS_REPOSITORY_CREDENTIAL`.
    Text(String),
}

impl std::fmt::Debug for RepositoryCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RepositoryCredential::File(path) => f.debug_tuple("File").field(path).finish(),
            RepositoryCredential::Text(_) => f.write_str("Text(hidden)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listen: &str, cert: bool, key: bool, upstream: Option<&str>) -> Result<Transport, Code> {
        let file = |given: bool| given.then(|| PathBuf::from("f.pem"));
        Transport::check(listen.parse().unwrap(), file(cert), file(key), upstream.map(str::to_owned))
            .map_err(|fault| fault.code())
    }

    #[test]
    fn a_public_address_needs_tls() {
        assert_eq!(check("127.0.0.1:1", false, false, None), Ok(Transport::Loopback));
        assert_eq!(check("[::1]:1", false, false, None), Ok(Transport::Loopback));
        for public in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert_eq!(check(public, false, false, None), Err(Code::INSECURE_LISTEN), "{public}");
            assert!(check(public, true, true, None).is_ok());
            assert!(check(public, false, false, Some("the load balancer")).is_ok());
        }
    }

    #[test]
    fn half_of_tls_and_an_unnamed_terminator_are_refused() {
        for (cert, key, upstream) in
            [(true, false, None), (false, true, None), (true, true, Some("x")), (false, false, Some(" "))]
        {
            assert_eq!(check("0.0.0.0:1", cert, key, upstream), Err(Code::BAD_OPTION));
        }
    }

    #[test]
    fn a_credential_is_not_shown() {
        assert!(!format!("{:?}", RepositoryCredential::Text("hunter2".into())).contains("hunter2"));
    }
}
