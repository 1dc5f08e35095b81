//! [`Reader`]: files of the repository as configuration sees them: links are followed inside the repository
//! only, sizes are limited, and every answer is noted.
//!
//! All that an evaluation learns of the repository comes through a reader, so that its trace is all that the
//! result rests on. A way round it would be a way to a result that is used where it does not hold.

use std::cell::RefCell;
use std::sync::Arc;

use portcullis_hcl::File;
use portcullis_model::{Code, Digest, DigestBuilder, Fault, Place, UnitPath};

use crate::cache::{self, Cache, Use};
use crate::config;
use crate::path;
use crate::settings::Limits;
use crate::source::{ContentId, DirEntry, Entry, EntryKind, Look, Source};
use crate::stacks::{self, Stack, Stacks};
use crate::trace::{Answer, Trace};

/// Most links that are followed for one path.
const LINKS_MAX: usize = 40;

/// How a file begins that stands for one that Git LFS keeps. To read it as the text that it stands for would be wrong
/// without a word.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// A stack, and all units that it generates, also through others.
type KnownStack = (Arc<Stack>, Vec<UnitPath>);

/// What is at a path after links were followed.
pub(crate) struct Found {
    /// The repository path without links.
    pub(crate) real: String,
    /// A file, a folder or a submodule; never a link.
    pub(crate) kind: EntryKind,
}

/// What the readers of one estate share.
pub(crate) struct Library {
    source: Arc<dyn Source>,
    limits: Limits,
    limits_key: Digest,
    cache: Arc<Cache>,
    stacks: Stacks,
    /// Of what use the files of single units are once they were parsed.
    own_files: Use,
}

impl Library {
    pub(crate) fn new(source: Arc<dyn Source>, limits: &Limits, cache: Arc<Cache>) -> Arc<Self> {
        Library::with_stacks(source, limits, cache, Stacks::new(), 0)
    }

    /// For a tree in which stacks were expanded, with so many units.
    pub(crate) fn with_stacks(
        source: Arc<dyn Source>,
        limits: &Limits,
        cache: Arc<Cache>,
        stacks: Stacks,
        units: usize,
    ) -> Arc<Self> {
        let own_files = cache.use_of_own_files(units);
        let limits_key = cache::limits_key(limits);
        Arc::new(Library { source, limits: limits.clone(), limits_key, cache, stacks, own_files })
    }

    /// The stacks of the tree.
    pub(crate) fn stacks(&self) -> &Stacks {
        &self.stacks
    }

    /// The tree itself. What is learnt from it is not noted: not for evaluations.
    pub(crate) fn source(&self) -> &dyn Source {
        &*self.source
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }
}

/// Reads files for one evaluation.
pub(crate) struct Reader {
    library: Arc<Library>,
    trace: RefCell<Trace>,
    /// A folder of which the tree's identity is noted: for all that is asked of what is in it.
    own: Option<String>,
    /// Traces that are put aside while a part is traced by itself, outermost first.
    outer: RefCell<Vec<Trace>>,
}

impl Reader {
    pub(crate) fn new(library: &Arc<Library>) -> Self {
        Reader { library: Arc::clone(library), trace: RefCell::default(), own: None, outer: RefCell::default() }
    }

    /// For what a unit is: one answer, the identity of its own folder, stands for all that is asked of what is in it,
    /// where the source has one.
    pub(crate) fn of_unit(library: &Arc<Library>, unit: &UnitPath) -> Self {
        let mut reader = Reader::new(library);
        if let Ok(id @ Some(_)) = library.source.tree(unit.as_str()) {
            reader.trace.get_mut().note(unit.as_str(), Answer::Tree(id));
            reader.own = Some(unit.as_str().to_owned());
        }
        reader
    }

    /// Whether an answer about a path follows from one that was noted. Not of a part: others will use it.
    fn follows(&self, path: &str) -> bool {
        self.own.as_deref().is_some_and(|own| path::is_within(path, own)) && self.outer.borrow().is_empty()
    }

    /// Another reader of the same files that notes for itself.
    pub(crate) fn fork(&self) -> Self {
        Reader::new(&self.library)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.library.limits
    }

    /// All that was noted.
    pub(crate) fn into_trace(self) -> Trace {
        self.trace.into_inner()
    }

    /// Notes what another evaluation rests on whose result is used here.
    /// Says whether it was not noted already.
    pub(crate) fn include(&self, trace: &Arc<Trace>) -> bool {
        self.trace.borrow_mut().include(trace)
    }

    /// Notes it for the part that was begun as the one at a depth; zero is the evaluation itself.
    pub(crate) fn include_at(&self, depth: usize, trace: &Arc<Trace>) {
        match self.outer.borrow_mut().get_mut(depth) {
            Some(outer) => outer.include(trace),
            None => self.include(trace),
        };
    }

    /// Traces what follows by itself.
    pub(crate) fn begin_part(&self) {
        self.outer.borrow_mut().push(self.trace.take());
    }

    /// What was noted since [`Reader::begin_part`], of which the whole has to be told ([`Reader::include`]).
    pub(crate) fn end_part(&self) -> Arc<Trace> {
        let outer = self.outer.borrow_mut().pop().unwrap_or_default();
        Arc::new(self.trace.replace(outer))
    }

    /// Asks the source, and notes the answer.
    fn ask<T>(
        &self,
        path: &str,
        ask: impl FnOnce(&dyn Source) -> Result<T, Fault>,
        answer: impl FnOnce(&T) -> Answer,
    ) -> Result<T, Fault> {
        let asked = ask(&*self.library.source);
        let mut trace = self.trace.borrow_mut();
        match &asked {
            Ok(_) if self.follows(path) => {}
            Ok(found) => trace.note(path, answer(found)),
            Err(_) => trace.note_broken(),
        }
        asked
    }

    fn look(&self, path: &str) -> Result<Look, Fault> {
        self.ask(path, |source| source.look(path), |look| Answer::Look(*look))
    }

    fn id(&self, path: &str) -> Result<Option<ContentId>, Fault> {
        self.ask(path, |source| source.id(path), |id| Answer::Content(*id))
    }

    /// The content of a file or link whose identity was noted.
    fn open(&self, path: &str) -> Result<Option<Entry>, Fault> {
        self.library.source.read(path).inspect_err(|_| self.trace.borrow_mut().note_broken())
    }

    /// A plain folder that somebody writes to gives answers that do not fit together.
    fn changed(&self, path: &str) -> Fault {
        self.trace.borrow_mut().note_broken();
        Fault::new(Code::IO, format!("{path} was changed while it was read"))
            .remedy("Try again when nothing writes to the folder.")
    }

    /// What is at a repository path.
    ///
    /// # Errors
    /// `PC-0414` when a link on the way leads out of the repository, or links lead in a circle.
    pub(crate) fn find(&self, path: &str) -> Result<Option<Found>, Fault> {
        match self.look(path)? {
            Look::Absent => Ok(None),
            Look::BehindLink | Look::At(EntryKind::Symlink) => self.follow(path),
            Look::At(kind) => Ok(Some(Found { real: path.to_owned(), kind })),
        }
    }

    fn follow(&self, path: &str) -> Result<Option<Found>, Fault> {
        let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut at = ".".to_owned();
        let mut links = 0;
        let mut kind = EntryKind::Dir;
        while let Some(part) = left.pop() {
            let next = path::resolve(&at, &part).map_err(|_| leaves(path))?;
            match self.look(&next)? {
                Look::Absent | Look::BehindLink => return Ok(None),
                Look::At(EntryKind::Symlink) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Fault::new(Code::OUTSIDE_REPOSITORY, format!("the links of {path} have no end"))
                            .remedy("Remove the link."));
                    }
                    let target = self.target(&next)?;
                    if target.starts_with('/') {
                        return Err(leaves(path));
                    }
                    left.extend(target.split('/').rev().filter(|part| !part.is_empty()).map(str::to_owned));
                    kind = EntryKind::Dir;
                }
                Look::At(found) => {
                    at = next;
                    kind = found;
                }
            }
        }
        Ok(Some(Found { real: at, kind }))
    }

    /// Where a link leads, as it is written in it.
    fn target(&self, path: &str) -> Result<String, Fault> {
        self.id(path)?;
        match self.open(path)? {
            Some(Entry::Symlink { target }) => Ok(target),
            _ => Err(self.changed(path)),
        }
    }

    /// A file's place without links, its identity and whether it may be executed; `None` when there is no such
    /// file.
    fn file(&self, path: &str) -> Result<Option<(String, ContentId, bool)>, Fault> {
        let Some(Found { real, kind: EntryKind::File { executable } }) = self.find(path)? else { return Ok(None) };
        Ok(self.id(&real)?.map(|id| (real, id, executable)))
    }

    fn content(&self, path: &str, real: &str) -> Result<Arc<[u8]>, Fault> {
        let Some(Entry::File { bytes, .. }) = self.open(real)? else {
            return Err(self.changed(real));
        };
        let limit = self.limits().file_bytes;
        if bytes.len() > limit {
            let message = format!("{path} has {} bytes, limit is {limit}", bytes.len());
            return Err(Fault::new(Code::HCL_TOO_LARGE, message)
                .at(Place::file(path))
                .remedy("Keep data out of configuration files, or split the file."));
        }
        if bytes.starts_with(LFS_POINTER) {
            return Err(Fault::new(Code::HCL_UNSUPPORTED, format!("{path} is a pointer of Git LFS"))
                .at(Place::file(path))
                .remedy(
                    "Keep what configuration reads in the repository itself: what the pointer stands for is not in it.",
                ));
        }
        Ok(bytes)
    }

    /// A file's bytes; `None` when there is no such file.
    pub(crate) fn bytes(&self, path: &str) -> Result<Option<Arc<[u8]>>, Fault> {
        let Some((real, _, _)) = self.file(path)? else { return Ok(None) };
        self.content(path, &real).map(Some)
    }

    /// A parsed HCL file, or configuration in JSON syntax; `None` when there is no such file.
    pub(crate) fn hcl(&self, path: &str) -> Result<Option<Arc<File>>, Fault> {
        self.parsed(path, Use::Lasting)
    }

    /// As [`Reader::hcl`], for the file of one unit.
    pub(crate) fn own_hcl(&self, path: &str) -> Result<Option<Arc<File>>, Fault> {
        self.parsed(path, self.library.own_files)
    }

    fn parsed(&self, path: &str, of_use: Use) -> Result<Option<Arc<File>>, Fault> {
        let Some((real, id, _)) = self.file(path)? else { return Ok(None) };
        let Library { cache, limits_key, limits, .. } = &*self.library;
        let parse = || {
            let bytes = self.content(path, &real)?;
            let parse = if config::is_json(path) { config::parse_json } else { File::parse };
            Ok((parse(path, &bytes, &limits.hcl), bytes.len()))
        };
        cache.parsed(id, path, limits_key, of_use, parse).map(Some)
    }

    /// A digest over a file's content and whether it may be executed; `None` when there is no such file. Has
    /// no limit on the size but the source's.
    pub(crate) fn digest(&self, path: &str) -> Result<Option<Digest>, Fault> {
        let Some((real, id, executable)) = self.file(path)? else { return Ok(None) };
        let make = || match self.open(&real)? {
            Some(Entry::File { bytes, .. }) => Ok(crate::module::file_digest(&bytes, executable)),
            _ => Err(self.changed(&real)),
        };
        self.library.cache.digest(id, executable, make).map(Some)
    }

    /// Says of something that is not there when that is because it lies in a submodule.
    pub(crate) fn note_submodule(&self, fault: Fault, path: &str) -> Fault {
        let folders = path.match_indices('/').map(|(end, _)| path.get(..end).unwrap_or_default()).chain([path]);
        let found = folders
            .into_iter()
            .find(|folder| matches!(self.find(folder), Ok(Some(Found { kind: EntryKind::Submodule, .. }))));
        match found {
            Some(folder) => fault.note(format!("{folder} is a submodule; what is in it belongs to another repository")),
            None => fault,
        }
    }

    /// Whether anything is at the path.
    pub(crate) fn exists(&self, path: &str) -> Result<bool, Fault> {
        Ok(self.find(path)?.is_some())
    }

    /// Whether a file is at the path.
    pub(crate) fn is_file(&self, path: &str) -> Result<bool, Fault> {
        Ok(matches!(self.find(path)?, Some(Found { kind: EntryKind::File { .. }, .. })))
    }

    /// Whether a folder is at the path.
    pub(crate) fn is_dir(&self, path: &str) -> Result<bool, Fault> {
        Ok(matches!(self.find(path)?, Some(Found { kind: EntryKind::Dir, .. })))
    }

    /// The entries of a folder, links followed for the folder itself only.
    pub(crate) fn list(&self, path: &str) -> Result<Option<Vec<DirEntry>>, Fault> {
        match self.find(path)? {
            Some(Found { real, kind: EntryKind::Dir }) => {
                if !self.follows(&real) {
                    self.ask(&real, |source| source.names(&real), |names| Answer::Names(*names))?;
                }
                self.library.source.list(&real).inspect_err(|_| self.trace.borrow_mut().note_broken())
            }
            _ => Ok(None),
        }
    }

    /// The stack of a folder: the units that it generates itself, and all that it generates, also through others.
    pub(crate) fn stack(&self, path: &str) -> Result<Option<KnownStack>, Fault> {
        let Some(Found { real, kind: EntryKind::Dir }) = self.find(path)? else { return Ok(None) };
        // Noted, so that a result is not used where the stack generates something else.
        self.id(&stacks::mark_of(&real))?;
        let stacks = self.library.stacks();
        let Some((folder, Ok(stack))) = UnitPath::parse(&real).ok().and_then(|real| stacks.get_key_value(&real)) else {
            return Ok(None);
        };
        Ok(Some((Arc::clone(stack), stacks::units_of(stacks, folder))))
    }

    /// The identity of all below a folder, links followed for the folder itself only. When there is one it is
    /// noted, and nothing below the folder needs to be.
    pub(crate) fn tree(&self, path: &str) -> Result<Option<ContentId>, Fault> {
        let Some(Found { real, kind: EntryKind::Dir }) = self.find(path)? else { return Ok(None) };
        let id = self.library.source.tree(&real).inspect_err(|_| self.trace.borrow_mut().note_broken())?;
        if id.is_some() && !self.follows(&real) {
            self.trace.borrow_mut().note(&real, Answer::Tree(id));
        }
        Ok(id)
    }

    /// Names everything in the repository: equal only if every file is.
    pub(crate) fn whole(&self) -> Result<Digest, Fault> {
        if let Some(id) = self.tree(".")? {
            return Ok(Digest::of(id.as_bytes()));
        }
        let mut digest = DigestBuilder::new("portcullis whole v1");
        let mut left = vec![".".to_owned()];
        let mut seen = 0usize;
        while let Some(folder) = left.pop() {
            for entry in self.list(&folder)?.unwrap_or_default() {
                seen += 1;
                if seen > self.limits().entries {
                    let message = format!("the repository has more than {} files", self.limits().entries);
                    return Err(Fault::new(Code::REPOSITORY_TOO_LARGE, message));
                }
                let name = path::child(&folder, &entry.name);
                digest.text(&name).number(u64::from(entry.kind == EntryKind::File { executable: true }));
                match entry.kind {
                    EntryKind::Dir if entry.name != ".git" => left.push(name),
                    EntryKind::File { .. } | EntryKind::Symlink => {
                        let id = self.ask(&name, |source| source.id(&name), |id| Answer::Content(*id))?;
                        digest.bytes(id.as_ref().map_or(&[], |id| id.as_bytes()));
                    }
                    EntryKind::Dir | EntryKind::Submodule => {}
                }
            }
        }
        Ok(digest.finish())
    }
}

fn leaves(path: &str) -> Fault {
    Fault::new(Code::OUTSIDE_REPOSITORY, format!("{path} leads out of the repository through a symbolic link"))
        .remedy("Replace the link by the file, or let it point inside the repository.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::DirSource;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_inside_and_refused_outside() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("real/inner")).unwrap();
        std::fs::write(at("real/inner/a.hcl"), "x = 1\n").unwrap();
        symlink("real", at("link")).unwrap();
        symlink("../link/inner/a.hcl", at("real/b.hcl")).unwrap();
        symlink("../..", at("real/out")).unwrap();
        symlink("/etc", at("etc")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let source = Arc::new(DirSource::open(folder.path()).unwrap());
        let reader = Reader::new(&Library::new(source, &Limits::default(), Arc::default()));
        assert_eq!(reader.find("link/inner/a.hcl").unwrap().unwrap().real, "real/inner/a.hcl");
        assert_eq!(reader.find("real/b.hcl").unwrap().unwrap().real, "real/inner/a.hcl");
        assert!(reader.hcl("real/b.hcl").unwrap().is_some());
        assert!(reader.find("link/none").unwrap().is_none());
        for bad in ["real/out", "etc/passwd", "etc", "loop", "real/out/x"] {
            assert_eq!(reader.find(bad).err().map(|f| f.code()), Some(Code::OUTSIDE_REPOSITORY), "{bad}");
        }
    }
}
