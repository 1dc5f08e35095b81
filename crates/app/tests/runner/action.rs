//! A declared action: its program in a real sandbox, with the arguments that were decided and nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use portcullis_model::{Code, Digest, RunState, TaskState};
use portcullis_testkit::Caller;
use serde_json::{Value, json};

use crate::world::{Run, Runner, World, count, task};

/// Says what it was given and what it finds, and then does what its first word says.
const PROGRAM: &str = r#"#!/bin/sh
echo "in $(pwd)"
for word in "$@"; do echo "word [$word]"; done
env | sort | sed 's/=.*//; s/^/has /'
test -f README.md && echo "sees the folder"
touch here 2>/dev/null && echo "WROTE in the repository"
touch "$TMPDIR/mine" && echo "wrote what is its own"
for tool in tofu terraform terragrunt; do test -e "/tools/$tool" && echo "SEES $tool"; done
echo "networks: $(ls /proc/sys/net/ipv4/conf | tr '\n' ' ')"
case "$1" in
  --do=fail) echo "it went wrong" >&2; exit 3 ;;
  --do=hold) echo "holding"; while :; do sleep 1; done ;;
esac
"#;

const DECLARED: &str = r#"account "logs" {
  tools {
    programs = { probe = "DIGEST" }
  }
  action "probe" {
    allow             = ["live-ci"]
    program           = "probe"
    phase             = "plan"
    working_directory = "logs"
    argv              = ["--do=${param.what}", param.texts]
    limits {
      timeout_s = 60
    }
    parameter "what" {
      type   = "enum"
      values = ["well", "fail", "hold"]
    }
    parameter "texts" {
      type      = "list"
      max_items = 5
      required  = false
      of        = { type = "string", characters = ["letters", " ", "$", "(", ")", "`", ";", "'", "*"], max_length = 40, min_length = 0 }
    }
  }
"#;

/// A world with the program, and with the action declared for its digest.
fn world(digest: impl FnOnce(&str) -> Digest) -> Option<World> {
    let declared = DECLARED.replace("DIGEST", &digest(PROGRAM).to_string());
    let world = World::new("logs", |repo| {
        repo.edit("portcullis.hcl", "account \"logs\" {\n", &declared).unwrap();
        repo.write("logs/README.md", "# Logs\n").unwrap();
    })?;
    let path = world.programs().join("probe");
    fs::create_dir(world.programs()).unwrap();
    fs::write(&path, PROGRAM).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Some(world)
}

fn right(program: &str) -> Digest {
    Digest::of(program.as_bytes())
}

fn ask(world: &World, runner: &Runner, parameters: &Value) -> Run {
    let body = json!({"action": "probe", "repository": "infrastructure-live", "ref": "main", "parameters": parameters});
    let asked = runner.trigger(&world.token(Caller::Branch("main")), &body);
    asked.unwrap_or_else(|problem| panic!("{problem:?}"))
}

#[test]
fn the_program_is_given_its_arguments_and_nothing_else() {
    let Some(world) = world(right) else { return };
    let runner = world.start();
    let run = ask(&world, &runner, &json!({"what": "well", "texts": ["$(id) `id`; *", "", "two words"]}));
    let view = runner.finish(&run);
    assert_eq!(view.state, RunState::Succeeded, "{view:#?}");
    let log = runner.task_log(&run, "logs");
    let wanted = "» probe\n\
                  in /repo/logs\n\
                  word [--do=well]\n\
                  word [$(id) `id`; *]\n\
                  word []\n\
                  word [two words]\n\
                  has HOME\n\
                  has LANG\n\
                  has PATH\n\
                  has PWD\n\
                  has TMPDIR\n\
                  sees the folder\n\
                  wrote what is its own\n\
                  networks: all default lo \n";
    assert_eq!(log, wanted);
    let run = ask(&world, &runner, &json!({"what": "fail"}));
    let view = runner.finish(&run);
    assert_eq!(view.state, RunState::Failed);
    let TaskState::Failed { fault } = task(&view, "logs").state else { panic!("{view:#?}") };
    assert_eq!(fault.code(), Code::TOOL_FAILED);
    assert_eq!(fault.notes().last().map(String::as_str), Some("it went wrong"), "{fault:?}");
    assert!(runner.stop().success(), "{}", world.log());
}

#[test]
fn a_program_that_was_cut_off_is_not_started_again() {
    let Some(world) = world(right) else { return };
    let runner = world.start();
    let run = ask(&world, &runner, &json!({"what": "hold"}));
    runner.follow(&run, |states| count(states, "applying") == 1);
    runner.wait_for_log(&run, "logs", "holding");
    runner.kill();

    let runner = world.start();
    let view = runner.finish(&run);
    assert_eq!(view.state, RunState::Failed, "{view:#?}");
    let found = task(&view, "logs");
    assert_eq!(found.state.code(), Some(Code::OUTCOME_UNKNOWN));
    assert_eq!(runner.task_log(&run, "logs").matches("holding").count(), 1);
    assert!(runner.stop().success(), "{}", world.log());
}

#[test]
fn a_program_that_is_not_the_one_that_was_declared_is_not_started() {
    let Some(world) = world(|_| Digest::of(b"another")) else { return };
    let runner = world.start();
    let run = ask(&world, &runner, &json!({"what": "well"}));
    let view = runner.finish(&run);
    assert_eq!(task(&view, "logs").state.code(), Some(Code::TOOL_DIGEST), "{view:#?}");
    assert!(runner.stop().success(), "{}", world.log());
}
