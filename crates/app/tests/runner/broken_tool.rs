//! A tool that is killed, fails, or disappears in the middle of a run: a clear fault, and nothing else is touched.

use portcullis_model::{Code, Fault, RunState, TaskState};

use crate::tool::At;
use crate::world::{World, count, task};

const ROLES: &str = "security/_global/mgmt/iam-roles";
const KEY: &str = "security/us-east-1/mgmt/kms-key";
const OTHER_KEY: &str = "security/eu-west-1/mgmt/kms-key";
const DETECTOR: &str = "security/us-east-1/mgmt/guardduty";

fn fault(state: &TaskState) -> &Fault {
    match state {
        TaskState::Failed { fault } => fault,
        other => panic!("{other:?} is no failure"),
    }
}

#[test]
fn a_killed_tool_fails_its_unit_blocks_what_depends_on_it_and_nothing_else() {
    let Some(world) = World::new("security", |_| ()) else { return };
    world.tool.kill(At::Apply, KEY);
    let runner = world.start();
    let run = world.apply(&runner, &[]);
    let view = runner.finish(&run);
    assert_eq!(view.state, RunState::Failed, "{view:#?}");
    let killed = task(&view, KEY).state;
    let fault = fault(&killed);
    assert_eq!(fault.code(), Code::TOOL_KILLED);
    assert!(fault.message().contains("`apply`") && fault.message().contains("signal 9"), "{fault:?}");
    assert_eq!(task(&view, DETECTOR).state, TaskState::Blocked { by: KEY.parse().unwrap() });
    assert!(task(&view, OTHER_KEY).state.is_success(), "{view:#?}");

    world.tool.let_go();
    let run = world.apply(&runner, &[]);
    let view = runner.finish(&run);
    assert_eq!(view.state, RunState::Succeeded, "{view:#?}");
    assert!(view.tasks.iter().all(|task| task.unit.as_str() != ROLES), "what was applied is not done again");
    assert!(runner.stop().success());
    assert!(world.states().values().all(|state| state.version == 1), "{:?}", world.states());
}

#[test]
fn a_tool_that_disappears_is_named_and_what_runs_goes_on() {
    let Some(world) = World::new("security", |_| ()) else { return };
    world.tool.hold(At::Applied, ROLES);
    let runner = world.start();
    let run = world.apply(&runner, &[]);
    runner.follow(&run, |states| count(states, "applying") == 1);
    runner.wait_for_log(&run, ROLES, "held at applied");
    // The sandbox that runs shows it still: it is held, and let go.
    world.tool.hide();
    world.tool.let_go();
    let view = runner.finish(&run);
    assert_eq!(view.state, RunState::Failed, "{view:#?}");
    assert!(task(&view, ROLES).state.is_success(), "{view:#?}");
    let missing = task(&view, KEY).state;
    let fault = fault(&missing);
    assert_eq!(fault.code(), Code::TOOL_MISSING, "{fault:?}");
    assert!(fault.message().contains(world.tool.path().to_str().unwrap()), "{fault:?}");
    assert!(fault.remedy_text().is_some());

    world.tool.put_back();
    let run = world.apply(&runner, &[]);
    assert_eq!(runner.finish(&run).state, RunState::Succeeded);
    assert!(runner.stop().success());
}

#[test]
fn a_plan_is_tried_again_as_the_unit_says_and_an_apply_is_not() {
    let errors = "\nerrors {\n  retry \"network\" {\n    retryable_errors   = [\"(?s).*connection reset by \
                  peer.*\"]\n    max_attempts       = 10\n    sleep_interval_sec = 1\n  }\n}\n";
    let Some(world) = World::new("security", |live| {
        for unit in [ROLES, KEY] {
            let path = format!("{unit}/terragrunt.hcl");
            live.write(&path, &format!("{}{errors}", live.read(&path).unwrap())).unwrap();
        }
    }) else {
        return;
    };
    world.tool.fail(At::Plan, ROLES);
    let runner = world.start();
    let run = world.apply(&runner, &[ROLES]);
    runner.follow(&run, |states| count(states, "planning") == 1);
    runner.wait_for_log(&run, ROLES, "» retry \"network\": try 2 of 10 in 1 s");
    world.tool.let_go();
    let view = runner.finish(&run);
    assert!(task(&view, ROLES).state.is_success(), "{view:#?}");

    // What it may have changed is for a new plan to see.
    world.tool.fail(At::Apply, KEY);
    let run = world.apply(&runner, &[KEY]);
    let failed = task(&runner.finish(&run), KEY).state;
    assert_eq!(fault(&failed).code(), Code::TOOL_FAILED);
    let log = runner.task_log(&run, KEY);
    assert_eq!((log.matches("» apply\n").count(), log.contains("» retry")), (1, false), "{log}");
    assert!(runner.stop().success());
}
