//! Fills `/work`, and what else is shown as a private copy: a copy of the folder that the runner laid out,
//! with modes and links.
//!
//! The copy is what makes `/work` a file system of its own, in memory, with a size that holds for any user
//! and leaves nothing on the host's disk. Runs before the walls close and before any stranger's code.

use std::fs::{self, DirBuilder, FileType};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::Path;

/// Copies the content of one folder into another; folders that exist (places of mounts) are kept.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let within = |path: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut folders = vec![(from.to_path_buf(), to.to_path_buf())];
    while let Some((from, to)) = folders.pop() {
        for entry in fs::read_dir(&from).map_err(|error| within(&from, error))? {
            let entry = entry?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type()?;
            copy_entry(kind, &source, &target).map_err(|error| within(&target, error))?;
            if kind.is_dir() {
                folders.push((source, target));
            }
        }
    }
    Ok(())
}

fn copy_entry(kind: FileType, source: &Path, target: &Path) -> io::Result<()> {
    if kind.is_dir() {
        return match DirBuilder::new().mode(0o755).create(target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && target.is_dir() => Ok(()),
            other => other,
        };
    }
    if kind.is_symlink() {
        return symlink(fs::read_link(source)?, target);
    }
    if !kind.is_file() {
        return Err(io::Error::other("neither a file, a folder nor a link"));
    }
    // `fs::copy` keeps the mode; a file that the runner wrote read-only must still be the task's to change.
    fs::copy(source, target)?;
    let mode = fs::metadata(target)?.permissions().mode();
    fs::set_permissions(target, fs::Permissions::from_mode((mode & 0o777) | 0o600))
}
