//! The [`Mirror`]: the runner's own copy of a repository's branches.

use std::path::{Path, PathBuf};

use portcullis_model::{BranchName, CommitId, Fault};

use crate::{Credential, Limits, RepositoryUrl};

/// What a mirror needs to know.
#[derive(Debug, Clone)]
pub struct MirrorSettings {
    /// The bare repository's folder; made if it is not there. Its parent exists and belongs to the runner.
    pub dir: PathBuf,
    /// Where it is a mirror of.
    pub url: RepositoryUrl,
    /// For a private repository.
    pub credential: Option<Credential>,
    /// The `git` program: an absolute path, or a name that is looked up in `/usr/local/bin:/usr/bin:/bin`.
    pub git: PathBuf,
    /// A file of certificate authorities for `https`, instead of the host's.
    pub ca_file: Option<PathBuf>,
    /// A proxy for `https`.
    pub proxy: Option<String>,
    /// Limits.
    pub limits: Limits,
}

impl MirrorSettings {
    /// With the defaults: `git`, no credential, the default limits.
    pub fn new(dir: impl Into<PathBuf>, url: RepositoryUrl) -> Self {
        MirrorSettings {
            dir: dir.into(),
            url,
            credential: None,
            git: PathBuf::from("git"),
            ca_file: None,
            proxy: None,
            limits: Limits::default(),
        }
    }
}

/// A bare mirror of a repository's branches. Share it in an `Arc`; all methods may run at once.
pub struct Mirror {
    settings: MirrorSettings,
}

impl Mirror {
    /// Makes the bare repository if it is not there, and clears away what a killed git left in it. Does not
    /// fetch. Only one process may use a folder (the data folder's lock sees to that).
    ///
    /// # Errors
    /// `PC-0602` without git, `PC-0804` for a credential that does not fit, `PC-09xx` for the disk.
    pub async fn open(settings: MirrorSettings) -> Result<Self, Fault> {
        Ok(Mirror { settings })
    }

    /// Fetches all branches, forced and pruned. Calls at the same time share a fetch; each returns only after
    /// one that began after its call.
    ///
    /// # Errors
    /// `PC-0800`, `PC-0801`, `PC-0803` (an object is broken), `PC-0804`, `PC-0805`.
    pub async fn fetch(&self) -> Result<(), Fault> {
        Err(Fault::internal("not there yet"))
    }

    /// The commit at a branch's head, as of the last fetch.
    ///
    /// # Errors
    /// `PC-0111` when there is no such branch, `PC-0112` when the name is a tag of the remote.
    pub async fn branch(&self, branch: &BranchName) -> Result<CommitId, Fault> {
        let _ = branch;
        Err(Fault::internal("not there yet"))
    }

    /// All branches and their heads, in the order of their names.
    ///
    /// # Errors
    /// As for any local question.
    pub async fn branches(&self) -> Result<Vec<(BranchName, CommitId)>, Fault> {
        Err(Fault::internal("not there yet"))
    }

    /// Whether `ancestor` is `commit` or one of its ancestors.
    ///
    /// # Errors
    /// `PC-0803` when one of them is not in the mirror.
    pub async fn is_ancestor(&self, ancestor: &CommitId, commit: &CommitId) -> Result<bool, Fault> {
        let _ = (ancestor, commit);
        Err(Fault::internal("not there yet"))
    }

    /// The best common ancestor, if there is one.
    ///
    /// # Errors
    /// `PC-0803` when one of them is not in the mirror.
    pub async fn merge_base(&self, a: &CommitId, b: &CommitId) -> Result<Option<CommitId>, Fault> {
        let _ = (a, b);
        Err(Fault::internal("not there yet"))
    }

    /// The bare repository, for readers of objects.
    pub fn git_dir(&self) -> &Path {
        &self.settings.dir
    }
}
