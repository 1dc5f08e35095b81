//! `portcullis fleet …`, as a person runs it on the example.

use std::path::Path;

use portcullis_testkit::LiveRepo;

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
