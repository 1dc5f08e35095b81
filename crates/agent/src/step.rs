//! One program: starts it, passes on what it prints, interrupts it, kills what it leaves, reaps.
//!
//! Each program leads a process group of its own, which is what an interrupt goes to. When the program ends,
//! everything else in the sandbox is killed and reaped before the next step: a step cannot leave a process
//! behind that watches or changes what comes after it.
//!
//! Never: gives a program the channel, or an input to read from.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use portcullis_model::agent::{Ended, Stdout};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::channel::{Channel, Control};
use crate::sys::{self, Reaped, Status, Wait};

/// Bytes read from a pipe at a time; also the pipe's usual capacity.
const CHUNK: usize = 64 * 1024;
/// Orphans that end while a program runs are reaped at least this often.
const REAP: Duration = Duration::from_millis(500);

/// What a program is started with.
#[derive(Debug)]
pub struct Program<'a> {
    /// The program and its arguments.
    pub argv: &'a [String],
    /// Working directory.
    pub cwd: &'a str,
    /// Environment; later ones win.
    pub env: [&'a BTreeMap<String, String>; 2],
    /// Where its standard output goes.
    pub stdout: &'a Stdout,
    /// Seconds until it is interrupted.
    pub timeout_s: u32,
}

/// What all steps share.
#[derive(Debug)]
pub struct Budget {
    /// Log bytes that may still be sent.
    pub output_left: u64,
    /// Between interrupt and kill.
    pub grace: Duration,
    /// The runner asked to stop.
    pub interrupted: bool,
}

/// A program that runs, and what is known about its end.
#[derive(Debug)]
struct Watch<'a> {
    program: &'a Program<'a>,
    pid: Pid,
    pidfd: OwnedFd,
    /// What goes into the log; `None` once all writers closed it.
    log: Option<PipeReader>,
    /// What becomes an artifact.
    artifact: Option<PipeReader>,
    collected: Vec<u8>,
    ended: Option<Reaped>,
    /// When it is interrupted for taking too long.
    deadline: Instant,
    /// When it is killed, once it was interrupted.
    kill_at: Option<Instant>,
    timed_out: bool,
    /// It printed more than it may.
    cut: bool,
}

/// Runs a program to its end. Errors are the channel's; the program's own are in `Ended`. Also returns its
/// peak memory in KiB.
pub fn run(program: &Program<'_>, budget: &mut Budget, channel: &mut Channel) -> io::Result<(Ended, u64)> {
    let mut watch = match Watch::start(program) {
        Ok(watch) => watch,
        Err(why) => {
            kill_and_reap()?;
            return Ok((Ended::Error(why), 0));
        }
    };
    if budget.interrupted {
        // An `Always` step of an interrupted task has the grace to do its work, no more.
        watch.kill_at = Some(Instant::now() + budget.grace);
    }
    while watch.ended.is_none() {
        watch.turn(budget, channel)?;
    }
    kill_and_reap()?;
    // All writers are dead: what is in the pipes now is all there will be.
    while watch.drain(budget, channel)? {}
    watch.finish(channel)
}

/// Whether something can be read at once.
pub fn readable(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    Ok(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? > 0)
}

impl<'a> Watch<'a> {
    fn start(program: &'a Program<'a>) -> Result<Self, String> {
        let failed = |what: &str, error: io::Error| format!("{what}: {error}");
        let (name, args) = program.argv.split_first().ok_or("no program")?;
        let (log, into_log) = io::pipe().map_err(|error| failed("no pipe", error))?;
        let mut artifact = None;
        let stdout: Stdio = match program.stdout {
            // One pipe for both, so that the log has lines in the order in which they were printed.
            Stdout::Log => into_log.try_clone().map_err(|error| failed("no pipe", error))?.into(),
            Stdout::Artifact { .. } => {
                let (reader, writer) = io::pipe().map_err(|error| failed("no pipe", error))?;
                artifact = Some(reader);
                writer.into()
            }
        };
        #[allow(clippy::disallowed_methods, reason = "starting programs is what this module is for")]
        let mut command = Command::new(name);
        command.args(args).current_dir(program.cwd).env_clear().process_group(0);
        for env in program.env {
            command.envs(env);
        }
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(into_log).spawn();
        // It holds the writing ends: with them open here, the readers would never see an end.
        drop(command);
        let pid = Pid::from_child(&child.map_err(|error| failed(name, error))?);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| failed("no pidfd", error.into()))?;
        for pipe in [Some(&log), artifact.as_ref()].into_iter().flatten() {
            set_nonblocking(pipe.as_fd()).map_err(|error| failed("cannot set up a pipe", error))?;
        }
        Ok(Watch {
            program,
            pid,
            pidfd,
            log: Some(log),
            artifact,
            collected: Vec::new(),
            ended: None,
            deadline: Instant::now() + Duration::from_secs(program.timeout_s.into()),
            kill_at: None,
            timed_out: false,
            cut: false,
        })
    }

    /// Waits for something to happen, and acts on it.
    fn turn(&mut self, budget: &mut Budget, channel: &mut Channel) -> io::Result<()> {
        if self.wait(channel.input())? {
            match channel.control() {
                Some(Control::Gone) => return Err(io::ErrorKind::BrokenPipe.into()),
                // Only the first counts: tools take a second SIGINT as an order to drop everything.
                Some(Control::Interrupt) if !budget.interrupted => {
                    budget.interrupted = true;
                    self.interrupt(budget.grace);
                }
                Some(Control::Interrupt) | None => {}
            }
        }
        self.drain(budget, channel)?;
        self.reap()?;
        let now = Instant::now();
        if self.ended.is_none() && self.kill_at.is_some_and(|at| now >= at) {
            sys::kill_all_others();
        } else if self.kill_at.is_none() && now >= self.deadline {
            self.timed_out = true;
            self.interrupt(budget.grace);
        }
        Ok(())
    }

    /// Waits for the program's end, its output, the runner or the time. True: the runner says something.
    fn wait(&self, runner: BorrowedFd<'_>) -> io::Result<bool> {
        let next = self.kill_at.unwrap_or(self.deadline).saturating_duration_since(Instant::now()).min(REAP);
        let wait = Timespec { tv_sec: 0, tv_nsec: next.as_nanos().try_into().unwrap_or(0) };
        let mut fds = vec![PollFd::from_borrowed_fd(runner, PollFlags::IN), PollFd::new(&self.pidfd, PollFlags::IN)];
        fds.extend([&self.log, &self.artifact].into_iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        match poll(&mut fds, Some(&wait)) {
            Ok(_) => Ok(fds.first().is_some_and(|fd| !fd.revents().is_empty())),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn interrupt(&mut self, grace: Duration) {
        // The group may be gone already.
        let _ = kill_process_group(self.pid, Signal::INT);
        self.kill_at = Some(Instant::now() + grace);
    }

    /// Reads a chunk of each pipe. What is over a limit is read and dropped: a program that prints too much
    /// must not be stopped in the middle of an apply. Returns whether there was anything.
    fn drain(&mut self, budget: &mut Budget, channel: &mut Channel) -> io::Result<bool> {
        let mut chunk = vec![0u8; CHUNK];
        let log = read(&mut self.log, &mut chunk);
        if let Some(bytes) = log.and_then(|length| chunk.get(..length)) {
            let allowed = usize::try_from(budget.output_left).unwrap_or(usize::MAX).min(bytes.len());
            budget.output_left -= allowed as u64;
            self.cut |= allowed < bytes.len();
            if let Some(bytes) = bytes.get(..allowed)
                && !bytes.is_empty()
            {
                channel.log(bytes)?;
            }
        }
        let artifact = read(&mut self.artifact, &mut chunk);
        if let (Some(bytes), Stdout::Artifact { max_bytes, .. }) =
            (artifact.and_then(|length| chunk.get(..length)), self.program.stdout)
        {
            if self.collected.len() as u64 + bytes.len() as u64 > *max_bytes {
                self.cut = true;
            } else {
                self.collected.extend_from_slice(bytes);
            }
        }
        Ok(log.is_some() || artifact.is_some())
    }

    /// Reaps what ended: the program itself, and orphans, which become children of process 1.
    fn reap(&mut self) -> io::Result<()> {
        loop {
            match sys::reap(Wait::Look) {
                Ok(Some(reaped)) if reaped.pid == self.pid.as_raw_nonzero().get() => self.ended = Some(reaped),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn finish(self, channel: &mut Channel) -> io::Result<(Ended, u64)> {
        let peak_kib = self.ended.map_or(0, |reaped| reaped.peak_kib);
        let ended = match self.ended.map(|reaped| reaped.status) {
            _ if self.timed_out => Ended::Timeout,
            _ if self.cut => Ended::OutputLimit,
            Some(Status::Exit(code)) => Ended::Exit(code),
            Some(Status::Signal(signal)) => Ended::Signal(signal),
            None => Ended::Error("ended unseen".to_string()),
        };
        if let (Stdout::Artifact { name, .. }, false) = (self.program.stdout, self.cut) {
            channel.artifact(name, &self.collected)?;
        }
        Ok((ended, peak_kib))
    }
}

/// Reads what is there. `None`: nothing now, or never again (then the pipe is closed).
fn read(pipe: &mut Option<PipeReader>, chunk: &mut [u8]) -> Option<usize> {
    match pipe.as_mut()?.read(chunk) {
        Ok(0) => {
            *pipe = None;
            None
        }
        Ok(length) => Some(length),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => None,
        Err(_) => {
            *pipe = None;
            None
        }
    }
}

fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    Ok(rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK)?)
}

/// Kills and reaps everything else in the sandbox. One kill reaches all: the kernel does not let a process
/// with a pending SIGKILL fork. The loop is for children that are born orphans meanwhile.
fn kill_and_reap() -> io::Result<()> {
    loop {
        sys::kill_all_others();
        match sys::reap(Wait::Block) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
