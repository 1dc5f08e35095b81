//! The repository that a command looks at without a runner.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_estate::{Checkout, Source};
use portcullis_model::{CommitId, Fault};

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
