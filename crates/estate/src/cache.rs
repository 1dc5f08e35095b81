//! [`Cache`]: what evaluations of different commits share: parsed files, digests of files, results.
//!
//! Nothing in it decides anything. A parsed file is found by the identity of its content, a unit's result by the
//! unit, the settings and every answer that the tree gave while it was evaluated (see [`crate::trace`]). Without a
//! cache the same comes out, later.
//!
//! It is bounded in bytes, by an estimate of what its parts take.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use portcullis_hcl::File;
use portcullis_model::{Digest, DigestBuilder, Fault, UnitPath};

use crate::disk::{self, Stored};
use crate::evaluate::Evaluated;
use crate::generations::Generations;
use crate::settings::{Limits, Settings};
use crate::source::{ContentId, Source};
use crate::trace::{Basis, Interned, PartsMade, Trace, TreeNumber};

/// Bytes of a syntax tree for each byte of text, about.
const PARSED_BYTES_PER_BYTE: usize = 24;
/// Bytes of the syntax tree of a unit's own file, about.
const OWN_FILE_BYTES: usize = 16 << 10;
/// Bytes of parsed files that are of use for a moment.
const PASSING_BYTES: usize = 1 << 20;
/// Bytes of the map's own for each digest of a file, about.
const DIGEST_BYTES: usize = 128;
/// Bytes of a result besides what is in it, about.
const KEPT_BYTES: usize = 256;
/// Results of one unit that are kept: the protected branch's, and those of a few proposed changes.
const RESULTS_PER_UNIT: usize = 4;
/// Settings that results are kept for, so that an account's definition may change and change back.
const SETTINGS_KEPT: usize = 8;
/// Loads after which a result that nobody used is dropped.
const LOADS_UNUSED: u64 = 64;

/// How much a [`Cache`] may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// Parsed files, in bytes.
    pub parsed_bytes: usize,
    /// Digests of files, in bytes.
    pub digest_bytes: usize,
    /// What units were found to be, in bytes. Those that were not used for longest go first.
    pub result_bytes: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        CacheLimits { parsed_bytes: 64 << 20, digest_bytes: 16 << 20, result_bytes: 512 << 20 }
    }
}

/// What evaluations of different commits share. One for a process; threads may use it at the same time.
pub struct Cache {
    limits: CacheLimits,
    /// Where results are kept between processes: the folder, and what tells this repository's from others' there.
    disk: Option<(PathBuf, Digest)>,
    parsed: Mutex<Generations<ParsedKey, Parsed>>,
    /// Units' own files of estates that are too large to keep them all: a few, for who asks again soon.
    passing: Mutex<Generations<ParsedKey, Parsed>>,
    digests: Mutex<Generations<(ContentId, bool), Digest>>,
    /// Most recently used last.
    results: Mutex<Vec<(Digest, Arc<Results>)>>,
}

/// Content, the name that it is known by in messages, and the limits that it was parsed with.
type ParsedKey = (ContentId, Box<str>, Digest);
/// What does not parse is not parsed again either.
type Parsed = Result<Arc<File>, Box<Fault>>;

/// How long a parsed file is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// To many units, or to later commits.
    Lasting,
    /// To one unit, of so many that none of their files would be there any more when it comes again. What is dropped at
    /// once is dropped while it is in the processor's caches.
    Passing,
}

impl Default for Cache {
    fn default() -> Self {
        Cache::new(CacheLimits::default())
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Cache {
    /// An empty one.
    pub fn new(limits: CacheLimits) -> Self {
        Cache {
            limits,
            disk: None,
            parsed: Mutex::new(Generations::new(limits.parsed_bytes)),
            passing: Mutex::new(Generations::new(PASSING_BYTES.min(limits.parsed_bytes))),
            digests: Mutex::new(Generations::new(limits.digest_bytes)),
            results: Mutex::default(),
        }
    }

    /// An empty one that finds results of earlier processes in a folder, and leaves its own there when it is told
    /// to ([`Cache::save`]). The folder is made when it is needed; only this user may be able to write to it. It holds
    /// results of many repositories; `repository` tells them apart, and means nothing else.
    pub fn on_disk(limits: CacheLimits, folder: &Path, repository: &str) -> Self {
        let mut scope = DigestBuilder::new("portcullis repository v1");
        scope.text(repository);
        Cache { disk: Some((folder.to_path_buf(), scope.finish())), ..Cache::new(limits) }
    }

    pub(crate) fn limits(&self) -> CacheLimits {
        self.limits
    }

    /// Writes the results for settings to disk, if there is a folder and something in them is new.
    ///
    /// # Errors
    /// Those of the file system. Nothing depends on it but the speed of the next process.
    pub fn save(&self, settings: &Settings) -> Result<(), Fault> {
        let Some((folder, scope)) = &self.disk else { return Ok(()) };
        let results = self.results(settings);
        if !results.changed.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        disk::write(&disk::file(folder, scope, &settings_key(settings)), &results.to_disk()?)
    }

    /// How long a unit's own file is of use in an estate of so many units.
    pub(crate) fn use_of_own_files(&self, units: usize) -> Use {
        if units.saturating_mul(OWN_FILE_BYTES) > self.limits.parsed_bytes { Use::Passing } else { Use::Lasting }
    }

    /// A parsed file.
    pub(crate) fn parsed(
        &self,
        id: ContentId,
        path: &str,
        limits: &Digest,
        of_use: Use,
        parse: impl FnOnce() -> Result<(Result<Arc<File>, Fault>, usize), Fault>,
    ) -> Result<Arc<File>, Fault> {
        let key = (id, Box::from(path), *limits);
        let kept = match of_use {
            Use::Lasting => &self.parsed,
            Use::Passing => &self.passing,
        };
        let known = kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key);
        if let Some(parsed) = known {
            return parsed.map_err(|fault| *fault);
        }
        let (parsed, bytes) = parse()?;
        let bytes = bytes.saturating_mul(PARSED_BYTES_PER_BYTE).saturating_add(path.len());
        let made = parsed.clone().map_err(Box::new);
        let gone = kept.lock().unwrap_or_else(PoisonError::into_inner).insert(key, made, bytes);
        drop(gone);
        parsed
    }

    /// A file's digest.
    pub(crate) fn digest(
        &self,
        id: ContentId,
        executable: bool,
        make: impl FnOnce() -> Result<Digest, Fault>,
    ) -> Result<Digest, Fault> {
        let key = (id, executable);
        if let Some(digest) = self.digests.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(digest);
        }
        let digest = make()?;
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).insert(key, digest, DIGEST_BYTES);
        Ok(digest)
    }

    /// The results for settings.
    pub(crate) fn results(&self, settings: &Settings) -> Arc<Results> {
        let key = settings_key(settings);
        let mut kept = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| *known == key);
        let found = match (at, &self.disk) {
            (Some(at), _) => kept.remove(at),
            (None, None) => (key, Arc::default()),
            (None, Some((folder, scope))) => {
                let read = disk::read(&disk::file(folder, scope, &key)).unwrap_or_default();
                (key, Arc::new(Results::from_disk(read)))
            }
        };
        let results = Arc::clone(&found.1);
        kept.push(found);
        let bytes = |kept: &[(Digest, Arc<Results>)]| kept.iter().map(|(_, results)| results.bytes()).sum::<usize>();
        while kept.len() > SETTINGS_KEPT || (kept.len() > 1 && bytes(&kept) > self.limits.result_bytes) {
            kept.remove(0);
        }
        results
    }
}

/// All that an evaluation depends on besides the tree. What settings print is all of their fields.
fn settings_key(settings: &Settings) -> Digest {
    let mut digest = DigestBuilder::new("portcullis settings v1");
    digest.text(env!("CARGO_PKG_VERSION")).text(&format!("{settings:?}"));
    digest.finish()
}

/// Stands for limits in a key.
pub(crate) fn limits_key(limits: &Limits) -> Digest {
    Digest::of(format!("{limits:?}").as_bytes())
}

/// Results of evaluations with the same settings.
#[derive(Default)]
pub(crate) struct Results {
    interned: Mutex<Interned>,
    units: RwLock<HashMap<UnitPath, Vec<Kept>>>,
    /// Counts loads.
    loads: AtomicU64,
    /// Of all results, about.
    bytes: AtomicUsize,
    /// Whether there is something that is not on disk.
    changed: AtomicBool,
}

/// One load, as the results know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    number: u64,
    tree: TreeNumber,
}

pub(crate) struct Kept {
    basis: Basis,
    evaluated: Mutex<Stored>,
    /// What it takes, about.
    bytes: usize,
    /// The last load that used it.
    used: AtomicU64,
}

impl Results {
    fn from_disk(kept: disk::Kept) -> Self {
        let mut interned = Interned::default();
        let mut units: HashMap<UnitPath, Vec<Kept>> = HashMap::new();
        for (unit, evaluated, basis) in kept.into_known(&mut interned) {
            units.entry(unit).or_default().push(Kept::new(basis, evaluated, 0));
        }
        let bytes = AtomicUsize::new(units.values().flatten().map(|kept| kept.bytes).sum());
        Results { interned: Mutex::new(interned), units: RwLock::new(units), bytes, ..Results::default() }
    }

    /// The result of each unit that was used last.
    fn to_disk(&self) -> Result<disk::Kept, Fault> {
        let units = self.units.read().unwrap_or_else(PoisonError::into_inner);
        let last = units.iter().filter_map(|(unit, kept)| {
            let kept = kept.iter().max_by_key(|kept| kept.used.load(Ordering::Relaxed))?;
            let text = kept.evaluated.lock().unwrap_or_else(PoisonError::into_inner).text();
            Some(text.map(|text| (unit, text, &kept.basis)))
        });
        Ok(disk::Kept::new(last.collect::<Result<Vec<_>, _>>()?.into_iter()))
    }

    /// What all results take, about.
    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Begins a load.
    pub(crate) fn begin(&self, tree: TreeNumber) -> Load {
        Load { number: self.loads.fetch_add(1, Ordering::Relaxed) + 1, tree }
    }

    /// A unit's result, if every fact that one rests on holds in the tree.
    pub(crate) fn find(&self, unit: &UnitPath, load: Load, source: &dyn Source) -> Option<Evaluated> {
        let units = self.units.read().unwrap_or_else(PoisonError::into_inner);
        let kept = units.get(unit)?.iter().rev().find(|kept| kept.basis.holds(load.tree, source))?;
        let evaluated = kept.evaluated.lock().unwrap_or_else(PoisonError::into_inner).get()?;
        kept.used.store(load.number, Ordering::Relaxed);
        Some(evaluated)
    }

    /// Makes results of what one thread evaluated, to be kept when the load is done. `parts` is what was made of the
    /// parts of its traces before.
    pub(crate) fn made(&self, load: Load, made: Vec<Made>, parts: &mut PartsMade) -> Vec<(UnitPath, Kept)> {
        let mut interned = self.interned.lock().unwrap_or_else(PoisonError::into_inner);
        let bases: Vec<Option<Basis>> = made.iter().map(|made| interned.basis(&made.trace, parts)).collect();
        drop(interned);
        let kept = |(made, basis): (Made, Option<Basis>)| {
            Some((made.unit, Kept::new(basis?, Stored::Here(made.evaluated), load.number)))
        };
        made.into_iter().zip(bases).filter_map(kept).collect()
    }

    /// Keeps what a load evaluated.
    pub(crate) fn keep(&self, load: Load, made: Vec<(UnitPath, Kept)>, limit: usize) {
        self.changed.fetch_or(!made.is_empty(), Ordering::Relaxed);
        let mut units = self.units.write().unwrap_or_else(PoisonError::into_inner);
        for (unit, made) in made {
            let kept = units.entry(unit).or_default();
            kept.push(made);
            kept.sort_by_key(|kept| kept.used.load(Ordering::Relaxed));
            if kept.len() > RESULTS_PER_UNIT {
                kept.remove(0);
            }
        }
        if load.number.is_multiple_of(LOADS_UNUSED) {
            units.retain(|_, kept| {
                kept.retain(|kept| kept.used.load(Ordering::Relaxed) + LOADS_UNUSED > load.number);
                !kept.is_empty()
            });
        }
        self.bytes.store(bound(&mut units, limit), Ordering::Relaxed);
        drop(units);
        self.interned.lock().unwrap_or_else(PoisonError::into_inner).sweep();
    }
}

impl Kept {
    fn new(basis: Basis, evaluated: Stored, used: u64) -> Self {
        let rests_on = (basis.facts.len() + basis.parts.len()) * size_of::<usize>();
        let bytes = KEPT_BYTES + rests_on + evaluated.bytes();
        Kept { basis, evaluated: Mutex::new(evaluated), bytes, used: AtomicU64::new(used) }
    }
}

/// Drops results until they take no more than `limit` bytes, those that were not used for longest first. What is left.
fn bound(units: &mut HashMap<UnitPath, Vec<Kept>>, limit: usize) -> usize {
    let mut by_use: BTreeMap<u64, usize> = BTreeMap::new();
    for kept in units.values().flatten() {
        *by_use.entry(kept.used.load(Ordering::Relaxed)).or_default() += kept.bytes;
    }
    let mut left = 0usize;
    let newest_first = by_use.iter().rev();
    // Of the load at which it is too much a part is kept, as it comes.
    let (mut from, mut room) = (0, usize::MAX);
    for (used, bytes) in newest_first {
        if left + bytes > limit {
            (from, room) = (*used, limit - left);
            break;
        }
        left += bytes;
    }
    if room == usize::MAX {
        return left;
    }
    units.retain(|_, kept| {
        kept.retain(|kept| match kept.used.load(Ordering::Relaxed).cmp(&from) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal if kept.bytes <= room => {
                room -= kept.bytes;
                left += kept.bytes;
                true
            }
            std::cmp::Ordering::Equal | std::cmp::Ordering::Less => false,
        });
        !kept.is_empty()
    });
    left
}

/// What a load evaluated.
pub(crate) struct Made {
    pub(crate) unit: UnitPath,
    pub(crate) evaluated: Evaluated,
    pub(crate) trace: Trace,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_bounded_and_those_not_used_for_longest_go() {
        let result = |used: u64| Kept::new(Basis::new(Box::default(), Box::default()), broken(), used);
        let one = result(0).bytes;
        let mut units: HashMap<UnitPath, Vec<Kept>> = (0..10)
            .map(|number| (UnitPath::parse(&format!("u{number}")).unwrap(), vec![result(1), result(number + 2)]))
            .collect();
        let uses = |units: &HashMap<UnitPath, Vec<Kept>>| {
            let mut uses: Vec<u64> = units.values().flatten().map(|kept| kept.used.load(Ordering::Relaxed)).collect();
            uses.sort_unstable();
            uses
        };
        assert_eq!(bound(&mut units, 20 * one), 20 * one);
        assert_eq!(uses(&units).len(), 20);
        // There is room for two of the oldest load.
        assert_eq!(bound(&mut units, 12 * one), 12 * one);
        assert_eq!(uses(&units), [1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(bound(&mut units, 3 * one + 1), 3 * one);
        assert_eq!(uses(&units), [9, 10, 11]);
        assert_eq!(bound(&mut units, 0), 0);
        assert!(units.is_empty());
    }

    fn broken() -> Stored {
        Stored::Here(Evaluated::Broken([Fault::internal("a test")].into()))
    }
}
