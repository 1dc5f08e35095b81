//! Control groups: limits on memory, processes and processor time of a whole sandbox, and its last kill.
//!
//! Works with version 1 (one hierarchy per controller), version 2, and hosts that have both: each controller
//! is taken where the kernel has it. Groups are made below the runner's own, in a folder named after the data
//! folder, so that a start finds what a killed runner left and touches nobody else's.
//!
//! Never: moves another process than the runner itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_model::{Code, Fault};

use crate::launch::Limits;

/// The controllers that every sandbox needs, in the order in which the doctor shows them.
pub(crate) const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
/// The group that a runner moves to when its own hands down controllers (version 2).
const ASIDE: &str = "portcullis-runner";
/// Tries to remove a group whose processes are dying, and the pause between two: a second in all.
const REMOVE_TRIES: u32 = 100;
const REMOVE_PAUSE: Duration = Duration::from_millis(10);
/// Period of processor quotas, in microseconds: the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;

/// Where a controller is, and the group to work below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A hierarchy of version 1 that has this controller.
    V1(PathBuf),
    /// The hierarchy of version 2.
    V2(PathBuf),
}

/// Finds the runner's own group for a controller. Pure: from the text of `/proc/self/cgroup` and
/// `/proc/self/mountinfo`.
fn place(controller: &str, own: &str, mounts: &str) -> Option<Place> {
    let member = |wanted: &dyn Fn(&str, &str) -> bool| {
        own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            wanted(number, controllers).then_some(path)
        })
    };
    let mount = |kind: &str, option: Option<&str>| {
        mounts.lines().find_map(|line| {
            let (front, back) = line.split_once(" - ")?;
            let (mut front, mut back) = (front.split(' ').skip(3), back.split(' '));
            let (root, point, found) = (front.next()?, front.next()?, back.next()?);
            let options = back.nth(1)?;
            let matches = found == kind && option.is_none_or(|option| options.split(',').any(|have| have == option));
            matches.then_some((root, point))
        })
    };
    let join = |(root, point): (&str, &str), path: &str| {
        // In a container the mount may show only a part of the hierarchy.
        let below = path.strip_prefix(root.trim_end_matches('/')).unwrap_or("");
        let below = below.trim_start_matches('/');
        let group = Path::new(point);
        if below.is_empty() { group.to_path_buf() } else { group.join(below) }
    };
    if let (Some(path), Some(mount)) = (
        member(&|_, controllers| controllers.split(',').any(|have| have == controller)),
        mount("cgroup", Some(controller)),
    ) {
        return Some(Place::V1(join(mount, path)));
    }
    let path = member(&|number, controllers| number == "0" && controllers.is_empty())?;
    Some(Place::V2(join(mount("cgroup2", None)?, path)))
}

/// Whether the controllers are in the hierarchy of version 2.
pub(crate) fn is_version_2() -> bool {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (own, mounts) = (read("/proc/self/cgroup"), read("/proc/self/mountinfo"));
    CONTROLLERS.iter().any(|controller| matches!(place(controller, &own, &mounts), Some(Place::V2(_))))
}

/// The folders below which one executor makes its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Groups {
    /// One for each controller, in the order of [`CONTROLLERS`]; often the same one three times.
    folders: Vec<Place>,
    /// No executor had made them before.
    new: bool,
}

impl Groups {
    /// Prepares the folders of this executor.
    ///
    /// # Errors
    /// For each controller that cannot be used: its name, why, and what to do.
    pub(crate) fn prepare(configured: Option<&Path>, instance: &str) -> Result<Self, Vec<(&'static str, String)>> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (own, mounts) = (read("/proc/self/cgroup"), read("/proc/self/mountinfo"));
        let (mut folders, mut missing, mut new) = (Vec::new(), Vec::new(), true);
        for controller in CONTROLLERS {
            let place = match configured {
                Some(folder) => Some(Place::V2(folder.to_path_buf())),
                None => place(controller, &own, &mounts),
            };
            if let (Some(Place::V1(group) | Place::V2(group)), true) = (&place, folders.is_empty()) {
                new = !group.join(instance).exists();
            }
            let prepared = match place {
                Some(Place::V1(group)) => prepare_v1(&group, instance).map(Place::V1),
                Some(Place::V2(group)) => prepare_v2(&group, instance, configured.is_some()).map(Place::V2),
                None => Err("no control group hierarchy is mounted".to_string()),
            };
            match prepared {
                Ok(folder) => folders.push(folder),
                Err(why) => missing.push((controller, why)),
            }
        }
        if missing.is_empty() { Ok(Groups { folders, new }) } else { Err(missing) }
    }

    /// The folder of each controller, for people.
    pub(crate) fn describe(&self) -> impl Iterator<Item = (&'static str, String)> {
        CONTROLLERS.into_iter().zip(&self.folders).map(|(controller, place)| match place {
            Place::V1(folder) => (controller, format!("cgroup v1, {}", folder.display())),
            Place::V2(folder) => (controller, format!("cgroup v2, {}", folder.display())),
        })
    }

    fn distinct(&self) -> Vec<&Path> {
        let mut folders: Vec<&Path> = Vec::new();
        for Place::V1(folder) | Place::V2(folder) in &self.folders {
            if !folders.contains(&folder.as_path()) {
                folders.push(folder);
            }
        }
        folders
    }

    /// Kills and removes every group that is left below; for a start, when none may be there.
    pub(crate) fn clean(&self) -> Result<(), Fault> {
        for folder in self.distinct() {
            let entries = fs::read_dir(folder).map_err(|error| Fault::io(folder.display(), &error))?;
            for entry in entries.filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
                remove(&entry.path()).map_err(|error| Fault::io(entry.path().display(), &error))?;
            }
        }
        Ok(())
    }

    /// Removes the folders again if they are new: for who only looks.
    pub(crate) fn leave_if_new(&self) {
        if self.new {
            self.leave();
        }
    }

    /// Removes the executor's own folders, if they are empty.
    pub(crate) fn leave(&self) {
        for folder in self.distinct() {
            // Not empty: another clone's task is still ending. The next start takes care of it.
            let _ = fs::remove_dir(folder);
        }
    }

    /// Makes the group of one sandbox.
    pub(crate) fn create(&self, name: &str, limits: &Limits) -> Result<Group, Fault> {
        let group = Group { folders: self.distinct().into_iter().map(|folder| folder.join(name)).collect() };
        for folder in &group.folders {
            fs::create_dir(folder).map_err(|error| launch_fault(folder, &error))?;
        }
        for (controller, place) in CONTROLLERS.iter().zip(&self.folders) {
            for (file, value) in settings(controller, place, limits) {
                let (Place::V1(folder) | Place::V2(folder)) = place;
                let file = folder.join(name).join(file);
                match fs::write(&file, value) {
                    Ok(()) => {}
                    // Swap may not be counted, and a quota above the parent's is refused as the parent's holds.
                    Err(error) if error.kind() == io::ErrorKind::NotFound && is_swap(&file) => {}
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput && *controller == "cpu" => {}
                    Err(error) => return Err(launch_fault(&file, &error)),
                }
            }
        }
        Ok(group)
    }
}

fn is_swap(file: &Path) -> bool {
    file.ends_with("memory.memsw.limit_in_bytes") || file.ends_with("memory.swap.max")
}

fn launch_fault(path: &Path, error: &io::Error) -> Fault {
    Fault::new(Code::SANDBOX_LAUNCH, format!("cannot set up the control group {}: {error}", path.display()))
}

/// What to write where, in order.
fn settings(controller: &str, place: &Place, limits: &Limits) -> Vec<(&'static str, String)> {
    // The work folder is in memory: its pages count as the sandbox's.
    let memory = limits.memory_bytes.saturating_add(limits.disk_bytes).to_string();
    let quota = (u64::from(limits.cpu_percent) * CPU_PERIOD_US / 100).max(1000);
    match (controller, place) {
        ("memory", Place::V1(_)) => {
            vec![("memory.limit_in_bytes", memory.clone()), ("memory.memsw.limit_in_bytes", memory)]
        }
        ("memory", Place::V2(_)) => vec![("memory.max", memory), ("memory.swap.max", "0".to_string())],
        ("pids", _) => vec![("pids.max", limits.pids.to_string())],
        ("cpu", Place::V1(_)) => {
            vec![("cpu.cfs_period_us", CPU_PERIOD_US.to_string()), ("cpu.cfs_quota_us", quota.to_string())]
        }
        ("cpu", Place::V2(_)) => vec![("cpu.max", format!("{quota} {CPU_PERIOD_US}"))],
        _ => Vec::new(),
    }
}

fn prepare_v1(group: &Path, instance: &str) -> Result<PathBuf, String> {
    let folder = group.join(instance);
    make(&folder).map_err(|error| format!("cannot make a group in {}: {error}", group.display()))?;
    Ok(folder)
}

/// Version 2: the controllers must be handed down at two levels, and a group that hands some down may hold
/// no process itself (but at the very top).
fn prepare_v2(own: &Path, instance: &str, configured: bool) -> Result<PathBuf, String> {
    let mut candidates = vec![own.to_path_buf()];
    // Root may work at the top, where the controllers are handed down already.
    let top = own.ancestors().take_while(|folder| folder.join("cgroup.controllers").exists()).last();
    candidates.extend(top.filter(|top| !configured && *top != own).map(Path::to_path_buf));
    let mut reasons = Vec::new();
    for parent in candidates {
        match prepare_below(&parent, instance, &CONTROLLERS) {
            Ok(folder) => return Ok(folder),
            Err(why) => reasons.push(why),
        }
    }
    Err(reasons.join("; "))
}

fn prepare_below(parent: &Path, instance: &str, wanted: &[&str]) -> Result<PathBuf, String> {
    let lacking = lacking(&parent.join("cgroup.controllers"), wanted);
    if !lacking.is_empty() {
        return Err(format!("{} has no controller {}", parent.display(), lacking.join(", ")));
    }
    let folder = parent.join(instance);
    make(&folder).map_err(|error| format!("cannot make a group in {}: {error}", parent.display()))?;
    if hand_down(parent, wanted).is_err() {
        // The runner itself is in the way: it moves into a group of its own, next to its tasks'.
        let aside = parent.join(ASIDE);
        make(&aside)
            .and_then(|()| fs::write(aside.join("cgroup.procs"), std::process::id().to_string()))
            .and_then(|()| hand_down(parent, wanted))
            .map_err(|error| format!("{} does not hand down its controllers: {error}", parent.display()))?;
    }
    hand_down(&folder, wanted).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// The controllers that a file does not name.
fn lacking<'a>(file: &Path, wanted: &[&'a str]) -> Vec<&'a str> {
    let have = fs::read_to_string(file).unwrap_or_default();
    wanted.iter().copied().filter(|wanted| !have.split_whitespace().any(|have| have == *wanted)).collect()
}

fn hand_down(group: &Path, wanted: &[&str]) -> io::Result<()> {
    let file = group.join("cgroup.subtree_control");
    if lacking(&file, wanted).is_empty() {
        return Ok(());
    }
    fs::write(file, wanted.iter().map(|controller| format!("+{controller}")).collect::<Vec<_>>().join(" "))
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// The group of one sandbox, in one hierarchy or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    folders: Vec<PathBuf>,
}

impl Group {
    /// The folders whose `cgroup.procs` the first process writes itself into.
    pub(crate) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// How often the kernel killed a process of it for want of memory.
    pub(crate) fn memory_kills(&self) -> u64 {
        let count = |folder: &PathBuf| {
            ["memory.events", "memory.oom_control"].iter().find_map(|file| {
                let text = fs::read_to_string(folder.join(file)).ok()?;
                text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok())
            })
        };
        self.folders.iter().filter_map(count).max().unwrap_or(0)
    }

    /// Kills all its processes and removes it. Blocks until it is gone, a second at most.
    pub(crate) fn remove(&self) -> io::Result<()> {
        self.folders.iter().try_for_each(|folder| remove(folder))
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    let mut last = Ok(());
    for _ in 0..REMOVE_TRIES {
        kill(folder);
        last = fs::remove_dir(folder);
        match &last {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => std::thread::sleep(REMOVE_PAUSE),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            _ => return last,
        }
    }
    last
}

fn kill(folder: &Path) {
    // Version 2 does it in one go, forks in flight included.
    if fs::write(folder.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let pids = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    for pid in pids.lines().filter_map(|line| rustix::process::Pid::from_raw(line.parse().ok()?)) {
        // It may have ended meanwhile.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "8:pids:/\n4:memory:/box/1\n2:cpu,cpuacct:/\n1:name=systemd:/\n0::/\n";
    const HYBRID_MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:5 - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn each_controller_is_found_where_the_kernel_has_it() {
        let v1 = |path: &str| Some(Place::V1(PathBuf::from(path)));
        let v2 = |path: &str| Some(Place::V2(PathBuf::from(path)));
        assert_eq!(place("memory", HYBRID, HYBRID_MOUNTS), v1("/sys/fs/cgroup/memory/box/1"));
        assert_eq!(place("cpu", HYBRID, HYBRID_MOUNTS), v1("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(place("io", HYBRID, HYBRID_MOUNTS), v2("/sys/fs/cgroup/unified"));
        let unified = "25 22 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let own = "0::/system.slice/portcullis.service\n";
        assert_eq!(place("pids", own, unified), v2("/sys/fs/cgroup/system.slice/portcullis.service"));
        let part = "25 22 0:22 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(place("pids", "0::/docker/x\n", part), v2("/sys/fs/cgroup"));
        assert_eq!(place("pids", "", ""), None);
    }

    /// On a real hierarchy of version 2, with whatever controller it has: the rules are the same for each.
    #[test]
    fn on_version_2_the_runner_moves_aside_and_its_tasks_are_killed_in_one_go() {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let Some(Place::V2(group)) = place("none of version 1", &own, &mounts) else {
            return eprintln!("SKIPPED: there is no cgroup v2 here");
        };
        let have = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
        let Some(controller) = have.split_whitespace().next() else {
            return eprintln!("SKIPPED: the cgroup v2 hierarchy has no controller here");
        };
        // As a service manager does: a group of its own for the runner, with the runner in it.
        let service = group.join(format!("portcullis-test-{}", std::process::id()));
        if hand_down(&group, &[controller]).and_then(|()| fs::create_dir(&service)).is_err() {
            return eprintln!("SKIPPED: {} is not this user's", group.display());
        }
        let me = std::process::id().to_string();
        fs::write(service.join("cgroup.procs"), &me).unwrap();
        let prepared = prepare_below(&service, "instance", &[controller]);
        let aside = fs::read_to_string(service.join(ASIDE).join("cgroup.procs")).unwrap_or_default();
        let again = prepare_below(&service, "instance", &[controller]);
        let unknown = prepare_below(&service, "instance", &["no-such"]);

        let folder = service.join("instance");
        let task = Group { folders: vec![folder.join("task")] };
        fs::create_dir(&task.folders[0]).unwrap();
        #[allow(clippy::disallowed_methods, reason = "a process to be killed")]
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        fs::write(task.folders[0].join("cgroup.procs"), child.id().to_string()).unwrap();
        let removed = task.remove();
        let ended = child.wait().unwrap();

        fs::write(group.join("cgroup.procs"), &me).unwrap();
        for left in [folder.clone(), service.join(ASIDE), service] {
            remove(&left).unwrap();
        }
        assert_eq!((prepared.as_ref(), again.as_ref()), (Ok(&folder), Ok(&folder)));
        assert!(aside.lines().any(|pid| pid == me), "{aside}");
        assert!(unknown.unwrap_err().contains("no controller no-such"));
        assert!(removed.is_ok(), "{removed:?}");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(9));
    }

    #[test]
    fn the_work_folder_counts_as_memory_and_a_quota_is_never_zero() {
        let limits = Limits { memory_bytes: 100, disk_bytes: 11, cpu_percent: 0, ..Limits::default() };
        let place = Place::V2(PathBuf::new());
        assert_eq!(settings("memory", &place, &limits)[0], ("memory.max", "111".to_string()));
        assert_eq!(settings("cpu", &place, &limits)[0], ("cpu.max", "1000 100000".to_string()));
    }
}
