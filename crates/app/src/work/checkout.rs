//! The repository at a commit, as a read-only folder for sandboxes: what hooks and `file()` paths look at.
//!
//! Written from git objects, by the runner; no checkout of `git` is involved, so no filter or attribute of the
//! repository has a say.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use portcullis_estate::{Entry, EntryKind, GitSource, Source};
use portcullis_model::{Code, CommitId, Fault};

/// Folders that are kept.
const KEPT: usize = 4;
/// Most entries of a checkout.
const ENTRIES_MAX: usize = 500_000;

/// The checkouts of a runner.
pub struct Checkouts {
    dir: PathBuf,
    /// Commits that are complete, oldest first.
    complete: Mutex<Vec<CommitId>>,
}

impl Checkouts {
    /// Starts with none: what a killed runner left may be half written.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(dir: PathBuf) -> Result<Self, Fault> {
        let failed = |error: std::io::Error| Fault::io(dir.display(), &error);
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        fs::create_dir_all(&dir).map_err(failed)?;
        Ok(Checkouts { dir, complete: Mutex::default() })
    }

    /// The folder of a commit; made if it is not there. Blocks. A sandbox that still shows an older one keeps
    /// it: a mount holds what it was made of.
    ///
    /// # Errors
    /// Those of git objects and of the file system.
    pub fn folder(&self, git_dir: &Path, commit: &CommitId) -> Result<PathBuf, Fault> {
        let mut complete = self.complete.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.dir.join(commit.as_str());
        if complete.contains(commit) {
            return Ok(folder);
        }
        // Left by an attempt that failed.
        let _ = fs::remove_dir_all(&folder);
        write(&GitSource::open(git_dir, commit)?, &folder)?;
        seem_a_repository(&folder)?;
        complete.push(commit.clone());
        if complete.len() > KEPT {
            let old = complete.remove(0);
            // What cannot be removed now is removed at the next start.
            let _ = fs::remove_dir_all(self.dir.join(old.as_str()));
        }
        Ok(folder)
    }
}

/// The least that `git rev-parse --show-toplevel` takes for a repository: hooks and Terragrunt ask where its root is.
/// It has no objects and no configuration. A commit cannot hold an entry of that name.
fn seem_a_repository(folder: &Path) -> Result<(), Fault> {
    let git = folder.join(".git");
    let failed = |error: std::io::Error| Fault::io(git.display(), &error);
    for inner in ["objects", "refs"] {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(git.join(inner)).map_err(failed)?;
    }
    fs::write(git.join("HEAD"), "ref: refs/heads/main\n").map_err(failed)?;
    fs::set_permissions(git.join("HEAD"), fs::Permissions::from_mode(0o644)).map_err(failed)
}

fn write(source: &dyn Source, to: &Path) -> Result<(), Fault> {
    let failed = |path: &Path, error: std::io::Error| Fault::io(path.display(), &error);
    let mut folders = BTreeSet::from([".".to_owned()]);
    let mut entries = 0usize;
    while let Some(folder) = folders.pop_first() {
        let inside = if folder == "." { to.to_path_buf() } else { to.join(&folder) };
        fs::DirBuilder::new().mode(0o755).create(&inside).map_err(|error| failed(&inside, error))?;
        for entry in source.list(&folder)?.unwrap_or_default() {
            entries += 1;
            if entries > ENTRIES_MAX {
                return Err(Fault::new(
                    Code::REPOSITORY_TOO_LARGE,
                    format!("the repository has more than {ENTRIES_MAX} files"),
                ));
            }
            let path = if folder == "." { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
            if entry.kind == EntryKind::Dir {
                folders.insert(path);
                continue;
            }
            let target = inside.join(&entry.name);
            match source.read(&path)? {
                Some(Entry::File { bytes, executable }) => {
                    let mode = if executable { 0o755 } else { 0o644 };
                    let mut options = fs::OpenOptions::new();
                    let file = options.write(true).create_new(true).mode(mode).open(&target);
                    file.and_then(|mut file| std::io::Write::write_all(&mut file, &bytes))
                        .map_err(|error| failed(&target, error))?;
                }
                // Inside a sandbox a link leads to what is in the sandbox, whatever it says.
                Some(Entry::Symlink { target: leads_to }) => {
                    symlink(leads_to, &target).map_err(|error| failed(&target, error))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}
