//! Root modules without Terragrunt, planned and applied by a runner: in their own folder, with local modules, with
//! the backend that they say, and with states that they read.

use portcullis_model::run::TaskResult;
use portcullis_model::{Code, RunState, TaskState, UnitPath};
use portcullis_testkit::{Caller, LiveRepo};
use serde_json::json;

use crate::world::{World, task};

const NET: &str = "security/stacks/net";
const APP: &str = "security/stacks/app";
const LOCAL: &str = "security/stacks/local";
const LEFT_OUT: &str = "security/stacks/later";

fn backend(unit: &str) -> String {
    let address = format!("http://state.portcullis/{unit}");
    format!(
        "terraform {{\n  backend \"http\" {{\n    address        = \"{address}\"\n    lock_address   = \"{address}\"\n    \
         unlock_address = \"{address}\"\n  }}\n}}\n"
    )
}

fn write(live: &LiveRepo) {
    live.edit(
        "portcullis.hcl",
        "  path     = \"security\"\n",
        "  path     = \"security\"\n  root_modules = [\"security/stacks/*\"]\n",
    )
    .unwrap();
    live.write(
        "security/parts/name/main.tf",
        "variable \"name\" {}\noutput \"name\" {\n  value = upper(var.name)\n}\n",
    )
    .unwrap();
    let net = "module \"name\" {\n  source = \"../../parts/name\"\n  name   = \"net\"\n}\n\
               resource \"terraform_data\" \"net\" {\n  input = module.name.name\n}\n\
               output \"id\" {\n  value = terraform_data.net.output\n}\n";
    live.write(&format!("{NET}/backend.tf"), &backend(NET)).unwrap();
    live.write(&format!("{NET}/main.tf"), net).unwrap();
    let app = format!(
        "variable \"size\" {{}}\n\
         data \"terraform_remote_state\" \"net\" {{\n  backend = \"http\"\n  config = {{\n    \
         address = \"http://state.portcullis/{NET}\"\n  }}\n}}\n\
         resource \"terraform_data\" \"app\" {{\n  \
         input = \"${{data.terraform_remote_state.net.outputs.id}} ${{var.size}}\"\n}}\n\
         output \"id\" {{\n  value = terraform_data.app.output\n}}\n"
    );
    live.write(&format!("{APP}/main.tf"), &app).unwrap();
    live.write(&format!("{APP}/backend.tf"), &backend(APP)).unwrap();
    live.write(&format!("{APP}/terraform.tfvars"), "size = \"large\"\n").unwrap();
    live.write(&format!("{LOCAL}/main.tf"), "terraform {\n  backend \"local\" {}\n}\n").unwrap();
    live.write(&format!("{LEFT_OUT}/main.tf"), &backend(LEFT_OUT)).unwrap();
    live.write("security/.terragrunt-excludes", "# not yet\n./stacks/later\n").unwrap();
}

#[test]
fn root_modules_are_planned_and_applied_where_they_are() {
    let Some(world) = World::new("security", write) else { return };
    let runner = world.start();
    let run = world.apply(&runner, &[NET, APP, LOCAL]);
    let view = runner.finish(&run);
    assert_eq!(view.state, RunState::Failed, "{}", world.log());
    let applied = TaskState::Succeeded { result: TaskResult::AppliedUnreviewed };
    assert_eq!(task(&view, NET).state, applied, "{}", runner.task_log(&run, NET));
    assert_eq!(task(&view, APP).state, applied, "{}", runner.task_log(&run, APP));
    assert_eq!(task(&view, APP).after, [UnitPath::parse(NET).unwrap()]);
    // A backend that this version cannot use is refused, with what to do.
    let TaskState::Failed { fault } = task(&view, LOCAL).state else { panic!("{view:#?}") };
    assert_eq!(fault.code(), Code::BACKEND_REFUSED);
    assert!(fault.remedy_text().unwrap().contains(&format!("http://state.portcullis/{LOCAL}")), "{fault:?}");

    // What is applied stays so.
    let again = world.apply(&runner, &[NET, APP]);
    let view = runner.finish(&again);
    assert_eq!(view.state, RunState::Succeeded);
    assert!(view.tasks.is_empty(), "{view:#?}");

    // An excluded unit is left out of a run of all, and the run says so.
    let all = json!({"action": "plan", "repository": "infrastructure-live", "ref": "main", "all": true});
    let all = runner.trigger(&world.token(Caller::Branch("main")), &all).unwrap();
    let view = runner.finish(&all);
    assert!(view.tasks.iter().all(|task| task.unit.as_str() != LEFT_OUT));
    assert!(view.tasks.iter().any(|task| task.unit.as_str() == NET));
    let message = view.message.unwrap_or_default();
    assert_eq!(message, format!("left out, as excluded: {LEFT_OUT} (security/.terragrunt-excludes:2)"));
    assert!(runner.stop().success());
}
