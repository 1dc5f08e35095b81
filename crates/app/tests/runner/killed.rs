//! SIGKILL: the runner has no chance to do anything. The next start takes up everything, and applies nothing twice.

use std::collections::BTreeMap;

use portcullis_model::run::TaskResult;
use portcullis_model::{RunState, TaskState, UnitPath};

use crate::tool::At;
use crate::world::{World, count, task};

const ROLES: &str = "security/_global/mgmt/iam-roles";

fn result(view: &portcullis_model::api::RunView, unit: &str) -> Option<TaskResult> {
    match task(view, unit).state {
        TaskState::Succeeded { result } => Some(result),
        _ => None,
    }
}

/// Every unit of the run was applied, each by one write of its state and one `apply` that came to its end. Of a unit that
/// was found applied after its runner was killed, the tool's last line may have been cut off.
fn applied_once(world: &World, logs: &BTreeMap<UnitPath, String>, found_applied: impl Fn(&UnitPath) -> bool) {
    let states = world.states();
    assert_eq!(states.len(), logs.len(), "a unit has no state: {states:?}");
    for (unit, state) in &states {
        assert_eq!((state.version, state.serial), (1, 1), "{unit} was written more than once");
        let ended = logs[unit].matches("Apply complete!").count();
        assert!(ended == 1 || (ended == 0 && found_applied(unit)), "{unit}, {ended} times: {}", logs[unit]);
    }
}

/// The log of every unit of a run.
fn logs(runner: &crate::world::Runner, run: &crate::world::Run) -> BTreeMap<UnitPath, String> {
    let units: Vec<UnitPath> = runner.view(run).tasks.into_iter().map(|task| task.unit).collect();
    units.into_iter().map(|unit| (unit.clone(), runner.task_log(run, unit.as_str()))).collect()
}

#[test]
fn in_the_middle_of_a_bring_up_everything_goes_on_and_nothing_is_applied_twice() {
    let Some(world) = World::new("logs", |_| ()) else { return };
    let runner = world.start();
    let run = world.apply(&runner, &[]);
    // Some are done, others are at work, others wait.
    let view = runner.follow(&run, |states| count(states, "succeeded") >= 2 && count(states, "applying") >= 1);
    assert_eq!(view.state, RunState::Running);
    runner.kill();

    // And once more, sooner: what was taken up is cut off again.
    let runner = world.start();
    runner.follow(&run, |states| count(states, "succeeded") >= 4);
    runner.kill();

    let runner = world.start();
    let view = runner.finish(&run);
    assert_eq!(view.state, RunState::Succeeded, "{view:#?}");
    assert_eq!(view.tasks.len(), 8);
    let logs = logs(&runner, &run);
    // The whole is done: the next apply finds nothing.
    let again = world.apply(&runner, &[]);
    let again = runner.finish(&again);
    assert_eq!((again.state, again.tasks.len()), (RunState::Succeeded, 0), "{again:#?}");
    assert!(runner.stop().success(), "{}", world.log());
    applied_once(&world, &logs, |unit| result(&view, unit.as_str()) == Some(TaskResult::NoChange));
}

#[test]
fn before_the_tool_has_applied_the_unit_is_planned_again_and_compared() {
    let Some(world) = World::new("security", |_| ()) else { return };
    world.tool.hold(At::Apply, ROLES);
    let runner = world.start();
    let run = world.apply(&runner, &[ROLES]);
    let view = runner.follow(&run, |states| count(states, "applying") == 1);
    let (id, first_plan) = (task(&view, ROLES).id, task(&view, ROLES).plan);
    runner.kill();

    let begun = world.record(id);
    assert_eq!((begun.state.clone(), begun.attempt), (TaskState::Applying, 2), "what was begun is on record");
    assert!(world.states().is_empty());

    world.tool.let_go();
    let runner = world.start();
    let view = runner.finish(&run);
    assert_eq!(view.state, RunState::Succeeded, "{view:#?}");
    let plan = task(&view, ROLES).plan;
    assert!(plan.is_some() && plan != first_plan, "the plan that was begun was applied again as it was");
    let logs = logs(&runner, &run);
    runner.stop();
    applied_once(&world, &logs, |_| false);
    // Planned, applied, planned again, applied.
    assert_eq!(world.record(id).attempt, 4);
}

#[test]
fn after_the_tool_has_applied_the_new_plan_is_empty_and_nothing_is_applied_again() {
    let Some(world) = World::new("security", |_| ()) else { return };
    world.tool.hold(At::Applied, ROLES);
    let runner = world.start();
    let run = world.apply(&runner, &[ROLES]);
    let view = runner.follow(&run, |states| count(states, "applying") == 1);
    runner.wait_for_log(&run, ROLES, "held at applied");
    let id = task(&view, ROLES).id;
    runner.kill();
    assert_eq!(world.states().len(), 1, "the state was written before the runner was killed");

    world.tool.let_go();
    let runner = world.start();
    let view = runner.finish(&run);
    assert_eq!(result(&view, ROLES), Some(TaskResult::NoChange), "{view:#?}");
    let logs = logs(&runner, &run);
    runner.stop();
    applied_once(&world, &logs, |_| false);
    assert_eq!(world.record(id).attempt, 3, "planned, applied, planned again");
}

/// Somebody changed the world while the runner was down: what is left to do is no longer what was begun.
#[test]
fn when_something_else_is_left_to_do_it_is_held() {
    let Some(world) = World::new("security", |_| ()) else { return };
    world.tool.hold(At::Applied, ROLES);
    let runner = world.start();
    let run = world.apply(&runner, &[ROLES]);
    runner.follow(&run, |states| count(states, "applying") == 1);
    runner.wait_for_log(&run, ROLES, "held at applied");
    runner.kill();
    world.with_store(|store| {
        Box::pin(async move {
            let unit = UnitPath::parse(ROLES).unwrap();
            let newest = store.state_get(&unit).await.unwrap().unwrap();
            let task = newest.info.task;
            store.state_unlock_task(task).await.unwrap();
            let moved = String::from_utf8(newest.bytes).unwrap().replace("555555555555", "555555555556");
            let moved = moved.replacen("\"serial\": 1", "\"serial\": 2", 1);
            store.state_put(&unit, task, None, moved.as_bytes(), newest.info.at).await.unwrap();
        })
    });
    world.tool.let_go();
    let runner = world.start();
    let view = runner.finish(&run);
    assert_eq!(view.state, RunState::Held, "{view:#?}");
    let TaskState::Held { why, .. } = task(&view, ROLES).state else { panic!("{view:#?}") };
    assert!(why.contains("was cut off"), "{why}");
    runner.stop();
    assert_eq!(world.states().into_values().next().unwrap().version, 2, "something was applied");
}
