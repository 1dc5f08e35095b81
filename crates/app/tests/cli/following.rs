//! Following a run: over a restart of its runner, as text, as JSON, and to a failure.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_model::run::{EventKind, RunState, TaskResult, TaskState};
use portcullis_model::{Code, Fault};

use super::fake::{Fake, READ_TOKEN, RUN, TOKEN, task};
use super::program::{Said, ended, run, run_with, start};

fn succeeded() -> TaskState {
    TaskState::Succeeded { result: TaskResult::NoChange }
}

/// A run with one task that plans.
fn running() -> Fake {
    Fake::start("plan", RunState::Running, vec![task(1, "dev/vpc", TaskState::Planning)])
}

fn end(fake: &Fake) {
    fake.change(|state| {
        state.run.state = RunState::Succeeded;
        state.run.tasks = vec![task(1, "dev/vpc", succeeded())];
    });
    fake.tell();
}

fn lines_with(said: &Said, word: &str) -> usize {
    said.err.lines().filter(|line| line.starts_with(word)).count()
}

#[test]
fn a_restart_is_outlived_and_nothing_is_said_twice() {
    let mut fake = running();
    let follower = start(&fake, &["trigger", "plan", "--repository", "r", "--ref", "topic", "--follow"]);
    fake.wait_for("events after 2");
    fake.stop();
    fake.asked();
    fake.restart();
    fake.wait_for("events after 2");
    end(&fake);
    let said = ended(follower);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(lines_with(&said, "planning"), 1, "{said:?}");
    assert_eq!(lines_with(&said, "the runner does not answer"), 1, "{said:?}");
    assert_eq!(lines_with(&said, "the runner answers again"), 1, "{said:?}");
}

#[test]
fn the_run_is_read_with_its_read_token() {
    let fake = running();
    end(&fake);
    run(&fake, &["trigger", "plan", "--repository", "r", "--ref", "topic", "--follow"]);
    let readers: Vec<String> = fake.asked().into_iter().filter(|asked| asked.starts_with("read by")).collect();
    assert!(!readers.is_empty() && readers.iter().all(|reader| reader.ends_with(READ_TOKEN)), "{readers:?}");
    // A request that was sent before is answered without one.
    run(&fake, &["trigger", "plan", "--repository", "r", "--ref", "topic", "--follow", "--idempotency-key", "k"]);
    let readers: Vec<String> = fake.asked().into_iter().filter(|asked| asked.starts_with("read by")).collect();
    assert!(!readers.is_empty() && readers.iter().all(|reader| reader.ends_with(TOKEN)), "{readers:?}");
}

#[test]
fn a_run_that_was_held_and_approved_since_is_followed_on() {
    let fake = running();
    fake.change(|state| {
        let mut past = state.events[0].clone();
        past.event = EventKind::Run { state: RunState::Held, message: None };
        state.events.insert(0, past);
        for (at, event) in state.events.iter_mut().enumerate() {
            event.id = at as u64 + 1;
        }
    });
    let follower = start(&fake, &["run", "show", RUN, "--follow"]);
    fake.wait_for("events after 3");
    end(&fake);
    assert_eq!(ended(follower).code, 0);
}

#[test]
fn json_is_all_there_is_on_standard_output_and_nothing_elsewhere() {
    let fake = running();
    end(&fake);
    let said = run(&fake, &["trigger", "plan", "--repository", "r", "--ref", "topic", "--follow", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(answer["run"]["state"], "succeeded");
    assert_eq!(answer["read_token"], READ_TOKEN);
    assert_eq!(said.err, "");
}

#[test]
fn the_log_of_a_failed_task_is_shown_at_the_end() {
    let fault = Fault::new(Code::TOOL_FAILED, "terraform ended with exit code 1");
    let failed = task(1, "dev/vpc", TaskState::Failed { fault });
    let fake = Fake::start(
        "apply",
        RunState::Failed,
        vec![failed.clone(), task(2, "dev/db", TaskState::Blocked { by: failed.unit.clone() })],
    );
    let log: String =
        (1..=100).map(|number| format!("line {number}\n")).collect::<String>() + "\u{1b}[31mError: no\u{1b}[0m";
    fake.change(|state| {
        state.logs.insert(failed.id, log.into_bytes());
    });
    let said = run(&fake, &["trigger", "apply", "--repository", "r", "--ref", "main", "--follow"]);
    assert_eq!(said.code, 1);
    let out = said.out.replace(&fake.url(), "http://runner");
    let (first, rest) = out.split_at(out.find("line 43").unwrap());
    let rest = &rest[rest.find("line 100").unwrap()..];
    insta::assert_snapshot!(format!("{}…\n    | {rest}", first.trim_start()), @r"
    Run 01890000-0000-7000-8000-000000000000: apply of infrastructure-live, main at 0123456789, in dev
      State  failed after 4.0 s
      Asked  2026-11-25 10:00:00 UTC, live-ci (repo:acme/infrastructure-live)

      STATE    UNIT     CHANGE  TIME
      failed   dev/vpc          2.5 s  terraform ended with exit code 1 [PC-0603]
      blocked  dev/db           2.5 s  by dev/vpc

    dev/vpc (its inputs have changed)
      error: terraform ended with exit code 1 [PC-0603]
      The end of its log:
        | line 42
        | …
        | line 100
        | Error: no

    1 unit failed. Units that were not applied are taken up by the next apply of the branch. The whole log:

        portcullis run logs 01890000-0000-7000-8000-000000000000 --unit dev/vpc
    ");
}

#[test]
fn logs_are_followed_with_the_unit_before_each_line() {
    let fake = running();
    let id = task(1, "dev/vpc", succeeded()).id;
    fake.change(|state| {
        state.logs.insert(id, b"one\ntw".to_vec());
    });
    let follower = start(&fake, &["run", "logs", RUN, "--follow"]);
    fake.wait_for("log from 6");
    fake.change(|state| {
        state.logs.insert(id, b"one\ntwo\n::error::three".to_vec());
    });
    end(&fake);
    let said = ended(follower);
    assert_eq!((said.code, said.out.as_str()), (0, "dev/vpc | one\ndev/vpc | two\ndev/vpc | : :error::three\n"));
}

#[test]
fn a_log_is_read_from_an_offset_over_a_restart() {
    let mut fake = running();
    let id = task(1, "dev/vpc", succeeded()).id;
    fake.change(|state| {
        state.logs.insert(id, b"one\ntwo\n".to_vec());
    });
    let follower = start(&fake, &["run", "logs", RUN, "--follow", "--unit", "dev/vpc", "--offset", "4"]);
    fake.wait_for("log from 8");
    fake.stop();
    fake.change(|state| {
        state.logs.insert(id, b"one\ntwo\nthree\n".to_vec());
    });
    fake.restart();
    end(&fake);
    let said = ended(follower);
    assert_eq!((said.code, said.out.as_str()), (0, "two\nthree\n"), "{said:?}");
}

#[test]
fn a_unit_that_is_not_in_the_run_is_said() {
    let fake = running();
    end(&fake);
    for follow in [&[][..], &["--follow"]] {
        let arguments = [&["run", "logs", RUN, "--unit", "dev/other"], follow].concat();
        let said = run(&fake, &arguments);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains("PC-0114"), "{said:?}");
    }
}

/// A runner that answers each time, and says each time that it cannot: patience ends all the same.
#[test]
fn a_runner_with_a_lasting_problem_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    let thread = std::thread::spawn(move || {
        let mut answered = 0;
        for stream in listener.incoming() {
            if seen.load(Ordering::SeqCst) {
                return answered;
            }
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).unwrap();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            let problem = "event: problem\ndata: {\"type\":\"x\",\"title\":\"t\",\"status\":500,\"detail\":\"broken disk\",\"code\":\"PC-0903\"}\n\n";
            stream.write_all(format!("{head}{problem}").as_bytes()).unwrap();
            answered += 1;
        }
        answered
    });
    let url = format!("http://{address}");
    let arguments = ["run", "show", RUN, "--follow", "--patience", "1", "--runner", &url];
    let said = run_with(&arguments, &[("PORTCULLIS_TOKEN", TOKEN)]);
    over.store(true, Ordering::SeqCst);
    drop(TcpStream::connect(address).unwrap());
    assert!(thread.join().unwrap() >= 2, "it is asked again");
    assert_eq!(said.code, 6, "{said:?}");
    assert!(said.err.contains("broken disk"), "{said:?}");
}
