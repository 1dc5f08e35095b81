//! [`Reader`]: files of the repository as configuration sees them: links are followed inside the repository
//! only, sizes are limited, parsed files are kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_hcl::File;
use portcullis_model::{Code, Fault, Place};

use crate::path;
use crate::settings::Limits;
use crate::source::{DirEntry, Entry, Source};

/// Most links that are followed for one path.
const LINKS_MAX: usize = 40;

/// What is at a path after links were followed.
pub(crate) struct Found {
    /// The repository path without links.
    pub(crate) real: String,
    /// A file, a folder or a submodule; never a link.
    pub(crate) entry: Entry,
}

/// Reads files for all units of an estate.
pub(crate) struct Reader {
    source: Arc<dyn Source>,
    limits: Limits,
    parsed: Mutex<HashMap<String, Arc<File>>>,
}

impl Reader {
    pub(crate) fn new(source: Arc<dyn Source>, limits: &Limits) -> Self {
        Reader { source, limits: limits.clone(), parsed: Mutex::default() }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn source(&self) -> &dyn Source {
        &*self.source
    }

    /// What is at a repository path.
    ///
    /// # Errors
    /// `PC-0414` when a link on the way leads out of the repository, or links lead in a circle.
    pub(crate) fn find(&self, path: &str) -> Result<Option<Found>, Fault> {
        match self.source.read(path)? {
            Some(Entry::Symlink { .. }) | None => self.follow(path),
            // A source never looks through a link, so there was none on the way.
            Some(entry) => Ok(Some(Found { real: path.to_owned(), entry })),
        }
    }

    fn follow(&self, path: &str) -> Result<Option<Found>, Fault> {
        let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut at = ".".to_owned();
        let mut links = 0;
        let mut entry = Entry::Dir;
        while let Some(part) = left.pop() {
            let next = path::resolve(&at, &part).map_err(|_| leaves(path))?;
            match self.source.read(&next)? {
                None => return Ok(None),
                Some(Entry::Symlink { target }) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Fault::new(Code::OUTSIDE_REPOSITORY, format!("the links of {path} have no end"))
                            .remedy("Remove the link."));
                    }
                    if target.starts_with('/') {
                        return Err(leaves(path));
                    }
                    left.extend(target.split('/').rev().filter(|part| !part.is_empty()).map(str::to_owned));
                    entry = Entry::Dir;
                }
                Some(found) => {
                    at = next;
                    entry = found;
                }
            }
        }
        Ok(Some(Found { real: at, entry }))
    }

    /// A file's bytes; `None` when there is no such file.
    pub(crate) fn bytes(&self, path: &str) -> Result<Option<Arc<[u8]>>, Fault> {
        let Some(Found { entry: Entry::File { bytes, .. }, .. }) = self.find(path)? else { return Ok(None) };
        if bytes.len() > self.limits.file_bytes {
            let message = format!("{path} has {} bytes, limit is {}", bytes.len(), self.limits.file_bytes);
            return Err(Fault::new(Code::HCL_TOO_LARGE, message)
                .at(Place::file(path))
                .remedy("Keep data out of configuration files, or split the file."));
        }
        Ok(Some(bytes))
    }

    /// A parsed HCL file; `None` when there is no such file.
    pub(crate) fn hcl(&self, path: &str) -> Result<Option<Arc<File>>, Fault> {
        if let Some(file) = self.parsed.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok(Some(Arc::clone(file)));
        }
        let Some(bytes) = self.bytes(path)? else { return Ok(None) };
        let file = File::parse(path, &bytes, &self.limits.hcl)?;
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), Arc::clone(&file));
        Ok(Some(file))
    }

    /// Whether anything is at the path.
    pub(crate) fn exists(&self, path: &str) -> Result<bool, Fault> {
        Ok(self.find(path)?.is_some())
    }

    /// Whether a folder is at the path.
    pub(crate) fn is_dir(&self, path: &str) -> Result<bool, Fault> {
        Ok(matches!(self.find(path)?, Some(Found { entry: Entry::Dir, .. })))
    }

    /// The entries of a folder, links followed for the folder itself only.
    pub(crate) fn list(&self, path: &str) -> Result<Option<Vec<DirEntry>>, Fault> {
        match self.find(path)? {
            Some(Found { real, entry: Entry::Dir }) => self.source.list(&real),
            _ => Ok(None),
        }
    }
}

fn leaves(path: &str) -> Fault {
    Fault::new(Code::OUTSIDE_REPOSITORY, format!("{path} leads out of the repository through a symbolic link"))
        .remedy("Replace the link by the file, or let it point inside the repository.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::DirSource;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_inside_and_refused_outside() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("real/inner")).unwrap();
        std::fs::write(at("real/inner/a.hcl"), "x = 1\n").unwrap();
        symlink("real", at("link")).unwrap();
        symlink("../link/inner/a.hcl", at("real/b.hcl")).unwrap();
        symlink("../..", at("real/out")).unwrap();
        symlink("/etc", at("etc")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let reader = Reader::new(Arc::new(DirSource::open(folder.path()).unwrap()), &Limits::default());
        assert_eq!(reader.find("link/inner/a.hcl").unwrap().unwrap().real, "real/inner/a.hcl");
        assert_eq!(reader.find("real/b.hcl").unwrap().unwrap().real, "real/inner/a.hcl");
        assert!(reader.hcl("real/b.hcl").unwrap().is_some());
        assert!(reader.find("link/none").unwrap().is_none());
        for bad in ["real/out", "etc/passwd", "etc", "loop", "real/out/x"] {
            assert_eq!(reader.find(bad).err().map(|f| f.code()), Some(Code::OUTSIDE_REPOSITORY), "{bad}");
        }
    }
}
