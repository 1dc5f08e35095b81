//! The repository that a command looks at without a runner.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_estate::{Checkout, Source};
use portcullis_model::{CommitId, Fault};
use portcullis_sources::Sources;

use super::on_runtime;
use crate::environment::Environment;
use crate::imports::Imports;

/// What a range understands, for the end of a help text.
pub const RANGES: &str = "`A..B` compares two revisions, `A...B` B with where it left A, `A` the working files with A.";

/// Where the files are.
#[derive(Debug, clap::Args)]
pub struct Repository {
    /// The repository's root, or any folder that counts as one [default: the repository around here]
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,
}

impl Repository {
    /// The folder.
    ///
    /// # Errors
    /// `PC-0004` when there is none.
    pub fn checkout(&self) -> Result<Checkout, Fault> {
        match &self.repo {
            Some(folder) => Checkout::open(folder),
            None => Checkout::around(Path::new(".")),
        }
    }
}

/// The files of a commit, or those of the work tree.
///
/// # Errors
/// When they cannot be read.
pub fn files(checkout: &Checkout, commit: Option<&CommitId>) -> Result<Arc<dyn Source>, Fault> {
    Ok(match commit {
        Some(commit) => Arc::new(checkout.files_at(commit)?),
        None => Arc::new(checkout.files()?),
    })
}

/// The variable that names the folder for what can be had again; `off` for none.
const CACHE: &str = "PORTCULLIS_CACHE";

/// Files of other repositories that definitions import, as far as an earlier call has fetched them.
pub fn kept(cache: Option<&Path>) -> Imports {
    let environment = Environment::of_process();
    let folder = match (cache, environment.get(CACHE)) {
        (Some(folder), _) => Some(folder.to_path_buf()),
        (None, Some("off")) => None,
        (None, Some(folder)) => Some(PathBuf::from(folder)),
        (None, None) => environment.cache_folder(),
    };
    Imports::new(folder.map(|folder| folder.join("imports")))
}

/// Something that fetches, in a folder that is gone when it is done.
///
/// # Errors
/// Those of `work`, and of the file system.
pub fn fetching<T>(work: impl AsyncFnOnce(&Sources) -> Result<T, Fault>) -> Result<T, Fault> {
    let folder = Folder::new()?;
    let sources = Sources::open(portcullis_sources::Settings::new(&folder.0))?;
    on_runtime(work(&sources))
}

/// A folder of this process alone.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Fault> {
        use std::os::unix::fs::DirBuilderExt as _;
        let name = format!("portcullis-{}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Fault::io(path.display(), &error))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
