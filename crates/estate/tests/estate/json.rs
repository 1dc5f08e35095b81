//! Configuration in HCL's JSON syntax.

use super::{Folder, path, unit};

const ROOT: &str = r#"{
  "locals": {"region": "eu-west-1"},
  "remote_state": {"backend": "s3", "config": {"bucket": "b", "key": "${path_relative_to_include()}/tf"}},
  "generate": {"provider": {"path": "provider.tf", "if_exists": "overwrite", "contents": "// ${local.region}\n"}}
}"#;
const APP: &str = r#"{
  "//": "as HCL, but JSON",
  "include": {"root": {"path": "${find_in_parent_folders(\"root.hcl.json\")}", "expose": true}},
  "dependency": {"vpc": {"config_path": "../vpc", "mock_outputs": {"id": "m"}}},
  "locals": {"names": ["a", "b"]},
  "inputs": {
    "name": "app \"one\" ${include.root.locals.region}",
    "count": "${length(local.names)}",
    "upper": "${[for name in local.names : upper(name)]}",
    "id": "${dependency.vpc.outputs.id}"
  }
}"#;
const ROOT_HCL: &str = r#"
locals {
  region = "eu-west-1"
}
remote_state {
  backend = "s3"
  config = {
    bucket = "b"
    key    = "${path_relative_to_include()}/tf"
  }
}
generate "provider" {
  path      = "provider.tf"
  if_exists = "overwrite"
  contents  = "// ${local.region}\n"
}
"#;
const APP_HCL: &str = r#"
include "root" {
  path   = find_in_parent_folders("root.hcl.json")
  expose = true
}
dependency "vpc" {
  config_path  = "../vpc"
  mock_outputs = { id = "m" }
}
locals {
  names = ["a", "b"]
}
inputs = {
  name  = "app \"one\" ${include.root.locals.region}"
  count = length(local.names)
  upper = [for name in local.names : upper(name)]
  id    = dependency.vpc.outputs.id
}
"#;

#[test]
fn json_means_what_the_same_hcl_means() {
    let json = Folder::new(&[
        ("root.hcl.json", ROOT),
        ("dev/vpc/terragrunt.hcl.json", "{}"),
        ("dev/vpc/main.tf", ""),
        ("dev/app/terragrunt.hcl.json", APP),
        ("dev/app/main.tf", ""),
    ])
    .into_estate();
    let app = unit(&json, "dev/app");
    assert!(app.is_exact(), "{:?}", app.inexact);
    assert_eq!(app.dependencies[0].target.as_str(), "dev/vpc");
    assert_eq!(app.dependencies[0].place.to_string(), "dev/app/terragrunt.hcl.json:4:18");
    assert_eq!(app.reads, ["dev/app/terragrunt.hcl.json", "root.hcl.json"]);
    let hcl = Folder::new(&[
        ("root.hcl", ROOT_HCL),
        ("dev/vpc/terragrunt.hcl", ""),
        ("dev/vpc/main.tf", ""),
        ("dev/app/terragrunt.hcl", &APP_HCL.replace("root.hcl.json", "root.hcl")),
        ("dev/app/main.tf", ""),
    ])
    .into_estate();
    let same = unit(&hcl, "dev/app");
    assert_eq!(app.parts.differences(&same.parts), []);
    assert_eq!(app.input_digest, same.input_digest);
    let shown = json.effective(&path("dev/app")).unwrap().to_json();
    assert_eq!(shown["inputs"]["name"], "app \"one\" eu-west-1");
    assert_eq!(shown["inputs"]["upper"], serde_json::json!(["A", "B"]));
    assert_eq!(shown, hcl.effective(&path("dev/app")).unwrap().to_json());
}

#[test]
fn a_fault_in_json_has_its_line() {
    let folder = Folder::new(&[
        ("u/terragrunt.hcl.json", "{\n  \"inputs\": {\n    \"a\": \"x ${local.nope}\"\n  }\n}\n"),
        ("u/main.tf", ""),
        ("v/terragrunt.hcl.json", "{\n  \"nope\": 1\n}\n"),
        ("v/main.tf", ""),
    ]);
    let estate = folder.load();
    let first = |unit: &str| estate.units()[&path(unit)].as_ref().unwrap_err()[0].to_string();
    assert_eq!(first("u"), "u/terragrunt.hcl.json:3:15: there is no local `nope` in this file [PC-0404]");
    assert_eq!(first("v"), "v/terragrunt.hcl.json:2:3: attribute `nope` is not known in the configuration [PC-0415]");
}
