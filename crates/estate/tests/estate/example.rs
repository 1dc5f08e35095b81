//! The example estate, in full: every unit, from git objects and from a plain folder.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis_estate::{DirSource, Estate, GitSource, Settings};
use portcullis_testkit::TestRepo;

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/infrastructure-live")
}

#[test]
fn every_unit_evaluates_exactly_and_alike_from_both_sources() {
    let repo = TestRepo::from_dir(&example());
    let settings = Settings::default();
    let git = GitSource::open(&repo.remote(), &repo.head()).unwrap();
    let from_git = Estate::load(Arc::new(git), &settings).unwrap();
    let from_folder = Estate::load(Arc::new(DirSource::open(&example()).unwrap()), &settings).unwrap();
    assert!(from_git.units().len() >= 45, "{} units", from_git.units().len());
    assert_eq!(from_git.order(), from_folder.order());
    for name in from_git.units().keys() {
        let (git, folder) = (crate::unit(&from_git, name.as_str()), crate::unit(&from_folder, name.as_str()));
        assert_eq!(git.input_digest, folder.input_digest, "{name}");
        assert!(git.is_exact(), "{name}: {:?}", git.inexact);
    }
}

#[test]
fn every_unit_resolves_for_a_plan_with_mocks_alone() {
    let estate = Estate::load(Arc::new(DirSource::open(&example()).unwrap()), &Settings::default()).unwrap();
    assert!(estate.units().len() >= 45, "{} units", estate.units().len());
    for name in estate.units().keys() {
        let resolved = crate::resolve(&estate, name.as_str());
        assert!(resolved.remote_state.is_some(), "{name} has no state");
    }
}
