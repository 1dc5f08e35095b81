//! The life of process 1, in order: read the task, fill `/work`, close the walls, run the steps, say how it
//! went, end. When it ends, the kernel kills all that is left in its PID namespace.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use portcullis_model::agent::{Ended, Report, Step, TaskSpec, When};
use rustix::process::Signal;

use crate::channel::{Channel, Control};
use crate::step::{self, Budget};
use crate::{collect, door, layout, walls};

#[derive(Debug)]
struct Settings {
    /// Where the layout is mounted.
    layout: PathBuf,
    /// The writable folder.
    work: PathBuf,
    /// Between interrupt and kill.
    grace: Duration,
    /// Further folders to copy: from, to.
    copies: Vec<(PathBuf, PathBuf)>,
}

/// Runs one task.
pub fn inside(args: impl Iterator<Item = OsString>) -> Result<(), String> {
    // First: from here on nobody may look into this process.
    walls::hide()?;
    let settings = parse(args)?;
    if std::process::id() != 1 {
        return Err("not process 1 of a sandbox".to_string());
    }
    // Should bubblewrap's outer process be killed, this one goes with it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| format!("cannot ask to die with the sandbox: {error}"))?;
    let mut channel = Channel::open().map_err(|error| format!("no channel: {error}"))?;
    let spec = channel.spec()?;
    if let Err(why) = prepare(&settings, &spec) {
        channel.report(&Report::Broken { why }).map_err(|error| error.to_string())?;
        return Ok(());
    }
    // From here on an error of the channel means that the runner is gone, and there is nobody to tell.
    run(&settings, &spec, &mut channel).map_err(|error| format!("the channel broke: {error}"))
}

fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Settings, String> {
    const USAGE: &str = "usage: inside LAYOUT WORK GRACE_MS [FROM TO]...";
    let mut next = || args.next().ok_or(USAGE);
    let (layout, work, grace) = (next()?.into(), next()?.into(), next()?);
    let grace = grace.to_str().and_then(|text| text.parse().ok()).ok_or("the grace is no number")?;
    let mut copies = Vec::new();
    while let Some(from) = args.next() {
        copies.push((from.into(), args.next().ok_or(USAGE)?.into()));
    }
    Ok(Settings { layout, work, grace: Duration::from_millis(grace), copies })
}

fn prepare(settings: &Settings, spec: &TaskSpec) -> Result<(), String> {
    layout::copy(&settings.layout, &settings.work).map_err(|error| format!("cannot fill the work folder: {error}"))?;
    for (from, to) in &settings.copies {
        layout::copy(from, to).map_err(|error| format!("cannot fill {}: {error}", to.display()))?;
    }
    let temporary = settings.work.join("tmp");
    fs::create_dir_all(&temporary)
        .and_then(|()| fs::set_permissions(&temporary, fs::Permissions::from_mode(0o700)))
        .map_err(|error| format!("cannot make the folder for temporary files: {error}"))?;
    walls::limit()?;
    let door = match &spec.door {
        Some(door) => Some(door::listen(door).map_err(|error| format!("cannot open the door: {error}"))?),
        None => None,
    };
    walls::close(spec)?;
    // After the walls: a thread has those of the thread that starts it.
    if let Some(door) = door {
        std::thread::Builder::new()
            .name("door".to_string())
            .spawn(move || door.forward())
            .map_err(|error| format!("cannot start the door: {error}"))?;
    }
    Ok(())
}

fn run(settings: &Settings, spec: &TaskSpec, channel: &mut Channel) -> io::Result<()> {
    channel.report(&Report::Ready)?;
    let mut budget = Budget { output_left: spec.output_max_bytes, grace: settings.grace, interrupted: false };
    let mut failed = None;
    for (index, step) in spec.steps.iter().enumerate() {
        look_for_interrupt(channel, &mut budget)?;
        if !due(step, failed.is_some(), budget.interrupted) {
            channel.report(&Report::StepEnded { index, ended: Ended::Skipped, wall_ms: 0, peak_kib: 0 })?;
            continue;
        }
        channel.report(&Report::StepStarted { index })?;
        let start = Instant::now();
        let (ended, peak_kib) = perform(spec, step, &mut budget, channel)?;
        if failed.is_none() && !succeeded(step, &ended) {
            failed = Some(index);
        }
        let wall_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        channel.report(&Report::StepEnded { index, ended, wall_ms, peak_kib })?;
    }
    channel.report(&Report::Done { failed, interrupted: budget.interrupted })
}

/// An interrupt that came between two steps.
fn look_for_interrupt(channel: &mut Channel, budget: &mut Budget) -> io::Result<()> {
    while step::readable(channel.input())? {
        match channel.control() {
            Some(Control::Gone) => return Err(io::ErrorKind::BrokenPipe.into()),
            Some(Control::Interrupt) => budget.interrupted = true,
            None => {}
        }
    }
    Ok(())
}

/// Whether a step is to be run. After an interrupt only what is always run.
fn due(step: &Step, failed: bool, interrupted: bool) -> bool {
    let when = match step {
        Step::Run { when, .. } | Step::Collect { when, .. } => *when,
        Step::CollectTree { .. } => When::Success,
    };
    match when {
        When::Always => true,
        When::Success => !failed && !interrupted,
        When::Failure => failed && !interrupted,
    }
}

fn succeeded(step: &Step, ended: &Ended) -> bool {
    match (step, ended) {
        (Step::Run { accept, .. }, Ended::Exit(code)) => accept.contains(code),
        (Step::Collect { .. } | Step::CollectTree { .. }, Ended::Exit(0)) => true,
        _ => false,
    }
}

fn perform(spec: &TaskSpec, step: &Step, budget: &mut Budget, channel: &mut Channel) -> io::Result<(Ended, u64)> {
    match step {
        Step::Run { argv, cwd, env, stdout, timeout_s, .. } => {
            let program = step::Program { argv, cwd, env: [&spec.env, env], stdout, timeout_s: *timeout_s };
            step::run(&program, budget, channel)
        }
        Step::Collect { name, path, max_bytes, optional, .. } => {
            let ended = match collect::file(Path::new(path), *max_bytes) {
                Ok(Some(bytes)) => {
                    channel.artifact(name, &bytes)?;
                    Ended::Exit(0)
                }
                Ok(None) if *optional => Ended::Exit(0),
                Ok(None) => Ended::Error(format!("{path}: there is no such file")),
                Err(error) => Ended::Error(format!("{path}: {error}")),
            };
            Ok((ended, 0))
        }
        Step::CollectTree { name, path, max_bytes } => {
            let ended = match collect::tree(Path::new(path), *max_bytes) {
                Ok(files) => {
                    for (relative, bytes) in files.unwrap_or_default() {
                        channel.artifact(&format!("{name}/{relative}"), &bytes)?;
                    }
                    Ended::Exit(0)
                }
                Err(error) => Ended::Error(format!("{path}: {error}")),
            };
            Ok((ended, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_steps_are_due() {
        let step = |when| Step::Collect { name: "x".into(), path: "/x".into(), max_bytes: 1, optional: true, when };
        let table = [
            (When::Success, [true, false, false, false]),
            (When::Failure, [false, true, false, false]),
            (When::Always, [true, true, true, true]),
        ];
        for (when, expected) in table {
            let got = [(false, false), (true, false), (false, true), (true, true)]
                .map(|(failed, interrupted)| due(&step(when), failed, interrupted));
            assert_eq!(got, expected, "{when:?}");
        }
    }
}
