//! Real sandboxes, with the real agent and bubblewrap, and a hostile program inside.
//!
//! The agent is built by `cargo xtask test` (or `cargo xtask agent`) before the tests run.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use portcullis_exec::{Bind, Launch, LayerState, Limits, LocalExecutor, Outcome, Settings, Sink, doctor};
use portcullis_model::agent::{Report, Role, Stdout, Step, TaskSpec, When};
use portcullis_model::{Code, TaskId};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Sink for Log {
    fn log(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
    fn step(&mut self, _: &Report) {}
}

struct Bench {
    executor: LocalExecutor,
    data: tempfile::TempDir,
}

fn agent() -> PathBuf {
    // Beside the test's own binary: <target>/debug/deps/sandbox-… → <target>/portcullis-agent.
    let own = std::env::current_exe().unwrap();
    let target = own.ancestors().nth(3).unwrap();
    let agent = target.join("portcullis-agent");
    assert!(agent.is_file(), "build the agent first: `cargo xtask agent` ({} is missing)", agent.display());
    agent
}

impl Bench {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(agent(), data.path().join("exec"));
        settings.grace = std::time::Duration::from_secs(1);
        Bench { executor: LocalExecutor::new(settings).unwrap(), data }
    }

    async fn shell(&self, script: &str, limits: Limits) -> (Outcome, String) {
        self.shell_with(script, limits, vec![]).await
    }

    async fn shell_with(&self, script: &str, limits: Limits, binds: Vec<Bind>) -> (Outcome, String) {
        let task = TaskId::from_uuid(uuid::Uuid::now_v7());
        let step = Step::Run {
            name: "script".into(),
            argv: vec!["/bin/sh".into(), "-c".into(), script.into()],
            cwd: "/work".into(),
            env: BTreeMap::new(),
            accept: vec![0],
            stdout: Stdout::Log,
            when: When::Success,
            timeout_s: 20,
            role: Role::Hook,
        };
        let spec = TaskSpec {
            steps: vec![step],
            env: [("PATH".to_string(), "/usr/bin:/bin".to_string())].into(),
            door: None,
            read_only: vec![],
            read_write: vec![],
            output_max_bytes: 1 << 20,
        };
        let workdir = self.executor.workdir(task).unwrap();
        std::fs::write(workdir.path().join("own"), "mine").unwrap();
        let log = Log::default();
        let launch = Launch { task, attempt: 1, spec, workdir, binds, door: None, limits };
        let outcome = self.executor.launch(launch, Box::new(log.clone())).unwrap().wait().await;
        let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
        (outcome, text)
    }
}

fn limits() -> Limits {
    Limits { memory_bytes: 128 << 20, pids: 32, disk_bytes: 8 << 20, wall_s: 30, ..Limits::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_every_layer_here() {
    let data = tempfile::tempdir().unwrap();
    for layer in tokio::task::spawn_blocking(move || doctor(&Settings::new(agent(), data.path()))).await.unwrap() {
        assert!(matches!(layer.state, LayerState::Ok(_)), "{layer:?}");
    }
}

#[test]
fn a_runner_without_a_layer_does_not_start_and_says_which() {
    let data = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(data.path().join("no-agent"), data.path().join("exec"));
    settings.bwrap = Some(data.path().join("no-bwrap"));
    let faults = LocalExecutor::new(settings).err().unwrap();
    for layer in ["bubblewrap", "agent"] {
        let fault = faults.iter().find(|fault| fault.message().starts_with(&format!("{layer}:"))).unwrap();
        assert_eq!(fault.code(), Code::SANDBOX_LAYER_MISSING);
        assert!(fault.remedy_text().is_some(), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_sees_its_own_files_and_nothing_of_the_runner() {
    let bench = Bench::new();
    std::fs::write(bench.data.path().join("secret"), "hunter2").unwrap();
    let script = format!(
        "cat /work/own; echo; env | sort; id -u; cat {}/secret; ls /root /home 2>&1; cat /proc/1/environ; ls /proc | grep -c '^[0-9]'",
        bench.data.path().display()
    );
    let (outcome, log) = bench.shell(&script, limits()).await;
    assert!(outcome.launch_ms > 0, "{outcome:?} {log}");
    assert!(log.starts_with("mine\n"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    for line in log.lines().filter(|line| line.contains('=')) {
        let name = line.split('=').next().unwrap_or_default();
        assert!(["PATH", "PWD", "OLDPWD", "SHLVL", "_"].contains(&name), "unexpected variable: {line}");
    }
    assert!(log.contains("\n1000\n"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_copy_is_written_and_gone_and_has_a_size() {
    let bench = Bench::new();
    let repo = bench.data.path().join("repo");
    std::fs::create_dir_all(repo.join("dev")).unwrap();
    std::fs::write(repo.join("dev/a"), "original").unwrap();
    std::os::unix::fs::symlink("dev/a", repo.join("link")).unwrap();
    for folder in [&repo, &repo.join("dev")] {
        std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let binds = || vec![Bind::copy(&repo, "/repo")];
    let script = "set -e; cat /repo/link; echo changed > /repo/dev/a; echo new > /repo/new; cat /repo/dev/a";
    for _ in 0..2 {
        let (outcome, log) = bench.shell_with(script, limits(), binds()).await;
        assert!(outcome.fault.is_none(), "{outcome:?} {log}");
        assert_eq!(log, "originalchanged\n");
    }
    assert_eq!(std::fs::read(repo.join("dev/a")).unwrap(), b"original");
    assert!(!repo.join("new").exists());
    let (outcome, log) = bench.shell_with("ls /run/portcullis/copies/0 && exit 3", limits(), binds()).await;
    assert!(log.contains("Permission denied"), "{outcome:?} {log}");
    let (_, log) = bench.shell_with("head -c 20000000 /dev/zero > /repo/big", limits(), binds()).await;
    assert!(log.contains("No space left"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_way_out() {
    let bench = Bench::new();
    let script = "cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '; \
        (exec 3<>/dev/tcp/169.254.169.254/80) 2>/dev/null && echo METADATA; \
        bash -c 'exec 3<>/dev/tcp/169.254.169.254/80' 2>/dev/null && echo METADATA; \
        bash -c 'exec 3<>/dev/tcp/127.0.0.1/22' 2>/dev/null && echo HOST; \
        unshare -U true 2>/dev/null && echo USERNS; \
        mount -t tmpfs x /mnt 2>/dev/null && echo MOUNT; \
        touch /usr/x /etc/x 2>/dev/null && echo WROTE; \
        kill -9 1 2>/dev/null; echo end";
    let (outcome, log) = bench.shell(script, limits()).await;
    assert_eq!(outcome.fault, None, "{log}");
    assert_eq!(log.trim(), "lo\nend");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_leaves_behind_ends_with_it_and_limits_hold() {
    let bench = Bench::new();
    // The disk limit.
    let (outcome, log) = bench.shell("head -c 20000000 /dev/zero > /work/big || echo full", limits()).await;
    assert!(log.contains("full"), "{outcome:?} {log}");
    // The process limit stops a fork bomb; the sandbox still ends.
    let bomb = "i=0; while [ $i -lt 200 ]; do sleep 60 & i=$((i+1)); done; echo forked";
    let (outcome, log) = bench.shell(bomb, limits()).await;
    assert!(outcome.fault.is_some() || !log.contains("forked"), "{outcome:?} {log}");
    // A process that left its session is gone with its step.
    let (outcome, _) = bench.shell("setsid sh -c 'sleep 3611' >/dev/null 2>&1 & echo ok", limits()).await;
    assert_eq!(outcome.fault, None);
    let all =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    assert!(!all.into_iter().any(|line| line.windows(4).any(|part| part == b"3611")), "a straggler lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_memory_is_named() {
    let bench = Bench::new();
    let hog = "tail /dev/zero || exit 1";
    let (outcome, log) = bench.shell(hog, Limits { memory_bytes: 64 << 20, ..limits() }).await;
    assert_eq!(
        outcome.fault.as_ref().map(portcullis_model::Fault::code),
        Some(Code::MEMORY_LIMIT),
        "{outcome:?} {log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_reaches_the_program_and_time_is_limited() {
    let bench = Bench::new();
    // Long enough for the shell to have set its trap on a machine that does much else.
    let limits = Limits { wall_s: 4, ..limits() };
    let (outcome, log) = bench.shell("trap 'echo asked; exit 3' INT; while :; do sleep 0.05; done", limits).await;
    assert_eq!(outcome.fault.as_ref().map(portcullis_model::Fault::code), Some(Code::TASK_TIMEOUT), "{outcome:?}");
    assert!(log.contains("asked"), "{log}");
}
