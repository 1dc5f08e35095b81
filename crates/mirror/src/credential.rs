//! How a private repository is opened.

use std::fmt;
use std::path::PathBuf;

/// A repository's credential. Never shown; reaches git's own environment only.
#[derive(Clone)]
pub enum Credential {
    /// For `https`: the secret itself, `token` or `user:token`.
    Token(String),
    /// For `https`: a file that holds `token` or `user:token`. Read again for every fetch, so it may rotate.
    TokenFile(PathBuf),
    /// For `ssh`: a private key without a passphrase, and the host keys that are trusted.
    SshKey {
        /// The private key's file.
        key: PathBuf,
        /// A `known_hosts` file.
        known_hosts: PathBuf,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credential::Token(_) => f.write_str("Token(hidden)"),
            Credential::TokenFile(path) => write!(f, "TokenFile({})", path.display()),
            Credential::SshKey { key, .. } => write!(f, "SshKey({})", key.display()),
        }
    }
}
