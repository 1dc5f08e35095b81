//! Units that the native driver refuses before anything runs: where their state is, and what they are made of.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::sync::Arc;

use portcullis_driver::native::{Command, Prepared};
use portcullis_driver::{Limits, Tool};
use portcullis_estate::{DirSource, Estate, Settings};
use portcullis_model::{Code, UnitPath};

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
    Prepared::new(&*source, &unit, &tool, Limits::default(), Command::Plan, None).err().map(|fault| {
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
