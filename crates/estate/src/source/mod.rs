//! Where an estate is read from: [`Source`], with git objects at a commit ([`GitSource`]) and a plain
//! folder ([`DirSource`]).
//!
//! A source answers for exact paths and never follows a symbolic link, not even one in the middle of a
//! path: following links, inside the repository only, is the job of the reader above it. So one check keeps
//! both kinds of source inside the repository.

mod dir;
mod git;

use std::sync::Arc;

use portcullis_model::Fault;

pub use dir::DirSource;
pub use git::GitSource;

/// Largest file that a source hands out, in bytes.
pub const FILE_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A tree of files. Paths are relative to the repository's root with `/` between parts; `.` is the root.
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

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The name, without folders.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// The kind of a [`DirEntry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
