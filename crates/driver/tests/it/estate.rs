//! The whole example, brought up by both drivers.

use std::collections::BTreeMap;
use std::path::Path;

use portcullis_estate::Settings;
use portcullis_model::UnitPath;
use serde_json::{Map, Value};

use crate::bench::{Bench, Driver, has_terragrunt};

type Files = BTreeMap<String, String>;

/// Every unit in dependency order: the files that the tool saw when it planned, and the outputs at the end.
async fn bring_up(bench: &Bench, driver: Driver) -> BTreeMap<UnitPath, (Files, Map<String, Value>)> {
    let mut all = BTreeMap::new();
    for unit in bench.estate.order() {
        let (planned, _) = bench.apply(driver, unit).await;
        let outputs = bench.states.outputs(unit).unwrap_or_else(|| panic!("{unit} has no state"));
        all.insert(unit.clone(), (planned.started["plan"].files.clone(), outputs));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_is_brought_up_alike_by_both_drivers() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/infrastructure-live");
    let bench = || Bench::over(&example, &Settings::default());
    if !has_terragrunt() {
        return;
    }
    let (native, terragrunt) = (bench(), bench());
    let (native, terragrunt) =
        tokio::join!(bring_up(&native, Driver::Native), bring_up(&terragrunt, Driver::Terragrunt));
    assert!(native.len() >= 45, "{} units", native.len());
    for (unit, (files, outputs)) in &native {
        let (other_files, other_outputs) = &terragrunt[unit];
        let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(files), names(other_files), "{unit}");
        for (name, text) in files {
            assert_eq!(text, &other_files[name], "{unit}: {name}");
        }
        assert_eq!(outputs, other_outputs, "{unit}");
    }
}
