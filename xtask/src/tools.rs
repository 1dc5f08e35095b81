//! `cargo xtask tools`: finds or installs what demo and tests need.
//!
//! OpenTofu or Terraform from `PATH`; else the official OpenTofu release, with a pinned digest, into the project's
//! own folder. bubblewrap and git from the system's package manager when this is root; else the command to run
//! is printed. Nothing is ever installed outside the project's folder without root.

mod archive;
mod download;
mod packages;
mod release;

use std::path::PathBuf;

use crate::process::{command, output};
use crate::workspace::Workspace;

/// Oldest version of either tool that the example estate works with.
const TOOL_MIN: (u64, u64) = (1, 6);

/// Options of `cargo xtask tools`.
#[derive(clap::Args, Default)]
pub struct Options {
    /// Downloads releases from here instead of from OpenTofu's release page (a mirror; digests still hold).
    #[arg(long, value_name = "URL")]
    release_url: Option<String>,
}

/// What was found.
pub struct Tools {
    /// `tofu` or `terraform`.
    pub tool: Program,
    /// bubblewrap.
    pub bubblewrap: Program,
    /// git.
    pub git: Program,
}

/// A program that is there.
pub struct Program {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// The first line of what it says about its version.
    pub version: String,
}

/// Finds or installs everything and prints it.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    ensure(workspace, options).map(|_| ())
}

/// The same, for other subcommands. Every missing tool is in the error, not only the first.
pub fn ensure(workspace: &Workspace, options: &Options) -> Result<Tools, String> {
    let tool = tool(workspace, options);
    let bubblewrap = packages::ensure(workspace, "bwrap", "bubblewrap");
    let git = packages::ensure(workspace, "git", "git");
    for found in [&tool, &bubblewrap, &git].into_iter().flatten() {
        println!("{:<10} {}  ({})", found.name, found.version, found.path.display());
    }
    match (tool, bubblewrap, git) {
        (Ok(tool), Ok(bubblewrap), Ok(git)) => Ok(Tools { tool, bubblewrap, git }),
        (tool, bubblewrap, git) => {
            let errors: Vec<String> = [tool.err(), bubblewrap.err(), git.err()].into_iter().flatten().collect();
            Err(errors.join("\n"))
        }
    }
}

/// OpenTofu or Terraform.
fn tool(workspace: &Workspace, options: &Options) -> Result<Program, String> {
    let mut too_old = Vec::new();
    for name in ["tofu", "terraform"] {
        let Some(path) = workspace.find(name) else { continue };
        let found = describe(workspace, name, path, &["version"])?;
        match version_of(&found.version) {
            Some(version) if version >= TOOL_MIN => return Ok(found),
            _ => too_old.push(format!("{} ({})", found.path.display(), found.version)),
        }
    }
    for found in too_old {
        println!("{found} is older than {}.{} and is not used", TOOL_MIN.0, TOOL_MIN.1);
    }
    let base = options.release_url.as_deref().unwrap_or(release::BASE_URL);
    let path = release::install(workspace, base, release::for_this_machine()?)?;
    describe(workspace, "tofu", path, &["version"])
}

/// Asks a program for its version.
fn describe(workspace: &Workspace, name: &str, path: PathBuf, arguments: &[&str]) -> Result<Program, String> {
    let mut asked = command(workspace, &path);
    // No call home to ask for a newer version.
    asked.args(arguments).env("CHECKPOINT_DISABLE", "1");
    let version = output(&mut asked)?.lines().next().unwrap_or("").trim().to_owned();
    Ok(Program { name: name.to_owned(), path, version })
}

/// Major and minor of `Terraform v1.11.4` or `OpenTofu v1.10.6`.
fn version_of(line: &str) -> Option<(u64, u64)> {
    let mut parts = line.split_whitespace().nth(1)?.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_tools_print_them() {
        assert_eq!(version_of("Terraform v1.11.4"), Some((1, 11)));
        assert_eq!(version_of("OpenTofu v1.10.0-rc1"), Some((1, 10)));
        assert_eq!(version_of("something else"), None);
        assert_eq!(version_of(""), None);
    }
}
