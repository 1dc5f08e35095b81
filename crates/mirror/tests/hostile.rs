//! Hostile repositories, hostile hosts and a hostile environment.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_mirror::{Credential, Mirror, MirrorSettings, RepositoryUrl};
use portcullis_model::{BranchName, Code};
use portcullis_testkit::{GitServer, TestRepo, server::Behaviour};
use tempfile::TempDir;

const SECRET: &str = "sesame-open-7d1f";

fn main_branch() -> BranchName {
    BranchName::parse("main").unwrap()
}

fn settings(temp: &TempDir, url: &str) -> MirrorSettings {
    MirrorSettings::new(temp.path().join("mirror"), RepositoryUrl::parse(url).unwrap())
}

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A `git` that writes down how it was called, and what each program that it starts is given, then does its
/// work: the programs of git's own folder are wrapped as well.
fn spying_git(dir: &Path) -> PathBuf {
    let record = dir.join("record");
    fs::create_dir(&record).unwrap();
    let git = dir.join("git");
    script(
        &git,
        &format!(
            "tr '\\0' '\\n' < /proc/$$/cmdline > {record}/argv-$$\ntr '\\0' '\\n' < /proc/$$/environ > {record}/environ-$$\nexec git \"$@\"",
            record = record.display()
        ),
    );
    git
}

fn recorded(dir: &Path, prefix: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(dir.join("record")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_str().unwrap().starts_with(prefix) {
            texts.push(fs::read_to_string(entry.path()).unwrap());
        }
    }
    texts
}

#[tokio::test]
async fn the_credential_is_in_no_argument_and_in_no_call_that_does_not_need_it() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    repo.commit("first");
    repo.push();
    let server = GitServer::start(repo.remote().parent().unwrap(), Some(("deploy", SECRET)));
    let mut settings = settings(&temp, &server.url("remote.git"));
    settings.credential = Some(Credential::Token(format!("deploy:{SECRET}")));
    settings.git = spying_git(temp.path());
    let mirror = Mirror::open(settings).await.unwrap();
    mirror.fetch().await.unwrap();
    mirror.branch(&main_branch()).await.unwrap();
    let encoded = server.authorizations().into_iter().flatten().next().unwrap();
    let encoded = encoded.trim_start_matches("Basic ");
    let arguments = recorded(temp.path(), "argv");
    assert!(arguments.len() >= 3);
    assert!(arguments.iter().all(|text| !text.contains(SECRET) && !text.contains(encoded)), "{arguments:?}");
    let environments = recorded(temp.path(), "environ");
    assert!(environments.iter().all(|text| !text.contains(SECRET)));
    assert_eq!(environments.iter().filter(|text| text.contains(encoded)).count(), 1, "the fetch alone has it");
    // Nothing of this process's environment goes in: what is there was put there.
    for text in environments {
        assert!(text.lines().any(|line| line == "HOME=/dev/null"), "curl would find a `.netrc` without it: {text}");
        let foreign: Vec<&str> = text
            .lines()
            .filter(|line| {
                !line.starts_with("GIT_")
                    && !line.starts_with("PATH=/usr/local/bin:")
                    && !["LC_ALL=C", "HOME=/dev/null"].contains(line)
            })
            .collect();
        assert_eq!(foreign, Vec::<&str>::new());
    }
}

#[tokio::test]
async fn nothing_in_the_mirrors_folder_is_run_or_believed() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    let commit = repo.commit("first");
    repo.push();
    let proof = temp.path().join("proof");
    let dir = temp.path().join("mirror");
    drop(Mirror::open(settings(&temp, &repo.url())).await.unwrap());
    // As if an earlier version, or someone with the folder, had left this here.
    fs::create_dir(dir.join("hooks")).unwrap();
    for hook in ["reference-transaction", "post-checkout", "pre-auto-gc", "post-merge"] {
        script(&dir.join("hooks").join(hook), &format!("touch {}", proof.display()));
    }
    let touch = format!("touch {}", proof.display());
    fs::write(
        dir.join("config"),
        format!(
            "[core]\n\tbare = true\n\tfsmonitor = {touch}\n\tsshCommand = {touch}\n\talternateRefsCommand = {touch}\n\
             [credential]\n\thelper = \"!{touch}\"\n[remote \"origin\"]\n\turl = ext::{touch}\n\tuploadpack = {touch}\n"
        ),
    )
    .unwrap();
    let mirror = Mirror::open(settings(&temp, &repo.url())).await.unwrap();
    mirror.fetch().await.unwrap();
    assert_eq!(mirror.branch(&main_branch()).await.unwrap(), commit);
    assert!(!proof.exists());
    assert!(!dir.join("hooks").exists());
}

#[tokio::test]
async fn hooks_that_appear_while_it_runs_are_not_run() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    repo.commit("first");
    repo.push();
    let mirror = Mirror::open(settings(&temp, &repo.url())).await.unwrap();
    let proof = temp.path().join("proof");
    fs::create_dir(mirror.git_dir().join("hooks")).unwrap();
    script(&mirror.git_dir().join("hooks/reference-transaction"), &format!("touch {}", proof.display()));
    mirror.fetch().await.unwrap();
    assert!(!proof.exists());
}

#[tokio::test]
async fn a_hostile_repository_is_only_data() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    let proof = temp.path().join("proof");
    let touch = format!("touch {}", proof.display());
    repo.write(".gitattributes", "* filter=evil diff=evil merge=evil\n");
    repo.write(".gitmodules", "[submodule \"x\"]\n\tpath = sub\n\turl = https://example.invalid/x\n");
    repo.write(".lfsconfig", "[lfs]\n\turl = http://example.invalid\n");
    repo.write_executable("hooks/post-checkout", format!("#!/bin/sh\n{touch}\n"));
    repo.symlink("escape", "/etc/passwd");
    repo.write("-rf", "an option?");
    let commit = repo.commit("hostile");
    repo.push();
    // The remote's own configuration and hooks belong to its host and are run there by no fetch.
    let config = format!("[uploadpack]\n\tpackObjectsHook = {touch}\n[filter \"evil\"]\n\tsmudge = {touch}\n");
    let old = fs::read_to_string(repo.remote().join("config")).unwrap();
    fs::write(repo.remote().join("config"), old + &config).unwrap();
    let mirror = Mirror::open(settings(&temp, &repo.url())).await.unwrap();
    mirror.fetch().await.unwrap();
    assert_eq!(mirror.branch(&main_branch()).await.unwrap(), commit);
    assert!(!proof.exists());
    assert!(!mirror.git_dir().join("modules").exists());
}

#[tokio::test]
async fn broken_objects_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    // A submodule URL that is an option, and one that an old git would run: fsck knows both.
    for url in ["--upload-pack=touch x", "ext::sh -c id"] {
        let repo = TestRepo::new();
        repo.commit("first");
        repo.write("m", format!("[submodule \"x\"]\n\tpath = x\n\turl = {url}\n"));
        let blob = repo.git(&["hash-object", "-w", "m"]);
        repo.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{},.gitmodules", blob.trim())]);
        repo.git(&["commit", "--quiet", "-m", "submodule"]);
        repo.git_remote(&["config", "receive.fsckObjects", "false"]);
        repo.push();
        let settings = MirrorSettings::new(temp.path().join(blob.trim()), RepositoryUrl::parse(&repo.url()).unwrap());
        let mirror = Mirror::open(settings).await.unwrap();
        let fetched = mirror.fetch().await;
        if url.starts_with("--") {
            let fault = fetched.unwrap_err();
            assert_eq!(fault.code(), Code::GIT_OBJECT, "{fault:?}");
            assert_eq!(mirror.branch(&main_branch()).await.unwrap_err().code(), Code::REF_UNKNOWN);
        } else {
            // Harmless here: submodules are never fetched.
            fetched.unwrap();
        }
    }
    // A tree that would write into `.git`.
    let repo = TestRepo::new();
    repo.write("f", "x");
    let blob = repo.git(&["hash-object", "-w", "f"]);
    let raw: Vec<u8> = [b"100644 .git\0".to_vec(), unhex(blob.trim())].concat();
    fs::write(repo.path().join("tree"), raw).unwrap();
    let tree = repo.git(&["hash-object", "-w", "-t", "tree", "--literally", "tree"]);
    let commit = repo.git(&["commit-tree", tree.trim(), "-m", "bad tree"]);
    repo.git(&["update-ref", "refs/heads/main", commit.trim()]);
    repo.push();
    let mirror = Mirror::open(settings(&temp, &repo.url())).await.unwrap();
    assert_eq!(mirror.fetch().await.unwrap_err().code(), Code::GIT_OBJECT);
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn a_repository_over_the_limit_is_refused_and_leaves_no_rubbish() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    // Does not compress.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(256 * 1024)
    .flatten()
    .collect();
    repo.write("large", noise);
    repo.commit("large");
    repo.push();
    let mut small = settings(&temp, &repo.url());
    small.limits.repository_bytes = 1 << 20;
    let mirror = Mirror::open(small).await.unwrap();
    for _ in 0..2 {
        let fault = mirror.fetch().await.unwrap_err();
        assert_eq!(fault.code(), Code::REPOSITORY_TOO_LARGE, "{fault:?}");
    }
    let size: u64 = fs::read_dir(mirror.git_dir().join("objects/pack"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(size <= 1 << 20, "{size}");
    let mirror = Mirror::open(settings(&temp, &repo.url())).await.unwrap();
    mirror.fetch().await.unwrap();
}

#[tokio::test]
async fn an_object_that_unpacks_to_much_is_refused_before_it_takes_the_memory() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    // A few kilobytes in a pack.
    repo.write("bomb", vec![0; 200 << 20]);
    repo.commit("bomb");
    repo.push();
    let mut small = settings(&temp, &repo.url());
    small.limits.memory_bytes = 128 << 20;
    let fault = Mirror::open(small).await.unwrap().fetch().await.unwrap_err();
    assert_eq!(fault.code(), Code::GIT_FAILED);
    assert!(fault.remedy_text().unwrap().contains("too large to be checked"), "{fault:?}");
    Mirror::open(settings(&temp, &repo.url())).await.unwrap().fetch().await.unwrap();
}

#[tokio::test]
async fn a_host_that_never_answers_runs_into_the_time_limit_and_all_of_git_ends() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    repo.commit("first");
    repo.push();
    let server = GitServer::start(repo.remote().parent().unwrap(), None);
    server.behave(Behaviour::Hang);
    let patient = Mirror::open(settings(&temp, &server.url("remote.git"))).await.unwrap();
    let mut settings = settings(&temp, &server.url("remote.git"));
    settings.limits.fetch = Duration::from_millis(300);
    let mirror = Mirror::open(settings).await.unwrap();
    assert_eq!(mirror.fetch().await.unwrap_err().code(), Code::GIT_TIMEOUT);
    assert_eq!(processes_in(mirror.git_dir()), 0);
    server.behave(Behaviour::Good);
    patient.fetch().await.unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_git_along() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    repo.commit("first");
    repo.push();
    let server = GitServer::start(repo.remote().parent().unwrap(), None);
    server.behave(Behaviour::Hang);
    let mirror = Mirror::open(settings(&temp, &server.url("remote.git"))).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(300), mirror.fetch()).await.is_err());
    server.behave(Behaviour::Good);
    mirror.fetch().await.unwrap();
    assert_eq!(processes_in(mirror.git_dir()), 0);
}

/// How many processes work in a folder. One that is on its way out has no open files any more.
fn processes_in(dir: &Path) -> usize {
    let works_here = |process: PathBuf| {
        fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == dir)
            && fs::read_dir(process.join("fd")).is_ok_and(|mut files| files.next().is_some())
    };
    fs::read_dir("/proc").unwrap().filter(|entry| works_here(entry.as_ref().unwrap().path())).count()
}

/// There is no SSH server here; but `ssh` has to take its options and say why it did not get through.
#[tokio::test]
async fn ssh_takes_the_options_that_it_is_given() {
    if portcullis_testkit::programs::find("ssh").is_none() {
        eprintln!("SKIPPED: ssh is not on this machine");
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let (key, known_hosts) = (temp.path().join("key"), temp.path().join("known_hosts"));
    fs::write(&key, "no key").unwrap();
    fs::write(&known_hosts, "").unwrap();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut settings = settings(&temp, &format!("ssh://git@127.0.0.1:{port}/live.git"));
    settings.credential = Some(Credential::SshKey { key, known_hosts });
    let fault = Mirror::open(settings).await.unwrap().fetch().await.unwrap_err();
    let shown = format!("{fault} {}", fault.notes().join(" "));
    assert!(shown.contains("Connection refused"), "{shown}");
}

#[tokio::test]
async fn what_a_remote_prints_cannot_act_on_a_terminal() {
    let temp = tempfile::tempdir().unwrap();
    let git = temp.path().join("git");
    script(
        &git,
        "case $1 in rev-parse) echo true;; *) printf 'remote: \\033[2J\\033]0;owned\\007 hello\\nfatal: \\033[31mno\\n' >&2; exit 128;; esac",
    );
    let mut settings = settings(&temp, "/srv/none");
    settings.git = git;
    let fault = Mirror::open(settings).await.unwrap().fetch().await.unwrap_err();
    let shown = format!("{fault} {}", fault.notes().join(" "));
    assert!(shown.contains("no") && shown.contains("hello"), "{shown}");
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
}

#[tokio::test]
async fn a_flood_of_complaints_or_answers_is_cut() {
    let temp = tempfile::tempdir().unwrap();
    let git = temp.path().join("git");
    script(
        &git,
        "case $1 in rev-parse) echo true;; show-ref) yes | head -c 20000000;; *) yes complaint | head -c 3000000 >&2; exit 1;; esac",
    );
    let mut settings = settings(&temp, "/srv/none");
    settings.git = git;
    let mirror = Mirror::open(settings).await.unwrap();
    let fault = mirror.fetch().await.unwrap_err();
    assert!(format!("{fault:?}").len() < 4000);
    assert_eq!(mirror.branch(&main_branch()).await.unwrap_err().code(), Code::REPOSITORY_TOO_LARGE);
}
