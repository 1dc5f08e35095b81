//! A runner that is no root: its own user, a control group that was given to it, and the same sandboxes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use portcullis_model::RunState;

use crate::world::World;

/// Nobody's user and group on any machine that tests run on.
const USER: u32 = 1_073_700_001;

/// Groups of control groups of version 1 that belong to the user; removed with this.
struct Delegated(Vec<PathBuf>);

impl Delegated {
    /// One below this process's own group, for each controller. `None`, said aloud, where that cannot be.
    fn create() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let mut groups = Delegated(Vec::new());
        for controller in ["memory", "pids", "cpu"] {
            let line = own.lines().find(|line| {
                line.split(':').nth(1).is_some_and(|names| names.split(',').any(|name| name == controller))
            });
            let Some(path) = line.and_then(|line| line.splitn(3, ':').nth(2)) else {
                eprintln!("SKIPPED: the controller {controller} is not in a hierarchy of version 1 here");
                return None;
            };
            let name = format!("portcullis-test-{}", std::process::id());
            let group = Path::new("/sys/fs/cgroup").join(controller).join(path.trim_start_matches('/')).join(name);
            if let Err(error) = fs::create_dir(&group) {
                eprintln!("SKIPPED: no control group can be made here: {}: {error}", group.display());
                return None;
            }
            groups.0.push(group.clone());
            for given in [group.clone(), group.join("cgroup.procs")] {
                chown(given, Some(USER), Some(USER)).unwrap();
            }
        }
        Some(groups)
    }

    /// Arguments of a program that joins the groups, becomes the user, and then is what follows.
    fn enter(&self) -> Vec<String> {
        let join: Vec<String> =
            self.0.iter().map(|group| format!("echo $$ > '{}/cgroup.procs'", group.display())).collect();
        let become_user = format!("exec setpriv --reuid {USER} --regid {USER} --clear-groups -- \"$@\"");
        vec!["sh".into(), "-c".into(), format!("{} && {become_user}", join.join(" && ")), "enter".into()]
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        for group in &self.0 {
            let own =
                fs::read_dir(group).into_iter().flatten().filter_map(Result::ok).filter(|entry| entry.path().is_dir());
            for left in own.map(|entry| entry.path()).chain([group.clone()]) {
                // Busy as long as a process is ending; then it is left, empty.
                let _ = fs::remove_dir(left);
            }
        }
    }
}

/// Everything in a folder, the user's.
fn give(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        if entry.file_type().unwrap().is_dir() {
            give(&entry.path());
        }
        chown(entry.path(), Some(USER), Some(USER)).unwrap();
    }
    chown(folder, Some(USER), Some(USER)).unwrap();
}

#[test]
fn an_ordinary_user_with_a_group_of_its_own_brings_an_account_up() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!(
            "SKIPPED: only root can make another user's runner; this one runs as an ordinary user anyway"
        );
    }
    let Some(mut world) = World::new("shared", |_| ()) else { return };
    let Some(groups) = Delegated::create() else { return };
    // The user cannot look into the folders of who builds.
    let programs = world.folder().join("bin");
    fs::create_dir(&programs).unwrap();
    let copy = |from: &Path| {
        let to = programs.join(from.file_name().unwrap());
        fs::copy(from, &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
        to
    };
    world.serve.agent = copy(&world.serve.agent);
    world.program = copy(&world.program);
    world.wrapper = groups.enter();
    give(world.folder());

    let runner = world.start();
    let status = fs::read_to_string(format!("/proc/{}/status", runner.process.id())).unwrap();
    assert!(status.contains(&format!("Uid:\t{USER}\t{USER}\t{USER}\t{USER}\n")), "{status}");
    let run = world.apply(&runner, &[]);
    let view = runner.finish(&run);
    assert_eq!((view.state, view.tasks.len()), (RunState::Succeeded, 5), "{view:#?}");
    assert!(runner.stop().success());
    assert_eq!(world.states().len(), 5);
}
