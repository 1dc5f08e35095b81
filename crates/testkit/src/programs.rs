//! Where programs are.

use std::path::{Path, PathBuf};

/// A program on `PATH`.
pub fn find(name: &str) -> Option<PathBuf> {
    #[allow(clippy::disallowed_methods, reason = "the testkit looks for programs where a person would")]
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| is_executable(file))
}

/// OpenTofu or Terraform: the first on `PATH`, OpenTofu preferred, with its name.
pub fn find_tool() -> Option<(&'static str, PathBuf)> {
    ["tofu", "terraform"].into_iter().find_map(|name| Some((name, find(name)?)))
}

/// A binary of this workspace, such as `portcullis`, as cargo has built it: from the folder of the running
/// test or program, upwards to the profile's folder.
///
/// A test of another crate does not make cargo build it: build it first, or use `CARGO_BIN_EXE_…` within the
/// crate that owns it.
pub fn workspace_binary(name: &str) -> Option<PathBuf> {
    let exe = std::env::current_exe().ok()?;
    // target/debug/deps/test-0123 → target/debug/deps, target/debug, target.
    exe.ancestors().skip(1).take(3).map(|dir| dir.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_there_and_only_that() {
        assert!(find("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(find("no-such-program-of-portcullis"), None);
        assert_eq!(find(""), None, "a folder on PATH is no program");
    }
}
