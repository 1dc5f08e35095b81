//! A definition as files in, an account or faults out. `invalid/` is a corpus: each file is a definition that
//! must be refused, with the code that its first line names.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on stops")]
#![allow(missing_docs, reason = "nobody but these tests uses it")]

mod bad_input;
mod decisions;
mod example;
mod extract;
mod imports;
mod invalid;
mod layers;
mod network;
mod parameters;
mod random;
mod rights;

use std::collections::BTreeMap;

use portcullis_fleet::{Account, Fleet};
use portcullis_model::{AccountName, Code, Fault};

/// A definition that is right, for cases that add to it.
pub const VALID: &str = r#"
fleet "acme" {
  repository "live" {
    url       = "https://git.example/acme/live"
    protected = ["main"]
  }
}
identity "github" {
  issuer = "https://token.example"
}
principal "ci" {
  identity = "github"
  claims   = { repository_id = "1" }
}
principal "merge" {
  identity = "github"
  claims   = { repository_id = "1", ref = "refs/heads/main" }
}
"#;

pub fn load(files: &[(&str, &str)]) -> Result<Fleet, Vec<Fault>> {
    let files: BTreeMap<String, Vec<u8>> =
        files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
    Fleet::load(&|path| Ok(files.get(path).cloned()))
}

/// Loads [`VALID`] and more.
pub fn with(more: &str) -> Result<Fleet, Vec<Fault>> {
    load(&[("portcullis.hcl", &format!("{VALID}{more}"))])
}

pub fn account(fleet: &Fleet, name: &str) -> Account {
    fleet.account(&AccountName::parse(name).unwrap()).unwrap()
}

pub fn codes(faults: &[Fault]) -> Vec<Code> {
    faults.iter().map(Fault::code).collect()
}
