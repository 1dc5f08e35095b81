//! [`DirSource`]: a plain folder, such as a checkout. For the command line; a runner reads git objects.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_model::{Code, Fault};

use super::{ContentId, DirEntry, Entry, EntryKind, FILE_MAX_BYTES, Look, Source};

/// Files up to this size stay in memory, in bytes.
const KEPT_MAX_BYTES: usize = 1024 * 1024;

/// A folder of the file system. Git's own folder in it is not shown.
///
/// A file's content is what it was when it was first asked for: open the folder again to see changes.
#[derive(Debug)]
pub struct DirSource {
    root: PathBuf,
    files: Mutex<HashMap<String, Kept>>,
}

/// A file that was read before.
#[derive(Debug, Clone)]
struct Kept {
    id: ContentId,
    /// `None` for one that is too large to stay in memory.
    bytes: Option<Arc<[u8]>>,
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
        Ok(DirSource { root, files: Mutex::default() })
    }

    /// The path on disk and its metadata.
    fn locate(&self, path: &str) -> Result<Located, Fault> {
        let mut at = self.root.clone();
        let mut metadata = lstat(&at)?;
        if path != "." {
            for part in path.split('/') {
                match metadata {
                    Some(metadata) if metadata.is_symlink() => return Ok(Located::BehindLink),
                    Some(metadata) if metadata.is_dir() && !matches!(part, "" | "." | ".." | ".git") => {}
                    _ => return Ok(Located::Absent),
                }
                at.push(part);
                metadata = lstat(&at)?;
            }
        }
        Ok(metadata.map_or(Located::Absent, |metadata| Located::At(at, metadata)))
    }

    /// A file's content and its identity, the same whenever it is asked for.
    fn content(&self, path: &str, on_disk: &Path) -> Result<(ContentId, Arc<[u8]>), Fault> {
        let known = self.files.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some(Kept { id, bytes: Some(bytes) }) = known {
            return Ok((id, bytes));
        }
        let bytes = read_file(path, on_disk)?;
        let id = ContentId::of(&bytes)?;
        if known.is_some_and(|known| known.id != id) {
            return Err(Fault::new(Code::IO, format!("{path} was changed while it was read"))
                .remedy("Try again when nothing writes to the folder."));
        }
        let kept = Kept { id, bytes: (bytes.len() <= KEPT_MAX_BYTES).then(|| Arc::clone(&bytes)) };
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), kept);
        Ok((id, bytes))
    }
}

/// What a path leads to.
enum Located {
    At(PathBuf, fs::Metadata),
    Absent,
    BehindLink,
}

fn read_file(path: &str, on_disk: &Path) -> Result<Arc<[u8]>, Fault> {
    let mut bytes = Vec::new();
    fs::File::open(on_disk)
        .and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| Fault::io(path, &error))?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        return Err(Fault::new(Code::REPOSITORY_TOO_LARGE, format!("{path} is larger than {FILE_MAX_BYTES} bytes"))
            .remedy("Keep large files out of the configuration repository."));
    }
    Ok(bytes.into())
}

/// What a repository can hold; `None` for a socket, pipe or device.
fn kind(metadata: &fs::Metadata) -> Option<EntryKind> {
    if metadata.is_dir() {
        Some(EntryKind::Dir)
    } else if metadata.is_symlink() {
        Some(EntryKind::Symlink)
    } else if metadata.is_file() {
        Some(EntryKind::File { executable: is_executable(metadata) })
    } else {
        None
    }
}

impl Source for DirSource {
    fn read(&self, path: &str) -> Result<Option<Entry>, Fault> {
        let Located::At(on_disk, metadata) = self.locate(path)? else { return Ok(None) };
        Ok(match kind(&metadata) {
            Some(EntryKind::File { executable }) => {
                Some(Entry::File { bytes: self.content(path, &on_disk)?.1, executable })
            }
            Some(EntryKind::Symlink) => {
                let target = fs::read_link(&on_disk).map_err(|error| Fault::io(path, &error))?;
                Some(Entry::Symlink { target: target.to_string_lossy().into_owned() })
            }
            Some(EntryKind::Dir) => Some(Entry::Dir),
            Some(EntryKind::Submodule) | None => None,
        })
    }

    fn look(&self, path: &str) -> Result<Look, Fault> {
        Ok(match self.locate(path)? {
            Located::At(_, metadata) => kind(&metadata).map_or(Look::Absent, Look::At),
            Located::Absent => Look::Absent,
            Located::BehindLink => Look::BehindLink,
        })
    }

    fn id(&self, path: &str) -> Result<Option<ContentId>, Fault> {
        let Located::At(on_disk, metadata) = self.locate(path)? else { return Ok(None) };
        match kind(&metadata) {
            Some(EntryKind::File { .. }) => Ok(Some(self.content(path, &on_disk)?.0)),
            Some(EntryKind::Symlink) => match self.read(path)? {
                Some(Entry::Symlink { target }) => ContentId::of(target.as_bytes()).map(Some),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<DirEntry>>, Fault> {
        let Located::At(on_disk, metadata) = self.locate(dir)? else { return Ok(None) };
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
            if let Some(kind) = kind(&metadata) {
                entries.push(DirEntry { name, kind });
            }
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
