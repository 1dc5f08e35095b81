//! Input digests, and what they say about two commits.

use portcullis_estate::{AffectedKind, Settings, ToolFacts, affected};

use crate::{Folder, unit};

fn live() -> Folder {
    Folder::new(&[
        ("root.hcl", "# the root\nlocals {\n  region = \"us-east-1\"\n}\ninputs = {\n  region = local.region\n}\n"),
        ("modules/vpc/main.tf", "variable \"cidr\" {}\n"),
        ("modules/app/main.tf", "module \"n\" {\n  source = \"../naming\"\n}\n"),
        ("modules/naming/main.tf", ""),
        ("modules/unused/main.tf", ""),
        (
            "dev/vpc/terragrunt.hcl",
            "include \"root\" {\n  path = find_in_parent_folders(\"root.hcl\")\n}\nterraform {\n  source = \"../../modules//vpc\"\n}\ninputs = {\n  cidr = \"10.0.0.0/16\"\n}\n",
        ),
        (
            "dev/app/terragrunt.hcl",
            "terraform {\n  source = \"../../modules//app\"\n}\ndependency \"vpc\" {\n  config_path = \"../vpc\"\n  mock_outputs = { id = \"m\" }\n}\ninputs = {\n  name = \"app-${dependency.vpc.outputs.id}\"\n}\n",
        ),
    ])
}

/// What an edit affects: unit, kind and why.
fn after(edit: impl Fn(&Folder)) -> Vec<String> {
    let folder = live();
    let base = folder.load();
    edit(&folder);
    let found = affected(&base, &folder.load());
    found.iter().map(|affected| format!("{} {:?}: {}", affected.unit, affected.kind, affected.why)).collect()
}

fn replace(folder: &Folder, file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    folder.write(file, &text.replace(from, to));
}

#[test]
fn comments_and_unused_files_affect_nothing() {
    assert_eq!(after(|folder| replace(folder, "root.hcl", "# the root", "# another remark\n")), Vec::<String>::new());
    assert_eq!(
        after(|folder| replace(folder, "dev/app/terragrunt.hcl", "inputs = {", "# remark\ninputs   =   {")),
        Vec::<String>::new()
    );
    assert_eq!(after(|folder| folder.write("modules/unused/main.tf", "# x\n")), Vec::<String>::new());
    assert_eq!(after(|folder| folder.write("README.md", "x")), Vec::<String>::new());
}

#[test]
fn what_differs_is_named() {
    assert_eq!(
        after(|folder| replace(folder, "root.hcl", "us-east-1", "eu-west-1")),
        ["dev/vpc Changed: input `region` differs", "dev/app Downstream: depends on dev/vpc"]
    );
    assert_eq!(
        after(|folder| folder.write("modules/naming/main.tf", "# x\n")),
        ["dev/app Changed: file modules/naming/main.tf differs"]
    );
    assert_eq!(
        after(|folder| replace(folder, "dev/app/terragrunt.hcl", "\"m\"", "\"n\"")),
        ["dev/app Changed: dependency `vpc` differs"]
    );
    assert_eq!(
        after(|folder| replace(folder, "dev/app/terragrunt.hcl", "app-$", "api-$")),
        ["dev/app Changed: input `name` differs"]
    );
    assert_eq!(
        after(|folder| replace(folder, "dev/app/terragrunt.hcl", "outputs.id", "outputs.arn")),
        ["dev/app Changed: input `name` differs"]
    );
    assert_eq!(
        after(|folder| folder.write("dev/vpc/.terraform.lock.hcl", "# x\n")),
        ["dev/vpc Changed: lock file dev/vpc/.terraform.lock.hcl differs", "dev/app Downstream: depends on dev/vpc"]
    );
}

#[test]
fn added_deleted_and_broken_units_are_told_apart() {
    let found = after(|folder| {
        std::fs::remove_dir_all(folder.path().join("dev/app")).unwrap();
        folder.write("dev/new/main.tf", "");
        folder.write("dev/new/terragrunt.hcl", "");
    });
    assert_eq!(found, ["dev/new Added: is new", "dev/app Deleted: its folder is no unit any more"]);
    let found = after(|folder| folder.write("dev/vpc/terragrunt.hcl", "nonsense = 1\n"));
    assert!(found[0].starts_with("dev/vpc Changed: cannot be evaluated"), "{found:?}");
    assert_eq!(found[1], "dev/app Downstream: depends on dev/vpc");
}

#[test]
fn another_tool_is_another_input() {
    let folder = live();
    let base = folder.load();
    let tool = ToolFacts { name: "tofu".into(), version: "1.11.4".into() };
    let head = folder.load_with(&Settings { tool, ..Settings::default() });
    let found = affected(&base, &head);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|affected| affected.kind == AffectedKind::Changed && affected.why == "tool differs"));
    assert_ne!(unit(&base, "dev/vpc").input_digest, unit(&base, "dev/app").input_digest);
}
