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

/// `file:line:column` of each fault of a unit.
fn told(estate: &portcullis_estate::Estate, name: &str) -> Vec<String> {
    let place = |fault: &portcullis_model::Fault| match fault.place() {
        Some(place) => format!("{}:{}:{}", place.file, place.line, place.column),
        None => "-".to_owned(),
    };
    faults(estate, name).iter().map(place).collect()
}

#[test]
fn everything_that_is_wrong_with_a_unit_is_told_at_once_and_each_fault_once() {
    let folder = Folder::new(&[
        (
            "root.hcl",
            "locals {\n  a = foo\n  b = [local.a, bar]\n}\ninputs = {\n  shared = local.a\n  other = qux\n}\nprevent_destroy = {}\n",
        ),
        ("common.hcl", "locals {\n  c = one\n  d = two\n}\n"),
        ("u/main.tf", ""),
        (
            "u/terragrunt.hcl",
            concat!(
                "include \"root\" {\n  path = \"../root.hcl\"\n  expose = true\n}\n",
                "include \"gone\" {\n  path = \"../gone.hcl\"\n}\n",
                "locals {\n  common = read_terragrunt_config(\"../common.hcl\")\n  e = local.common.locals.c\n}\n",
                "terraform {\n  source = \"../no/such/module\"\n",
                "  before_hook \"x\" {\n    commands = [\"plan\"]\n    execute = []\n    if = nope\n  }\n}\n",
                "dependency \"d\" {\n  config_path = \"../nowhere\"\n}\n",
                "inputs = {\n  x = include.root.locals.a\n  y = [three, dependency.d.outputs.z, \"${four}\"]\n}\n",
            ),
        ),
    ]);
    let estate = folder.load();
    let mut found = told(&estate, "u");
    found.sort();
    assert_eq!(
        found,
        [
            "common.hcl:2:7",
            "common.hcl:3:7",
            "root.hcl:2:7",
            "root.hcl:3:17",
            "root.hcl:7:11",
            "u/terragrunt.hcl:17:10",
            "u/terragrunt.hcl:21:17",
            "u/terragrunt.hcl:25:42",
            "u/terragrunt.hcl:25:8",
            "u/terragrunt.hcl:6:10",
        ]
    );
    // With the include there, what is merged is looked at as well.
    folder.write("gone.hcl", "");
    let found = told(&folder.load(), "u");
    assert!(!found.iter().any(|place| place == "u/terragrunt.hcl:6:10"), "{found:?}");
    assert!(found.iter().any(|place| place == "root.hcl:9:19"), "{found:?}");
}

#[test]
fn of_a_unit_with_very_many_faults_some_are_told() {
    let wrong: String = (0..2_000).map(|index| format!("  k{index} = nope{index}\n")).collect();
    let folder = Folder::new(&[
        ("u/main.tf", ""),
        ("u/terragrunt.hcl", &format!("inputs = {{\n{wrong}}}\nlocals {{\n{wrong}}}\n")),
    ]);
    let estate = folder.load();
    let found = faults(&estate, "u");
    assert_eq!(found.len(), 101);
    assert_eq!(found[0].place().unwrap().line, 2004);
    assert_eq!(found[100].code(), Code::HCL_TOO_LARGE);
    assert!(found[..100].iter().all(|fault| fault.code() == Code::HCL_UNKNOWN_VARIABLE));
}

#[test]
fn what_is_over_a_limit_is_told_once_though_it_is_evaluated_twice() {
    let folder = Folder::new(&[
        ("u/main.tf", ""),
        (
            "u/terragrunt.hcl",
            "inputs = {\n  a = nope\n  b = [for x in range(1000) : length([for y in range(1000) : x + y * y])]\n  c = nope2\n}\n",
        ),
    ]);
    let found = told(&folder.load(), "u");
    assert_eq!(found[0], "u/terragrunt.hcl:2:7");
    assert!(!found.iter().any(|place| place.starts_with("u/terragrunt.hcl:4")), "{found:?}");
}

#[test]
fn everything_that_is_wrong_with_a_stack_is_told_at_once() {
    let folder = Folder::new(&[
        ("units/a/main.tf", ""),
        ("units/a/terragrunt.hcl", ""),
        (
            "live/terragrunt.stack.hcl",
            concat!(
                "locals {\n  x = foo\n  y = bar\n}\n",
                "unit \"a\" {\n  source = \"../units/a\"\n  path = \"a\"\n  values = { p = local.x, q = qux, r = nope }\n}\n",
            ),
        ),
    ]);
    let estate = folder.load();
    let found = estate.stacks()[&path("live")].as_ref().unwrap_err();
    let lines: Vec<(u32, u32)> =
        found.iter().map(|fault| fault.place().map_or((0, 0), |place| (place.line, place.column))).collect();
    assert_eq!(lines, [(2, 7), (3, 7), (8, 31), (8, 40)]);
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
    let mut settings = Settings::default();
    settings.limits.steps = 50;
    let load = || {
        let source = std::sync::Arc::new(portcullis_estate::DirSource::open(folder.path()).unwrap());
        portcullis_estate::Estate::load(source, &settings)
    };
    assert!(load().is_ok());
    folder.write("a/terragrunt.hcl", "locals {\n  x = [for n in range(100) : n]\n}\n");
    let fault = load().err().unwrap();
    assert_eq!(fault.code(), Code::REPOSITORY_TOO_LARGE);
    assert!(fault.message().contains("more than 50 steps"), "{fault}");
    let folder = Folder::new(&[("a/main.tf", ""), ("a/terragrunt.hcl", &format!("# {}\n", "x".repeat(5 << 20)))]);
    assert_eq!(faults(&folder.load(), "a")[0].code(), Code::HCL_TOO_LARGE);
}
