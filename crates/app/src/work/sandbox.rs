//! One recipe in one sandbox: its folder, its door, its log, and what came of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use portcullis_broker::{Call, Decision, Door, DoorSettings};
use portcullis_driver::{Layout, REPOSITORY, Recipe, Repository};
use portcullis_engine::{JobRequest, Stop};
use portcullis_exec::{Bind, Launch, Limits, Outcome, Sink};
use portcullis_fleet::Account;
use portcullis_model::agent::{Ended, Report, Step};
use portcullis_model::api::{CallRefused, CallView};
use portcullis_model::record::ProgramRun;
use portcullis_model::run::Phase;
use portcullis_model::{Code, Fault, UnitPath};
use portcullis_store::LogWriter;

use super::Worker;
use super::network::{self, BUNDLE};
use super::took::{lasted, took};
use crate::runner::definition::Definition;
use crate::runner::now;
use crate::runner::ports::StoreStates;
use crate::runner::tool::Tool;

/// Numbers the doors of a process: a socket's path must be short.
static DOORS: AtomicU64 = AtomicU64::new(0);
/// How much of a step's end is kept to be compared with `retryable_errors`, at least.
const SAID_MAX_BYTES: usize = 64 << 10;
/// Most refused calls that a log names.
const REFUSED_SHOWN: usize = 10;

/// What came of a recipe.
pub struct Ran {
    /// What came of its sandbox.
    pub outcome: Outcome,
    /// Whether the unit's own state was asked for at the door.
    pub read_own_state: bool,
    /// The name of the first step that failed.
    pub failed_step: Option<String>,
    /// The end of what that step printed.
    pub failed_output: Vec<u8>,
}

/// What a sandbox is made for, and with.
#[derive(Debug)]
pub struct Around<'a> {
    /// Whose `egress` its door goes by. `None`: it leads nowhere.
    pub account: Option<&'a Account>,
    /// What its door lets through.
    pub phase: Phase,
    /// The programs that are shown in it.
    pub programs: Vec<Tool>,
    /// Its bounds.
    pub limits: Limits,
}

impl<'a> Around<'a> {
    /// For a unit of the account: the tool, and Terragrunt where that is the driver.
    pub fn unit(definition: &'a Definition, phase: Phase) -> Self {
        let limits = &definition.account.limits;
        Around {
            account: Some(&definition.account),
            phase,
            programs: std::iter::once(&definition.tool).chain(&definition.terragrunt).cloned().collect(),
            limits: Limits {
                memory_bytes: limits.memory_mib << 20,
                pids: limits.pids,
                cpu_percent: limits.cpu_percent,
                disk_bytes: limits.disk_mib << 20,
                wall_s: u32::try_from(limits.timeout_s).unwrap_or(u32::MAX),
            },
        }
    }

    /// For a declared action: its program, and nothing else.
    pub fn action(program: &ProgramRun, tool: Tool) -> Self {
        Around {
            account: None,
            phase: Phase::Plan,
            programs: vec![tool],
            limits: Limits {
                memory_bytes: program.memory_mib << 20,
                pids: program.pids,
                cpu_percent: program.cpu_percent,
                disk_bytes: program.disk_mib << 20,
                wall_s: u32::try_from(program.timeout_s).unwrap_or(u32::MAX),
            },
        }
    }
}

/// Runs a recipe. `readable` is what the door answers for the states of other units.
///
/// # Errors
/// What keeps the sandbox from being started; what goes wrong in it is in the outcome.
pub async fn run(
    worker: &Worker,
    request: &JobRequest,
    around: Around<'_>,
    recipe: Recipe,
    readable: BTreeMap<UnitPath, Bytes>,
    stop: &mut Stop,
) -> Result<Ran, Fault> {
    let task = request.task.id;
    let begun = Instant::now();
    let workdir = worker.executor.workdir(task)?;
    let root = workdir.path().to_path_buf();
    let Recipe { mut layout, mut spec, repository, .. } = recipe;
    // Not every recipe has a door: a plan is shown without one.
    let egress = match (&spec.door, around.account) {
        (Some(_), Some(account)) => worker.network.egress(account, around.phase)?,
        _ => None,
    };
    let opened = now();
    let door = match &spec.door {
        Some(_) => Some(Door::open(DoorSettings {
            socket: worker.doors.join(DOORS.fetch_add(1, Ordering::Relaxed).to_string()),
            owner_uid: Some(workdir.uid()),
            task,
            unit: request.task.unit.clone(),
            phase: around.phase,
            readable,
            port: Arc::new(StoreStates(worker.store.clone())),
            egress: egress.clone(),
        })?),
        None => None,
    };
    if let (Some(_), Some(door)) = (&egress, &door) {
        layout.put(BUNDLE, worker.network.bundle(door.authority())?.into_bytes(), false)?;
        spec.env.extend(network::variables());
    }
    let written = tokio::task::spawn_blocking(move || write(&layout, &root)).await;
    written.map_err(|error| Fault::internal(format!("writing a layout: {error}")))??;
    let binds = binds(worker, &around.programs, request, repository)?;
    let names: Vec<Option<String>> = spec.steps.iter().map(name).collect();
    let said = Arc::new(Mutex::default());
    let sink = LogSink {
        writer: worker.store.log_writer(task)?,
        said: Arc::clone(&said),
        failed: false,
        names: names.clone(),
        accepted: (request.task.attempt == 1).then_some(request.run.created_at),
    };
    took("lay out", &request.task.unit, begun);
    let begun = Instant::now();
    let launch = Launch {
        task,
        attempt: request.task.attempt,
        spec,
        workdir,
        binds,
        door: door.as_ref().map(|door| door.socket().to_path_buf()),
        limits: around.limits,
    };
    let running = worker.executor.launch(launch, Box::new(sink))?;
    let interrupts = running.interrupter();
    let waiting = running.wait();
    tokio::pin!(waiting);
    let outcome = tokio::select! {
        outcome = &mut waiting => outcome,
        () = stop.raised() => {
            interrupts();
            waiting.await
        }
    };
    say_times(&request.task.unit, &names, &outcome, begun.elapsed());
    let begun = Instant::now();
    let failed_step = outcome.failed.and_then(|index| names.get(index).cloned().flatten());
    let failed_output = std::mem::take(&mut *said.lock().unwrap_or_else(PoisonError::into_inner));
    let mut ran = Ran { outcome, read_own_state: false, failed_step, failed_output };
    if let Some(door) = door {
        ran.read_own_state = door.read_own_state();
        let calls = door.close().await;
        // A tool that was killed has left its state locked; nobody else may hold that lock.
        worker.store.state_unlock_task(task).await?;
        note_refused(worker, task, &calls)?;
        let views: Vec<CallView> = calls.into_iter().map(|call| view(request, opened, call)).collect();
        worker.store.calls_insert(request.run.id, &views).await?;
    }
    took("close the door", &request.task.unit, begun);
    Ok(ran)
}

fn binds(worker: &Worker, programs: &[Tool], request: &JobRequest, repository: Repository) -> Result<Vec<Bind>, Fault> {
    let folder = || worker.checkouts.folder(worker.mirror.git_dir(), &request.run.commit);
    let mut binds = match repository {
        Repository::Hidden => Vec::new(),
        Repository::Shown => vec![Bind::read_only(folder()?, REPOSITORY)],
        Repository::Copied => vec![Bind::copy(folder()?, REPOSITORY)],
    };
    for tool in programs {
        if let Some(host) = &tool.bind {
            present(host)?;
            binds.push(Bind::read_only(host, tool.driver.program.clone()));
        }
    }
    Ok(binds)
}

/// Says how long the sandbox took: until it was closed, each step, and what is left: starting it and its end.
fn say_times(unit: &UnitPath, names: &[Option<String>], outcome: &Outcome, whole: Duration) {
    let launch = Duration::from_millis(outcome.launch_ms);
    lasted("launch the sandbox", unit, launch);
    let mut rest = whole.saturating_sub(launch);
    for (name, step) in names.iter().zip(&outcome.steps) {
        let time = Duration::from_millis(step.wall_ms);
        lasted(name.as_deref().unwrap_or("collect"), unit, time);
        rest = rest.saturating_sub(time);
    }
    lasted("end the sandbox", unit, rest);
}

/// A tool that was taken away since the definition was read, in words: a mount that fails says less.
fn present(tool: &Path) -> Result<(), Fault> {
    if tool.is_file() {
        return Ok(());
    }
    Err(Fault::new(Code::TOOL_MISSING, format!("{} is not there any more", tool.display()))
        .remedy("Put it back, or restart the runner when another one is installed. Then ask for the run again."))
}

/// A call as it is kept.
fn view(request: &JobRequest, opened: Timestamp, call: Call) -> CallView {
    let after = jiff::SignedDuration::from_millis(i64::try_from(call.after_ms).unwrap_or(i64::MAX));
    CallView {
        unit: request.task.unit.clone(),
        task: request.task.id,
        at: opened.saturating_add(after).unwrap_or(opened).to_string(),
        method: call.method,
        host: call.host,
        path: call.path,
        operation: call.operation,
        resource: call.resource,
        rule: call.rule,
        refused: match call.decision {
            Decision::Allowed => None,
            Decision::Refused { code, why } => Some(CallRefused { code, why }),
        },
        status: call.status,
        sent_bytes: call.sent_bytes,
        received_bytes: call.received_bytes,
        repeated: call.repeated,
    }
}

fn note_refused(
    worker: &Worker,
    task: portcullis_model::TaskId,
    calls: &[portcullis_broker::Call],
) -> Result<(), Fault> {
    let why = |call: &'_ portcullis_broker::Call| match &call.decision {
        Decision::Refused { code, why } => Some(format!("{why} [{code}]")),
        Decision::Allowed => None,
    };
    let refused: Vec<_> = calls.iter().filter_map(|call| Some((call, why(call)?))).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let mut text = format!("» {} calls were refused at the sandbox's door\n", refused.len());
    for (call, why) in refused.iter().take(REFUSED_SHOWN) {
        text.push_str(&format!("  {} {}{}: {why}\n", call.method, call.host, call.path));
    }
    worker.store.log_append(task, text.as_bytes())
}

/// Writes a layout into an empty folder.
fn write(layout: &Layout, root: &Path) -> Result<(), Fault> {
    for (path, file) in layout.files() {
        let target = root.join(path);
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::StorageFull => Fault::io("writing a working directory", &error),
            _ => Fault::new(Code::LAYOUT, format!("cannot write {path:?} of a working directory: {error}")),
        };
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mode = if file.executable { 0o755 } else { 0o644 };
        let opened = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&target);
        opened.and_then(|mut file_out| std::io::Write::write_all(&mut file_out, &file.bytes)).map_err(failed)?;
    }
    Ok(())
}

fn name(step: &Step) -> Option<String> {
    match step {
        Step::Run { name, .. } => Some(name.clone()),
        Step::Collect { .. } | Step::CollectTree { .. } => None,
    }
}

/// The task's log: what the tools print, with a line before each step.
struct LogSink {
    writer: LogWriter,
    names: Vec<Option<String>>,
    /// When the run was accepted, until the first step has started.
    accepted: Option<Timestamp>,
    /// The end of what the step printed that runs, or of the first that failed.
    said: Arc<Mutex<Vec<u8>>>,
    /// Whether a step has failed: those after it are not listened to.
    failed: bool,
}

impl Sink for LogSink {
    fn log(&mut self, bytes: &[u8]) {
        if !self.failed {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.extend_from_slice(bytes);
            // In strides, so that not each line moves all that is kept.
            if said.len() > 2 * SAID_MAX_BYTES {
                let surplus = said.len() - SAID_MAX_BYTES;
                said.drain(..surplus);
            }
        }
        if let Err(fault) = self.writer.append(bytes) {
            tracing::error!(%fault, "a task's log could not be written");
        }
    }

    fn step(&mut self, report: &Report) {
        if matches!(report, Report::StepStarted { .. })
            && let Some(accepted) = self.accepted.take()
        {
            let waited = Duration::try_from(now().duration_since(accepted)).unwrap_or_default();
            lasted("from acceptance to the first step", &"a task", waited);
        }
        match report {
            Report::StepStarted { .. } if !self.failed => {
                self.said.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
            // One that may end with another code than 0 is the last that anybody asks about.
            Report::StepEnded { ended, .. } => self.failed |= !matches!(ended, Ended::Exit(0) | Ended::Skipped),
            _ => {}
        }
        if let Report::StepStarted { index } = report
            && let Some(Some(name)) = self.names.get(*index)
        {
            self.log(format!("» {name}\n").as_bytes());
        }
    }
}
