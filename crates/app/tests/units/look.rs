//! `list`, `show` and `graph`.

use serde_json::json;

use super::{SMALL, repository, units};

#[test]
fn a_list_is_sorted_and_says_what_is_read_and_what_is_not_known() {
    let repo = repository(SMALL);
    let list = units(&repo.path(), &["list", "--json"]).json();
    let paths: Vec<&str> = list.as_array().unwrap().iter().map(|unit| unit["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["live/app", "live/db", "live/old"]);
    assert_eq!(
        list[0],
        json!({
            "path": "live/app", "kind": "unit", "dependencies": ["live/db"],
            "reads": ["live/app/terragrunt.hcl", "modules/m/main.tf", "root.hcl"],
            "exclude": null, "exact": true, "inexact_because": [],
        })
    );
    assert_eq!(list[2]["exact"], false);
    let because = list[2]["inexact_because"][0].as_str().unwrap();
    assert!(because.starts_with("live/old/terragrunt.hcl:5:") && because.contains("get_aws_account_id"), "{because}");
}

#[test]
fn a_revision_is_read_from_git_and_the_folder_as_it_is() {
    let repo = repository(SMALL);
    repo.write("live/new/terragrunt.hcl", "terraform {\n  source = \"../../modules/m\"\n}\n");
    let count = |arguments: &[&str]| {
        let list = units(&repo.path(), &[&["list", "--json"], arguments].concat()).json();
        list.as_array().unwrap().len()
    };
    assert_eq!(count(&[]), 4);
    assert_eq!(count(&["--rev", "HEAD"]), 3);
    repo.commit("second");
    repo.tag("v1");
    assert_eq!(count(&["--rev", "main~1"]), 3);
    assert_eq!(count(&["--rev", "v1"]), 4);
    // A bare repository has revisions, but no files.
    repo.push();
    let bare = repo.remote();
    assert_eq!(units(&bare, &["list", "--json", "--rev", "main"]).json().as_array().unwrap().len(), 4);
    let refused = units(&bare, &["list"]);
    assert!(refused.code == 2 && refused.err.contains("PC-0004") && refused.err.contains("--rev"), "{}", refused.err);
    // A folder of a repository is a root of its own when it is named, and part of it when it is not.
    assert_eq!(units(&repo.path().join("live"), &["list", "--json"]).json()[0]["path"], "live/app");
    let below = units(&repo.path(), &["list", "--json", "--repo", "live", "--rev", "v1"]);
    assert_eq!(below.code, 1, "root.hcl is outside of it: {}", below.err);
}

#[test]
fn what_is_not_there_is_said_with_a_code() {
    let repo = repository(SMALL);
    for (arguments, code, says) in [
        (&["list", "--repo", "nowhere"] as &[&str], 2, "PC-0004"),
        (&["list", "--rev", "nowhere"], 2, "PC-0111"),
        (&["list", "--rev", "HEAD:root.hcl"], 2, "PC-0111"),
        (&["show", "live/none"], 1, "PC-0107"),
        (&["show", "../x"], 2, "PC-0105"),
        (&["list", "--account", "dev"], 1, "PC-0507"),
        (&["list", "--env", "X"], 2, "NAME=VALUE"),
    ] {
        let ran = units(&repo.path(), arguments);
        assert!(ran.code == code && ran.err.contains(says), "{arguments:?}: {} {}", ran.code, ran.err);
        assert_eq!(ran.out, "", "{arguments:?}");
    }
}

#[test]
fn a_broken_file_is_told_once_and_the_others_are_listed() {
    let repo = repository(SMALL);
    repo.write("root.hcl", "locals {\n  region = \n}\n");
    let ran = units(&repo.path(), &["list", "--json"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.err.matches("PC-0400").count(), 1, "{}", ran.err);
    assert!(ran.err.contains("breaks: 2 units: live/app, live/db"), "{}", ran.err);
    let list: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
}

#[test]
fn show_has_the_shape_of_terragrunt_s_render_and_says_what_is_unknown() {
    let repo = repository(SMALL);
    let shown = units(&repo.path(), &["show", "live/app", "--json", "--env", "STAGE=prod"]).json();
    assert_eq!(shown["inputs"]["name"], "app-prod");
    assert_eq!(shown["inputs"]["region"], "eu-west-1");
    assert_eq!(shown["inputs"]["url"], json!({ "$unknown": "dependency.db.outputs.url" }));
    assert_eq!(shown["remote_state"]["config"], json!({ "encrypt": false, "key": "live/app/state" }));
    assert_eq!(shown["terraform"]["source"], "../../modules/m");
    assert_eq!(shown["terraform_binary"], "");
    assert_eq!(shown["dependency"]["db"]["config_path"], "../db");
    // The environment of the process is never read.
    let shown = units(&repo.path(), &["show", "live/app", "--json"]).json();
    assert_eq!(shown["inputs"]["name"], "app-none");
    let several = units(&repo.path(), &["show", "live/db", "./live/old/", "--json"]).json();
    assert_eq!(several.as_object().unwrap().keys().collect::<Vec<_>>(), ["live/db", "live/old"]);
}

#[test]
fn explained_values_name_their_file_and_include() {
    let repo = repository(SMALL);
    let ran = units(&repo.path(), &["show", "live/db", "--explain"]);
    let line = |start: &str| ran.text().lines().find(|line| line.trim().starts_with(start)).unwrap().to_owned();
    assert_eq!(line("name"), "  name   = \"db\"  # live/db/terragrunt.hcl:8");
    assert_eq!(line("region"), "  region = \"eu-west-1\"  # root.hcl:2 through include \"root\"");
    assert!(line("encrypt").ends_with("# root.hcl:10 through include \"root\""), "{}", ran.out);
}

#[test]
fn an_account_s_id_and_variables_come_from_the_fleet_of_the_same_revision() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/infrastructure-live");
    let list = units(std::path::Path::new(example), &["list", "--repo", ".", "--account", "dev", "--json"]).json();
    assert_eq!(list.as_array().unwrap().len(), 11);
    assert!(list.as_array().unwrap().iter().all(|unit| unit["path"].as_str().unwrap().starts_with("dev/")));
}

#[test]
fn the_graph_comes_in_four_forms() {
    let repo = repository(SMALL);
    let graph = units(&repo.path(), &["graph", "--json"]).json();
    assert_eq!(
        graph["dependencies"],
        json!([{ "from": "live/app", "to": "live/db", "name": "db", "place": "live/app/terragrunt.hcl:7:1" }])
    );
    assert_eq!(
        graph["units"][0],
        json!({ "path": "live/app", "level": 1, "broken": false, "foreign": false, "account": null })
    );
    assert_eq!(units(&repo.path(), &["graph"]).text(), "live/db\n└── live/app\nlive/old\n");
    assert!(units(&repo.path(), &["graph", "--dot"]).text().contains("\"live/app\" -> \"live/db\""));
    assert!(units(&repo.path(), &["graph", "--mermaid"]).text().contains("u0 --> u1"));
    assert!(units(&repo.path(), &["graph", "--svg"]).text().starts_with("<svg "));
    assert_eq!(units(&repo.path(), &["graph", "--svg", "--dot"]).code, 2);
}

#[test]
fn the_order_puts_dependencies_first() {
    let repo = repository(SMALL);
    assert_eq!(
        units(&repo.path(), &["order"]).text(),
        "level 0: 2 units\n  live/db\n  live/old\nlevel 1: 1 unit\n  live/app\n\
         critical path (2 units): live/db → live/app\n"
    );
    let order = units(&repo.path(), &["order", "--json"]).json();
    assert_eq!(order[1], json!({ "path": "live/app", "level": 1, "critical": true }));
}

#[test]
fn an_explained_value_says_what_it_replaced() {
    let repo = repository(SMALL);
    let db = std::fs::read_to_string(repo.path().join("live/db/terragrunt.hcl")).unwrap();
    repo.write("live/db/terragrunt.hcl", db.replace("name = \"db\"", "name = \"db\"\n  region = \"us-east-1\""));
    let ran = units(&repo.path(), &["explain", "live/db", "inputs.region"]);
    assert_eq!(
        ran.text(),
        "inputs.region = \"us-east-1\"\n    live/db/terragrunt.hcl:9\n\
         \x20   replaces \"eu-west-1\" of root.hcl:2 through include \"root\"\n"
    );
    let json = units(&repo.path(), &["explain", "live/db", "remote_state.config", "--json"]).json();
    assert_eq!(
        json[0],
        json!({
            "attribute": "remote_state.config.encrypt", "value": false,
            "from": "root.hcl:10 through include \"root\"", "replaced": [],
        })
    );
    let refused = units(&repo.path(), &["explain", "live/db", "inputs.none"]);
    assert!(refused.code != 0 && refused.err.contains("PC-0114"), "{}", refused.err);
}

#[test]
fn a_check_notes_a_module_without_a_version_and_is_content() {
    let unit = "terraform {\n  source = \"github.com/acme/modules//net\"\n}\n";
    let repo = repository(&[("app/terragrunt.hcl", unit), ("db/terragrunt.hcl", unit)]);
    let ran = units(&repo.path(), &["check"]);
    let text = ran.text();
    assert!(text.contains("note: the source git::https://github.com/acme/modules.git//net names no version"), "{text}");
    assert!(text.contains("in: 1 unit: app") && text.ends_with("nothing is wrong (2 units)\n"), "{text}");
}

#[test]
fn a_check_tells_everything_once() {
    let repo = repository(SMALL);
    assert_eq!(units(&repo.path(), &["check"]).text(), "nothing is wrong (3 units)\n");
    repo.write("root.hcl", "locals {\n  region = \n}\n");
    repo.write("live/old/terragrunt.hcl", "nonsense = 1\n");
    let ran = units(&repo.path(), &["check"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("breaks: 2 units: live/app, live/db") && ran.out.contains("2 problems found"),
        "{}",
        ran.out
    );
    let ran = units(&repo.path(), &["check", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let codes: Vec<&str> = found.as_array().unwrap().iter().map(|problem| problem["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["PC-0415", "PC-0400"]);
    assert_eq!(found[1]["units"], json!(["live/app", "live/db"]));
}

#[test]
fn units_that_a_stack_takes_from_another_repository_are_known_from_a_clone() {
    let catalog = repository(&[
        ("units/vpc/terragrunt.hcl", "inputs = {\n  name = values.name\n}\n"),
        ("units/vpc/main.tf", "variable \"name\" {}\n"),
    ]);
    let source = format!("git::https://git.example/acme/catalog.git//units/vpc?ref={}", catalog.head());
    let stack =
        format!("unit \"vpc\" {{\n  source = \"{source}\"\n  path = \"vpc\"\n  values = {{ name = \"one\" }}\n}}\n");
    let repo = repository(&[("live/terragrunt.stack.hcl", &stack)]);
    let exact = |arguments: &[&str]| {
        let listed = units(&repo.path(), arguments).json();
        let found = listed.as_array().unwrap().iter().find(|unit| unit["kind"] == "unit").cloned();
        found.unwrap()["exact"].clone()
    };
    assert_eq!(exact(&["list", "--json"]), false);

    let clones = tempfile::tempdir().unwrap();
    let place = clones.path().join("git.example/acme/catalog");
    std::fs::create_dir_all(&place).unwrap();
    let folder = clones.path().to_str().unwrap();
    assert_eq!(exact(&["list", "--json", "--sources", folder]), false, "there is no clone");
    std::os::unix::fs::symlink(catalog.path().join(".git"), place.join(".git")).unwrap();
    assert_eq!(exact(&["list", "--json", "--sources", folder]), true);
    let shown = units(&repo.path(), &["show", "live/.terragrunt-stack/vpc", "--sources", folder]);
    assert!(shown.text().contains("name = \"one\""), "{}", shown.text());
}

#[test]
fn a_plain_folder_without_git_is_looked_at_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let put = |path: &str, text: &str| {
        std::fs::create_dir_all(at.join(path).parent().unwrap()).unwrap();
        std::fs::write(at.join(path), text).unwrap();
    };
    SMALL.iter().for_each(|(path, text)| put(path, text));
    put(
        "live/json/terragrunt.hcl.json",
        "{\"inputs\": {\"name\": \"${upper(\\\"x\\\")}\"}, \"terraform\": {\"source\": \"../../modules/m\"}}",
    );
    put("stacks/net/main.tf", "");
    let run =
        |arguments: &[&str]| units(std::path::Path::new("/"), &[arguments, &["--repo", at.to_str().unwrap()]].concat());
    assert_eq!(run(&["list", "--json"]).json().as_array().unwrap().len(), 4);
    let list = run(&["list", "--json", "--root-modules", "stacks/*"]).json();
    assert_eq!(list[4]["path"], "stacks/net");
    assert_eq!(run(&["list", "--json", "--account-id", "123456789012"]).json()[3]["exact"], true);
    for path in ["live/json", "live/json/terragrunt.hcl.json", "./live/json/"] {
        assert_eq!(run(&["show", path, "--json"]).json()["inputs"]["name"], "X");
    }
    assert_eq!(run(&["check"]).text(), "nothing is wrong (4 units)\n");
    assert_eq!(run(&["order", "--json"]).json().as_array().unwrap().len(), 4);
    assert!(run(&["graph"]).text().contains("└── live/app"));
    // What needs a revision says that there is none.
    for arguments in [&["list", "--rev", "HEAD"] as &[&str], &["affected", "HEAD"], &["diff", "A..B"]] {
        let ran = run(arguments);
        assert!(ran.code == 2 && ran.err.contains("PC-0004"), "{arguments:?}: {} {}", ran.code, ran.err);
    }
    let refused = run(&["list", "--root-modules", "stacks/["]);
    assert!(refused.code != 0 && refused.err.contains("is no pattern for folders"), "{}", refused.err);
}
