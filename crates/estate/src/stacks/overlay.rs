//! [`Overlay`]: a tree with what stacks generate, or what stands for root modules, laid over it. Nothing is copied: a generated folder
//! shows the folder that it comes from, plus the files that the stack writes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_model::{Digest, Fault};

use crate::config::STACK_FOLDER;
use crate::path;
use crate::source::{ContentId, DirEntry, Entry, EntryKind, Look, Source, names_digest};

/// A tree with generated folders in it.
#[derive(Clone)]
pub(crate) struct Overlay {
    base: Arc<dyn Source>,
    /// Generated folders: where each is, and which folder of which tree it shows.
    mounts: BTreeMap<String, Mount>,
    /// Files that stacks write.
    files: BTreeMap<String, Arc<[u8]>>,
    /// Folders that are there because of what is generated in them, with what that is.
    folders: BTreeMap<String, BTreeSet<DirEntry>>,
    /// Folders that stacks fill: what the base has there does not count.
    filled: BTreeSet<String>,
    /// What a stack generates, as text, by the name under which its identity is asked for.
    marks: BTreeMap<String, String>,
}

/// A folder of a tree: of the base, or of another repository.
#[derive(Clone)]
struct Mount {
    tree: Arc<dyn Source>,
    folder: String,
}

impl Overlay {
    pub(crate) fn new(base: Arc<dyn Source>) -> Self {
        Overlay {
            base,
            mounts: BTreeMap::new(),
            files: BTreeMap::new(),
            folders: BTreeMap::new(),
            filled: BTreeSet::new(),
            marks: BTreeMap::new(),
        }
    }

    /// Shows the folder `from` of this tree at `folder`.
    pub(super) fn mount(&mut self, folder: &str, from: &str) {
        if let Some((tree, from)) = self.base_path(from) {
            let mount = Mount { tree: Arc::clone(tree), folder: from };
            self.mounts.insert(folder.to_owned(), mount);
            self.announce(folder, EntryKind::Dir);
        }
    }

    /// Shows the folder `from` of another tree at `folder`.
    pub(super) fn mount_of(&mut self, tree: &Arc<dyn Source>, folder: &str, from: &str) {
        self.mounts.insert(folder.to_owned(), Mount { tree: Arc::clone(tree), folder: from.to_owned() });
        self.announce(folder, EntryKind::Dir);
    }

    /// Adds a file.
    pub(crate) fn write(&mut self, file: &str, text: String) {
        self.files.insert(file.to_owned(), text.into_bytes().into());
        self.announce(file, EntryKind::File { executable: false });
    }

    /// What the base has in a stack's generated folder does not count.
    pub(super) fn fill(&mut self, stack: &str) {
        self.filled.insert(path::child(stack, STACK_FOLDER));
    }

    /// Gives what a stack generates an identity.
    pub(super) fn mark(&mut self, name: String, text: String) {
        self.marks.insert(name, text);
    }

    /// Makes something appear in the folders above it.
    fn announce(&mut self, path: &str, kind: EntryKind) {
        let (mut at, mut kind) = (path, kind);
        while at != "." {
            let parent = path::parent(at);
            let entry = DirEntry { name: path::name(at).to_owned(), kind };
            self.folders.entry(parent.to_owned()).or_default().insert(entry);
            (at, kind) = (parent, EntryKind::Dir);
        }
    }

    /// Which tree has what is shown at a path, and where; `None` where none has a say.
    fn base_path(&self, path: &str) -> Option<(&Arc<dyn Source>, String)> {
        let mut at = path;
        loop {
            if let Some(from) = self.mounts.get(at) {
                let rest = path.strip_prefix(at).unwrap_or_default().trim_start_matches('/');
                let at = if rest.is_empty() { from.folder.clone() } else { path::child(&from.folder, rest) };
                return Some((&from.tree, at));
            }
            if self.filled.contains(at) {
                return None;
            }
            if at == "." {
                return Some((&self.base, path.to_owned()));
            }
            at = path::parent(at);
        }
    }

    /// Whether something is generated at a path or below it.
    fn is_touched(&self, path: &str) -> bool {
        self.folders.contains_key(path) || self.filled.iter().any(|filled| path::is_within(filled, path))
    }
}

impl Source for Overlay {
    fn read(&self, path: &str) -> Result<Option<Entry>, Fault> {
        if let Some(bytes) = self.files.get(path) {
            return Ok(Some(Entry::File { bytes: Arc::clone(bytes), executable: false }));
        }
        if self.folders.contains_key(path) {
            return Ok(Some(Entry::Dir));
        }
        self.base_path(path).map_or(Ok(None), |(tree, at)| tree.read(&at))
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<DirEntry>>, Fault> {
        let base = self.base_path(dir).map_or(Ok(None), |(tree, at)| tree.list(&at))?;
        let Some(added) = self.folders.get(dir) else { return Ok(base) };
        let mut entries: BTreeMap<String, EntryKind> =
            base.unwrap_or_default().into_iter().map(|entry| (entry.name, entry.kind)).collect();
        entries.extend(added.iter().map(|entry| (entry.name.clone(), entry.kind)));
        Ok(Some(entries.into_iter().map(|(name, kind)| DirEntry { name, kind }).collect()))
    }

    fn look(&self, path: &str) -> Result<Look, Fault> {
        if self.files.contains_key(path) {
            return Ok(Look::At(EntryKind::File { executable: false }));
        }
        if self.folders.contains_key(path) {
            return Ok(Look::At(EntryKind::Dir));
        }
        self.base_path(path).map_or(Ok(Look::Absent), |(tree, at)| tree.look(&at))
    }

    fn id(&self, path: &str) -> Result<Option<ContentId>, Fault> {
        if let Some(bytes) = self.files.get(path) {
            return ContentId::of(bytes).map(Some);
        }
        if let Some(text) = self.marks.get(path) {
            return ContentId::of(text.as_bytes()).map(Some);
        }
        self.base_path(path).map_or(Ok(None), |(tree, at)| tree.id(&at))
    }

    fn names(&self, dir: &str) -> Result<Option<Digest>, Fault> {
        if self.folders.contains_key(dir) {
            let entries = self.list(dir)?.unwrap_or_default();
            return Ok(Some(names_digest(entries.iter().map(|entry| (entry.name.as_str(), entry.kind)))));
        }
        self.base_path(dir).map_or(Ok(None), |(tree, at)| tree.names(&at))
    }

    fn tree(&self, dir: &str) -> Result<Option<ContentId>, Fault> {
        if self.is_touched(dir) {
            return Ok(None);
        }
        self.base_path(dir).map_or(Ok(None), |(tree, at)| tree.tree(&at))
    }
}
