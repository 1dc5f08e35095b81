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
