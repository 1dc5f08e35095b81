//! A hostile program inside a real sandbox tries what it can; tools do what they must.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use portcullis_exec::{Bind, Launch, Limits, LocalExecutor, Outcome, Settings, Sink};
use portcullis_model::TaskId;
use portcullis_model::agent::{Report, Role, Stdout, Step, TaskSpec, When};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Sink for Log {
    fn log(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
    fn step(&mut self, _: &Report) {}
}

fn executor(data: &Path) -> LocalExecutor {
    let own = std::env::current_exe().unwrap();
    let agent = own.ancestors().nth(3).unwrap().join("portcullis-agent");
    assert!(agent.is_file(), "build the agent first: `cargo xtask agent` ({} is missing)", agent.display());
    LocalExecutor::new(Settings::new(agent, data.join("exec"))).unwrap()
}

fn step(name: &str, argv: &[&str]) -> Step {
    Step::Run {
        name: name.into(),
        argv: argv.iter().map(ToString::to_string).collect(),
        cwd: "/work".into(),
        env: BTreeMap::new(),
        accept: vec![0],
        stdout: Stdout::Log,
        when: When::Success,
        timeout_s: 60,
        role: Role::Tool,
    }
}

async fn run(
    executor: &LocalExecutor,
    files: &[(&str, &str)],
    binds: Vec<Bind>,
    steps: Vec<Step>,
) -> (Outcome, String) {
    let env = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/work"), ("TMPDIR", "/tmp")];
    let spec = TaskSpec {
        steps,
        env: env.map(|(name, value)| (name.to_string(), value.to_string())).into(),
        door: None,
        read_only: vec![],
        read_write: vec![],
        output_max_bytes: 1 << 20,
    };
    let task = TaskId::from_uuid(uuid::Uuid::now_v7());
    let workdir = executor.workdir(task).unwrap();
    for (path, content) in files {
        std::fs::write(workdir.path().join(path), content).unwrap();
    }
    let limits = Limits { memory_bytes: 512 << 20, disk_bytes: 64 << 20, ..Limits::default() };
    let launch = Launch { task, attempt: 1, spec, workdir, binds, door: None, limits };
    let log = Log::default();
    let outcome = executor.launch(launch, Box::new(log.clone())).unwrap().wait().await;
    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    (outcome, text)
}

fn has(program: &str) -> bool {
    let found = ["/usr/local/bin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(program).exists());
    if !found {
        eprintln!("SKIPPED: `{program}` is not on this machine");
    }
    found
}

#[tokio::test]
#[cfg(target_arch = "x86_64")]
async fn a_hostile_program_gets_nothing() {
    if !Path::new("/usr/bin/python3").exists() {
        eprintln!("SKIPPED: python3 is not on this machine");
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let probe = include_str!("probe.py");
    let steps = vec![step("probe", &["/usr/bin/python3", "-I", "probe.py"])];
    let (outcome, log) = run(&executor(data.path()), &[("probe.py", probe), ("own", "x")], vec![], steps).await;
    assert_eq!(outcome.fault, None, "{log}");
    let zero = "0000000000000000";
    assert_eq!(log, format!("True 1000\ncaps ['{zero}', '{zero}']\nmodes ['1', '2']\n"));
}

#[tokio::test]
async fn git_and_terraform_work_inside() {
    let data = tempfile::tempdir().unwrap();
    let executor = executor(data.path());
    if has("git") {
        let script = "git init -q r && cd r && git config user.email a@b && git config user.name c && \
                      git commit -q --allow-empty -m x && git log --oneline | wc -l";
        let (outcome, log) = run(&executor, &[], vec![], vec![step("git", &["sh", "-c", script])]).await;
        assert_eq!((outcome.fault, log.trim()), (None, "1"));
    }
    if has("terraform") {
        let main = "resource \"terraform_data\" \"a\" {\n  input = \"x\"\n  provisioner \"local-exec\" {\n    command = \
                    \"echo from a provisioner\"\n  }\n}\n";
        let mut steps = vec![
            step("init", &["terraform", "init", "-no-color", "-input=false"]),
            step("plan", &["terraform", "plan", "-no-color", "-input=false", "-out=plan"]),
            step("apply", &["terraform", "apply", "-no-color", "-input=false", "plan"]),
        ];
        let (path, when) = ("/work/terraform.tfstate".into(), When::Success);
        steps.push(Step::Collect { name: "state".into(), path, max_bytes: 1 << 20, optional: false, when });
        let (outcome, log) = run(&executor, &[("main.tf", main)], vec![], steps).await;
        assert_eq!(outcome.fault, None, "{log}");
        assert!(log.contains("from a provisioner") && log.contains("1 added"), "{log}");
        assert!(outcome.artifacts["state"].starts_with(b"{"));
    }
}

/// Steps of one task cannot leave a process for the next, links are not followed out, and a folder that only
/// the runner may enter can still be shown, read-only.
#[tokio::test]
async fn steps_binds_and_artifacts() {
    let data = tempfile::tempdir().unwrap();
    let executor = executor(data.path());
    let repo = data.path().join("exec/private/repo");
    std::fs::create_dir_all(&repo).unwrap();
    std::fs::write(repo.join("file"), "shown").unwrap();
    let steps = vec![
        step(
            "first",
            &["sh", "-c", "(setsid sh -c 'sleep 1; echo late > /work/late' &) ; ln -s /etc/passwd plan; echo a"],
        ),
        step(
            "second",
            &["sh", "-c", "ls /proc | grep -c '^[0-9]'; cat /repo/file; echo; echo x > /repo/file || echo ro"],
        ),
        Step::Collect {
            name: "plan".into(),
            path: "/work/plan".into(),
            max_bytes: 1000,
            optional: true,
            when: When::Success,
        },
        Step::Collect { name: "x".into(), path: "/work/x".into(), max_bytes: 1, optional: true, when: When::Always },
    ];
    let (outcome, log) = run(&executor, &[], vec![Bind::read_only(&repo, "/repo")], steps).await;
    // The agent, the shell, `ls` and `grep`: nobody else.
    assert!(log.starts_with("a\n4\nshown\n"), "{log}");
    assert!(log.trim().ends_with("ro"), "{log}");
    assert_eq!(outcome.failed, Some(2), "{outcome:?}");
    assert!(outcome.fault.is_some_and(|fault| fault.message().contains("symbolic link")));
    assert!(outcome.artifacts.is_empty());
    assert_eq!(outcome.steps.len(), 4);
}
