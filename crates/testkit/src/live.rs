//! A repository as a runner fetches it, made from an estate's folder: a work tree and the bare repository that it is
//! pushed to, with an issuer on this machine in its fleet definition.
//!
//! Errors are sentences: the demo shows them to people.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The fleet definition's file.
const DEFINITION: &str = "portcullis.hcl";

/// A work tree on `main` and its bare remote, in one folder.
#[derive(Debug, Clone)]
pub struct LiveRepo {
    folder: PathBuf,
    fleet: String,
    deploy_order: Vec<String>,
}

impl LiveRepo {
    /// Copies an estate to `folder/work`, lets it be edited, and pushes it to `folder/live.git`.
    ///
    /// # Errors
    /// Those of the file system and of git; an estate without a fleet definition that can be changed.
    pub fn create(
        estate: &Path,
        folder: &Path,
        issuer: &str,
        edit: impl FnOnce(&LiveRepo) -> Result<(), String>,
    ) -> Result<Self, String> {
        let mut repo = LiveRepo { folder: folder.to_path_buf(), fleet: String::new(), deploy_order: Vec::new() };
        copy_tree(estate, &repo.tree())?;
        let text = repo.read(DEFINITION)?;
        repo.fleet = between(&text, "fleet \"", "\"").ok_or("portcullis.hcl names no fleet")?.to_owned();
        let order = between(&text, "deploy_order = [", "]").ok_or("portcullis.hcl has no deploy_order")?;
        repo.deploy_order = order.split(',').map(|name| name.trim().trim_matches('"').to_owned()).collect();
        let text = set_line(&text, "issuer", issuer)?;
        repo.write(DEFINITION, &set_line(&text, "url", &repo.url())?)?;
        edit(&repo)?;
        let bare = repo.bare();
        git(&repo.folder, &["init", "--quiet", "--bare", "--initial-branch=main", &bare.to_string_lossy()])?;
        repo.git(&["init", "--quiet", "--initial-branch=main"])?;
        repo.git(&["remote", "add", "origin", &bare.to_string_lossy()])?;
        repo.commit("The estate")?;
        Ok(repo)
    }

    /// The work tree.
    pub fn tree(&self) -> PathBuf {
        self.folder.join("work")
    }

    /// The bare repository.
    pub fn bare(&self) -> PathBuf {
        self.folder.join("live.git")
    }

    /// The bare repository's URL.
    pub fn url(&self) -> String {
        format!("file://{}", self.bare().display())
    }

    /// The fleet's name.
    pub fn fleet(&self) -> &str {
        &self.fleet
    }

    /// The accounts, in the order in which they are brought up.
    pub fn deploy_order(&self) -> &[String] {
        &self.deploy_order
    }

    /// A file of the work tree.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, path: &str) -> Result<String, String> {
        fs::read_to_string(self.tree().join(path)).map_err(|error| format!("{path}: {error}"))
    }

    /// Writes a file of the work tree, with its folders.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, path: &str, text: &str) -> Result<(), String> {
        let file = self.tree().join(path);
        let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
        folder.and_then(|()| fs::write(&file, text)).map_err(|error| format!("{path}: {error}"))
    }

    /// Replaces text in a file of the work tree.
    ///
    /// # Errors
    /// If the text is not there: an example that has changed is noticed.
    pub fn edit(&self, path: &str, from: &str, to: &str) -> Result<(), String> {
        let text = self.read(path)?;
        if !text.contains(from) {
            return Err(format!("{path} of the example no longer has `{from}`"));
        }
        self.write(path, &text.replacen(from, to, 1))
    }

    /// Commits all of the work tree to `main` and pushes it.
    ///
    /// # Errors
    /// Those of git.
    pub fn commit(&self, message: &str) -> Result<(), String> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message])?;
        self.git(&["push", "--quiet", "origin", "main"]).map(drop)
    }

    /// Makes a branch of main, lets it be edited, and pushes it. The work tree is on main again afterwards.
    ///
    /// # Errors
    /// Those of git, and of the edit.
    pub fn branch(&self, name: &str, edit: impl FnOnce(&Self) -> Result<(), String>) -> Result<(), String> {
        self.git(&["switch", "--quiet", "--create", name, "main"])?;
        edit(self)?;
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", name])?;
        self.git(&["push", "--quiet", "origin", name])?;
        self.git(&["switch", "--quiet", "main"]).map(drop)
    }

    /// Merges a branch as a forge's squash button does, and pushes main.
    ///
    /// # Errors
    /// Those of git.
    pub fn squash_merge(&self, name: &str) -> Result<(), String> {
        self.git(&["merge", "--quiet", "--squash", name])?;
        self.git(&["commit", "--quiet", "--message", &format!("{name} (#1)")])?;
        self.git(&["push", "--quiet", "origin", "main"]).map(drop)
    }

    /// Runs git in the work tree, untouched by the machine's configuration (signing, hooks, templates).
    ///
    /// # Errors
    /// What git said.
    pub fn git(&self, arguments: &[&str]) -> Result<String, String> {
        git(&self.tree(), arguments)
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    #[allow(clippy::disallowed_methods, reason = "the testkit starts programs")]
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Ada").env(format!("GIT_{role}_EMAIL"), "ada@acme.example");
    }
    let output = command.current_dir(folder).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("git could not be started: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(format!("git {} ended with {}\n{said}", arguments.join(" "), output.status))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(inner, _)| inner)
}

/// Sets the string of the only line that begins with `name =`.
fn set_line(text: &str, name: &str, value: &str) -> Result<String, String> {
    let mut found = 0;
    let lines: Vec<String> = text
        .lines()
        .map(|line| match line.split_once('=') {
            Some((left, _)) if left.trim() == name => {
                found += 1;
                format!("{left}= {value:?}")
            }
            _ => line.to_owned(),
        })
        .collect();
    if found == 1 { Ok(lines.join("\n") + "\n") } else { Err(format!("{found} lines set `{name}`, not one")) }
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target).map_err(failed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_set_and_only_one() {
        let text = "a {\n  url       = \"https://x\"\n}\n";
        assert_eq!(set_line(text, "url", "file:///y").unwrap(), "a {\n  url       = \"file:///y\"\n}\n");
        assert!(set_line("url = 1\nurl = 2\n", "url", "x").is_err());
        assert!(set_line("curl = 1\n", "url", "x").is_err());
    }

    #[test]
    fn the_example_becomes_a_repository_with_this_issuer() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/infrastructure-live");
        let folder = tempfile::tempdir().unwrap();
        let issuer = "http://127.0.0.1:1";
        let repo = LiveRepo::create(&example, folder.path(), issuer, |repo| repo.write("a/b", "c")).unwrap();
        assert_eq!((repo.fleet(), repo.deploy_order().len()), ("acme", 6));
        let definition = repo.git(&["show", "origin/main:portcullis.hcl"]).unwrap();
        assert!(definition.contains(issuer) && definition.contains(&repo.url()), "{definition}");
        repo.branch("x", |repo| repo.edit("a/b", "c", "d")).unwrap();
        assert_eq!(repo.read("a/b").unwrap(), "c");
        repo.squash_merge("x").unwrap();
        assert_eq!(repo.git(&["show", "origin/main:a/b"]).unwrap(), "d");
        assert!(repo.edit("a/b", "c", "d").is_err());
    }
}
