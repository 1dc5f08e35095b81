//! Include: several, labelled, exposed; merge strategies.

use crate::{Folder, faults, inputs, resolve};
use portcullis_model::Code;

const MODULE: (&str, &str) = ("dev/vpc/main.tf", "");

#[test]
fn shallow_merge_is_the_default_and_the_child_wins() {
    let folder = Folder::new(&[
        MODULE,
        ("root.hcl", "inputs = {\n  a = 1\n  m = { x = 1 }\n}\nprevent_destroy = true\n"),
        (
            "dev/vpc/terragrunt.hcl",
            "include \"root\" {\n  path = find_in_parent_folders(\"root.hcl\")\n}\ninputs = {\n  b = 2\n  m = { y = 2 }\n}\n",
        ),
    ]);
    let resolved = resolve(&folder.load(), "dev/vpc");
    assert_eq!(inputs(&resolved), "a = 1\nb = 2\nm = {\"y\": 2}");
    assert!(resolved.prevent_destroy);
}

#[test]
fn deep_merge_joins_maps_and_appends_lists() {
    let folder = Folder::new(&[
        MODULE,
        ("root.hcl", "inputs = {\n  l = [1]\n  m = { x = 1, z = 0 }\n}\n"),
        (
            "dev/vpc/terragrunt.hcl",
            "include \"root\" {\n  path = \"../../root.hcl\"\n  merge_strategy = \"deep\"\n}\ninputs = {\n  l = [2]\n  m = { y = 2, z = 1 }\n}\n",
        ),
    ]);
    let resolved = resolve(&folder.load(), "dev/vpc");
    assert_eq!(inputs(&resolved), "l = [1, 2]\nm = {\"x\": 1, \"y\": 2, \"z\": 1}");
}

#[test]
fn later_includes_win_over_earlier_ones_and_no_merge_only_exposes() {
    let folder = Folder::new(&[
        MODULE,
        ("a.hcl", "inputs = {\n  v = \"a\"\n  a = 1\n}\n"),
        ("b.hcl", "inputs = {\n  v = \"b\"\n}\n"),
        ("c.hcl", "locals {\n  x = \"from c\"\n}\ninputs = {\n  v = \"c\"\n}\n"),
        (
            "dev/vpc/terragrunt.hcl",
            r#"
include "a" { path = "../../a.hcl" }
include "b" { path = "../../b.hcl" }
include "c" {
  path           = "../../c.hcl"
  expose         = true
  merge_strategy = "no_merge"
}
inputs = {
  c = include.c.locals.x
  i = include.c.inputs.v
}
"#,
        ),
    ]);
    let resolved = resolve(&folder.load(), "dev/vpc");
    assert_eq!(inputs(&resolved), "a = 1\nc = \"from c\"\ni = \"c\"\nv = \"b\"");
}

#[test]
fn an_included_file_is_evaluated_in_the_place_of_the_child() {
    let folder = Folder::new(&[
        MODULE,
        ("dev/region.hcl", "locals {\n  region = \"us-east-1\"\n}\n"),
        ("conf/here.txt", "text"),
        (
            "conf/root.hcl",
            r#"
locals {
  region = read_terragrunt_config(find_in_parent_folders("region.hcl")).locals.region
}
inputs = {
  dir      = get_terragrunt_dir()
  parent   = get_parent_terragrunt_dir()
  to       = path_relative_to_include()
  from     = path_relative_from_include()
  region   = local.region
  text     = file("here.txt")
  original = get_original_terragrunt_dir()
}
"#,
        ),
        ("dev/vpc/terragrunt.hcl", "include {\n  path = \"../../conf/root.hcl\"\n}\n"),
    ]);
    let resolved = resolve(&folder.load(), "dev/vpc");
    assert_eq!(
        inputs(&resolved),
        [
            "dir = \"/repo/dev/vpc\"",
            "from = \"../../conf\"",
            "original = \"/repo/dev/vpc\"",
            "parent = \"/repo/conf\"",
            "region = \"us-east-1\"",
            "text = \"text\"",
            "to = \"../dev/vpc\"",
        ]
        .join("\n")
    );
}

#[test]
fn a_bare_include_is_exposed_as_include_itself() {
    let folder = Folder::new(&[
        MODULE,
        ("root.hcl", "locals {\n  x = 1\n}\n"),
        (
            "dev/vpc/terragrunt.hcl",
            "include {\n  path = find_in_parent_folders(\"root.hcl\")\n  expose = true\n}\ninputs = {\n  x = include.locals.x\n}\n",
        ),
    ]);
    assert_eq!(inputs(&resolve(&folder.load(), "dev/vpc")), "x = 1");
}

#[test]
fn hooks_and_arguments_merge_by_name() {
    let folder = Folder::new(&[
        MODULE,
        (
            "root.hcl",
            r#"
terraform {
  extra_arguments "lock" {
    commands  = get_terraform_commands_that_need_locking()
    arguments = ["-lock-timeout=20m"]
  }
  extra_arguments "x" {
    commands = ["plan"]
  }
  before_hook "a" {
    commands = ["plan"]
    execute  = ["echo", "parent"]
  }
}
"#,
        ),
        (
            "dev/vpc/terragrunt.hcl",
            r#"
include "root" { path = find_in_parent_folders("root.hcl") }
terraform {
  extra_arguments "y" {
    commands = ["apply"]
    env_vars = { N = 1 }
  }
  extra_arguments "lock" {
    commands  = ["plan"]
    arguments = ["-lock=false"]
  }
  before_hook "a" {
    commands = ["apply"]
    execute  = ["echo", "child"]
  }
}
"#,
        ),
    ]);
    let resolved = resolve(&folder.load(), "dev/vpc");
    let names: Vec<&str> = resolved.extra_arguments.iter().map(|args| args.name.as_str()).collect();
    assert_eq!(names, ["lock", "x", "y"]);
    assert_eq!(resolved.extra_arguments[0].arguments, ["-lock=false"]);
    assert_eq!(resolved.extra_arguments[2].env_vars["N"], "1");
    assert_eq!(resolved.before_hooks.len(), 1);
    assert_eq!(resolved.before_hooks[0].execute, ["echo", "child"]);
    assert_eq!(resolved.before_hooks[0].place.line, 12);
}

#[test]
fn a_generate_block_in_both_is_refused_unless_merged_deeply() {
    let generate = "generate \"p\" {\n  path = \"p.tf\"\n  if_exists = \"overwrite\"\n  contents = \"WHO\"\n}\n";
    let unit = |strategy: &str| {
        format!(
            "include \"root\" {{\n  path = find_in_parent_folders(\"root.hcl\")\n  merge_strategy = \"{strategy}\"\n}}\n{}",
            generate.replace("WHO", "child")
        )
    };
    let folder = Folder::new(&[MODULE, ("root.hcl", generate), ("dev/vpc/terragrunt.hcl", &unit("shallow"))]);
    assert_eq!(faults(&folder.load(), "dev/vpc")[0].code(), Code::UNKNOWN_BLOCK);
    folder.write("dev/vpc/terragrunt.hcl", &unit("deep"));
    assert_eq!(resolve(&folder.load(), "dev/vpc").generate[0].contents, "child");
}

#[test]
fn what_an_include_may_not_do_is_named() {
    let folder = Folder::new(&[
        ("a/main.tf", ""),
        ("a/terragrunt.hcl", "include \"r\" {\n  path = \"../missing.hcl\"\n}\n"),
        ("b/main.tf", ""),
        ("b/terragrunt.hcl", "include \"r\" {\n  path = \"../nested.hcl\"\n}\n"),
        ("nested.hcl", "include \"more\" {\n  path = \"common.hcl\"\n}\n"),
        ("c/main.tf", ""),
        ("c/terragrunt.hcl", "include \"r\" {\n  path = \"../back.hcl\"\n}\n"),
        ("back.hcl", "include \"c\" {\n  path = \"c/terragrunt.hcl\"\n}\n"),
        ("d/main.tf", ""),
        ("d/terragrunt.hcl", "include \"r\" {\n  path = \"terragrunt.hcl\"\n}\n"),
        ("e/main.tf", ""),
        ("e/terragrunt.hcl", "include \"r\" {\n  path = \"../ok.hcl\"\n}\ninputs = {\n  x = include.r.locals.x\n}\n"),
        ("ok.hcl", "locals {\n  x = 1\n}\n"),
        ("f/main.tf", ""),
        ("f/terragrunt.hcl", "include \"r\" {\n  path = \"../../outside.hcl\"\n}\n"),
    ]);
    let estate = folder.load();
    let code = |unit: &str| {
        let fault = &faults(&estate, unit)[0];
        (fault.code(), fault.place().map(|place| (place.file.clone(), place.line)))
    };
    let at = |file: &str, line: u32| Some((file.to_owned(), line));
    assert_eq!(code("a"), (Code::INCLUDE_MISSING, at("a/terragrunt.hcl", 2)));
    assert_eq!(code("b"), (Code::HCL_UNSUPPORTED, at("nested.hcl", 1)));
    assert_eq!(code("c"), (Code::INCLUDE_CYCLE, at("back.hcl", 1)));
    assert_eq!(code("d"), (Code::INCLUDE_CYCLE, at("d/terragrunt.hcl", 2)));
    assert_eq!(code("e"), (Code::HCL_UNKNOWN_VARIABLE, at("e/terragrunt.hcl", 5)));
    assert_eq!(code("f"), (Code::OUTSIDE_REPOSITORY, at("f/terragrunt.hcl", 2)));
}
