//! What a sandbox sees, as arguments for `portcullis-agent enter` and for bubblewrap. Pure but for looking
//! which system folders are links.
//!
//! Everything is read-only but `/work` (a file system in memory, with a size) and what a launch binds
//! writable. `/tmp` is `/work/tmp`. There is no `/sys`, no `/home`, no socket but the door, and an `/etc` of
//! our own.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use portcullis_model::{Code, Fault};

use crate::launch::{Access, Bind, DOOR_SOCKET, Limits, WORK};

/// Folders of the system, if the host has them.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// Files and folders of the host's `/etc` that programs need to start.
const ETC: [&str; 2] = ["ld.so.cache", "alternatives"];
/// A folder in the sandbox's `/etc` that is always empty.
pub(crate) const EMPTY: &str = "empty";
/// Where nothing may be bound: the sandbox's own.
const RESERVED: [&str; 6] = ["/etc", "/proc", "/dev", "/sys", "/run", "/tmp"];
/// Where the layout and the agent are shown inside.
const LAYOUT: &str = "/run/portcullis/layout";
const AGENT: &str = "/run/portcullis/agent";
/// Where what is copied is shown inside. Out of reach once the walls are closed.
const COPIES: &str = "/run/portcullis/copies";
/// User and group id inside, whatever they are outside.
const INSIDE_ID: &str = "1000";
/// Where `enter` shows staged paths.
const STAGE: &str = "/tmp";
/// Size of `/dev/shm`, in bytes.
const SHARED_MEMORY_BYTES: &str = "67108864";

/// All that decides a sandbox's view.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) agent: PathBuf,
    pub(crate) bwrap: PathBuf,
    pub(crate) etc: PathBuf,
    pub(crate) layout: PathBuf,
    pub(crate) binds: Vec<Bind>,
    pub(crate) door: Option<PathBuf>,
    pub(crate) limits: Limits,
    pub(crate) grace: Duration,
    /// The user to become; `None` when the runner is no root.
    pub(crate) user: Option<u32>,
}

/// Arguments for the agent binary. `groups`: the control groups to join.
pub(crate) fn arguments(view: &View, groups: &[PathBuf]) -> Vec<OsString> {
    let mut stage = Stage { active: view.user.is_some(), paths: Vec::new() };
    let inner = bubblewrap(view, &mut stage);
    let mut args = Args::default();
    args.words(&["enter", "--parent", &std::process::id().to_string()]);
    for group in groups {
        args.word("--join").word(group);
    }
    for path in &stage.paths {
        args.word("--stage").word(path);
    }
    if let Some(user) = view.user {
        args.words(&["--user", &user.to_string()]);
    }
    args.word("--").word(&view.bwrap);
    args.0.extend(inner.0);
    args.0
}

#[derive(Debug, Default)]
struct Args(Vec<OsString>);

impl Args {
    fn word(&mut self, word: impl Into<OsString>) -> &mut Self {
        self.0.push(word.into());
        self
    }

    fn words(&mut self, words: &[&str]) -> &mut Self {
        self.0.extend(words.iter().map(OsString::from));
        self
    }
}

/// Paths that the task's user may not be able to reach by their name.
#[derive(Debug)]
struct Stage {
    active: bool,
    paths: Vec<PathBuf>,
}

impl Stage {
    fn show(&mut self, path: &Path) -> PathBuf {
        if !self.active {
            return path.to_path_buf();
        }
        self.paths.push(path.to_path_buf());
        Path::new(STAGE).join((self.paths.len() - 1).to_string())
    }
}

fn bubblewrap(view: &View, stage: &mut Stage) -> Args {
    let mut args = Args::default();
    // Own namespaces, no further ones, nobody's capabilities, nobody's terminal, nobody's environment.
    args.words(&["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]);
    args.words(&["--unshare-cgroup-try", "--disable-userns", "--uid", INSIDE_ID, "--gid", INSIDE_ID]);
    args.words(&["--hostname", "sandbox", "--clearenv", "--cap-drop", "ALL", "--new-session"]);
    // The agent is process 1: nothing inside can signal it, all orphans come to it, and its end is all's end.
    args.words(&["--die-with-parent", "--as-pid-1"]);
    for folder in SYSTEM {
        system(&mut args, folder);
    }
    args.word("--ro-bind").word(stage.show(&view.etc)).word("/etc");
    for name in ETC {
        let host = Path::new("/etc").join(name);
        args.word("--ro-bind-try").word(&host).word(&host);
    }
    args.words(&["--proc", "/proc", "--dev", "/dev", "--size", SHARED_MEMORY_BYTES, "--tmpfs", "/dev/shm"]);
    args.words(&["--size", &view.limits.disk_bytes.to_string(), "--tmpfs", WORK, "--symlink", "work/tmp", "/tmp"]);
    args.word("--ro-bind").word(stage.show(&view.layout)).word(LAYOUT);
    args.word("--ro-bind").word(stage.show(&view.agent)).word(AGENT);
    if let Some(door) = &view.door {
        args.word("--bind").word(stage.show(door)).word(DOOR_SOCKET);
    }
    let copies = binds(&mut args, view, stage);
    // Last: until here bubblewrap makes the places for mounts.
    args.words(&["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORK, "--", AGENT, "inside", LAYOUT, WORK]);
    args.word(view.grace.as_millis().to_string());
    for (from, to) in copies {
        args.word(from).word(to);
    }
    args
}

/// Shows what a launch binds. Answers what the agent has to copy before it closes the walls: from, to.
fn binds(args: &mut Args, view: &View, stage: &mut Stage) -> Vec<(String, String)> {
    let mut copies = Vec::new();
    for bind in &view.binds {
        let (option, inside) = match bind.access {
            Access::Read => ("--ro-bind", bind.inside.clone()),
            Access::Write => ("--bind", bind.inside.clone()),
            Access::Copy => {
                let from = format!("{COPIES}/{}", copies.len());
                args.words(&["--size", &view.limits.disk_bytes.to_string(), "--tmpfs", &bind.inside]);
                copies.push((from.clone(), bind.inside.clone()));
                ("--ro-bind", from)
            }
        };
        args.word(option).word(stage.show(&bind.host)).word(inside);
    }
    copies
}

/// A system folder is bound, or is the link that it is on the host (`/bin` → `usr/bin`).
fn system(args: &mut Args, folder: &str) {
    match fs::read_link(folder) {
        Ok(target) => args.word("--symlink").word(target).word(folder),
        Err(_) => args.words(&["--ro-bind-try", folder, folder]),
    };
}

/// What every task may read: the system, the sandbox's own `/etc`, what the kernel shows. The layout and the
/// agent are not among it.
pub(crate) fn readable() -> Vec<String> {
    SYSTEM.iter().chain(&["/etc", "/proc", "/dev"]).map(ToString::to_string).collect()
}

/// The sandbox's own `/etc`. What is there already stays as it is: sandboxes may be looking at it.
pub(crate) fn make_etc(folder: &Path) -> Result<(), Fault> {
    let failed = |error: std::io::Error| Fault::io(folder.display(), &error);
    let files = [
        ("passwd", format!("sandbox:x:{INSIDE_ID}:{INSIDE_ID}::/work:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")),
        ("group", format!("sandbox:x:{INSIDE_ID}:\nnogroup:x:65534:\n")),
        ("hosts", "127.0.0.1 localhost\n::1 localhost\n".to_string()),
        // No `dns`: there is no name server to ask, and waiting for one takes seconds.
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n".to_string()),
    ];
    make_folder(folder).and_then(|()| make_folder(&folder.join(EMPTY))).map_err(failed)?;
    for (name, content) in files {
        make_file(&folder.join(name), &content).map_err(failed)?;
    }
    // Places for what is bound from the host.
    for name in ETC {
        let place = folder.join(name);
        let made = if Path::new("/etc").join(name).is_dir() { make_folder(&place) } else { make_file(&place, "") };
        made.map_err(failed)?;
    }
    Ok(())
}

/// Makes a folder that everyone may read, whatever the runner's umask is.
fn make_folder(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// Makes a file that everyone may read.
fn make_file(path: &Path, content: &str) -> std::io::Result<()> {
    if fs::read(path).is_ok_and(|have| have == content.as_bytes()) {
        return Ok(());
    }
    fs::write(path, content)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

/// Checks what a launch wants to show: a bind can neither cover what makes the sandbox nor lie outside.
pub(crate) fn check(binds: &[Bind]) -> Result<(), Fault> {
    for bind in binds {
        let inside = Path::new(&bind.inside);
        let plain = inside.components().skip(1).all(|part| matches!(part, Component::Normal(_)));
        let mut own = RESERVED.iter().chain(&SYSTEM);
        let reason = if !inside.is_absolute() || !plain || inside == Path::new("/") || inside == Path::new(WORK) {
            "is no place for a bind"
        } else if own.any(|own| inside.starts_with(own)) {
            "belongs to the sandbox"
        } else if !bind.host.is_absolute() {
            "is bound to a path that is not absolute"
        } else {
            continue;
        };
        return Err(Fault::new(Code::SANDBOX_LAUNCH, format!("`{}` {reason}", bind.inside)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(user: Option<u32>, binds: &[Bind]) -> String {
        let view = View {
            agent: "/opt/agent".into(),
            bwrap: "/usr/bin/bwrap".into(),
            etc: "/data/etc".into(),
            layout: "/data/work/1".into(),
            binds: binds.to_vec(),
            door: Some("/data/door".into()),
            limits: Limits { disk_bytes: 4096, ..Limits::default() },
            grace: Duration::from_millis(1500),
            user,
        };
        let args = arguments(&view, &["/cg/1".into()]);
        args.iter().map(|arg| arg.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn as_root_everything_private_is_staged_and_the_user_is_left_behind() {
        let text = text(Some(70_000), &[Bind::read_only("/root/repo", "/repo")]);
        assert!(text.contains("--stage /data/etc --stage /data/work/1 --stage /opt/agent --stage /data/door"));
        assert!(text.contains("--stage /root/repo --user 70000 -- /usr/bin/bwrap"));
        assert!(text.contains("--ro-bind /tmp/4 /repo"));
        assert!(text.contains("--size 4096 --tmpfs /work"));
        assert!(text.contains("--join /cg/1"));
        assert!(text.ends_with("/run/portcullis/agent inside /run/portcullis/layout /work 1500"));
    }

    #[test]
    fn as_an_ordinary_user_paths_are_bound_as_they_are() {
        let bind = Bind { access: Access::Write, ..Bind::read_only("/home/me/out", "/work/out") };
        let text = text(None, &[bind]);
        assert!(!text.contains("--stage") && !text.contains("--user "));
        assert!(text.contains("--bind /home/me/out /work/out"));
    }

    #[test]
    fn a_copy_is_a_file_system_of_its_own_that_the_agent_fills() {
        let text = text(Some(70_000), &[Bind::copy("/data/checkouts/1", "/repo")]);
        assert!(text.contains("--size 4096 --tmpfs /repo --ro-bind /tmp/4 /run/portcullis/copies/0"));
        assert!(text.ends_with("/work 1500 /run/portcullis/copies/0 /repo"));
    }

    #[test]
    fn a_bind_cannot_cover_the_sandbox() {
        for bad in ["repo", "/", "/work", "/usr/bin", "/etc", "/proc/1", "/repo/../etc", "/run/portcullis/x", "/tmp/x"]
        {
            assert!(check(&[Bind::read_only("/x", bad)]).is_err(), "{bad}");
        }
        assert!(check(&[Bind::read_only("x", "/repo")]).is_err());
        assert!(check(&[Bind::read_only("/x", "/repo"), Bind::read_only("/x", "/work/.terraform/providers")]).is_ok());
    }
}
