//! Every exit code, through the real program: 0 done, 1 failed, 2 usage, 3 denied, 4 held, 5 cancelled, 6 runner not
//! reached.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

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
        &["trigger", "plan;id", "--repository", "r", "--ref", "main"],
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

/// What is between here and the runner answers in its place: a load balancer without a runner, a page to sign in.
#[test]
fn whoever_answers_in_place_of_the_runner_is_no_runner() {
    for answer in [
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 7\r\n\r\n<html/>",
        "HTTP/1.1 302 Found\r\nlocation: https://login.example/\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n<html/>",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let said = run_with(&["run", "list", "--runner", &url], &[("PORTCULLIS_TOKEN", "a.b.c")]);
        thread.join().unwrap();
        assert_eq!(said.code, 6, "{answer:?}: {said:?}");
        assert!(
            said.err.contains("PC-0002") && said.err.contains("help:") | answer.ends_with("cut"),
            "{answer:?}: {said:?}"
        );
    }
}

#[test]
fn an_error_is_json_for_who_asked_for_json() {
    let fake = Fake::start("plan", RunState::Running, Vec::new());
    fake.change(|state| state.refusal = Some(Fault::new(Code::DENIED, "no ##[x]").remedy("Ask.").note("first")));
    let said = run(&fake, &[&PLAN[..], &["--json"]].concat());
    assert_eq!((said.code, said.out.as_str()), (3, ""));
    let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(
        error,
        serde_json::json!({"code": "PC-0300", "message": "no ##[x]", "remedy": "Ask.", "notes": ["first"]})
    );
    assert!(!said.err.contains("##["), "{said:?}");
}

#[test]
fn colours_are_as_they_are_asked_for() {
    let fake = Fake::start("plan", RunState::Running, Vec::new());
    let coloured = |arguments: &[&str]| run(&fake, arguments).out.contains('\u{1b}');
    assert!(!coloured(&["run", "list"]), "no terminal");
    assert!(coloured(&["run", "list", "--color", "always"]));
    assert!(!coloured(&["--color", "never", "run", "list"]));
    assert!(!coloured(&["--color", "always", "run", "list", "--json"]), "JSON has none");
    let url = fake.url();
    let set = |name| [("PORTCULLIS_RUNNER", url.as_str()), ("PORTCULLIS_TOKEN", "a.b.c"), (name, "1")];
    assert!(run_with(&["run", "list"], &set("CLICOLOR_FORCE")).out.contains('\u{1b}'));
    assert!(!run_with(&["run", "list"], &set("NO_COLOR")).out.contains('\u{1b}'));
}

#[test]
fn a_doctor_that_misses_a_program_says_how_to_get_it_and_fails() {
    let said = run_with(&["doctor", "--json", "--tool", "/nowhere/terraform"], &[]);
    assert_eq!(said.code, 1, "{said:?}");
    let rows: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap();
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{rows:?}"));
    assert_eq!(row("tool")["ok"], false);
    assert!(row("tool")["detail"].as_str().unwrap().contains("/nowhere/terraform"), "{rows:?}");
    assert!(row("tool")["remedy"].as_str().unwrap().contains("`--tool`"), "{rows:?}");
    assert!(row("git")["detail"].as_str().unwrap().contains("git version"), "{rows:?}");
    assert_eq!(row("agent")["ok"], true);
}
