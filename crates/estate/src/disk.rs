//! Results of evaluations on disk, so that a process starts with what an earlier one found out.
//!
//! One file for each repository and settings, by name. It begins with the evaluator that wrote it and the digest of what follows; a
//! file of another evaluator, one that is cut off, damaged or not understood is not used and is written anew. What is in it is
//! results with the facts that they rest on, so it is no more trusted than memory is: a result is used where
//! its facts hold. Who can write to the folder can make results up: it belongs to the user that reads it.

use std::collections::HashMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_model::{Digest, DigestBuilder, Fault, UnitPath};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::evaluate::Evaluated;
use crate::trace::{Answer, Basis, Fact, Interned};

/// Starts a file. The number changes when its form does.
const MAGIC: &str = "portcullis estate 2";
/// Largest file that is read, in bytes.
const FILE_MAX_BYTES: u64 = 1 << 30;
/// Bytes of all files together. Those that were not written for longest go first.
const FOLDER_MAX_BYTES: u64 = 256 << 20;
/// Most files.
const FILES_KEPT: usize = 64;
const ENDING: &str = "estate";
/// Bytes of a fault in memory, about.
const FAULT_BYTES: usize = 512;

/// Results and facts, as they are kept on disk.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct Kept {
    facts: Vec<(Arc<str>, Answer)>,
    /// Each after those that it is made of.
    parts: Vec<Rests>,
    results: Vec<Result>,
}

/// Positions in `facts` and `parts`.
#[derive(Serialize, Deserialize)]
struct Rests(Vec<u32>, Vec<u32>);

#[derive(Serialize, Deserialize)]
struct Result {
    unit: UnitPath,
    rests_on: Rests,
    evaluated: Box<RawValue>,
}

/// What a unit was found to be, as it is on disk or as it is used.
pub(crate) enum Stored {
    /// Read only if it is needed, by the thread that needs it.
    Text(Box<RawValue>),
    Here(Evaluated),
}

impl Stored {
    /// What the unit was found to be. `None`: it is not understood.
    pub(crate) fn get(&mut self) -> Option<Evaluated> {
        if let Stored::Text(text) = self {
            *self = Stored::Here(serde_json::from_str(text.get()).ok()?);
        }
        match self {
            Stored::Here(evaluated) => Some(evaluated.clone()),
            Stored::Text(_) => None,
        }
    }

    /// What it takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Stored::Text(text) => text.get().len(),
            Stored::Here(Evaluated::Unit(unit)) => unit.bytes(),
            Stored::Here(Evaluated::Broken(faults)) => faults.len() * FAULT_BYTES,
        }
    }

    /// As it is written.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which is a bug.
    pub(crate) fn text(&self) -> std::result::Result<Box<RawValue>, Fault> {
        match self {
            Stored::Text(text) => Ok(text.clone()),
            Stored::Here(evaluated) => serde_json::value::to_raw_value(evaluated)
                .map_err(|error| Fault::internal(format!("results on disk: {error}"))),
        }
    }
}

/// Gives facts and parts their positions.
#[derive(Default)]
struct Places {
    facts: HashMap<*const Fact, u32>,
    parts: HashMap<*const Basis, u32>,
}

impl Kept {
    /// Of results whose facts and parts are shared.
    pub(crate) fn new<'k>(known: impl Iterator<Item = (&'k UnitPath, Box<RawValue>, &'k Basis)>) -> Self {
        let mut kept = Kept::default();
        let mut places = Places::default();
        for (unit, evaluated, basis) in known {
            let rests_on = kept.rests(basis, &mut places);
            kept.results.push(Result { unit: unit.clone(), rests_on, evaluated });
        }
        kept
    }

    fn rests(&mut self, basis: &Basis, places: &mut Places) -> Rests {
        let place = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let parts = basis.parts.iter().map(|part| match places.parts.get(&Arc::as_ptr(part)) {
            Some(place) => *place,
            None => {
                let rests = self.rests(part, places);
                self.parts.push(rests);
                *places.parts.entry(Arc::as_ptr(part)).or_insert(place(self.parts.len() - 1))
            }
        });
        let parts = parts.collect();
        let facts = basis.facts.iter().map(|fact| {
            *places.facts.entry(Arc::as_ptr(fact)).or_insert_with(|| {
                self.facts.push((fact.path.clone(), fact.answer));
                place(self.facts.len() - 1)
            })
        });
        Rests(facts.collect(), parts)
    }

    /// The results again. One that names a fact or part which is not there is left out.
    pub(crate) fn into_known(self, interned: &mut Interned) -> Vec<(UnitPath, Stored, Basis)> {
        let facts: Vec<Arc<Fact>> = self.facts.iter().map(|(path, answer)| interned.fact(path, *answer)).collect();
        let mut parts: Vec<Option<Arc<Basis>>> = Vec::with_capacity(self.parts.len());
        let found = |rests: &Rests, parts: &[Option<Arc<Basis>>]| {
            let facts: Option<Vec<_>> = rests.0.iter().map(|at| facts.get(*at as usize).cloned()).collect();
            let parts: Option<Vec<_>> = rests.1.iter().map(|at| parts.get(*at as usize).cloned().flatten()).collect();
            Some((facts?.into_boxed_slice(), parts?.into_boxed_slice()))
        };
        for rests in &self.parts {
            let part = found(rests, &parts).map(|(facts, inner)| interned.shared(facts, inner));
            parts.push(part);
        }
        let known = self.results.into_iter().filter_map(|result| {
            let (facts, parts) = found(&result.rests_on, &parts)?;
            Some((result.unit, Stored::Text(result.evaluated), Basis::new(facts, parts)))
        });
        known.collect()
    }
}

/// Where the results of a repository for some settings are.
pub(crate) fn file(folder: &Path, repository: &Digest, settings: &Digest) -> PathBuf {
    let mut name = DigestBuilder::new("portcullis results v1");
    name.bytes(repository.as_bytes()).bytes(settings.as_bytes());
    folder.join(format!("{}.{ENDING}", name.finish()))
}

fn evaluator() -> String {
    format!("{MAGIC} {} {}", env!("CARGO_PKG_VERSION"), env!("PORTCULLIS_EVALUATOR"))
}

/// Reads a file. `None`: there is none that can be used.
pub(crate) fn read(path: &Path) -> Option<Kept> {
    let file = fs::File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if is_others_to_write(&metadata) || is_others_to_write(&path.parent()?.metadata().ok()?) {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(FILE_MAX_BYTES)).ok()?);
    file.take(FILE_MAX_BYTES).read_to_end(&mut bytes).ok()?;
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let (head, digest, rest) = (lines.next()?, lines.next()?, lines.next()?);
    let digest: Digest = std::str::from_utf8(digest).ok()?.parse().ok()?;
    if head != evaluator().as_bytes() || Digest::of(rest) != digest {
        return None;
    }
    serde_json::from_slice(rest).ok()
}

/// Writes a file as a whole: whoever reads at the same time reads the old one or the new one.
///
/// # Errors
/// Those of the file system.
pub(crate) fn write(path: &Path, kept: &Kept) -> std::result::Result<(), Fault> {
    let failed = |error: &std::io::Error| Fault::io(path.display(), error);
    let rest = serde_json::to_vec(kept).map_err(|error| Fault::internal(format!("results on disk: {error}")))?;
    let Some(folder) = path.parent() else { return Ok(()) };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(&error))?;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let unique = format!("{}-{}.new", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let new = folder.join(unique);
    let mut options = fs::OpenOptions::new();
    let written = options.write(true).create_new(true).mode(0o600).open(&new).and_then(|mut file| {
        file.write_all(format!("{}\n{}\n", evaluator(), Digest::of(&rest)).as_bytes())?;
        file.write_all(&rest)
    });
    let written = written.and_then(|()| fs::rename(&new, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&new);
        return Err(failed(&error));
    }
    forget_old(folder, path);
    Ok(())
}

/// Whether others than the owner may write to it: then it may hold results that somebody made up.
fn is_others_to_write(metadata: &fs::Metadata) -> bool {
    metadata.permissions().mode() & 0o022 != 0
}

/// Removes files that were not written for longest, and what an interrupted process left. The one that was just written
/// stays, however large it is.
fn forget_old(folder: &Path, written: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<(std::time::SystemTime, u64, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let ours = path.extension().is_some_and(|ending| ending == ENDING || ending == "new");
            let metadata = path.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len(), path)).filter(|_| ours)
        })
        .collect();
    files.sort();
    files.reverse();
    let mut bytes = 0u64;
    for (index, (_, size, path)) in files.into_iter().enumerate() {
        bytes = bytes.saturating_add(size);
        if (index >= FILES_KEPT || bytes > FOLDER_MAX_BYTES) && path != written {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(folder: &Path, repository: &str) -> PathBuf {
        file(folder, &Digest::of(repository.as_bytes()), &Digest::of(b"settings"))
    }

    #[test]
    fn a_folder_is_bounded_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::default();
        for number in 0..FILES_KEPT + 3 {
            let path = at(folder.path(), &number.to_string());
            write(&path, &kept).unwrap();
            let written = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000 + number as u64);
            fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
        }
        let there = |number: usize| at(folder.path(), &number.to_string()).exists();
        assert_eq!((there(0), there(1), there(2), there(3)), (false, false, false, true));
        // One large file: all that is older goes, and it stays itself.
        let large = at(folder.path(), "large");
        fs::File::create(&large).unwrap().set_len(FOLDER_MAX_BYTES + 1).unwrap();
        forget_old(folder.path(), &large);
        assert!(large.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_others_may_write_to_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("cache");
        let path = at(&inner, "a");
        write(&path, &Kept::default()).unwrap();
        assert!(read(&path).is_some());
        let allow = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        allow(&path, 0o666);
        assert!(read(&path).is_none());
        allow(&path, 0o600);
        allow(&inner, 0o770);
        assert!(read(&path).is_none());
        allow(&inner, 0o755);
        assert!(read(&path).is_some());
    }

    #[test]
    fn whoever_reads_while_others_write_reads_one_or_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = at(folder.path(), "a");
        let kept = Kept { facts: vec![("a".repeat(100_000).into(), Answer::Names(None))], ..Kept::default() };
        write(&path, &kept).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..20).for_each(|_| write(&path, &kept).unwrap()));
            }
            for _ in 0..60 {
                assert_eq!(read(&path).expect("a whole file").facts.len(), 1);
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing unfinished is left");
    }
}
