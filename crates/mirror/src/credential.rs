//! How a private repository is opened.
//!
//! A token goes to git as configuration in git's own environment: not in its argument list, which every
//! process of the host may read, and not in a file that a crash would leave behind. It is bound to the
//! repository's URL, so a redirect or a submodule would not get it. An SSH key stays in its file; `ssh` is
//! told the file's name.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::{Code, Fault};

use crate::RepositoryUrl;
use crate::address::Transport;

/// Largest credential file.
const TOKEN_MAX_BYTES: u64 = 16 * 1024;

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

/// What git is told for one fetch, and what must not be repeated of its messages.
#[derive(Default)]
pub(crate) struct Grant {
    /// Configuration, passed in the environment.
    pub config: Vec<(String, String)>,
    /// The command for `ssh`.
    pub ssh_command: Option<String>,
    secrets: Vec<String>,
}

impl Grant {
    /// For a URL and its credential, read now.
    pub fn new(url: &RepositoryUrl, credential: Option<&Credential>) -> Result<Self, Fault> {
        match (url.transport(), credential) {
            (Transport::Https | Transport::Http, Some(Credential::Token(token))) => Self::token(url, token),
            (Transport::Https | Transport::Http, Some(Credential::TokenFile(path))) => {
                Self::token(url, &read_token(path)?)
            }
            (Transport::Ssh, Some(Credential::SshKey { key, known_hosts })) => {
                let command = ssh_command(key, known_hosts)?;
                Ok(Grant { ssh_command: Some(command), ..Grant::default() })
            }
            (Transport::Ssh, None) => Err(misfit("an `ssh` URL needs a key and known hosts")),
            (_, None) => Ok(Grant::default()),
            (Transport::Ssh, Some(_)) => Err(misfit("a token is for `https`, the URL is `ssh`")),
            (Transport::File, Some(_)) => Err(misfit("a repository on disk takes no credential")),
            (_, Some(Credential::SshKey { .. })) => Err(misfit("an SSH key is for `ssh`, the URL is `https`")),
        }
    }

    fn token(url: &RepositoryUrl, text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(misfit("the token is empty or contains a control character"));
        }
        // The forges take any user with a token; this is the name that GitHub's Apps need.
        let (user, secret) = text.split_once(':').unwrap_or(("x-access-token", text));
        let encoded = STANDARD.encode(format!("{user}:{secret}"));
        let header = format!("Authorization: Basic {encoded}");
        Ok(Grant {
            config: vec![(format!("http.{}.extraHeader", url.as_str()), header)],
            ssh_command: None,
            secrets: vec![encoded, text.to_owned(), secret.to_owned()],
        })
    }

    /// Adds a proxy, whose URL may hold a password.
    pub fn add_proxy(&mut self, proxy: &str) {
        self.config.push(("http.proxy".to_owned(), proxy.to_owned()));
        self.secrets.push(proxy.to_owned());
        if let Some((login, _)) = proxy.rsplit_once('@') {
            let login = login.rsplit_once("//").map_or(login, |(_, login)| login);
            self.secrets.extend(login.split_once(':').map(|(_, password)| password.to_owned()));
        }
    }

    /// A message without the secrets.
    pub fn hide(&self, text: &str) -> String {
        self.secrets
            .iter()
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret, "(hidden)"))
    }
}

fn read_token(path: &Path) -> Result<String, Fault> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path).and_then(|file| file.take(TOKEN_MAX_BYTES).read_to_string(&mut text)).map_err(
        |error| {
            Fault::new(Code::GIT_CREDENTIAL, format!("the credential file {} cannot be read: {error}", path.display()))
                .remedy("Give a file with `token` or `user:token` that the runner's user may read.")
        },
    )?;
    Ok(text)
}

/// The command for `ssh`: its own configuration and no other, the given host keys and no others, no agent,
/// no questions. Git hands it to a shell, so the paths may hold nothing that one would act on.
fn ssh_command(key: &Path, known_hosts: &Path) -> Result<String, Fault> {
    let plain = |path: &Path| {
        path.to_str()
            .filter(|text| {
                text.starts_with('/') && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c))
            })
            .filter(|_| path.is_file())
            .map(str::to_owned)
            .ok_or_else(|| {
                misfit(&format!("{} is no file, no absolute path, or has unusual characters", path.display()))
            })
    };
    let (key, known_hosts) = (plain(key)?, plain(known_hosts)?);
    Ok(format!(
        "ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none -o IdentityFile={key} \
         -o StrictHostKeyChecking=yes -o UserKnownHostsFile={known_hosts} -o GlobalKnownHostsFile=/dev/null \
         -o UpdateHostKeys=no -o ForwardAgent=no -o ClearAllForwardings=yes -o ConnectTimeout=20"
    ))
}

fn misfit(why: &str) -> Fault {
    Fault::new(Code::GIT_CREDENTIAL, format!("the repository's credential cannot be used: {why}"))
        .remedy("Give a token file for an `https` URL, a key and a `known_hosts` file for `ssh`, nothing for a path.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> RepositoryUrl {
        RepositoryUrl::parse(text).unwrap()
    }

    #[test]
    fn a_token_is_bound_to_its_url_and_hidden_in_messages() {
        let grant = Grant::new(&url("https://host/x"), Some(&Credential::Token("me:hunter22".into()))).unwrap();
        assert_eq!(grant.config[0].0, "http.https://host/x.extraHeader");
        assert_eq!(grant.config[0].1, format!("Authorization: Basic {}", STANDARD.encode("me:hunter22")));
        let shown = grant.hide(&format!("bad hunter22 and {}", STANDARD.encode("me:hunter22")));
        assert_eq!(shown, "bad (hidden) and (hidden)");
        assert!(!format!("{:?}", Credential::Token("hunter22".into())).contains("hunter22"));
    }

    #[test]
    fn a_file_is_read_anew_and_a_missing_one_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let credential = Credential::TokenFile(path.clone());
        let fault = Grant::new(&url("https://host/x"), Some(&credential)).err().unwrap();
        assert_eq!(fault.code(), Code::GIT_CREDENTIAL);
        for token in ["one\n", "two\n"] {
            std::fs::write(&path, token).unwrap();
            let grant = Grant::new(&url("https://host/x"), Some(&credential)).unwrap();
            let wanted = STANDARD.encode(format!("x-access-token:{}", token.trim()));
            assert_eq!(grant.config[0].1, format!("Authorization: Basic {wanted}"));
        }
        // A second line would be a header of its own.
        std::fs::write(&path, "one\ntwo").unwrap();
        assert!(Grant::new(&url("https://host/x"), Some(&credential)).is_err());
    }

    #[test]
    fn a_credential_has_to_fit_the_url() {
        let key = Credential::SshKey { key: "/k".into(), known_hosts: "/h".into() };
        let token = Credential::Token("t".into());
        for (address, credential) in [
            ("https://host/x", Some(&key)),
            ("git@host:x", Some(&token)),
            ("git@host:x", None),
            ("/srv/x", Some(&token)),
        ] {
            let fault = Grant::new(&url(address), credential).err().unwrap();
            assert_eq!(fault.code(), Code::GIT_CREDENTIAL, "{address}");
        }
    }

    #[test]
    fn paths_that_a_shell_would_act_on_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = dir.path().join("known_hosts");
        let odd = dir.path().join("$(touch x)");
        std::fs::write(&hosts, "").unwrap();
        std::fs::write(&odd, "").unwrap();
        assert!(ssh_command(&odd, &hosts).is_err());
        assert!(ssh_command(Path::new("relative"), &hosts).is_err());
        assert!(ssh_command(&hosts, &hosts).unwrap().contains("StrictHostKeyChecking=yes"));
    }
}
