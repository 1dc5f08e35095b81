//! [`Checkout`]: a folder on disk as the command line is given it: its working files, and the revisions of the
//! git repository that it belongs to, if it belongs to one. Reads git objects only; starts no program.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use gix::ObjectId;
use portcullis_model::id::quoted;
use portcullis_model::{Code, CommitId, Fault};

use super::{DirSource, GitObjects, GitSource};

/// A folder that holds an estate. The folder is the estate's root, also when it lies inside a larger repository.
pub struct Checkout {
    folder: PathBuf,
    git: Option<Git>,
}

struct Git {
    repository: gix::Repository,
    /// The folder, relative to the repository's root; `.` for the root itself.
    below: String,
    objects: OnceLock<Arc<GitObjects>>,
}

/// What two revisions are compared: the older one, and the newer one or the working files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The commit to compare with.
    pub base: CommitId,
    /// The commit that is looked at; `None` for the working files.
    pub head: Option<CommitId>,
}

impl Checkout {
    /// Opens a folder; whether it belongs to a git repository is found out by looking upwards.
    ///
    /// The repository's own configuration has no influence, nor has the environment.
    ///
    /// # Errors
    /// `PC-0004` when there is no such folder.
    pub fn open(folder: &Path) -> Result<Self, Fault> {
        let folder = folder.canonicalize().map_err(|error| {
            Fault::new(Code::NOT_A_REPOSITORY, format!("{}: {error}", folder.display()))
                .remedy("Name a folder that exists.")
        })?;
        if !folder.is_dir() {
            return Err(Fault::new(Code::NOT_A_REPOSITORY, format!("{} is no folder", folder.display()))
                .remedy("Name the repository's folder."));
        }
        let git = Git::find(&folder);
        Ok(Checkout { folder, git })
    }

    /// The root of the repository that a folder belongs to; the folder itself when it belongs to none.
    ///
    /// # Errors
    /// As [`Checkout::open`].
    pub fn around(folder: &Path) -> Result<Self, Fault> {
        let found = Checkout::open(folder)?;
        match found.git.as_ref().and_then(|git| git.repository.workdir()) {
            Some(root) => Checkout::open(root),
            None => Ok(found),
        }
    }

    /// The folder on disk.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The working files.
    ///
    /// # Errors
    /// `PC-0004` for a bare repository, which has none.
    pub fn files(&self) -> Result<DirSource, Fault> {
        if self.git.as_ref().is_some_and(|git| git.repository.workdir().is_none()) {
            return Err(Fault::new(
                Code::NOT_A_REPOSITORY,
                format!("{} is a bare repository: it has no working files", self.folder.display()),
            )
            .remedy("Name a revision with `--rev`."));
        }
        DirSource::open(&self.folder)
    }

    /// The files at a commit.
    ///
    /// # Errors
    /// `PC-0004` when the folder belongs to no repository or is not there at that commit; `PC-0803` when objects
    /// cannot be read.
    pub fn files_at(&self, commit: &CommitId) -> Result<GitSource, Fault> {
        let git = self.git()?;
        git.objects()?.commit(commit)?.below(&git.below)?.ok_or_else(|| {
            Fault::new(Code::NOT_A_REPOSITORY, format!("there is no folder {} at {}", git.below, commit.short()))
                .remedy("Name a revision that has it.")
        })
    }

    /// The commit that a revision names, as git's own commands take it: a branch, a tag, `HEAD~2`, an id.
    ///
    /// # Errors
    /// `PC-0111` when it names none.
    pub fn commit(&self, revision: &str) -> Result<CommitId, Fault> {
        let id = self.object(revision)?;
        CommitId::parse(&id.to_string())
    }

    /// Reads `A..B`, `A...B` (from where the two part), or `A` (to the working files). An end that is left out
    /// is `HEAD`.
    ///
    /// # Errors
    /// As [`Checkout::commit`]; `PC-0111` too when `A...B` have no history in common.
    pub fn range(&self, text: &str) -> Result<Range, Fault> {
        let or_head = |text: &str| if text.is_empty() { "HEAD".to_owned() } else { text.to_owned() };
        if let Some((base, head)) = text.split_once("...") {
            let (base, head) = (self.object(&or_head(base))?, self.object(&or_head(head))?);
            let found = self.git()?.repository.merge_base(base, head).map_err(|error| unreadable(&error))?;
            let base = found.ok_or_else(|| {
                Fault::new(Code::REF_UNKNOWN, format!("the revisions of {} have no history in common", quoted(text)))
                    .remedy("Compare them directly: write two dots.")
            })?;
            return Ok(Range {
                base: CommitId::parse(&base.to_string())?,
                head: Some(CommitId::parse(&head.to_string())?),
            });
        }
        match text.split_once("..") {
            Some((base, head)) => {
                Ok(Range { base: self.commit(&or_head(base))?, head: Some(self.commit(&or_head(head))?) })
            }
            None => Ok(Range { base: self.commit(text)?, head: None }),
        }
    }

    fn object(&self, revision: &str) -> Result<ObjectId, Fault> {
        let unknown = |why: String| {
            Fault::new(Code::REF_UNKNOWN, format!("{} names no commit of this repository", quoted(revision)))
                .note(why)
                .remedy("Name a branch, a tag, or a commit that is in this clone.")
        };
        let repository = &self.git()?.repository;
        let id = repository.rev_parse_single(revision).map_err(|error| unknown(error.to_string()))?;
        let object = id.object().map_err(|error| unreadable(&error))?;
        let commit = object.peel_to_commit().map_err(|error| unknown(error.to_string()))?;
        Ok(commit.id)
    }

    fn git(&self) -> Result<&Git, Fault> {
        self.git.as_ref().ok_or_else(|| {
            Fault::new(Code::NOT_A_REPOSITORY, format!("{} belongs to no git repository", self.folder.display()))
                .remedy("Leave the revision out to read the folder as it is.")
        })
    }
}

impl Git {
    fn find(folder: &Path) -> Option<Git> {
        let options = gix::open::Options::isolated().with(gix::sec::Trust::Full);
        let repository = gix::discover_opts(folder, gix::discover::upwards::Options::default(), options).ok()?;
        let below = match repository.workdir() {
            Some(root) => {
                let below = folder.strip_prefix(root.canonicalize().ok()?).ok()?.to_str()?.to_owned();
                if below.is_empty() { ".".to_owned() } else { below }
            }
            None => ".".to_owned(),
        };
        Some(Git { repository, below, objects: OnceLock::new() })
    }

    fn objects(&self) -> Result<&Arc<GitObjects>, Fault> {
        match self.objects.get() {
            Some(objects) => Ok(objects),
            None => {
                let opened = GitObjects::open(self.repository.git_dir())?;
                Ok(self.objects.get_or_init(|| opened))
            }
        }
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> Fault {
    Fault::new(Code::GIT_OBJECT, format!("the repository's history cannot be read: {error}"))
        .remedy("A shallow clone has no history: fetch it with `git fetch --unshallow`.")
}
