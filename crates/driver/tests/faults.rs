//! Units that the native driver refuses before anything runs: where their state is, and what they are made of.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::sync::Arc;

use portcullis_driver::native::{Command, Prepared};
use portcullis_driver::{FetchedModule, Files, Job, Limits, Recipe, Tool};
use portcullis_estate::{DirSource, Estate, Settings};
use portcullis_model::agent::{Role, Step, When};
use portcullis_model::{Code, Fault, UnitPath};

const OWN: &str = "terraform {\n  backend \"http\" {\n    address = \"http://state.portcullis/app\"\n  }\n}\n";

/// What preparing the unit `app` of these files ends with.
fn prepared(files: &[(&str, &str)]) -> Option<Code> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let file = folder.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let source = Arc::new(DirSource::open(folder.path()).unwrap());
    let estate = Estate::load(source.clone(), &Settings::default()).unwrap();
    let unit = estate.resolve(&UnitPath::parse("app").unwrap(), "plan", &|_| None).unwrap();
    let tool = Tool { name: "terraform".into(), version: "1.11.4".into(), program: "/usr/bin/terraform".into() };
    Prepared::new(Files::of(&*source), &unit, &tool, Limits::default(), Command::Plan, None).err().map(|fault| {
        assert!(fault.remedy_text().is_some(), "{fault}");
        fault.code()
    })
}

#[test]
fn a_state_that_would_be_lost_or_not_reached_is_refused() {
    let with = |backend: &str| prepared(&[("app/terragrunt.hcl", ""), ("app/main.tf", backend)]);
    assert_eq!(with(OWN), None);
    for backend in [
        "",
        "terraform {\n  backend \"local\" {}\n}\n",
        "terraform {\n  backend \"s3\" {\n    bucket = \"x\"\n  }\n}\n",
        "terraform {\n  cloud {}\n}\n",
        "terraform {\n  backend \"http\" {}\n}\n",
        "terraform {\n  backend \"http\" {\n    address = \"http://state.portcullis/other\"\n  }\n}\n",
        "terraform {\n  backend \"http\" {\n    address = \"https://state.example/app\"\n  }\n}\n",
    ] {
        assert_eq!(with(backend), Some(Code::BACKEND_REFUSED), "{backend}");
    }
    let json = r#"{"terraform": {"backend": {"local": {}}}}"#;
    let files = [("app/terragrunt.hcl", ""), ("app/main.tf", OWN), ("app/backend.tf.json", json)];
    assert_eq!(prepared(&files), Some(Code::BACKEND_REFUSED), "two backends");
}

#[test]
fn a_working_directory_that_cannot_be_made_is_refused() {
    let generate = |rule: &str, path: &str| {
        format!("generate \"x\" {{\n  path      = \"{path}\"\n  if_exists = \"{rule}\"\n  contents  = \"\"\n}}\n")
    };
    let with = |config: &str| prepared(&[("app/terragrunt.hcl", config), ("app/main.tf", OWN)]);
    assert_eq!(with(&generate("overwrite", "x.tf")), None);
    assert_eq!(with(&generate("error", "main.tf")), Some(Code::LAYOUT));
    assert_eq!(with(&format!("inputs = {{\n  a = \"{}\"\n}}\n", "a".repeat(200_000))), Some(Code::LAYOUT));
    let elsewhere = "terraform {\n  source = \"../modules//empty\"\n}\n";
    let files = [("app/terragrunt.hcl", elsewhere), ("modules/empty/notes.txt", "no code"), ("modules/x/main.tf", "")];
    assert_eq!(prepared(&files), Some(Code::LAYOUT), "no code for the tool");
}

#[test]
fn a_unit_for_other_versions_is_refused() {
    let with = |config: &str| prepared(&[("app/terragrunt.hcl", config), ("app/main.tf", OWN)]);
    for (name, taken, refused) in [("terraform", ">= 1.5, < 2.0", "~> 1.9.0"), ("terragrunt", ">= 0.50", "< 1.0")] {
        assert_eq!(with(&format!("{name}_version_constraint = \"{taken}\"\n")), None, "{name} {taken}");
        for bad in [refused, "newest"] {
            let found = with(&format!("{name}_version_constraint = \"{bad}\"\n"));
            assert_eq!(found, Some(Code::DRIVER_REFUSED), "{name} {bad}");
        }
    }
    // What is about `destroy` alone stops neither a plan nor an apply.
    assert_eq!(with("prevent_destroy = true\n"), None);
}

#[test]
fn a_hook_runs_after_an_error_only_if_it_says_so() {
    let config = r#"
terraform {
  source = "git::https://git.example/modules.git?ref=v1"
  before_hook "before" {
    commands = ["plan"]
    execute  = ["true"]
  }
  after_hook "always" {
    commands     = ["plan"]
    execute      = ["true"]
    run_on_error = true
    working_dir  = "inner"
  }
  after_hook "after" {
    commands = ["plan", "apply"]
    execute  = ["true"]
  }
  after_hook "not_now" {
    commands = ["plan"]
    execute  = ["true"]
    if       = false
  }
  error_hook "error" {
    commands  = ["plan"]
    execute   = ["true"]
    on_errors = [".*"]
  }
}
"#;
    let (_, recipe) = fetched(&[("main.tf", "")], config).unwrap();
    let hooks: Vec<(&str, When, &str)> = recipe
        .spec
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Run { name, when, cwd, role: Role::Hook, .. } => Some((name.as_str(), *when, cwd.as_str())),
            _ => None,
        })
        .collect();
    let wanted = [
        ("before hook before", When::Success, "/work/module"),
        ("after hook always", When::Always, "/repo/app/inner"),
        ("after hook after", When::Success, "/work/module"),
        ("error hook error", When::Failure, "/work/module"),
    ];
    assert_eq!(hooks, wanted);
}

/// The recipe for a plan of the unit `app` with this configuration, whose module is fetched: its files are in a folder of
/// their own. Also the files that are laid out in the working directory.
fn fetched(module: &[(&str, &str)], config: &str) -> Result<(Vec<String>, Recipe), Fault> {
    let (folder, fetched) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (path, text) in module {
        let file = fetched.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    std::fs::create_dir(folder.path().join("app")).unwrap();
    std::fs::write(folder.path().join("app/terragrunt.hcl"), config).unwrap();
    std::fs::write(folder.path().join("app/backend.tf"), OWN).unwrap();
    std::fs::write(folder.path().join("app/.hidden"), "").unwrap();
    let source = Arc::new(DirSource::open(folder.path()).unwrap());
    let module = DirSource::open(fetched.path()).unwrap();
    let estate = Estate::load(source.clone(), &Settings::default()).unwrap();
    let unit = estate.resolve(&UnitPath::parse("app").unwrap(), "plan", &|_| None).unwrap();
    let tool = Tool { name: "terraform".into(), version: "1.11.4".into(), program: "/usr/bin/terraform".into() };
    let files = Files { repository: &*source, module: Some(FetchedModule { files: &module, root: "." }) };
    let prepared = Prepared::new(files, &unit, &tool, Limits::default(), Command::Plan, None)?;
    let recipe = prepared.recipe(Job::Plan, None)?;
    let laid_out = recipe.layout.files().map(|(path, _)| path.to_owned()).filter(|path| path.starts_with("module/"));
    Ok((laid_out.collect(), recipe))
}

fn with_fetched(module: &[(&str, &str)], sub: &str) -> Result<Vec<String>, Fault> {
    let config = format!("terraform {{\n  source = \"git::https://git.example/modules.git{sub}?ref=v1\"\n}}\n");
    fetched(module, &config).map(|(files, _)| files)
}

#[test]
fn what_was_fetched_is_laid_out_whole_with_the_units_files_over_it() {
    let module = [
        ("vpc/main.tf", "module \"s\" {\n  source = \"../shared\"\n}\n"),
        ("vpc/.hidden", "comes along"),
        ("shared/main.tf", ""),
        (".terraform/providers/evil", "stays out"),
        (".git/config", "stays out"),
    ];
    let files = with_fetched(&module, "//vpc").unwrap();
    let wanted = ["shared/main.tf", "vpc/.hidden", "vpc/backend.tf", "vpc/main.tf", "vpc/terragrunt.hcl"];
    assert_eq!(files, wanted.map(|name| format!("module/{name}")));
}

#[test]
fn a_module_that_takes_others_from_outside_is_refused_with_the_line() {
    let shared = "# x\nmodule \"vpc\" {\n  version = \"5.0.0\"\n  source  = \"terraform-aws-modules/vpc/aws\"\n}\n";
    let module = [("main.tf", "module \"s\" {\n  source = \"./shared\"\n}\n"), ("shared/main.tf", shared)];
    let fault = with_fetched(&module, "").unwrap_err();
    assert_eq!(fault.code(), Code::DRIVER_REFUSED);
    assert!(fault.message().contains("shared/main.tf:4"), "{fault}");
    assert_eq!(fault.place().map(|place| (place.file.as_str(), place.line)), Some(("app/terragrunt.hcl", 2)));
    let missing = with_fetched(&[("main.tf", "")], "//nope").unwrap_err();
    assert_eq!(missing.code(), Code::LAYOUT, "{missing}");
}
