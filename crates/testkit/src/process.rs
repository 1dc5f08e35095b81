//! A child process that does not outlive its guard.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process_group};

/// A child in a process group of its own. When the guard is dropped, also by a failing test, the whole group
/// is killed.
#[derive(Debug)]
pub struct ProcessGuard {
    child: Child,
    ended: bool,
}

impl ProcessGuard {
    /// Starts it.
    ///
    /// # Errors
    /// As [`Command::spawn`].
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        Ok(ProcessGuard { child: command.process_group(0).spawn()?, ended: false })
    }

    /// Its process id, which is also its group's.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Asks it to end (SIGTERM to the child alone, as a service manager would).
    pub fn terminate(&self) {
        if !self.ended {
            let _ = rustix::process::kill_process(self.pid(), Signal::TERM);
        }
    }

    /// Kills the child alone (SIGKILL), as the kernel would when memory is short. Its children live on until
    /// the guard is dropped.
    pub fn kill(&self) {
        if !self.ended {
            let _ = rustix::process::kill_process(self.pid(), Signal::KILL);
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }

    /// Whether it has ended, and how.
    ///
    /// # Errors
    /// As [`Child::try_wait`].
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        self.ended = true;
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read};
    use std::process::Stdio;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the testkit starts programs")]
    fn grandchildren_die_with_the_guard() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo started; wait"]).stdout(Stdio::piped());
        let mut guard = ProcessGuard::spawn(&mut command).unwrap();
        let mut out = BufReader::new(guard.child().stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        drop(guard);
        // The grandchild holds the pipe's other end: this ends only when it is gone.
        let mut rest = Vec::new();
        out.read_to_end(&mut rest).unwrap();
        assert_eq!(line, "started\n");
    }
}
