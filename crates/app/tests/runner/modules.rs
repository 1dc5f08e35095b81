//! A unit whose module is in another repository: fetched by the runner, planned and applied in sandboxes without a
//! network, and held where its tag moved to another change after the review. And a unit that a stack takes from there.

use portcullis_model::api::{RunView, TaskView};
use portcullis_model::run::TaskResult;
use portcullis_model::{Code, TaskState};
use portcullis_testkit::{Caller, GitServer, LiveRepo, TestRepo};
use serde_json::json;

use crate::world::{Runner, World, task};

const UNIT: &str = "security/_global/mgmt/fetched";
const CODE: &str = "variable \"name\" {}\n\nresource \"terraform_data\" \"it\" {\n  input = var.name\n}\n";

/// The modules' repository, at tag `v1`, and its server.
fn modules() -> (TestRepo, GitServer) {
    let modules = TestRepo::new();
    modules.write("net/main.tf", CODE);
    modules.commit("first");
    modules.tag("v1");
    modules.push();
    let server = GitServer::start(modules.remote().parent().unwrap(), None);
    (modules, server)
}

/// Moves the tag to other code, as whoever may push to that repository can.
fn move_tag(modules: &TestRepo, code: &str) {
    modules.write("net/main.tf", code);
    modules.commit("moved");
    modules.git(&["tag", "--force", "v1"]);
    modules.push();
}

fn unit(live: &LiveRepo, source: &str, name: &str) -> Result<(), String> {
    let config = format!(
        "include \"root\" {{\n  path = find_in_parent_folders(\"root.hcl\")\n}}\n\nterraform {{\n  source = \
         \"{source}\"\n}}\n\ninputs = {{\n  name = \"{name}\"\n}}\n"
    );
    live.write(&format!("{UNIT}/terragrunt.hcl"), &config)
}

/// Plans a branch that gives the unit another name, merges it, and answers the reviewed task.
fn review(world: &World, runner: &Runner, source: &str, name: &str) -> TaskView {
    world.live.branch(name, |live| unit(live, source, name)).unwrap();
    let plan = json!({"action": "plan", "repository": "infrastructure-live", "ref": name});
    let run = runner.trigger(&world.token(Caller::Branch(name)), &plan).unwrap();
    let reviewed = task(&runner.finish(&run), UNIT);
    assert_eq!(reviewed.state, TaskState::Succeeded { result: TaskResult::Planned }, "{reviewed:#?}");
    world.live.squash_merge(name).unwrap();
    reviewed
}

fn applied(world: &World, runner: &Runner) -> RunView {
    runner.finish(&world.apply(runner, &[UNIT]))
}

#[test]
fn a_module_of_another_repository_is_applied_as_reviewed_while_it_is_the_same() {
    let (modules, server) = modules();
    let source = format!("git::{}//net?ref=v1", server.url("remote.git"));
    let Some(world) = World::new("security", |live| unit(live, &source, "one").unwrap()) else { return };
    let runner = world.start();

    // By itself nothing is allowed, and nothing is asked for.
    let TaskState::Failed { fault } = task(&applied(&world, &runner), UNIT).state else { panic!("it was fetched") };
    assert_eq!(fault.code(), Code::SOURCE_REFUSED);
    assert_eq!(fault.place().map(|place| place.file.clone()), Some(format!("{UNIT}/terragrunt.hcl")));
    assert_eq!(server.authorizations().len(), 0);

    // The remedy, as it is written.
    let remedy = fault.remedy_text().unwrap();
    let line = remedy.split('`').find(|part| part.starts_with("sources {")).unwrap();
    world.live.edit("portcullis.hcl", "  tools {", &format!("  {line}\n  tools {{")).unwrap();
    world.live.commit("allow it").unwrap();
    let view = applied(&world, &runner);
    assert_eq!(task(&view, UNIT).state, TaskState::Succeeded { result: TaskResult::AppliedUnreviewed }, "{view:#?}");

    let reviewed = review(&world, &runner, &source, "two");
    let done = task(&applied(&world, &runner), UNIT);
    assert_eq!(done.state, TaskState::Succeeded { result: TaskResult::AppliedReviewed }, "{done:#?}");
    assert_eq!(done.plan, reviewed.plan);

    // The tag moves after the review, to code that makes the same change.
    let reviewed = review(&world, &runner, &source, "three");
    move_tag(&modules, &format!("# reworded\n{CODE}"));
    let done = task(&applied(&world, &runner), UNIT);
    assert_eq!(done.state, TaskState::Succeeded { result: TaskResult::AppliedSameChange }, "{done:#?}");
    assert_ne!(done.plan, reviewed.plan);

    // And to code that makes another one.
    review(&world, &runner, &source, "four");
    move_tag(&modules, &CODE.replace("= var.name", "= \"${var.name} and more\""));
    let held = applied(&world, &runner);
    assert!(matches!(task(&held, UNIT).state, TaskState::Held { .. }), "{held:#?}");
    assert!(runner.stop().success());
}

#[test]
fn a_stack_takes_its_unit_from_a_commit_of_another_repository() {
    let (modules, server) = modules();
    modules.write(
        "units/stamp/terragrunt.hcl",
        "include \"root\" {\n  path = find_in_parent_folders(\"root.hcl\")\n}\n\ninputs = {\n  name = values.name\n}\n",
    );
    modules.write("units/stamp/main.tf", CODE);
    let commit = modules.commit("a unit");
    modules.push();
    let source = format!("git::{}//units/stamp?ref={commit}", server.url("remote.git"));
    let stack = format!(
        "unit \"stamp\" {{\n  source = \"{source}\"\n  path = \"stamp\"\n  values = {{ name = \"one\" }}\n}}\n"
    );
    let place = server.url("remote").replace("http://", "");
    let Some(world) = World::new("security", |live| {
        let line = format!("  sources {{ allow = [\"{place}\"] }}\n  tools {{");
        live.edit("portcullis.hcl", "  tools {", &line).unwrap();
        live.write("security/_global/mgmt/stamps/terragrunt.stack.hcl", &stack).unwrap();
    }) else {
        return;
    };
    let runner = world.start();
    let unit = "security/_global/mgmt/stamps/.terragrunt-stack/stamp";
    // Named though it is in no commit. One that the stack does not generate is found out by the run.
    let missing = "security/_global/mgmt/stamps/.terragrunt-stack/other";
    let failed = runner.finish(&world.apply(&runner, &[missing]));
    assert_eq!(failed.fault.map(|fault| fault.code()), Some(Code::UNIT_UNKNOWN));
    let view = runner.finish(&world.apply(&runner, &[unit]));
    assert_eq!(task(&view, unit).state, TaskState::Succeeded { result: TaskResult::AppliedUnreviewed }, "{view:#?}");
    assert!(runner.stop().success());
}

#[test]
fn a_profile_of_another_repository_is_in_force_and_stays_so_while_its_host_is_away() {
    let (modules, server) = modules();
    let profile = "profile \"pinned\" {\n  env = {\n    STAMP = \"here\"\n  }\n}\n";
    modules.write("profiles/pinned.hcl", profile);
    let commit = modules.commit("a profile");
    modules.push();
    let digest = portcullis_model::Digest::of(profile.as_bytes());
    let import = format!(
        "\nimport \"pinned\" {{\n  git    = \"{}\"\n  commit = \"{commit}\"\n  sha256 = \"{digest}\"\n  path   = \
         \"profiles/pinned.hcl\"\n}}\n",
        server.url("remote.git")
    );
    let stamped = |live: &LiveRepo, more: &str| {
        let config = "include \"root\" {\n  path = find_in_parent_folders(\"root.hcl\")\n}\n\ninputs = {\n  name = get_env(\"STAMP\")\n}\n";
        live.write(&format!("{UNIT}/terragrunt.hcl"), config).unwrap();
        live.write(&format!("{UNIT}/main.tf"), &format!("{CODE}{more}")).unwrap();
    };
    let Some(world) = World::new("security", |live| {
        stamped(live, "");
        let root = std::fs::read_to_string(live.tree().join("portcullis.hcl")).unwrap();
        let path = "  path     = \"security\"\n  profiles = [\"two-regions\"";
        assert!(root.contains(path), "{root}");
        live.write("portcullis.hcl", &(root.replace(path, &format!("{path}, \"pinned\"")) + &import)).unwrap();
    }) else {
        return;
    };
    let runner = world.start();
    let done = task(&applied(&world, &runner), UNIT);
    assert_eq!(done.state, TaskState::Succeeded { result: TaskResult::AppliedUnreviewed }, "{done:#?}");
    assert!(runner.stop().success());

    // The host is away, the runner starts anew, and the protected branch moves on.
    drop(server);
    let runner = world.start();
    assert_eq!(runner.health().status, "ok");
    stamped(&world.live, "# more\n");
    world.live.commit("more").unwrap();
    let done = task(&applied(&world, &runner), UNIT);
    assert!(matches!(done.state, TaskState::Succeeded { .. }), "{done:#?}");

    // Another digest is not at hand, and nobody is there to ask: the last good definition stays in force.
    world.live.edit("portcullis.hcl", &digest.to_string(), &"ab".repeat(32)).unwrap();
    stamped(&world.live, "# and more\n");
    world.live.commit("another digest").unwrap();
    let done = task(&applied(&world, &runner), UNIT);
    assert!(matches!(done.state, TaskState::Succeeded { .. }), "{done:#?}");
    assert_ne!(runner.health().status, "ok", "{:?}", runner.health());
    assert!(runner.stop().success());
}
