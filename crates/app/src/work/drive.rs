//! One unit through its driver: lowered to a recipe, run in a sandbox, and what came out of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use portcullis_driver::{
    ARTIFACT_INIT, ARTIFACT_LOCK, ARTIFACT_PLAN, ARTIFACT_SHOW, FetchedModule, Files, InitTree, Job, Limits, Recipe,
    native, show, terragrunt,
};
use portcullis_engine::{JobRequest, Stop};
use portcullis_estate::{GitSource, ModuleSource, Resolved};
use portcullis_exec::Outcome;
use portcullis_model::run::Phase;
use portcullis_model::{Code, Digest, Fault, Place, UnitPath};

use super::sandbox::{self, Around, Ran};
use super::subject::{How, Inputs};
use super::took::took;
use super::{Worker, retry};
use crate::runner::definition::Definition;

/// Most lines of a log's end that a fault names.
const TAIL_LINES: usize = 12;

/// Why a job ended early.
pub enum Ended {
    /// It failed.
    Fault(Fault),
    /// It failed with an error that the unit's configuration ignores.
    Ignored,
    /// It was stopped.
    Interrupted,
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Ended::Fault(fault)
    }
}

/// What a plan task made.
pub struct Made {
    /// The saved plan.
    pub plan: Vec<u8>,
    /// `show -json` of it.
    pub show: Vec<u8>,
    /// The lock file, if there is one.
    pub lock: Option<Vec<u8>>,
}

/// A unit that is to be run.
#[derive(Clone, Copy)]
pub struct Drive<'a> {
    /// Whose work it is.
    pub worker: &'a Worker,
    /// What is asked for.
    pub request: &'a JobRequest,
    /// What it is done by.
    pub definition: &'a Definition,
    /// What goes in.
    pub inputs: &'a Inputs,
}

impl Drive<'_> {
    /// Makes a plan.
    ///
    /// # Errors
    /// Whatever keeps it from being made.
    pub async fn plan(self, stop: &mut Stop) -> Result<Made, Ended> {
        let mut outcome = self.job(Job::Plan, None, stop).await?;
        let plan = artifact(&mut outcome, ARTIFACT_PLAN)?;
        let lock = outcome.artifacts.remove(ARTIFACT_LOCK);
        if matches!(self.inputs.how, How::Terragrunt { .. }) {
            let recipe = show::recipe(&self.definition.tool.driver, self.limits(), &plan, lock.as_deref())?;
            outcome = self.run(Phase::Plan, recipe, &BTreeMap::new(), stop).await?.outcome;
        }
        Ok(Made { show: artifact(&mut outcome, ARTIFACT_SHOW)?, plan, lock })
    }

    /// Applies a saved plan, with the lock file that was collected with it.
    ///
    /// # Errors
    /// Whatever keeps it from being applied.
    pub async fn apply(self, plan: &[u8], lock: Option<&[u8]>, stop: &mut Stop) -> Result<(), Ended> {
        self.job(Job::Apply { plan }, lock, stop).await?;
        Ok(())
    }

    /// Does a job with the unit's driver.
    async fn job(self, job: Job<'_>, lock: Option<&[u8]>, stop: &mut Stop) -> Result<Outcome, Ended> {
        match &self.inputs.how {
            How::Native { resolved, readable } => self.native(resolved, readable, job, lock, stop).await,
            How::Terragrunt { resolved, readable } => {
                self.terragrunt(resolved.as_deref(), readable, job, lock, stop).await
            }
        }
    }

    /// Starts the tool directly, again where the unit's `errors` say so.
    async fn native(
        self,
        resolved: &Resolved,
        readable: &BTreeMap<UnitPath, Bytes>,
        job: Job<'_>,
        lock: Option<&[u8]>,
        stop: &mut Stop,
    ) -> Result<Outcome, Ended> {
        let (begun, limit) = (Instant::now(), Duration::from_secs(self.definition.account.limits.timeout_s));
        let rules = retry::Rules::new(&resolved.path, &resolved.errors)?;
        for attempt in 1.. {
            let ran = self.native_once(resolved, readable, job, lock, stop).await?;
            if let Some(ignored) = rules.ignored(&ran) {
                self.worker.store.log_append(self.request.task.id, ignored.as_bytes())?;
                return Err(Ended::Ignored);
            }
            let again = rules.after(attempt, phase(job), &ran);
            // All tries together have the time of one task.
            let Some(again) = again.filter(|again| begun.elapsed() + again.wait < limit) else {
                return Ok(self.ended(ran).await?.outcome);
            };
            let (rule, next, all, wait) = (again.rule, attempt + 1, again.attempts, again.wait.as_secs());
            let line = format!("» retry {rule:?}: try {next} of {all} in {wait} s\n");
            self.worker.store.log_append(self.request.task.id, line.as_bytes())?;
            tokio::select! {
                () = tokio::time::sleep(again.wait) => {}
                () = stop.raised() => return Err(Ended::Interrupted),
            }
        }
        Err(Fault::internal("tries without an end").into())
    }

    /// Starts the tool in one sandbox; keeps what `init` made.
    async fn native_once(
        self,
        resolved: &Resolved,
        readable: &BTreeMap<UnitPath, Bytes>,
        job: Job<'_>,
        lock: Option<&[u8]>,
        stop: &mut Stop,
    ) -> Result<Ran, Ended> {
        let (unit, begun) = (&self.request.task.unit, Instant::now());
        // With what stacks generate: those folders are in no commit.
        let estate = self.worker.estate(self.definition, &self.request.run.commit).await?;
        let tool = &self.definition.tool.driver;
        let module = self.inputs.module.as_ref();
        if let (Some(module), Some(ModuleSource::Remote { source, .. })) = (module, &resolved.source) {
            let line = format!("» module {source}\n  {}\n", module.resolved);
            self.worker.store.log_append(self.request.task.id, line.as_bytes())?;
        }
        let files = Files {
            repository: estate.source(),
            module: module.map(|module| FetchedModule { files: &*module.files, root: &module.root }),
        };
        let prepared = native::Prepared::new(files, resolved, tool, self.limits(), job.into(), lock)?;
        let key = prepared.init_key();
        let kept: Option<InitTree> = match key {
            Some(key) => self.worker.store.cache_get(&key).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            None => None,
        };
        let recipe = prepared.recipe(job, kept.as_ref())?;
        took("lay out", unit, begun);
        let mut ran = self.start(phase(job), recipe, readable, stop).await?;
        if let (Some(key), None) = (key, &kept) {
            let begun = Instant::now();
            keep_init(self.worker, key, &mut ran.outcome).await?;
            took("keep what init made", unit, begun);
        }
        Ok(ran)
    }

    /// Starts Terragrunt.
    async fn terragrunt(
        self,
        resolved: Option<&Resolved>,
        readable: &BTreeMap<UnitPath, Bytes>,
        job: Job<'_>,
        lock: Option<&[u8]>,
        stop: &mut Stop,
    ) -> Result<Outcome, Ended> {
        let Some(program) = &self.definition.terragrunt else {
            return Err(Fault::internal("the terragrunt driver without terragrunt").into());
        };
        let unit = &self.request.task.unit;
        let source = GitSource::open(self.worker.mirror.git_dir(), &self.request.run.commit)?;
        terragrunt::refuse_generated(&source, unit)?;
        if let Some(resolved) = resolved {
            terragrunt::check(&source, resolved)?;
        }
        let programs = terragrunt::Programs { tool: &self.definition.tool.driver, terragrunt: &program.driver };
        let recipe = terragrunt::recipe(unit, programs, self.limits(), lock, job)?;
        let ran = self.run(phase(job), recipe, readable, stop).await?;
        // Where the configuration is not fully known, neither is its backend: what counts is what the tool did.
        if matches!(job, Job::Plan) && !ran.read_own_state {
            return Err(no_state(unit).into());
        }
        Ok(ran.outcome)
    }

    async fn run(
        self,
        phase: Phase,
        recipe: Recipe,
        readable: &BTreeMap<UnitPath, Bytes>,
        stop: &mut Stop,
    ) -> Result<Ran, Ended> {
        let ran = self.start(phase, recipe, readable, stop).await?;
        self.ended(ran).await
    }

    async fn start(
        self,
        phase: Phase,
        recipe: Recipe,
        readable: &BTreeMap<UnitPath, Bytes>,
        stop: &mut Stop,
    ) -> Result<Ran, Ended> {
        if stop.is_raised() {
            return Err(Ended::Interrupted);
        }
        let around = Around::unit(self.definition, phase);
        Ok(sandbox::run(self.worker, self.request, around, recipe, readable.clone(), stop).await?)
    }

    async fn ended(self, ran: Ran) -> Result<Ran, Ended> {
        ended(self.worker, self.request, ran).await
    }

    fn limits(self) -> Limits {
        Limits {
            step_timeout_s: u32::try_from(self.definition.account.limits.timeout_s).unwrap_or(u32::MAX),
            ..Limits::default()
        }
    }
}

/// What ran well, or why it did not, with the end of its log.
///
/// # Errors
/// That of the outcome.
pub(super) async fn ended(worker: &Worker, request: &JobRequest, mut ran: Ran) -> Result<Ran, Ended> {
    let outcome = &mut ran.outcome;
    if outcome.interrupted && outcome.fault.as_ref().is_none_or(|fault| fault.code() != Code::TASK_TIMEOUT) {
        return Err(Ended::Interrupted);
    }
    match outcome.fault.take() {
        Some(fault) => Err(explain(worker, request, fault).await.into()),
        None => Ok(ran),
    }
}

fn phase(job: Job<'_>) -> Phase {
    match job {
        Job::Plan => Phase::Plan,
        Job::Apply { .. } => Phase::Apply,
    }
}

fn artifact(outcome: &mut Outcome, name: &str) -> Result<Vec<u8>, Fault> {
    let missing = || Fault::new(Code::AGENT_PROTOCOL, format!("the sandbox sent no {name:?}"));
    outcome.artifacts.remove(name).ok_or_else(missing)
}

fn no_state(unit: &UnitPath) -> Fault {
    Fault::new(Code::BACKEND_REFUSED, format!("the plan of {unit} was made without its state in the runner's store"))
        .at(Place::file(unit.as_str()))
        .remedy(terragrunt::KEEP_STATE)
}

async fn keep_init(worker: &Worker, key: Digest, outcome: &mut Outcome) -> Result<(), Fault> {
    let prefix = format!("{ARTIFACT_INIT}/");
    let names: Vec<String> = outcome.artifacts.keys().filter(|name| name.starts_with(&prefix)).cloned().collect();
    let mut tree = InitTree::new();
    for name in names {
        if let (Some(path), Some(bytes)) =
            (name.strip_prefix(&prefix).map(str::to_owned), outcome.artifacts.remove(&name))
        {
            tree.insert(path, bytes);
        }
    }
    if tree.is_empty() {
        return Ok(());
    }
    let bytes = serde_json::to_vec(&tree).map_err(|error| Fault::internal(format!("an init tree: {error}")))?;
    // What is not kept is made again.
    worker.store.cache_put(&key, bytes).await.map(|_| ())
}

/// The end of the log says what the tool said.
async fn explain(worker: &Worker, request: &JobRequest, fault: Fault) -> Fault {
    const TAIL_BYTES: u64 = 16 * 1024;
    let end = worker.store.log_read(request.task.id, 0, 0).await.map_or(0, |chunk| chunk.length);
    let Ok(chunk) = worker.store.log_read(request.task.id, end.saturating_sub(TAIL_BYTES), TAIL_BYTES as usize).await
    else {
        return fault;
    };
    let text = String::from_utf8_lossy(&chunk.bytes).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines.iter().skip(lines.len().saturating_sub(TAIL_LINES));
    let clean = |line: &str| line.chars().filter(|c| !c.is_control()).take(300).collect::<String>();
    tail.fold(fault, |fault, line| fault.note(clean(line)))
}
