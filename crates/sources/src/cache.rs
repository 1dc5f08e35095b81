//! Archives on disk, by the digest of their bytes. Written beside and renamed, so that one is there as a whole or not at
//! all; what is read is compared with its name before it is used.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use portcullis_model::{Digest, Fault};

/// The ending of what is not whole yet.
const UNFINISHED: &str = ".new";

/// Archives by digest.
pub(crate) struct Archives {
    dir: PathBuf,
    max_bytes: u64,
    numbers: AtomicU64,
}

impl Archives {
    /// Opens the folder, made if it is not there, and removes what a killed runner left half-written.
    pub fn open(dir: PathBuf, max_bytes: u64) -> Result<Self, Fault> {
        let failed = |error: std::io::Error| Fault::io(dir.display(), &error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
        for entry in fs::read_dir(&dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(Archives { dir, max_bytes, numbers: AtomicU64::new(0) })
    }

    /// An archive, if it is there and is what its name says. One that is not is removed.
    pub fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, Fault> {
        let path = self.path(digest);
        let failed = |error: std::io::Error| Fault::io(path.display(), &error);
        let mut bytes = Vec::new();
        match fs::File::open(&path) {
            Ok(mut file) => file.read_to_end(&mut bytes).map_err(failed)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if Digest::of(&bytes) == *digest {
            // So that the one that was used last is the last to be removed. It is used all the same if that fails.
            let _ = fs::File::open(&path).and_then(|file| file.set_modified(now()));
            return Ok(Some(bytes));
        }
        tracing::warn!(path = %path.display(), "a kept archive is not what its name says; it is fetched again");
        fs::remove_file(&path).map_err(failed)?;
        Ok(None)
    }

    /// Keeps an archive, and lets those go that were used longest ago where there are too many.
    pub fn put(&self, digest: &Digest, bytes: &[u8]) -> Result<(), Fault> {
        let path = self.path(digest);
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let beside = self.dir.join(format!("{number}{UNFINISHED}"));
        let failed = |error: std::io::Error| Fault::io(path.display(), &error);
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&beside, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&beside);
            return Err(failed(error));
        }
        self.tidy(&path).map_err(failed)
    }

    fn tidy(&self, newest: &Path) -> std::io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let Ok(meta) = entry.metadata() else { continue };
            if !entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
                kept.push((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), meta.len(), entry.path()));
            }
        }
        kept.sort();
        let mut all: u64 = kept.iter().map(|(_, length, _)| *length).sum();
        for (_, length, path) in kept.iter().filter(|(_, _, path)| path != newest) {
            if all <= self.max_bytes {
                break;
            }
            match fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => all -= length,
            }
        }
        Ok(())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(digest.to_string())
    }
}

#[allow(clippy::disallowed_methods, reason = "the age of a file, which decides nothing but what is removed first")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_what_its_name_says_or_it_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Archives::open(folder.path().to_owned(), 100).unwrap();
        let archives = open();
        let digest = Digest::of(b"one");
        assert_eq!(archives.get(&digest).unwrap(), None);
        archives.put(&digest, b"one").unwrap();
        assert_eq!(archives.get(&digest).unwrap().as_deref(), Some(&b"one"[..]));
        fs::write(folder.path().join(digest.to_string()), b"two").unwrap();
        assert_eq!(archives.get(&digest).unwrap(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "and it is gone");
        fs::write(folder.path().join("7.new"), b"half").unwrap();
        open();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "as is what was never whole");
    }

    #[test]
    fn those_that_were_used_longest_ago_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let archives = Archives::open(folder.path().to_owned(), 100).unwrap();
        let contents = [[1u8; 40], [2; 40], [3; 40]];
        let old = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(60);
        for bytes in &contents[..2] {
            archives.put(&Digest::of(bytes), bytes).unwrap();
            let path = folder.path().join(Digest::of(bytes).to_string());
            fs::File::open(path).unwrap().set_modified(old).unwrap();
        }
        assert!(archives.get(&Digest::of(&contents[0])).unwrap().is_some());
        archives.put(&Digest::of(&contents[2]), &contents[2]).unwrap();
        let there = contents.iter().map(|bytes| archives.get(&Digest::of(bytes)).unwrap().is_some());
        assert_eq!(there.collect::<Vec<_>>(), [true, false, true]);
    }
}
