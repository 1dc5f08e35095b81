//! `portcullis units …`, as a person runs it: real repositories, the real program, what it prints.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails loudly")]

mod compare;
mod look;
mod schemas;

use std::path::Path;

use portcullis_testkit::TestRepo;
use serde_json::Value as Json;

/// What the program printed and how it ended.
struct Ran {
    out: String,
    err: String,
    code: i32,
}

impl Ran {
    /// What it printed as JSON, when it ended well.
    #[track_caller]
    fn json(&self) -> Json {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// What it printed, when it ended well.
    #[track_caller]
    fn text(&self) -> &str {
        assert_eq!(self.code, 0, "{}", self.err);
        &self.out
    }
}

/// Runs `portcullis units ARGUMENTS` in a folder.
#[allow(clippy::disallowed_methods, reason = "the test starts the program under test")]
fn units(folder: &Path, arguments: &[&str]) -> Ran {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .arg("units")
        .args(arguments)
        .current_dir(folder)
        .env("SECRET_OF_THIS_MACHINE", "hunter2")
        .output()
        .unwrap();
    Ran {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}

/// A repository with these files, committed.
fn repository(files: &[(&str, &str)]) -> TestRepo {
    let repo = TestRepo::new();
    files.iter().for_each(|(path, text)| repo.write(path, text));
    repo.commit("first");
    repo
}

/// Three units: `app` depends on `db`, both include `root.hcl`; `old` uses what is not known without a fleet.
const SMALL: &[(&str, &str)] = &[
    ("modules/m/main.tf", "variable \"name\" {}\n"),
    (
        "root.hcl",
        "locals {\n  region = \"eu-west-1\"\n}\ninputs = {\n  region = local.region\n}\n\
         remote_state {\n  backend = \"s3\"\n  config = {\n    encrypt = false\n    key = \"${path_relative_to_include()}/state\"\n  }\n}\n",
    ),
    (
        "live/db/terragrunt.hcl",
        "include \"root\" {\n  path = find_in_parent_folders(\"root.hcl\")\n}\n\
         terraform {\n  source = \"../../modules/m\"\n}\ninputs = {\n  name = \"db\"\n}\n",
    ),
    (
        "live/app/terragrunt.hcl",
        "include \"root\" {\n  path = find_in_parent_folders(\"root.hcl\")\n}\n\
         terraform {\n  source = \"../../modules/m\"\n}\ndependency \"db\" {\n  config_path = \"../db\"\n}\n\
         inputs = {\n  name = \"app-${get_env(\"STAGE\", \"none\")}\"\n  url = dependency.db.outputs.url\n}\n",
    ),
    (
        "live/old/terragrunt.hcl",
        "terraform {\n  source = \"../../modules/m\"\n}\ninputs = {\n  name = get_aws_account_id()\n}\n",
    ),
];
