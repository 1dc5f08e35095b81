//! The way in: what has to be done outside, with the runner's rights, just before bubblewrap starts.
//!
//! It solves three races and one question of rights. The process joins its control groups before any
//! stranger's code can fork. It asks to die with the runner before it gives up the runner's rights, and
//! checks that the runner still lives. It shows files from folders that only the runner may enter
//! (its data folder, a home folder) to a user who may not: in a mount namespace of its own they are
//! attached below `/tmp`, numbered, so that nothing is left on the host when the process dies.
//!
//! Never: reads from the channel (it is the agent's inside), decides what is shown.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, Mode};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_change, move_mount, open_tree,
};
use rustix::process::{Gid, Pid, Signal, Uid};

use crate::sys;

/// Where staged paths appear: `/tmp/0`, `/tmp/1`, … in the order of `--stage`. The folder exists wherever
/// bubblewrap works, as it builds its root there.
const STAGE: &str = "/tmp";

#[derive(Debug, Default)]
struct Order {
    parent: i32,
    user: Option<u32>,
    join: Vec<PathBuf>,
    stage: Vec<PathBuf>,
    argv: Vec<OsString>,
}

/// Becomes the program named after `--`; returns only with a reason why not.
pub fn enter(args: impl Iterator<Item = OsString>) -> Result<Infallible, String> {
    let order = parse(args)?;
    sys::close_inherited().map_err(|error| format!("cannot close inherited files: {error}"))?;
    // When the host runs out of memory, sandboxes go before the runner. Raising the score needs no right.
    std::fs::write("/proc/self/oom_score_adj", "1000").map_err(|error| format!("cannot set oom_score_adj: {error}"))?;
    for group in &order.join {
        std::fs::write(group.join("cgroup.procs"), "0")
            .map_err(|error| format!("cannot join the control group {}: {error}", group.display()))?;
    }
    if !order.stage.is_empty() {
        stage(&order.stage)?;
    }
    if let Some(id) = order.user {
        become_user(id).map_err(|error| format!("cannot become user {id}: {error}"))?;
    }
    die_with(order.parent)?;
    let (program, args) = order.argv.split_first().ok_or("no program after `--`")?;
    #[allow(clippy::disallowed_methods, reason = "this module owns the way into the sandbox")]
    let error = Command::new(program).args(args).env_clear().exec();
    Err(format!("cannot start {}: {error}", Path::new(program).display()))
}

fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Order, String> {
    let mut order = Order::default();
    while let Some(option) = args.next() {
        if option == "--" {
            order.argv = args.collect();
            return Ok(order);
        }
        let value = args.next().ok_or_else(|| format!("{} needs a value", option.display()))?;
        let number = |value: &OsStr| value.to_str().and_then(|text| text.parse().ok()).ok_or("not a number");
        match option.to_str() {
            Some("--parent") => order.parent = number(&value)?,
            Some("--user") => order.user = Some(u32::try_from(number(&value)?).map_err(|error| error.to_string())?),
            Some("--join") => order.join.push(value.into()),
            Some("--stage") => order.stage.push(value.into()),
            _ => return Err(format!("unknown option {}", option.display())),
        }
    }
    Err("no `--`".to_string())
}

/// Attaches each path below [`STAGE`], in a mount namespace that ends with this process and its children.
fn stage(paths: &[PathBuf]) -> Result<(), String> {
    let failed = |what: &str, error: std::io::Error| format!("cannot {what}: {error}");
    sys::unshare_mounts().map_err(|error| failed("make a mount namespace", error))?;
    // Nothing that is mounted from here on may show on the host.
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|error| failed("make mounts private", error.into()))?;
    // All are opened before the stage covers a folder that they may lie in.
    let mut trees: Vec<(OwnedFd, bool)> = Vec::with_capacity(paths.len());
    for path in paths {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
        let tree =
            open_tree(CWD, path, flags).map_err(|error| failed(&format!("open {}", path.display()), error.into()))?;
        trees.push((tree, path.is_dir()));
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount(c"portcullis", STAGE, c"tmpfs", flags, c"mode=0711,size=64k")
        .map_err(|error| failed("mount the stage", error.into()))?;
    for (index, (tree, folder)) in trees.iter().enumerate() {
        let place = Path::new(STAGE).join(index.to_string());
        if *folder {
            std::fs::create_dir(&place).map_err(|error| failed("make a place on the stage", error))?;
        } else {
            let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::EXCL | rustix::fs::OFlags::CLOEXEC;
            rustix::fs::open(&place, flags, Mode::RUSR | Mode::ROTH)
                .map_err(|error| failed("make a place on the stage", error.into()))?;
        }
        move_mount(tree, "", CWD, &place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .map_err(|error| failed("put a mount on the stage", error.into()))?;
    }
    Ok(())
}

/// Gives up the runner's rights for good: groups first, then the group, then the user; with the user go all
/// capabilities.
fn become_user(id: u32) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

/// SIGKILL for this process when the runner's thread that started it ends. After the change of user, which
/// would clear it.
fn die_with(parent: i32) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| format!("cannot ask to die with the runner: {error}"))?;
    // The runner may have died between starting this process and the line above.
    if rustix::process::getppid().map(Pid::as_raw_nonzero).map(i32::from) != Some(parent) {
        return Err("the runner is gone".to_string());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_up_to_the_dashes_and_nothing_is_guessed() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>().into_iter();
        let order = parse(words("--parent 7 --user 9 --join /a --join /b --stage /c -- bwrap --user 3")).unwrap();
        assert_eq!((order.parent, order.user, order.join.len(), order.stage.len()), (7, Some(9), 2, 1));
        assert_eq!(order.argv, ["bwrap", "--user", "3"]);
        for bad in ["--parent x -- p", "--user -1 -- p", "--what 1 -- p", "--join", "--parent 7"] {
            assert!(parse(words(bad)).is_err(), "{bad}");
        }
    }
}
