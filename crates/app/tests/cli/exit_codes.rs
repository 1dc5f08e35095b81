//! Every exit code, through the real program: 0 done, 1 failed, 2 usage, 3 denied, 4 held, 5 cancelled, 6 runner not
//! reached.

use portcullis_model::run::{RunState, TaskResult, TaskState};
use portcullis_model::{Code, Fault};

use super::fake::{Fake, RUN, digest, task};
use super::program::{ended, run, run_with, start};

const PLAN: [&str; 6] = ["trigger", "plan", "--repository", "infrastructure-live", "--ref", "topic"];

fn followed(state: RunState, task_state: TaskState) -> i32 {
    let fake = Fake::start("apply", state, vec![task(1, "dev/vpc", task_state)]);
    let shown = run(&fake, &["run", "show", RUN]);
    assert_eq!(shown.code, 0, "showing is done, whatever is shown: {shown:?}");
    run(&fake, &["trigger", "apply", "--repository", "r", "--ref", "main", "--follow"]).code
}

#[test]
fn done_is_0() {
    assert_eq!(followed(RunState::Succeeded, TaskState::Succeeded { result: TaskResult::AppliedReviewed }), 0);
    let fake = Fake::start("plan", RunState::Running, Vec::new());
    for arguments in [
        &PLAN[..],
        &["run", "list"],
        &["run", "show", RUN],
        &["run", "logs", RUN],
        &["run", "cancel", RUN],
        &["run", "approve", RUN, "--plan", &digest(1).to_string()],
        &["--help"],
        &["--version"],
    ] {
        let said = run(&fake, arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
    }
}

#[test]
fn failed_is_1() {
    let fault = Fault::new(Code::TOOL_FAILED, "terraform ended with exit code 1");
    assert_eq!(followed(RunState::Failed, TaskState::Failed { fault }), 1);
}

#[test]
fn usage_is_2() {
    let fake = Fake::start("plan", RunState::Running, Vec::new());
    for arguments in [
        &["run", "show", "no-id"][..],
        &["trigger", "destroy", "--repository", "r", "--ref", "main"],
        &["trigger", "plan", "--repository", "r"],
        &["run", "approve", RUN, "--plan", "no-digest"],
        &["run", "logs", RUN, "--offset", "7"],
        &["unknown"],
        &["--color", "sometimes", "run", "list"],
        &["run", "list", "--runner", "http://runner.example"],
        &[],
    ] {
        let said = run(&fake, arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {said:?}");
        assert!(said.out.is_empty(), "{arguments:?}: {said:?}");
    }
    assert_eq!(run_with(&["run", "list"], &[("PORTCULLIS_RUNNER", &fake.url())]).code, 2, "no token");
    let bad = Fault::new(Code::BAD_REF, "the ref is not valid");
    fake.change(|state| state.refusal = Some(bad));
    assert_eq!(run(&fake, &PLAN).code, 2, "the request is wrong");
}

#[test]
fn denied_is_3() {
    let fake = Fake::start("plan", RunState::Running, Vec::new());
    for code in [Code::DENIED, Code::TOKEN_REPLAYED, Code::NOT_ON_PROTECTED_BRANCH, Code::NOT_AN_APPROVER] {
        fake.change(|state| state.refusal = Some(Fault::new(code, "no")));
        let said = run(&fake, &PLAN);
        assert_eq!(said.code, 3, "{said:?}");
        assert!(said.out.is_empty() && said.err.contains(&code.to_string()), "{said:?}");
    }
    let stranger = [("PORTCULLIS_RUNNER", fake.url()), ("PORTCULLIS_TOKEN", "x.y.z".into())];
    let stranger: Vec<(&str, &str)> = stranger.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(run_with(&["run", "list"], &stranger).code, 3);
}

#[test]
fn held_is_4() {
    assert_eq!(followed(RunState::Held, TaskState::Held { plan: digest(1), why: "it is another change".into() }), 4);
}

#[test]
fn cancelled_is_5() {
    assert_eq!(followed(RunState::Cancelled, TaskState::Cancelled), 5);
}

#[test]
fn not_reached_is_6() {
    let mut fake = Fake::start("plan", RunState::Running, Vec::new());
    let follower = start(&fake, &["run", "show", RUN, "--follow", "--patience", "1"]);
    fake.wait_for("events after 1");
    fake.stop();
    let said = ended(follower);
    assert_eq!(said.code, 6, "{said:?}");
    assert!(said.err.contains(&format!("run show {RUN} --follow")), "{said:?}");
    let said = run(&fake, &PLAN);
    assert_eq!(said.code, 6, "{said:?}");
    assert!(said.err.contains("PC-0002"), "{said:?}");
}
