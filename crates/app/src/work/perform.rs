//! One unit's plan or apply: resolve, plan, compare, decide, apply.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use portcullis_driver::native::Prepared;
use portcullis_driver::{
    ARTIFACT_INIT, ARTIFACT_LOCK, ARTIFACT_PLAN, ARTIFACT_SHOW, InitTree, Job as DriverJob, Limits,
};
use portcullis_engine::{
    Approved, Begun, Case, Change, Fresh, Job, JobDone, JobRequest, Mock, Reviewed, Stop, Verdict, decide, is_approved,
};
use portcullis_estate::{Estate, GitSource, Resolved};
use portcullis_exec::Outcome;
use portcullis_model::run::{Phase, TaskResult};
use portcullis_model::{Code, Digest, Fault, UnitPath};
use portcullis_store::{PlanPurpose, PlanRecord};
use serde_json::Value;

use super::took::took;
use super::{Worker, outputs, sandbox};
use crate::runner::definition::Definition;
use crate::runner::now;
use crate::runner::ports::when_there_is_space;

/// Part of a plan: the saved plan.
const PART_PLAN: &str = "plan";
/// Part of a plan: what it changes, as `engine::Change`.
const PART_CHANGE: &str = "change";
/// Part of a plan: the lock file.
const PART_LOCK: &str = "lock";
/// Part of a plan: the mock outputs that went in, by unit.
const PART_MOCKS: &str = "mocks";
/// Most bytes of a log's end that a fault names.
const TAIL_LINES: usize = 12;

/// Why a job ended early.
enum Ended {
    Fault(Fault),
    Interrupted,
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Ended::Fault(fault)
    }
}

/// Does one job.
pub async fn perform(worker: &Worker, request: &JobRequest, stop: Stop) -> JobDone {
    let result = match &request.job {
        Job::Plan => plan_run(worker, request, stop).await,
        Job::Ready => ready(worker, request, stop).await,
        Job::Apply { plan, basis } => apply(worker, request, *plan, *basis, stop).await,
    };
    match result {
        Ok(done) => done,
        Err(Ended::Fault(fault)) => JobDone::Failed(fault),
        Err(Ended::Interrupted) => JobDone::Interrupted,
    }
}

/// What a task works on.
struct Subject {
    definition: Arc<Definition>,
    estate: Arc<Estate>,
    input_digest: Digest,
}

async fn subject(worker: &Worker, request: &JobRequest) -> Result<Subject, Fault> {
    let begun = Instant::now();
    let definition = worker.definition()?;
    let estate = worker.estate(&definition, &request.run.commit).await?;
    took("evaluate", &request.task.unit, begun);
    match estate.units().get(&request.task.unit) {
        Some(Ok(unit)) => {
            let input_digest = unit.input_digest;
            Ok(Subject { definition, estate, input_digest })
        }
        Some(Err(faults)) => {
            Err(faults.first().cloned().unwrap_or_else(|| Fault::internal("a broken unit without a fault")))
        }
        None => Err(Fault::new(Code::UNIT_UNKNOWN, format!("there is no unit {}", request.task.unit))),
    }
}

/// The unit with its dependencies' outputs as they are now.
async fn resolve(
    worker: &Worker,
    request: &JobRequest,
    subject: &Subject,
    command: &'static str,
) -> Result<Resolved, Fault> {
    let begun = Instant::now();
    let unit = request.task.unit.clone();
    let known = match subject.estate.units().get(&unit) {
        Some(Ok(known)) => outputs::of_dependencies(&worker.store, known).await?,
        _ => outputs::Outputs::new(),
    };
    let estate = subject.estate.clone();
    let resolved = tokio::task::spawn_blocking(move || {
        estate.resolve(&unit, command, &|dependency: &UnitPath| known.get(dependency).cloned())
    });
    let resolved = resolved.await.map_err(|error| Fault::internal(format!("resolving a unit: {error}")))?;
    took("evaluate", &request.task.unit, begun);
    resolved
}

async fn plan_run(worker: &Worker, request: &JobRequest, mut stop: Stop) -> Result<JobDone, Ended> {
    let subject = subject(worker, request).await?;
    let resolved = resolve(worker, request, &subject, "plan").await?;
    let (record, _) = make_plan(worker, request, &subject, &resolved, PlanPurpose::Plan, &mut stop).await?;
    Ok(JobDone::Planned { plan: record.digest, summary: record.summary })
}

/// In an apply run: the reviewed plan if it is intact, else a fresh one, compared.
async fn ready(worker: &Worker, request: &JobRequest, mut stop: Stop) -> Result<JobDone, Ended> {
    let subject = subject(worker, request).await?;
    let resolved = resolve(worker, request, &subject, "apply").await?;
    let reviewed = reviewed(worker, request, &subject).await?;
    if request.task.unknown_outcome_of.is_none()
        && let Some(record) = &reviewed
        && is_intact(worker, record, &resolved).await?
    {
        let verdict =
            if record.summary.is_empty() { Verdict::NoChange } else { Verdict::Apply(TaskResult::AppliedReviewed) };
        return Ok(JobDone::Decided { plan: record.digest, summary: record.summary.clone(), verdict });
    }
    plan_and_decide(worker, request, &subject, &resolved, reviewed.as_ref(), None, &mut stop).await
}

/// The newest plan of a plan run for this unit and input digest.
async fn reviewed(worker: &Worker, request: &JobRequest, subject: &Subject) -> Result<Option<PlanRecord>, Fault> {
    let plans = worker.store.plan_find(&request.task.unit, &subject.input_digest).await?;
    Ok(plans.into_iter().find(|plan| plan.purpose == PlanPurpose::Plan))
}

/// Whether everything that a plan was made from still holds. The input digest is equal: it was found by it.
async fn is_intact(worker: &Worker, plan: &PlanRecord, resolved: &Resolved) -> Result<bool, Fault> {
    let state = state_version(worker, &plan.unit).await?;
    Ok(plan.mocked.is_empty()
        && resolved.mocked.is_empty()
        && plan.outputs_digest == outputs::digest(&resolved.used_outputs)
        && plan.state_version == Some(state))
}

async fn state_version(worker: &Worker, unit: &UnitPath) -> Result<i64, Fault> {
    Ok(worker.store.state_info(unit).await?.map_or(0, |info| info.version))
}

async fn plan_and_decide(
    worker: &Worker,
    request: &JobRequest,
    subject: &Subject,
    resolved: &Resolved,
    reviewed: Option<&PlanRecord>,
    approved: Option<&PlanRecord>,
    stop: &mut Stop,
) -> Result<JobDone, Ended> {
    let (record, change) = make_plan(worker, request, subject, resolved, PlanPurpose::Apply, stop).await?;
    let reviewed_change = match reviewed {
        Some(plan) => Some((change_of(worker, plan.digest).await?, mocks_of(worker, plan.digest, resolved).await?)),
        None => None,
    };
    let approved_change = match approved {
        Some(plan) => Some(change_of(worker, plan.digest).await?),
        None => None,
    };
    let begun_change = match request.task.unknown_outcome_of {
        Some(plan) => Some((plan, change_of(worker, plan).await?)),
        None => None,
    };
    let verdict = decide(&Case {
        rule: &request.run.rule,
        fresh: Fresh { change: &change, summary: &record.summary },
        reviewed: reviewed_change.as_ref().map(|(change, mocks)| Reviewed { change, mocks }),
        approved: approved_change.as_ref().map(|change| Approved { change }),
        begun: begun_change.as_ref().map(|(plan, change)| Begun { plan: *plan, change }),
        approvals: &request.task.approvals,
    })?;
    Ok(JobDone::Decided { plan: record.digest, summary: record.summary, verdict })
}

async fn change_of(worker: &Worker, plan: Digest) -> Result<Change, Fault> {
    let bytes = part(worker, plan, PART_CHANGE).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Fault::new(Code::SEAL_BROKEN, format!("the change of plan {plan}: {error}")))
}

/// What the reviewed plan used instead of outputs, with the outputs that are there now.
async fn mocks_of(worker: &Worker, plan: Digest, resolved: &Resolved) -> Result<Vec<Mock>, Fault> {
    let Some(bytes) = worker.store.plan_part(&plan, PART_MOCKS).await? else { return Ok(Vec::new()) };
    let mocks: BTreeMap<UnitPath, Value> = serde_json::from_slice(&bytes)
        .map_err(|error| Fault::new(Code::SEAL_BROKEN, format!("the mocks of plan {plan}: {error}")))?;
    let real = |unit: &UnitPath| resolved.used_outputs.get(unit).cloned();
    Ok(mocks.into_iter().filter_map(|(unit, mock)| Some(Mock { mock, real: real(&unit)? })).collect())
}

async fn part(worker: &Worker, plan: Digest, name: &str) -> Result<Vec<u8>, Fault> {
    worker.store.plan_part(&plan, name).await?.ok_or_else(|| {
        Fault::new(Code::PLAN_UNKNOWN, format!("plan {} is not kept here", plan.short())).remedy("Plan the unit again.")
    })
}

/// Makes a plan and keeps it.
async fn make_plan(
    worker: &Worker,
    request: &JobRequest,
    subject: &Subject,
    resolved: &Resolved,
    purpose: PlanPurpose,
    stop: &mut Stop,
) -> Result<(PlanRecord, Change), Ended> {
    // Before the plan: a state that moves while it is made makes the plan stale, never fresh.
    let state = state_version(worker, &request.task.unit).await?;
    let mut outcome = drive(worker, request, subject, resolved, DriverJob::Plan, None, Phase::Plan, stop).await?;
    let missing = |what: &str| Fault::new(Code::AGENT_PROTOCOL, format!("the sandbox sent no {what}"));
    let plan = outcome.artifacts.remove(ARTIFACT_PLAN).ok_or_else(|| missing("plan"))?;
    let show = outcome.artifacts.remove(ARTIFACT_SHOW).ok_or_else(|| missing("`show -json`"))?;
    let lock = outcome.artifacts.remove(ARTIFACT_LOCK);
    let begun = Instant::now();
    let (change, mut summary) = Change::from_show_json(&show)?;
    took("read and compare the change", &request.task.unit, begun);
    summary.mocked = resolved.mocked.iter().map(|mocked| mocked.unit.clone()).collect();
    let mocks: BTreeMap<&UnitPath, &Value> =
        resolved.mocked.iter().map(|mocked| (&mocked.unit, &mocked.values)).collect();
    let json = |what: &str, result: serde_json::Result<Vec<u8>>| {
        result.map_err(|error| Fault::internal(format!("{what}: {error}")))
    };
    let mut parts = BTreeMap::from([(PART_CHANGE.to_owned(), json("a change", serde_json::to_vec(&change))?)]);
    if !mocks.is_empty() {
        parts.insert(PART_MOCKS.to_owned(), json("mocks", serde_json::to_vec(&mocks))?);
    }
    let record = PlanRecord {
        digest: Digest::of(&plan),
        unit: request.task.unit.clone(),
        run: request.run.id,
        task: request.task.id,
        commit: request.run.commit.clone(),
        input_digest: subject.input_digest,
        outputs_digest: outputs::digest(&resolved.used_outputs),
        lock_digest: lock.as_deref().map(Digest::of),
        state_serial: None,
        state_lineage: None,
        state_version: Some(state),
        mocked: summary.mocked.clone(),
        summary,
        tool: format!("{} {}", subject.definition.tool.driver.name, subject.definition.tool.driver.version),
        purpose,
        created_at: now(),
    };
    parts.insert(PART_PLAN.to_owned(), plan);
    if let Some(lock) = lock {
        parts.insert(PART_LOCK.to_owned(), lock);
    }
    let begun = Instant::now();
    tokio::select! {
        kept = when_there_is_space(|| worker.store.plan_insert(&record, parts.clone())) => kept?,
        () = stop.raised() => return Err(Ended::Interrupted),
    }
    took("keep the plan", &request.task.unit, begun);
    Ok((record, change))
}

/// Applies a plan, if what it was made from still holds; otherwise plans again and decides.
async fn apply(
    worker: &Worker,
    request: &JobRequest,
    plan: Digest,
    basis: TaskResult,
    mut stop: Stop,
) -> Result<JobDone, Ended> {
    let subject = subject(worker, request).await?;
    let resolved = resolve(worker, request, &subject, "apply").await?;
    let record = worker.store.plan_get(&plan).await?;
    let record =
        record.ok_or_else(|| Fault::new(Code::PLAN_UNKNOWN, format!("plan {} is not kept here", plan.short())))?;
    if record.input_digest != subject.input_digest || !is_intact(worker, &record, &resolved).await? {
        let approved =
            is_approved(&request.run.rule, &request.task.approvals, plan) || basis == TaskResult::AppliedApproved;
        let (reviewed, approved) = if approved { (None, Some(&record)) } else { (Some(&record), None) };
        return plan_and_decide(worker, request, &subject, &resolved, reviewed, approved, &mut stop).await;
    }
    let bytes = part(worker, plan, PART_PLAN).await?;
    if Digest::of(&bytes) != plan {
        return Err(Fault::new(
            Code::SEAL_BROKEN,
            format!("the saved plan {} is not what its digest names", plan.short()),
        )
        .into());
    }
    let lock = worker.store.plan_part(&plan, PART_LOCK).await?;
    let job = DriverJob::Apply { plan: &bytes };
    drive(worker, request, &subject, &resolved, job, lock.as_deref(), Phase::Apply, &mut stop).await?;
    Ok(JobDone::Applied)
}

/// Lowers the unit and runs it in a sandbox; keeps what `init` made.
#[allow(clippy::too_many_arguments, reason = "the parts of one sandbox, used here only")]
async fn drive(
    worker: &Worker,
    request: &JobRequest,
    subject: &Subject,
    resolved: &Resolved,
    job: DriverJob<'_>,
    lock: Option<&[u8]>,
    phase: Phase,
    stop: &mut Stop,
) -> Result<Outcome, Ended> {
    let begun = Instant::now();
    let source = GitSource::open(worker.mirror.git_dir(), &request.run.commit)?;
    let limits = Limits {
        step_timeout_s: u32::try_from(subject.definition.account.limits.timeout_s).unwrap_or(u32::MAX),
        ..Limits::default()
    };
    let prepared = Prepared::new(&source, resolved, &subject.definition.tool.driver, limits, lock)?;
    let key = prepared.init_key();
    let kept: Option<InitTree> = match key {
        Some(key) => worker.store.cache_get(&key).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
        None => None,
    };
    let recipe = prepared.recipe(job, kept.as_ref())?;
    took("lay out", &request.task.unit, begun);
    if stop.is_raised() {
        return Err(Ended::Interrupted);
    }
    let mut outcome = sandbox::run(worker, &subject.definition, request, phase, recipe, stop).await?;
    if let (Some(key), None) = (key, &kept) {
        let begun = Instant::now();
        keep_init(worker, key, &mut outcome).await?;
        took("keep what init made", &request.task.unit, begun);
    }
    if outcome.interrupted && outcome.fault.as_ref().is_none_or(|fault| fault.code() != Code::TASK_TIMEOUT) {
        return Err(Ended::Interrupted);
    }
    match outcome.fault.take() {
        Some(fault) => Err(explain(worker, request, fault).await.into()),
        None => Ok(outcome),
    }
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
