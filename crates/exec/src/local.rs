//! [`LocalExecutor`]: prepares folders, starts sandboxes, cleans up after a killed runner.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use portcullis_model::{Code, Fault, TaskId};

use crate::cgroup::Groups;
use crate::doctor::{Layer, LayerState};
use crate::launch::{DOOR_SOCKET, Launch, WORK};
use crate::mounts::{self, SYSTEM, View};
use crate::running::{Running, Sink};
use crate::session::Session;
use crate::settings::Settings;
use crate::spawn::{self, Order};
use crate::supervise::{Task, supervise};
use crate::uids::{self, Uids};
use crate::workdir::Workdir;

/// Where the `bwrap` program is looked for.
const BWRAP_PLACES: [&str; 3] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];

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
    etc: PathBuf,
    work: PathBuf,
    uids: Uids,
    orders: mpsc::Sender<Order>,
    launches: AtomicU64,
}

impl LocalExecutor {
    /// Checks every layer and removes what a killed runner left in the same data folder: processes, cgroups,
    /// folders. Blocks for some tens of milliseconds.
    ///
    /// # Errors
    /// One `SANDBOX_LAYER_MISSING` for each layer that the host cannot give.
    pub fn new(settings: Settings) -> Result<Self, Vec<Fault>> {
        let (executor, layers) = Self::prepare(settings);
        let missing: Vec<Fault> = layers
            .iter()
            .filter_map(|layer| match &layer.state {
                LayerState::Ok(_) => None,
                LayerState::Missing(why) => Some(
                    Fault::new(Code::SANDBOX_LAYER_MISSING, format!("{}: {why}", layer.name)).remedy(&layer.remedy),
                ),
            })
            .collect();
        match executor {
            Some(executor) if missing.is_empty() => Ok(executor),
            _ if missing.is_empty() => Err(vec![Fault::internal("the executor could not be made")]),
            _ => Err(missing),
        }
    }

    /// The layers that can be seen without starting a sandbox, and the executor if all are there.
    pub(crate) fn prepare(settings: Settings) -> (Option<Self>, Vec<Layer>) {
        let mut layers = vec![agent(&settings.agent)];
        let bwrap = bwrap(&settings, &mut layers);
        let uids = own_uids(&settings, &mut layers);
        let folders = folders(&settings.data, &mut layers);
        let groups = groups(&settings, &mut layers);
        let (Some(bwrap), Some(uids), Some((etc, work)), Some(groups)) = (bwrap, uids, folders, groups) else {
            return (None, layers);
        };
        if layers.iter().any(|layer| matches!(layer.state, LayerState::Missing(_))) {
            return (None, layers);
        }
        match spawn::start(settings.agent.clone(), groups) {
            Ok(orders) => {
                let launches = AtomicU64::new(0);
                let inner = Inner { settings, bwrap, etc, work, uids, orders, launches };
                (Some(LocalExecutor { inner: Arc::new(inner) }), layers)
            }
            Err(error) => {
                layers.push(Layer::missing("threads", error.to_string(), "Raise the limit of processes of this user."));
                (None, layers)
            }
        }
    }

    /// A new, empty folder for a task's layout.
    ///
    /// # Errors
    /// Of the file system; `BUSY` when all user ids are taken.
    pub fn workdir(&self, task: TaskId) -> Result<Workdir, Fault> {
        let number = self.inner.launches.fetch_add(1, Ordering::Relaxed);
        Workdir::create(self.inner.work.join(format!("{task}-{number}")), self.inner.uids.take()?)
    }

    /// Starts a sandbox. Returns at once; what goes wrong while starting is in the outcome
    /// (`SANDBOX_LAUNCH`). Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A launch that makes no sense: relative paths, a door without a socket, a spec over its limit.
    pub fn launch(&self, launch: Launch, sink: Box<dyn Sink + Send>) -> Result<Running, Fault> {
        mounts::check(&launch.binds)?;
        let Launch { task, attempt, mut spec, workdir, binds, door, limits } = launch;
        match (&spec.door, &door) {
            (Some(inside), Some(_)) if inside.socket == DOOR_SOCKET => {}
            (None, None) => {}
            _ => return Err(Fault::internal("a door needs a socket on both sides")),
        }
        let readable = SYSTEM.iter().copied().chain(["/etc", "/proc", "/run/portcullis"]).map(str::to_owned);
        spec.read_only.extend(readable.chain(binds.iter().filter(|bind| !bind.write).map(|bind| bind.inside.clone())));
        let writable = binds.iter().filter(|bind| bind.write).map(|bind| bind.inside.clone());
        spec.read_write.extend(std::iter::once(WORK.to_owned()).chain(writable));
        let (inner, layout) = (self.inner.clone(), workdir.path().to_path_buf());
        let user = workdir.has_own_uid().then(|| workdir.uid());
        let view = View {
            agent: inner.settings.agent.clone(),
            bwrap: inner.bwrap.clone(),
            etc: inner.etc.clone(),
            layout,
            binds,
            door,
            limits,
            grace: inner.settings.grace,
            user,
        };
        let (interrupts, interrupted) = tokio::sync::mpsc::unbounded_channel();
        let supervisor = tokio::spawn(supervise(Task {
            session: Session::new(spec),
            group: format!("{task}-{attempt}-{}", inner.launches.fetch_add(1, Ordering::Relaxed)),
            workdir,
            limits,
            grace: inner.settings.grace,
            arguments: Box::new(move |groups| mounts::arguments(&view, groups)),
            orders: inner.orders.clone(),
            sink,
            interrupts: interrupted,
        }));
        Ok(Running { interrupts, supervisor })
    }
}

fn agent(path: &Path) -> Layer {
    const NAME: &str = "agent";
    const REMEDY: &str = "Build it with `cargo xtask agent`, or name it with `--agent`.";
    match fs::metadata(path) {
        Ok(facts) if !path.is_absolute() || !facts.is_file() || facts.permissions().mode() & 0o111 == 0 => {
            Layer::missing(NAME, format!("{} is no program at an absolute path", path.display()), REMEDY)
        }
        Ok(_) => match is_static(path) {
            Ok(true) => Layer::there(NAME, path.display().to_string()),
            Ok(false) => Layer::missing(NAME, format!("{} is not linked statically", path.display()), REMEDY),
            Err(error) => Layer::missing(NAME, format!("{}: {error}", path.display()), REMEDY),
        },
        Err(error) => Layer::missing(NAME, format!("{}: {error}", path.display()), REMEDY),
    }
}

/// An ELF program without an interpreter segment (`PT_INTERP`). Bounded: looks at the headers only.
fn is_static(path: &Path) -> std::io::Result<bool> {
    use std::io::Read;
    let mut head = Vec::new();
    fs::File::open(path)?.take(64 * 1024).read_to_end(&mut head)?;
    let at = |start: usize, length: usize| {
        let bytes = head.get(start..start + length)?;
        Some(bytes.iter().rev().fold(0u64, |value, byte| (value << 8) | u64::from(*byte)))
    };
    let facts = || {
        let (offset, size, count) = (at(32, 8)?, at(54, 2)?, at(56, 2)?);
        let mut kinds = Vec::new();
        for index in 0..count {
            kinds.push(at(usize::try_from(offset + index * size).ok()?, 4)?);
        }
        Some(kinds)
    };
    const INTERP: u64 = 3;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return Err(std::io::Error::other("no 64-bit little-endian ELF program"));
    }
    facts().map(|kinds| !kinds.contains(&INTERP)).ok_or_else(|| std::io::Error::other("its ELF headers are cut off"))
}

fn bwrap(settings: &Settings, layers: &mut Vec<Layer>) -> Option<PathBuf> {
    const REMEDY: &str = "Install it: `apt-get install bubblewrap`, `dnf install bubblewrap`, `apk add bubblewrap` or `pacman -S bubblewrap`.";
    let found = match &settings.bwrap {
        Some(path) => Some(path.clone()).filter(|path| path.is_file()),
        None => BWRAP_PLACES.iter().map(PathBuf::from).find(|path| path.is_file()),
    };
    layers.push(match &found {
        Some(path) => Layer::there("bubblewrap", path.display().to_string()),
        None => Layer::missing("bubblewrap", "the program `bwrap` was not found".to_string(), REMEDY),
    });
    found
}

fn own_uids(settings: &Settings, layers: &mut Vec<Layer>) -> Option<Uids> {
    const NAME: &str = "user id of its own";
    let uid = rustix::process::geteuid();
    if !uid.is_root() {
        layers.push(Layer::there(
            NAME,
            format!("none: the runner is user {}, tasks are apart by namespaces", uid.as_raw()),
        ));
        return Some(Uids::Own(uid.as_raw()));
    }
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let range = match &settings.uids {
        Some(range) => Some(range.clone()).filter(|range| uids::covers(&map, range)),
        None => uids::choose(hash(&settings.data), &map),
    };
    layers.push(match &range {
        Some(range) => Layer::there(NAME, format!("{} to {}", range.start, range.end.saturating_sub(1))),
        None => Layer::missing(
            NAME,
            "no range of user ids exists in this user namespace".to_string(),
            "Map at least 65,536 ids into the container that the runner is in, or run it as a user that is not root.",
        ),
    });
    range.map(Uids::range)
}

fn hash(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()).hash(&mut hasher);
    hasher.finish()
}

/// Makes the executor's folders and empties them of what a killed runner left.
fn folders(data: &Path, layers: &mut Vec<Layer>) -> Option<(PathBuf, PathBuf)> {
    let (etc, work) = (data.join("etc"), data.join("work"));
    let made = || -> Result<(), Fault> {
        let failed = |error: std::io::Error| Fault::io(data.display(), &error);
        fs::create_dir_all(data).map_err(failed)?;
        fs::set_permissions(data, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        match fs::remove_dir_all(&work) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        fs::create_dir(&work).map_err(failed)?;
        mounts::make_etc(&etc)
    };
    match made() {
        Ok(()) => Some((etc, work)),
        Err(fault) => {
            layers.push(Layer::missing(
                "folders",
                fault.message().to_string(),
                "Give the runner a data folder that it may write to.",
            ));
            None
        }
    }
}

fn groups(settings: &Settings, layers: &mut Vec<Layer>) -> Option<Groups> {
    const REMEDY: &str = "Run the runner as root or as a systemd service with `Delegate=memory pids cpu`, on a host with \
                          cgroup v2 or with these controllers in cgroup v1.";
    let name = |controller: &str| match controller {
        "memory" => "memory limit",
        "pids" => "process limit",
        _ => "processor limit",
    };
    match Groups::prepare(settings.cgroup.as_deref(), &format!("portcullis-{:016x}", hash(&settings.data))) {
        Ok(groups) => {
            layers.extend(groups.describe().map(|(controller, place)| Layer::there(name(controller), place)));
            // Whatever is left there belongs to a runner that is gone: the data folder is locked by this one.
            if let Err(fault) = groups.clean() {
                layers.push(Layer::missing("leftovers", fault.message().to_string(), REMEDY));
                return None;
            }
            Some(groups)
        }
        Err(missing) => {
            layers.extend(missing.into_iter().map(|(controller, why)| Layer::missing(name(controller), why, REMEDY)));
            None
        }
    }
}
