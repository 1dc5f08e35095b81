//! A repository made from the example, an issuer, a runner, and what it is asked.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use portcullis_model::api::{CallPage, EventView, Health, Problem, RunView, TaskView, TriggerResponse};
use portcullis_model::run::EventKind;
use portcullis_model::{RunId, TaskId, TaskState, UnitPath};
use portcullis_store::{StateInfo, Store};
use portcullis_testkit::loopback::{self, Events};
use portcullis_testkit::runner::await_ready;
use portcullis_testkit::{Caller, FakeIssuer, LiveRepo, ProcessGuard, Serve, programs};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tool::HeldTool;

/// Largest answer that is read.
const ANSWER_MAX_BYTES: u64 = 16 << 20;
/// Between two looks at what has no event: a file, a health page.
const GLANCE: std::time::Duration = std::time::Duration::from_millis(5);
/// Longest that anything may take before a test gives up.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(60);
/// Seconds that running tasks are given at shutdown.
pub const GRACE_S: u32 = 1;

/// All that a runner needs around it.
pub struct World {
    /// The issuer.
    pub issuer: FakeIssuer,
    /// The repository.
    pub live: LiveRepo,
    /// What the runner is started with.
    pub serve: Serve,
    /// The tool that it uses.
    pub tool: HeldTool,
    /// `portcullis`.
    pub program: PathBuf,
    /// What its environment has besides `PATH`.
    pub variables: Vec<(OsString, OsString)>,
    /// What it is started by, if not directly.
    pub wrapper: Vec<String>,
    disk: Option<SmallDisk>,
    folder: TempDir,
}

/// A file system in memory, mounted for a test.
struct SmallDisk(PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A test that failed may have left a process in it: it goes with its last user.
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

impl World {
    /// With the example's estate, edited before its first commit. `None` where the tool cannot be held; the reason
    /// is printed.
    pub fn new(account: &str, edit: impl FnOnce(&LiveRepo)) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("portcullis-test-").tempdir().unwrap();
        let tool = HeldTool::create(folder.path())?;
        let issuer = FakeIssuer::start();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/infrastructure-live");
        let edited = |repo: &LiveRepo| {
            edit(repo);
            Ok(())
        };
        let live = LiveRepo::create(&example, folder.path(), issuer.url(), edited).unwrap();
        let agent = programs::workspace_binary("portcullis-agent")
            .expect("the agent is built: `cargo xtask test` does it, and crates/exec/src/agent_build.rs says how");
        let serve = Serve {
            account: account.to_owned(),
            fleet_url: live.url(),
            data: folder.path().join("data"),
            agent,
            shutdown_grace_s: GRACE_S,
            more: vec!["--tool".into(), tool.path().into(), "--parallel".into(), "2".into()],
        };
        let program = PathBuf::from(env!("CARGO_BIN_EXE_portcullis"));
        Some(World {
            disk: None,
            program,
            variables: Vec::new(),
            wrapper: Vec::new(),
            issuer,
            live,
            serve,
            tool,
            folder,
        })
    }

    /// Starts the runner and waits until it answers.
    pub fn start(&self) -> Runner {
        self.serve.forget_ready_file();
        let mut process = self.spawn();
        let url = await_ready("the runner", &self.serve.ready_file(), || {
            process.try_wait().map_err(|error| error.to_string())
        });
        let url = url.unwrap_or_else(|why| panic!("{why}\n{}", self.log()));
        Runner { process, url }
    }

    /// The folder that everything is in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A folder that is first on the runner's `PATH`. It is not there by itself.
    pub fn programs(&self) -> PathBuf {
        self.folder.path().join("programs")
    }

    /// Starts the process.
    pub fn spawn(&self) -> ProcessGuard {
        let mut words = self.wrapper.iter().map(OsString::from).chain([self.program.clone().into_os_string()]);
        #[allow(clippy::disallowed_methods, reason = "a test of the real process")]
        let mut command = Command::new(words.next().unwrap());
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.programs().display());
        command.args(words).args(self.serve.arguments()).env_clear().env("PATH", path);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        ProcessGuard::spawn(&mut command).unwrap()
    }

    /// What the runners have logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Reads the runners' log until this is in it.
    pub fn wait_for_runner_log(&self, wanted: &str) {
        let start = std::time::Instant::now();
        while !self.log().contains(wanted) {
            assert!(start.elapsed() < LONGEST, "no `{wanted}` in the log:\n{}", self.log());
            std::thread::sleep(GLANCE);
        }
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("runner.log")
    }

    /// A token of a caller, for this account.
    pub fn token(&self, caller: Caller<'_>) -> String {
        caller.token(self.issuer.url(), self.live.fleet(), &self.serve.account).unwrap()
    }

    /// Asks for an apply of `main`, or of some of its units.
    pub fn apply(&self, runner: &Runner, units: &[&str]) -> Run {
        let mut body = json!({"action": "apply", "repository": "infrastructure-live", "ref": "main"});
        if !units.is_empty() {
            body["units"] = units.into();
        }
        runner.trigger(&self.token(Caller::Merge), &body).unwrap_or_else(|problem| panic!("{problem:?}"))
    }

    /// The newest state of each unit, and how often it was written. No runner may have the data folder open.
    pub fn states(&self) -> BTreeMap<UnitPath, StateInfo> {
        self.with_store(|store| Box::pin(async move { store.state_list().await.unwrap().into_iter().collect() }))
    }

    /// A task as it is on record: with what the API does not show.
    pub fn record(&self, task: TaskId) -> portcullis_model::record::TaskRecord {
        self.with_store(|store| Box::pin(async move { store.task_get(task).await.unwrap().unwrap() }))
    }

    /// Does something with the runner's store, which must not run.
    pub fn with_store<T>(&self, work: impl FnOnce(Store) -> std::pin::Pin<Box<dyn Future<Output = T>>>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let data = &self.serve.data;
            let store = Store::open(&data.join("store"), &data.join("store.key")).await.unwrap();
            let found = work(store.clone()).await;
            store.close().await;
            found
        })
    }

    /// Puts the data folder on a disk of this many bytes. `false` where that cannot be: mounting needs root.
    pub fn on_small_disk(&mut self, bytes: u64) -> bool {
        let place = self.folder.path().join("disk");
        fs::create_dir(&place).unwrap();
        let options = std::ffi::CString::new(format!("size={bytes},mode=0700")).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        if let Err(error) = rustix::mount::mount("tmpfs", &place, "tmpfs", flags, options.as_c_str()) {
            eprintln!("SKIPPED: a small disk cannot be mounted here: {error}");
            return false;
        }
        self.serve.data = place.join("data");
        self.disk = Some(SmallDisk(place));
        true
    }
}

/// A runner that answers.
pub struct Runner {
    /// The process.
    pub process: ProcessGuard,
    url: String,
}

impl Runner {
    /// Kills it (SIGKILL) and waits until it is gone.
    pub fn kill(mut self) {
        self.process.kill();
        self.process.wait().unwrap();
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub fn stop(mut self) -> ExitStatus {
        self.process.terminate();
        self.process.wait().unwrap()
    }

    /// Asks for a run.
    pub fn trigger(&self, token: &str, body: &Value) -> Result<Run, Box<Problem>> {
        let answer = self.ask("POST", "/v1/runs", token, body);
        if answer.status != 201 {
            return Err(Box::new(serde_json::from_slice(&answer.body).expect("a problem document")));
        }
        let answer: TriggerResponse = serde_json::from_slice(&answer.body).unwrap();
        Ok(Run { id: answer.run.id, token: answer.read_token.expect("a new run has a read token") })
    }

    /// A run as the API shows it.
    pub fn view(&self, run: &Run) -> RunView {
        let answer = self.ask("GET", &format!("/v1/runs/{}", run.id), &run.token, &Value::Null);
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// What a run's tasks asked for through their doors.
    pub fn calls(&self, run: &Run) -> CallPage {
        let answer = self.ask("GET", &format!("/v1/runs/{}/calls?limit=200", run.id), &run.token, &Value::Null);
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// What it says of itself.
    pub fn health(&self) -> Health {
        let answer = self.ask("GET", "/healthz", "", &Value::Null);
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Asks for its health until it says this of itself.
    pub fn wait_for_status(&self, wanted: &str) {
        let start = std::time::Instant::now();
        while self.health().status != wanted {
            assert!(start.elapsed() < LONGEST, "it is {:?}, not {wanted}", self.health());
            std::thread::sleep(GLANCE);
        }
    }

    /// Opens a run's events, as a job does that follows it.
    pub fn stream(&self, run: &Run) -> Events {
        let url = format!("{}/v1/runs/{}/events", self.url, run.id);
        Events::open(&url, &[("Authorization", &format!("Bearer {}", run.token))]).unwrap()
    }

    /// Follows a run's events until `enough` says so of the units' states, or the run is over or held.
    pub fn follow(&self, run: &Run, enough: impl Fn(&BTreeMap<UnitPath, TaskState>) -> bool) -> RunView {
        let mut states = BTreeMap::new();
        for data in self.stream(run) {
            let Ok(event) = serde_json::from_str::<EventView>(&data) else { break };
            match event.event {
                EventKind::Task { unit, state, .. } => drop(states.insert(unit, state)),
                EventKind::Run { state: portcullis_model::RunState::Held, .. } => break,
                _ => {}
            }
            if enough(&states) {
                return self.view(run);
            }
        }
        self.view(run)
    }

    /// Follows a run to its end, or until it is held.
    pub fn finish(&self, run: &Run) -> RunView {
        self.follow(run, |_| false)
    }

    /// A unit's log so far.
    pub fn task_log(&self, run: &Run, unit: &str) -> String {
        let task = task(&self.view(run), unit).id;
        let answer = self.ask("GET", &format!("/v1/tasks/{task}/log"), &run.token, &Value::Null);
        answer.text()
    }

    /// Follows a unit's log until this is in it.
    pub fn wait_for_log(&self, run: &Run, unit: &str, wanted: &str) {
        let task = task(&self.view(run), unit).id;
        let authorization = format!("Bearer {}", run.token);
        let url = format!("{}/v1/tasks/{task}/log?follow=true", self.url);
        let mut log = loopback::open(&url, &[("Authorization", &authorization)]).unwrap();
        let mut seen = String::new();
        while !seen.contains(wanted) {
            let read = std::io::BufRead::read_line(&mut log, &mut seen).unwrap();
            assert!(read > 0, "the log of {unit} ended without `{wanted}`:\n{seen}");
        }
    }

    /// Sends a request.
    pub fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> loopback::Answer {
        let authorization = format!("Bearer {token}");
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        loopback::ask(method, &format!("{}{path}", self.url), &headers, body.as_bytes(), ANSWER_MAX_BYTES).unwrap()
    }
}

/// A run that was accepted.
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Reads it.
    pub token: String,
}

/// A run's task for a unit.
pub fn task(view: &RunView, unit: &str) -> TaskView {
    let found = view.tasks.iter().find(|task| task.unit.as_str() == unit);
    found.unwrap_or_else(|| panic!("the run has no task for {unit}")).clone()
}

/// How many units are in a state of this name.
pub fn count(states: &BTreeMap<UnitPath, TaskState>, name: &str) -> usize {
    states.values().filter(|state| state.name() == name).count()
}
