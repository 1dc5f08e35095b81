//! `.terragrunt-excludes`.

use portcullis_estate::{Settings, affected, because};
use portcullis_model::Code;

use super::{Folder, unit};

fn folder() -> Folder {
    let folder = Folder::new(&[(".terragrunt-excludes", "# not yet\n./dev/web\nlegacy\n")]);
    for unit in ["dev/web", "dev/db", "dev/old/legacy"] {
        folder.write(&format!("{unit}/terragrunt.hcl"), "");
        folder.write(&format!("{unit}/main.tf"), "");
    }
    folder
}

#[test]
fn units_are_left_out_and_stay_units() {
    let estate = folder().load();
    let excluded: Vec<String> = estate
        .units()
        .values()
        .flatten()
        .filter_map(|unit| unit.exclude.as_ref().map(|exclude| format!("{} {}", unit.path, exclude.place)))
        .collect();
    assert_eq!(excluded, ["dev/old/legacy .terragrunt-excludes:3:1", "dev/web .terragrunt-excludes:2:1"]);
    assert_eq!(estate.units().len(), 3);
    let web = unit(&estate, "dev/web").exclude.clone().unwrap();
    assert!(web.covers("plan") && web.covers("apply") && web.covers("destroy"));
    assert!(!web.prevents("plan"));
}

#[test]
fn what_depends_on_a_unit_is_left_out_with_it() {
    let folder = Folder::new(&[]);
    for (unit, on) in [("a", ""), ("b", "a"), ("c", "b"), ("d", "")] {
        let text =
            if on.is_empty() { String::new() } else { format!("dependencies {{\n  paths = [\"../{on}\"]\n}}\n") };
        folder.write(&format!("{unit}/terragrunt.hcl"), &text);
        folder.write(&format!("{unit}/main.tf"), "");
    }
    let excluded = |line: &str| -> String {
        folder.write(".terragrunt-excludes", line);
        let estate = folder.load();
        assert!(estate.faults().is_empty(), "{line}: {:?}", estate.faults());
        let units = estate.units().values().flatten().filter(|unit| unit.exclude.is_some());
        units.map(|unit| unit.path.as_str().to_owned()).collect()
    };
    for (line, expected) in [
        ("a", "a"),
        ("...a", "abc"),
        ("1...a", "ab"),
        ("c...", "abc"),
        ("...^b", "c"),
        ("...b...", "abc"),
        ("reading=b/terragrunt.hcl", "b"),
        ("...{./d}", "d"),
    ] {
        assert_eq!(excluded(line), expected, "{line}");
    }
}

#[test]
fn a_unit_that_is_left_out_no_more_is_affected() {
    let folder = folder();
    let before = folder.load();
    folder.write(".terragrunt-excludes", "legacy\n");
    let after = folder.load();
    let found: Vec<String> = affected(&before, &after)
        .iter()
        .map(|found| {
            format!(
                "{} {}: {}",
                found.unit,
                found.kind.name(),
                because(&before, &after, std::slice::from_ref(found)).unwrap().concat().join("; ")
            )
        })
        .collect();
    assert_eq!(found, ["dev/web changed: exclude by .terragrunt-excludes is gone"]);
}

#[test]
fn the_file_counts_in_the_folder_that_was_asked_for() {
    let folder = folder();
    folder.write("dev/.terragrunt-excludes", "./db\n[main...HEAD]\n");
    let estate = folder.load_with(&Settings { within: "dev".to_owned(), ..Settings::default() });
    let excluded = estate.units().values().flatten().filter(|unit| unit.exclude.is_some());
    assert_eq!(excluded.map(|unit| unit.path.as_str()).collect::<Vec<_>>(), ["dev/db"]);
    assert_eq!(estate.faults()[0].code(), Code::HCL_UNSUPPORTED);
    assert_eq!(estate.faults()[0].place().unwrap().line, 2);
}
