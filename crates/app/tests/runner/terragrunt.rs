//! The same account, run by Terragrunt itself. Said aloud where it is not on PATH.

use std::collections::BTreeMap;
use std::io::Write as _;

use portcullis_model::run::TaskResult;
use portcullis_model::{Code, RunState, TaskState, UnitPath};
use portcullis_testkit::{Caller, LiveRepo, programs};
use serde_json::json;

use crate::world::{Runner, World, task};

const STAMP: &str = "security/_global/mgmt/stamp";

/// A world whose fleet asks for Terragrunt.
fn world(edit: impl FnOnce(&LiveRepo)) -> Option<World> {
    let Some(terragrunt) = programs::find("terragrunt") else {
        let note = b"SKIPPED: `terragrunt` is not on PATH, so no runner was started with it\n";
        std::io::stderr().write_all(note).unwrap();
        return None;
    };
    let mut world = World::new("security", |live| {
        live.edit("portcullis.hcl", "driver = \"native\"", "driver = \"terragrunt\"").unwrap();
        edit(live);
    })?;
    world.serve.more.extend(["--terragrunt".into(), terragrunt.into()]);
    Some(world)
}

/// A unit that is not exact: what it puts out is what a program of the repository prints.
fn stamp(live: &LiveRepo) {
    let config = "include \"root\" {\n  path = find_in_parent_folders(\"root.hcl\")\n}\n\ninputs = {\n  stamp = \
                  run_cmd(\"--terragrunt-quiet\", \"cat\", \"${get_repo_root()}/stamp.txt\")\n}\n";
    live.write(&format!("{STAMP}/terragrunt.hcl"), config).unwrap();
    let code =
        "variable \"stamp\" {\n  type = string\n}\n\nresource \"terraform_data\" \"it\" {\n  input = var.stamp\n}\n";
    live.write(&format!("{STAMP}/main.tf"), code).unwrap();
    live.write("stamp.txt", "one").unwrap();
}

/// Which units' outputs each unit's first plan had to mock.
fn mocked(world: &World, runner: &Runner) -> BTreeMap<UnitPath, Vec<UnitPath>> {
    let plan = json!({"action": "plan", "repository": "infrastructure-live", "ref": "main", "all": true});
    let run = runner.trigger(&world.token(Caller::Branch("main")), &plan).unwrap();
    let view = runner.finish(&run);
    assert_eq!(view.state, RunState::Succeeded, "{view:#?}");
    view.tasks.into_iter().map(|task| (task.unit, task.summary.unwrap().mocked)).collect()
}

#[test]
fn an_account_is_planned_with_mocks_and_brought_up_as_by_the_native_driver() {
    let Some(world) = world(|_| ()) else { return };
    let runner = world.start();
    let marked = mocked(&world, &runner);
    assert!(marked.values().any(|mocked| !mocked.is_empty()), "{marked:?}");

    let run = world.apply(&runner, &[]);
    let view = runner.finish(&run);
    assert_eq!(view.state, RunState::Succeeded, "{view:#?}");
    for task in &view.tasks {
        // What was planned with mocks was planned again.
        let TaskState::Succeeded { result } = task.state else { panic!("{task:?}") };
        let as_it_was = result == TaskResult::AppliedReviewed;
        assert_eq!(as_it_was, marked[&task.unit].is_empty(), "{task:?}");
    }
    let again = world.apply(&runner, &[]);
    assert_eq!(runner.finish(&again).tasks.len(), 0);
    assert!(runner.stop().success(), "{}", world.log());
    assert!(world.states().values().all(|state| (state.version, state.serial) == (1, 1)), "{:?}", world.states());

    let native = World::new("security", |_| ()).unwrap();
    let runner = native.start();
    assert_eq!(marked, mocked(&native, &runner));
    assert!(runner.stop().success());
}

#[test]
fn a_unit_that_is_not_exact_is_planned_for_any_change_and_applied_as_reviewed() {
    let Some(world) = world(stamp) else { return };
    let runner = world.start();
    let run = world.apply(&runner, &[STAMP]);
    assert_eq!(runner.finish(&run).state, RunState::Succeeded);

    // A file that no configuration names: only what is not exact may depend on it, and does.
    world.live.branch("stamped", |live| live.write("stamp.txt", "two")).unwrap();
    let plan = json!({"action": "plan", "repository": "infrastructure-live", "ref": "stamped"});
    let run = runner.trigger(&world.token(Caller::Branch("stamped")), &plan).unwrap();
    let view = runner.finish(&run);
    let planned: Vec<&str> = view.tasks.iter().map(|task| task.unit.as_str()).collect();
    assert_eq!((view.state, planned), (RunState::Succeeded, vec![STAMP]), "{view:#?}");
    let reviewed = task(&view, STAMP);
    assert_eq!(reviewed.summary.as_ref().unwrap().change, 1, "{reviewed:?}");

    world.live.squash_merge("stamped").unwrap();
    let run = world.apply(&runner, &[STAMP]);
    let view = runner.finish(&run);
    let applied = task(&view, STAMP);
    assert_eq!(applied.state, TaskState::Succeeded { result: TaskResult::AppliedReviewed }, "{view:#?}");
    assert_eq!(applied.plan, reviewed.plan);
    assert!(runner.stop().success());
}

#[test]
fn a_state_that_would_be_lost_is_refused_before_and_after() {
    let local = "remote_state {\n  backend = \"local\"\n  config = {\n    path = \"x\"\n  }\n  generate = {\n    path = \
                 \"backend.tf\"\n    if_exists = \"overwrite\"\n  }\n}\n";
    let code = "resource \"terraform_data\" \"it\" {}\n";
    let Some(world) = world(|live| {
        live.write("security/known/terragrunt.hcl", local).unwrap();
        live.write("security/known/main.tf", code).unwrap();
        let unknown = local.replace("\"local\"", "run_cmd(\"--terragrunt-quiet\", \"printf\", \"local\")");
        live.write("security/unknown/terragrunt.hcl", &unknown).unwrap();
        live.write("security/unknown/main.tf", code).unwrap();
    }) else {
        return;
    };
    let runner = world.start();
    let run = world.apply(&runner, &["security/known", "security/unknown"]);
    let view = runner.finish(&run);
    for unit in ["security/known", "security/unknown"] {
        let TaskState::Failed { fault } = task(&view, unit).state else { panic!("{view:#?}") };
        assert_eq!(fault.code(), Code::BACKEND_REFUSED, "{fault:?}");
        assert!(fault.remedy_text().is_some_and(|remedy| remedy.contains("docs/state.md")), "{fault:?}");
    }
    let ran = |unit: &str| runner.task_log(&run, unit).contains("Plan:");
    assert_eq!((ran("security/known"), ran("security/unknown")), (false, true));
    assert!(runner.stop().success());
}
