//! Credentials for places that modules are fetched from. Each is bound to the places that it is declared for, and goes
//! nowhere else: not along with a redirect, not to another repository of the same host.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_mirror::Credential;
use portcullis_model::{Code, Fault, SourcePattern};

/// Largest credential file, in bytes.
const FILE_MAX_BYTES: u64 = 16 * 1024;

/// A credential and what it is for.
#[derive(Debug, Clone)]
pub struct SourceCredential {
    /// The places.
    pub place: SourcePattern,
    /// The credential.
    pub credential: Credential,
}

/// How a token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// As a registry wants it.
    Bearer,
    /// As file servers want it, if it is `user:token`.
    File,
}

/// The credential for an address: the first that is declared for it.
pub(crate) fn find<'c>(all: &'c [SourceCredential], address: &str, ssh: bool) -> Option<&'c Credential> {
    let fits = |found: &&SourceCredential| {
        found.place.allows(address) && matches!(found.credential, Credential::SshKey { .. }) == ssh
    };
    all.iter().find(fits).map(|found| &found.credential)
}

/// The `Authorization` header for an address.
///
/// # Errors
/// `PC-0804` when the credential cannot be read.
pub(crate) fn header(all: &[SourceCredential], address: &str, scheme: Scheme) -> Result<Option<String>, Fault> {
    let text = match find(all, address, false) {
        Some(Credential::Token(text)) => text.clone(),
        Some(Credential::TokenFile(path)) => read(path)?,
        Some(Credential::SshKey { .. }) | None => return Ok(None),
    };
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Fault::new(Code::GIT_CREDENTIAL, "a module's credential is empty or has a control character")
            .remedy("Give a file with `token` or `user:token`."));
    }
    Ok(Some(match (scheme, text.contains(':')) {
        (Scheme::File, true) => format!("Basic {}", STANDARD.encode(text)),
        _ => format!("Bearer {text}"),
    }))
}

fn read(path: &Path) -> Result<String, Fault> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(FILE_MAX_BYTES).read_to_string(&mut text));
    read.map_err(|error| {
        Fault::new(Code::GIT_CREDENTIAL, format!("the credential file {} cannot be read: {error}", path.display()))
            .remedy("Give a file with `token` or `user:token` that the runner's user may read.")
    })?;
    Ok(text)
}

impl SourceCredential {
    /// Reads `PLACE=FILE`: a file with `token` or `user:token`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (place, file) = place_and_file(text)?;
        Ok(SourceCredential { place, credential: Credential::TokenFile(file) })
    }
}

/// Reads `PLACE=FILE`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn place_and_file(text: &str) -> Result<(SourcePattern, PathBuf), String> {
    let (place, file) = text.rsplit_once('=').ok_or("it is not PLACE=FILE")?;
    if file.is_empty() {
        return Err("it names no file".into());
    }
    Ok((SourcePattern::parse(place)?, PathBuf::from(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_for_its_place_alone() {
        let token = |place: &str, text: &str| SourceCredential {
            place: SourcePattern::parse(place).unwrap(),
            credential: Credential::Token(text.into()),
        };
        let all = [token("x.example/acme/**", "me:t1"), token("registry.example/*/*/*", "t2")];
        let header = |address: &str, scheme| header(&all, address, scheme).unwrap();
        assert_eq!(header("x.example/acme/a.zip", Scheme::File), Some(format!("Basic {}", STANDARD.encode("me:t1"))));
        assert_eq!(header("registry.example/a/b/c", Scheme::Bearer).as_deref(), Some("Bearer t2"));
        for elsewhere in ["x.example/other/a.zip", "x.example.evil/acme/a.zip", "x.example:8443/acme/a.zip"] {
            assert_eq!(header(elsewhere, Scheme::File), None, "{elsewhere}");
        }
    }

    #[test]
    fn an_option_names_a_place_and_a_file() {
        let parsed = SourceCredential::parse("github.com/acme/*=/run/secrets/modules").unwrap();
        assert_eq!(parsed.place.as_str(), "github.com/acme/*");
        for bad in ["github.com/acme/*", "github.com/acme/*=", "=/run/x", "https://github.com/acme=/run/x"] {
            assert!(SourceCredential::parse(bad).is_err(), "{bad}");
        }
    }
}
