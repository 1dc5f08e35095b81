//! Where a module comes from that is not in the repository: the text of `source`, read as go-getter reads it, and the
//! places that a fleet allows.
//!
//! The text is a stranger's: whoever may push a branch writes it. So it is taken apart here, strictly, into the few
//! things that are fetched, and nothing of it reaches a program or a connection that was not understood. What is
//! allowed is decided over the [`RemoteSource::address`], which has one spelling for each place.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::id::quoted;
use crate::{BranchName, Code, CommitId, Digest, Fault};

/// Longest text of a source, in bytes.
pub const SOURCE_MAX_BYTES: usize = 2048;
/// Hosts that need no scheme.
const FORGES: [&str; 3] = ["github.com/", "gitlab.com/", "bitbucket.org/"];

/// A module's source outside of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteSource {
    /// What is fetched.
    pub kind: SourceKind,
    /// The folder in it: what follows `//`. Empty when there is none. A part may be `*`.
    pub sub: String,
}

/// What is fetched for a source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// A git repository.
    Git {
        /// Its URL: `https`, `ssh`, or `http` on loopback.
        url: String,
        /// What of it.
        at: GitRef,
    },
    /// A file over HTTP: an archive, or a page that says where the archive is.
    Http {
        /// Its URL, without what is meant for the one who fetches.
        url: String,
        /// What kind of archive it is. `None`: it is none, but a page.
        archive: Option<ArchiveKind>,
        /// What it must be.
        checksum: Option<Checksum>,
    },
    /// A module of a registry.
    Registry {
        /// The registry's host. `None`: the tool's default one.
        host: Option<String>,
        /// `namespace/name/provider`.
        module: String,
        /// The version. `None`: the newest.
        version: Option<String>,
    },
}

/// What of a repository is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GitRef {
    /// The head of its default branch.
    Default,
    /// A tag or a branch.
    Name(BranchName),
    /// A commit.
    Commit(CommitId),
}

/// Kinds of archives that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArchiveKind {
    /// `.zip`
    Zip,
    /// `.tar`
    Tar,
    /// `.tar.gz`, `.tgz`
    TarGz,
    /// `.tar.zst`, `.tzst`
    TarZst,
    /// `.tar.bz2`, `.tbz2`
    TarBz2,
    /// `.tar.xz`, `.txz`
    TarXz,
}

/// What an archive must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Checksum {
    /// SHA-256.
    Sha256(Digest),
    /// SHA-512, as hexadecimal digits in lower case.
    Sha512(String),
}

/// How firmly a source names one content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinning {
    /// By the content itself: a commit, a checksum.
    Content,
    /// By a name that somebody keeps: a tag, a branch, a version, a URL.
    Name,
    /// Not at all: whatever is newest.
    Nothing,
}

/// Whether the text of a `source` names something outside of the repository.
pub fn is_remote(text: &str) -> bool {
    text.contains("::") || text.contains("://") || FORGES.iter().any(|host| text.starts_with(host)) || is_scp(text)
}

/// `user@host:path`.
fn is_scp(text: &str) -> bool {
    text.split_once(':').is_some_and(|(login, _)| {
        login.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !login.contains('/'))
    })
}

impl RemoteSource {
    /// Reads a source.
    ///
    /// # Errors
    /// `PC-0419`: it is not understood, or nothing that is fetched. What may be a password in it is not repeated.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        parse(text).map_err(|why| {
            Fault::new(Code::SOURCE_SYNTAX, format!("the module's source is not taken: {why}")).remedy(
                "Use `git::https://host/path//sub?ref=…`, `git@host:path`, `https://host/path.zip` or \
                 `tfr://host/namespace/name/provider?version=…`.",
            )
        })
    }

    /// The place in the one spelling that is allowed or not: `host/path` in lower-case host, without scheme, user,
    /// default port, `.git` and query.
    pub fn address(&self, default_registry: &str) -> String {
        match &self.kind {
            SourceKind::Git { url, .. } => address_of(url),
            SourceKind::Http { url, .. } => address_of(url),
            SourceKind::Registry { host, module, .. } => {
                format!("{}/{module}", host.as_deref().unwrap_or(default_registry))
            }
        }
    }

    /// How firmly it names one content.
    pub fn pinning(&self) -> Pinning {
        match &self.kind {
            SourceKind::Git { at: GitRef::Commit(_), .. } | SourceKind::Http { checksum: Some(_), .. } => {
                Pinning::Content
            }
            SourceKind::Git { at: GitRef::Default, .. } | SourceKind::Registry { version: None, .. } => {
                Pinning::Nothing
            }
            SourceKind::Git { .. } | SourceKind::Http { .. } | SourceKind::Registry { .. } => Pinning::Name,
        }
    }
}

impl fmt::Display for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sub = if self.sub.is_empty() { String::new() } else { format!("//{}", self.sub) };
        match &self.kind {
            SourceKind::Git { url, at } => {
                write!(f, "git::{url}{sub}")?;
                match at {
                    GitRef::Default => Ok(()),
                    GitRef::Name(name) => write!(f, "?ref={name}"),
                    GitRef::Commit(commit) => write!(f, "?ref={commit}"),
                }
            }
            // What is after `?` may be a token, and this is shown.
            SourceKind::Http { url, .. } => write!(f, "{}{sub}", url.split('?').next().unwrap_or_default()),
            SourceKind::Registry { host, module, version } => {
                write!(f, "tfr://{}/{module}{sub}", host.as_deref().unwrap_or_default())?;
                version.as_ref().map_or(Ok(()), |version| write!(f, "?version={version}"))
            }
        }
    }
}

/// `host/path` of a checked URL.
pub fn address_of(url: &str) -> String {
    let url = url.split('?').next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or(("ssh", url));
    let (login, path) = match rest.split_once('/') {
        // `user@host:path`: the colon is no port there.
        Some((login, path)) if url.contains("://") => (login, path.to_owned()),
        _ => rest.split_once(':').map_or((rest, String::new()), |(login, path)| (login, path.to_owned())),
    };
    let host = login.rsplit_once('@').map_or(login, |(_, host)| host).to_ascii_lowercase();
    let default = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => ":22",
    };
    let host = host.strip_suffix(default).unwrap_or(&host);
    let path = path.trim_matches('/');
    format!("{host}/{}", path.strip_suffix(".git").unwrap_or(path))
}

/// Whether a host, as it is written, is this machine.
pub fn is_loopback(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn parse(text: &str) -> Result<RemoteSource, String> {
    if text.is_empty() || text.len() > SOURCE_MAX_BYTES {
        return Err(format!("it is empty or longer than {SOURCE_MAX_BYTES} bytes"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\' || c == '#') {
        return Err("it contains a space, a control character, a backslash or `#`".into());
    }
    let (forced, rest) = match text.split_once("::") {
        Some((forced, rest)) if forced.chars().all(|c| c.is_ascii_alphanumeric()) && !forced.is_empty() => {
            (Some(forced), rest)
        }
        _ => (None, text),
    };
    if rest.contains("::") {
        return Err("it has more than one `::`".into());
    }
    let (url, sub, query) = split(rest);
    let sub = folder(sub)?;
    let query = pairs(query)?;
    let kind = match (forced, scheme(url)) {
        (Some("git") | None, Some("ssh")) | (Some("git"), Some("https" | "http")) => git(url, &query)?,
        (Some("git") | None, None) if is_scp(url) => git(url, &query)?,
        (Some("git") | None, None) if FORGES.iter().any(|host| url.starts_with(host)) => {
            let (url, deeper) = forge(url)?;
            let sub = join(&deeper, &sub);
            return Ok(RemoteSource { kind: git(&url, &query)?, sub });
        }
        (None, Some("tfr")) => registry(url, &query)?,
        (Some("https" | "http") | None, Some("https" | "http")) => http(url, &query)?,
        (_, Some(scheme)) => return Err(format!("`{scheme}://` is not fetched from")),
        (Some(forced), _) => return Err(format!("`{forced}::` is not fetched from")),
        (None, None) => return Err("it is not understood".into()),
    };
    Ok(RemoteSource { kind, sub })
}

/// URL, what follows `//`, and the query: as go-getter's `SourceDirSubdir`.
fn split(text: &str) -> (&str, &str, &str) {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let after = path.find("://").map_or(0, |at| at + 3);
    match path.get(after..).and_then(|rest| rest.find("//")) {
        Some(at) => (path.get(..after + at).unwrap_or_default(), path.get(after + at + 2..).unwrap_or_default(), query),
        None => (path, "", query),
    }
}

fn scheme(url: &str) -> Option<&str> {
    url.split_once("://").map(|(scheme, _)| scheme)
}

fn join(a: &str, b: &str) -> String {
    [a, b].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

/// The folder after `//`.
fn folder(sub: &str) -> Result<String, String> {
    let sub = sub.trim_matches('/');
    let odd = |part: &str| matches!(part, "" | "." | "..") || part.starts_with('-') || part.contains(['%', ':']);
    if !sub.is_empty() && sub.split('/').any(odd) {
        return Err("the folder after `//` has an empty part, `.`, `..` or an odd one".into());
    }
    Ok(sub.to_owned())
}

/// The pairs of a query, decoded.
fn pairs(query: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name)?, decoded(value)?);
        if pairs.iter().any(|(known, _)| *known == name) {
            return Err(format!("{} is given twice", quoted(&name)));
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut left = text.as_bytes();
    loop {
        left = match left {
            [] => break,
            [b'%', high, low, rest @ ..] => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let (Some(high), Some(low)) = (digit(high), digit(low)) else {
                    return Err("a `%` in its query is not followed by two hexadecimal digits".into());
                };
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest
            }
            [b'%', ..] => return Err("a `%` in its query is not followed by two hexadecimal digits".into()),
            [b'+', rest @ ..] => {
                bytes.push(b' ');
                rest
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
    let text = String::from_utf8(bytes).map_err(|_| "its query is not UTF-8")?;
    if text.chars().any(char::is_control) { Err("its query has a control character".into()) } else { Ok(text) }
}

/// `github.com/org/name/deeper` → the repository's URL and the folder in it.
fn forge(text: &str) -> Result<(String, String), String> {
    let parts: Vec<&str> = text.trim_end_matches('/').split('/').collect();
    let [host, org, name, deeper @ ..] = parts.as_slice() else {
        return Err("a forge's address is `host/organization/repository`".into());
    };
    let name = name.strip_suffix(".git").unwrap_or(name);
    Ok((format!("https://{host}/{org}/{name}.git"), folder(&deeper.join("/"))?))
}

fn git(url: &str, query: &[(String, String)]) -> Result<SourceKind, String> {
    let mut at = GitRef::Default;
    for (name, value) in query {
        match name.as_str() {
            "ref" => at = git_ref(value)?,
            // How much of the history is fetched does not change what is meant.
            "depth" if value.parse::<u32>().is_ok() => {}
            "depth" => return Err("`depth` is no whole number".into()),
            "sshkey" => return Err("a key in a source is refused; the runner has its own".into()),
            _ => return Err(format!("git takes no {} in its query", quoted(name))),
        }
    }
    let url = if is_scp(url) && scheme(url).is_none() {
        let (login, path) = url.split_once(':').unwrap_or_default();
        format!("ssh://{login}/{}", path.trim_start_matches('/'))
    } else {
        url.to_owned()
    };
    check_url(&url, "git")?;
    Ok(SourceKind::Git { url, at })
}

fn git_ref(text: &str) -> Result<GitRef, String> {
    if text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let commit = CommitId::parse(&text.to_ascii_lowercase()).map_err(|fault| fault.message().to_owned())?;
        return Ok(GitRef::Commit(commit));
    }
    let name = text.strip_prefix("refs/tags/").or_else(|| text.strip_prefix("refs/heads/")).unwrap_or(text);
    let name = BranchName::parse(name).map_err(|_| format!("`ref` {} is no name of a tag or branch", quoted(text)))?;
    Ok(GitRef::Name(name))
}

fn http(url: &str, query: &[(String, String)]) -> Result<SourceKind, String> {
    check_url(url, "http")?;
    let (mut archive, mut checksum, mut kept) = (None, None, Vec::new());
    for (name, value) in query {
        match name.as_str() {
            "archive" => archive = Some(archive_kind(value).ok_or_else(|| not_an_archive(value))?),
            "checksum" => checksum = Some(checksum_of(value)?),
            "filename" => return Err("`filename` is for single files; a module is an archive".into()),
            _ => kept.push(format!("{}={}", encoded(name), encoded(value))),
        }
    }
    if archive.is_none() {
        let name = url.rsplit('/').next().unwrap_or_default();
        archive = archive_of_name(name)?;
    }
    let url = if kept.is_empty() { url.to_owned() } else { format!("{url}?{}", kept.join("&")) };
    Ok(SourceKind::Http { url, archive, checksum })
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The archive that a file's name says it is.
fn archive_of_name(name: &str) -> Result<Option<ArchiveKind>, String> {
    const OTHERS: [&str; 6] = [".bz2", ".xz", ".gz", ".zst", ".7z", ".rar"];
    let name = name.to_ascii_lowercase();
    let known = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"];
    match known.iter().find(|ending| name.ends_with(*ending)) {
        Some(ending) => Ok(archive_kind(ending.trim_start_matches('.'))),
        None => match OTHERS.iter().find(|ending| name.ends_with(*ending)) {
            Some(ending) => Err(not_an_archive(ending)),
            None => Ok(None),
        },
    }
}

fn archive_kind(name: &str) -> Option<ArchiveKind> {
    match name {
        "zip" => Some(ArchiveKind::Zip),
        "tar" => Some(ArchiveKind::Tar),
        "tar.gz" | "tgz" => Some(ArchiveKind::TarGz),
        "tar.zst" | "tzst" => Some(ArchiveKind::TarZst),
        "tar.bz2" | "tbz2" => Some(ArchiveKind::TarBz2),
        "tar.xz" | "txz" => Some(ArchiveKind::TarXz),
        _ => None,
    }
}

fn not_an_archive(what: &str) -> String {
    format!(
        "{} is no archive that is taken: `zip`, `tar`, `tar.gz`, `tar.bz2`, `tar.xz` and `tar.zst` are",
        quoted(what)
    )
}

fn checksum_of(text: &str) -> Result<Checksum, String> {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (kind, digits) = match text.split_once(':') {
        Some((kind, digits)) => (kind, digits),
        None if text.len() == 128 => ("sha512", text),
        None => ("sha256", text),
    };
    let digits_lower = digits.to_ascii_lowercase();
    match kind {
        "sha256" => {
            digits_lower.parse().map(Checksum::Sha256).map_err(|_| "`checksum` has not 64 hexadecimal digits".into())
        }
        "sha512" if digits.len() == 128 && hex(digits) => Ok(Checksum::Sha512(digits_lower)),
        "sha512" => Err("`checksum` has not 128 hexadecimal digits".into()),
        "md5" | "sha1" => Err(format!("a checksum by {kind} proves nothing any more; give `sha256:…`")),
        _ => Err("`checksum` is `sha256:…` or `sha512:…`".into()),
    }
}

fn registry(url: &str, query: &[(String, String)]) -> Result<SourceKind, String> {
    let rest = url.strip_prefix("tfr://").unwrap_or_default();
    let (host, module) = rest.split_once('/').ok_or("a registry's address is `tfr://host/namespace/name/provider`")?;
    let host = match host {
        "" => None,
        host => {
            check_url(&format!("https://{host}/x"), "http")?;
            Some(host.to_ascii_lowercase())
        }
    };
    let module = module.trim_end_matches('/');
    let plain = |part: &str| {
        !part.is_empty()
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    if module.split('/').count() != 3 || !module.split('/').all(plain) {
        return Err("a registry's address is `tfr://host/namespace/name/provider`".into());
    }
    let mut version = None;
    for (name, value) in query {
        let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c));
        match name.as_str() {
            "version" if plain && value.starts_with(|c: char| c.is_ascii_digit() || c == 'v') => {
                version = Some(value.clone());
            }
            "version" => return Err(format!("{} is no version; name one exactly", quoted(value))),
            _ => return Err(format!("a registry takes no {} in its query", quoted(name))),
        }
    }
    Ok(SourceKind::Registry { host, module: module.to_owned(), version })
}

/// A URL that is fetched: what would mean something else to one program than to another is refused.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_url(url: &str, kind: &str) -> Result<(), String> {
    let path_and_host = url.split('?').next().unwrap_or_default();
    let (scheme, rest) = path_and_host.split_once("://").ok_or("it has no scheme")?;
    let (authority, path) = rest.split_once('/').ok_or("it has no path")?;
    let host = match authority.rsplit_once('@') {
        None => authority,
        Some((user, host)) => {
            let plain = user.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
            if scheme != "ssh" {
                return Err("it contains a user or a password; the runner has its own credentials".into());
            }
            if user.contains(':') || user.is_empty() || user.starts_with('-') || !plain {
                return Err("its user is odd, or a password".into());
            }
            host
        }
    };
    let bare = host_name(host)?;
    match (kind, scheme) {
        (_, "https") | ("git", "ssh") => {}
        (_, "http") if is_loopback(bare) => {}
        (_, "http") => return Err("`http` is for loopback alone; use `https`".into()),
        _ => return Err(format!("`{scheme}://` is not fetched from")),
    }
    let path = path.trim_end_matches('/');
    let low = path.to_ascii_lowercase();
    let hidden = ["%2e", "%2f", "%5c", "%25", "%00"].iter().any(|code| low.contains(code));
    let odd = |part: &str| matches!(part, "" | "." | "..") || part.starts_with('-');
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._~+@:,=!%-".contains(c);
    if hidden || path.split('/').any(odd) || !path.chars().all(plain) {
        return Err("its path is empty, or has `.`, `..`, an empty part or an odd character".into());
    }
    Ok(())
}

/// The host without its port.
fn host_name(host: &str) -> Result<&str, String> {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, rest)) if name.parse::<std::net::Ipv6Addr>().is_ok() => (name, rest.strip_prefix(':')),
        Some(_) => return Err("its host is not understood".into()),
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)) || host.starts_with('[');
    if name.is_empty() || !plain || name.starts_with(['-', '.']) || name.ends_with('.') {
        return Err("its host is not understood".into());
    }
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return Err("its port is not understood".into());
    }
    Ok(name)
}

/// Places that a fleet allows modules to be fetched from: `github.com/acme/*`, `registry.terraform.io/*/*/*`.
/// `*` is one part of the path, `**` at the end is one or more; the host is named exactly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourcePattern(String);

impl SourcePattern {
    /// Parses and checks.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > SOURCE_MAX_BYTES || text.contains("://") || text.contains("::") || text.contains(['?', '@']) {
            return Err("it is `host/path`, without a scheme, a user or a query".into());
        }
        let (host, path) = text.split_once('/').ok_or("it has no path; `host/**` allows all of a host")?;
        host_name(host)?;
        if host.chars().any(|c| c.is_ascii_uppercase()) {
            return Err("a host is written in lower case".into());
        }
        let parts: Vec<&str> = path.split('/').collect();
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            match *part {
                "*" => {}
                "**" if last => {}
                "**" => return Err("`**` can only be its last part".into()),
                "" | "." | ".." => return Err("it has an empty part, `.` or `..`".into()),
                part if part.contains('*') => return Err("`*` stands for a whole part of the path".into()),
                part if last && part.ends_with(".git") => return Err("write it without `.git`".into()),
                _ => {}
            }
        }
        Ok(SourcePattern(text.to_owned()))
    }

    /// Whether an address ([`RemoteSource::address`]) fits.
    pub fn allows(&self, address: &str) -> bool {
        let mut wanted = self.0.split('/');
        let mut given = address.split('/');
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some("**"), Some(_)) => return true,
                (Some("*"), Some(part)) if !part.is_empty() => {}
                (Some(wanted), Some(part)) if wanted == part => {}
                _ => return false,
            }
        }
    }

    /// The host, as it is written.
    pub fn host(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SourcePattern {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl fmt::Display for SourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for SourcePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn shown(text: &str) -> (String, String) {
        let source = RemoteSource::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        (source.to_string(), source.address("registry.terraform.io"))
    }

    #[test]
    fn sources_are_read_as_go_getter_reads_them() {
        for (text, canonical, address) in [
            (
                "git::https://github.com/acme/modules.git//vpc?ref=v1.2.0",
                "git::https://github.com/acme/modules.git//vpc?ref=v1.2.0",
                "github.com/acme/modules",
            ),
            (
                "git@github.com:acme/modules.git//a/b?ref=main",
                "git::ssh://git@github.com/acme/modules.git//a/b?ref=main",
                "github.com/acme/modules",
            ),
            (
                "github.com/acme/modules//vpc?ref=v1&depth=1",
                "git::https://github.com/acme/modules.git//vpc?ref=v1",
                "github.com/acme/modules",
            ),
            (
                "github.com/acme/modules/vpc/inner",
                "git::https://github.com/acme/modules.git//vpc/inner",
                "github.com/acme/modules",
            ),
            (
                "git::git@git.acme.example:infra/modules.git?ref=refs/tags/v1",
                "git::ssh://git@git.acme.example/infra/modules.git?ref=v1",
                "git.acme.example/infra/modules",
            ),
            (
                "git::ssh://git@Git.Acme.Example:2222/infra/modules.git",
                "git::ssh://git@Git.Acme.Example:2222/infra/modules.git",
                "git.acme.example:2222/infra/modules",
            ),
            ("https://x.example:443/m/a.zip", "https://x.example:443/m/a.zip", "x.example/m/a.zip"),
            (
                "https://x.example/m/latest//sub?archive=tar.gz&token=a%20b",
                "https://x.example/m/latest//sub",
                "x.example/m/latest",
            ),
            (
                "tfr:///terraform-aws-modules/vpc/aws//modules/x?version=5.1.0",
                "tfr:///terraform-aws-modules/vpc/aws//modules/x?version=5.1.0",
                "registry.terraform.io/terraform-aws-modules/vpc/aws",
            ),
            ("tfr://Reg.Example/a/b/c", "tfr://reg.example/a/b/c", "reg.example/a/b/c"),
            ("git::http://127.0.0.1:8080/m.git", "git::http://127.0.0.1:8080/m.git", "127.0.0.1:8080/m"),
        ] {
            assert!(is_remote(text), "{text}");
            assert_eq!(shown(text), (canonical.to_owned(), address.to_owned()), "{text}");
        }
    }

    #[test]
    fn how_firmly_a_source_is_pinned() {
        let digest = "a".repeat(64);
        for (text, pinning) in [
            (format!("github.com/a/b?ref={COMMIT}"), Pinning::Content),
            (format!("https://x.example/a.zip?checksum=sha256:{digest}"), Pinning::Content),
            (format!("https://x.example/a.zip?checksum={digest}"), Pinning::Content),
            ("github.com/a/b?ref=v1".into(), Pinning::Name),
            ("https://x.example/a.zip".into(), Pinning::Name),
            ("tfr:///a/b/c?version=1.0.0".into(), Pinning::Name),
            ("github.com/a/b".into(), Pinning::Nothing),
            ("tfr:///a/b/c".into(), Pinning::Nothing),
        ] {
            assert_eq!(RemoteSource::parse(&text).unwrap().pinning(), pinning, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            "",
            "ext::sh -c x",
            "ext::sh",
            "git::ext::sh",
            "git::file:///etc",
            "file:///etc",
            "git::/etc",
            "git://github.com/a/b",
            "git::git://github.com/a/b",
            "s3::https://s3.amazonaws.com/b/k.zip",
            "hg::https://x.example/y",
            "oci://x.example/y",
            "http://x.example/a.zip",
            "git::http://github.com/a/b",
            "https://127.0.0.1.nip.example@evil.example/a.zip",
            "https://user:hunter2@x.example/a.zip",
            "git::https://hunter2@github.com/a/b",
            "git::ssh://git:hunter2@github.com/a/b",
            "git::ssh://-oProxyCommand=x/a/b",
            "git::ssh://-l@host/a/b",
            "git::https://-x/a",
            "git::https://github.com/a/../b",
            "git::https://github.com/a/%2e%2E/b",
            "git::https://github.com/a/..%2fb",
            "git::https://github.com/a//../../b",
            "git::https://github.com/a/b//-x",
            "git::https://github.com/-a/b",
            "git::https://github.com/a/b?ref=--upload-pack=x",
            "git::https://github.com/a/b?ref=a..b",
            "git::https://github.com/a/b?ref=v1%0a",
            "git::https://github.com/a/b?ref=v1&ref=v2",
            "git::https://github.com/a/b?sshkey=AAAA",
            "git::https://github.com/a/b?upload-pack=x",
            "git::https://github.com/a/b?depth=x",
            "git::https://github.com./a/b",
            "git::https://github.com:0/a/b",
            "git::https://github.com:99999/a/b",
            "git::https://[::ffff:1.2.3.4%25eth0]/a/b",
            "git::https://github.com/a/b#c",
            "git::https://github.com",
            "github.com/acme",
            "https://x.example/a.zip?archive=rar",
            "https://x.example/a.zip?archive=false",
            "https://x.example/a.xz",
            "https://x.example/a.bz2",
            "https://x.example/a.zip?checksum=md5:00",
            "https://x.example/a.zip?checksum=file:https://evil.example/sums",
            "https://x.example/a.zip?filename=x",
            "tfr://x.example/a/b",
            "tfr://x.example/a/b/c/d",
            "tfr://x.example/a/../c?version=1.0.0",
            "tfr://x.example/a/b/c?version=~> 1.0",
            "tfr://x.example/a/b/c?version=%3E%3D1.0",
            "tfr://user@x.example/a/b/c",
            "https://x.example/a\\b.zip",
        ] {
            let fault = RemoteSource::parse(bad).expect_err(bad);
            assert_eq!(fault.code(), Code::SOURCE_SYNTAX, "{bad}");
            assert!(!fault.to_string().contains("hunter2"), "{fault}");
        }
    }

    #[test]
    fn a_pattern_allows_what_it_names_and_nothing_near() {
        let allows = |pattern: &str, address: &str| SourcePattern::parse(pattern).unwrap().allows(address);
        assert!(allows("github.com/acme/*", "github.com/acme/modules"));
        assert!(!allows("github.com/acme/*", "github.com/acme/a/b"));
        assert!(!allows("github.com/acme/*", "github.com/acme"));
        assert!(!allows("github.com/acme/*", "github.com/acme-evil/modules"));
        assert!(!allows("github.com/acme/*", "github.com.evil.example/acme/modules"));
        assert!(!allows("github.com/acme/*", "github.com:8443/acme/modules"));
        assert!(allows("x.example/m/**", "x.example/m/a/b.zip"));
        assert!(!allows("x.example/m/**", "x.example/m"));
        assert!(allows("registry.terraform.io/*/*/*", "registry.terraform.io/a/b/c"));
        for bad in [
            "github.com",
            "*/acme/modules",
            "*.github.com/acme/x",
            "https://github.com/acme/x",
            "git::github.com/a/b",
            "github.com/ac*/x",
            "github.com/**/x",
            "github.com/a/../b",
            "github.com//b",
            "GitHub.com/a/b",
            "github.com/a/b.git",
            "user@github.com/a/b",
        ] {
            assert!(SourcePattern::parse(bad).is_err(), "{bad}");
        }
    }
}
