//! [`LocalExecutor`]: prepares folders, starts sandboxes, cleans up after a killed runner.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use portcullis_model::agent::{SPEC_MAX_BYTES, TaskSpec};
use portcullis_model::{Code, Fault, TaskId};

use crate::doctor::{self, Host};
use crate::launch::{Access, DOOR_SOCKET, Launch, Limits, WORK};
use crate::mounts::{self, View};
use crate::running::{Running, Sink};
use crate::session::Session;
use crate::settings::Settings;
use crate::spawn::{self, Order};
use crate::supervise::{Task, supervise};
use crate::uids::Uids;
use crate::workdir::Workdir;

/// Starts sandboxes on this machine. Cheap to clone. When the last clone is dropped, sandboxes that still
/// run are killed.
#[derive(Debug, Clone)]
pub struct LocalExecutor {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    bwrap: PathBuf,
    agent: PathBuf,
    etc: PathBuf,
    /// Where layouts are.
    layouts: PathBuf,
    uids: Uids,
    orders: mpsc::Sender<Order>,
    launches: AtomicU64,
}

impl LocalExecutor {
    /// Checks every layer and removes what a killed runner left in the same data folder: processes, cgroups,
    /// folders. Blocks for some tens of milliseconds. The caller sees to it that no other runner uses the
    /// data folder.
    ///
    /// # Errors
    /// One `SANDBOX_LAYER_MISSING` for each layer that the host cannot give; those of the file system.
    pub fn new(settings: Settings) -> Result<Self, Vec<Fault>> {
        let (host, _) = doctor::examine(&settings).map_err(|layers| doctor::faults(&layers))?;
        Self::on(settings, host).map_err(|fault| vec![fault])
    }

    fn on(settings: Settings, host: Host) -> Result<Self, Fault> {
        let Host { bwrap, agent, etc, uids, groups } = host;
        // What the groups hold dies first: it could still use the folders.
        groups.clean()?;
        let layouts = settings.data.join("layouts");
        empty(&layouts)?;
        let layouts = layouts.canonicalize().map_err(|error| Fault::io(layouts.display(), &error))?;
        let orders =
            spawn::start(agent.clone(), groups).map_err(|error| Fault::io("the thread for sandboxes", &error))?;
        let inner = Inner { settings, bwrap, agent, etc, layouts, uids, orders, launches: AtomicU64::new(0) };
        Ok(LocalExecutor { inner: Arc::new(inner) })
    }

    /// A new, empty folder for a task's layout.
    ///
    /// # Errors
    /// Of the file system; `BUSY` when all user ids are taken.
    pub fn workdir(&self, task: TaskId) -> Result<Workdir, Fault> {
        let lease = self.inner.uids.take()?;
        Workdir::create(self.inner.layouts.join(self.unique(task)), lease)
    }

    fn unique(&self, task: TaskId) -> String {
        format!("{task}-{}", self.inner.launches.fetch_add(1, Ordering::Relaxed))
    }

    /// Starts a sandbox. Returns at once; what goes wrong while starting is in the outcome
    /// (`SANDBOX_LAUNCH`). Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A launch that makes no sense: relative paths, a door without a socket, a spec over its limit.
    pub fn launch(&self, launch: Launch, sink: Box<dyn Sink + Send>) -> Result<Running, Fault> {
        mounts::check(&launch.binds)?;
        let spec = complete(&launch)?;
        let group = format!("{}-{}", self.unique(launch.task), launch.attempt);
        let Launch { workdir, binds, door, limits, .. } = launch;
        let inner = &self.inner;
        let grace = inner.settings.grace;
        let view = View {
            agent: inner.agent.clone(),
            bwrap: inner.bwrap.clone(),
            etc: inner.etc.clone(),
            layout: workdir.path().to_path_buf(),
            binds,
            door,
            limits,
            grace,
            user: workdir.has_own_uid().then(|| workdir.uid()),
        };
        // Each copy is a file system of its own.
        let copies = view.binds.iter().filter(|bind| bind.access == Access::Copy).count() as u64;
        let limits = Limits { disk_bytes: limits.disk_bytes.saturating_mul(1 + copies), ..limits };
        let (interrupts, interrupted) = tokio::sync::mpsc::unbounded_channel();
        let supervisor = tokio::spawn(supervise(Task {
            session: Session::new(spec),
            workdir,
            limits,
            grace,
            group,
            arguments: Box::new(move |groups| mounts::arguments(&view, groups)),
            orders: inner.orders.clone(),
            sink,
            interrupts: interrupted,
        }));
        Ok(Running { interrupts, supervisor })
    }
}

/// The spec as the agent gets it: with the paths that the sandbox itself brings.
fn complete(launch: &Launch) -> Result<TaskSpec, Fault> {
    let refuse = |why: &str| Fault::new(Code::SANDBOX_LAUNCH, why.to_string());
    match (&launch.spec.door, &launch.door) {
        (Some(door), Some(_)) if door.socket != DOOR_SOCKET => {
            return Err(refuse("the door's socket inside is not where it is bound"));
        }
        (Some(_), None) => return Err(refuse("the spec has a door, the launch has no socket for it")),
        (None, Some(_)) => return Err(refuse("the launch has a socket, the spec no door for it")),
        _ => {}
    }
    let mut spec = launch.spec.clone();
    spec.read_only.extend(mounts::readable());
    spec.read_write.push(WORK.to_string());
    for bind in &launch.binds {
        let paths = if bind.access == Access::Read { &mut spec.read_only } else { &mut spec.read_write };
        paths.push(bind.inside.clone());
    }
    let size = serde_json::to_vec(&spec).map_err(|error| Fault::internal(error.to_string()))?.len();
    if size > SPEC_MAX_BYTES {
        return Err(refuse(&format!("the task's spec has {size} bytes, allowed are {SPEC_MAX_BYTES}"))
            .remedy("Give large values in a generated file instead of `inputs`."));
    }
    Ok(spec)
}

/// Makes a folder that is empty and the runner's alone.
fn empty(folder: &Path) -> Result<(), Fault> {
    let failed = |error: std::io::Error| Fault::io(folder.display(), &error);
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    fs::create_dir_all(folder).map_err(failed)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)
}
