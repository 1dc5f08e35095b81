//! What a driver gets: sources, generated files, remote state, hooks.

use portcullis_estate::{Estate, IfExists, ModuleSource};
use portcullis_model::Code;

use crate::{Folder, Loaded, faults, path, resolve, unit};

fn with_source(source: &str) -> Loaded {
    let folder = Folder::new(&[("modules/net/vpc/main.tf", "")]);
    folder.write("dev/vpc/terragrunt.hcl", &format!("terraform {{\n  source = \"{source}\"\n}}\n"));
    folder.into_estate()
}

#[test]
fn a_local_source_is_split_at_the_double_slash() {
    for (source, root, sub) in [
        ("../../modules//net/vpc", "modules", "net/vpc"),
        ("${get_repo_root()}//modules/net/vpc", ".", "modules/net/vpc"),
        ("${get_repo_root()}/modules/net//vpc/", "modules/net", "vpc"),
        ("../../modules/net/vpc", "modules/net/vpc", ""),
    ] {
        let Some(ModuleSource::Folder(found)) = resolve(&with_source(source), "dev/vpc").source else {
            panic!("{source} is no folder")
        };
        assert_eq!((found.root.as_str(), found.sub.as_str()), (root, sub), "{source}");
        assert_eq!(found.folder(), "modules/net/vpc");
    }
}

#[test]
fn a_source_outside_of_the_repository_is_named_with_its_place() {
    for (source, address) in [
        ("git::https://example.com/x.git//vpc?ref=v1", "example.com/x"),
        ("tfr:///a/b/c?version=1", "registry.terraform.io/a/b/c"),
        ("github.com/a/b", "github.com/a/b"),
        ("git@x:a/b", "x/a/b"),
    ] {
        let estate = with_source(source);
        assert_eq!(unit(&estate, "dev/vpc").dependencies, []);
        let Some(ModuleSource::Remote { source, place }) = resolve(&estate, "dev/vpc").source else {
            panic!("{source} is a folder")
        };
        assert_eq!((source.address("registry.terraform.io").as_str(), place.line), (address, 2));
    }
}

#[test]
fn a_source_that_may_be_something_else_in_each_run_is_noted() {
    for (source, noted) in [
        ("github.com/a/b", true),
        ("tfr:///a/b/c", true),
        ("github.com/a/b?ref=v1", false),
        ("tfr:///a/b/c?version=1.0.0", false),
        ("https://example.com/a.zip", false),
        ("../../modules//net/vpc", false),
    ] {
        let estate = with_source(source);
        let notes: Vec<Code> = unit(&estate, "dev/vpc").notes.iter().map(|note| note.code()).collect();
        assert_eq!(notes, if noted { vec![Code::SOURCE_UNPINNED] } else { vec![] }, "{source}");
        assert_eq!(unit(&estate, "dev/vpc").problems, []);
    }
}

#[test]
fn a_source_that_cannot_be_had_is_refused_with_its_place() {
    for source in ["git::file:///etc", "s3::https://s3.amazonaws.com/b/k.zip", "git::https://me:pw@example.com/x"] {
        let estate = with_source(source);
        let fault = estate.resolve(&path("dev/vpc"), "plan", &|_| None).unwrap_err();
        assert_eq!(fault.code(), Code::SOURCE_SYNTAX, "{source}");
        assert_eq!(fault.place().unwrap().line, 2);
        assert_eq!(unit(&estate, "dev/vpc").problems, [fault]);
    }
    assert_eq!(faults(&with_source("../../modules//nope"), "dev/vpc")[0].code(), Code::FILE_MISSING);
    assert_eq!(faults(&with_source("../../../modules//net"), "dev/vpc")[0].code(), Code::OUTSIDE_REPOSITORY);
    assert_eq!(faults(&with_source("../../modules//../.."), "dev/vpc")[0].code(), Code::OUTSIDE_REPOSITORY);
}

#[test]
fn remote_state_and_generate_are_typed() {
    let folder = Folder::new(&[
        ("dev/vpc/main.tf", ""),
        (
            "root.hcl",
            r#"
remote_state {
  backend = "http"
  config = {
    address = "http://state.portcullis/${path_relative_to_include()}"
    retry   = 3
  }
  generate = {
    path      = "backend.tf"
    if_exists = "overwrite_terragrunt"
  }
}
generate "provider" {
  path      = "provider.tf"
  if_exists = "skip"
  contents  = <<-EOT
    # ${path_relative_to_include()}
    terraform {}
  EOT
}
"#,
        ),
        (
            "dev/vpc/terragrunt.hcl",
            r#"
include "root" { path = find_in_parent_folders("root.hcl") }
generate = {
  more = {
    path              = "more.txt"
    if_exists         = "error"
    contents          = "x"
    disable_signature = true
  }
}
terraform {
  copy_terraform_lock_file = false
  include_in_copy          = [".tool"]
  after_hook "show" {
    commands     = ["apply"]
    execute      = ["cat", "x"]
    run_on_error = true
    if           = get_env("X", "") == "1"
  }
}
errors {
  retry "busy" {
    retryable_errors   = ["(?s).*busy.*"]
    max_attempts       = 3
    sleep_interval_sec = 5
  }
}
"#,
        ),
    ]);
    let resolved = resolve(&folder.load(), "dev/vpc");
    let state = resolved.remote_state.unwrap();
    assert_eq!(state.backend, "http");
    assert_eq!(format!("{:?}", state.config["address"]), "\"http://state.portcullis/dev/vpc\"");
    assert_eq!(state.generate, Some(("backend.tf".to_owned(), IfExists::OverwriteTerragrunt)));
    let names: Vec<&str> = resolved.generate.iter().map(|generated| generated.name.as_str()).collect();
    assert_eq!(names, ["more", "provider"]);
    assert!(resolved.generate[0].disable_signature);
    assert_eq!(resolved.generate[1].contents, "# dev/vpc\nterraform {}\n");
    assert_eq!((resolved.generate[1].if_exists, resolved.generate[1].comment_prefix.as_str()), (IfExists::Skip, "# "));
    assert!(!resolved.copy_lock_file);
    assert_eq!(resolved.include_in_copy, [".tool"]);
    assert!(resolved.after_hooks[0].run_on_error && !resolved.after_hooks[0].condition);
    assert_eq!((resolved.errors.retries[0].max_attempts, resolved.errors.retries[0].sleep_s), (3, 5));
}

#[test]
fn wrong_values_are_found_without_resolving() {
    let wrong = [
        (
            "generate \"x\" {\n  path = \"../x\"\n  if_exists = \"skip\"\n  contents = \"\"\n}\n",
            Code::OUTSIDE_REPOSITORY,
            2,
        ),
        ("generate \"x\" {\n  path = \"x\"\n  if_exists = \"never\"\n  contents = \"\"\n}\n", Code::HCL_TYPE, 3),
        (
            "terraform {\n  before_hook \"x\" {\n    commands = [\"plan\"]\n    execute = []\n  }\n}\n",
            Code::HCL_TYPE,
            2,
        ),
        ("prevent_destroy = \"maybe\"\n", Code::HCL_TYPE, 1),
        ("inputs = [1]\n", Code::HCL_TYPE, 1),
        ("include \"x\" {\n  path = \"../../root.hcl\"\n  merge_strategy = \"magic\"\n}\n", Code::HCL_TYPE, 3),
    ];
    for (text, code, line) in wrong {
        let folder = Folder::new(&[("dev/vpc/main.tf", ""), ("dev/vpc/terragrunt.hcl", text), ("root.hcl", "")]);
        let estate = folder.load();
        let fault = &faults(&estate, "dev/vpc")[0];
        assert_eq!((fault.code(), fault.place().unwrap().line), (code, line), "{text}: {fault}");
    }
}

#[test]
fn estates_and_what_they_resolve_to_go_between_threads() {
    fn both<T: Send + Sync>() {}
    both::<Estate>();
    both::<portcullis_estate::Resolved>();
}
