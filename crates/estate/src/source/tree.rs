//! A folder as git has it, kept in memory: names, kinds, ids, and the folders in it once they were looked at.
//!
//! Folders are shared by their id, so two commits share all that did not change between them. Each lives as long
//! as a commit that holds it is in use.

use std::hash::BuildHasher as _;
use std::sync::{Arc, OnceLock};

use gix::ObjectId;
use gix::objs::tree::EntryKind as GitKind;
use hashbrown::{DefaultHashBuilder, HashTable};
use portcullis_model::{Digest, Fault};

use super::git::object_fault;
use super::{EntryKind, names_digest};

/// A folder's entries, sorted by name.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) id: ObjectId,
    /// All names, one after the other.
    text: Box<str>,
    entries: Box<[TreeEntry]>,
    /// Of a large folder: places of entries by name, made when one is looked for. A search in order would touch memory in
    /// ten places for a folder of a thousand units.
    index: OnceLock<Index>,
    names: OnceLock<Digest>,
}

#[derive(Debug)]
struct Index {
    hasher: DefaultHashBuilder,
    places: HashTable<u32>,
}

/// Folders with fewer entries have no index.
const INDEXED_LEAST: usize = 32;

/// An entry of a folder.
#[derive(Debug)]
pub(super) struct TreeEntry {
    start: u32,
    end: u32,
    pub(super) kind: GitKind,
    pub(super) id: ObjectId,
    pub(super) child: OnceLock<Arc<Tree>>,
}

impl TreeEntry {
    pub(super) fn kind(&self) -> EntryKind {
        match self.kind {
            GitKind::Tree => EntryKind::Dir,
            GitKind::Commit => EntryKind::Submodule,
            GitKind::Link => EntryKind::Symlink,
            GitKind::Blob => EntryKind::File { executable: false },
            GitKind::BlobExecutable => EntryKind::File { executable: true },
        }
    }
}

impl Tree {
    pub(super) fn parse(id: ObjectId, bytes: &[u8]) -> Result<Tree, Fault> {
        let mut text = String::new();
        let mut entries = Vec::new();
        for entry in gix::objs::TreeRefIter::from_bytes(bytes, id.kind()) {
            let entry = entry.map_err(|error| object_fault("a folder", &error))?;
            // Git refuses such a folder when it looks, and it does not over every protocol. Part of a path, this would
            // be another place.
            if matches!(&**entry.filename, b"" | b"." | b"..") || entry.filename.contains(&b'/') {
                return Err(object_fault("a folder", &"it names itself, the one above or a path as its entry"));
            }
            let start = text.len();
            // A name that is no UTF-8 cannot be written in configuration; it is shown lossily and never read.
            text.push_str(&String::from_utf8_lossy(entry.filename));
            entries.push(TreeEntry {
                start: offset(start)?,
                end: offset(text.len())?,
                kind: entry.mode.kind(),
                id: entry.oid.to_owned(),
                child: OnceLock::new(),
            });
        }
        let text = text.into_boxed_str();
        // Git sorts folders as if their name ended in `/`; here the order is that of plain names.
        entries.sort_by(|a, b| name(&text, a).cmp(name(&text, b)));
        Ok(Tree { id, text, entries: entries.into(), index: OnceLock::new(), names: OnceLock::new() })
    }

    pub(super) fn find(&self, wanted: &str) -> Option<&TreeEntry> {
        if self.entries.len() >= INDEXED_LEAST {
            return self.indexed(wanted);
        }
        let at = self.entries.binary_search_by(|entry| name(&self.text, entry).cmp(wanted)).ok()?;
        self.entries.get(at)
    }

    fn indexed(&self, wanted: &str) -> Option<&TreeEntry> {
        let Index { hasher, places } = self.index.get_or_init(|| {
            let hasher = DefaultHashBuilder::default();
            let hash = |entry: &TreeEntry| hasher.hash_one(name(&self.text, entry));
            let mut places = HashTable::with_capacity(self.entries.len());
            for (place, entry) in (0u32..).zip(&self.entries) {
                places.insert_unique(hash(entry), place, |place| self.entries.get(*place as usize).map_or(0, hash));
            }
            Index { hasher, places }
        });
        let entry = |place: &u32| self.entries.get(*place as usize);
        let is_wanted = |place: &u32| entry(place).is_some_and(|entry| name(&self.text, entry) == wanted);
        places.find(hasher.hash_one(wanted), is_wanted).and_then(entry)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &TreeEntry)> {
        self.entries.iter().map(|entry| (name(&self.text, entry), entry))
    }

    /// The identity of names and kinds.
    pub(super) fn names(&self) -> Digest {
        *self.names.get_or_init(|| names_digest(self.iter().map(|(name, entry)| (name, entry.kind()))))
    }
}

fn name<'t>(text: &'t str, entry: &TreeEntry) -> &'t str {
    text.get(entry.start as usize..entry.end as usize).unwrap_or("")
}

fn offset(at: usize) -> Result<u32, Fault> {
    u32::try_from(at).map_err(|error| object_fault("a folder", &error))
}

impl Drop for Tree {
    /// One after the other: folders may be nested deeper than the stack is.
    fn drop(&mut self) {
        let take = |tree: &mut Tree| tree.entries.iter_mut().filter_map(|entry| entry.child.take()).collect::<Vec<_>>();
        let mut left = take(self);
        while let Some(tree) = left.pop() {
            if let Some(mut tree) = Arc::into_inner(tree) {
                left.extend(take(&mut tree));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_in_a_small_folder_and_in_a_large_one() {
        for count in [1, INDEXED_LEAST - 1, INDEXED_LEAST, 10 * INDEXED_LEAST] {
            let mut bytes = Vec::new();
            for number in 0..count {
                bytes.extend(format!("100644 f{number:04}\0").into_bytes());
                bytes.extend([u8::try_from(number % 251).unwrap(); 20]);
            }
            let tree = Tree::parse(ObjectId::empty_tree(gix::hash::Kind::Sha1), &bytes).unwrap();
            for number in 0..count {
                let entry = tree.find(&format!("f{number:04}")).unwrap();
                assert_eq!(entry.id.as_bytes(), [u8::try_from(number % 251).unwrap(); 20], "{number} of {count}");
            }
            for absent in ["", "f", "f00000", "g0000"] {
                assert!(tree.find(absent).is_none(), "{absent} of {count}");
            }
        }
    }

    #[test]
    fn folders_nested_deeper_than_the_stack_are_let_go() {
        let id = ObjectId::empty_tree(gix::hash::Kind::Sha1);
        let entry = |child: Arc<Tree>| TreeEntry { start: 0, end: 1, kind: GitKind::Tree, id, child: child.into() };
        let tree = |entries: Vec<TreeEntry>| {
            let (index, names) = (OnceLock::new(), OnceLock::new());
            Arc::new(Tree { id, text: "a".into(), entries: entries.into(), index, names })
        };
        let mut deep = tree(Vec::new());
        for _ in 0..300_000 {
            deep = tree(vec![entry(deep)]);
        }
        assert!(deep.find("a").is_some_and(|entry| entry.child.get().is_some()));
        drop(deep);
    }
}
