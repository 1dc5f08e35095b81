//! What `units` keeps between two calls: it is used, it is where it should be, and nothing depends on it.

use std::path::{Path, PathBuf};

use crate::program::run_with;

fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("root.hcl", "inputs = {\n  stage = \"dev\"\n}\n"),
        ("dev/vpc/terragrunt.hcl", "include {\n  path = find_in_parent_folders(\"root.hcl\")\n}\n"),
        ("dev/vpc/main.tf", ""),
    ] {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn list(repository: &Path, more: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let mut arguments = vec!["units", "list", "--json", "--repo", repository.to_str().unwrap()];
    arguments.extend(more);
    let said = run_with(&arguments, variables);
    (said.code, said.out)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let files = entries.map(|entry| entry.unwrap().path());
    files.flat_map(|path| if path.is_dir() { self::files(&path) } else { vec![path] }).collect()
}

#[test]
fn results_are_kept_where_caches_are_and_are_no_more_than_that() {
    let (repository, home) = (repository(), tempfile::tempdir().unwrap());
    let (home, caches) = (home.path().to_str().unwrap(), home.path().join("caches"));
    let first = list(repository.path(), &[], &[("HOME", home)]);
    assert_eq!(first.0, 0);
    let kept = files(&Path::new(home).join(".cache/portcullis/estate"));
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(list(repository.path(), &[], &[("HOME", home)]), first);
    // Another repository has its own; damage is noticed.
    let other = self::repository();
    assert_eq!(list(other.path(), &[], &[("HOME", home)]), first);
    assert_eq!(files(&Path::new(home).join(".cache")).len(), 2);
    for file in files(&Path::new(home).join(".cache")) {
        std::fs::write(file, "portcullis estate").unwrap();
    }
    assert_eq!(list(repository.path(), &[], &[("HOME", home)]), first);
    let variables = [("HOME", home), ("XDG_CACHE_HOME", caches.to_str().unwrap())];
    assert_eq!(list(repository.path(), &[], &variables), first);
    assert_eq!(files(&caches.join("portcullis/estate")).len(), 1);
}

#[test]
fn the_folder_can_be_named_or_there_is_none() {
    let (repository, cache) = (repository(), tempfile::tempdir().unwrap());
    let named = cache.path().join("here");
    let named = named.to_str().unwrap();
    let first = list(repository.path(), &["--cache", named], &[]);
    assert_eq!(files(Path::new(named)).len(), 1);
    assert_eq!(list(repository.path(), &[], &[("PORTCULLIS_CACHE", named)]), first);
    let home = cache.path().join("home");
    let variables = [("HOME", home.to_str().unwrap()), ("PORTCULLIS_CACHE", "off")];
    assert_eq!(list(repository.path(), &[], &variables), first);
    assert!(!home.exists(), "nothing is kept");
    assert!(!repository.path().join("off").exists());
    // A folder that was asked for and cannot be made is told of; one that nobody asked for is not.
    let file = repository.path().join("root.hcl");
    assert_ne!(list(repository.path(), &["--cache", file.to_str().unwrap()], &[]).0, 0);
    assert_eq!(list(repository.path(), &[], &[("HOME", file.to_str().unwrap())]), first);
}
