//! Repositories as git and people leave them: submodules, sparse and shallow clones, names that clash or say odd
//! things, very many includes.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use portcullis_estate::{Checkout, DirSource, Estate, Settings, Source};
use portcullis_model::{Code, Fault};
use portcullis_testkit::TestRepo;

use crate::{Folder, faults, unit};

fn load(source: impl Source + 'static) -> Estate {
    Estate::load(Arc::new(source), &Settings::default()).unwrap()
}

/// The estate of the work tree, and of its last commit.
fn both(path: &Path) -> [Estate; 2] {
    let checkout = Checkout::open(path).unwrap();
    [load(checkout.files().unwrap()), load(checkout.files_at(&checkout.commit("HEAD").unwrap()).unwrap())]
}

#[test]
fn what_lies_in_a_submodule_is_told_of_as_such() {
    let other = TestRepo::new();
    other.write("m/main.tf", "");
    other.write("x.hcl", "");
    other.write("unit/terragrunt.hcl", "");
    other.write("unit/main.tf", "");
    other.commit("first");
    other.push();
    let repo = TestRepo::new();
    repo.write("u/terragrunt.hcl", "terraform {\n  source = \"../vendor//m\"\n}\n");
    repo.write("v/terragrunt.hcl", "include {\n  path = \"../vendor/x.hcl\"\n}\n");
    repo.write("v/main.tf", "");
    repo.write("w/terragrunt.hcl", "inputs = {\n  a = file(\"../vendor/x.hcl\")\n}\n");
    repo.write("w/main.tf", "");
    repo.write("fine/terragrunt.hcl", "");
    repo.write("fine/main.tf", "");
    repo.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &other.url(), "vendor"]);
    repo.commit("first");
    let [files, head] = both(&repo.path());
    for name in ["u", "v", "w"] {
        let fault = &faults(&head, name)[0];
        let said = format!("{fault} {:?}", fault.notes());
        assert!(said.contains("vendor is a submodule"), "{name}: {said}");
        // Where it is checked out, it is a folder.
        unit(&files, name);
    }
    unit(&head, "fine");
    assert_eq!((head.units().len(), files.units().len()), (4, 5));
}

#[test]
fn a_shallow_clone_has_its_files_and_says_when_history_is_missing() {
    let repo = TestRepo::new();
    for text in ["1", "2", "3"] {
        repo.write("u/terragrunt.hcl", format!("inputs = {{\n  a = {text}\n}}\n"));
        repo.write("u/main.tf", "");
        repo.commit(text);
    }
    repo.push();
    let clones = tempfile::tempdir().unwrap();
    let path = clones.path().join("shallow");
    repo.git(&["clone", "--quiet", "--depth", "1", &repo.url(), path.to_str().unwrap()]);
    let [files, head] = both(&path);
    assert_eq!(unit(&files, "u").input_digest, unit(&head, "u").input_digest);
    let checkout = Checkout::open(&path).unwrap();
    let fault = checkout.range("HEAD~1..HEAD").unwrap_err();
    assert!([Code::REF_UNKNOWN, Code::GIT_OBJECT].contains(&fault.code()), "{fault}");
    assert!(fault.remedy_text().is_some(), "{fault:?}");
}

#[test]
fn a_clone_without_blobs_says_which_object_is_missing() {
    let repo = TestRepo::new();
    repo.write("u/terragrunt.hcl", "inputs = {\n  a = 1\n}\n");
    repo.write("u/main.tf", "");
    repo.commit("first");
    repo.push();
    repo.git_remote(&["config", "uploadpack.allowFilter", "true"]);
    let clones = tempfile::tempdir().unwrap();
    let path = clones.path().join("partial");
    let to = path.to_str().unwrap().to_owned();
    repo.git(&["clone", "--quiet", "--no-checkout", "--filter=blob:none", &repo.url(), &to]);
    let checkout = Checkout::open(&path).unwrap();
    let source = checkout.files_at(&checkout.commit("HEAD").unwrap()).unwrap();
    let estate = load(source);
    let fault = &faults(&estate, "u")[0];
    assert_eq!(fault.code(), Code::GIT_OBJECT, "{fault}");
    assert!(fault.remedy_text().is_some());
}

#[test]
fn a_sparse_checkout_has_all_units_in_its_revision_and_some_in_its_folder() {
    let repo = TestRepo::new();
    for name in ["a", "b"] {
        repo.write(&format!("{name}/u/terragrunt.hcl"), "include {\n  path = \"../../b/shared.hcl\"\n}\n");
        repo.write(&format!("{name}/u/main.tf"), "");
    }
    repo.write("b/shared.hcl", "");
    repo.commit("first");
    repo.git(&["sparse-checkout", "set", "a"]);
    let [files, head] = both(&repo.path());
    assert_eq!(head.units().len(), 2);
    unit(&head, "a/u");
    assert_eq!(files.units().len(), 1);
    assert_eq!(faults(&files, "a/u")[0].code(), Code::INCLUDE_MISSING);
}

#[test]
fn names_that_differ_in_case_only_are_different_names() {
    let repo = TestRepo::new();
    for name in ["dev/App", "dev/app", "Dev/app"] {
        repo.write(&format!("{name}/terragrunt.hcl"), format!("inputs = {{\n  a = \"{name}\"\n}}\n"));
        repo.write(&format!("{name}/main.tf"), "");
    }
    repo.write("dev/none/Terragrunt.hcl", "nonsense");
    repo.write("dev/none/main.tf", "");
    repo.commit("first");
    for estate in both(&repo.path()) {
        let names: Vec<&str> = estate.units().keys().map(|path| path.as_str()).collect();
        assert_eq!(names, ["Dev/app", "dev/App", "dev/app"]);
        let digests: std::collections::BTreeSet<_> =
            names.iter().map(|name| unit(&estate, name).input_digest).collect();
        assert_eq!(digests.len(), 3);
    }
}

#[test]
fn odd_names_are_units_or_faults_and_never_something_else() {
    let repo = TestRepo::new();
    let fine = [
        "a b",
        "it's",
        "quo\"te",
        "back`tick",
        "$(x)",
        "${x}",
        "-rf",
        "a;b",
        "日本",
        "e\u{301}",
        "\u{1f512}",
        "a..b",
        "%2e%2e",
        "#1",
    ];
    let odd = ["new\nline", "tab\there", "bell\u{7}", "back\\slash", "\u{202e}desrever"];
    for name in fine.iter().chain(&odd) {
        repo.write(&format!("x/{name}/terragrunt.hcl"), "inputs = {\n  d = get_terragrunt_dir()\n}\n");
        repo.write(&format!("x/{name}/main.tf"), "");
    }
    let bytes = repo.path().join("x").join(std::ffi::OsStr::from_bytes(b"latin-\xe9"));
    std::fs::create_dir_all(&bytes).unwrap();
    std::fs::write(bytes.join("terragrunt.hcl"), "").unwrap();
    repo.write(
        "fine/terragrunt.hcl",
        "dependencies {\n  paths = [\"../x/a b\", \"../x/quo\\\"te\", \"../x/日本\"]\n}\n",
    );
    repo.write("fine/main.tf", "");
    repo.commit("first");
    let mut shown = Vec::new();
    for estate in both(&repo.path()) {
        let known: Vec<String> = estate.units().keys().map(ToString::to_string).collect();
        for path in &known {
            assert!(!path.contains(|c: char| c.is_control()), "{path:?}");
        }
        assert_eq!(unit(&estate, "fine").dependencies.len(), 3);
        let told: Vec<&Fault> = estate.faults().iter().collect();
        assert!(told.iter().all(|fault| fault.remedy_text().is_some() && !fault.message().contains('\n')), "{told:?}");
        // Every folder is one or the other; none is left out without a word.
        assert_eq!(known.len() - 1 + told.len(), fine.len() + odd.len() + 1, "{known:?} {told:?}");
        shown.push(known);
    }
    assert_eq!(shown[0], shown[1]);
}

#[test]
fn ten_thousand_includes_are_refused_before_they_cost_anything() {
    let folder = Folder::new(&[("u/main.tf", ""), ("fine/terragrunt.hcl", ""), ("fine/main.tf", "")]);
    let mut text = String::new();
    for index in 0..10_000 {
        folder.write(&format!("parts/{index}.hcl"), &format!("inputs = {{\n  i{index} = {index}\n}}\n"));
        let _ = writeln!(text, "include \"i{index}\" {{\n  path = \"../parts/{index}.hcl\"\n}}");
    }
    folder.write("u/terragrunt.hcl", &text);
    let estate = load(DirSource::open(folder.path()).unwrap());
    unit(&estate, "fine");
    let fault = &faults(&estate, "u")[0];
    assert_eq!((fault.code(), fault.place().unwrap().line), (Code::HCL_TOO_LARGE, 256 * 3 + 1), "{fault}");
}

#[test]
fn a_thousand_units_of_one_broken_file_are_told_of_by_one_fault() {
    let folder = Folder::new(&[("shared.hcl", "inputs = {\n"), ("fine/terragrunt.hcl", ""), ("fine/main.tf", "")]);
    for index in 0..1_000 {
        folder.write(&format!("u{index}/terragrunt.hcl"), "include {\n  path = \"../shared.hcl\"\n}\n");
        folder.write(&format!("u{index}/main.tf"), "");
    }
    let estate = folder.load();
    unit(&estate, "fine");
    let told: std::collections::BTreeSet<String> =
        estate.units().values().filter_map(|unit| unit.as_ref().err()).map(|faults| faults[0].to_string()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told.first().unwrap().starts_with("shared.hcl:1"), "{told:?}");
}
