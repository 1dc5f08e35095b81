//! What is not understood is an error with its place, and one broken unit does not break the rest.

use std::os::unix::fs::symlink;

use portcullis_estate::Settings;
use portcullis_model::Code;

use crate::{Folder, faults, path, unit};

#[test]
fn one_broken_unit_leaves_the_others_alone() {
    let folder = Folder::new(&[
        ("a/main.tf", ""),
        ("a/terragrunt.hcl", "inputs = {\n"),
        ("b/main.tf", ""),
        ("b/terragrunt.hcl", "frobnicate {}\nnonsense = 1\n"),
        ("c/main.tf", ""),
        ("c/terragrunt.hcl", "locals {\n  x = local.y\n  y = local.x\n}\n"),
        ("d/main.tf", ""),
        ("d/terragrunt.hcl", "inputs = {\n  x = local.nope\n}\n"),
        ("e/main.tf", ""),
        ("e/terragrunt.hcl", "inputs = {\n  x = no_such_function()\n}\n"),
        ("fine/main.tf", ""),
        ("fine/terragrunt.hcl", "dependencies {\n  paths = [\"../a\"]\n}\n"),
    ]);
    let estate = folder.load();
    unit(&estate, "fine");
    let codes = |name: &str| faults(&estate, name).iter().map(portcullis_model::Fault::code).collect::<Vec<_>>();
    assert_eq!(codes("a"), [Code::HCL_SYNTAX]);
    assert_eq!(codes("b"), [Code::UNKNOWN_BLOCK, Code::UNKNOWN_BLOCK]);
    assert_eq!(codes("c")[0], Code::LOCALS_CYCLE);
    assert_eq!(codes("d"), [Code::HCL_UNKNOWN_VARIABLE]);
    assert_eq!(codes("e"), [Code::HCL_UNKNOWN_FUNCTION]);
    assert_eq!(estate.order().len(), 6);
    let fault = estate.resolve(&path("d"), "plan", &|_| None).unwrap_err();
    assert_eq!(fault.code(), Code::HCL_UNKNOWN_VARIABLE);
    assert_eq!(estate.resolve(&path("nope"), "plan", &|_| None).unwrap_err().code(), Code::UNIT_UNKNOWN);
}

#[test]
fn a_folder_with_two_configurations_is_refused() {
    let folder =
        Folder::new(&[("dev/x/main.tf", ""), ("dev/x/terragrunt.hcl", ""), ("dev/x/terragrunt.hcl.json", "{}")]);
    let estate = folder.load();
    let fault = &faults(&estate, "dev/x")[0];
    assert_eq!(fault.code(), Code::UNKNOWN_BLOCK);
    assert_eq!(fault.place().unwrap().file, "dev/x/terragrunt.hcl.json");
}

#[test]
fn parents_and_folders_that_tools_leave_behind_are_no_units() {
    let folder = Folder::new(&[
        ("terragrunt.hcl", "inputs = {\n  x = path_relative_to_include() == \".\" ? local.nope : 1\n}\n"),
        ("dev/x/main.tf", ""),
        ("dev/x/terragrunt.hcl", "include {\n  path = find_in_parent_folders()\n}\n"),
        ("dev/x/.terragrunt-cache/y/terragrunt.hcl", ""),
        ("dev/x/.terragrunt-cache/y/main.tf", ""),
        ("dev/config-only/terragrunt.hcl", "locals {\n  x = 1\n}\n"),
    ]);
    let estate = folder.load();
    let names: Vec<&str> = estate.units().keys().map(portcullis_model::UnitPath::as_str).collect();
    assert_eq!(names, ["dev/x"]);
    let elsewhere = folder.load_with(&Settings { within: "no/such/folder".into(), ..Settings::default() });
    assert!(elsewhere.units().is_empty());
}

#[test]
fn links_lead_to_units_inside_and_to_errors_outside() {
    let folder = Folder::new(&[
        ("real/main.tf", ""),
        ("real/terragrunt.hcl", ""),
        ("a/main.tf", ""),
        ("a/terragrunt.hcl", "dependency \"x\" {\n  config_path = \"../alias\"\n}\n"),
        ("b/main.tf", ""),
        ("b/terragrunt.hcl", "dependency \"x\" {\n  config_path = \"../out\"\n}\n"),
        ("c/main.tf", ""),
        ("c/terragrunt.hcl", "include \"x\" {\n  path = \"../out/root.hcl\"\n}\n"),
        ("d/main.tf", ""),
    ]);
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("terragrunt.hcl"), "").unwrap();
    std::fs::write(outside.path().join("root.hcl"), "").unwrap();
    symlink("real", folder.path().join("alias")).unwrap();
    symlink(outside.path(), folder.path().join("out")).unwrap();
    symlink(outside.path().join("terragrunt.hcl"), folder.path().join("d/terragrunt.hcl")).unwrap();
    folder.write("e/main.tf", "");
    folder.write("e/terragrunt.hcl", "");
    symlink("/etc/passwd", folder.path().join("e/data.txt")).unwrap();
    let estate = folder.load();
    assert_eq!(faults(&estate, "e")[0].place().unwrap().file, "e/data.txt");
    assert_eq!(unit(&estate, "a").dependencies[0].target, path("real"));
    for (name, line) in [("b", Some(2)), ("c", Some(2))] {
        let fault = &faults(&estate, name)[0];
        assert_eq!(fault.code(), Code::OUTSIDE_REPOSITORY, "{name}: {fault}");
        assert_eq!(fault.place().map(|place| place.line), line.or(Some(0)));
    }
    assert_eq!(faults(&estate, "d")[0].code(), Code::OUTSIDE_REPOSITORY);
    let fault = estate.resolve(&path("alias"), "plan", &|_| None).unwrap_err();
    assert_eq!(fault.code(), Code::UNIT_PATH_SYMLINK);
    assert!(!estate.units().contains_key(&path("alias")));
}

#[test]
fn an_estate_over_its_limits_is_refused() {
    let folder = Folder::new(&[("a/terragrunt.hcl", ""), ("b/terragrunt.hcl", "")]);
    let mut settings = Settings::default();
    settings.limits.units = 1;
    let source = std::sync::Arc::new(portcullis_estate::DirSource::open(folder.path()).unwrap());
    let fault = portcullis_estate::Estate::load(source, &settings).err().unwrap();
    assert_eq!(fault.code(), Code::REPOSITORY_TOO_LARGE);
    let folder = Folder::new(&[("a/main.tf", ""), ("a/terragrunt.hcl", &format!("# {}\n", "x".repeat(5 << 20)))]);
    assert_eq!(faults(&folder.load(), "a")[0].code(), Code::HCL_TOO_LARGE);
}
