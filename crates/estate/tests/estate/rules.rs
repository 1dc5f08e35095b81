//! Rules of Terragrunt's configuration, one small example each.

use portcullis_estate::Estate;
use portcullis_model::Code;
use serde_json::{Value as Json, json};

use crate::{Folder, faults, inputs, path, resolve, unit};

fn rendered(estate: &Estate, name: &str) -> Json {
    match estate.effective(&path(name)) {
        Ok(effective) => effective.to_json(),
        Err(faults) => panic!("{name}: {faults:#?}"),
    }
}

/// A unit that includes `root.hcl` by a strategy.
fn child(strategy: &str, rest: &str) -> String {
    format!(
        "include \"root\" {{\n  path = find_in_parent_folders(\"root.hcl\")\n  merge_strategy = \"{strategy}\"\n}}\n{rest}"
    )
}

fn pair(root: &str, strategy: &str, unit: &str) -> Folder {
    Folder::new(&[("root.hcl", root), ("u/main.tf", ""), ("u/terragrunt.hcl", &child(strategy, unit))])
}

#[test]
fn a_rendered_configuration_has_every_part_in_terragrunts_shape() {
    let folder = Folder::new(&[
        ("vpc/main.tf", ""),
        ("vpc/terragrunt.hcl", ""),
        ("u/main.tf", ""),
        (
            "u/terragrunt.hcl",
            "dependency \"vpc\" {\n  config_path = \"../vpc\"\n  skip_outputs = false\n}\nterraform {\n  before_hook \"b\" {\n    commands = [\"plan\"]\n    execute = [\"true\"]\n  }\n}\ninputs = {\n  id = dependency.vpc.outputs.id\n}\n",
        ),
    ]);
    let json = rendered(&folder.load(), "u");
    assert_eq!(json["inputs"], json!({ "id": { "$unknown": "dependency.vpc.outputs.id" } }));
    assert_eq!(json["terraform"]["before_hook"]["b"]["run_on_error"], Json::Null);
    assert_eq!(json["terraform"]["after_hook"], json!({}));
    assert_eq!(json["terraform"]["source"], Json::Null);
    assert_eq!(json["dependency"]["vpc"]["skip"], json!(false));
    assert_eq!(json["dependency"]["vpc"]["name"], json!("vpc"));
    assert_eq!((&json["locals"], &json["dependencies"], &json["generate"]), (&Json::Null, &Json::Null, &json!({})));
    assert_eq!((&json["iam_role"], &json["iam_assume_role_duration"]), (&json!(""), &Json::Null));
    assert!(json.get("remote_state").is_none() && json.get("prevent_destroy").is_none());
}

#[test]
fn errors_of_one_label_are_merged_deeply_and_replaced_shallowly() {
    let block = |patterns: &str, rest: &str| {
        format!("errors {{\n  retry \"net\" {{\n    retryable_errors = {patterns}\n{rest}  }}\n}}\n")
    };
    let root = block("[\"b\", \"c\"]", "    max_attempts = 3\n    sleep_interval_sec = 5\n");
    let own = block("[\"a\", \"b\"]", "    max_attempts = 7\n    sleep_interval_sec = 1\n");
    let deep = resolve(&pair(&root, "deep", &own).load(), "u").errors;
    assert_eq!(deep.retries[0].errors, ["a", "b", "c"]);
    assert_eq!(deep.retries[0].max_attempts, 7);
    let shallow = resolve(&pair(&root, "shallow", &own).load(), "u").errors;
    assert_eq!(shallow.retries[0].errors, ["a", "b"]);
}

#[test]
fn an_exclude_block_of_the_unit_counts_whatever_the_strategy() {
    let root = "exclude {\n  if = true\n  actions = [\"plan\"]\n}\n";
    for strategy in ["shallow", "deep"] {
        let own = "exclude {\n  if = true\n  actions = [\"apply\"]\n}\n";
        let estate = pair(root, strategy, own).load();
        assert_eq!(unit(&estate, "u").exclude.as_ref().unwrap().actions, ["apply"]);
        let inherited = pair(root, strategy, "").load();
        assert_eq!(unit(&inherited, "u").exclude.as_ref().unwrap().actions, ["plan"]);
    }
    assert!(unit(&pair(root, "no_merge", "").load(), "u").exclude.is_none());
}

#[test]
fn features_of_includes_are_visible_unless_not_merged() {
    let root = "feature \"x\" {\n  default = 1\n}\nfeature \"m\" {\n  default = { a = 1 }\n}\n";
    let own = "feature \"m\" {\n  default = { b = 2 }\n}\ninputs = {\n  x = feature.x.value\n  m = feature.m.value\n  n = feature.m.name\n}\n";
    let merged = |strategy: &str| inputs(&resolve(&pair(root, strategy, own).load(), "u"));
    assert_eq!(merged("shallow"), "m = {\"b\": 2}\nn = \"m\"\nx = 1");
    assert_eq!(merged("deep"), "m = {\"a\": 1, \"b\": 2}\nn = \"m\"\nx = 1");
    assert_eq!(faults(&pair(root, "no_merge", own).load(), "u")[0].code(), Code::HCL_UNKNOWN_VARIABLE);
}

#[test]
fn engines_are_merged_attribute_by_attribute_when_deep() {
    let root = "engine {\n  source = \"a\"\n  version = \"v1\"\n}\n";
    let own = "engine {\n  source = \"b\"\n}\n";
    let engine = |strategy: &str| rendered(&pair(root, strategy, own).load(), "u")["engine"].clone();
    assert_eq!(engine("deep"), json!({"source": "b", "version": "v1", "type": "", "meta": null}));
    assert_eq!(engine("shallow"), json!({"source": "b", "version": "", "type": "", "meta": null}));
}

#[test]
fn hooks_of_one_name_may_stand_side_by_side() {
    let hook =
        |text: &str| format!("  before_hook \"h\" {{\n    commands = [\"plan\"]\n    execute = [\"{text}\"]\n  }}\n");
    let text = format!("terraform {{\n{}{}}}\n", hook("one"), hook("two"));
    let folder = Folder::new(&[("u/main.tf", ""), ("u/terragrunt.hcl", &text)]);
    assert_eq!(resolve(&folder.load(), "u").before_hooks.len(), 2);
}

#[test]
fn older_spellings_stand_for_the_blocks_of_today() {
    let folder = Folder::new(&[
        ("u/main.tf", ""),
        ("u/terragrunt.hcl", "skip = true\nretryable_errors = [\"x\"]\nretry_max_attempts = 2\n"),
    ]);
    let estate = folder.load();
    let exclude = unit(&estate, "u").exclude.clone().unwrap();
    assert_eq!((exclude.actions, exclude.no_run), (vec!["all".to_owned()], Some(true)));
    let retry = &resolve(&estate, "u").errors.retries[0];
    assert_eq!((retry.errors.as_slice(), retry.max_attempts, retry.sleep_s), (&["x".to_owned()][..], 2, 5));
}

#[test]
fn values_are_those_next_to_the_file_that_asks() {
    let folder = Folder::new(&[
        ("u/main.tf", ""),
        ("u/terragrunt.values.hcl", "cidr = \"10.0.0.0/16\"\nnames = [\"a\"]\nupper = upper(\"x\")\n"),
        ("u/terragrunt.hcl", "inputs = {\n  all = values\n  c = values.cidr\n  n = values.names[0]\n}\n"),
        ("v/main.tf", ""),
        ("v/terragrunt.hcl", "inputs = {\n  x = values.nope\n}\n"),
        ("w/main.tf", ""),
        ("w/terragrunt.values.hcl", "a = 1\nb \"x\" {}\n"),
        ("w/terragrunt.hcl", "inputs = {\n  x = values.a\n}\n"),
        ("x/main.tf", ""),
        ("x/terragrunt.hcl", "inputs = {\n  r = read_terragrunt_config(\"../u/terragrunt.values.hcl\").cidr\n}\n"),
    ]);
    let estate = folder.load();
    assert_eq!(
        inputs(&resolve(&estate, "u")),
        "all = {\"cidr\": \"10.0.0.0/16\", \"names\": [\"a\"], \"upper\": \"X\"}\nc = \"10.0.0.0/16\"\nn = \"a\""
    );
    assert_eq!(faults(&estate, "v")[0].code(), Code::HCL_UNKNOWN_VARIABLE);
    let fault = &faults(&estate, "w")[0];
    assert_eq!((fault.code(), fault.place().unwrap().line), (Code::UNKNOWN_BLOCK, 2));
    assert_eq!(inputs(&resolve(&estate, "x")), "r = \"10.0.0.0/16\"");
}

#[test]
fn functions_of_today_answer() {
    let folder = Folder::new(&[
        ("d/a.yaml", ""),
        ("d/b/c.yaml", ""),
        ("d/b/c.json", ""),
        ("m/app/main.tf", ""),
        (
            "u/terragrunt.hcl",
            r#"
terraform {
  source = "../m//app"
}
inputs = {
  args  = get_terraform_cli_args()
  dir   = get_working_dir()
  fits  = constraint_check("1.11.4", "~> 1.11.0")
  globs = mark_glob_as_read("../d/**.yaml")
  out   = length(get_default_retryable_errors()) > 3
  root  = find_in_parent_folders("/m/app/main.tf")
  wide  = mark_glob_as_read("--terragrunt-boundary=/repo", "/repo/d/*.yaml")
}
"#,
        ),
    ]);
    let estate = folder.load();
    assert_eq!(
        inputs(&resolve(&estate, "u")),
        [
            "args = [\"plan\"]",
            "dir = \"/work/module/app\"",
            "fits = true",
            "globs = [\"/repo/d/a.yaml\", \"/repo/d/b/c.yaml\"]",
            "out = true",
            "root = \"/repo/m/app/main.tf\"",
            "wide = [\"/repo/d/a.yaml\"]",
        ]
        .join("\n")
    );
    assert!(unit(&estate, "u").reads.contains(&"d/b/c.yaml".to_owned()));
}

#[test]
fn attributes_become_what_their_type_says() {
    let folder = Folder::new(&[
        ("d/main.tf", ""),
        ("d/terragrunt.hcl", ""),
        ("u/main.tf", ""),
        (
            "u/terragrunt.hcl",
            r#"
dependency "d" {
  config_path                   = "../d"
  skip_outputs                  = "true"
  mock_outputs_merge_with_state = "0"
}
terraform {
  extra_arguments "x" {
    commands  = ["plan"]
    arguments = [1, true]
    env_vars  = { N = 1, B = false }
  }
}
errors {
  ignore "i" {
    ignorable_errors = ["x"]
    signals          = { a = false, b = "c" }
  }
}
iam_assume_role_duration = "900"
"#,
        ),
    ]);
    let estate = folder.load();
    let json = rendered(&estate, "u");
    assert_eq!(json["dependency"]["d"]["skip"], json!(true));
    assert_eq!(json["dependency"]["d"]["mock_outputs_merge_with_state"], json!(false));
    let extra = &json["terraform"]["extra_arguments"]["x"];
    assert_eq!((&extra["arguments"], &extra["env_vars"]), (&json!(["1", "true"]), &json!({"N": "1", "B": "false"})));
    assert_eq!(json["errors"]["ignore"][0]["signals"], json!({"a": "false", "b": "c"}));
    assert_eq!(json["iam_assume_role_duration"], json!(900));
    assert!(!unit(&estate, "u").dependencies[0].outputs);
}

#[test]
fn generated_code_makes_a_unit_and_a_parent_is_none() {
    let generate = "generate \"main\" {\n  path = \"main.tf\"\n  if_exists = \"overwrite\"\n  contents = \"\"\n}\n";
    let folder = Folder::new(&[
        ("only/terragrunt.hcl", generate),
        ("text/terragrunt.hcl", &generate.replace("main.tf", "notes.txt")),
        ("live/terragrunt.hcl", generate),
        ("live/app/main.tf", ""),
        ("live/app/terragrunt.hcl", "include {\n  path = find_in_parent_folders()\n}\n"),
    ]);
    let estate = folder.load();
    assert_eq!(estate.units().keys().map(|path| path.as_str()).collect::<Vec<_>>(), ["live/app", "only"]);
    assert_eq!(estate.parents().keys().map(|path| path.as_str()).collect::<Vec<_>>(), ["live", "text"]);
    assert_eq!(rendered(&estate, "text")["generate"]["main"]["path"], json!("notes.txt"));
}

#[test]
fn what_is_missing_stops_a_run_and_hides_nothing() {
    let folder = Folder::new(&[
        ("db/main.tf", ""),
        ("db/terragrunt.hcl", ""),
        ("empty/terragrunt.hcl", ""),
        (
            "u/terragrunt.hcl",
            r#"
terraform {
  source = "../no/module"
}
dependency "gone" {
  config_path = "../gone"
}
dependency "empty" {
  config_path = "../empty"
}
dependencies {
  paths = ["../db"]
}
inputs = {
  x = 1
}
"#,
        ),
    ]);
    let estate = folder.load();
    let known = unit(&estate, "u");
    let targets: Vec<&str> = known.dependencies.iter().map(|found| found.target.as_str()).collect();
    assert_eq!(targets, ["db", "empty", "gone"]);
    let lines: Vec<_> = known.problems.iter().map(|fault| (fault.code(), fault.place().unwrap().line)).collect();
    assert_eq!(lines, [(Code::FILE_MISSING, 3), (Code::DEPENDENCY_NOT_A_UNIT, 6), (Code::DEPENDENCY_NOT_A_UNIT, 8)]);
    assert_eq!(rendered(&estate, "u")["inputs"], json!({"x": 1}));
    assert_eq!(estate.resolve(&path("u"), "plan", &|_| None).unwrap_err().code(), Code::FILE_MISSING);
}
