//! The folder whose content becomes `/work` inside a sandbox.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use portcullis_model::Fault;

use crate::uids::Lease;

/// A folder on the host that the runner fills before a launch. Inside, `/work` starts as a copy of it, with
/// modes and links. Removed when dropped, as is the copy.
#[derive(Debug)]
pub struct Workdir {
    path: PathBuf,
    lease: Lease,
}

impl Workdir {
    pub(crate) fn create(path: PathBuf, lease: Lease) -> Result<Self, Fault> {
        fs::create_dir(&path)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o700)))
            .map_err(|error| Fault::io(path.display(), &error))?;
        Ok(Workdir { path, lease })
    }

    /// Where to write the layout. Links in it are kept as links; hard links are refused by [`Workdir::seal`].
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The user id on the host that the task will have (the runner's own when it is not root).
    pub fn uid(&self) -> u32 {
        self.lease.uid()
    }

    pub(crate) fn has_own_uid(&self) -> bool {
        self.lease.is_own()
    }

    /// Gives the content to the task's user. [`crate::LocalExecutor::launch`] does it too.
    ///
    /// # Errors
    /// Of the file system; a file with a second name elsewhere, which would be given away with this one.
    pub fn seal(&self) -> Result<(), Fault> {
        if !self.has_own_uid() {
            return Ok(());
        }
        let failed = |path: &Path, error: io::Error| Fault::io(path.display(), &error);
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(|error| failed(&folder, error))? {
                let path = entry.map_err(|error| failed(&folder, error))?.path();
                let facts = fs::symlink_metadata(&path).map_err(|error| failed(&path, error))?;
                if facts.is_dir() {
                    folders.push(path);
                } else if facts.nlink() > 1 {
                    return Err(Fault::internal(format!("a hard link in a layout: {}", path.display())));
                } else {
                    lchown(&path, Some(self.uid()), Some(self.uid())).map_err(|error| failed(&path, error))?;
                }
            }
            lchown(&folder, Some(self.uid()), Some(self.uid())).map_err(|error| failed(&folder, error))?;
        }
        Ok(())
    }
}

impl Drop for Workdir {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start.
        let _ = fs::remove_dir_all(&self.path);
    }
}
