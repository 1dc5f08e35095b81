//! Each layer of the sandbox, and whether this host gives it.
//!
//! Looking changes nothing that a running runner uses: what a killed runner left is the executor's to remove.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use portcullis_model::agent::{FrameKind, Report, TaskSpec, read_frame, write_frame};
use portcullis_model::{Code, DigestBuilder, Fault};
use rustix::thread::CapabilitySet;

use crate::cgroup::{self, Group, Groups};
use crate::launch::Limits;
use crate::mounts::{self, View};
use crate::settings::Settings;
use crate::uids::{self, Uids};

/// Where bubblewrap is looked for.
const BWRAP: [&str; 3] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];
/// Its oldest version that can forbid further user namespaces and give a tmpfs a size.
const BWRAP_MIN: (u32, u32) = (0, 8);
/// What of a program's output is looked at.
const OUTPUT_MAX_BYTES: u64 = 8 * 1024;
/// What root must have to give each sandbox a user of its own and show it folders of the runner's.
const NEEDED: [(CapabilitySet, &str); 5] = [
    (CapabilitySet::SETUID, "CAP_SETUID"),
    (CapabilitySet::SETGID, "CAP_SETGID"),
    (CapabilitySet::CHOWN, "CAP_CHOWN"),
    (CapabilitySet::KILL, "CAP_KILL"),
    (CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN"),
];
/// What a sandbox that does nothing proves.
const PROVEN: [(&str, &str); 4] = [
    ("namespaces", "user, PID, mount, network, IPC and host name, no further ones"),
    ("disk limit", "the work folder is in memory and has a size"),
    ("landlock", "in force"),
    ("system call filter", "in force"),
];

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

/// Looks at every layer; also starts a sandbox that does nothing, to be sure. Blocks for some tens of
/// milliseconds. Safe while a runner uses the same data folder.
pub fn doctor(settings: &Settings) -> Vec<Layer> {
    match examine(settings) {
        Ok((host, layers)) => {
            host.groups.leave_if_new();
            layers
        }
        Err(layers) => layers,
    }
}

/// What the checks found, for the executor to use.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) bwrap: PathBuf,
    pub(crate) agent: PathBuf,
    pub(crate) etc: PathBuf,
    pub(crate) uids: Uids,
    pub(crate) groups: Groups,
}

/// The same checks, for a start. An error when any layer is missing.
pub(crate) fn examine(settings: &Settings) -> Result<(Host, Vec<Layer>), Vec<Layer>> {
    let mut layers = Vec::new();
    match look(settings, &mut layers) {
        Some(host) => Ok((host, layers)),
        None => Err(layers),
    }
}

/// One fault for each layer that is missing.
pub(crate) fn faults(layers: &[Layer]) -> Vec<Fault> {
    let missing = layers.iter().filter_map(|layer| match &layer.state {
        LayerState::Missing(why) => {
            let fault = Fault::new(Code::SANDBOX_LAYER_MISSING, format!("{}: {why}", layer.name));
            Some(fault.remedy(layer.remedy.clone()))
        }
        LayerState::Ok(_) => None,
    });
    missing.collect()
}

/// What was found and a detail for people, or why not and a remedy.
type Check<T> = Result<(T, String), (String, &'static str)>;

fn note<T>(layers: &mut Vec<Layer>, name: &'static str, check: Check<T>) -> Option<T> {
    let (found, state, remedy) = match check {
        Ok((found, detail)) => (Some(found), LayerState::Ok(detail), ""),
        Err((why, remedy)) => (None, LayerState::Missing(why), remedy),
    };
    layers.push(Layer { name, state, remedy: remedy.to_string() });
    found
}

fn look(settings: &Settings, layers: &mut Vec<Layer>) -> Option<Host> {
    let bwrap = note(layers, "bubblewrap", bubblewrap(settings));
    let agent = note(layers, "agent", agent(&settings.agent));
    // Before what is named after it: its real path is known once it exists.
    let etc = note(layers, "data folder", data(&settings.data));
    let uids = note(layers, "own user id", user_ids(settings));
    let groups = limits(settings, layers);
    let (bwrap, agent, etc, uids) = (bwrap?, agent?, etc?, uids?);
    // Also without limits: who mends a host wants to know all that is missing, and not only what comes first.
    let proven =
        prove(&Probe { bwrap: &bwrap, agent: &agent, etc: &etc, uids: &uids, groups: groups.as_ref() }, layers);
    let host = Host { bwrap, agent, etc, uids, groups: groups? };
    proven.then_some(host)
}

/// What a sandbox that does nothing needs.
struct Probe<'a> {
    bwrap: &'a Path,
    agent: &'a Path,
    etc: &'a Path,
    uids: &'a Uids,
    groups: Option<&'a Groups>,
}

fn bubblewrap(settings: &Settings) -> Check<PathBuf> {
    let remedy = "Install bubblewrap 0.8 or newer: `apt-get install bubblewrap`, `dnf install bubblewrap`, `apk add \
                  bubblewrap` or the like.";
    let path = match &settings.bwrap {
        Some(path) => Some(path.clone()),
        None => BWRAP.iter().map(PathBuf::from).find(|path| path.exists()),
    };
    let path = path.ok_or(("there is no `bwrap` on this host".to_string(), remedy))?;
    #[allow(clippy::disallowed_methods, reason = "asking a layer for its version is this module's job")]
    let output = Command::new(&path).arg("--version").env_clear().stdin(Stdio::null()).output();
    let output = output.map_err(|error| (format!("{}: {error}", path.display()), remedy))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
    let mut numbers = text.rsplit(' ').next().unwrap_or("").split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < BWRAP_MIN {
        return Err((format!("`{text}` is older than 0.8"), remedy));
    }
    if fs::metadata(&path).is_ok_and(|facts| facts.permissions().mode() & 0o4000 != 0) {
        let remedy = "Take the set-user-id bit off (`chmod u-s`). Unprivileged user namespaces do its work.";
        return Err((format!("{} is set-user-id root", path.display()), remedy));
    }
    let detail = format!("{text}, {}", path.display());
    Ok((path, detail))
}

fn agent(path: &Path) -> Check<PathBuf> {
    let remedy = "Build it with `cargo xtask agent`, or install the release's `portcullis-agent` beside `portcullis`.";
    let failed = |error: std::io::Error| (format!("{}: {error}", path.display()), remedy);
    let path = path.canonicalize().map_err(failed)?;
    if fs::metadata(&path).map_err(failed)?.permissions().mode() & 0o005 != 0o005 {
        return Err((format!("{} may not be read and executed by everyone", path.display()), remedy));
    }
    if !is_static(&path).map_err(failed)? {
        return Err((format!("{} is not linked statically", path.display()), remedy));
    }
    let detail = format!("static, {}", path.display());
    Ok((path, detail))
}

/// Whether an ELF file asks for no interpreter (`PT_INTERP`): the dynamic loader.
fn is_static(path: &Path) -> std::io::Result<bool> {
    const INTERPRETER: usize = 3;
    let cut = || std::io::Error::other("its program headers cannot be read");
    let mut head = Vec::new();
    fs::File::open(path)?.take(OUTPUT_MAX_BYTES).read_to_end(&mut head)?;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return Err(std::io::Error::other("not a 64-bit program"));
    }
    let field = |at: usize, size: usize| {
        let bytes = head.get(at..at.checked_add(size)?)?;
        Some(bytes.iter().rev().fold(0usize, |number, byte| (number << 8) | usize::from(*byte)))
    };
    // The table of program headers: where, size of an entry, how many.
    let (table, size, count) =
        (field(32, 8).ok_or_else(cut)?, field(54, 2).ok_or_else(cut)?, field(56, 2).ok_or_else(cut)?);
    for index in 0..count {
        let entry = table.checked_add(index * size).and_then(|at| field(at, 4)).ok_or_else(cut)?;
        if entry == INTERPRETER {
            return Ok(false);
        }
    }
    Ok(true)
}

fn data(folder: &Path) -> Check<PathBuf> {
    let remedy = "Choose a folder that the runner may write with `--data`.";
    let failed = |error: std::io::Error| (format!("{}: {error}", folder.display()), remedy);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let folder = folder.canonicalize().map_err(failed)?;
    let etc = folder.join("etc");
    mounts::make_etc(&etc).map_err(|fault| (fault.message().to_string(), remedy))?;
    Ok((etc, folder.display().to_string()))
}

fn user_ids(settings: &Settings) -> Check<Uids> {
    let own = rustix::process::geteuid();
    if !own.is_root() {
        let detail = format!("{} for all tasks, in a user namespace for each", own.as_raw());
        return Ok((Uids::Own(own.as_raw()), detail));
    }
    let remedy = "Give root these capabilities, or run as an ordinary user with a delegated control group.";
    let have = rustix::thread::capabilities(None).map_err(|error| (error.to_string(), remedy))?.effective;
    let lacking: Vec<_> = NEEDED.iter().filter(|(needed, _)| !have.contains(*needed)).map(|(_, name)| *name).collect();
    if !lacking.is_empty() {
        return Err((format!("root without {}", lacking.join(", ")), remedy));
    }
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let range = match &settings.uids {
        Some(range) => Some(range.clone()).filter(|range| !range.is_empty() && uids::covers(&map, range)),
        None => uids::choose(identity(&settings.data), &map),
    };
    let remedy = "Give the container at least the first 65,536 user ids, or set a range that exists.";
    let range = range.ok_or(("this user namespace has too few user ids".to_string(), remedy))?;
    let detail = format!("{} to {}, one for each task", range.start, range.end - 1);
    Ok((Uids::range(range), detail))
}

/// A number for an executor, from its data folder: the next start with that folder finds the same, whatever
/// build it is.
fn identity(data: &Path) -> u64 {
    let path = data.canonicalize().unwrap_or_else(|_| data.to_path_buf());
    let mut digest = DigestBuilder::new("portcullis executor v1");
    digest.bytes(path.as_os_str().as_encoded_bytes());
    let digest = digest.finish();
    digest.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Memory, processes, processor: control groups.
fn limits(settings: &Settings, layers: &mut Vec<Layer>) -> Option<Groups> {
    let name = |controller: &str| match controller {
        "memory" => "memory limit",
        "pids" => "process limit",
        _ => "processor limit",
    };
    let remedy = if cgroup::is_version_2() {
        "Give the runner a control group of its own: as a systemd service with `User=` and `Delegate=memory pids cpu` (the \
         unit is in docs/install.md), by hand with `systemd-run --user --scope --property=Delegate=yes portcullis serve …`, or \
         run it as root."
    } else {
        "This host has control groups of version 1, which systemd does not delegate to an ordinary user. As root, make a \
         group for the runner in each of memory, pids and cpu, give it to the runner's user, and start the runner in them \
         (the commands are in docs/install.md); or run it as root, or boot with `systemd.unified_cgroup_hierarchy=1`."
    };
    match Groups::prepare(settings.cgroup.as_deref(), &format!("portcullis-{:016x}", identity(&settings.data))) {
        Ok(groups) => {
            for (controller, detail) in groups.describe() {
                note(layers, name(controller), Ok(((), detail)));
            }
            Some(groups)
        }
        Err(missing) => {
            for (controller, why) in missing {
                note::<()>(layers, name(controller), Err((why, remedy)));
            }
            None
        }
    }
}

/// Starts a sandbox that does nothing: if it closes, every layer inside works on this host.
fn prove(probe: &Probe<'_>, layers: &mut Vec<Layer>) -> bool {
    let why = match try_sandbox(probe) {
        Ok(()) => {
            for (name, detail) in PROVEN {
                note(layers, name, Ok(((), detail.to_string())));
            }
            return true;
        }
        Err(why) => why,
    };
    let (name, remedy) = if why.contains("landlock") {
        ("landlock", "Use a kernel with landlock (5.13 or newer), and `landlock` in the boot option `lsm=`.")
    } else if why.contains("mount proc") {
        let remedy = "A part of /proc is masked, and the kernel then shows no new /proc to a sandbox. In a systemd unit, \
                      leave out ProtectKernelTunables=, ProtectKernelLogs= and ProtectProc=; in a container, unmask /proc \
                      (Docker: `--security-opt systempaths=unconfined`, Kubernetes: `procMount: Unmasked`).";
        ("namespaces", remedy)
    } else if why.contains("seccomp") {
        ("system call filter", "Use a kernel with CONFIG_SECCOMP_FILTER.")
    } else {
        let remedy = "Allow unprivileged user namespaces: `sysctl user.max_user_namespaces=15000`, on Debian also \
                      `sysctl kernel.unprivileged_userns_clone=1`, on Ubuntu `sysctl \
                      kernel.apparmor_restrict_unprivileged_userns=0`. In a container, its seccomp profile must allow \
                      them.";
        ("namespaces", remedy)
    };
    note::<()>(layers, name, Err((why, remedy)));
    false
}

fn try_sandbox(probe: &Probe<'_>) -> Result<(), String> {
    let lease = probe.uids.take().map_err(|fault| fault.message().to_string())?;
    let limits = Limits { memory_bytes: 64 << 20, disk_bytes: 1 << 20, pids: 16, ..Limits::default() };
    let name = format!("probe-{}", std::process::id());
    let group = probe.groups.map(|groups| groups.create(&name, &limits)).transpose();
    let group = group.map_err(|fault| fault.message().to_string())?;
    let view = View {
        agent: probe.agent.to_path_buf(),
        bwrap: probe.bwrap.to_path_buf(),
        etc: probe.etc.to_path_buf(),
        // Anything that may be read and is empty serves as a layout.
        layout: probe.etc.join(mounts::EMPTY),
        binds: Vec::new(),
        door: None,
        limits,
        grace: Duration::ZERO,
        user: lease.is_own().then(|| lease.uid()),
    };
    #[allow(clippy::disallowed_methods, reason = "a sandbox is a layer's proof")]
    let child = Command::new(&view.agent)
        .args(mounts::arguments(&view, group.as_ref().map_or(&[], Group::folders)))
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let outcome = child.map_err(|error| format!("cannot start the agent: {error}")).and_then(ask);
    let removed = group.map_or(Ok(()), |group| group.remove());
    outcome.and(removed.map_err(|error| format!("cannot remove a control group: {error}")))
}

/// Gives a sandbox nothing to do and hears whether it closed.
fn ask(mut child: Child) -> Result<(), String> {
    let spec = TaskSpec {
        steps: Vec::new(),
        env: std::collections::BTreeMap::new(),
        door: None,
        read_only: mounts::readable(),
        read_write: vec![crate::launch::WORK.to_string()],
        output_max_bytes: 0,
    };
    let json = serde_json::to_vec(&spec).map_err(|error| error.to_string())?;
    let mut report = None;
    if let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) {
        // One that has failed already is heard below.
        let _ = write_frame(&mut stdin, FrameKind::Spec, &json).and_then(|()| stdin.flush());
        report = read_frame(&mut stdout.take(OUTPUT_MAX_BYTES)).ok().flatten();
        // Here its input ends, and with it the sandbox.
    }
    let mut complaint = String::new();
    if let Some(stderr) = child.stderr.take() {
        // What cannot be read is no reason.
        let _ = stderr.take(OUTPUT_MAX_BYTES).read_to_string(&mut complaint);
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    match report.and_then(|(_, json)| serde_json::from_slice(&json).ok()) {
        Some(Report::Ready) => Ok(()),
        Some(Report::Broken { why }) => Err(why),
        _ if complaint.trim().is_empty() => Err(format!("a sandbox ended without a word ({status})")),
        _ => Err(complaint.trim().replace('\n', "; ")),
    }
}
