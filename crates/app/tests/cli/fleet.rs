//! `portcullis fleet …`, as a person runs it on the example.

use std::path::Path;

use portcullis_model::RunState;
use portcullis_testkit::{GitServer, LiveRepo, TestRepo};

use super::fake::{Fake, TOKEN, digest};
use super::program::{Said, run_with};

fn fleet(live: &LiveRepo, arguments: &[&str]) -> Said {
    let tree = live.tree();
    let mut all = vec!["fleet"];
    all.extend(arguments);
    all.extend(["--repo", tree.to_str().unwrap(), "--color", "never"]);
    run_with(&all, &[("PATH", "/usr/local/bin:/usr/bin:/bin")])
}

fn live(folder: &Path) -> LiveRepo {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/infrastructure-live");
    LiveRepo::create(&example, folder, "https://token.actions.githubusercontent.com", |_| Ok(())).unwrap()
}

#[test]
fn a_change_of_a_profile_is_seen_in_the_accounts_that_use_it_and_in_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let live = live(folder.path());
    let same = fleet(&live, &["diff", "HEAD", "--exit-code"]);
    assert!(same.code == 0 && same.out.contains("No account's effective definition changes (6 compared)."), "{same:?}");
    live.edit("profiles/sizes.hcl", "parallel   = 4", "parallel   = 8").unwrap();
    live.commit("wider").unwrap();
    let said = fleet(&live, &["diff", "HEAD~1..HEAD", "--exit-code"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("logs  no change") && said.out.contains("shared  no change"), "{said:?}");
    assert!(
        said.out.contains("  ~ limits.parallel: 4 → 8  (imported profile `workload`, profiles/sizes.hcl:"),
        "{said:?}"
    );
    let last =
        "The effective definition changes in dev, stage; not in logs, prod, security, shared. Nobody gains or loses";
    assert!(said.out.contains(last), "{said:?}");
    let markdown = fleet(&live, &["diff", "HEAD~1..HEAD", "--markdown"]);
    assert!(markdown.out.starts_with("**The effective definition changes in dev, stage;"), "{markdown:?}");
}

#[test]
fn the_example_is_right_and_says_who_may_do_what() {
    let folder = tempfile::tempdir().unwrap();
    let live = live(folder.path());
    let said = fleet(&live, &["check", "--strict"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("Fleet `acme"), "{said:?}");
    let access = fleet(&live, &["access", "--account", "prod", "--action", "apply"]);
    assert!(access.out.contains("live-merge") && !access.out.contains("live-ci"), "{access:?}");
    assert!(access.out.contains("anyone else"), "{access:?}");
    let shown = fleet(&live, &["show", "prod", "limits.parallel", "--explain"]);
    assert!(shown.out.contains("account `prod`") && shown.out.contains("said 4"), "{shown:?}");
    let nothing = fleet(&live, &["show", "prod", "nothing.there"]);
    assert!(nothing.code == 1 && nothing.err.contains("PC-0504"), "{nothing:?}");
}

#[test]
fn a_definition_that_lets_a_proposal_apply_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let live = live(folder.path());
    live.edit("profiles/standard.hcl", "[\"live-merge\"]", "[\"live-merge\", \"live-ci\"]").unwrap();
    let said = fleet(&live, &["check"]);
    assert_eq!(said.code, 1, "{said:?}");
    for wanted in ["PC-0510", "a proposed change can be it", "does not hold", "portcullis.hcl:"] {
        assert!(said.out.contains(wanted), "{wanted}: {said:?}");
    }
    let json = fleet(&live, &["check", "--json"]);
    let view: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(view["faults"][0]["code"], "PC-0510", "{view:#}");
}

const ACCOUNTS: [&str; 6] = ["dev", "stage", "prod", "shared", "security", "logs"];

/// Puts lines at the end of accounts' blocks.
fn say(live: &LiveRepo, accounts: &[&str], lines: &str) {
    for name in accounts {
        let path = format!("  path     = \"{name}\"\n");
        live.edit("portcullis.hcl", &path, &format!("{path}{lines}")).unwrap();
    }
}

#[test]
fn a_setting_that_moves_from_six_accounts_to_a_profile_changes_none_and_then_all_that_use_it() {
    let folder = tempfile::tempdir().unwrap();
    let live = live(folder.path());
    say(&live, &ACCOUNTS, "  root_modules = [\"*/stacks/*\"] # why\n");
    let dirty = fleet(&live, &["extract"]);
    assert!(dirty.code == 1 && dirty.err.contains("PC-0520") && dirty.err.contains("not committed"), "{dirty:?}");
    live.commit("said six times").unwrap();
    let report = fleet(&live, &["report", "--exit-code"]);
    assert!(report.code == 1 && report.out.contains("imported profile `standard` would hold it."), "{report:?}");
    let dry = fleet(&live, &["extract", "--dry-run"]);
    assert!(dry.code == 0 && dry.out.contains("+++ b/profiles/standard.hcl\n"), "{dry:?}");
    assert!(dry.out.contains("\n-  root_modules = [\"*/stacks/*\"] # why\n"), "{dry:?}");
    assert!(dry.out.ends_with("not changed: portcullis.hcl\nnot changed: profiles/standard.hcl\n"), "{dry:?}");
    let nothing = fleet(&live, &["diff", "HEAD", "--exit-code"]);
    assert_eq!(nothing.code, 0, "{nothing:?}");
    let said = fleet(&live, &["extract"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.out.contains("No account's effective definition changes, in values or rights (6 accounts compared).\n"),
        "{said:?}"
    );
    let text = std::fs::read_to_string(live.tree().join("profiles/standard.hcl")).unwrap();
    assert!(text.contains("  # why\n  root_modules = [\"*/stacks/*\"]\n"), "{text}");
    live.commit("said once").unwrap();
    let diff = fleet(&live, &["diff", "HEAD~1..HEAD", "--exit-code"]);
    assert_eq!(diff.code, 0, "{diff:?}");
    assert_eq!(diff.out.matches("no change").count(), 6, "{diff:?}");
    let shown = fleet(&live, &["show", "logs", "root_modules", "--explain"]);
    assert!(shown.out.contains("imported profile `standard`  said so  profiles/standard.hcl:"), "{shown:?}");
    assert_eq!(fleet(&live, &["report", "--exit-code"]).code, 0);
    live.edit("profiles/standard.hcl", "*/stacks/*", "*/other/*").unwrap();
    let diff = fleet(&live, &["diff", "HEAD"]);
    assert_eq!(diff.out.matches("~ root_modules: [\"*/stacks/*\"] → [\"*/other/*\"]").count(), 6, "{diff:?}");
    // Six times the text of a comment was one too many; all else is as it was.
    let root = std::fs::read_to_string(live.tree().join("portcullis.hcl")).unwrap();
    assert!(!root.contains("root_modules") && root.contains("# More units than elsewhere"), "{root}");
}

#[test]
fn a_setting_of_some_accounts_goes_to_a_profile_that_just_they_use() {
    let folder = tempfile::tempdir().unwrap();
    let live = live(folder.path());
    say(&live, &["dev", "shared", "logs"], "  env = {\n    LEVEL = \"3\"\n  }\n");
    live.commit("said three times").unwrap();
    let json = fleet(&live, &["extract", "--profile", "chatty", "--only", "env", "--json"]);
    let view: serde_json::Value = serde_json::from_str(&json.out).unwrap_or_else(|_| panic!("{json:?}"));
    assert_eq!(view["moved"][0]["values"], serde_json::json!({ "env.LEVEL": "3" }), "{view:#}");
    assert_eq!((&view["written"], &view["accounts"]), (&serde_json::json!(true), &serde_json::json!(6)));
    live.commit("said once").unwrap();
    assert_eq!(fleet(&live, &["diff", "HEAD~1..HEAD", "--exit-code"]).code, 0);
    live.edit("portcullis.hcl", "LEVEL = \"3\"", "LEVEL = \"4\"").unwrap();
    let diff = fleet(&live, &["diff", "HEAD", "--markdown"]);
    let first = "**The effective definition changes in dev, logs, shared; not in prod, security, stage. ";
    assert!(diff.out.starts_with(first), "{diff:?}");
    let refused = fleet(&live, &["extract", "--profile", "standard", "--force"]);
    assert!(refused.code == 0 && refused.out.contains("No account or profile repeats"), "{refused:?}");
    live.edit("portcullis.hcl", "LEVEL = \"4\"", "LEVEL = \"3\"").unwrap();
    say(&live, &["dev", "shared"], "  regions = [\"eu-west-1\"]\n");
    let refused = fleet(&live, &["extract", "--profile", "standard", "--force"]);
    assert!(refused.code == 1 && refused.err.contains("in account `logs` `regions` would change"), "{refused:?}");
}

/// The example is a model of what the commands ask for.
#[test]
fn the_example_repeats_nothing_and_an_extraction_leaves_it_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let live = live(folder.path());
    assert_eq!(fleet(&live, &["report", "--exit-code"]).code, 0);
    let said = fleet(&live, &["extract", "--diff"]);
    assert!(said.code == 0 && said.out == "No account or profile repeats what another says.\n", "{said:?}");
}

#[test]
fn the_definition_of_a_runner_is_shown_with_the_one_that_it_refused() {
    let fake = Fake::start("plan", RunState::Succeeded, Vec::new());
    let url = fake.url();
    let status = |more: &[&str]| {
        let all = [&["fleet", "status", "--runner", url.as_str(), "--color", "never"], more].concat();
        run_with(&all, &[("PORTCULLIS_TOKEN", TOKEN)])
    };
    let said = status(&[]);
    // The head of the protected branch is not what decides.
    assert_eq!(said.code, 1, "{said:?}");
    let digest = digest(7).short();
    let wanted = format!(
        "dev: in force is {digest} of commit aaaaaaaaaa, since 2026-01-02T03:04:05Z\n\
         refused is that of commit bbbbbbbbbb, since 2026-01-02T03:04:05Z:\n"
    );
    assert!(said.out.starts_with(&wanted), "{said:?}");
    assert!(said.out.contains("PC-0509") && said.out.contains("Let somebody apply."), "{said:?}");
    assert!(!said.out.contains('\u{1b}'), "{said:?}");
    let view: serde_json::Value = serde_json::from_str(&status(&["--json"]).out).unwrap();
    assert_eq!(view["refused"]["problem"]["code"], "PC-0509", "{view:#}");
}

#[test]
fn a_profile_of_another_repository_is_pinned_fetched_once_and_then_at_hand() {
    let folder = tempfile::tempdir().unwrap();
    let live = live(folder.path());
    let profiles = TestRepo::new();
    profiles.write("profiles/quick.hcl", "profile \"quick\" {\n  limits {\n    parallel = 9\n  }\n}\n");
    profiles.commit("first");
    profiles.push();
    let commit = profiles.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let server = GitServer::start(profiles.remote().parent().unwrap(), None);
    let url = server.url("remote.git");
    let caches = folder.path().join("caches");
    let run = |arguments: &[&str]| {
        let all: Vec<&str> =
            ["fleet"].into_iter().chain(arguments.iter().copied()).chain(["--color", "never"]).collect();
        run_with(&all, &[("PATH", "/usr/local/bin:/usr/bin:/bin"), ("XDG_CACHE_HOME", caches.to_str().unwrap())])
    };
    let tree = live.tree();
    let repo = ["--repo", tree.to_str().unwrap()];
    let pin = run(&["pin", &url, &commit, "profiles/quick.hcl"]);
    assert!(pin.code == 0 && pin.out.starts_with("import \"quick\" {\n  git    = "), "{pin:?}");
    let root = std::fs::read_to_string(tree.join("portcullis.hcl")).unwrap();
    let root = root.replacen("[\"standard\", \"workload\"]", "[\"standard\", \"workload\", \"quick\"]", 1);
    live.write("portcullis.hcl", &format!("{root}\n{}", pin.out)).unwrap();
    live.commit("quick").unwrap();
    let offline = run(&["check", "--offline", repo[0], repo[1]]);
    assert!(
        offline.code == 1 && offline.out.contains("PC-0508") && offline.out.contains("is not at hand"),
        "{offline:?}"
    );
    let diff = run(&["diff", "HEAD~1..HEAD", repo[0], repo[1]]);
    assert!(diff.out.contains("~ limits.parallel: 4 → 9  (imported profile `quick`, 127.0.0.1:"), "{diff:?}");
    assert!(diff.out.contains("The effective definition changes in dev; not in"), "{diff:?}");
    // Its host is away: what was pinned is at hand.
    drop(server);
    let show = run(&["show", "dev", "limits.parallel", "--explain", repo[0], repo[1]]);
    assert!(show.code == 0 && show.out.contains(&format!("remote@{}", &commit[..8])), "{show:?}");
    assert_eq!(run(&["check", "--offline", repo[0], repo[1]]).code, 0);
    // What is kept and is damaged is not used.
    let kept = caches.join("portcullis/imports");
    for entry in std::fs::read_dir(&kept).unwrap() {
        std::fs::write(entry.unwrap().path(), "profile \"quick\" {}\n").unwrap();
    }
    assert_eq!(run(&["check", "--offline", repo[0], repo[1]]).code, 1);
}

#[test]
fn a_host_that_gives_something_else_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let live = live(folder.path());
    let profiles = TestRepo::new();
    profiles.write("quick.hcl", "profile \"quick\" {}\n");
    profiles.commit("first");
    profiles.push();
    let commit = profiles.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let server = GitServer::start(profiles.remote().parent().unwrap(), None);
    let import = |path: &str, commit: &str| {
        format!(
            "\nimport \"quick\" {{\n  git    = \"{}\"\n  commit = \"{commit}\"\n  sha256 = \"{}\"\n  path   = \"{path}\"\n}}\n",
            server.url("remote.git"),
            "ab".repeat(32)
        )
    };
    let root = std::fs::read_to_string(live.tree().join("portcullis.hcl")).unwrap();
    let said = |import: String| {
        live.write("portcullis.hcl", &format!("{root}{import}")).unwrap();
        fleet(&live, &["check"])
    };
    let changed = said(import("quick.hcl", &commit));
    assert!(
        changed.code == 1 && changed.err.contains("PC-0521") && changed.err.contains(&"ab".repeat(32)),
        "{changed:?}"
    );
    let missing = said(import("none.hcl", &commit));
    assert!(missing.err.contains("PC-0508") && missing.err.contains("`none.hcl` is not there"), "{missing:?}");
    assert!(missing.err.contains("portcullis.hcl:"), "{missing:?}");
    let unknown = said(import("quick.hcl", &"0f".repeat(20)));
    assert!(unknown.err.contains("PC-0111"), "{unknown:?}");
}
