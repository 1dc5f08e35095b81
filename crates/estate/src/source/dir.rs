//! [`DirSource`]: a plain folder, such as a checkout. For the command line; a runner reads git objects.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use portcullis_model::{Code, Fault};

use super::{DirEntry, Entry, EntryKind, FILE_MAX_BYTES, Source};

/// A folder of the file system. Git's own folder in it is not shown.
#[derive(Debug)]
pub struct DirSource {
    root: PathBuf,
}

impl DirSource {
    /// Opens a folder.
    ///
    /// # Errors
    /// `PC-0004` when the folder does not exist or is no folder.
    pub fn open(root: &Path) -> Result<Self, Fault> {
        let root = root.canonicalize().map_err(|error| {
            Fault::new(Code::NOT_A_REPOSITORY, format!("{}: {error}", root.display()))
                .remedy("Name a folder that exists.")
        })?;
        if !root.is_dir() {
            return Err(Fault::new(Code::NOT_A_REPOSITORY, format!("{} is no folder", root.display()))
                .remedy("Name the repository's folder."));
        }
        Ok(DirSource { root })
    }

    /// The path on disk and its metadata, or `None` when a part is missing or an inner part is a link.
    fn locate(&self, path: &str) -> Result<Option<(PathBuf, fs::Metadata)>, Fault> {
        let mut at = self.root.clone();
        let mut metadata = lstat(&at)?;
        if path == "." {
            return Ok(metadata.map(|metadata| (at, metadata)));
        }
        for part in path.split('/') {
            if !metadata.is_some_and(|metadata| metadata.is_dir()) || matches!(part, "" | "." | ".." | ".git") {
                return Ok(None);
            }
            at.push(part);
            metadata = lstat(&at)?;
        }
        Ok(metadata.map(|metadata| (at, metadata)))
    }
}

impl Source for DirSource {
    fn read(&self, path: &str) -> Result<Option<Entry>, Fault> {
        let Some((on_disk, metadata)) = self.locate(path)? else { return Ok(None) };
        if metadata.is_dir() {
            return Ok(Some(Entry::Dir));
        }
        if metadata.is_symlink() {
            let target = fs::read_link(&on_disk).map_err(|error| Fault::io(path, &error))?;
            return Ok(Some(Entry::Symlink { target: target.to_string_lossy().into_owned() }));
        }
        if !metadata.is_file() {
            // A socket, pipe or device is not what a repository can hold.
            return Ok(None);
        }
        let mut bytes = Vec::new();
        fs::File::open(&on_disk)
            .and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| Fault::io(path, &error))?;
        if bytes.len() as u64 > FILE_MAX_BYTES {
            return Err(Fault::new(
                Code::REPOSITORY_TOO_LARGE,
                format!("{path} is larger than {FILE_MAX_BYTES} bytes"),
            )
            .remedy("Keep large files out of the configuration repository."));
        }
        Ok(Some(Entry::File { bytes: bytes.into(), executable: is_executable(&metadata) }))
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<DirEntry>>, Fault> {
        let Some((on_disk, metadata)) = self.locate(dir)? else { return Ok(None) };
        if !metadata.is_dir() {
            return Ok(None);
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(&on_disk).map_err(|error| Fault::io(dir, &error))? {
            let entry = entry.map_err(|error| Fault::io(dir, &error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == ".git" {
                continue;
            }
            let metadata = entry.metadata().map_err(|error| Fault::io(&name, &error))?;
            let kind = if metadata.is_dir() {
                EntryKind::Dir
            } else if metadata.is_symlink() {
                EntryKind::Symlink
            } else if metadata.is_file() {
                EntryKind::File { executable: is_executable(&metadata) }
            } else {
                continue;
            };
            entries.push(DirEntry { name, kind });
        }
        entries.sort();
        Ok(Some(entries))
    }
}

fn lstat(path: &Path) -> Result<Option<fs::Metadata>, Fault> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Fault::io(path.display(), &error)),
    }
}

fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    // Git keeps one bit: whether the owner may execute.
    metadata.permissions().mode() & 0o100 != 0
}
