//! `portcullis-agent`: the small static program at both sides of a sandbox's wall.
//!
//! Outside, `portcullis-agent enter …` takes the last steps that need the runner's rights (control groups,
//! the task's user id) and becomes bubblewrap. Inside, `portcullis-agent inside …` is process 1: it closes
//! the walls behind itself (landlock, seccomp, resource limits), runs the steps of one task, and tells the
//! runner about them over its standard input and output.
//!
//! | module | holds |
//! |---|---|
//! | [`enter`] | the way in, outside |
//! | [`inside`] | the life of process 1, in order |
//! | [`walls`], [`syscalls`] | landlock, limits, and the list of system calls |
//! | [`layout`] | fills `/work` |
//! | [`channel`] | frames from and to the runner |
//! | [`step`] | one program: starts, watches, interrupts, kills, reaps |
//! | [`collect`] | files that leave as artifacts |
//! | [`door`] | 127.0.0.1:port to the door's Unix socket |
//! | [`sys`] | the only `unsafe` code of Portcullis |
//!
//! Architecture invariants: no async runtime, no shell, no secret is ever in it, no choice is made in it.
//! It trusts the runner and nobody else: all that a step leaves behind is a stranger's.

mod channel;
mod collect;
mod door;
mod enter;
mod inside;
mod layout;
mod step;
mod sys;
mod syscalls;
mod walls;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let outcome = match args.next().as_deref().and_then(|role| role.to_str()) {
        Some("enter") => enter::enter(args).map(|never| match never {}),
        Some("inside") => inside::inside(args),
        _ => Err("usage: portcullis-agent enter|inside … (started by the runner, not by hand)".to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("portcullis-agent: {why}");
            ExitCode::from(111)
        }
    }
}
