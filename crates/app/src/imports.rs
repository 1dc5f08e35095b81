//! Files of other repositories that a fleet definition imports: fetched once, kept by content.
//!
//! An import names a commit and the SHA-256 of the file, so what is kept under that digest is what is meant, for all time:
//! a host that is away keeps no runner from its definition, and one that gives something else is found out. The import
//! itself is what allows its repository and no other one: it stands in the definition, which comes from the protected
//! branch, or in a file that is pinned by it. Everything else that holds for modules holds here (`sources`): which addresses
//! are connected to, sizes, times, credentials by place.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use portcullis_estate::Entry;
use portcullis_fleet::{Fleet, Pinned, Read, wanted};
use portcullis_model::{Code, Digest, Fault, RemoteSource, SourcePattern};
use portcullis_sources::{Order, Sources};

/// Largest file: a definition takes no larger one.
const FILE_BYTES_MAX: usize = 256 << 10;
/// Most files that lead from one to the next: a definition takes no more.
const ROUNDS_MAX: usize = 9;

/// What was fetched, by digest.
pub struct Imports {
    /// Where it is kept. `None`: in memory, as long as this lives.
    dir: Option<PathBuf>,
    here: Mutex<BTreeMap<Digest, Vec<u8>>>,
}

impl Imports {
    /// Keeps files in a folder, which is made when there is something to keep.
    pub fn new(dir: Option<PathBuf>) -> Self {
        Imports { dir, here: Mutex::default() }
    }

    /// A file, if it is at hand.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn get(&self, pinned: &Pinned) -> Result<Option<Vec<u8>>, Fault> {
        if let Some(bytes) = self.here.lock().unwrap_or_else(PoisonError::into_inner).get(&pinned.sha256) {
            return Ok(Some(bytes.clone()));
        }
        let Some(dir) = &self.dir else { return Ok(None) };
        let path = dir.join(pinned.sha256.to_string());
        match fs::read(&path) {
            // One that is damaged is fetched again, and written anew.
            Ok(bytes) => Ok(Some(bytes).filter(|bytes| Digest::of(bytes) == pinned.sha256)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Fault::io(path.display(), &error)),
        }
    }

    /// Fetches all that a definition needs and that is not at hand.
    ///
    /// # Errors
    /// Those of [`file`], each at its import.
    pub async fn fetch_all(
        &self,
        sources: &Sources,
        read: &(impl Fn(&str) -> Result<Option<Vec<u8>>, Fault> + Sync),
    ) -> Result<(), Fault> {
        for _ in 0..ROUNDS_MAX {
            let missing = wanted(read, &|pinned| self.get(pinned));
            if missing.is_empty() {
                break;
            }
            for pinned in &missing {
                let at = |fault: Fault| if fault.place().is_some() { fault } else { fault.at(pinned.place.clone()) };
                let bytes = file(sources, &pinned.git, pinned.commit.as_str(), &pinned.path).await.map_err(at)?;
                pinned.check(&bytes)?;
                self.keep(pinned, bytes)?;
            }
        }
        Ok(())
    }

    /// The fleet, with what is at hand.
    ///
    /// # Errors
    /// Everything that is wrong with the definition.
    pub fn fleet(&self, read: &Read<'_>) -> Result<Fleet, Vec<Fault>> {
        Fleet::load_with(read, &|pinned| self.get(pinned))
    }

    fn keep(&self, pinned: &Pinned, bytes: Vec<u8>) -> Result<(), Fault> {
        if let Some(dir) = &self.dir {
            let path = dir.join(pinned.sha256.to_string());
            write(dir, &path, &bytes).map_err(|error| Fault::io(path.display(), &error))?;
        }
        self.here.lock().unwrap_or_else(PoisonError::into_inner).insert(pinned.sha256, bytes);
        Ok(())
    }
}

/// Beside its place, then by a rename: there as a whole or not at all.
fn write(dir: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// A file of a repository at a commit, from the network.
///
/// # Errors
/// `PC-0508` when it is not there or too large, and those of fetching: `PC-0616`, `PC-0111`, `PC-08xx`.
pub async fn file(sources: &Sources, git: &str, commit: &str, path: &str) -> Result<Vec<u8>, Fault> {
    let source = RemoteSource::parse(&format!("git::{git}?ref={commit}"))?;
    let address = source.address("");
    let allow = SourcePattern::parse(&address).map_err(|why| {
        Fault::new(Code::FLEET_IMPORT, format!("{address} cannot be imported from: {why}"))
            .remedy("Name the repository by `https://host/path`.")
    })?;
    let order = Order { source: &source, allow: &[allow], default_registry: "", scope: "imports" };
    let fetched = sources.fetch(order).await?;
    let missing = |what: &str| {
        Fault::new(Code::FLEET_IMPORT, format!("`{path}` {what} in {address} at commit {commit}"))
            .remedy("Name a file of that repository, from its top.")
    };
    match fetched.files.read(path)? {
        Some(Entry::File { bytes, .. }) if bytes.len() <= FILE_BYTES_MAX => Ok(bytes.to_vec()),
        Some(Entry::File { .. }) => Err(missing("is larger than a definition may be")),
        Some(_) => Err(missing("is no file")),
        None => Err(missing("is not there")),
    }
}
