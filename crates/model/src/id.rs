//! Names, paths, digests and ids. Each is made only by parsing, so a value of the type is a checked value.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::{Code, Fault};

/// Longest name of an account, fleet, principal, …, in bytes.
pub const NAME_MAX_BYTES: usize = 64;
/// Longest path of a unit, in bytes.
pub const UNIT_PATH_MAX_BYTES: usize = 1024;
/// Longest branch name, in bytes (git's own practical limit is the file system's).
pub const BRANCH_MAX_BYTES: usize = 255;

macro_rules! parsed_string {
    ($(#[$doc:meta])* $name:ident, $parse:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Parses and checks.
            ///
            /// # Errors
            /// A [`Fault`] that names the value and what is wrong with it.
            pub fn parse(text: &str) -> Result<Self, Fault> {
                let check: fn(&str) -> Result<(), Fault> = $parse;
                check(text)?;
                Ok(Self(text.into()))
            }
            /// The text.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Debug::fmt(&*self.0, f) }
        }
        impl FromStr for $name {
            type Err = Fault;
            fn from_str(s: &str) -> Result<Self, Fault> { Self::parse(s) }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str { &self.0 }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str(&self.0) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Shows outside input in a message: quoted, escaped, cut at 80 characters.
pub fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(80).collect();
    if cut.len() < text.len() { format!("{cut:?}… ({} bytes)", text.len()) } else { format!("{cut:?}") }
}

fn check_name(kind: &str, text: &str) -> Result<(), Fault> {
    let ok = !text.is_empty()
        && text.len() <= NAME_MAX_BYTES
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.');
    if ok {
        return Ok(());
    }
    Err(Fault::new(Code::BAD_NAME, format!("{} is no {kind} name", quoted(text))).remedy(format!(
        "Use 1 to {NAME_MAX_BYTES} of the characters A-Z a-z 0-9 - _ . and start with a letter or digit."
    )))
}

parsed_string!(
    /// The name of an account in the fleet definition, such as `prod`.
    AccountName, |t| check_name("account", t));
parsed_string!(
    /// The name of a fleet.
    FleetName, |t| check_name("fleet", t));
parsed_string!(
    /// The name of a principal in the fleet definition, such as `live-merge`.
    PrincipalName, |t| check_name("principal", t));
parsed_string!(
    /// The name of a repository in the fleet definition, such as `infrastructure-live`.
    RepositoryName, |t| check_name("repository", t));

parsed_string!(
    /// A branch: the part after `refs/heads/`, under the rules of `git check-ref-format`.
    BranchName, check_branch);

impl BranchName {
    /// Parses `main` or `refs/heads/main`. Another full ref (a tag, a pull request's ref) is refused.
    ///
    /// # Errors
    /// `PC-0112` when a ref of another kind is named, `PC-0111` when it is no valid name.
    pub fn parse_ref(text: &str) -> Result<Self, Fault> {
        if let Some(branch) = text.strip_prefix("refs/heads/") {
            return Self::parse(branch);
        }
        if text.starts_with("refs/") {
            return Err(Fault::new(Code::REF_NOT_A_BRANCH, format!("{} is not a branch", quoted(text)))
                .remedy("Name a branch: `main` or `refs/heads/main`."));
        }
        Self::parse(text)
    }

    /// `refs/heads/…`.
    pub fn full(&self) -> String {
        format!("refs/heads/{}", self.as_str())
    }
}

parsed_string!(
    /// A tag: the part after `refs/tags/`, under the rules of `git check-ref-format`.
    TagName, |t| check_ref("tag", t));

fn check_branch(text: &str) -> Result<(), Fault> {
    check_ref("branch", text)
}

fn check_ref(kind: &str, text: &str) -> Result<(), Fault> {
    let bad = |why: &str| {
        Err(Fault::new(Code::BAD_REF, format!("{} is no {kind} name: {why}", quoted(text)))
            .remedy(format!("Name a {kind} as git would accept it (`git check-ref-format --branch`).")))
    };
    if text.is_empty() {
        return bad("it is empty");
    }
    if text.len() > BRANCH_MAX_BYTES {
        return bad("it is longer than 255 bytes");
    }
    if text.starts_with('-') {
        return bad("it starts with `-`");
    }
    if text == "@" || text == "HEAD" || text.contains("@{") {
        return bad("it is git syntax, not a name");
    }
    if text.starts_with("refs/") {
        return bad("it is a full ref, not a name");
    }
    if text.contains("..") || text.contains("//") || text.ends_with('.') || text.ends_with('/') {
        return bad("it contains `..` or `//`, or ends with `.` or `/`");
    }
    if text.chars().any(|c| c.is_control() || c == ' ' || "~^:?*[\\\u{7f}".contains(c)) {
        return bad("it contains a character that git does not allow");
    }
    for part in text.split('/') {
        if part.is_empty() || part.starts_with('.') || part.ends_with(".lock") {
            return bad("a part is empty, starts with `.` or ends with `.lock`");
        }
    }
    Ok(())
}

parsed_string!(
/// A full commit id: 40 (SHA-1) or 64 (SHA-256) lowercase hexadecimal digits.
CommitId, |t| {
    if matches!(t.len(), 40 | 64) && t.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Ok(());
    }
    Err(Fault::new(Code::BAD_REF, format!("{} is no full commit id", quoted(t)))
        .remedy("Give all 40 or 64 lowercase hexadecimal digits."))
});

impl CommitId {
    /// The first ten digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}

parsed_string!(
    /// The folder of a unit: relative to the repository's root, `/` between parts, no `.` or `..`, `.`
    /// alone for the root itself.
    UnitPath, check_unit_path);

fn check_unit_path(text: &str) -> Result<(), Fault> {
    let bad = |why: &str| {
        Err(Fault::new(Code::BAD_UNIT_PATH, format!("{} is no unit path: {why}", quoted(text)))
            .remedy("Give the unit's folder relative to the repository's root, such as `dev/us-east-1/vpc`."))
    };
    if text == "." {
        return Ok(());
    }
    if text.is_empty() {
        return bad("it is empty");
    }
    if text.len() > UNIT_PATH_MAX_BYTES {
        return bad("it is longer than 1024 bytes");
    }
    if text.starts_with('/') {
        return bad("it is absolute");
    }
    if text.chars().any(|c| c.is_control() || c == '\\') {
        return bad("it contains a control character or a backslash");
    }
    for part in text.split('/') {
        match part {
            "" => return bad("a part is empty"),
            "." | ".." => return bad("it contains `.` or `..`"),
            p if p.starts_with('-') => return bad("a part starts with `-`"),
            p if p.eq_ignore_ascii_case(".git") => return bad("it names git's own folder"),
            _ => {}
        }
    }
    Ok(())
}

impl UnitPath {
    /// Whether this path is `folder` or below it. `.` holds everything.
    pub fn is_within(&self, folder: &str) -> bool {
        folder == "."
            || self.as_str() == folder
            || self.as_str().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// From a UUID (version 7: sorts by time of creation).
            pub fn from_uuid(id: Uuid) -> Self { Self(id) }
            /// The UUID.
            pub fn uuid(self) -> Uuid { self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.hyphenated().fmt(f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }
        impl FromStr for $name {
            type Err = Fault;
            fn from_str(text: &str) -> Result<Self, Fault> {
                // One id has one spelling: no braces, no `urn:`, no capitals.
                let id = Uuid::try_parse(text).map(Self).ok().filter(|id| id.to_string() == text);
                id.ok_or_else(|| {
                    Fault::new(Code::BAD_ID, format!("{} is no {} id", quoted(text), $kind))
                        .remedy("Copy the id as `portcullis run list` prints it.")
                })
            }
        }
    };
}

uuid_id!(
    /// One accepted request.
    RunId, "run");
uuid_id!(
    /// One unit's plan or apply in one sandbox.
    TaskId, "task");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_paths_that_leave_the_repository_are_refused() {
        for bad in [
            "",
            "/etc",
            "../x",
            "dev/../prod",
            "dev//vpc",
            "dev/./vpc",
            "dev/",
            "-rf",
            "dev/-x",
            "a\nb",
            "a\\b",
            ".git/hooks",
            "dev/.GIT",
            "..",
            &"x".repeat(1025),
        ] {
            assert!(UnitPath::parse(bad).is_err(), "{bad:?} was accepted");
        }
        for good in [".", "dev", "dev/us-east-1/data-stores/db", "dev/ünit", "dev/a b"] {
            assert!(UnitPath::parse(good).is_ok(), "{good:?} was refused");
        }
    }

    #[test]
    fn within_compares_whole_parts() {
        let unit = UnitPath::parse("dev-2/vpc").unwrap();
        assert!(!unit.is_within("dev"));
        assert!(unit.is_within("dev-2"));
        assert!(unit.is_within("."));
    }

    #[test]
    fn branches_follow_git_check_ref_format() {
        for bad in [
            "",
            "-x",
            "a..b",
            "a b",
            "a~1",
            "a^",
            "a:b",
            "x.lock",
            "a//b",
            "/a",
            "a/",
            ".a",
            "a/.b",
            "@",
            "a@{0}",
            "HEAD",
            "a\\b",
            "a\u{1}",
            "refs/tags/v1",
            "a.",
            "a[b",
        ] {
            assert!(BranchName::parse(bad).is_err(), "{bad:?} was accepted");
        }
        for good in ["main", "feature/x", "ü", "a.b", "v1", "a@b"] {
            assert!(BranchName::parse(good).is_ok(), "{good:?} was refused");
        }
        assert_eq!(BranchName::parse_ref("refs/heads/main").unwrap().as_str(), "main");
        assert_eq!(BranchName::parse_ref("refs/tags/v1").unwrap_err().code(), Code::REF_NOT_A_BRANCH);
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = "01890000-0000-7000-8000-00000000000a";
        assert_eq!(id.parse::<RunId>().unwrap().to_string(), id);
        for bad in [
            "",
            "latest",
            "01890000-0000-7000-8000-00000000000A",
            "0189000000007000800000000000000a",
            "{01890000-0000-7000-8000-00000000000a}",
            "urn:uuid:01890000-0000-7000-8000-00000000000a",
            " 01890000-0000-7000-8000-00000000000a",
            "../01890000-0000-7000-8000-00000000000a",
        ] {
            assert_eq!(bad.parse::<RunId>().unwrap_err().code(), Code::BAD_ID, "{bad}");
            assert_eq!(bad.parse::<TaskId>().unwrap_err().code(), Code::BAD_ID, "{bad}");
        }
    }

    #[test]
    fn outside_text_in_messages_is_escaped_and_cut() {
        let message = UnitPath::parse(&format!("/\u{1b}[31m{}", "x".repeat(500))).unwrap_err().to_string();
        assert!(!message.contains('\u{1b}') && message.len() < 200, "{message}");
    }
}
