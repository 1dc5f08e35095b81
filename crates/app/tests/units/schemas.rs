//! What each command prints with `--json`, held against its schema in docs/schemas.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use portcullis_testkit::TestRepo;
use serde_json::{Value as Json, json};

use super::{SMALL, repository, units};

const COMMANDS: [&str; 8] = ["list", "show", "affected", "diff", "graph", "order", "explain", "check"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas")
}

fn schema(command: &str) -> Validator {
    let text = std::fs::read_to_string(folder().join(format!("units-{command}.json"))).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// Runs a command and holds what it prints against its schema, whatever its exit code is.
#[track_caller]
fn valid(folder: &Path, arguments: &[&str]) -> Json {
    let ran = units(folder, &[arguments, &["--json"]].concat());
    let json: Json = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {} {}", ran.out, ran.err));
    let faults: Vec<String> =
        schema(arguments[0]).iter_errors(&json).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{arguments:?}: {faults:#?} in {json:#}");
    json
}

/// A repository with what the documents can hold: every kind of unit, of value and of fault.
fn rich() -> TestRepo {
    let repo = repository(SMALL);
    let source = "terraform {\n  source = \"../../modules/m\"\n";
    let hooks = |first: &str, second: &str| {
        let hook = |name: &str| {
            format!("  before_hook \"{name}\" {{\n    commands = [\"plan\"]\n    execute = [\"true\"]\n  }}\n")
        };
        format!("{source}{}{}}}\n", hook(first), hook(second))
    };
    repo.write("live/hooks/terragrunt.hcl", hooks("a", "b"));
    let odd = format!(
        "{source}}}\nlocals {{\n  a = 1\n}}\nfeature \"f\" {{\n  default = true\n}}\nexclude {{\n  if = feature.f.value\n  \
         actions = [\"plan\"]\n}}\nerrors {{\n  retry \"r\" {{\n    retryable_errors = [\".*\"]\n    max_attempts = 2\n    \
         sleep_interval_sec = 1\n  }}\n}}\ngenerate \"g\" {{\n  path = \"g.tf\"\n  if_exists = \"skip\"\n  contents = \"\"\n}}\n\
         iam_role = \"arn:x\"\nprevent_destroy = true\ninputs = {{\n  s = sensitive(\"hunter2\")\n  u = run_cmd(\"x\")\n  n = 1.5\n  l = [1, \"a\", null]\n}}\n"
    );
    repo.write("live/odd/terragrunt.hcl", odd);
    repo.write("live/gone/terragrunt.hcl", format!("{source}}}\n"));
    repo.write("live/here/terragrunt.hcl", format!("{source}}}\ninputs = {{\n  name = \"here\"\n}}\n"));
    let stack =
        "unit \"u\" {\n  source = \"../../catalog/u\"\n  path = \"u\"\n  values = {\n    name = \"x\"\n  }\n}\n";
    repo.write("live/stack/terragrunt.stack.hcl", stack);
    repo.write("catalog/u/terragrunt.hcl", "terraform {\n  source = \"/repo/modules/m\"\n}\ninputs = values\n");
    repo.commit("second");
    repo.write("live/hooks/terragrunt.hcl", hooks("b", "a"));
    repo.remove("live/gone");
    repo.remove("live/here");
    repo.write("live/there/terragrunt.hcl", format!("{source}}}\ninputs = {{\n  name = \"here\"\n}}\n"));
    repo.write("live/new/terragrunt.hcl", format!("{source}}}\ninputs = {{\n  name = \"new\"\n}}\n"));
    let root = std::fs::read_to_string(repo.path().join("root.hcl")).unwrap();
    repo.write("root.hcl", root.replace("encrypt = false", "encrypt = true"));
    repo.write("live/broken/terragrunt.hcl", "nonsense = 1\n");
    repo.write(
        "live/missing/terragrunt.hcl",
        format!("{source}}}\ndependency \"no\" {{\n  config_path = \"../no\"\n}}\n"),
    );
    repo.commit("third");
    repo
}

#[test]
fn every_document_is_as_its_schema_says() {
    let repo = rich();
    let list = valid(&repo.path(), &["list"]);
    let kinds: BTreeSet<&str> = list.as_array().unwrap().iter().filter_map(|unit| unit["kind"].as_str()).collect();
    assert_eq!(kinds, BTreeSet::from(["stack", "unit"]));
    assert!(list.as_array().unwrap().iter().any(|unit| unit["exclude"]["if"] == true), "{list:#}");
    for unit in ["live/app", "live/odd", "live/hooks"] {
        let shown = valid(&repo.path(), &["show", unit]);
        assert!(!shown.to_string().contains("hunter2"));
        assert!(!valid(&repo.path(), &["explain", unit]).as_array().unwrap().is_empty());
    }
    let affected = valid(&repo.path(), &["affected", "HEAD~1..HEAD", "--with-dependents"]);
    let why: BTreeSet<&str> = affected.as_array().unwrap().iter().filter_map(|unit| unit["why"].as_str()).collect();
    assert_eq!(why, BTreeSet::from(["added", "changed", "deleted", "moved"]), "{affected:#}");
    let diff = valid(&repo.path(), &["diff", "HEAD~1..HEAD"]);
    for part in ["groups", "added", "deleted", "moved"] {
        assert!(!diff[part].as_array().unwrap().is_empty(), "{part}: {diff:#}");
    }
    // What no value shows is a change all the same.
    let hooks = diff["groups"].as_array().unwrap().iter().find(|group| group["units"] == json!(["live/hooks"]));
    assert_eq!(hooks.unwrap()["changes"][0]["attribute"], "order of before_hook blocks", "{diff:#}");
    repo.write("live/db/terragrunt.hcl", "nonsense = 2\n");
    assert_eq!(valid(&repo.path(), &["diff", "HEAD"])["broken"], json!(["live/broken", "live/db"]));
    valid(&repo.path(), &["graph"]);
    valid(&repo.path(), &["graph", "--rev", "HEAD"]);
    assert!(valid(&repo.path(), &["order"]).as_array().unwrap().iter().any(|unit| unit["critical"] == true));
    assert!(valid(&repo.path(), &["check"]).as_array().unwrap().len() >= 3);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/infrastructure-live");
    for command in ["list", "graph", "order", "check"] {
        valid(Path::new(example), &[command, "--repo", ".", "--account", "prod"]);
    }
}

#[test]
fn there_is_a_schema_for_each_command_and_each_refuses_what_it_does_not_know() {
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("units-"))
        .collect();
    assert_eq!(files, COMMANDS.iter().map(|command| format!("units-{command}.json")).collect());
    let help = units(Path::new("."), &["--help"]);
    for command in COMMANDS {
        assert!(help.out.contains(&format!("  {command} ")), "{command}: {}", help.out);
    }
    let repo = rich();
    for arguments in [
        &["list"] as &[&str],
        &["show", "live/app"],
        &["affected", "HEAD~1..HEAD"],
        &["diff", "HEAD~1..HEAD"],
        &["graph"],
        &["order"],
        &["explain", "live/app"],
        &["check"],
    ] {
        let schema = schema(arguments[0]);
        let good = valid(&repo.path(), arguments);
        let mut object = &good;
        while let Some(first) = object.as_array().map(|elements| &elements[0]) {
            object = first;
        }
        let change = |edit: &dyn Fn(&mut serde_json::Map<String, Json>)| {
            let mut changed = object.as_object().unwrap().clone();
            edit(&mut changed);
            let changed = Json::Object(changed);
            if good.is_array() { json!([changed]) } else { changed }
        };
        assert!(schema.is_valid(&change(&|_| ())), "{arguments:?}");
        assert!(!schema.is_valid(&change(&|object| drop(object.insert("more".into(), json!(1))))), "{arguments:?}");
        let required = if arguments[0] == "check" {
            "units".to_owned()
        } else {
            object.as_object().unwrap().keys().next().unwrap().clone()
        };
        if arguments[0] != "show" {
            assert!(
                !schema.is_valid(&change(&|object| drop(object.remove(&required)))),
                "{arguments:?} without {required}"
            );
        }
    }
}
