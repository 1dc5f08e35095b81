//! The repositories that are measured.

use std::path::Path;
use std::process::Command;

use portcullis_testkit::estate::{EstateModel, Files, Layout, import};
use serde_json::json;

/// A generated estate of `units` units.
pub fn generated(folder: &Path, units: usize) {
    let base = EstateModel::with_layout(7, units, Layout::AccountRegion).files();
    let leaf = base.keys().rev().find(|path| path.ends_with("/terragrunt.hcl")).unwrap().clone();
    write(folder, &base, &leaf, "_envcommon/api.hcl");
}

/// A copy of the estate in a folder, which must be laid out as the example is.
pub fn copied(folder: &Path, source: &Path) {
    let mut files = Files::new();
    read(source, source, &mut files);
    let leaf = "prod/us-east-1/services/web/terragrunt.hcl";
    write(folder, &files, leaf, "_envcommon/services/api.hcl");
}

/// Commits: the estate, then one change each, all of them on the first.
fn write(folder: &Path, base: &Files, leaf: &str, envcommon: &str) {
    let changed = |path: &str, change: &dyn Fn(&str) -> String| {
        let mut files = base.clone();
        let text = files.get(path).unwrap_or_else(|| panic!("there is no {path}"));
        let after = change(text);
        assert_ne!(*text, after, "nothing changes in {path}");
        files.insert(path.to_owned(), after);
        files
    };
    let in_inputs = |text: &str| text.replacen("inputs = {\n", "inputs = {\n  benchmark = \"changed\"\n", 1);
    let states = [
        ("leaf", changed(leaf, &in_inputs)),
        ("envcommon", changed(envcommon, &in_inputs)),
        ("root", changed("root.hcl", &in_inputs)),
        ("comment", changed("root.hcl", &|text| format!("{text}# a comment\n"))),
    ];
    git(folder, &["init", "--quiet", "--bare", "--initial-branch=main"]);
    // Each change is followed by the estate as it was.
    let line = states.iter().flat_map(|(_, state)| [state, base]);
    let commits = import(folder, std::iter::once(base).chain(line));
    git(folder, &["repack", "--quiet", "-a", "-d"]);
    let named = states
        .iter()
        .zip(commits.iter().skip(1).step_by(2))
        .map(|((name, _), id)| ((*name).to_owned(), json!(id.as_str())));
    let mut all: serde_json::Map<String, serde_json::Value> = named.collect();
    all.insert("base".to_owned(), json!(commits.first().unwrap().as_str()));
    std::fs::write(folder.join("portcullis-commits.json"), serde_json::Value::Object(all).to_string()).unwrap();
}

fn read(root: &Path, folder: &Path, files: &mut Files) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a benchmark starts git")]
fn git(folder: &Path, arguments: &[&str]) {
    std::fs::create_dir_all(folder).unwrap();
    let status = Command::new("git").args(arguments).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").status();
    assert!(status.expect("git is installed").success(), "git {arguments:?}");
}
