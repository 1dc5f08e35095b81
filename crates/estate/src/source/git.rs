//! [`GitSource`]: a commit's tree, read from git objects. No checkout, no filters, no hooks, no configuration.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use gix::ObjectId;
use gix::objs::tree::EntryKind as GitKind;
use portcullis_model::{Code, CommitId, Digest, Fault};

use super::tree::{Tree, TreeEntry};
use super::{ContentId, DirEntry, Entry, FILE_MAX_BYTES, Look, Source};
use crate::generations::Generations;

/// Largest tree object that is read, in bytes.
const TREE_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Blobs up to this size stay in memory, in bytes.
const CACHED_BLOB_MAX_BYTES: usize = 1024 * 1024;
/// All blobs that stay in memory, in bytes.
const CACHED_BLOBS_BYTES: usize = 16 * 1024 * 1024;
/// Fewer folders than this are not looked through for those that nobody uses any more.
const SWEEP_LEAST: usize = 1024;

/// A repository's objects, for all commits that are read from it. Folders are shared between commits.
pub struct GitObjects {
    repository: gix::ThreadSafeRepository,
    /// Handles that are not in use.
    handles: Mutex<Vec<gix::Repository>>,
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
        let options = gix::open::Options::isolated().with(gix::sec::Trust::Full);
        let repository = gix::ThreadSafeRepository::open_opts(git_dir, options)
            .map_err(|error| Fault::new(Code::GIT_OBJECT, format!("the repository cannot be opened: {error}")))?;
        Ok(Arc::new(GitObjects {
            repository,
            handles: Mutex::default(),
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
        let root = self.with_handle(|handle| {
            let commit =
                handle.find_commit(id).map_err(|error| object_fault(&format!("commit {}", commit.short()), &error))?;
            Ok(commit.tree_id().map_err(|error| object_fault("the commit's tree", &error))?.detach())
        })?;
        Ok(GitSource { objects: Arc::clone(self), root: self.tree(root)? })
    }

    fn with_handle<T>(&self, work: impl FnOnce(&gix::Repository) -> Result<T, Fault>) -> Result<T, Fault> {
        let kept = self.handles.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let handle = kept.unwrap_or_else(|| self.repository.to_thread_local());
        let result = work(&handle);
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        result
    }

    fn object(&self, id: ObjectId, limit: u64, what: &str) -> Result<Vec<u8>, Fault> {
        self.with_handle(|handle| {
            let size = handle.find_header(id).map_err(|error| object_fault(what, &error))?.size();
            if size > limit {
                let message = format!("{what} has {size} bytes, limit is {limit}");
                return Err(Fault::new(Code::REPOSITORY_TOO_LARGE, message)
                    .remedy("Keep large files out of the configuration repository."));
            }
            let object = handle.find_object(id).map_err(|error| object_fault(what, &error))?;
            Ok(object.detach().data)
        })
    }

    fn tree(&self, id: ObjectId) -> Result<Arc<Tree>, Fault> {
        let known = |trees: &Trees| trees.known.get(&id).and_then(Weak::upgrade);
        if let Some(tree) = known(&self.trees.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(tree);
        }
        let bytes = self.object(id, TREE_MAX_BYTES, "a folder")?;
        let made = Arc::new(Tree::parse(id, &bytes)?);
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
        let bytes: Arc<[u8]> = self.object(id, FILE_MAX_BYTES, path)?.into();
        if bytes.len() <= CACHED_BLOB_MAX_BYTES {
            let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
            blobs.insert(id, Arc::clone(&bytes), bytes.len());
        }
        Ok(bytes)
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
    Fault::new(Code::GIT_OBJECT, format!("{what} cannot be read from the repository: {error}"))
}
