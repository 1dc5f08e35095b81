//! No space on the data folder: it is said, nothing is lost, and everything goes on when there is space again.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use portcullis_model::RunState;
use portcullis_testkit::LiveRepo;

use crate::tool::{At, INSIDE};
use crate::world::{World, count};

const UNIT: &str = "security/_global/mgmt/stopping";
/// Enough for a runner and its first runs.
const DISK_BYTES: u64 = 48 << 20;

/// Takes all the space that is left.
fn fill(world: &World) -> PathBuf {
    let path = world.serve.data.join("ballast");
    let mut file = File::create(&path).unwrap();
    for size in [1 << 20, 1 << 10, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    path
}

/// A unit that stops in the middle of its apply.
fn stopping_unit(live: &LiveRepo) {
    let include = "include \"root\" {\n  path = find_in_parent_folders(\"root.hcl\")\n}\n";
    live.write(&format!("{UNIT}/terragrunt.hcl"), include).unwrap();
    // A state that needs space: hashes do not compress.
    let code = format!(
        r#"
resource "terraform_data" "x" {{
  input = join("", flatten([for n in range(20) : [for m in range(1000) : sha512("${{n}} ${{m}}")]]))
  provisioner "local-exec" {{
    command = "{INSIDE}"
  }}
}}
"#
    );
    live.write(&format!("{UNIT}/main.tf"), &code).unwrap();
}

/// Fills the disk while the unit is held there; lets it go when the disk is full; gives space when that was said.
fn meets_a_full_disk(at: At) {
    let Some(mut world) = World::new("security", stopping_unit) else { return };
    if !world.on_small_disk(DISK_BYTES) {
        return;
    }
    world.tool.hold(at, UNIT);
    let runner = world.start();
    let run = world.apply(&runner, &[UNIT]);
    runner.follow(&run, |states| count(states, if matches!(at, At::Plan) { "planning" } else { "applying" }) == 1);
    runner.wait_for_log(&run, UNIT, "held");
    let ballast = fill(&world);
    world.tool.let_go();
    world.wait_for_runner_log("the disk is full: this waits for space");
    let health = runner.health();
    assert_eq!(health.status, "degraded");
    assert!(health.problems.iter().any(|problem| problem.contains("MiB left")), "{health:?}");
    assert!(!runner.view(&run).state.is_final());

    fs::remove_file(ballast).unwrap();
    let view = runner.finish(&run);
    assert_eq!(view.state, RunState::Succeeded, "{view:#?}\n{}", runner.task_log(&run, UNIT));
    assert!(runner.stop().success());
    let states = world.states();
    assert_eq!(states.len(), 1);
    assert!(states.values().all(|state| (state.version, state.serial) == (1, 1)), "{states:?}");
}

#[test]
fn what_is_to_be_planned_waits_for_space() {
    meets_a_full_disk(At::Plan);
}

#[test]
fn what_is_to_be_applied_waits_for_space() {
    meets_a_full_disk(At::Apply);
}

#[test]
fn a_state_that_was_applied_waits_for_space_and_is_not_lost() {
    meets_a_full_disk(At::Inside);
}
