//! Dependencies: the graph, outputs and mocks.

use portcullis_estate::{Estate, Settings};
use portcullis_model::Code;
use serde_json::json;

use crate::{Folder, faults, inputs, outputs, path, resolve_with, unit};

const VPC: [(&str, &str); 2] = [("dev/vpc/terragrunt.hcl", ""), ("dev/vpc/main.tf", "")];

fn db(dependency: &str) -> Folder {
    let text = format!(
        "dependency \"vpc\" {{\n  config_path = \"../vpc\"\n{dependency}}}\ninputs = {{\n  id = dependency.vpc.outputs.id\n}}\n"
    );
    let folder = Folder::new(&VPC);
    folder.write("dev/db/terragrunt.hcl", &text);
    folder.write("dev/db/main.tf", "");
    folder
}

fn refused(estate: &Estate, command: &str, values: serde_json::Value) -> Code {
    estate.resolve(&path("dev/db"), command, &outputs(values)).unwrap_err().code()
}

#[test]
fn the_graph_is_known_without_outputs() {
    let folder = db("");
    folder.write("dev/app/terragrunt.hcl", "dependencies {\n  paths = [\"../db\", \"../vpc\"]\n}\n");
    folder.write("dev/app/main.tf", "");
    let estate = folder.load();
    let order: Vec<&str> = estate.order().iter().map(|unit| unit.as_str()).collect();
    assert_eq!(order, ["dev/vpc", "dev/db", "dev/app"]);
    let db = unit(&estate, "dev/db");
    assert_eq!(db.dependencies[0].name.as_deref(), Some("vpc"));
    assert!(db.dependencies[0].outputs && !db.dependencies[0].foreign && db.is_exact());
    assert_eq!(db.dependencies[0].place.line, 1);
    let dependents: Vec<&str> = estate.dependents(&path("dev/vpc")).map(|unit| unit.as_str()).collect();
    assert_eq!(dependents, ["dev/app", "dev/db"]);
}

#[test]
fn real_outputs_go_in_and_are_noted() {
    let resolved =
        resolve_with(&db("").into_estate(), "dev/db", "apply", json!({"dev/vpc": {"id": "vpc-1", "unused": true}}));
    assert_eq!(inputs(&resolved), "id = \"vpc-1\"");
    assert_eq!(resolved.used_outputs[&path("dev/vpc")], json!({"id": "vpc-1"}));
    assert!(resolved.mocked.is_empty());
}

#[test]
fn without_outputs_and_mocks_a_unit_cannot_be_resolved() {
    let estate = db("").into_estate();
    assert_eq!(refused(&estate, "plan", json!({})), Code::OUTPUTS_MISSING);
    assert_eq!(refused(&estate, "plan", json!({"dev/vpc": {}})), Code::OUTPUTS_MISSING);
}

#[test]
fn mocks_stand_in_for_allowed_commands_only() {
    let estate =
        db("  mock_outputs = { id = \"mock\", other = 1 }\n  mock_outputs_allowed_terraform_commands = [\"plan\"]\n")
            .into_estate();
    let resolved = resolve_with(&estate, "dev/db", "plan", json!({}));
    assert_eq!(inputs(&resolved), "id = \"mock\"");
    assert_eq!(resolved.mocked.len(), 1);
    assert_eq!(resolved.mocked[0].values, json!({"id": "mock"}));
    assert_eq!(resolved.mocked[0].real, None);
    assert_eq!(refused(&estate, "apply", json!({})), Code::OUTPUTS_MISSING);
    let resolved = resolve_with(&estate, "dev/db", "plan", json!({"dev/vpc": {"id": "real"}}));
    assert_eq!(inputs(&resolved), "id = \"real\"");
    assert!(resolved.mocked.is_empty());
}

#[test]
fn mocks_fill_gaps_as_the_strategy_says() {
    let with = |strategy: &str| {
        db(&format!(
            "  mock_outputs = {{ id = \"mock\", m = {{ a = 1, b = 2 }} }}\n  mock_outputs_merge_strategy_with_state = \"{strategy}\"\n"
        ))
        .into_estate()
    };
    let state = json!({"dev/vpc": {"m": {"b": 3}}});
    let resolved = resolve_with(&with("shallow"), "dev/db", "plan", state.clone());
    assert_eq!(inputs(&resolved), "id = \"mock\"");
    assert_eq!(resolved.mocked[0].values, json!({"id": "mock"}));
    assert_eq!(resolved.mocked[0].real, Some(json!({"m": {"b": 3}})));
    assert!(matches!(refused(&with("no_merge"), "plan", state.clone()), Code::HCL_EVALUATION));
    assert_eq!(refused(&with("deep"), "plan", state), Code::HCL_TYPE);
}

#[test]
fn deep_mocks_fill_maps() {
    let folder = Folder::new(&VPC);
    folder.write("dev/db/main.tf", "");
    folder.write(
        "dev/db/terragrunt.hcl",
        r#"
dependency "vpc" {
  config_path                            = "../vpc"
  mock_outputs                           = { m = { a = 1, b = 2 }, l = [1] }
  mock_outputs_merge_strategy_with_state = "deep_map_only"
}
inputs = dependency.vpc.outputs
"#,
    );
    let resolved = resolve_with(&folder.load(), "dev/db", "plan", json!({"dev/vpc": {"m": {"b": 3}, "l": [2]}}));
    assert_eq!(inputs(&resolved), "l = [2]\nm = {\"a\": 1, \"b\": 3}");
    assert_eq!(resolved.mocked[0].values, json!({"m": {"a": 1, "b": 3}}));
}

#[test]
fn skipped_and_disabled_dependencies_need_no_outputs() {
    let estate = db("  skip_outputs = true\n  mock_outputs = { id = \"mock\" }\n").into_estate();
    assert_eq!(inputs(&resolve_with(&estate, "dev/db", "apply", json!({}))), "id = \"mock\"");
    assert!(!unit(&estate, "dev/db").dependencies[0].outputs);
    let estate = db("  enabled = false\n  mock_outputs = { id = \"mock\" }\n").into_estate();
    assert_eq!(inputs(&resolve_with(&estate, "dev/db", "apply", json!({}))), "id = \"mock\"");
    assert!(unit(&estate, "dev/db").dependencies.is_empty());
}

#[test]
fn a_dependency_of_an_include_is_relative_to_the_unit() {
    let folder = Folder::new(&VPC);
    folder.write("dev/db/main.tf", "");
    folder.write(
        "_env/db.hcl",
        "dependency \"vpc\" {\n  config_path = \"../vpc\"\n  mock_outputs = { id = \"m\" }\n}\ninputs = {\n  id = dependency.vpc.outputs.id\n}\n",
    );
    folder.write(
        "dev/db/terragrunt.hcl",
        "include \"env\" {\n  path = \"../../_env/db.hcl\"\n  expose = true\n}\ninputs = {\n  again = include.env.inputs.id\n}\n",
    );
    let estate = folder.load();
    assert_eq!(unit(&estate, "dev/db").dependencies[0].place.file, "_env/db.hcl");
    let resolved = resolve_with(&estate, "dev/db", "plan", json!({"dev/vpc": {"id": "v"}}));
    assert_eq!(inputs(&resolved), "again = \"v\"\nid = \"v\"");
}

#[test]
fn a_dependency_outside_the_account_is_foreign() {
    let folder = Folder::new(&[
        ("dev/app/main.tf", ""),
        ("dev/app/terragrunt.hcl", "dependency \"x\" {\n  config_path = \"../../shared/x\"\n}\n"),
        ("shared/x/main.tf", ""),
        ("shared/x/terragrunt.hcl", ""),
    ]);
    let estate = folder.load_with(&Settings { within: "dev".into(), ..Settings::default() });
    assert_eq!(estate.units().len(), 1);
    let dependency = &unit(&estate, "dev/app").dependencies[0];
    assert!(dependency.foreign);
    assert_eq!(dependency.target, path("shared/x"));

    // Its outputs are another runner's: only mocks can stand in for them.
    let needs =
        "dependency \"x\" {\n  config_path = \"../../shared/x\"\n}\ninputs = {\n  a = dependency.x.outputs.a\n}\n";
    folder.write("dev/app/terragrunt.hcl", needs);
    let estate = folder.load_with(&Settings { within: "dev".into(), ..Settings::default() });
    let fault = estate.resolve(&path("dev/app"), "plan", &outputs(json!({}))).unwrap_err();
    assert_eq!(fault.code(), Code::FOREIGN_DEPENDENCY, "{fault}");
}

#[test]
fn cycles_and_dependencies_on_nothing_are_named() {
    let folder = Folder::new(&[
        ("a/main.tf", ""),
        ("a/terragrunt.hcl", "dependency \"b\" {\n  config_path = \"../b\"\n}\n"),
        ("b/main.tf", ""),
        ("b/terragrunt.hcl", "\ndependencies {\n  paths = [\"../a\"]\n}\n"),
        ("c/main.tf", ""),
        ("c/terragrunt.hcl", "dependency \"m\" {\n  config_path = \"../modules\"\n}\n"),
        ("d/main.tf", ""),
        ("d/terragrunt.hcl", "dependency \"m\" {\n  config_path = \"../nowhere\"\n}\n"),
        ("e/main.tf", ""),
        ("e/terragrunt.hcl", "inputs = {\n  x = dependency.nope.outputs.y\n}\n"),
        ("f/main.tf", ""),
        ("f/terragrunt.hcl", "\ndependency \"p\" {\n  config_path = \"../parent\"\n}\n"),
        ("parent/terragrunt.hcl", ""),
        ("modules/main.tf", ""),
    ]);
    let estate = folder.load();
    let cycle = &faults(&estate, "a")[0];
    assert_eq!(cycle.code(), Code::DEPENDENCY_CYCLE);
    assert_eq!(cycle.notes(), ["a/terragrunt.hcl:1:1 depends on b", "b/terragrunt.hcl:3:12 depends on a"]);
    for (name, code) in [
        ("c", Code::DEPENDENCY_NOT_A_UNIT),
        ("d", Code::DEPENDENCY_NOT_A_UNIT),
        ("f", Code::DEPENDENCY_NOT_A_UNIT),
        ("e", Code::HCL_UNKNOWN_VARIABLE),
    ] {
        assert_eq!(faults(&estate, name)[0].code(), code, "{name}");
        assert_eq!(faults(&estate, name)[0].place().unwrap().line, 2, "{name}");
    }
}
