//! Git objects and a plain folder give the same.

use std::sync::Arc;

use portcullis_estate::{DirSource, Entry, Estate, GitSource, Settings, Source};
use portcullis_model::Code;
use portcullis_testkit::TestRepo;

#[test]
fn a_commit_reads_as_its_checkout_does() {
    let repo = TestRepo::new();
    repo.write("dev/vpc/terragrunt.hcl", "terraform {\n  source = \"../../modules//vpc\"\n}\n");
    repo.write("modules/vpc/main.tf", "resource \"terraform_data\" \"x\" {}\n");
    repo.write_executable("modules/vpc/run.sh", "#!/bin/sh\n");
    repo.symlink("modules/vpc/link.tf", "main.tf");
    repo.write("a-b/x", "1");
    repo.write("a/x", "1");
    let commit = repo.commit("first");
    let git = GitSource::open(&repo.path().join(".git"), &commit).unwrap();
    let folder = DirSource::open(&repo.path()).unwrap();
    for path in [".", "a", "modules/vpc", "modules", "nope", "a/x/y"] {
        assert_eq!(git.list(path).unwrap(), folder.list(path).unwrap(), "{path}");
    }
    for path in
        [".", "a", "a/x", "modules/vpc/run.sh", "modules/vpc/link.tf", "modules/vpc/link.tf/x", "nope", ".git", "../x"]
    {
        assert_eq!(git.read(path).unwrap(), folder.read(path).unwrap(), "{path}");
    }
    assert!(matches!(git.read("modules/vpc/run.sh").unwrap(), Some(Entry::File { executable: true, .. })));
    let digest = |source: Arc<dyn Source>| {
        let estate = Estate::load(source, &Settings::default()).unwrap();
        crate::unit(&estate, "dev/vpc").input_digest
    };
    assert_eq!(digest(Arc::new(git)), digest(Arc::new(folder)));
}

#[test]
fn a_later_change_of_the_checkout_does_not_reach_a_commit() {
    let repo = TestRepo::new();
    repo.write("a/x", "before");
    let commit = repo.commit("first");
    repo.write("a/x", "after");
    let git = GitSource::open(&repo.path().join(".git"), &commit).unwrap();
    let Some(Entry::File { bytes, .. }) = git.read("a/x").unwrap() else { panic!("no file") };
    assert_eq!(&*bytes, b"before");
}

#[test]
fn a_commit_that_is_not_there_is_a_fault() {
    let repo = TestRepo::new();
    repo.write("x", "");
    repo.commit("first");
    let missing = portcullis_model::CommitId::parse(&"1".repeat(40)).unwrap();
    assert_eq!(GitSource::open(&repo.path().join(".git"), &missing).err().unwrap().code(), Code::GIT_OBJECT);
    assert_eq!(GitSource::open(&repo.path().join("none"), &missing).err().unwrap().code(), Code::GIT_OBJECT);
}
