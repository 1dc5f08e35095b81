//! Results of evaluations on disk, so that a process starts with what an earlier one found out.
//!
//! One file for each settings, by name. It begins with the evaluator that wrote it and the digest of what follows; a
//! file of another evaluator, one that is cut off, damaged or not understood is not used and is written anew. What is in it is
//! results with the facts that they rest on, so it is no more trusted than memory is: a result is used where
//! its facts hold. Who can write to the folder can make results up: it belongs to the user that reads it.

use std::collections::HashMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_model::{Digest, Fault, UnitPath};
use serde::{Deserialize, Serialize};

use crate::evaluate::Evaluated;
use crate::trace::{Answer, Basis, Fact, Interned};

/// Starts a file. The number changes when its form does.
const MAGIC: &str = "portcullis estate 2";
/// Largest file that is read, in bytes.
const FILE_MAX_BYTES: u64 = 1 << 30;
/// Files of other settings that are kept.
const FILES_KEPT: usize = 8;
const ENDING: &str = "estate";

/// Results and facts, as they are kept on disk.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct Kept {
    facts: Vec<(Box<str>, Answer)>,
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
    evaluated: Evaluated,
}

/// Gives facts and parts their positions.
#[derive(Default)]
struct Places {
    facts: HashMap<*const Fact, u32>,
    parts: HashMap<*const Basis, u32>,
}

impl Kept {
    /// Of results whose facts and parts are shared.
    pub(crate) fn new<'k>(known: impl Iterator<Item = (&'k UnitPath, &'k Evaluated, &'k Basis)>) -> Self {
        let mut kept = Kept::default();
        let mut places = Places::default();
        for (unit, evaluated, basis) in known {
            let rests_on = kept.rests(basis, &mut places);
            kept.results.push(Result { unit: unit.clone(), rests_on, evaluated: evaluated.clone() });
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
    pub(crate) fn into_known(self, interned: &mut Interned) -> Vec<(UnitPath, Evaluated, Basis)> {
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
            Some((result.unit, result.evaluated, Basis::new(facts, parts)))
        });
        known.collect()
    }
}

/// Where the results for some settings are.
pub(crate) fn file(folder: &Path, settings: &Digest) -> PathBuf {
    folder.join(format!("{settings}.{ENDING}"))
}

fn evaluator() -> String {
    format!("{MAGIC} {} {}", env!("CARGO_PKG_VERSION"), env!("PORTCULLIS_EVALUATOR"))
}

/// Reads a file. `None`: there is none that can be used.
pub(crate) fn read(path: &Path) -> Option<Kept> {
    let file = fs::File::open(path).ok()?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata().ok()?.len().min(FILE_MAX_BYTES)).ok()?);
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
    forget_old(folder);
    Ok(())
}

/// Removes files that were not written for longest, and what an interrupted process left.
fn forget_old(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<(std::time::SystemTime, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let ours = path.extension().is_some_and(|ending| ending == ENDING || ending == "new");
            Some((path.metadata().ok()?.modified().ok()?, path)).filter(|_| ours)
        })
        .collect();
    files.sort();
    files.reverse();
    for (_, path) in files.into_iter().skip(FILES_KEPT) {
        let _ = fs::remove_file(path);
    }
}
