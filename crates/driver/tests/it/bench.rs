//! Sandboxes over a folder of units: what the runner does between estate and engine, with states in memory.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use portcullis_broker::{BoxFuture, Door, DoorSettings, LockAnswer, StatePort, UnlockAnswer};
use portcullis_driver::{
    ARTIFACT_LOCK, ARTIFACT_PLAN, Files, Job, Limits, Recipe, Repository, Tool, native, terragrunt,
};
use portcullis_estate::{DirSource, Estate, Settings};
use portcullis_exec::{Bind, Launch, LocalExecutor, Outcome, Sink};
use portcullis_model::agent::{Report, Step};
use portcullis_model::run::Phase;
use portcullis_model::state::LockInfo;
use portcullis_model::{Fault, TaskId, UnitPath};
use portcullis_testkit::programs;
use serde_json::{Map, Value, json};

use crate::probe::Started;

/// The driver under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    Native,
    Terragrunt,
}

/// States by unit.
#[derive(Clone, Default)]
pub struct States(Arc<Mutex<BTreeMap<UnitPath, Bytes>>>);

impl States {
    pub fn get(&self, unit: &UnitPath) -> Option<Bytes> {
        self.0.lock().unwrap().get(unit).cloned()
    }

    /// A unit's outputs by name, as `dependency` sees them.
    pub fn outputs(&self, unit: &UnitPath) -> Option<Map<String, Value>> {
        let state: Value = serde_json::from_slice(&self.get(unit)?).unwrap();
        let outputs = state["outputs"].as_object().unwrap();
        Some(outputs.iter().map(|(name, output)| (name.clone(), output["value"].clone())).collect())
    }

    /// What another task may read of a unit's state.
    fn readable(&self, unit: &UnitPath) -> Bytes {
        let state: Value = self.get(unit).map_or(Value::Null, |state| serde_json::from_slice(&state).unwrap());
        let outputs = state.get("outputs").cloned().unwrap_or_else(|| json!({}));
        let readable = json!({"version": 4, "terraform_version": "1.0.0", "serial": 1, "lineage": "x",
            "outputs": outputs, "resources": []});
        Bytes::from(readable.to_string())
    }
}

impl StatePort for States {
    fn state_get<'a>(&'a self, unit: &'a UnitPath) -> BoxFuture<'a, Result<Option<Bytes>, Fault>> {
        Box::pin(async move { Ok(self.get(unit)) })
    }

    fn state_put<'a>(
        &'a self,
        unit: &'a UnitPath,
        _: TaskId,
        _: Option<&'a str>,
        state: Bytes,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        self.0.lock().unwrap().insert(unit.clone(), state);
        Box::pin(async { Ok(()) })
    }

    fn state_lock<'a>(
        &'a self,
        _: &'a UnitPath,
        _: TaskId,
        _: &'a LockInfo,
    ) -> BoxFuture<'a, Result<LockAnswer, Fault>> {
        Box::pin(async { Ok(LockAnswer::Taken) })
    }

    fn state_unlock<'a>(
        &'a self,
        _: &'a UnitPath,
        _: TaskId,
        _: &'a str,
    ) -> BoxFuture<'a, Result<UnlockAnswer, Fault>> {
        Box::pin(async { Ok(UnlockAnswer::Released) })
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Sink for Log {
    fn log(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
    fn step(&mut self, _: &Report) {}
}

/// What came of a recipe.
pub struct Ran {
    pub outcome: Outcome,
    pub log: String,
    /// What the tool was started with, by command.
    pub started: BTreeMap<String, Started>,
    pub read_own_state: bool,
}

impl Ran {
    pub fn artifact(&self, name: &str) -> Vec<u8> {
        self.outcome.artifacts.get(name).unwrap_or_else(|| panic!("no {name}: {}", self.log)).clone()
    }
}

/// A folder of units, and what is needed to run them.
pub struct Bench {
    executor: LocalExecutor,
    data: tempfile::TempDir,
    pub estate: Estate,
    pub source: DirSource,
    pub states: States,
    tool: Tool,
    terragrunt: Option<PathBuf>,
}

static DOORS: AtomicU64 = AtomicU64::new(0);

impl Bench {
    /// Over a copy of a folder.
    pub fn over(folder: &Path, settings: &Settings) -> Self {
        let data = tempfile::tempdir().unwrap();
        let repo = data.path().join("repo");
        copy(folder, &repo);
        // As in a checkout of the runner: enough for `git rev-parse --show-toplevel`.
        for folder in ["objects", "refs"] {
            std::fs::create_dir_all(repo.join(".git").join(folder)).unwrap();
        }
        std::fs::write(repo.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        open_up(&repo);
        let source = DirSource::open(&repo).unwrap();
        let estate = Estate::load(Arc::new(DirSource::open(&repo).unwrap()), settings).unwrap();
        let (_, tool) = programs::find_tool().expect("OpenTofu or Terraform on PATH");
        let probe = data.path().join("tools").join("terraform");
        std::fs::create_dir(probe.parent().unwrap()).unwrap();
        let script = include_str!("probe.sh").replace("@TOOL@", tool.canonicalize().unwrap().to_str().unwrap());
        std::fs::write(&probe, script).unwrap();
        std::fs::set_permissions(&probe, std::fs::Permissions::from_mode(0o755)).unwrap();
        let executor = LocalExecutor::new(portcullis_exec::Settings::new(agent(), data.path().join("exec"))).unwrap();
        let tool = Tool { name: "terraform".into(), version: "1.11.4".into(), program: "/tools/terraform".into() };
        Bench { executor, data, estate, source, states: States::default(), tool, terragrunt: terragrunt() }
    }

    fn outputs(&self, unit: &UnitPath) -> Option<Map<String, Value>> {
        self.states.outputs(unit).filter(|outputs| !outputs.is_empty())
    }

    /// The recipe of a driver. `lock` is the reviewed lock file.
    pub fn recipe(&self, driver: Driver, unit: &UnitPath, job: Job<'_>, lock: Option<&[u8]>) -> Result<Recipe, Fault> {
        let limits = Limits::default();
        if driver == Driver::Terragrunt {
            let program =
                Tool { name: "terragrunt".into(), version: "1.0.0".into(), program: "/tools/terragrunt".into() };
            let programs = terragrunt::Programs { tool: &self.tool, terragrunt: &program };
            return terragrunt::recipe(unit, programs, limits, lock, job);
        }
        let command = if matches!(job, Job::Plan) { "plan" } else { "apply" };
        let resolved = self.estate.resolve(unit, command, &|unit| self.outputs(unit))?;
        native::Prepared::new(Files::of(&self.source), &resolved, &self.tool, limits, job.into(), lock)?
            .recipe(job, None)
    }

    /// Runs a recipe in a sandbox.
    pub async fn run(&self, unit: &UnitPath, phase: Phase, mut recipe: Recipe) -> Ran {
        let task = TaskId::from_uuid(uuid::Uuid::now_v7());
        let workdir = self.executor.workdir(task).unwrap();
        for (path, file) in recipe.layout.files() {
            let target = workdir.path().join(path);
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::write(&target, &file.bytes).unwrap();
            let mode = if file.executable { 0o755 } else { 0o644 };
            std::fs::set_permissions(&target, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let door = recipe.spec.door.as_ref().map(|_| {
            let socket = self.data.path().join(DOORS.fetch_add(1, Ordering::Relaxed).to_string());
            let unit = unit.clone();
            let others = self.estate.units().keys().filter(|other| **other != unit);
            let readable = others.map(|other| (other.clone(), self.states.readable(other))).collect();
            let (owner_uid, port) = (Some(workdir.uid()), Arc::new(self.states.clone()));
            Door::open(DoorSettings { socket, owner_uid, task, unit, phase, readable, port, egress: None }).unwrap()
        });
        let repo = self.data.path().join("repo");
        let mut binds = match recipe.repository {
            Repository::Hidden => Vec::new(),
            Repository::Shown => vec![Bind::read_only(repo, "/repo")],
            Repository::Copied => vec![Bind::copy(repo, "/repo")],
        };
        binds.push(Bind::read_only(self.data.path().join("tools/terraform"), "/tools/terraform"));
        binds.extend(self.terragrunt.iter().map(|host| Bind::read_only(host, "/tools/terragrunt")));
        let name = "probe".to_owned();
        recipe.spec.steps.push(Step::CollectTree { name, path: "/work/probe".into(), max_bytes: 8 << 20 });
        let log = Log::default();
        let door_path = door.as_ref().map(|door| door.socket().to_path_buf());
        let limits = portcullis_exec::Limits::default();
        let launch = Launch { task, attempt: 1, spec: recipe.spec, workdir, binds, door: door_path, limits };
        let outcome = self.executor.launch(launch, Box::new(log.clone())).unwrap().wait().await;
        let read_own_state = door.as_ref().is_some_and(Door::read_own_state);
        if let Some(door) = door {
            door.close().await;
        }
        let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
        Ran { started: Started::all(&outcome.artifacts), outcome, log, read_own_state }
    }

    /// Plans a unit.
    pub async fn plan(&self, driver: Driver, unit: &UnitPath) -> Ran {
        let recipe = self.recipe(driver, unit, Job::Plan, None).unwrap_or_else(|fault| panic!("{unit}: {fault}"));
        let ran = self.run(unit, Phase::Plan, recipe).await;
        assert!(ran.outcome.fault.is_none(), "{driver:?} {unit}: {:?}\n{}", ran.outcome.fault, ran.log);
        ran
    }

    /// Plans a unit and applies that plan; answers both.
    pub async fn apply(&self, driver: Driver, unit: &UnitPath) -> (Ran, Ran) {
        let planned = self.plan(driver, unit).await;
        let plan = planned.artifact(ARTIFACT_PLAN);
        let lock = planned.outcome.artifacts.get(ARTIFACT_LOCK).map(Vec::as_slice);
        let recipe = self.recipe(driver, unit, Job::Apply { plan: &plan }, lock).unwrap();
        let applied = self.run(unit, Phase::Apply, recipe).await;
        assert!(applied.outcome.fault.is_none(), "{driver:?} {unit}: {:?}\n{}", applied.outcome.fault, applied.log);
        (planned, applied)
    }
}

/// Whether Terragrunt is here; says so where it is not.
pub fn has_terragrunt() -> bool {
    let found = terragrunt().is_some();
    if !found {
        // Past the capture of tests that pass, which `eprintln!` does not get through.
        let note = b"SKIPPED: `terragrunt` is not on PATH, so nothing was compared with it\n";
        std::io::Write::write_all(&mut std::io::stderr(), note).unwrap();
    }
    found
}

fn terragrunt() -> Option<PathBuf> {
    programs::find("terragrunt")
}

fn agent() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let agent = own.ancestors().nth(3).unwrap().join("portcullis-agent");
    assert!(agent.is_file(), "build the agent first: `cargo xtask agent` ({} is missing)", agent.display());
    agent
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Lets the task's user read it, whatever the umask is.
fn open_up(folder: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            open_up(&entry.path());
        } else {
            let executable = entry.metadata().unwrap().permissions().mode() & 0o100;
            let mode = if executable == 0 { 0o644 } else { 0o755 };
            std::fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}
