//! [`Store`]: opening the data folder, one process at a time.

use std::path::Path;
use std::sync::Arc;

use portcullis_model::Fault;

use crate::decisions::unbuilt;

/// The data folder of one runner. Cheap to clone.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Inner>);

pub(crate) struct Inner {}

impl Store {
    /// Opens `dir`, making it and the key file at the first start. Both are 0600 or 0700.
    ///
    /// # Errors
    /// `PC-0905` when another process has it open, `PC-0906` when a newer version wrote it, `PC-0702` when the
    /// key is not the one that it was sealed with, `PC-0901` to `PC-0903` when the world fails.
    pub async fn open(dir: &Path, key_file: &Path) -> Result<Store, Fault> {
        let _ = (dir, key_file);
        Err(unbuilt())
    }

    /// Closes it: waits for what is under way and lets go of the folder. Later calls fail.
    pub async fn close(&self) {}
}
