//! Writing several files, all or none as far as a file system lets one.
//!
//! Each is written beside its place first; only when all are there, each takes its place by a rename. A failure between
//! two renames puts back what was renamed before it. A crash between them can leave some files new and others old: both
//! are whole, and `git checkout` has the old ones.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use portcullis_fleet::FileEdit;
use portcullis_model::{Code, Fault};

/// A file that is ready beside its place.
struct Ready<'e> {
    edit: &'e FileEdit,
    place: PathBuf,
    beside: PathBuf,
}

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        // It is gone when it took its place.
        let _ = fs::remove_file(&self.beside);
    }
}

/// Writes all files below a folder.
///
/// # Errors
/// `PC-0520` when a file is a link, is not what it was when it was read, or cannot be written. No file is changed then.
pub fn all(folder: &Path, edits: &[FileEdit]) -> Result<(), Fault> {
    let ready = edits.iter().map(|edit| prepare(folder, edit)).collect::<Result<Vec<_>, Fault>>()?;
    // Once more, right before: somebody may have saved it meanwhile.
    ready.iter().try_for_each(|one| unchanged(&one.place, one.edit))?;
    for (at, one) in ready.iter().enumerate() {
        if let Err(error) = fs::rename(&one.beside, &one.place) {
            for done in ready.iter().take(at) {
                let _ = beside(&done.place, &done.edit.before).and_then(|old| fs::rename(old, &done.place));
            }
            return Err(cannot(&one.edit.path, &error));
        }
    }
    for one in &ready {
        // So that the renames themselves are on the disk.
        if let Some(folder) = one.place.parent() {
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
    }
    Ok(())
}

fn prepare<'e>(folder: &Path, edit: &'e FileEdit) -> Result<Ready<'e>, Fault> {
    let place = folder.join(&edit.path);
    unchanged(&place, edit)?;
    let beside = beside(&place, &edit.after).map_err(|error| cannot(&edit.path, &error))?;
    Ok(Ready { edit, place, beside })
}

/// The file is still what was read. A link is not followed: what it leads to may be another's.
fn unchanged(place: &Path, edit: &FileEdit) -> Result<(), Fault> {
    let kind = fs::symlink_metadata(place).map_err(|error| cannot(&edit.path, &error))?;
    if !kind.is_file() {
        return Err(Fault::new(Code::FLEET_EXTRACT, format!("`{}` is a link, and is not written through", edit.path))
            .remedy("Put the file itself in its place, or work where it is."));
    }
    let now = fs::read(place).map_err(|error| cannot(&edit.path, &error))?;
    if now == edit.before {
        return Ok(());
    }
    Err(Fault::new(Code::FLEET_EXTRACT, format!("`{}` was changed by somebody else meanwhile", edit.path))
        .remedy("Run it again."))
}

/// A new file in the folder of another, with its permissions.
fn beside(place: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let beside = place.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
        file.set_permissions(fs::metadata(place)?.permissions())?;
        file.write_all(bytes)?;
        file.sync_all()
    })();
    match written {
        Ok(()) => Ok(beside),
        Err(error) => {
            if error.kind() != io::ErrorKind::AlreadyExists {
                let _ = fs::remove_file(&beside);
            }
            Err(error)
        }
    }
}

fn cannot(path: &str, error: &io::Error) -> Fault {
    Fault::new(Code::FLEET_EXTRACT, format!("`{path}` cannot be written: {error}"))
        .remedy("See to it that you may write to its folder, and that there is room.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(path: &str, before: &str, after: &str) -> FileEdit {
        FileEdit { path: path.to_owned(), before: before.into(), after: after.into() }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn all_files_are_written_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "1").unwrap();
        fs::write(at("b"), "2").unwrap();
        all(folder.path(), &[edit("a", "1", "one"), edit("b", "2", "two")]).unwrap();
        assert_eq!(
            (fs::read_to_string(at("a")).unwrap(), fs::read_to_string(at("b")).unwrap()),
            ("one".into(), "two".into())
        );
        let fault = all(folder.path(), &[edit("a", "one", "x"), edit("b", "another", "y")]).unwrap_err();
        assert!(fault.message().contains("`b` was changed by somebody else"), "{fault}");
        assert_eq!(fs::read_to_string(at("a")).unwrap(), "one");
        let fault = all(folder.path(), &[edit("a", "one", "x"), edit("gone", "", "y")]).unwrap_err();
        assert_eq!((fault.code(), fs::read_to_string(at("a")).unwrap()), (Code::FLEET_EXTRACT, "one".to_owned()));
        std::os::unix::fs::symlink("a", at("link")).unwrap();
        assert!(all(folder.path(), &[edit("link", "one", "x")]).unwrap_err().message().contains("is a link"));
        assert_eq!(names(folder.path()), ["a", "b", "link"], "nothing is left beside them");
    }

    #[test]
    fn permissions_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a");
        fs::write(&place, "1").unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o640)).unwrap();
        all(folder.path(), &[edit("a", "1", "2")]).unwrap();
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
