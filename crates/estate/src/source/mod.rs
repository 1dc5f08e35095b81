//! Where an estate is read from: [`Source`], with git objects at a commit ([`GitSource`]) and a plain
//! folder ([`DirSource`]). [`Checkout`] finds both for the command line.
//!
//! A source answers for exact paths and never follows a symbolic link, not even one in the middle of a
//! path: following links, inside the repository only, is the job of the reader above it. So one check keeps
//! both kinds of source inside the repository.
//!
//! Besides content a source gives *identities*: of a file ([`Source::id`]), of what a folder lists
//! ([`Source::names`]), of all below a folder ([`Source::tree`]). Equal identities mean equal content; they
//! are what makes an evaluation of one commit usable at another.

mod checkout;
mod dir;
mod git;
mod tree;

use std::sync::Arc;

use gix::ObjectId;
use gix::objs::Kind;
use portcullis_model::{Code, Digest, DigestBuilder, Fault};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use checkout::{Checkout, Range};
pub use dir::DirSource;
pub use git::{GitObjects, GitSource};

/// Largest file that a source hands out, in bytes.
pub const FILE_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A tree of files that does not change while it is used. Paths are relative to the repository's root with `/`
/// between parts; `.` is the root.
pub trait Source: Send + Sync {
    /// The entry at a path, or `None` when there is none. A path through a symbolic link has no entry.
    ///
    /// # Errors
    /// When the entry exists but cannot be read, or is larger than [`FILE_MAX_BYTES`].
    fn read(&self, path: &str) -> Result<Option<Entry>, Fault>;

    /// The entries of a folder sorted by name, or `None` when there is no such folder.
    ///
    /// # Errors
    /// When the folder exists but cannot be read.
    fn list(&self, dir: &str) -> Result<Option<Vec<DirEntry>>, Fault>;

    /// What is at a path, without its content.
    ///
    /// # Errors
    /// As [`Source::read`].
    fn look(&self, path: &str) -> Result<Look, Fault> {
        for (end, _) in path.match_indices('/') {
            match self.read(path.get(..end).unwrap_or("."))? {
                Some(Entry::Symlink { .. }) => return Ok(Look::BehindLink),
                Some(Entry::Dir) => {}
                _ => return Ok(Look::Absent),
            }
        }
        Ok(self.read(path)?.map_or(Look::Absent, |entry| Look::At(entry.kind())))
    }

    /// The identity of a file's or link's content; `None` when there is neither at the path.
    ///
    /// # Errors
    /// As [`Source::read`].
    fn id(&self, path: &str) -> Result<Option<ContentId>, Fault> {
        match self.read(path)? {
            Some(Entry::File { bytes, .. }) => ContentId::of(&bytes).map(Some),
            Some(Entry::Symlink { target }) => ContentId::of(target.as_bytes()).map(Some),
            _ => Ok(None),
        }
    }

    /// The identity of what [`Source::list`] gives.
    ///
    /// # Errors
    /// As [`Source::list`].
    fn names(&self, dir: &str) -> Result<Option<Digest>, Fault> {
        let Some(entries) = self.list(dir)? else { return Ok(None) };
        Ok(Some(names_digest(entries.iter().map(|entry| (entry.name.as_str(), entry.kind)))))
    }

    /// The identity of all below a folder: names, kinds and contents. `None` when there is no such folder, or
    /// the source has none to give.
    ///
    /// # Errors
    /// When the folder exists but cannot be read.
    fn tree(&self, dir: &str) -> Result<Option<ContentId>, Fault> {
        let _ = dir;
        Ok(None)
    }
}

/// The identity of content: what git names it by. Two contents of one identity are not known to exist, and an
/// attempt to make them is refused, by git when it receives them and by [`ContentId::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId([u8; 20]);

impl ContentId {
    /// Of a file's bytes.
    ///
    /// # Errors
    /// `PC-0803` when the bytes were made to collide with others.
    pub fn of(bytes: &[u8]) -> Result<Self, Fault> {
        let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, Kind::Blob, bytes)
            .map_err(|error| Fault::new(Code::GIT_OBJECT, format!("a file cannot be named by its content: {error}")))?;
        ContentId::from_git(id)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn from_git(id: ObjectId) -> Result<Self, Fault> {
        id.as_bytes()
            .try_into()
            .map(ContentId)
            .map_err(|_| Fault::new(Code::GIT_OBJECT, "only repositories with SHA-1 object ids are understood"))
    }
}

impl Serialize for ContentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&ObjectId::Sha1(self.0))
    }
}

impl<'de> Deserialize<'de> for ContentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let id = ObjectId::from_hex(text.as_bytes()).map_err(serde::de::Error::custom)?;
        ContentId::from_git(id).map_err(serde::de::Error::custom)
    }
}

/// What is at a path, links not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Look {
    /// Nothing, and no link on the way.
    Absent,
    /// A folder on the way is a link: the path has no entry, whatever is behind it.
    BehindLink,
    /// An entry.
    At(EntryKind),
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File {
        /// Its content.
        bytes: Arc<[u8]>,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symbolic link.
    Symlink {
        /// What it points to, as it is written in the link.
        target: String,
    },
    /// A folder.
    Dir,
    /// A git submodule, which is never read.
    Submodule,
}

impl Entry {
    /// What it is.
    pub fn kind(&self) -> EntryKind {
        match self {
            Entry::File { executable, .. } => EntryKind::File { executable: *executable },
            Entry::Symlink { .. } => EntryKind::Symlink,
            Entry::Dir => EntryKind::Dir,
            Entry::Submodule => EntryKind::Submodule,
        }
    }
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The name, without folders.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// The kind of a [`DirEntry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EntryKind {
    /// A file.
    File {
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symbolic link.
    Symlink,
    /// A folder.
    Dir,
    /// A git submodule.
    Submodule,
}

impl EntryKind {
    /// A number for digests.
    pub(crate) fn number(self) -> u8 {
        match self {
            EntryKind::File { executable: false } => 0,
            EntryKind::File { executable: true } => 1,
            EntryKind::Symlink => 2,
            EntryKind::Dir => 3,
            EntryKind::Submodule => 4,
        }
    }
}

pub(crate) fn names_digest<'a>(entries: impl Iterator<Item = (&'a str, EntryKind)>) -> Digest {
    let mut digest = DigestBuilder::new("portcullis names v1");
    for (name, kind) in entries {
        digest.text(name).number(u64::from(kind.number()));
    }
    digest.finish()
}
