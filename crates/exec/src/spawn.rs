//! The one thread that starts sandboxes.
//!
//! Linux sends the parent's death signal when the *thread* that started a process ends, and threads of a
//! runtime come and go. So one thread, which lives as long as its executor, starts them all: a sandbox dies
//! with the executor, and with the runner, and never before.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;

use portcullis_model::{Code, Fault};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::cgroup::{Group, Groups};
use crate::launch::Limits;

/// Makes the arguments, once the group's folders are known.
pub(crate) type Arguments = Box<dyn FnOnce(&[PathBuf]) -> Vec<OsString> + Send>;

/// What to start.
pub(crate) struct Order {
    pub(crate) group: String,
    pub(crate) limits: Limits,
    pub(crate) arguments: Arguments,
    pub(crate) runtime: Handle,
    pub(crate) answer: oneshot::Sender<Result<Started, Fault>>,
}

/// What was started.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) group: Group,
}

/// Starts the thread. It ends when the sender is dropped, and all sandboxes with it.
pub(crate) fn start(program: PathBuf, groups: Groups) -> std::io::Result<mpsc::Sender<Order>> {
    let (orders, inbox) = mpsc::channel::<Order>();
    std::thread::Builder::new().name("sandboxes".to_string()).spawn(move || {
        while let Ok(order) = inbox.recv() {
            let Order { group, limits, arguments, runtime, answer } = order;
            let started = groups.create(&group, &limits).and_then(|group| spawn(&program, group, arguments, &runtime));
            // A supervisor that is gone has dropped the child with the answer.
            let _ = answer.send(started);
        }
        groups.leave();
    })?;
    Ok(orders)
}

fn spawn(program: &Path, group: Group, arguments: Arguments, runtime: &Handle) -> Result<Started, Fault> {
    let _entered = runtime.enter();
    #[allow(clippy::disallowed_methods, reason = "this module owns the start of sandboxes")]
    let child = Command::new(program)
        .args(arguments(group.folders()))
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    match child {
        Ok(child) => Ok(Started { child, group }),
        Err(error) => {
            // The next start removes what cannot be removed now.
            let _ = group.remove();
            Err(Fault::new(Code::SANDBOX_LAUNCH, format!("cannot start {}: {error}", program.display())))
        }
    }
}
