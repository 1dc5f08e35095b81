//! What can be made again: sealed files, named by a digest. Losing one costs time, never truth.
//!
//! So nothing here is synced: a file that a crash has torn does not open, and is removed.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use portcullis_model::{Digest, Fault};

use crate::Store;
use crate::failure::blocking;
use crate::open::make_private_dir;
use crate::seal::{Key, Label};

/// Largest item, in bytes. A larger one is not kept.
pub const CACHE_ITEM_MAX_BYTES: usize = 256 * 1024 * 1024;
/// Largest cache, in bytes on disk. The items that were not used for longest go first.
pub const CACHE_MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// The folder of the cache.
pub(crate) struct Cache {
    dir: PathBuf,
    max: u64,
    /// Numbers the drafts of this process.
    drafts: AtomicU64,
    /// Bytes on disk. Held while items go, so that two puts do not both remove.
    size: Mutex<u64>,
}

impl Cache {
    pub(crate) fn open(dir: PathBuf) -> Result<Self, Fault> {
        make_private_dir(&dir)?;
        let failed = |error: std::io::Error| Fault::io("opening the cache", &error);
        let mut size = 0u64;
        for entry in fs::read_dir(&dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let length = entry.metadata().map_err(failed)?.len();
            if entry.path().extension().is_some() {
                // A draft that a crash has left.
                fs::remove_file(entry.path()).map_err(failed)?;
            } else {
                size = size.saturating_add(length);
            }
        }
        Ok(Cache { dir, max: CACHE_MAX_BYTES, drafts: AtomicU64::new(0), size: Mutex::new(size) })
    }

    fn put(&self, key: &Key, name: &Digest, content: &[u8]) -> Result<bool, Fault> {
        if content.len() > CACHE_ITEM_MAX_BYTES {
            return Ok(false);
        }
        let sealed = key.seal(&label(name), content)?;
        let draft = self.dir.join(format!("{}.draft", self.drafts.fetch_add(1, Ordering::Relaxed)));
        let written = write_private(&draft, &sealed).and_then(|()| {
            let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
            let path = self.path(name);
            let before = fs::metadata(&path).map_or(0, |known| known.len());
            fs::rename(&draft, &path)?;
            *size = size.saturating_sub(before).saturating_add(sealed.len() as u64);
            if *size > self.max { self.shrink(&mut size) } else { Ok(()) }
        });
        if let Err(error) = written {
            // Best effort: at the next start a draft is removed as well.
            let _ = fs::remove_file(&draft);
            return Err(Fault::io("writing to the cache", &error));
        }
        Ok(true)
    }

    /// Removes the items that were not used for longest, down to nine tenths.
    fn shrink(&self, size: &mut u64) -> std::io::Result<()> {
        let mut items = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let known = entry.metadata()?;
            if entry.path().extension().is_none() {
                items.push((known.modified()?, known.len(), entry.path()));
            }
        }
        items.sort();
        *size = items.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in items {
            if *size <= self.max / 10 * 9 {
                break;
            }
            fs::remove_file(path)?;
            *size = size.saturating_sub(length);
        }
        Ok(())
    }

    fn get(&self, key: &Key, name: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        let path = self.path(name);
        let sealed = match fs::read(&path) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::io("reading from the cache", &error)),
        };
        let length = sealed.len() as u64;
        match key.open(&label(name), "an item of the cache", sealed) {
            Ok(content) => {
                mark_used(&path);
                Ok(Some(content))
            }
            Err(fault) => {
                tracing::warn!(item = %name.short(), %fault, "an item of the cache is dropped");
                if fs::remove_file(&path).is_ok() {
                    let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
                    *size = size.saturating_sub(length);
                }
                Ok(None)
            }
        }
    }

    fn path(&self, name: &Digest) -> PathBuf {
        self.dir.join(name.to_string())
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
}

/// The clock is read here because file times are the record of use; nobody is shown them.
#[allow(clippy::disallowed_methods)]
fn mark_used(path: &Path) {
    // An item that cannot be marked only goes earlier.
    let _ = File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
}

fn label(name: &Digest) -> Label {
    Label::new("cache", &[name.as_bytes()])
}

impl Store {
    /// Keeps an item. `false`: it is too large and was not kept.
    ///
    /// # Errors
    /// `PC-0901`, or `PC-0902` when the disk is full; the item is then simply absent.
    pub async fn cache_put(&self, key: &Digest, bytes: Vec<u8>) -> Result<bool, Fault> {
        let (name, cache, seal) = (*key, self.0.cache.clone(), self.0.key.clone());
        blocking(move || cache.put(&seal, &name, &bytes)).await
    }

    /// An item, if it is there. One that does not open (damaged, another key) is removed and counts as absent.
    ///
    /// # Errors
    /// `PC-0901` when the file cannot be read.
    pub async fn cache_get(&self, key: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        let (name, cache, seal) = (*key, self.0.cache.clone(), self.0.key.clone());
        blocking(move || cache.get(&seal, &name)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_items_that_were_not_used_for_longest_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let key_file = dir.path().join("key");
        let key = Key::create(&key_file).unwrap();
        let mut cache = Cache::open(dir.path().join("cache")).unwrap();
        // What does not compress: a chain of digests.
        let content: Vec<u8> = (0..100u32).flat_map(|n| *Digest::of(&n.to_be_bytes()).as_bytes()).collect();
        cache.max = 4 * 3400;
        let names: Vec<Digest> = (0..5u8).map(|n| Digest::of(&[n])).collect();
        for (age, name) in names.iter().take(4).enumerate() {
            assert!(cache.put(&key, name, &content).unwrap());
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(age as u64);
            File::options().append(true).open(cache.path(name)).unwrap().set_modified(time).unwrap();
        }
        assert!(cache.get(&key, &names[0]).unwrap().is_some());
        cache.put(&key, &names[4], &content).unwrap();
        let kept: Vec<bool> = names.iter().map(|name| cache.path(name).exists()).collect();
        assert_eq!(kept, [true, false, false, true, true]);
        let on_disk: u64 = names.iter().filter_map(|n| fs::metadata(cache.path(n)).ok()).map(|m| m.len()).sum();
        assert_eq!(*cache.size.lock().unwrap(), on_disk);
        assert_eq!(*Cache::open(dir.path().join("cache")).unwrap().size.lock().unwrap(), on_disk);
    }
}
