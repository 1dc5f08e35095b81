//! A work tree and its bare remote, made with real git.

use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use portcullis_model::CommitId;
use tempfile::TempDir;

/// A temporary repository: a work tree on branch `main` with a bare remote that is pushed to.
///
/// Author, committer and dates are fixed, so the same steps give the same commit ids. Every method panics
/// when git fails: a test that cannot make its repository has nothing to say.
pub struct TestRepo {
    temp: TempDir,
    commits: Cell<u32>,
}

#[allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test's set-up fails loudly")]
impl TestRepo {
    /// An empty work tree on `main`, and an empty bare remote.
    pub fn new() -> Self {
        let repo = TestRepo { temp: tempfile::tempdir().unwrap(), commits: Cell::new(0) };
        fs::create_dir(repo.path()).unwrap();
        fs::create_dir(repo.remote()).unwrap();
        run_git(&repo.remote(), &["init", "--quiet", "--bare", "--initial-branch=main"], 0);
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo.git(&["remote", "add", "origin", repo.remote().to_str().unwrap()]);
        repo
    }

    /// A repository whose first commit is a copy of a folder, pushed.
    pub fn from_dir(source: &Path) -> Self {
        let repo = TestRepo::new();
        copy_tree(source, &repo.path());
        repo.commit("first");
        repo.push();
        repo
    }

    /// The work tree.
    pub fn path(&self) -> PathBuf {
        self.temp.path().join("work")
    }

    /// The bare remote.
    pub fn remote(&self) -> PathBuf {
        self.temp.path().join("remote.git")
    }

    /// The remote's `file://` URL.
    pub fn url(&self) -> String {
        format!("file://{}", self.remote().display())
    }

    /// Writes a file of the work tree, with its folders.
    pub fn write(&self, path: &str, contents: impl AsRef<[u8]>) {
        let file = self.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, contents).unwrap();
    }

    /// Writes an executable file.
    pub fn write_executable(&self, path: &str, contents: impl AsRef<[u8]>) {
        self.write(path, contents);
        fs::set_permissions(self.path().join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Makes a symbolic link.
    pub fn symlink(&self, path: &str, target: &str) {
        let file = self.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        symlink(target, file).unwrap();
    }

    /// Removes a file or a folder with all in it.
    pub fn remove(&self, path: &str) {
        let file = self.path().join(path);
        if file.is_dir() { fs::remove_dir_all(file).unwrap() } else { fs::remove_file(file).unwrap() }
    }

    /// Commits all of the work tree, changed or not.
    pub fn commit(&self, message: &str) -> CommitId {
        self.git(&["add", "--all", "--force"]);
        self.commits.set(self.commits.get() + 1);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.head()
    }

    /// Makes a branch at the current commit and changes to it.
    pub fn branch(&self, name: &str) {
        self.git(&["switch", "--quiet", "--create", name]);
    }

    /// Changes to a branch.
    pub fn switch(&self, name: &str) {
        self.git(&["switch", "--quiet", name]);
    }

    /// Merges a branch into the current one as a single new commit, as a forge's squash does.
    pub fn squash_merge(&self, branch: &str, message: &str) -> CommitId {
        self.git(&["merge", "--quiet", "--squash", branch]);
        self.commit(message)
    }

    /// Merges a branch into the current one with a merge commit.
    pub fn merge(&self, branch: &str) -> CommitId {
        self.commits.set(self.commits.get() + 1);
        self.git(&["merge", "--quiet", "--no-ff", "--no-edit", branch]);
        self.head()
    }

    /// Tags the current commit.
    pub fn tag(&self, name: &str) {
        self.git(&["tag", name]);
    }

    /// Pushes all branches and tags, forced; branches that are gone here go there as well.
    pub fn push(&self) {
        self.git(&[
            "push",
            "--quiet",
            "--force",
            "--prune",
            "origin",
            "refs/heads/*:refs/heads/*",
            "refs/tags/*:refs/tags/*",
        ]);
    }

    /// The current commit.
    pub fn head(&self) -> CommitId {
        CommitId::parse(self.git(&["rev-parse", "HEAD"]).trim()).unwrap()
    }

    /// Runs git in the work tree and gives what it printed.
    pub fn git(&self, arguments: &[&str]) -> String {
        run_git(&self.path(), arguments, self.commits.get())
    }

    /// Runs git in the bare remote, for what a push cannot do.
    pub fn git_remote(&self, arguments: &[&str]) -> String {
        run_git(&self.remote(), arguments, self.commits.get())
    }
}

impl Default for TestRepo {
    fn default() -> Self {
        TestRepo::new()
    }
}

/// Runs git untouched by the machine's configuration, and panics when it fails.
#[allow(clippy::panic, clippy::expect_used, reason = "a test's set-up fails loudly")]
fn run_git(dir: &Path, arguments: &[&str], second: u32) -> String {
    let date = format!("{} +0000", 1_767_225_600 + u64::from(second));
    let output = git(dir, arguments)
        .env("GIT_AUTHOR_NAME", "Ada")
        .env("GIT_AUTHOR_EMAIL", "ada@example.com")
        .env("GIT_COMMITTER_NAME", "Ada")
        .env("GIT_COMMITTER_EMAIL", "ada@example.com")
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_DATE", &date)
        .output()
        .expect("git is installed");
    if !output.status.success() {
        panic!("git {arguments:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[allow(clippy::disallowed_methods, reason = "the testkit starts programs")]
fn git(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(dir).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    command
}

/// Runs git with something to read, and panics when it fails.
#[allow(clippy::panic, clippy::expect_used, reason = "a test's set-up fails loudly")]
pub(crate) fn run_git_with(dir: &Path, arguments: &[&str], input: &[u8]) {
    let mut command = git(dir, arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("git is installed");
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(input));
    let status = child.wait().expect("git can be waited for");
    if !status.success() || !matches!(written, Some(Ok(()))) {
        panic!("git {arguments:?}: {status}");
    }
}

#[allow(clippy::unwrap_used, reason = "a test's set-up fails loudly")]
fn copy_tree(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            symlink(fs::read_link(&source).unwrap(), &target).unwrap();
        } else if kind.is_dir() {
            if entry.file_name() != ".git" {
                fs::create_dir_all(&target).unwrap();
                copy_tree(&source, &target);
            }
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_steps_give_the_same_commits() {
        let steps = || {
            let repo = TestRepo::new();
            repo.write("dev/vpc/terragrunt.hcl", "inputs = {}\n");
            repo.commit("first");
            repo.branch("feature");
            repo.write("dev/db/terragrunt.hcl", "inputs = {}\n");
            repo.commit("second");
            repo.switch("main");
            let squashed = repo.squash_merge("feature", "squashed");
            repo.push();
            assert_eq!(repo.git_remote(&["rev-parse", "refs/heads/main"]).trim(), squashed.as_str());
            squashed
        };
        assert_eq!(steps(), steps());
    }
}
