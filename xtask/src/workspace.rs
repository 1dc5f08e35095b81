//! Where the workspace and its build results are, and where programs are found.
//!
//! The environment is read here and nowhere else in this program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The workspace that this program was built from.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The folder with the top `Cargo.toml`.
    pub root: PathBuf,
    /// Where cargo puts what it builds: `CARGO_TARGET_DIR`, or `target`.
    pub target: PathBuf,
    /// `PATH`, as it was at the start.
    search_path: OsString,
    /// The cargo that started this program.
    pub cargo: PathBuf,
}

impl Workspace {
    /// Of this program: cargo says at build time where its package is.
    #[allow(clippy::disallowed_methods, reason = "xtask is its own program; it reads the environment once, here")]
    pub fn of_this_program() -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = package.parent().unwrap_or(package).to_path_buf();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) if !folder.is_empty() => root.join(PathBuf::from(folder)),
            _ => root.join("target"),
        };
        let search_path = std::env::var_os("PATH").unwrap_or_default();
        let cargo = std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
        Workspace { root, target, search_path, cargo }
    }

    /// Where tools of the project's own are kept. Not in git.
    pub fn tools(&self) -> PathBuf {
        self.root.join(".tools")
    }

    /// The folder of the project's own programs.
    pub fn tools_bin(&self) -> PathBuf {
        self.tools().join("bin")
    }

    /// `PATH` for programs that are started from here: the person's own, then the project's tools.
    pub fn path_for_children(&self) -> OsString {
        let folders = std::env::split_paths(&self.search_path).chain([self.tools_bin()]);
        // A folder whose name has a `:` cannot be on PATH, and was not on it before.
        std::env::join_paths(folders).unwrap_or_else(|_| self.search_path.clone())
    }

    /// A program on `PATH`.
    pub fn on_path(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(&self.search_path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|file| is_program(file))
    }

    /// A program on `PATH`, or else one of the project's own.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        self.on_path(name).or_else(|| Some(self.tools_bin().join(name)).filter(|file| is_program(file)))
    }

    #[cfg(test)]
    pub fn for_tests(root: &Path, search_path: impl Into<OsString>) -> Self {
        Workspace {
            root: root.to_path_buf(),
            target: root.join("target"),
            search_path: search_path.into(),
            cargo: "cargo".into(),
        }
    }
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
