//! Explicit stacks: what they generate, with values, nested, and what is merged into it.

use std::sync::Arc;

use portcullis_estate::{DirSource, Elsewhere, Estate, Settings, Source, Stack};
use portcullis_model::{Code, Fault};
use serde_json::json;

use crate::{Folder, faults, inputs, path, resolve, resolve_with, unit};

fn stack<'e>(estate: &'e Estate, name: &str) -> &'e Stack {
    match estate.stacks().get(&path(name)) {
        Some(Ok(stack)) => stack,
        other => panic!("{name}: {other:#?}"),
    }
}

fn units(estate: &Estate) -> Vec<&str> {
    estate.units().keys().map(|path| path.as_str()).collect()
}

/// Two kinds of units to make stacks of.
const CATALOG: [(&str, &str); 4] = [
    (
        "catalog/units/vpc/terragrunt.hcl",
        "terraform {\n  source = \"${get_repo_root()}/modules//vpc\"\n}\ninputs = {\n  cidr = values.cidr\n}\n",
    ),
    (
        "catalog/units/app/terragrunt.hcl",
        "include \"root\" {\n  path = find_in_parent_folders(\"root.hcl\")\n}\nterraform {\n  source = \"${get_repo_root()}/modules//app\"\n}\ndependency \"vpc\" {\n  config_path = values.vpc_path\n}\ninputs = {\n  vpc = dependency.vpc.outputs.id\n}\n",
    ),
    ("modules/vpc/main.tf", ""),
    ("modules/app/main.tf", ""),
];

fn folder(files: &[(&str, &str)]) -> Folder {
    let mut all = CATALOG.to_vec();
    all.push((
        "live/root.hcl",
        "inputs = {\n  env = basename(get_parent_terragrunt_dir())\n  at = path_relative_to_include()\n}\n",
    ));
    all.extend_from_slice(files);
    Folder::new(&all)
}

#[test]
fn units_of_a_stack_are_units_where_they_would_be_generated() {
    let folder = folder(&[(
        "live/dev/terragrunt.stack.hcl",
        r#"
locals {
  catalog = "${get_repo_root()}/catalog"
}
unit "vpc" {
  source = "${local.catalog}/units/vpc"
  path   = "vpc"
  values = {
    cidr = "10.0.0.0/16"
  }
}
unit "app" {
  source = "../../catalog//units/app"
  path   = "services/app"
  values = {
    vpc_path = unit.vpc.path
  }
}
unit "off" {
  enabled = false
  source  = "${local.catalog}/units/vpc"
  path    = "off"
}
"#,
    )]);
    let estate = folder.load_with(&portcullis_estate::Settings { within: "live".into(), ..Default::default() });
    let (vpc, app) = ("live/dev/.terragrunt-stack/vpc", "live/dev/.terragrunt-stack/services/app");
    assert_eq!(units(&estate), [app, vpc]);
    assert_eq!(inputs(&resolve(&estate, vpc)), "cidr = \"10.0.0.0/16\"");
    assert_eq!(unit(&estate, app).dependencies[0].target.as_str(), vpc);
    let resolved = resolve_with(&estate, app, "plan", json!({ vpc: { "id": "vpc-1" } }));
    assert_eq!(inputs(&resolved), "at = \"dev/.terragrunt-stack/services/app\"\nenv = \"live\"\nvpc = \"vpc-1\"");
    assert_eq!(resolved.source.unwrap().shown(), "modules/app");
    let found = stack(&estate, "live/dev");
    assert_eq!(found.units, [("app".to_owned(), path(app)), ("vpc".to_owned(), path(vpc))]);
    assert_eq!(found.reads, ["live/dev/terragrunt.stack.hcl"]);
}

#[test]
fn a_template_that_cannot_stand_for_itself_is_compared_in_the_units_that_are_made_of_it() {
    let template = |more: &str| format!("inputs = {{\n  cidr = values.cidr\n{more}}}\n");
    let folder = Folder::new(&[
        ("catalog/vpc/main.tf", ""),
        ("catalog/vpc/terragrunt.hcl", &template("")),
        (
            "live/terragrunt.stack.hcl",
            "unit \"vpc\" {\n  source = \"../catalog/vpc\"\n  path = \"vpc\"\n  values = { cidr = \"10.0.0.0/16\" }\n}\n",
        ),
        ("alone/main.tf", ""),
        ("alone/terragrunt.hcl", "inputs = {\n  x = values.x\n}\n"),
    ]);
    let before = folder.load();
    assert!(before.units()[&path("catalog/vpc")].is_err());
    let same = portcullis_estate::diff(&before, &folder.load()).unwrap();
    assert_eq!(same.broken, [path("alone")], "what no stack takes is a unit that is broken");
    folder.write("catalog/vpc/terragrunt.hcl", &template("  more = 1\n"));
    let found = portcullis_estate::diff(&before, &folder.load()).unwrap();
    assert_eq!(found.broken, [path("alone")]);
    assert_eq!(found.groups[0].units, [path("live/.terragrunt-stack/vpc")]);
}

#[test]
fn stacks_nest_and_hand_values_down() {
    let folder = folder(&[
        (
            "catalog/stacks/net/terragrunt.stack.hcl",
            "unit \"vpc\" {\n  source = \"${get_repo_root()}/catalog/units/vpc\"\n  path = values.name\n  values = { cidr = values.cidr }\n}\n",
        ),
        (
            "live/dev/terragrunt.stack.hcl",
            "stack \"net\" {\n  source = \"../../catalog/stacks/net\"\n  path = \"net\"\n  no_dot_terragrunt_stack = true\n  values = { name = \"main\", cidr = \"10.1.0.0/16\" }\n}\n",
        ),
        ("live/x/main.tf", ""),
        (
            "live/x/terragrunt.hcl",
            "dependency \"net\" {\n  config_path = \"../dev\"\n}\ndependencies {\n  paths = [\"../dev/net\"]\n}\ninputs = {\n  id = dependency.net.outputs\n}\n",
        ),
        ("live/y/main.tf", ""),
        (
            "live/y/terragrunt.hcl",
            "dependency \"net\" {\n  config_path = \"../dev/net\"\n}\ninputs = {\n  id = dependency.net.outputs.vpc.id\n}\n",
        ),
    ]);
    let settings = portcullis_estate::Settings { within: "live".into(), ..Default::default() };
    let estate = folder.load_with(&settings);
    let vpc = "live/dev/net/.terragrunt-stack/main";
    assert_eq!(units(&estate), [vpc, "live/x", "live/y"]);
    assert_eq!(inputs(&resolve(&estate, vpc)), "cidr = \"10.1.0.0/16\"");
    for dependent in ["live/x", "live/y"] {
        let targets: Vec<&str> =
            unit(&estate, dependent).dependencies.iter().map(|found| found.target.as_str()).collect();
        assert_eq!(targets, [vpc], "{dependent}");
    }
    let outputs = json!({ vpc: { "id": "vpc-1" } });
    assert_eq!(inputs(&resolve_with(&estate, "live/y", "plan", outputs)), "id = \"vpc-1\"");
    assert_eq!(stack(&estate, "live/dev").stacks[0].1.as_str(), "live/dev/net");
    assert_eq!(stack(&estate, "live/dev/net").units[0].0, "vpc");
}

#[test]
fn an_autoinclude_is_merged_over_the_unit() {
    let folder = folder(&[(
        "live/dev/terragrunt.stack.hcl",
        r#"
locals {
  size = 3
}
unit "vpc" {
  source = "../../catalog/units/vpc"
  path   = "vpc"
  values = { cidr = "10.0.0.0/16" }
}
unit "db" {
  source = "../../catalog/units/vpc"
  path   = "db"
  values = { cidr = "10.9.0.0/16" }
  autoinclude {
    dependency "vpc" {
      config_path  = unit.vpc.path
      mock_outputs = { id = "mock-${local.size}" }
    }
    inputs = {
      size = local.size + 1
      vpc  = dependency.vpc.outputs.id
      name = "db-${local.size}-${dependency.vpc.outputs.id}"
      list = [for id in [dependency.vpc.outputs.id] : "${id}-${local.size}"]
    }
  }
}
"#,
    )]);
    let estate = folder.load_with(&portcullis_estate::Settings { within: "live".into(), ..Default::default() });
    let (db, vpc) = ("live/dev/.terragrunt-stack/db", "live/dev/.terragrunt-stack/vpc");
    assert_eq!(unit(&estate, db).dependencies[0].target.as_str(), vpc);
    assert_eq!(
        inputs(&resolve(&estate, db)),
        "cidr = \"10.9.0.0/16\"\nlist = [\"mock-3-3\"]\nname = \"db-3-mock-3\"\nsize = 4\nvpc = \"mock-3\""
    );
}

#[test]
fn what_is_wrong_with_a_stack_is_named_and_hides_no_other() {
    let unit = |name: &str, rest: &str| {
        format!("unit \"{name}\" {{\n  source = \"../catalog/units/vpc\"\n  path = \"{name}\"\n{rest}}}\n")
    };
    let folder = folder(&[
        ("a/terragrunt.stack.hcl", "locals {\n  x = 1\n}\n"),
        ("b/terragrunt.stack.hcl", &format!("{}{}", unit("x", ""), unit("x", ""))),
        ("c/terragrunt.stack.hcl", &unit("x", "  frob = 1\n")),
        ("d/terragrunt.stack.hcl", "unit \"x\" {\n  source = \"../nowhere\"\n  path = \"x\"\n}\n"),
        ("e/terragrunt.stack.hcl", "unit \"x\" {\n  source = \"../catalog/units/vpc\"\n  path = \"../../x\"\n}\n"),
        ("f/terragrunt.stack.hcl", "unit \"x\" {\n  source = \"../modules/vpc\"\n  path = \"x\"\n}\n"),
        ("g/terragrunt.stack.hcl", &unit("x", "")),
        ("g/terragrunt.hcl", ""),
        ("h/terragrunt.stack.hcl", "stack \"h\" {\n  source = \".\"\n  path = \"h\"\n}\n"),
        ("i/terragrunt.stack.hcl", &unit("x", "  values = \"text\"\n")),
        ("j/terragrunt.stack.hcl", "unit \"x\" {\n  source = unit.x.path\n  path = unit.x.path\n}\n"),
        (
            "k/terragrunt.stack.hcl",
            "unit \"a\" {\n  source = \"../catalog/units/vpc\"\n  path = \"p\"\n}\nunit \"b\" {\n  source = \"../catalog/units/vpc\"\n  path = \"./p\"\n}\n",
        ),
        ("l/terragrunt.stack.hcl", &unit("x", "")),
        ("fine/terragrunt.stack.hcl", &unit("x", "  values = { cidr = \"1\" }\n")),
    ]);
    let estate = folder.load();
    stack(&estate, "fine");
    resolve(&estate, "fine/.terragrunt-stack/x");
    for (name, code, line) in [
        ("a", Code::HCL_TYPE, 1),
        ("b", Code::UNKNOWN_BLOCK, 5),
        ("c", Code::UNKNOWN_BLOCK, 4),
        ("d", Code::FILE_MISSING, 2),
        ("e", Code::OUTSIDE_REPOSITORY, 3),
        ("f", Code::FILE_MISSING, 2),
        ("g", Code::UNKNOWN_BLOCK, 0),
        ("i", Code::HCL_TYPE, 4),
        ("j", Code::HCL_UNKNOWN_VARIABLE, 3),
        ("k", Code::UNKNOWN_BLOCK, 5),
    ] {
        let faults = match estate.stacks().get(&path(name)) {
            Some(Err(faults)) => faults,
            Some(Ok(stack)) => &stack.problems,
            None => panic!("{name} is no stack"),
        };
        let line_found = faults[0].place().map_or(0, |place| place.line);
        assert_eq!((faults[0].code(), line_found), (code, line), "{name}: {}", faults[0]);
    }
    let deep = estate.stacks().values().filter_map(|stack| stack.as_ref().err()).flatten();
    assert!(deep.into_iter().any(|fault| fault.code() == Code::HCL_TOO_LARGE), "a stack of itself ends");
    // Units without their values are faulty where they are generated, and say by what.
    let fault = &faults(&estate, "l/.terragrunt-stack/x")[0];
    assert_eq!(fault.code(), Code::HCL_UNKNOWN_VARIABLE);
    assert_eq!(fault.notes(), ["l/.terragrunt-stack/x is generated at l/terragrunt.stack.hcl:1:1"]);
}

#[test]
fn a_source_in_another_repository_makes_a_known_unit_inexact() {
    let text = "unit \"vpc\" {\n  source = \"git::https://example.com/catalog.git//units/vpc?ref=v1\"\n  path = \"vpc\"\n  values = { cidr = \"1\" }\n}\n";
    let folder = Folder::new(&[("live/terragrunt.stack.hcl", text)]);
    let estate = folder.load();
    let vpc = unit(&estate, "live/.terragrunt-stack/vpc");
    let place = vpc.inexact[0].place().unwrap();
    assert_eq!((place.file.as_str(), place.line), ("live/terragrunt.stack.hcl", 2));
    let fault = estate.resolve(&path("live/.terragrunt-stack/vpc"), "plan", &|_| None).unwrap_err();
    assert_eq!(fault.code(), Code::INEXACT);
    let before = vpc.input_digest;
    for changed in [text.replace("v1", "v2"), text.replace("\"1\"", "\"2\"")] {
        folder.write("live/terragrunt.stack.hcl", &changed);
        assert_ne!(unit(&folder.load(), "live/.terragrunt-stack/vpc").input_digest, before);
    }
}

#[test]
fn a_stack_can_be_read_as_configuration() {
    let folder = folder(&[
        (
            "live/dev/terragrunt.stack.hcl",
            "locals {\n  x = 1\n}\nunit \"vpc\" {\n  source = \"../../catalog/units/vpc\"\n  path = \"vpc\"\n  values = { cidr = \"1\" }\n}\n",
        ),
        ("live/u/main.tf", ""),
        (
            "live/u/terragrunt.hcl",
            "locals {\n  s = read_terragrunt_config(\"../dev/terragrunt.stack.hcl\")\n}\ninputs = {\n  c = local.s.unit.vpc.values.cidr\n  p = local.s.unit.vpc.path\n  x = local.s.local.x\n}\n",
        ),
    ]);
    let estate = folder.load_with(&portcullis_estate::Settings { within: "live".into(), ..Default::default() });
    assert_eq!(inputs(&resolve(&estate, "live/u")), "c = \"1\"\np = \"vpc\"\nx = 1");
}

/// Loads with trees of other repositories: as many as are asked for, from one folder.
fn with_others(folder: &Folder, others: Option<&Folder>) -> (Estate, usize) {
    let mut known = Elsewhere::default();
    for rounds in 0.. {
        let source = Arc::new(DirSource::open(folder.path()).unwrap());
        let estate = Estate::load_among(source, &Settings::default(), &Arc::default(), &known).unwrap();
        if estate.wanted().is_empty() {
            return (estate, rounds);
        }
        for wanted in estate.wanted() {
            let tree: Result<Arc<dyn Source>, Fault> = match others {
                Some(others) => Ok(Arc::new(DirSource::open(others.path()).unwrap())),
                None => Err(Fault::new(Code::SOURCE_REFUSED, "not from there")),
            };
            known.insert(wanted.kind.clone(), tree);
        }
    }
    unreachable!()
}

#[test]
fn units_of_another_repository_are_known_where_its_commit_is_at_hand() {
    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
    let source = |folder: &str| format!("git::https://git.example/catalog.git//{folder}?ref={COMMIT}");
    let catalog = Folder::new(&[
        (
            "units/vpc/terragrunt.hcl",
            "terraform {\n  source = \"${get_repo_root()}/modules//vpc\"\n}\ninputs = {\n  cidr = values.cidr\n}\n",
        ),
        ("units/empty/readme.md", ""),
        (
            "stacks/net/terragrunt.stack.hcl",
            &format!(
                "unit \"inner\" {{\n  source = \"{}\"\n  path = \"inner\"\n  values = {{ cidr = values.cidr }}\n}}\n",
                source("units/vpc")
            ),
        ),
    ]);
    let unit_of = |name: &str, source: &str| {
        format!("unit \"{name}\" {{\n  source = \"{source}\"\n  path = \"{name}\"\n  values = {{ cidr = \"1\" }}\n}}\n")
    };
    let stack_file = format!(
        "{}{}{}stack \"net\" {{\n  source = \"{}\"\n  path = \"net\"\n  values = {{ cidr = \"2\" }}\n}}\n",
        unit_of("vpc", &source("units/vpc")),
        unit_of("empty", &source("units/empty")),
        unit_of("moving", "git::https://git.example/catalog.git//units/vpc?ref=v1"),
        source("stacks/net"),
    );
    let folder = folder(&[("live/dev/terragrunt.stack.hcl", &stack_file)]);
    let at = |name: &str| format!("live/dev/.terragrunt-stack/{name}");
    let inner = at("net/.terragrunt-stack/inner");

    let (estate, rounds) = with_others(&folder, Some(&catalog));
    assert_eq!(rounds, 1, "one repository at one commit is asked for once");
    for (name, cidr) in [(at("vpc"), "1"), (inner.clone(), "2")] {
        assert!(unit(&estate, &name).is_exact(), "{name}: {:?}", unit(&estate, &name).inexact);
        assert_eq!(inputs(&resolve(&estate, &name)), format!("cidr = \"{cidr}\""));
    }
    // A tag may be another commit tomorrow, and then the same files here would mean something else.
    let moving = unit(&estate, &at("moving")).inexact[0].clone();
    assert!(moving.notes().iter().any(|note| note.contains("all 40 digits")), "{moving:?}");
    assert_eq!(stack(&estate, "live/dev").problems[0].code(), Code::FILE_MISSING);

    let before = unit(&estate, &inner).input_digest;
    catalog.write("units/vpc/terragrunt.hcl", "terraform {\n  source = \"${get_repo_root()}/modules//app\"\n}\n");
    let (estate, _) = with_others(&folder, Some(&catalog));
    assert_ne!(unit(&estate, &inner).input_digest, before, "what is in the other repository decides");

    let (estate, _) = with_others(&folder, None);
    let refused = unit(&estate, &at("vpc")).inexact[0].clone();
    assert!(refused.notes().iter().any(|note| note.contains("not from there")), "{refused:?}");
}
