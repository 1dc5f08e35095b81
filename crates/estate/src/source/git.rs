//! [`GitSource`]: a commit's tree, read from git objects. No checkout, no filters, no hooks, no configuration.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gix::ObjectId;
use gix::objs::tree::EntryKind as GitKind;
use portcullis_model::{Code, CommitId, Fault};

use super::{DirEntry, Entry, EntryKind, FILE_MAX_BYTES, Source};

/// Largest tree object that is read, in bytes.
const TREE_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Blobs up to this size stay in memory, in bytes.
const CACHED_BLOB_MAX_BYTES: usize = 1024 * 1024;

type Tree = Arc<Vec<TreeEntry>>;

#[derive(Debug)]
struct TreeEntry {
    name: String,
    kind: GitKind,
    id: ObjectId,
}

/// The files of a commit, read from a repository's objects. Folders and small files are kept in memory.
pub struct GitSource {
    repository: gix::ThreadSafeRepository,
    root: ObjectId,
    trees: Mutex<HashMap<ObjectId, Tree>>,
    blobs: Mutex<HashMap<ObjectId, Arc<[u8]>>>,
}

impl GitSource {
    /// Opens a commit of the repository at `git_dir` (a bare repository or a `.git` folder).
    ///
    /// The repository's own configuration has no influence: gix opens it isolated.
    ///
    /// # Errors
    /// `PC-0803` when there is no repository, or the commit or its tree cannot be read.
    pub fn open(git_dir: &Path, commit: &CommitId) -> Result<Self, Fault> {
        let options = gix::open::Options::isolated().with(gix::sec::Trust::Full);
        let repository = gix::ThreadSafeRepository::open_opts(git_dir, options)
            .map_err(|error| Fault::new(Code::GIT_OBJECT, format!("the repository cannot be opened: {error}")))?;
        let id = ObjectId::from_hex(commit.as_str().as_bytes())
            .map_err(|error| Fault::new(Code::GIT_OBJECT, format!("{commit} is no object id here: {error}")))?;
        let root = {
            let local = repository.to_thread_local();
            let commit =
                local.find_commit(id).map_err(|error| object_fault(&format!("commit {}", commit.short()), &error))?;
            commit.tree_id().map_err(|error| object_fault("the commit's tree", &error))?.detach()
        };
        Ok(GitSource { repository, root, trees: Mutex::default(), blobs: Mutex::default() })
    }

    fn tree(&self, id: ObjectId) -> Result<Tree, Fault> {
        if let Some(tree) = self.trees.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(Arc::clone(tree));
        }
        let bytes = self.object(id, TREE_MAX_BYTES, "a folder")?;
        let mut entries = Vec::new();
        for entry in gix::objs::TreeRefIter::from_bytes(&bytes, id.kind()) {
            let entry = entry.map_err(|error| object_fault("a folder", &error))?;
            // A name that is no UTF-8 cannot be written in configuration; it is shown lossily and never read.
            entries.push(TreeEntry {
                name: entry.filename.to_string(),
                kind: entry.mode.kind(),
                id: entry.oid.to_owned(),
            });
        }
        // Git sorts folders as if their name ended in `/`; here the order is that of plain names.
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let tree = Arc::new(entries);
        self.trees.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&tree));
        Ok(tree)
    }

    fn object(&self, id: ObjectId, limit: u64, what: &str) -> Result<Vec<u8>, Fault> {
        let local = self.repository.to_thread_local();
        let size = local.find_header(id).map_err(|error| object_fault(what, &error))?.size();
        if size > limit {
            return Err(Fault::new(Code::REPOSITORY_TOO_LARGE, format!("{what} has {size} bytes, limit is {limit}"))
                .remedy("Keep large files out of the configuration repository."));
        }
        let object = local.find_object(id).map_err(|error| object_fault(what, &error))?;
        Ok(object.detach().data)
    }

    fn blob(&self, id: ObjectId, path: &str) -> Result<Arc<[u8]>, Fault> {
        if let Some(bytes) = self.blobs.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(Arc::clone(bytes));
        }
        let bytes: Arc<[u8]> = self.object(id, FILE_MAX_BYTES, path)?.into();
        if bytes.len() <= CACHED_BLOB_MAX_BYTES {
            self.blobs.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&bytes));
        }
        Ok(bytes)
    }

    fn locate(&self, path: &str) -> Result<Option<(GitKind, ObjectId)>, Fault> {
        let mut at = (GitKind::Tree, self.root);
        if path == "." {
            return Ok(Some(at));
        }
        for part in path.split('/') {
            if at.0 != GitKind::Tree {
                return Ok(None);
            }
            let tree = self.tree(at.1)?;
            let found = tree.binary_search_by(|entry| entry.name.as_str().cmp(part));
            match found.ok().and_then(|index| tree.get(index)) {
                Some(entry) => at = (entry.kind, entry.id),
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }
}

impl Source for GitSource {
    fn read(&self, path: &str) -> Result<Option<Entry>, Fault> {
        let Some((kind, id)) = self.locate(path)? else { return Ok(None) };
        Ok(Some(match kind {
            GitKind::Tree => Entry::Dir,
            GitKind::Commit => Entry::Submodule,
            GitKind::Blob => Entry::File { bytes: self.blob(id, path)?, executable: false },
            GitKind::BlobExecutable => Entry::File { bytes: self.blob(id, path)?, executable: true },
            GitKind::Link => {
                let target = self.blob(id, path)?;
                Entry::Symlink { target: String::from_utf8_lossy(&target).into_owned() }
            }
        }))
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<DirEntry>>, Fault> {
        let Some((GitKind::Tree, id)) = self.locate(dir)? else { return Ok(None) };
        let entries = self.tree(id)?;
        Ok(Some(
            entries
                .iter()
                .map(|entry| DirEntry {
                    name: entry.name.clone(),
                    kind: match entry.kind {
                        GitKind::Tree => EntryKind::Dir,
                        GitKind::Commit => EntryKind::Submodule,
                        GitKind::Link => EntryKind::Symlink,
                        GitKind::Blob => EntryKind::File { executable: false },
                        GitKind::BlobExecutable => EntryKind::File { executable: true },
                    },
                })
                .collect(),
        ))
    }
}

fn object_fault(what: &str, error: &dyn std::fmt::Display) -> Fault {
    Fault::new(Code::GIT_OBJECT, format!("{what} cannot be read from the repository: {error}"))
}
