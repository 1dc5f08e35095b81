//! What a fault tells the reader to do, and which faults are found together.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use portcullis_fleet::Fleet;
use portcullis_model::{Code, Fault};

const BASE: &str = r#"
fleet "acme" {
  repository "live" {
    url       = "https://git.example/acme/live"
    protected = ["main"]
  }
}
identity "github" {
  issuer = "https://token.example"
}
principal "live-ci" {
  identity = "github"
  claims   = { repository_id = "1" }
}
"#;
const DEV: &str = r#"
account "dev" {
  id = "1"
  action "plan" {
    allow = ["live-ci"]
  }
}
"#;

fn load(files: &[(&str, &str)], more: &str) -> Result<Fleet, Vec<Fault>> {
    let root = format!("{BASE}{more}");
    Fleet::load(&|path| {
        let imported = files.iter().find(|(name, _)| *name == path).map(|(_, text)| text.as_bytes().to_vec());
        Ok(if path == "portcullis.hcl" { Some(root.clone().into_bytes()) } else { imported })
    })
}

fn import(name: &str) -> String {
    format!("import \"{name}\" {{\n  path = \"{name}.hcl\"\n}}\n")
}

#[test]
fn a_misspelt_name_is_answered_with_the_right_one() {
    for (more, meant) in [
        ("acount \"x\" {\n}\n", "account"),
        (
            "account \"x\" {\n  id = \"2\"\n  profile = []\n  action \"plan\" {\n    alow = [\"live-ci\"]\n  }\n}\n",
            "allow",
        ),
        ("account \"x\" {\n  id = \"2\"\n  action \"plan\" {\n    allow = [\"live-cl\"]\n  }\n}\n", "live-ci"),
        ("profile \"standard\" {\n}\nprofile \"x\" {\n  profiles = [\"standrad\"]\n}\n", "standard"),
        ("principal \"x\" {\n  identity = \"gihtub\"\n  claims = { a = \"1\" }\n}\n", "github"),
    ] {
        let faults = load(&[], &format!("{DEV}{more}")).unwrap_err();
        let wanted = format!("Did you mean `{meant}`? ");
        let remedies: Vec<_> = faults.iter().map(|fault| fault.remedy_text().unwrap_or_default()).collect();
        assert!(remedies.iter().any(|remedy| remedy.starts_with(&wanted)), "{meant}: {remedies:?}");
    }
}

#[test]
fn a_cycle_of_imports_is_refused_and_named() {
    let (a, b) = (import("b"), import("a"));
    let faults = load(&[("a.hcl", &a), ("b.hcl", &b)], &format!("{DEV}{}", import("a"))).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].code(), Code::FLEET_IMPORT);
    assert_eq!(faults[0].place().unwrap().file, "b.hcl");
    assert_eq!(faults[0].notes(), ["a.hcl → b.hcl → a.hcl"]);
}

#[test]
fn two_files_may_import_a_third() {
    let third = import("third");
    let files = [("a.hcl", third.as_str()), ("b.hcl", &third), ("third.hcl", "profile \"p\" {}\n")];
    load(&files, &format!("{DEV}{}{}", import("a"), import("b"))).unwrap();
}

#[test]
fn every_broken_part_of_an_account_is_found_in_one_go() {
    let faults = load(
        &[],
        r#"
account "dev" {
  path    = "../x"
  regions = "us-east-1"
  env     = ["x"]
  limits {
    parallel = 0
  }
  action "plan" {
    allow = ["nobody"]
  }
}
"#,
    )
    .unwrap_err();
    for code in [Code::FLEET_ACCOUNT_WITHOUT_ID, Code::FLEET_UNKNOWN_NAME] {
        assert_eq!(faults.iter().filter(|fault| fault.code() == code).count(), 1, "{code} in {faults:?}");
    }
    assert_eq!(faults.iter().filter(|fault| fault.code() == Code::FLEET_TYPE).count(), 4, "{faults:?}");
    assert!(faults.iter().all(|fault| fault.place().is_some() && fault.remedy_text().is_some()), "{faults:?}");
}

#[test]
fn bots_and_loopback_with_a_port_are_taken() {
    let more = r#"
identity "test" {
  issuer   = "http://[::1]:4000"
  jwks_uri = "http://127.0.0.1:4000/keys"
}
principal "bot" {
  identity = "test"
  claims   = { actor = "dependabot[bot]" }
}
"#;
    load(&[], &format!("{DEV}{more}")).unwrap();
}
