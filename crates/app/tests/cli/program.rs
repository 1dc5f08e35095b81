//! Starting the program.

use std::io::Write as _;
use std::process::{Command, Stdio};

use portcullis_testkit::ProcessGuard;

use super::fake::{Fake, TOKEN};

/// What it said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// The program with arguments and variables, and nothing else in its environment.
pub fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    #[allow(clippy::disallowed_methods, reason = "the program under test")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Started against a runner, with a token.
pub fn start(fake: &Fake, arguments: &[&str]) -> ProcessGuard {
    let url = fake.url();
    let variables = [("PORTCULLIS_RUNNER", url.as_str()), ("PORTCULLIS_TOKEN", TOKEN)];
    ProcessGuard::spawn(&mut command(arguments, &variables)).unwrap()
}

/// What a started program says until it ends.
pub fn ended(mut guard: ProcessGuard) -> Said {
    fn text(mut pipe: impl std::io::Read) -> String {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
    let err = guard.child().stderr.take().unwrap();
    let read = std::thread::spawn(move || text(err));
    let out = text(guard.child().stdout.take().unwrap());
    let code = guard.wait().unwrap().code().unwrap();
    Said { code, out, err: read.join().unwrap() }
}

/// Run to its end against a runner, with a token.
pub fn run(fake: &Fake, arguments: &[&str]) -> Said {
    ended(start(fake, arguments))
}

/// Run to its end with variables alone.
pub fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    ended(ProcessGuard::spawn(&mut command(arguments, variables)).unwrap())
}

/// Run with text on standard input.
pub fn run_with_input(fake: &Fake, arguments: &[&str], input: &str) -> Said {
    let url = fake.url();
    let mut command = command(arguments, &[("PORTCULLIS_RUNNER", url.as_str()), ("PORTCULLIS_TOKEN", TOKEN)]);
    let mut guard = ProcessGuard::spawn(command.stdin(Stdio::piped())).unwrap();
    guard.child().stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    ended(guard)
}
