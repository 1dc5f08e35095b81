//! What neither rustfmt nor clippy checks: every source file says first what it owns.

use std::fs;
use std::path::{Path, PathBuf};

/// Checks every Rust file of the workspace. The error names each that fails.
pub fn check(root: &Path) -> Result<(), String> {
    let files = sources(root)?;
    let mut wrong: Vec<String> = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        if !text.starts_with("//!") {
            wrong.push(file.strip_prefix(root).unwrap_or(file).display().to_string());
        }
    }
    println!("{} files", files.len());
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.sort();
    Err(format!("these files must begin with `//!`, what they own and what they never do:\n  {}", wrong.join("\n  ")))
}

/// Every Rust file of the workspace.
pub fn sources(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        rust_files(&root.join(folder), &mut files)?;
    }
    Ok(files)
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        if path.is_dir() {
            rust_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_says_nothing_is_named() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in
            [("crates/a/src/lib.rs", "//! A.\n"), ("crates/a/src/b.rs", "fn b() {}\n"), ("xtask/x.rs", "//! X.\n")]
        {
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let error = check(root.path()).unwrap_err();
        assert!(error.ends_with("\n  crates/a/src/b.rs"), "{error}");
        fs::remove_file(root.path().join("crates/a/src/b.rs")).unwrap();
        assert_eq!(check(root.path()), Ok(()));
    }
}
