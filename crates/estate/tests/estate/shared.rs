//! What units have in common is evaluated once; each unit is as it would be alone, also after something changed.

use std::sync::Arc;

use portcullis_estate::{Cache, DirSource, Estate, Settings};
use portcullis_model::Code;

use crate::{Folder, faults, path, unit};

/// Shared configuration that depends on the unit in every way that there is, next to what does not.
const ROOT: &str = r##"
locals {
  constant = "same"
  nested   = "${local.constant}-${local.account.locals.name}"
  account  = read_terragrunt_config(find_in_parent_folders("account.hcl"))
  near     = find_in_parent_folders("near.hcl", "nowhere")
  here     = path_relative_to_include()
  via      = "via ${local.here}"
  folder   = get_terragrunt_dir()
  repo     = get_path_from_repo_root()
  up       = get_path_to_repo_root()
  parent   = get_parent_terragrunt_dir()
  original = get_original_terragrunt_dir()
  told     = read_terragrunt_config("${get_repo_root()}/told.hcl").locals
  tried    = try(read_terragrunt_config(find_in_parent_folders("region.hcl")).locals.name, "none")
  inner    = try(file("${get_terragrunt_dir()}/own.txt"), "none")
  exists   = fileexists("${get_terragrunt_dir()}/own.txt")
  text     = templatefile("${get_parent_terragrunt_dir()}/text.tftpl", { name = local.constant })
  tfvars   = try(jsondecode(read_tfvars_file("own.tfvars")), {})
  marked   = mark_as_read("${get_repo_root()}/marked.txt")
  secret   = run_cmd("secret")
  absolute = abspath("x")
  all      = [for name, value in { a = local.here, b = local.constant } : value]
}
terraform {
  source = "${get_repo_root()}/modules//app"
  extra_arguments "work" {
    commands  = ["plan"]
    arguments = ["-var=dir=${get_working_dir()}"]
  }
}
dependency "base" {
  config_path  = "${get_repo_root()}/dev/base"
  mock_outputs = { id = "mock" }
  enabled      = local.here != "dev/base"
}
remote_state {
  backend = "local"
  config  = { path = "/state/${local.via}" }
}
generate "told" {
  path      = "told.tf"
  if_exists = "overwrite"
  contents  = "# ${local.constant} ${local.nested} ${local.told.name}"
}
feature "flag" {
  default = local.account.locals.name
}
inputs = merge(local, { account = null, told = local.told.name, flag = feature.flag.value })
"##;

fn files() -> Folder {
    let unit = |extra: &str| {
        format!("include \"root\" {{\n  path   = find_in_parent_folders(\"root.hcl\")\n  expose = true\n}}\n{extra}")
    };
    let uses = unit("inputs = {\n  id = dependency.base.outputs.id\n  seen = include.root.locals.via\n}\n");
    Folder::new(&[
        ("root.hcl", ROOT),
        ("text.tftpl", "${name} ${upper(name)}"),
        ("told.hcl", "locals {\n  name = \"told\"\n  who = get_original_terragrunt_dir()\n}\n"),
        ("marked.txt", "1"),
        ("modules/app/main.tf", ""),
        ("dev/account.hcl", "locals {\n  name = \"dev\"\n}\n"),
        ("prod/account.hcl", "locals {\n  name = \"prod\"\n}\n"),
        ("prod/eu/region.hcl", "include \"more\" {\n  path = \"more.hcl\"\n}\nlocals {\n  name = \"eu\"\n}\n"),
        ("prod/eu/more.hcl", "inputs = {\n  up = path_relative_to_include()\n}\n"),
        ("dev/base/terragrunt.hcl", &unit("")),
        ("dev/web/terragrunt.hcl", &uses),
        ("dev/web/own.txt", "web"),
        ("dev/api/terragrunt.hcl", &uses),
        ("dev/api/own.tfvars", "a = 1\n"),
        ("prod/web/terragrunt.hcl", &uses),
        ("prod/eu/web/terragrunt.hcl", &uses),
        ("prod/eu/api/terragrunt.hcl", &uses),
    ])
}

fn load(folder: &Folder, within: &str, cache: &Arc<Cache>) -> Estate {
    let settings = Settings { within: within.to_owned(), ..Settings::default() };
    Estate::load_with(Arc::new(DirSource::open(folder.path()).unwrap()), &settings, cache).unwrap()
}

/// Each unit as it is, but for what depends on the account's folder.
fn shown(estate: &Estate, path: &str) -> String {
    let unit = unit(estate, path);
    let targets: Vec<&str> = unit.dependencies.iter().map(|found| found.target.as_str()).collect();
    format!("{:?}\n{:?}\n{:?}\n{targets:?}\n{:?}", unit.parts, unit.reads, unit.inexact, unit.problems)
}

#[test]
fn each_unit_is_as_it_would_be_alone() {
    let folder = files();
    let all = load(&folder, ".", &Arc::default());
    assert_eq!(all.units().len(), 6);
    for path in all.units().keys() {
        let alone = load(&folder, path.as_str(), &Arc::default());
        assert_eq!(shown(&all, path.as_str()), shown(&alone, path.as_str()), "{path}");
        let values = |estate: &Estate| estate.effective(path).unwrap().to_json();
        assert_eq!(values(&all), values(&alone), "{path}");
    }
    assert!(all.units().values().flatten().all(|unit| !unit.is_exact()), "each says that `run_cmd` is not run");
}

#[test]
fn after_a_change_each_unit_is_as_if_nothing_had_been_known() {
    let folder = files();
    let cache = Arc::default();
    load(&folder, ".", &cache);
    for (path, text) in [
        ("prod/eu/account.hcl", "locals {\n  name = \"eu\"\n}\n"),
        ("dev/near.hcl", ""),
        ("near.hcl", ""),
        ("told.hcl", "locals {\n  name = \"other\"\n  who = get_original_terragrunt_dir()\n}\n"),
        ("text.tftpl", "${lower(name)}"),
        ("dev/api/own.txt", "api"),
        ("prod/eu/region.hcl", "locals {\n  name = \"west\"\n}\n"),
        ("prod/web/own.tfvars", "b = 2\n"),
        ("marked.txt", "2"),
        ("prod/account.hcl", "# a comment\nlocals {\n  name = \"prod\"\n}\n"),
        ("dev/account.hcl", "locals {\n  name = \"dev2\"\n}\n"),
        ("root.hcl", &ROOT.replace("\"same\"", "\"other\"")),
    ] {
        folder.write(path, text);
        let (known, fresh) = (load(&folder, ".", &cache), load(&folder, ".", &Arc::default()));
        for unit in fresh.units().keys() {
            assert_eq!(shown(&known, unit.as_str()), shown(&fresh, unit.as_str()), "{unit} after {path}");
        }
    }
}

/// A value that was found out for one unit is used by a second one inside of another value, which is new: what a third one
/// takes over of that has to depend on both.
#[test]
fn what_is_made_of_something_shared_is_shared_by_those_alone_who_share_that() {
    let folder = Folder::new(&[
        (
            "root.hcl",
            "locals {\n  account = read_terragrunt_config(find_in_parent_folders(\"account.hcl\")).locals\n}\n\
             inputs = {\n  name = local.account.name\n  near = find_in_parent_folders(\"near.hcl\")\n}\n",
        ),
        ("near.hcl", ""),
        ("a/account.hcl", "locals {\n  name = \"a\"\n}\n"),
        ("a/first/near.hcl", ""),
        ("b/account.hcl", "locals {\n  name = \"b\"\n}\n"),
    ]);
    let units = ["a/first/unit", "a/second", "b/third"];
    for unit in units {
        folder
            .write(&format!("{unit}/terragrunt.hcl"), "include {\n  path = find_in_parent_folders(\"root.hcl\")\n}\n");
        folder.write(&format!("{unit}/main.tf"), "");
    }
    let all = load(&folder, ".", &Arc::default());
    for unit in units {
        let alone = load(&folder, unit, &Arc::default());
        assert_eq!(shown(&all, unit), shown(&alone, unit), "{unit}");
    }
}

#[test]
fn who_is_read_by_what_all_share_goes_in_a_circle_and_the_others_do_not() {
    let folder = Folder::new(&[
        ("root.hcl", "locals {\n  web = read_terragrunt_config(\"${get_repo_root()}/b/terragrunt.hcl\").inputs\n}\n"),
        ("a/terragrunt.hcl", "include {\n  path = \"../root.hcl\"\n}\n"),
        ("a/main.tf", ""),
        ("b/terragrunt.hcl", "inputs = { a = 1 }\n"),
        ("b/main.tf", ""),
        ("c/terragrunt.hcl", "include {\n  path = \"../root.hcl\"\n}\n"),
        ("c/main.tf", ""),
    ]);
    let estate = folder.load();
    unit(&estate, "a");
    unit(&estate, "c");
    folder.write("b/terragrunt.hcl", "include {\n  path = \"../root.hcl\"\n}\ninputs = { a = 1 }\n");
    let estate = folder.load();
    // Which inputs it has does not ask for the local, so only whoever evaluates all locals of it finds the circle.
    unit(&estate, "a");
    unit(&estate, "c");
    assert_eq!(faults(&estate, "b")[0].code(), Code::INCLUDE_CYCLE);
}

/// What was spent for one unit is spent for each that uses it, so that a limit does not depend on the neighbours.
#[test]
fn what_is_shared_costs_each_unit_as_much() {
    let folder = Folder::new(&[
        ("root.hcl", "locals {\n  many = [for i in range(500) : i]\n}\n"),
        ("a/terragrunt.hcl", "include {\n  path = \"../root.hcl\"\n}\n"),
        ("a/main.tf", ""),
        (
            "b/terragrunt.hcl",
            "include {\n  path = \"../root.hcl\"\n}\nlocals {\n  more = [for i in range(500) : i]\n}\n",
        ),
        ("b/main.tf", ""),
    ]);
    let mut one_only = 0;
    for steps in (500..4_000).step_by(100) {
        let mut settings = Settings::default();
        settings.limits.hcl.steps = steps;
        let all = folder.load_with(&settings);
        let fine = |estate: &Estate, name: &str| estate.units()[&path(name)].is_ok();
        for name in ["a", "b"] {
            settings.within = name.to_owned();
            assert_eq!(fine(&all, name), fine(&folder.load_with(&settings), name), "{name} with {steps} steps");
        }
        one_only += usize::from(fine(&all, "a") && !fine(&all, "b"));
    }
    assert!(one_only > 3, "between one list and two there are limits");
}
