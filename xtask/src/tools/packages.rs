//! Programs of the system: found on `PATH`, installed by the package manager when this is root.
//!
//! Without root the exact command is printed, and nothing is tried.

use std::path::Path;

use crate::process::{command, run};
use crate::tools::{Program, describe};
use crate::workspace::Workspace;

/// A package manager, and what it is called with before the package's name.
struct Manager {
    program: &'static str,
    /// Run first; its failure is shown and does not stop the installation.
    refresh: Option<&'static [&'static str]>,
    install: &'static [&'static str],
}

const MANAGERS: [Manager; 5] = [
    Manager {
        program: "apt-get",
        refresh: Some(&["update", "--quiet"]),
        install: &["install", "--yes", "--quiet", "--no-install-recommends"],
    },
    Manager { program: "dnf", refresh: None, install: &["install", "--assumeyes", "--quiet"] },
    Manager { program: "apk", refresh: None, install: &["add", "--no-cache"] },
    Manager { program: "zypper", refresh: None, install: &["--non-interactive", "install"] },
    Manager { program: "pacman", refresh: None, install: &["-S", "--needed", "--noconfirm"] },
];

/// Finds `program`, or installs `package` to have it.
pub fn ensure(workspace: &Workspace, program: &str, package: &str) -> Result<Program, String> {
    if let Some(path) = workspace.on_path(program) {
        return describe(workspace, program, path, &["--version"]);
    }
    let manager = manager(workspace);
    if !is_root(Path::new("/proc/self/status")) {
        return Err(missing(program, package, manager));
    }
    let Some(manager) = manager else { return Err(missing(program, package, None)) };
    if let Some(refresh) = manager.refresh
        && let Err(error) = run(command(workspace, manager.program).args(refresh))
    {
        eprintln!("{error}; going on with the lists that are there");
    }
    run(command(workspace, manager.program).args(manager.install).arg(package))?;
    let path = workspace.on_path(program).ok_or_else(|| format!("`{package}` is installed, but has no `{program}`"))?;
    describe(workspace, program, path, &["--version"])
}

fn manager(workspace: &Workspace) -> Option<&'static Manager> {
    MANAGERS.iter().find(|manager| workspace.on_path(manager.program).is_some())
}

fn missing(program: &str, package: &str, manager: Option<&Manager>) -> String {
    match manager {
        Some(manager) => format!(
            "`{program}` is missing. Install it with:\n  sudo {} {} {package}",
            manager.program,
            manager.install.join(" ")
        ),
        None => format!("`{program}` is missing, and no package manager is known here: install `{package}`."),
    }
}

/// Whether the effective user is root, by what the kernel says.
fn is_root(status: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(status) else { return false };
    text.lines().find_map(|line| line.strip_prefix("Uid:")).and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_exact_command_is_named() {
        let text = missing("bwrap", "bubblewrap", MANAGERS.first());
        assert!(text.ends_with("sudo apt-get install --yes --quiet --no-install-recommends bubblewrap"), "{text}");
        assert!(missing("bwrap", "bubblewrap", None).contains("install `bubblewrap`"));
    }

    #[test]
    fn the_effective_user_counts() {
        let folder = tempfile::tempdir().unwrap();
        let status = folder.path().join("status");
        for (line, root) in [("Uid:\t0\t0\t0\t0", true), ("Uid:\t1000\t0\t0\t0", true), ("Uid:\t0\t1000\t0\t0", false)]
        {
            fs::write(&status, format!("Name:\tx\n{line}\n")).unwrap();
            assert_eq!(is_root(&status), root, "{line}");
        }
        assert!(!is_root(&folder.path().join("missing")));
    }

    #[test]
    fn a_program_on_path_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("bwrap");
        fs::write(&program, "#!/bin/sh\necho bubblewrap 9.9\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let found = ensure(&Workspace::for_tests(folder.path(), folder.path()), "bwrap", "bubblewrap").unwrap();
        assert_eq!((found.path, found.version.as_str()), (program, "bubblewrap 9.9"));
    }
}
