//! `affected` and `diff`: two revisions, or a revision and the working files.

use serde_json::json;

use super::{SMALL, repository, units};

#[test]
fn a_comment_affects_nothing_and_a_value_the_units_that_use_it() {
    let repo = repository(SMALL);
    let root = std::fs::read_to_string(repo.path().join("root.hcl")).unwrap();
    repo.write("root.hcl", format!("# a remark\n{}", root.replace("encrypt = false", "encrypt   =   false")));
    // One revision: the working files are compared with it.
    assert_eq!(units(&repo.path(), &["affected", "HEAD", "--json"]).json(), json!([]));
    assert_eq!(units(&repo.path(), &["affected"]).text(), "no unit is affected (3 units)\n");
    repo.commit("a remark");
    repo.write("root.hcl", root.replace("encrypt = false", "encrypt = true"));
    repo.commit("a value");
    let reason = "remote_state.config.encrypt: false → true (from root.hcl:10 through include \"root\")";
    assert_eq!(
        units(&repo.path(), &["affected", "HEAD~2..HEAD", "--json"]).json(),
        json!([
            { "path": "live/app", "why": "changed", "because": [reason] },
            { "path": "live/db", "why": "changed", "because": [reason] },
        ])
    );
    assert_eq!(
        units(&repo.path(), &["affected", "HEAD~1.."]).text(),
        format!("~ live/db (changed)\n    {reason}\n~ live/app (changed)\n    {reason}\n2 units of 3 affected\n")
    );
}

#[test]
fn dependents_are_named_when_they_are_asked_for() {
    let repo = repository(SMALL);
    repo.branch("feature");
    repo.write("modules/m/main.tf", "variable \"name\" {}\nvariable \"url\" {}\n");
    let db = std::fs::read_to_string(repo.path().join("live/db/terragrunt.hcl")).unwrap();
    repo.commit("module");
    repo.write("live/db/terragrunt.hcl", db.replace("\"db\"", "\"data\""));
    repo.commit("db");
    let paths = |arguments: &[&str]| {
        let found = units(&repo.path(), &[&["affected", "--json"], arguments].concat()).json();
        let shown =
            |unit: &serde_json::Value| format!("{} {}", unit["path"].as_str().unwrap(), unit["why"].as_str().unwrap());
        found.as_array().unwrap().iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(paths(&["HEAD~1..HEAD"]), ["live/db changed"]);
    assert_eq!(paths(&["HEAD~1..HEAD", "--with-dependents"]), ["live/app downstream", "live/db changed"]);
    // Three dots: from where the branch left the other.
    repo.switch("main");
    repo.write("live/new/terragrunt.hcl", "terraform {\n  source = \"../../modules/m\"\n}\n");
    repo.commit("on main");
    assert_eq!(paths(&["main...feature"]), ["live/app changed", "live/db changed", "live/old changed"]);
    assert_eq!(paths(&["main..feature"]).len(), 4);
    let refused = units(&repo.path(), &["affected", "main..nowhere"]);
    assert!(refused.code == 2 && refused.err.contains("PC-0111"), "{}", refused.err);
}

#[test]
fn a_diff_groups_units_by_the_same_change() {
    let repo = repository(SMALL);
    let root = std::fs::read_to_string(repo.path().join("root.hcl")).unwrap();
    repo.write("root.hcl", root.replace("encrypt = false", "encrypt = true").replace("}/state", "}/tf.state"));
    let old = std::fs::read_to_string(repo.path().join("live/old/terragrunt.hcl")).unwrap();
    repo.write("live/old/terragrunt.hcl", old.replace("get_aws_account_id()", "get_aws_account_alias()"));
    repo.commit("second");
    let ran = units(&repo.path(), &["diff", "HEAD~1.."]);
    assert_eq!(
        ran.text(),
        "2 units:\n\
         \x20 remote_state.config.encrypt false → true  (root.hcl:10 through include \"root\")\n\
         \x20 remote_state.config.key \"{path}/state\" → \"{path}/tf.state\"  (root.hcl:11 through include \"root\")\n\
         \x20 in live/app, live/db\n\
         1 unit:\n\
         \x20 inputs.name get_aws_account_id() → get_aws_account_alias()  (live/old/terragrunt.hcl:5)\n\
         \x20 in live/old\n\
         The effective configuration of 3 units changes (3 units compared: 2 exact, 1 inexact).\n"
    );
    let json = units(&repo.path(), &["diff", "HEAD~1..", "--json"]).json();
    assert_eq!(json["changed"], 3);
    assert_eq!(json["groups"][0]["units"], json!(["live/app", "live/db"]));
    assert_eq!(
        json["groups"][0]["changes"][0],
        json!({
            "attribute": "remote_state.config.encrypt", "before": false, "after": true, "summary": "false → true",
            "from": "root.hcl:10 through include \"root\"",
        })
    );
    let markdown = units(&repo.path(), &["diff", "HEAD~1..", "--markdown"]);
    assert!(
        markdown.text().contains("- `remote_state.config.encrypt` `false → true` (`root.hcl:10"),
        "{}",
        markdown.out
    );
    assert_eq!(units(&repo.path(), &["diff", "HEAD~1..", "--exit-code"]).code, 1);
}

#[test]
fn a_refactoring_of_shared_configuration_is_proven_to_change_nothing() {
    let repo = repository(SMALL);
    // The region moves to a file of its own, which the root reads.
    repo.write("common.hcl", "locals {\n  region = \"eu-west-1\"\n}\n");
    let root = std::fs::read_to_string(repo.path().join("root.hcl")).unwrap();
    let read = "region = read_terragrunt_config(find_in_parent_folders(\"common.hcl\")).locals.region";
    repo.write("root.hcl", root.replace("region = \"eu-west-1\"", read));
    repo.commit("second");
    let proven = "No unit's effective configuration changes (3 units compared: 2 exact, 1 inexact).\n";
    assert_eq!(units(&repo.path(), &["diff", "HEAD~1..", "--exit-code"]).text(), proven);
    // A module is no configuration, but its units are affected.
    repo.write("modules/m/main.tf", "variable \"name\" {}\nvariable \"url\" {}\n");
    assert_eq!(units(&repo.path(), &["diff"]).text(), proven);
    assert_eq!(units(&repo.path(), &["affected", "--json"]).json().as_array().unwrap().len(), 3);
    // What cannot be evaluated is no proof.
    repo.write("live/db/terragrunt.hcl", "nonsense = 1\n");
    let ran = units(&repo.path(), &["diff", "--exit-code"]);
    assert!(ran.code == 1 && ran.out.contains("No change is seen, but 1 unit cannot be compared"), "{}", ran.out);
    assert!(ran.err.contains("PC-0415"), "{}", ran.err);
}
