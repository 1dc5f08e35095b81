//! [`Cache`]: what evaluations of different commits share: parsed files, digests of files, results.
//!
//! Nothing in it decides anything. A parsed file is found by the identity of its content, a unit's result by the
//! unit, the settings and every answer that the tree gave while it was evaluated (see [`crate::trace`]). Without a
//! cache the same comes out, later.
//!
//! It is bounded in bytes, by an estimate of what its parts take.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use portcullis_hcl::File;
use portcullis_model::{Digest, DigestBuilder, Fault, UnitPath};

use crate::disk::{self, Stored};
use crate::evaluate::Evaluated;
use crate::generations::Generations;
use crate::settings::{Limits, Settings};
use crate::source::{ContentId, Source};
use crate::trace::{Basis, Interned, Trace, TreeNumber};

/// Bytes of a syntax tree for each byte of text, about.
const PARSED_BYTES_PER_BYTE: usize = 24;
/// Bytes of the map's own for each digest of a file, about.
const DIGEST_BYTES: usize = 128;
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
}

impl Default for CacheLimits {
    fn default() -> Self {
        CacheLimits { parsed_bytes: 64 << 20, digest_bytes: 16 << 20 }
    }
}

/// What evaluations of different commits share. One for a process; threads may use it at the same time.
pub struct Cache {
    limits: CacheLimits,
    /// Where results are kept between processes: the folder, and what tells this repository's from others' there.
    disk: Option<(PathBuf, Digest)>,
    parsed: Mutex<Generations<ParsedKey, Parsed>>,
    digests: Mutex<Generations<(ContentId, bool), Digest>>,
    /// Most recently used last.
    results: Mutex<Vec<(Digest, Arc<Results>)>>,
}

/// Content, the name that it is known by in messages, and the limits that it was parsed with.
type ParsedKey = (ContentId, Box<str>, Digest);
/// What does not parse is not parsed again either.
type Parsed = Result<Arc<File>, Fault>;

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

    /// A parsed file.
    pub(crate) fn parsed(
        &self,
        id: ContentId,
        path: &str,
        limits: &Digest,
        parse: impl FnOnce() -> Result<(Parsed, usize), Fault>,
    ) -> Parsed {
        let key = (id, Box::from(path), *limits);
        if let Some(parsed) = self.parsed.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return parsed;
        }
        let (parsed, bytes) = parse()?;
        let bytes = bytes.saturating_mul(PARSED_BYTES_PER_BYTE).saturating_add(path.len());
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner).insert(key, parsed.clone(), bytes);
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
        if kept.len() > SETTINGS_KEPT {
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
    /// Whether there is something that is not on disk.
    changed: AtomicBool,
}

/// One load, as the results know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    number: u64,
    tree: TreeNumber,
}

struct Kept {
    basis: Basis,
    evaluated: Mutex<Stored>,
    /// The last load that used it.
    used: AtomicU64,
}

impl Results {
    fn from_disk(kept: disk::Kept) -> Self {
        let mut interned = Interned::default();
        let mut units: HashMap<UnitPath, Vec<Kept>> = HashMap::new();
        for (unit, evaluated, basis) in kept.into_known(&mut interned) {
            let evaluated = Mutex::new(evaluated);
            units.entry(unit).or_default().push(Kept { basis, evaluated, used: AtomicU64::new(0) });
        }
        Results { interned: Mutex::new(interned), units: RwLock::new(units), ..Results::default() }
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

    /// Keeps what a load evaluated.
    pub(crate) fn keep(&self, load: Load, made: Vec<Made>) {
        self.changed.fetch_or(!made.is_empty(), Ordering::Relaxed);
        let interned: Vec<(UnitPath, Kept)> = {
            let mut interned = self.interned.lock().unwrap_or_else(PoisonError::into_inner);
            let mut parts = HashMap::new();
            let keep = |made: Made| {
                let basis = interned.basis(&made.trace, &mut parts)?;
                let evaluated = Mutex::new(Stored::Here(made.evaluated));
                Some((made.unit, Kept { basis, evaluated, used: AtomicU64::new(load.number) }))
            };
            made.into_iter().filter_map(keep).collect()
        };
        let mut units = self.units.write().unwrap_or_else(PoisonError::into_inner);
        for (unit, made) in interned {
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
        drop(units);
        self.interned.lock().unwrap_or_else(PoisonError::into_inner).sweep();
    }
}

/// What a load evaluated.
pub(crate) struct Made {
    pub(crate) unit: UnitPath,
    pub(crate) evaluated: Evaluated,
    pub(crate) trace: Trace,
}
