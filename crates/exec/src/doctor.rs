//! Each layer of the sandbox, and whether this host gives it.

use std::collections::BTreeMap;

use portcullis_model::TaskId;
use portcullis_model::agent::{Report, Role, Stdout, Step, TaskSpec, When};

use crate::launch::{Launch, Limits};
use crate::local::LocalExecutor;
use crate::running::{Outcome, Sink};
use crate::settings::Settings;

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its name, for people: `bubblewrap`, `memory limit`.
    pub name: &'static str,
    /// Whether it is there.
    pub state: LayerState,
    /// What to do when it is missing, as full sentences. Empty when it is there.
    pub remedy: String,
}

/// Whether a layer is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerState {
    /// It is, with a detail: a version, a path, a range.
    Ok(String),
    /// It is not, and why.
    Missing(String),
}

impl Layer {
    pub(crate) fn there(name: &'static str, detail: String) -> Self {
        Layer { name, state: LayerState::Ok(detail), remedy: String::new() }
    }

    pub(crate) fn missing(name: &'static str, why: String, remedy: &str) -> Self {
        Layer { name, state: LayerState::Missing(why), remedy: remedy.to_owned() }
    }
}

/// Looks at every layer; also starts a sandbox that does nothing, to be sure. Blocks.
pub fn doctor(settings: &Settings) -> Vec<Layer> {
    let (executor, mut layers) = LocalExecutor::prepare(settings.clone());
    let Some(executor) = executor else { return layers };
    // A thread of its own: the caller may be on a runtime, which must not be blocked on from within.
    let outcome = std::thread::spawn(move || trial(&executor)).join();
    let outcome = outcome.unwrap_or_else(|_| Err("the trial panicked".to_owned()));
    layers.extend(judge(&outcome));
    layers
}

fn trial(executor: &LocalExecutor) -> Result<Outcome, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let task = TaskId::from_uuid(uuid::Uuid::now_v7());
        let workdir = executor.workdir(task).map_err(|fault| fault.to_string())?;
        let step = Step::Run {
            name: "trial".into(),
            argv: vec!["true".into()],
            cwd: "/work".into(),
            env: BTreeMap::new(),
            accept: vec![0],
            stdout: Stdout::Log,
            when: When::Success,
            timeout_s: 10,
            role: Role::Tool,
        };
        let spec = TaskSpec {
            steps: vec![step],
            env: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
            door: None,
            read_only: Vec::new(),
            read_write: Vec::new(),
            output_max_bytes: 64 * 1024,
        };
        let limits = Limits { wall_s: 20, memory_bytes: 64 << 20, disk_bytes: 1 << 20, ..Limits::default() };
        let launch = Launch { task, attempt: 1, spec, workdir, binds: Vec::new(), door: None, limits };
        let running = executor.launch(launch, Box::new(Deaf)).map_err(|fault| fault.to_string())?;
        Ok(running.wait().await)
    })
}

/// The trial proves namespaces, mounts, landlock and seccomp in one go: the agent ends before its first step
/// if any of them does not hold.
fn judge(outcome: &Result<Outcome, String>) -> Vec<Layer> {
    const INSIDE: [(&str, &str, &str); 4] = [
        (
            "namespaces",
            "bwrap",
            "Allow user namespaces: `sysctl -w user.max_user_namespaces=15000`, and on Ubuntu `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`.",
        ),
        ("disk limit", "tmpfs", "Use bubblewrap 0.5 or newer, which takes `--size`."),
        (
            "landlock",
            "landlock",
            "Use Linux 5.13 or newer with landlock in `CONFIG_LSM` (or `lsm=landlock,…` at boot).",
        ),
        ("seccomp", "seccomp", "Use a kernel with `CONFIG_SECCOMP_FILTER`."),
    ];
    let why = match outcome {
        Ok(Outcome { fault: None, launch_ms, .. }) => {
            return INSIDE
                .iter()
                .map(|(name, ..)| Layer::there(name, format!("held in a trial ({launch_ms} ms)")))
                .collect();
        }
        Ok(outcome) => outcome.fault.as_ref().map_or_else(String::new, ToString::to_string),
        Err(why) => why.clone(),
    };
    let culprit = INSIDE.iter().find(|(_, sign, _)| why.contains(sign)).unwrap_or(&INSIDE[0]);
    vec![Layer::missing(culprit.0, why, culprit.2)]
}

struct Deaf;

impl Sink for Deaf {
    fn log(&mut self, _: &[u8]) {}
    fn step(&mut self, _: &Report) {}
}
