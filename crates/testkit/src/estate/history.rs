//! Commits of a git repository, made at once: writing thousands of files and adding them takes minutes, a stream to
//! `git fast-import` takes a second.

use std::fmt::Write as _;
use std::path::Path;

use portcullis_model::CommitId;

use super::{Files, LINK};
use crate::repo::run_git_with;

/// Makes a commit of each of `states` in the bare repository at `git_dir`, one after the other on `main`, whose
/// history until then is replaced. Returns the commits.
///
/// # Panics
/// When git fails.
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test's set-up fails loudly")]
pub fn import<'f>(git_dir: &Path, states: impl IntoIterator<Item = &'f Files>) -> Vec<CommitId> {
    let mut stream = String::new();
    let mut before: Option<&Files> = None;
    let mut count = 0;
    for (index, files) in states.into_iter().enumerate() {
        count = index + 1;
        let _ = write!(
            stream,
            "commit refs/heads/main\nmark :{count}\ncommitter Ada <ada@example.com> {count} +0000\ndata 4\nmade\n"
        );
        let known = |path: &String| before.and_then(|before| before.get(path));
        for path in before.into_iter().flatten().map(|(path, _)| path).filter(|path| !files.contains_key(*path)) {
            let _ = writeln!(stream, "D {path}");
        }
        for (path, text) in files.iter().filter(|(path, text)| known(path) != Some(text)) {
            let (mode, text) = match text.strip_prefix(LINK) {
                Some(target) => ("120000", target),
                None => ("100644", text.as_str()),
            };
            let _ = write!(stream, "M {mode} inline {path}\ndata {}\n{text}\n", text.len());
        }
        before = Some(files);
    }
    stream.push_str("done\n");
    let marks = git_dir.join("portcullis-marks");
    let export = format!("--export-marks={}", marks.display());
    run_git_with(git_dir, &["fast-import", "--quiet", "--force", "--done", &export], stream.as_bytes());
    let text = std::fs::read_to_string(&marks).unwrap();
    std::fs::remove_file(&marks).unwrap();
    let mut commits: Vec<Option<CommitId>> = vec![None; count];
    for line in text.lines() {
        let (mark, id) = line.split_once(' ').unwrap();
        let mark: usize = mark.trim_start_matches(':').parse().unwrap();
        if let Some(slot) = commits.get_mut(mark - 1) {
            *slot = Some(CommitId::parse(id).unwrap());
        }
    }
    commits.into_iter().map(|commit| commit.unwrap_or_else(|| panic!("a commit is lost"))).collect()
}
