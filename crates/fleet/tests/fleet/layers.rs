//! How imports, profiles and accounts come together.

use portcullis_fleet::{Driver, Fleet, Limits, Program};
use portcullis_model::record::Unreviewed;
use portcullis_model::{AccountName, ActionKind, Code};

use crate::{VALID, account, codes, load, with};

const ONE: &str = r#"
account "dev" {
  id = "1"
  action "plan" {
    allow = ["ci"]
  }
}
"#;

#[test]
fn what_is_not_stated_has_a_default() {
    let dev = account(&with(ONE).unwrap(), "dev");
    assert_eq!((dev.path.as_str(), dev.fleet.as_str()), ("dev", "acme"));
    assert_eq!(dev.limits, Limits::default());
    assert_eq!(dev.tools.driver, Driver::Native);
    assert!(dev.tools.tool.is_none() && dev.env.is_empty() && dev.regions.is_empty());
    assert!(!dev.actions.contains_key(&ActionKind::Apply), "what is not defined does not exist");
    assert_eq!(dev.identities["github"].audience, "portcullis:acme/dev");
    assert_eq!(dev.repository.protected[0].as_str(), "main");
}

#[test]
fn imported_profiles_are_below_local_ones_and_the_account_is_on_top() {
    let imported = r#"
profile "p" {
  regions = ["imported"]
  root_modules = ["**/stacks/*"]
  env     = { A = "imported", B = "imported", C = "imported", D = "imported" }
  limits {
    parallel = 7
    pids     = 77
  }
}
profile "q" {
  env = { E = "imported q", A = "imported q" }
}
"#;
    let local = format!(
        "{VALID}{}",
        r#"
import "p" {
  path = "shared/p.hcl"
}
principal "lead" {
  identity = "github"
  claims   = { actor_id = "7" }
}
profile "p" {
  env = { B = "local", C = "local" }
  action "apply" {
    allow      = ["merge"]
    approvers  = ["ci"]
    unreviewed = "hold"
  }
}
account "dev" {
  id       = "1"
  profiles = ["p", "q"]
  env      = { C = "account", D = null }
  limits {
    parallel = 3
  }
  action "apply" {
    approvers = ["lead"]
  }
}
"#
    );
    let fleet = load(&[("portcullis.hcl", &local), ("shared/p.hcl", imported)]).unwrap();
    let dev = account(&fleet, "dev");
    let env: Vec<String> = dev.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["A=imported q", "B=local", "C=account", "E=imported q"]);
    assert_eq!((dev.limits.parallel, dev.limits.pids), (3, 77));
    assert_eq!(dev.regions, ["imported"]);
    assert_eq!(dev.root_modules, ["**/stacks/*"]);
    let apply = &dev.actions[&ActionKind::Apply];
    let approvers: Vec<&str> = apply.approvers.iter().map(|name| name.as_str()).collect();
    assert_eq!(approvers, ["lead"], "lists are replaced, not joined");
    assert_eq!((apply.allow.len(), apply.unreviewed), (1, Unreviewed::Hold));
}

#[test]
fn profiles_use_profiles_and_each_is_merged_once() {
    let fleet = with(
        r#"
profile "base" {
  env = { X = "base", Y = "base" }
  action "plan" {
    allow = ["ci"]
  }
}
profile "a" {
  profiles = ["base"]
  env      = { X = "a" }
}
profile "b" {
  profiles = ["base"]
  env      = { Y = "b" }
}
account "dev" {
  id       = "1"
  profiles = ["a", "b"]
}
"#,
    )
    .unwrap();
    let env = account(&fleet, "dev").env;
    assert_eq!((env["X"].as_str(), env["Y"].as_str()), ("a", "b"), "`base` must not come again over `a`");
}

#[test]
fn a_layer_changes_the_tool() {
    let digest = "ab".repeat(32);
    let more = format!(
        r#"
profile "tofu" {{
  tools {{
    tofu = {{ version = "1.10.0", sha256 = "{digest}" }}
  }}
  action "plan" {{
    allow = ["ci"]
  }}
}}
account "dev" {{
  id       = "1"
  profiles = ["tofu"]
}}
account "old" {{
  id       = "2"
  profiles = ["tofu"]
  tools {{
    driver    = "terragrunt"
    tofu      = null
    terraform = {{ version = "1.11.4" }}
  }}
}}
"#
    );
    let fleet = with(&more).unwrap();
    let tool = account(&fleet, "dev").tools.tool.unwrap();
    assert_eq!((tool.program, tool.version.as_str()), (Program::Tofu, "1.10.0"));
    assert_eq!(tool.sha256.unwrap().to_string(), digest);
    let old = account(&fleet, "old").tools;
    assert_eq!((old.driver, old.tool.unwrap().program), (Driver::Terragrunt, Program::Terraform));
}

#[test]
fn locals_and_functions_are_evaluated_where_they_are() {
    let fleet = with(
        r#"
locals {
  number = "0${local.tail}"
  tail   = "42"
  both   = concat(["ci"], ["merge"])
}
account "dev" {
  id = local.number
  action "plan" {
    allow = local.both
  }
}
"#,
    )
    .unwrap();
    let dev = account(&fleet, "dev");
    assert_eq!(dev.id, "042");
    assert_eq!(dev.actions[&ActionKind::Plan].allow.len(), 2);
}

#[test]
fn locals_of_one_file_are_not_seen_in_another() {
    let root = format!("{VALID}{ONE}locals {{\n  x = \"1\"\n}}\nimport \"p\" {{\n  path = \"p.hcl\"\n}}\n");
    let faults =
        load(&[("portcullis.hcl", &root), ("p.hcl", "profile \"p\" {\n  regions = [local.x]\n}\n")]).unwrap_err();
    assert_eq!(codes(&faults), [Code::FLEET_UNKNOWN_NAME]);
    assert_eq!(faults[0].place().unwrap().file, "p.hcl");
}

#[test]
fn imports_may_be_nested() {
    let root = format!("{VALID}{ONE}import \"a\" {{\n  path = \"a.hcl\"\n}}\n");
    let a = "import \"b\" {\n  path = \"b.hcl\"\n}\nprofile \"a\" {}\n";
    let b = "profile \"b\" {}\n";
    load(&[("portcullis.hcl", &root), ("a.hcl", a), ("b.hcl", b)]).unwrap();
}

#[test]
fn an_import_cannot_define_an_account() {
    let root = format!("{VALID}{ONE}import \"a\" {{\n  path = \"a.hcl\"\n}}\n");
    let faults = load(&[("portcullis.hcl", &root), ("a.hcl", "account \"x\" {\n  id = \"2\"\n}\n")]).unwrap_err();
    assert_eq!(codes(&faults), [Code::FLEET_UNKNOWN_BLOCK]);
}

#[test]
fn two_imports_that_define_one_profile_are_refused() {
    let root =
        format!("{VALID}{ONE}import \"a\" {{\n  path = \"a.hcl\"\n}}\nimport \"b\" {{\n  path = \"b.hcl\"\n}}\n");
    let faults = load(&[("portcullis.hcl", &root), ("a.hcl", "profile \"p\" {}\n"), ("b.hcl", "profile \"p\" {}\n")])
        .unwrap_err();
    assert_eq!(codes(&faults), [Code::FLEET_DUPLICATE]);
}

#[test]
fn audiences_differ_between_accounts() {
    let own = VALID.replace("https://token.example\"", "https://token.example\"\n  audience = \"runner-{account}\"");
    let dev = account(&load(&[("portcullis.hcl", &format!("{own}{ONE}"))]).unwrap(), "dev");
    assert_eq!(dev.identities["github"].audience, "runner-dev");
}

#[test]
fn an_unknown_account_is_told_what_there_is() {
    let fault = with(ONE).unwrap().account(&AccountName::parse("prod").unwrap()).unwrap_err();
    assert_eq!(fault.code(), Code::FLEET_ACCOUNT_UNKNOWN);
    assert!(fault.remedy_text().unwrap().contains("`dev`"));
}

#[test]
fn no_file_is_a_fault_of_its_own_and_a_failed_read_is_passed_on() {
    assert_eq!(codes(&load(&[]).unwrap_err()), [Code::FLEET_MISSING]);
    let broken = Fleet::load(&|_| Err(portcullis_model::Fault::new(Code::GIT_OBJECT, "gone"))).unwrap_err();
    assert_eq!(codes(&broken), [Code::GIT_OBJECT]);
}

#[test]
fn every_fault_is_found_in_one_go() {
    let faults = with(
        r#"
account "dev" {
  id   = "1"
  oops = true
}
account "stage" {
}
principal "x" {
  identity = "nobody"
  claims   = { a = "b" }
}
"#,
    )
    .unwrap_err();
    let found = codes(&faults);
    for code in [Code::FLEET_UNKNOWN_BLOCK, Code::FLEET_ACCOUNT_WITHOUT_ID, Code::FLEET_UNKNOWN_NAME] {
        assert!(found.contains(&code), "{code} is not in {found:?}");
    }
}

#[test]
fn a_file_that_is_too_large_or_not_text_is_refused() {
    let large = format!("{VALID}{ONE}# {}\n", "x".repeat(300 << 10));
    assert_eq!(codes(&load(&[("portcullis.hcl", &large)]).unwrap_err()), [Code::FLEET_SYNTAX]);
    let faults = Fleet::load(&|_| Ok(Some(vec![0xff, 0xfe]))).unwrap_err();
    assert_eq!(codes(&faults), [Code::FLEET_SYNTAX]);
}

#[test]
fn an_account_that_lets_nobody_in_is_refused() {
    let root = format!("{VALID}account \"alone\" {{\n  id = \"9\"\n}}\n");
    let faults = load(&[("portcullis.hcl", &root)]).unwrap_err();
    assert!(codes(&faults).contains(&Code::FLEET_LOCKS_OUT), "{faults:?}");
}

#[test]
fn modules_are_fetched_from_nowhere_unless_a_layer_says_so() {
    assert!(account(&with(ONE).unwrap(), "dev").sources.is_empty());
    let base = VALID.replace(
        "fleet \"acme\" {",
        "fleet \"acme\" {\n  sources {\n    allow = [\"github.com/acme/*\", \"registry.terraform.io/*/*/*\"]\n  }",
    );
    let two = r#"
account "prod" {
  id = "2"
  sources {
    allow = []
  }
  action "plan" {
    allow = ["ci"]
  }
}
"#;
    let fleet = load(&[("portcullis.hcl", &format!("{base}{ONE}{two}"))]).unwrap();
    let allowed: Vec<_> = account(&fleet, "dev").sources.iter().map(ToString::to_string).collect();
    assert_eq!(allowed, ["github.com/acme/*", "registry.terraform.io/*/*/*"]);
    assert!(account(&fleet, "prod").sources.is_empty(), "a list takes the place of the one below");
}
