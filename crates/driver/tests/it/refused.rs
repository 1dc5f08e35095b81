//! What the terragrunt driver takes that the native one does not, and what it does not let happen.

use std::path::Path;

use portcullis_driver::{ARTIFACT_PLAN, ARTIFACT_SHOW, Job, Limits, Tool, show, terragrunt};
use portcullis_estate::Settings;
use portcullis_model::run::Phase;
use portcullis_model::{Code, UnitPath};

use crate::bench::{Bench, Driver, has_terragrunt};

const STATE: &str = r#"
remote_state {
  backend = "http"
  config = {
    address        = "http://state.portcullis/${path_relative_to_include()}"
    lock_address   = "http://state.portcullis/${path_relative_to_include()}"
    unlock_address = "http://state.portcullis/${path_relative_to_include()}"
  }
  generate = {
    path      = "backend.tf"
    if_exists = "overwrite"
  }
}
"#;
const MODULE: &str = "variable \"name\" {\n  type = string\n}\n\nresource \"terraform_data\" \"it\" {\n  input = var.name\n}\n\noutput \"name\" {\n  value = terraform_data.it.output\n}\n";
const INCLUDE: &str = "include \"root\" {\n  path = find_in_parent_folders(\"root.hcl\")\n}\n";

fn unit(path: &str) -> UnitPath {
    UnitPath::parse(path).unwrap()
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn bench(files: &[(&str, &str)]) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "root.hcl", STATE);
    files.iter().for_each(|(path, text)| write(folder.path(), path, text));
    Bench::over(folder.path(), &Settings::default())
}

fn tool() -> Tool {
    Tool { name: "terraform".into(), version: "1.11.4".into(), program: "/tools/terraform".into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_is_not_exact_is_taken_by_terragrunt_only() {
    let config = format!("{INCLUDE}inputs = {{\n  name = run_cmd(\"--terragrunt-quiet\", \"cat\", \"name.txt\")\n}}\n");
    let bench = bench(&[("app/terragrunt.hcl", &config), ("app/main.tf", MODULE), ("app/name.txt", "from a file")]);
    let app = unit("app");
    assert!(!bench.estate.units()[&app].as_ref().unwrap().is_exact());
    let refused = bench.recipe(Driver::Native, &app, Job::Plan, None).unwrap_err();
    assert_eq!(refused.code(), Code::INEXACT);
    if !has_terragrunt() {
        return;
    }
    let (planned, _) = bench.apply(Driver::Terragrunt, &app).await;
    assert!(planned.read_own_state);
    assert_eq!(bench.states.outputs(&app).unwrap()["name"], "from a file");
}

/// What cannot be known may depend on any file, so that every file counts for a unit that is not exact, and for no
/// other.
#[test]
fn every_file_counts_for_a_unit_that_is_not_exact() {
    let config = format!("{INCLUDE}inputs = {{\n  name = run_cmd(\"./name.sh\")\n}}\n");
    let exact = format!("{INCLUDE}inputs = {{\n  name = \"x\"\n}}\n");
    let digests = |script: &str| {
        let files = [("app/terragrunt.hcl", config.as_str()), ("app/main.tf", MODULE), ("scripts/lib.sh", script)];
        let others = [("web/terragrunt.hcl", exact.as_str()), ("web/main.tf", MODULE)];
        let bench = bench(&[&files[..], &others[..]].concat());
        ["app", "web"].map(|path| bench.estate.units()[&unit(path)].as_ref().unwrap().input_digest)
    };
    let (before, after) = (digests("echo a"), digests("echo b"));
    assert_ne!(before[0], after[0]);
    assert_eq!(before[1], after[1]);
    assert_eq!(before, digests("echo a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_the_runners_state_is_told_by_the_door() {
    if !has_terragrunt() {
        return;
    }
    let bench = bench(&[("app/terragrunt.hcl", "inputs = {\n  name = \"x\"\n}\n"), ("app/main.tf", MODULE)]);
    let app = unit("app");
    assert!(!bench.plan(Driver::Terragrunt, &app).await.read_own_state);
    let resolved = bench.estate.resolve(&app, "plan", &|_| None).unwrap();
    assert_eq!(terragrunt::check(&bench.source, &resolved).unwrap_err().code(), Code::BACKEND_REFUSED);
}

/// A hook of `show`, or one that prints, could tell a reviewer anything. The plan is shown where no hook has been.
#[tokio::test(flavor = "multi_thread")]
async fn hooks_have_no_say_in_what_a_plan_shows() {
    if !has_terragrunt() {
        return;
    }
    let config = format!(
        "{INCLUDE}inputs = {{\n  name = \"true\"\n}}\nterraform {{\n  before_hook \"lie\" {{\n    commands = [\"show\", \"plan\"]\n    \
         execute  = [\"sh\", \"-c\", \"mkdir -p /work/show; echo nonsense > /work/show/main.tf; echo '{{}}'\"]\n  }}\n}}\n"
    );
    let bench = bench(&[("app/terragrunt.hcl", &config), ("app/main.tf", MODULE)]);
    let app = unit("app");
    let planned = bench.plan(Driver::Terragrunt, &app).await;
    let recipe = show::recipe(&tool(), Limits::default(), &planned.artifact(ARTIFACT_PLAN), None).unwrap();
    let shown = bench.run(&app, Phase::Plan, recipe).await;
    assert!(shown.outcome.fault.is_none(), "{:?} {}", shown.outcome.fault, shown.log);
    let show: serde_json::Value = serde_json::from_slice(&shown.artifact(ARTIFACT_SHOW)).unwrap();
    assert_eq!(show.pointer("/resource_changes/0/change/after/input"), Some(&serde_json::json!("true")));
}

/// What a task writes to its copy of the repository is nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn a_tasks_copy_of_the_repository_is_its_own() {
    if !has_terragrunt() {
        return;
    }
    let config = format!(
        "{INCLUDE}inputs = {{\n  name = \"x\"\n}}\nterraform {{\n  before_hook \"write\" {{\n    commands = [\"plan\"]\n    \
         execute  = [\"sh\", \"-c\", \"test ! -e /repo/mark && echo > /repo/mark && echo > /repo/root.hcl\"]\n  }}\n}}\n"
    );
    let bench = bench(&[("app/terragrunt.hcl", &config), ("app/main.tf", MODULE)]);
    for _ in 0..2 {
        bench.plan(Driver::Terragrunt, &unit("app")).await;
    }
}
