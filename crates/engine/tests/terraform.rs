//! The real tool's plans: what `show -json` says of them, and what this crate makes of it.
//!
//! Runs where `terraform` or `tofu` is on `PATH`, and says plainly that it was skipped elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "the test starts the real tool")]

use std::path::Path;
use std::process::Command;

use portcullis_engine::Change;
use portcullis_engine::change::{Action, is_subset, same_change};
use portcullis_model::{ChangeKind, PlanSummary};

const FIRST: &str = r#"
variable "name" { default = "one" }
variable "password" {
  default   = "hunter2"
  sensitive = true
}
resource "terraform_data" "base" { input = var.name }
resource "terraform_data" "top" {
  input            = { list = ["x", terraform_data.base.id], nested = { id = terraform_data.base.id, pw = var.password } }
  triggers_replace = [var.name]
}
resource "terraform_data" "each" {
  for_each = toset(["a b", "c"])
  input    = each.key
}
output "id" { value = terraform_data.base.id }
output "name" { value = var.name }
output "password" {
  value     = var.password
  sensitive = true
}
"#;

const SECOND: &str = r#"
variable "name" { default = "one" }
resource "terraform_data" "base" { input = "two" }
resource "terraform_data" "top" {
  input            = "plain"
  triggers_replace = [var.name, "more"]
  lifecycle { create_before_destroy = true }
}
resource "terraform_data" "moved" {
  for_each = toset(["c"])
  input    = each.key
}
moved {
  from = terraform_data.each["c"]
  to   = terraform_data.moved["c"]
}
removed {
  from = terraform_data.each
  lifecycle { destroy = false }
}
data "terraform_remote_state" "late" {
  backend  = "local"
  config   = { path = terraform_data.fresh.id }
  defaults = { a = 1 }
}
resource "terraform_data" "fresh" {}
output "id" { value = terraform_data.base.output }
output "name" { value = var.name }
"#;

struct Folder {
    dir: tempfile::TempDir,
    program: &'static str,
}

impl Folder {
    /// `None`: no tool here.
    fn new() -> Option<Self> {
        let program =
            ["terraform", "tofu"].into_iter().find(|program| Command::new(program).arg("version").output().is_ok());
        let Some(program) = program else {
            eprintln!("SKIPPED: neither terraform nor tofu is on PATH");
            return None;
        };
        Some(Folder { dir: tempfile::tempdir().unwrap(), program })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new(self.program)
            .args(arguments)
            .current_dir(self.path())
            .env("TF_CLI_CONFIG_FILE", self.path().join("none"))
            .env("CHECKPOINT_DISABLE", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn plan(&self, text: &str, arguments: &[&str]) -> (Change, PlanSummary) {
        std::fs::write(self.path().join("main.tf"), text).unwrap();
        if !self.path().join(".ready").exists() {
            self.run(&["init", "-input=false"]);
            std::fs::write(self.path().join(".ready"), "").unwrap();
        }
        let mut all = vec!["plan", "-input=false", "-out=plan"];
        all.extend(arguments);
        self.run(&all);
        Change::from_show_json(&self.run(&["show", "-json", "plan"])).unwrap()
    }

    fn apply(&self) {
        self.run(&["apply", "-input=false", "plan"]);
    }
}

fn listed(summary: &PlanSummary) -> Vec<(&str, ChangeKind)> {
    summary.changes.iter().map(|change| (change.address.as_str(), change.kind)).collect()
}

#[test]
fn a_first_plan_is_the_same_change_when_it_is_made_again_and_no_change_once_applied() {
    let Some(folder) = Folder::new() else { return };
    let (reviewed, summary) = folder.plan(FIRST, &[]);
    assert_eq!(summary.to_string(), "4 to add, 0 to change, 0 to destroy");
    assert_eq!(
        listed(&summary),
        [
            ("terraform_data.base", ChangeKind::Create),
            (r#"terraform_data.each["a b"]"#, ChangeKind::Create),
            (r#"terraform_data.each["c"]"#, ChangeKind::Create),
            ("terraform_data.top", ChangeKind::Create),
        ]
    );
    assert_eq!(summary.outputs, ["id", "name", "password"]);
    assert!(reviewed.only_creates());

    let (again, _) = folder.plan(FIRST, &[]);
    same_change(&reviewed, &again, &[]).unwrap();
    let (other, _) = folder.plan(FIRST, &["-var=name=evil"]);
    assert_eq!(same_change(&reviewed, &other, &[]).unwrap_err().address, "terraform_data.base");
    let (secret, _) = folder.plan(FIRST, &["-var=password=evil"]);
    let text = same_change(&reviewed, &secret, &[]).unwrap_err().to_string();
    assert!(text.contains("`terraform_data.top.input.nested.pw`") && !text.contains("hunter2"), "{text}");

    // A part of it is applied, as if the apply had been cut off: unknowns have become known.
    folder.plan(FIRST, &["-target=terraform_data.base"]);
    folder.apply();
    let (rest, _) = folder.plan(FIRST, &[]);
    assert_eq!(rest.resources.len(), 3);
    is_subset(&reviewed, &rest).unwrap();
    same_change(&reviewed, &rest, &[]).unwrap_err();
    is_subset(&rest, &reviewed).unwrap_err();

    folder.plan(FIRST, &[]);
    folder.apply();
    let (done, summary) = folder.plan(FIRST, &[]);
    assert!(done.is_empty() && summary.is_empty());
    is_subset(&reviewed, &done).unwrap();
}

#[test]
fn every_kind_of_change_is_read_from_a_real_plan() {
    let Some(folder) = Folder::new() else { return };
    folder.plan(FIRST, &[]);
    folder.apply();
    let (change, summary) = folder.plan(SECOND, &[]);
    let mut kinds = listed(&summary);
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            ("data.terraform_remote_state.late", ChangeKind::Read),
            ("terraform_data.base", ChangeKind::Update),
            (r#"terraform_data.each["a b"]"#, ChangeKind::Forget),
            ("terraform_data.fresh", ChangeKind::Create),
            (r#"terraform_data.moved["c"]"#, ChangeKind::Move),
            ("terraform_data.top", ChangeKind::Replace),
        ]
    );
    assert_eq!(summary.outputs, ["id", "password"]);
    let top = change.resources.iter().find(|delta| delta.address == "terraform_data.top").unwrap();
    assert_eq!(top.action, Action::CreateThenDelete);
    let moved = change.resources.iter().find(|delta| delta.kind() == ChangeKind::Move).unwrap();
    assert_eq!(moved.previous_address.as_deref(), Some(r#"terraform_data.each["c"]"#));
    same_change(&change, &folder.plan(SECOND, &[]).0, &[]).unwrap();

    let (destroy, summary) = folder.plan(FIRST, &["-destroy"]);
    assert_eq!(summary.to_string(), "0 to add, 0 to change, 4 to destroy");
    assert!(!destroy.only_creates());
}

#[test]
fn a_moved_resource_alone_is_a_change_because_the_state_has_to_follow() {
    let Some(folder) = Folder::new() else { return };
    folder.plan(r#"resource "terraform_data" "a" {}"#, &[]);
    folder.apply();
    let moved = r#"
      resource "terraform_data" "b" {}
      moved {
        from = terraform_data.a
        to   = terraform_data.b
      }"#;
    let (change, summary) = folder.plan(moved, &[]);
    assert!(!change.is_empty() && !summary.is_empty() && !change.only_creates());
    folder.apply();
    assert!(folder.plan(moved, &[]).0.is_empty());
}
