//! Files that leave as artifacts.
//!
//! Runs when nothing else does (all of a step's processes are dead), so what is looked at stays as it is.
//! No link is ever followed, whole paths included: a step could make `plan` a link to what the agent may
//! read and the step may not.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

/// Most files of a tree.
const TREE_FILES_MAX: usize = 1000;
/// Deepest folder of a tree.
const TREE_DEPTH_MAX: usize = 64;

/// Files of a tree: relative path and content.
type Files = Vec<(String, Vec<u8>)>;

/// Reads a regular file of at most `max_bytes`. `None`: there is none.
pub fn file(path: &Path, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    // Not blocking: opening a pipe would wait for a writer that never comes.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = match openat2(CWD, path, flags, Mode::empty(), resolve) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => return Err(io::Error::other("the path leads through a symbolic link")),
        Err(error) => return Err(error.into()),
    };
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if facts.len() > max_bytes {
        return Err(io::Error::other(format!("{} bytes, more than the limit of {max_bytes}", facts.len())));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Reads every regular file below a folder, in the order of names: (relative path, content). Links, special
/// files and names that are not UTF-8 are skipped. `None`: no such folder, or more than the limits allow.
pub fn tree(root: &Path, max_bytes: u64) -> io::Result<Option<Files>> {
    if !fs::symlink_metadata(root).is_ok_and(|facts| facts.is_dir()) {
        return Ok(None);
    }
    let Some(paths) = list(root)? else { return Ok(None) };
    let mut left = max_bytes;
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let full = root.join(&path);
        if fs::symlink_metadata(&full)?.len() > left {
            return Ok(None);
        }
        let Some(bytes) = file(&full, left)? else { continue };
        left = left.saturating_sub(bytes.len() as u64);
        files.push((path, bytes));
    }
    Ok(Some(files))
}

fn list(root: &Path) -> io::Result<Option<Vec<String>>> {
    let mut paths = Vec::new();
    let mut folders = vec![(PathBuf::new(), 0usize)];
    let mut seen = 0usize;
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            seen += 1;
            let (kind, path) = (entry.file_type()?, folder.join(entry.file_name()));
            if kind.is_dir() {
                folders.push((path, depth + 1));
            } else if kind.is_file()
                && let Some(path) = path.to_str()
            {
                paths.push(path.to_string());
            }
            // Folders and links count as well, or a tree of empty folders would have no limit.
            if paths.len() > TREE_FILES_MAX || seen > TREE_FILES_MAX * 8 || depth >= TREE_DEPTH_MAX {
                return Ok(None);
            }
        }
    }
    paths.sort();
    Ok(Some(paths))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("portcullis-agent-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder.canonicalize().unwrap()
    }

    #[test]
    fn a_file_is_sent_but_no_link_no_pipe_and_nothing_over_the_limit() {
        let folder = scratch("file");
        fs::write(folder.join("plan"), b"0123456789").unwrap();
        fs::create_dir(folder.join("real")).unwrap();
        fs::write(folder.join("real/plan"), b"x").unwrap();
        symlink("plan", folder.join("link")).unwrap();
        symlink("real", folder.join("way")).unwrap();
        rustix::fs::mknodat(CWD, folder.join("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(file(&folder.join("plan"), 10).unwrap().as_deref(), Some(&b"0123456789"[..]));
        assert_eq!(file(&folder.join("none"), 10).unwrap(), None);
        for (name, max) in [("plan", 9), ("link", 10), ("way/plan", 10), ("pipe", 10), ("real", 10)] {
            assert!(file(&folder.join(name), max).is_err(), "{name}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_tree_is_sent_whole_or_not_at_all() {
        let folder = scratch("tree");
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/b/one"), b"1").unwrap();
        fs::write(folder.join("two"), b"22").unwrap();
        symlink("/etc/passwd", folder.join("a/link")).unwrap();
        let whole = vec![("a/b/one".to_string(), b"1".to_vec()), ("two".to_string(), b"22".to_vec())];
        assert_eq!(tree(&folder, 3).unwrap(), Some(whole));
        assert_eq!(tree(&folder, 2).unwrap(), None);
        assert_eq!(tree(&folder.join("none"), 2).unwrap(), None);
        for index in 0..TREE_FILES_MAX {
            fs::write(folder.join(format!("f{index}")), b"").unwrap();
        }
        assert_eq!(tree(&folder, 1000).unwrap(), None);
        fs::remove_dir_all(folder).unwrap();
    }
}
