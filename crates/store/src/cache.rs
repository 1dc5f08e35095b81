//! What can be made again: sealed files, named by a digest. Losing one costs time, never truth.

use portcullis_model::{Digest, Fault};

use crate::Store;
use crate::decisions::unbuilt;

/// Largest item, in bytes. A larger one is not kept.
pub const CACHE_ITEM_MAX_BYTES: usize = 256 * 1024 * 1024;
/// Largest cache, in bytes on disk. The items that were not used for longest go first.
pub const CACHE_MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;

impl Store {
    /// Keeps an item. `false`: it is too large and was not kept.
    pub async fn cache_put(&self, key: &Digest, bytes: Vec<u8>) -> Result<bool, Fault> {
        let _ = (key, bytes);
        Err(unbuilt())
    }

    /// An item, if it is there. One that does not open (damaged, another key) is removed and counts as absent.
    pub async fn cache_get(&self, key: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        let _ = key;
        Err(unbuilt())
    }
}
