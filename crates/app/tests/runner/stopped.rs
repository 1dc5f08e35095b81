//! SIGTERM: nothing new is accepted, what runs is given its time, then interrupted so that it can write its state,
//! and the rest goes on at the next start.

use portcullis_model::run::TaskResult;
use portcullis_model::{Code, RunState, TaskState};
use portcullis_testkit::{Caller, LiveRepo};
use serde_json::json;

use crate::tool::At;
use crate::world::{World, count, task};

const ROLES: &str = "security/_global/mgmt/iam-roles";
const SLOW: &str = "security/_global/mgmt/slow";
const AFTER: &str = "security/_global/mgmt/after-slow";

/// A unit whose second resource takes ten minutes, and one that depends on it. The slow step does not hear the signal
/// itself, so that the tool always hears it before its step has ended.
fn slow_units(live: &LiveRepo) {
    let include = "include \"root\" {\n  path = find_in_parent_folders(\"root.hcl\")\n}\n";
    live.write(&format!("{SLOW}/terragrunt.hcl"), include).unwrap();
    let code = r#"
resource "terraform_data" "first" {
  input = "a"
}
resource "terraform_data" "second" {
  input = terraform_data.first.output
  provisioner "local-exec" {
    command = "trap '' INT; echo working slowly; sleep 600"
  }
}
resource "terraform_data" "third" {
  input = terraform_data.second.output
}
"#;
    live.write(&format!("{SLOW}/main.tf"), code).unwrap();
    let after = format!("{include}dependencies {{\n  paths = [\"../slow\"]\n}}\n");
    live.write(&format!("{AFTER}/terragrunt.hcl"), &after).unwrap();
    live.write(&format!("{AFTER}/main.tf"), "resource \"terraform_data\" \"only\" {}\n").unwrap();
}

#[test]
fn a_task_that_ends_in_its_time_is_done_and_the_rest_goes_on_later() {
    let Some(world) = World::new("security", |_| ()) else { return };
    world.tool.hold(At::Apply, ROLES);
    let mut runner = world.start();
    let run = world.apply(&runner, &[]);
    runner.follow(&run, |states| count(states, "applying") == 1);
    let follower = runner.stream(&run);
    runner.process.terminate();

    // It says so, and takes nothing new; the token is not used up by the refusal.
    runner.wait_for_status("stopping");
    let token = world.token(Caller::Merge);
    let body = json!({"action": "apply", "repository": "infrastructure-live", "ref": "main"});
    let refused = runner.trigger(&token, &body).err().expect("a runner that stops takes no run");
    assert_eq!((refused.status, refused.code.as_str()), (503, Code::SHUTTING_DOWN.to_string().as_str()));
    assert!(refused.remedy.is_some());

    world.tool.let_go();
    assert!(runner.process.wait().unwrap().success(), "{}", world.log());
    assert!(!world.serve.ready_file().exists());
    assert!(follower.count() >= 3, "who follows is told until the end");

    let runner = world.start();
    let view = runner.finish(&run);
    assert_eq!(view.state, RunState::Succeeded, "{view:#?}");
    assert_eq!(task(&view, ROLES).state, TaskState::Succeeded { result: TaskResult::AppliedUnreviewed });
    assert!(runner.trigger(&token, &body).is_ok(), "the refused token is good at the next start");
    assert!(runner.stop().success());
    assert!(world.states().values().all(|state| state.version == 1), "{:?}", world.states());
}

#[test]
fn a_task_that_takes_longer_is_interrupted_writes_its_state_and_what_it_leaves_broken_is_held() {
    let Some(world) = World::new("security", slow_units) else { return };
    let mut runner = world.start();
    let run = world.apply(&runner, &[SLOW, AFTER]);
    runner.follow(&run, |states| count(states, "applying") == 1);
    runner.wait_for_log(&run, SLOW, "working slowly");
    let view = runner.view(&run);
    runner.process.terminate();
    assert!(runner.process.wait().unwrap().success(), "{}", world.log());

    let states = world.states();
    let slow = states.get(&SLOW.parse().unwrap()).expect("the interrupted tool wrote its state");
    let written = slow.version;
    let record = world.record(task(&view, SLOW).id);
    assert_eq!((record.state.clone(), record.unknown_outcome_of), (TaskState::Waiting, record.plan));

    let runner = world.start();
    let view = runner.finish(&run);
    // The tool marks a resource whose creation was interrupted as broken. To make it anew destroys something, which is
    // no part of what was begun: a person is asked.
    assert_eq!(view.state, RunState::Held, "{view:#?}\n{}", runner.task_log(&run, SLOW));
    let TaskState::Held { why, .. } = &task(&view, SLOW).state else { panic!("{view:#?}") };
    assert!(why.contains("was cut off") && why.contains("`destroy, then create` now"), "{why}");
    let left = task(&view, SLOW).summary.unwrap();
    assert_eq!(left.changes.len(), 2, "what was done is not done again: {left:?}");
    assert!(runner.stop().success());
    let states = world.states();
    assert_eq!(states[&SLOW.parse().unwrap()].version, written, "what is held was applied");
    assert!(!states.contains_key(&AFTER.parse().unwrap()), "what depends on it was applied");
}

#[test]
fn a_second_signal_interrupts_at_once() {
    let Some(mut world) = World::new("security", slow_units) else { return };
    world.serve.shutdown_grace_s = 600;
    let mut runner = world.start();
    let run = world.apply(&runner, &[SLOW]);
    runner.follow(&run, |states| count(states, "applying") == 1);
    runner.wait_for_log(&run, SLOW, "working slowly");
    runner.process.terminate();
    runner.wait_for_status("stopping");
    // The slow step takes ten minutes, and so would the runner.
    runner.process.terminate();
    assert!(runner.process.wait().unwrap().success(), "{}", world.log());
    assert_eq!(world.states().len(), 1, "the interrupted tool wrote its state");
}
