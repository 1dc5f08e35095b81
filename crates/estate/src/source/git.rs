//! [`GitSource`]: a commit's tree, read from git objects. No checkout, no filters, no hooks, no configuration.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use gix::ObjectId;
use gix::objs::FindExt as _;
use gix::objs::tree::EntryKind as GitKind;
use gix::odb::pack::cache::DecodeEntry;
use portcullis_model::{Code, CommitId, Digest, Fault};

use super::tree::{Tree, TreeEntry};
use super::{ContentId, DirEntry, Entry, FILE_MAX_BYTES, Look, Source};
use crate::generations::Generations;

/// Largest tree object that is read, in bytes.
const TREE_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Most memory that decoding one object may take, in bytes: a delta is applied to a base of its size, twice.
const DECODE_MAX_BYTES: u64 = 4 * FILE_MAX_BYTES;
/// A buffer for decoding that is larger is not kept, in bytes.
const BUFFER_KEPT_BYTES: usize = 1024 * 1024;
/// Bases of deltas that stay in memory, in bytes.
const BASES_BYTES: usize = 16 * 1024 * 1024;
/// Blobs up to this size stay in memory, in bytes.
const CACHED_BLOB_MAX_BYTES: usize = 1024 * 1024;
/// All blobs that stay in memory, in bytes.
const CACHED_BLOBS_BYTES: usize = 16 * 1024 * 1024;
/// Fewer folders than this are not looked through for those that nobody uses any more.
const SWEEP_LEAST: usize = 1024;

/// A repository's objects, for all commits that are read from it. Folders are shared between commits.
pub struct GitObjects {
    repository: gix::ThreadSafeRepository,
    /// Handles that are not in use, each with a buffer.
    handles: Mutex<Vec<(gix::Repository, Vec<u8>)>>,
    bases: Arc<Bases>,
    trees: Mutex<Trees>,
    blobs: Mutex<Generations<ObjectId, Arc<[u8]>>>,
}

#[derive(Default)]
struct Trees {
    known: HashMap<ObjectId, Weak<Tree>>,
    sweep_at: usize,
}

impl GitObjects {
    /// Opens the repository at `git_dir` (a bare repository or a `.git` folder).
    ///
    /// The repository's own configuration has no influence: gix opens it isolated.
    ///
    /// # Errors
    /// `PC-0803` when there is no repository.
    pub fn open(git_dir: &Path) -> Result<Arc<Self>, Fault> {
        let options = gix::open::Options::isolated()
            .with(gix::sec::Trust::Full)
            .config_overrides([format!("gitoxide.objects.allocLimit={DECODE_MAX_BYTES}")]);
        let repository = gix::ThreadSafeRepository::open_opts(git_dir, options)
            .map_err(|error| Fault::new(Code::GIT_OBJECT, format!("the repository cannot be opened: {error}")))?;
        Ok(Arc::new(GitObjects {
            repository,
            handles: Mutex::default(),
            bases: Arc::new(Bases(Mutex::new(Generations::new(BASES_BYTES)))),
            trees: Mutex::default(),
            blobs: Mutex::new(Generations::new(CACHED_BLOBS_BYTES)),
        }))
    }

    /// A commit of the repository.
    ///
    /// # Errors
    /// `PC-0803` when the commit or its tree cannot be read.
    pub fn commit(self: &Arc<Self>, commit: &CommitId) -> Result<GitSource, Fault> {
        let id = ObjectId::from_hex(commit.as_str().as_bytes())
            .map_err(|error| Fault::new(Code::GIT_OBJECT, format!("{commit} is no object id here: {error}")))?;
        let root = self.with_handle(|handle, _| {
            let commit =
                handle.find_commit(id).map_err(|error| object_fault(&format!("commit {}", commit.short()), &error))?;
            Ok(commit.tree_id().map_err(|error| object_fault("the commit's tree", &error))?.detach())
        })?;
        Ok(GitSource { objects: Arc::clone(self), root: self.tree(root)? })
    }

    fn with_handle<T>(
        &self,
        work: impl FnOnce(&gix::Repository, &mut Vec<u8>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let kept = self.handles.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (handle, mut buffer) = kept.unwrap_or_else(|| {
            let mut handle = self.repository.to_thread_local();
            let bases = Arc::clone(&self.bases);
            handle.objects.set_pack_cache(move || Box::new(SharedBases(Arc::clone(&bases))));
            (handle, Vec::new())
        });
        let result = work(&handle, &mut buffer);
        if buffer.capacity() > BUFFER_KEPT_BYTES {
            buffer = Vec::new();
        }
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push((handle, buffer));
        result
    }

    /// Does something with an object's bytes.
    fn object<T>(
        &self,
        id: ObjectId,
        limit: u64,
        what: &str,
        then: impl FnOnce(&[u8]) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.with_handle(|handle, buffer| {
            let too_large = |size: u64| {
                Fault::new(Code::REPOSITORY_TOO_LARGE, format!("{what} has {size} bytes, limit is {limit}"))
                    .remedy("Keep large files out of the configuration repository.")
            };
            // Nothing above a bound is decoded, so no header has to be read before.
            match handle.objects.find(&id, buffer) {
                Ok(object) if object.data.len() as u64 > limit => Err(too_large(object.data.len() as u64)),
                Ok(object) => then(object.data),
                Err(error) => match handle.find_header(id) {
                    Ok(header) if header.size() > limit => Err(too_large(header.size())),
                    _ => Err(object_fault(what, &error)),
                },
            }
        })
    }

    fn tree(&self, id: ObjectId) -> Result<Arc<Tree>, Fault> {
        let known = |trees: &Trees| trees.known.get(&id).and_then(Weak::upgrade);
        if let Some(tree) = known(&self.trees.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(tree);
        }
        let made = Arc::new(self.object(id, TREE_MAX_BYTES, "a folder", |bytes| Tree::parse(id, bytes))?);
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = known(&trees) {
            return Ok(tree);
        }
        trees.known.insert(id, Arc::downgrade(&made));
        if trees.known.len() > trees.sweep_at.max(SWEEP_LEAST) {
            trees.known.retain(|_, tree| tree.strong_count() > 0);
            trees.sweep_at = trees.known.len() * 2;
        }
        Ok(made)
    }

    fn blob(&self, id: ObjectId, path: &str) -> Result<Arc<[u8]>, Fault> {
        if let Some(bytes) = self.blobs.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(bytes);
        }
        let bytes = self.object(id, FILE_MAX_BYTES, path, |bytes| Ok(Arc::<[u8]>::from(bytes)))?;
        if bytes.len() <= CACHED_BLOB_MAX_BYTES {
            let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
            blobs.insert(id, Arc::clone(&bytes), bytes.len());
        }
        Ok(bytes)
    }
}

/// Objects that others are stored as differences from. In a pack a file is often the last of a chain of differences,
/// and without this the whole chain would be decoded again for each of its files.
struct Bases(Mutex<Generations<(u32, u64), Base>>);

/// Kind, size in the pack, content.
type Base = (gix::objs::Kind, usize, Arc<[u8]>);

/// What all threads share, as one of them is given it.
struct SharedBases(Arc<Bases>);

impl DecodeEntry for SharedBases {
    fn put(&mut self, pack: u32, offset: u64, data: &[u8], kind: gix::objs::Kind, packed: usize) {
        if data.len() <= CACHED_BLOB_MAX_BYTES {
            let mut bases = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
            bases.insert((pack, offset), (kind, packed, data.into()), data.len());
        }
    }

    fn get(&mut self, pack: u32, offset: u64, out: &mut Vec<u8>) -> Option<(gix::objs::Kind, usize)> {
        let (kind, packed, data) = self.0.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(pack, offset))?;
        out.clear();
        out.extend_from_slice(&data);
        Some((kind, packed))
    }
}

/// The files of a commit, read from a repository's objects.
pub struct GitSource {
    objects: Arc<GitObjects>,
    root: Arc<Tree>,
}

/// What a path leads to.
enum Located<'t> {
    Root(&'t Arc<Tree>),
    Entry(&'t TreeEntry),
    Absent,
    BehindLink,
}

impl GitSource {
    /// Opens one commit of the repository at `git_dir` (a bare repository or a `.git` folder). Where several
    /// commits are read, open the repository once: [`GitObjects::open`].
    ///
    /// # Errors
    /// `PC-0803` when there is no repository, or the commit or its tree cannot be read.
    pub fn open(git_dir: &Path, commit: &CommitId) -> Result<Self, Fault> {
        GitObjects::open(git_dir)?.commit(commit)
    }

    /// The same commit with a folder of it as the root; `None` when the commit has no such folder.
    ///
    /// # Errors
    /// `PC-0803` when a folder cannot be read.
    pub fn below(&self, folder: &str) -> Result<Option<Self>, Fault> {
        let root = self.folder(folder)?.map(Arc::clone);
        Ok(root.map(|root| GitSource { objects: Arc::clone(&self.objects), root }))
    }

    fn child<'t>(&self, entry: &'t TreeEntry) -> Result<&'t Arc<Tree>, Fault> {
        match entry.child.get() {
            Some(tree) => Ok(tree),
            None => {
                let tree = self.objects.tree(entry.id)?;
                Ok(entry.child.get_or_init(|| tree))
            }
        }
    }

    fn locate(&self, path: &str) -> Result<Located<'_>, Fault> {
        let mut at = &self.root;
        if path == "." {
            return Ok(Located::Root(at));
        }
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let Some(entry) = at.find(part) else { return Ok(Located::Absent) };
            if parts.peek().is_none() {
                return Ok(Located::Entry(entry));
            }
            match entry.kind {
                GitKind::Tree => at = self.child(entry)?,
                GitKind::Link => return Ok(Located::BehindLink),
                _ => return Ok(Located::Absent),
            }
        }
        Ok(Located::Absent)
    }

    fn folder(&self, path: &str) -> Result<Option<&Arc<Tree>>, Fault> {
        match self.locate(path)? {
            Located::Root(tree) => Ok(Some(tree)),
            Located::Entry(entry) if entry.kind == GitKind::Tree => self.child(entry).map(Some),
            _ => Ok(None),
        }
    }
}

impl Source for GitSource {
    fn read(&self, path: &str) -> Result<Option<Entry>, Fault> {
        let entry = match self.locate(path)? {
            Located::Root(_) => return Ok(Some(Entry::Dir)),
            Located::Entry(entry) => entry,
            Located::Absent | Located::BehindLink => return Ok(None),
        };
        let blob = || self.objects.blob(entry.id, path);
        Ok(Some(match entry.kind {
            GitKind::Tree => Entry::Dir,
            GitKind::Commit => Entry::Submodule,
            GitKind::Blob => Entry::File { bytes: blob()?, executable: false },
            GitKind::BlobExecutable => Entry::File { bytes: blob()?, executable: true },
            GitKind::Link => Entry::Symlink { target: String::from_utf8_lossy(&blob()?).into_owned() },
        }))
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<DirEntry>>, Fault> {
        let Some(tree) = self.folder(dir)? else { return Ok(None) };
        Ok(Some(tree.iter().map(|(name, entry)| DirEntry { name: name.to_owned(), kind: entry.kind() }).collect()))
    }

    fn look(&self, path: &str) -> Result<Look, Fault> {
        Ok(match self.locate(path)? {
            Located::Root(_) => Look::At(super::EntryKind::Dir),
            Located::Entry(entry) => Look::At(entry.kind()),
            Located::Absent => Look::Absent,
            Located::BehindLink => Look::BehindLink,
        })
    }

    fn id(&self, path: &str) -> Result<Option<ContentId>, Fault> {
        match self.locate(path)? {
            Located::Entry(entry) if !matches!(entry.kind, GitKind::Tree | GitKind::Commit) => {
                ContentId::from_git(entry.id).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn names(&self, dir: &str) -> Result<Option<Digest>, Fault> {
        Ok(self.folder(dir)?.map(|tree| tree.names()))
    }

    fn tree(&self, dir: &str) -> Result<Option<ContentId>, Fault> {
        match self.locate(dir)? {
            Located::Root(tree) => ContentId::from_git(tree.id).map(Some),
            Located::Entry(entry) if entry.kind == GitKind::Tree => ContentId::from_git(entry.id).map(Some),
            _ => Ok(None),
        }
    }
}

pub(super) fn object_fault(what: &str, error: &dyn std::fmt::Display) -> Fault {
    Fault::new(Code::GIT_OBJECT, format!("{what} cannot be read from the repository: {error}")).remedy(
        "The clone is damaged or lacks objects, as one with `--filter` does: fetch all of them, or clone it anew.",
    )
}
