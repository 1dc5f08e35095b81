//! The mirror with real git and an honest remote.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::fs;
use std::sync::Arc;

use portcullis_mirror::{Credential, Mirror, MirrorSettings, RepositoryUrl};
use portcullis_model::{BranchName, Code, CommitId};
use portcullis_testkit::{GitServer, TestRepo, server::Behaviour};
use tempfile::TempDir;

fn branch(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

fn settings(temp: &TempDir, url: &str) -> MirrorSettings {
    MirrorSettings::new(temp.path().join("mirror"), RepositoryUrl::parse(url).unwrap())
}

async fn open(temp: &TempDir, url: &str) -> Mirror {
    Mirror::open(settings(temp, url)).await.unwrap()
}

#[tokio::test]
async fn branches_are_followed_through_pushes_forced_pushes_and_deletions() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    repo.write("a", "1");
    let first = repo.commit("first");
    repo.branch("feature/x");
    repo.write("b", "1");
    let on_branch = repo.commit("on a branch");
    repo.push();
    let mirror = open(&temp, &repo.url()).await;
    assert_eq!(mirror.branch(&branch("main")).await.unwrap_err().code(), Code::REF_UNKNOWN, "nothing is fetched yet");
    mirror.fetch().await.unwrap();
    assert_eq!(mirror.branch(&branch("main")).await.unwrap(), first);
    assert_eq!(mirror.branch(&branch("feature/x")).await.unwrap(), on_branch);

    repo.git(&["switch", "--quiet", "main"]);
    repo.git(&["branch", "--quiet", "-D", "feature/x"]);
    // A folder of branches where a branch was.
    repo.branch("feature/x/y");
    repo.write("c", "1");
    let deeper = repo.commit("deeper");
    repo.git(&["checkout", "--quiet", "-B", "main"]);
    repo.git(&["commit", "--quiet", "--amend", "-m", "rewritten"]);
    let rewritten = repo.head();
    repo.push();
    mirror.fetch().await.unwrap();
    assert_eq!(
        mirror.branches().await.unwrap(),
        [(branch("feature/x/y"), deeper), (branch("main"), rewritten.clone())]
    );
    assert_eq!(mirror.branch(&branch("main")).await.unwrap(), rewritten);
}

#[tokio::test]
async fn tags_and_strange_names_are_no_branches() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    repo.write("a", "1");
    let commit = repo.commit("first");
    repo.tag("v1");
    repo.tag("deep/v1");
    repo.push();
    // A branch whose own name is a full ref, a tag that looks like a branch.
    repo.git_remote(&["update-ref", "refs/heads/refs/heads/sneaky", commit.as_str()]);
    repo.git_remote(&["update-ref", "refs/tags/refs/heads/tagged", commit.as_str()]);
    let mirror = open(&temp, &repo.url()).await;
    mirror.fetch().await.unwrap();
    for (name, code) in [
        ("v1", Code::REF_NOT_A_BRANCH),
        ("deep/v1", Code::REF_NOT_A_BRANCH),
        ("deep", Code::REF_UNKNOWN),
        ("missing", Code::REF_UNKNOWN),
        ("sneaky", Code::REF_UNKNOWN),
        ("tagged", Code::REF_UNKNOWN),
        ("heads/main", Code::REF_UNKNOWN),
        (commit.as_str(), Code::REF_UNKNOWN),
    ] {
        assert_eq!(mirror.branch(&branch(name)).await.unwrap_err().code(), code, "{name}");
    }
    assert!(!mirror.git_dir().join("refs/tags").exists(), "tags are not fetched");
}

#[tokio::test]
async fn ancestry_is_answered_from_the_mirror() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    let base = repo.commit("base");
    repo.branch("feature");
    let feature = repo.commit("feature");
    repo.switch("main");
    let main = repo.commit("main");
    repo.git(&["switch", "--quiet", "--orphan", "island"]);
    let island = repo.commit("island");
    repo.push();
    let mirror = open(&temp, &repo.url()).await;
    mirror.fetch().await.unwrap();
    assert!(mirror.is_ancestor(&base, &feature).await.unwrap());
    assert!(mirror.is_ancestor(&base, &base).await.unwrap());
    assert!(!mirror.is_ancestor(&feature, &main).await.unwrap());
    assert_eq!(mirror.merge_base(&feature, &main).await.unwrap(), Some(base.clone()));
    assert_eq!(mirror.merge_base(&island, &main).await.unwrap(), None);
    let nowhere = CommitId::parse(&"0123456789".repeat(4)).unwrap();
    assert_eq!(mirror.is_ancestor(&nowhere, &main).await.unwrap_err().code(), Code::GIT_OBJECT);
    assert_eq!(mirror.merge_base(&nowhere, &main).await.unwrap_err().code(), Code::GIT_OBJECT);
}

#[tokio::test]
async fn who_made_a_change_is_said_by_its_commits() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    let by = |who: &str, message: &str| {
        let name = format!("user.email={who}@acme.example");
        repo.git(&[
            "-c",
            &name,
            "commit",
            "--quiet",
            "--allow-empty",
            "--author",
            &format!("A <{who}.author@acme.example>"),
            "-m",
            message,
        ]);
        repo.head()
    };
    let first = repo.commit("first");
    repo.branch("feature");
    by("ann", "one");
    by("bob", "two");
    repo.switch("main");
    let main = by("eve", "elsewhere");
    repo.git(&["-c", "user.email=lead@acme.example", "merge", "--quiet", "--no-ff", "-m", "merged", "feature"]);
    let merge = repo.head();
    repo.push();
    let mirror = open(&temp, &repo.url()).await;
    mirror.fetch().await.unwrap();
    let people = mirror.people(&merge).await.unwrap();
    for who in ["ann.author", "bob.author"] {
        assert!(people.contains(&format!("{who}@acme.example")), "{people:?}");
    }
    assert!(!people.iter().any(|who| who.starts_with("eve")), "what was there before is no part of it: {people:?}");
    assert!(mirror.people(&main).await.unwrap().contains("eve.author@acme.example"));
    assert!(!mirror.people(&first).await.unwrap().is_empty(), "a first commit has no parent");
    let nowhere = CommitId::parse(&"0123456789".repeat(4)).unwrap();
    assert_eq!(mirror.people(&nowhere).await.unwrap_err().code(), Code::GIT_OBJECT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_share_a_fetch_but_never_one_that_began_before_them() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    repo.commit("first");
    repo.push();
    let server = GitServer::start(repo.remote().parent().unwrap(), None);
    let mirror = Arc::new(open(&temp, &server.url("remote.git")).await);
    mirror.fetch().await.unwrap();
    let requests = server.authorizations().len();
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let mirror = Arc::clone(&mirror);
            #[allow(clippy::disallowed_methods)]
            tokio::spawn(async move { mirror.fetch().await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    let shared = server.authorizations().len() - requests;
    assert!(shared <= 4 * requests, "{shared} requests for 20 callers, {requests} for one");
    // One after the other, each sees the push before it.
    for message in ["second", "third"] {
        let pushed = repo.commit(message);
        repo.push();
        mirror.fetch().await.unwrap();
        assert_eq!(mirror.branch(&branch("main")).await.unwrap(), pushed);
    }
}

#[tokio::test]
async fn a_private_repository_is_opened_by_token_and_by_file_that_rotates() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    let commit = repo.commit("first");
    repo.push();
    let server = GitServer::start(repo.remote().parent().unwrap(), Some(("x-access-token", "sesame-7d1")));
    let url = server.url("remote.git");
    let file = temp.path().join("token");
    fs::write(&file, "wrong-guess-9\n").unwrap();
    let mut settings = settings(&temp, &url);
    settings.credential = Some(Credential::TokenFile(file.clone()));
    let mirror = Mirror::open(settings).await.unwrap();
    let fault = mirror.fetch().await.unwrap_err();
    assert_eq!(fault.code(), Code::GIT_FAILED, "{fault}");
    assert!(fault.remedy_text().unwrap().contains("credential"), "{fault:?}");
    assert!(!format!("{fault:?}").contains("wrong-guess"), "{fault:?}");
    fs::write(&file, "sesame-7d1\n").unwrap();
    mirror.fetch().await.unwrap();
    assert_eq!(mirror.branch(&branch("main")).await.unwrap(), commit);
    for entry in walk(mirror.git_dir()) {
        let bytes = fs::read(&entry).unwrap();
        assert!(!bytes.windows(10).any(|window| window == b"sesame-7d1"), "the token is in {}", entry.display());
    }
}

#[tokio::test]
async fn a_redirect_gets_neither_the_fetch_nor_the_token() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    repo.commit("first");
    repo.push();
    let root = repo.remote();
    let honest = GitServer::start(root.parent().unwrap(), None);
    let thief = GitServer::start(root.parent().unwrap(), None);
    honest.behave(Behaviour::Redirect(thief.url("").trim_end_matches('/').to_owned()));
    let mut settings = settings(&temp, &honest.url("remote.git"));
    settings.credential = Some(Credential::Token("sesame-7d1".into()));
    let mirror = Mirror::open(settings).await.unwrap();
    assert_eq!(mirror.fetch().await.unwrap_err().code(), Code::GIT_FAILED);
    assert!(thief.authorizations().is_empty());
    assert!(honest.authorizations()[0].is_some());
}

#[tokio::test]
async fn a_killed_fetch_leaves_nothing_that_stops_the_next() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    let commit = repo.commit("first");
    repo.push();
    let mirror = open(&temp, &repo.url()).await;
    let dir = mirror.git_dir().to_owned();
    for leftover in
        ["packed-refs.lock", "shallow.lock", "refs/heads/main.lock", "objects/pack/tmp_pack_X", "config.lock"]
    {
        fs::write(dir.join(leftover), "").unwrap();
    }
    mirror.fetch().await.unwrap();
    assert_eq!(mirror.branch(&branch("main")).await.unwrap(), commit);
    assert!(!dir.join("objects/pack/tmp_pack_X").exists());
}

#[tokio::test]
async fn many_packs_become_one_and_old_heads_stay() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    let mirror = open(&temp, &repo.url()).await;
    repo.write("n", "start");
    let forgotten = repo.commit("will be rewritten");
    repo.push();
    mirror.fetch().await.unwrap();
    repo.git(&["commit", "--quiet", "--amend", "-m", "rewritten"]);
    for number in 0..42 {
        repo.write("n", number.to_string());
        repo.commit("more");
        repo.push();
        mirror.fetch().await.unwrap();
    }
    let packs = fs::read_dir(mirror.git_dir().join("objects/pack"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "pack"))
        .count();
    assert!(packs < 10, "{packs} packs");
    // A run that was accepted before the forced push still reads its commit.
    assert!(!mirror.is_ancestor(&forgotten, &repo.head()).await.unwrap());
}

#[tokio::test]
async fn without_git_it_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let mut settings = settings(&temp, "/srv/none");
    settings.git = "/nonexistent/git".into();
    assert_eq!(Mirror::open(settings).await.err().unwrap().code(), Code::TOOL_MISSING);
}

#[tokio::test]
async fn a_remote_that_is_not_there_is_a_fault_with_gits_words() {
    let temp = tempfile::tempdir().unwrap();
    let mirror = open(&temp, "/nonexistent/repository.git").await;
    let fault = mirror.fetch().await.unwrap_err();
    assert_eq!(fault.code(), Code::GIT_FAILED);
    assert!(fault.message().contains("does not appear to be a git repository"), "{fault}");
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[tokio::test]
async fn modules_are_taken_from_tags_branches_and_commits_that_these_reach() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    repo.write("a", "1");
    let first = repo.commit("first");
    repo.tag("v1");
    repo.git(&["tag", "--annotate", "-m", "two", "v2"]);
    repo.write("a", "2");
    let second = repo.commit("second");
    repo.git(&["tag", "main"]);
    repo.branch("both");
    repo.write("a", "3");
    let third = repo.commit("third");
    repo.git(&["tag", "both", second.as_str()]);
    repo.push();
    // What a forge has of a fork: an object without a ref.
    let orphan = repo.git_remote(&["commit-tree", "-m", "fork", &format!("{second}^{{tree}}")]).trim().to_owned();
    let orphan = CommitId::parse(&orphan).unwrap();
    let mut settings = settings(&temp, &repo.url());
    settings.refs = portcullis_mirror::Refs::BranchesAndTags;
    let mirror = Mirror::open(settings).await.unwrap();
    assert!(!mirror.has(&first).await.unwrap(), "nothing is fetched yet");
    mirror.fetch().await.unwrap();
    let named = async |name: &str| mirror.tag_or_branch(&branch(name)).await;
    assert_eq!(named("v1").await.unwrap(), first);
    assert_eq!(named("v2").await.unwrap(), first, "a tag's object is followed to its commit");
    assert_eq!(named("main").await.unwrap(), second, "one commit by both names");
    for ambiguous_or_missing in ["both", "v3", "tags/v1", "heads/main"] {
        assert_eq!(named(ambiguous_or_missing).await.unwrap_err().code(), Code::REF_UNKNOWN, "{ambiguous_or_missing}");
    }
    for commit in [&first, &second, &third] {
        assert!(mirror.has(commit).await.unwrap());
    }
    assert!(!mirror.has(&orphan).await.unwrap());
    assert_eq!(mirror.default_head(&[]).await.unwrap(), second);
    // A tag that moves is followed, one that is gone is gone.
    repo.git(&["tag", "--force", "v1", third.as_str()]);
    repo.git(&["tag", "--delete", "v2"]);
    repo.push();
    mirror.fetch().await.unwrap();
    assert_eq!(named("v1").await.unwrap(), third);
    assert_eq!(named("v2").await.unwrap_err().code(), Code::REF_UNKNOWN);
}

#[tokio::test]
async fn the_checked_address_of_a_host_is_the_one_that_is_connected_to() {
    let (repo, temp) = (TestRepo::new(), tempfile::tempdir().unwrap());
    let commit = repo.commit("first");
    repo.push();
    let root = repo.remote().parent().unwrap().to_owned();
    let server = GitServer::start(&root, None);
    let url = server.url("remote.git").replace("127.0.0.1", "localhost");
    let mirror = open(&temp, &url).await;
    // Nobody listens there: git asked no name server of its own.
    assert_eq!(mirror.fetch_from(&["127.9.9.9".parse().unwrap()]).await.unwrap_err().code(), Code::GIT_FAILED);
    mirror.fetch_from(&["127.0.0.1".parse().unwrap()]).await.unwrap();
    assert_eq!(mirror.branch(&branch("main")).await.unwrap(), commit);
}
