//! Small units, each for one rule, compared at the moment when the tool starts: files, environment, arguments.

use std::path::Path;

use portcullis_estate::Settings;

use crate::bench::{Bench, Driver, has_terragrunt};

const UNITS: &str = "tests/it/units";

#[tokio::test(flavor = "multi_thread")]
async fn the_tool_is_started_alike_by_both_drivers() {
    if !has_terragrunt() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(UNITS);
    let bench = Bench::over(&folder, &Settings::default());
    let mut differences = Vec::new();
    for unit in bench.estate.order() {
        let native = bench.plan(Driver::Native, unit).await;
        let terragrunt = bench.plan(Driver::Terragrunt, unit).await;
        for command in ["init", "plan"] {
            let (ours, theirs) = (&native.started[command], &terragrunt.started[command]);
            if ours.files != theirs.files {
                differences.push(format!("{unit} {command}: files {:#?}\n{:#?}", ours.files, theirs.files));
            }
            if ours.env != theirs.env {
                differences.push(format!("{unit} {command}: env {:#?}\n{:#?}", ours.env, theirs.env));
            }
            // Terragrunt gives `-backend-config` in no order.
            let sorted = |mut arguments: Vec<&str>| {
                if arguments.iter().all(|argument| argument.starts_with("-backend-config=")) {
                    arguments.sort_unstable();
                }
                arguments.join(" ")
            };
            if sorted(ours.extra()) != sorted(theirs.extra()) {
                differences.push(format!("{unit} {command}: {:?} {:?}", ours.extra(), theirs.extra()));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
