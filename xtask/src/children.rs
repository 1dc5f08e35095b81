//! Processes of the demo and of benchmarks: each in a group of its own, each ended by its own id, none left behind.
//!
//! Ctrl-C stops them from a thread of its own, at any moment. If this program itself is killed, the kernel ends
//! them (`setpriv --pdeathsig`), and each runner takes its sandboxes along.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How long a process is given to end by itself.
const GRACE: Duration = Duration::from_secs(10);
/// How often a process that must end soon is looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// All processes that were started, and the folder that goes with them.
#[derive(Clone)]
pub struct Children(Arc<(Mutex<Inner>, Condvar)>);

#[derive(Default)]
struct Inner {
    /// A signal asked for it.
    interrupted: bool,
    stopping: bool,
    stopped: bool,
    children: BTreeMap<u32, Child>,
    folder: Option<PathBuf>,
}

impl Children {
    /// None yet. From here on, Ctrl-C (and SIGTERM, SIGHUP) stops whatever is added.
    pub fn new() -> Result<Self, String> {
        let children = Children(Arc::default());
        let watched = children.clone();
        let (ready, armed) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let outcome = wait_for_signal(&ready);
            if outcome.is_ok() {
                watched.lock().interrupted = true;
                eprintln!("\nstopping …");
                watched.stop();
                watched.end_if_interrupted();
            }
        });
        armed.recv().map_err(|_| "signals cannot be watched".to_owned())?;
        Ok(children)
    }

    /// The folder that is removed once every process has ended.
    pub fn own_folder(&self, folder: PathBuf) {
        self.lock().folder = Some(folder);
    }

    /// Starts a process that dies with this one.
    pub fn start(&self, command: &mut Command) -> Result<u32, String> {
        // Under the lock: whoever stops the others must not miss this one.
        let mut inner = self.lock();
        if inner.stopping {
            return Err("everything is being stopped".to_owned());
        }
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{} could not be started: {error}", command.get_program().display()))?;
        let id = child.id();
        inner.children.insert(id, child);
        Ok(id)
    }

    /// Whether a process has ended, and how.
    pub fn ended(&self, id: u32) -> Result<Option<ExitStatus>, String> {
        let mut inner = self.lock();
        let Some(child) = inner.children.get_mut(&id) else {
            return Err("the process was stopped".to_owned());
        };
        let status = child.try_wait().map_err(|error| format!("process {id}: {error}"))?;
        if status.is_some() {
            inner.children.remove(&id);
        }
        Ok(status)
    }

    /// Waits for the end of a process, up to a limit.
    pub fn wait(&self, id: u32, limit: Duration) -> Result<ExitStatus, String> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended(id)? {
                return Ok(status);
            }
            if start.elapsed() > limit {
                return Err(format!("process {id} has not ended after {} s", limit.as_secs()));
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// Ends everything and removes the folder. Safe to call twice; the second waits for the first.
    pub fn stop(&self) {
        let mut inner = self.lock();
        if inner.stopping {
            while !inner.stopped {
                inner = self.0.1.wait(inner).unwrap_or_else(PoisonError::into_inner);
            }
            return;
        }
        inner.stopping = true;
        let mut children = std::mem::take(&mut inner.children);
        let folder = inner.folder.take();
        drop(inner);
        end(&mut children);
        if let Some(folder) = folder
            && let Err(error) = std::fs::remove_dir_all(&folder)
        {
            eprintln!("{} is left: {error}", folder.display());
        }
        self.lock().stopped = true;
        self.0.1.notify_all();
    }

    /// Ends this program as a signal asks, once everything is stopped: what failed meanwhile failed for that.
    pub fn end_if_interrupted(&self) {
        let inner = self.lock();
        if inner.interrupted {
            // The lock is held: of two threads that come here, one speaks.
            eprintln!("everything is stopped");
            std::process::exit(130);
        }
    }

    /// Waits until a signal has stopped everything.
    pub fn wait_for_signal(&self) {
        let mut inner = self.lock();
        while !inner.stopped {
            inner = self.0.1.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks each process to end; a runner then ends its sandboxes. Kills the groups of those that do not.
fn end(children: &mut BTreeMap<u32, Child>) {
    let pid = |child: &Child| Pid::from_child(child);
    for child in children.values() {
        let _ = kill_process(pid(child), Signal::TERM);
    }
    let start = Instant::now();
    while start.elapsed() < GRACE {
        children.retain(|_, child| matches!(child.try_wait(), Ok(None)));
        if children.is_empty() {
            return;
        }
        std::thread::sleep(GLANCE);
    }
    for child in children.values_mut() {
        let _ = kill_process_group(pid(child), Signal::KILL);
        let _ = child.wait();
    }
}

/// A program that the kernel ends when this one ends, with an empty environment but for `PATH`.
#[allow(clippy::disallowed_methods, reason = "the demo and benchmarks start programs")]
pub fn command(program: impl AsRef<OsStr>, search_path: &OsStr) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program).env_clear().env("PATH", search_path);
    command
}

fn wait_for_signal(ready: &std::sync::mpsc::Sender<()>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let _ = ready.send(());
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        Ok(())
    })
}
