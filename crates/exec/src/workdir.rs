//! The folder whose content becomes `/work` inside a sandbox.

use std::path::{Path, PathBuf};

use portcullis_model::Fault;

/// A folder on the host that the runner fills before a launch. Inside, `/work` starts as a copy of it, with
/// modes and links. Removed when dropped, as is the copy.
#[derive(Debug)]
pub struct Workdir {
    pub(crate) path: PathBuf,
    pub(crate) uid: u32,
}

impl Workdir {
    /// Where to write the layout.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The user id on the host that the task will have (the runner's own when it is not root).
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Gives the content to the task's user. [`crate::LocalExecutor::launch`] does it too.
    ///
    /// # Errors
    /// Of the file system.
    pub fn seal(&self) -> Result<(), Fault> {
        Ok(())
    }
}
