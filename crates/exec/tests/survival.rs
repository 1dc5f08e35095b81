//! What is left when a runner is killed: nothing that runs, and what lies about goes at the next start.
//!
//! The runner is this test binary, started again. The door carries the proof that the sandbox is up.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use portcullis_exec::{Launch, LayerState, Limits, LocalExecutor, Settings, Sink, doctor, launch};
use portcullis_model::TaskId;
use portcullis_model::agent::{Door, Report, Role, Stdout, Step, TaskSpec, When};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

struct Deaf;

impl Sink for Deaf {
    fn log(&mut self, _: &[u8]) {}
    fn step(&mut self, _: &Report) {}
}

fn settings(data: &Path) -> Settings {
    let own = std::env::current_exe().unwrap();
    let agent = own.ancestors().nth(3).unwrap().join("portcullis-agent");
    assert!(agent.is_file(), "build the agent first: `cargo xtask agent` ({} is missing)", agent.display());
    Settings::new(agent, data)
}

/// The runner of the test below; does nothing unless that starts it.
#[test]
fn runner() {
    #[allow(clippy::disallowed_methods, reason = "how the test tells its child what to be")]
    let Some(folder) = std::env::var_os("PORTCULLIS_TEST_RUNNER").map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let executor = LocalExecutor::new(settings(&folder.join("exec"))).unwrap();
        let task = TaskId::from_uuid(uuid::Uuid::now_v7());
        // One that stays in its session, one that leaves it, and a connection that ends with process 1.
        let script = "sleep 36011 & setsid sleep 36011 & exec 3<>/dev/tcp/127.0.0.1/8080; echo up >&3; wait";
        let step = Step::Run {
            name: "script".into(),
            argv: vec!["bash".into(), "-c".into(), script.into()],
            cwd: "/work".into(),
            env: BTreeMap::new(),
            accept: vec![0],
            stdout: Stdout::Log,
            when: When::Success,
            timeout_s: 600,
            role: Role::Hook,
        };
        let spec = TaskSpec {
            steps: vec![step],
            env: [("PATH".to_string(), "/usr/bin:/bin".to_string())].into(),
            door: Some(Door { port: 8080, socket: launch::DOOR_SOCKET.to_string() }),
            read_only: vec![],
            read_write: vec![],
            output_max_bytes: 1 << 20,
        };
        let workdir = executor.workdir(task).unwrap();
        let limits = Limits { memory_bytes: 64 << 20, disk_bytes: 1 << 20, wall_s: 600, ..Limits::default() };
        let door = Some(folder.join("door"));
        let launch = Launch { task, attempt: 1, spec, workdir, binds: vec![], door, limits };
        let outcome = executor.launch(launch, Box::new(Deaf)).unwrap().wait().await;
        panic!("the sandbox ended: {outcome:?}");
    });
}

/// A runner that does not outlive a test that fails.
struct Runner(Child);

impl Drop for Runner {
    fn drop(&mut self) {
        // Killed already when all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_runner(folder: &Path) -> Runner {
    #[allow(clippy::disallowed_methods, reason = "the runner to be killed")]
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "runner", "--nocapture"]).env("PORTCULLIS_TEST_RUNNER", folder);
    Runner(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
}

/// Every process that a process started, and those that these started, by their ids on the host.
fn descendants(of: u32) -> Vec<Pid> {
    let parent = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(") ").next()?.split(' ').nth(1)?.parse::<u32>().ok()
    };
    let descends = |pid: &u32| std::iter::successors(parent(*pid), |pid| parent(*pid)).any(|pid| pid == of);
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(descends).filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).collect()
}

#[test]
fn a_killed_runner_takes_its_sandboxes_along_and_the_next_start_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let door = UnixListener::bind(folder.path().join("door")).unwrap();
    std::fs::set_permissions(folder.path().join("door"), std::fs::Permissions::from_mode(0o666)).unwrap();
    let mut runner = start_runner(folder.path());
    let (mut stream, _) = door.accept().unwrap();
    let mut word = [0u8; 3];
    stream.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"up\n");
    // bubblewrap, the agent, the shell and its two children.
    let pids = descendants(runner.0.id());
    assert_eq!(pids.len(), 5, "{pids:?}");
    let watched: Vec<_> = pids.iter().map(|pid| pidfd_open(*pid, PidfdFlags::empty()).unwrap()).collect();
    let ended = |timeout_s: i64| {
        watched.iter().all(|pidfd| {
            let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
            poll(&mut fds, Some(&Timespec { tv_sec: timeout_s, tv_nsec: 0 })).unwrap() == 1
        })
    };

    // A doctor who looks at a busy host leaves it as it is.
    let layers = doctor(&settings(&folder.path().join("exec")));
    assert!(layers.iter().all(|layer| matches!(layer.state, LayerState::Ok(_))), "{layers:?}");
    assert!(!ended(0), "the doctor killed the patient");
    let layouts = folder.path().join("exec/layouts");
    assert_eq!(std::fs::read_dir(&layouts).unwrap().count(), 1);

    // SIGKILL: nothing in the runner can clean up.
    runner.0.kill().unwrap();
    runner.0.wait().unwrap();
    assert!(ended(10), "a process of the sandbox outlived the runner");
    assert_eq!(stream.read(&mut word).unwrap(), 0);
    assert_eq!(std::fs::read_dir(&layouts).unwrap().count(), 1, "a killed runner cannot have cleaned up");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(folder.path().to_str().unwrap()), "{mounts}");

    let executor = LocalExecutor::new(settings(&folder.path().join("exec"))).unwrap();
    assert_eq!(std::fs::read_dir(&layouts).unwrap().count(), 0);
    drop(executor);
}
