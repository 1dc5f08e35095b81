//! One unit's plan or apply: resolve, plan, compare, decide, apply.

use std::collections::BTreeMap;
use std::time::Instant;

use portcullis_engine::{
    Approved, Begun, Case, Change, Fresh, Job, JobDone, JobRequest, Mock, Reviewed, Stop, Verdict, decide, is_approved,
};
use portcullis_model::run::TaskResult;
use portcullis_model::{Code, Digest, Fault, UnitPath};
use portcullis_store::{ModulePin, PlanPurpose, PlanRecord, Store};
use serde_json::Value;

use super::drive::{Drive, Ended, Made};
use super::subject::{Inputs, Subject};
use super::took::took;
use super::{Worker, outputs};
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

/// Does one job.
pub async fn perform(worker: &Worker, request: &JobRequest, stop: Stop) -> JobDone {
    let result = match &request.job {
        Job::Plan => plan_run(worker, request, stop).await,
        Job::Ready => ready(worker, request, stop).await,
        Job::Act => super::act::act(worker, request, stop).await,
        Job::Apply { plan, basis } => apply(worker, request, *plan, *basis, stop).await,
    };
    match result {
        Ok(done) => done,
        Err(Ended::Fault(fault)) => JobDone::Failed(fault),
        Err(Ended::Ignored) => JobDone::Ignored,
        Err(Ended::Interrupted) => JobDone::Interrupted,
    }
}

async fn plan_run(worker: &Worker, request: &JobRequest, mut stop: Stop) -> Result<JobDone, Ended> {
    let subject = Subject::find(worker, request).await?;
    let inputs = Inputs::gather(worker, request, &subject, "plan", &mut stop).await?;
    let (record, _) = make_plan(worker, request, &subject, &inputs, PlanPurpose::Plan, &mut stop).await?;
    Ok(JobDone::Planned { plan: record.digest, summary: record.summary })
}

/// In an apply run: the reviewed plan if it is intact, else a fresh one, compared.
async fn ready(worker: &Worker, request: &JobRequest, mut stop: Stop) -> Result<JobDone, Ended> {
    let subject = Subject::find(worker, request).await?;
    let inputs = Inputs::gather(worker, request, &subject, "apply", &mut stop).await?;
    let reviewed = reviewed(worker, request, &subject).await?;
    if request.task.unknown_outcome_of.is_none()
        && let Some(record) = &reviewed
        && is_intact(worker, record, &inputs).await?
    {
        let verdict =
            if record.summary.is_empty() { Verdict::NoChange } else { Verdict::Apply(TaskResult::AppliedReviewed) };
        return Ok(JobDone::Decided { plan: record.digest, summary: record.summary.clone(), verdict });
    }
    plan_and_decide(worker, request, &subject, &inputs, reviewed.as_ref(), None, &mut stop).await
}

/// The newest plan of a plan run for this unit and input digest.
async fn reviewed(worker: &Worker, request: &JobRequest, subject: &Subject) -> Result<Option<PlanRecord>, Fault> {
    let plans = worker.store.plan_find(&request.task.unit, &subject.input_digest).await?;
    Ok(plans.into_iter().find(|plan| plan.purpose == PlanPurpose::Plan))
}

/// Whether everything that a plan was made from still holds. The input digest is equal: it was found by it.
async fn is_intact(worker: &Worker, plan: &PlanRecord, inputs: &Inputs) -> Result<bool, Fault> {
    let state = state_version(worker, &plan.unit).await?;
    Ok(plan.mocked.is_empty()
        && inputs.taken.mocked.is_empty()
        && plan.outputs_digest == outputs::digest(&inputs.taken.used_outputs)
        // A tag or a branch of the module's repository may have moved.
        && plan.module.as_ref().map(|module| module.digest) == inputs.module.as_ref().map(|module| module.digest)
        && plan.state_version == Some(state))
}

async fn state_version(worker: &Worker, unit: &UnitPath) -> Result<i64, Fault> {
    Ok(worker.store.state_info(unit).await?.map_or(0, |info| info.version))
}

async fn plan_and_decide(
    worker: &Worker,
    request: &JobRequest,
    subject: &Subject,
    inputs: &Inputs,
    reviewed: Option<&PlanRecord>,
    approved: Option<&PlanRecord>,
    stop: &mut Stop,
) -> Result<JobDone, Ended> {
    let (record, change) = make_plan(worker, request, subject, inputs, PlanPurpose::Apply, stop).await?;
    let reviewed_change = match reviewed {
        Some(plan) => Some((change_of(worker, plan.digest).await?, mocks_of(worker, plan.digest, inputs).await?)),
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
        now: now(),
    })?;
    Ok(JobDone::Decided { plan: record.digest, summary: record.summary, verdict })
}

async fn change_of(worker: &Worker, plan: Digest) -> Result<Change, Fault> {
    let bytes = part(&worker.store, plan, PART_CHANGE).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Fault::new(Code::SEAL_BROKEN, format!("the change of plan {plan}: {error}")))
}

/// What the reviewed plan used instead of outputs, with the outputs that are there now.
async fn mocks_of(worker: &Worker, plan: Digest, inputs: &Inputs) -> Result<Vec<Mock>, Fault> {
    let Some(bytes) = worker.store.plan_part(&plan, PART_MOCKS).await? else { return Ok(Vec::new()) };
    let mocks: BTreeMap<UnitPath, Value> = serde_json::from_slice(&bytes)
        .map_err(|error| Fault::new(Code::SEAL_BROKEN, format!("the mocks of plan {plan}: {error}")))?;
    let real = |unit: &UnitPath| inputs.taken.used_outputs.get(unit).cloned();
    Ok(mocks.into_iter().filter_map(|(unit, mock)| Some(Mock { mock, real: real(&unit)? })).collect())
}

async fn part(store: &Store, plan: Digest, name: &str) -> Result<Vec<u8>, Fault> {
    store.plan_part(&plan, name).await?.ok_or_else(|| {
        Fault::new(Code::PLAN_UNKNOWN, format!("plan {} is not kept here", plan.short())).remedy("Plan the unit again.")
    })
}

/// Makes a plan and keeps it.
async fn make_plan(
    worker: &Worker,
    request: &JobRequest,
    subject: &Subject,
    inputs: &Inputs,
    purpose: PlanPurpose,
    stop: &mut Stop,
) -> Result<(PlanRecord, Change), Ended> {
    // Before the plan: a state that moves while it is made makes the plan stale, never fresh.
    let state = state_version(worker, &request.task.unit).await?;
    let drive = Drive { worker, request, definition: &subject.definition, inputs };
    let Made { plan, show, lock } = drive.plan(stop).await?;
    let begun = Instant::now();
    let (change, mut summary) = Change::from_show_json(&show)?;
    took("read and compare the change", &request.task.unit, begun);
    summary.mocked = inputs.taken.mocked.iter().map(|mocked| mocked.unit.clone()).collect();
    let mocks: BTreeMap<&UnitPath, &Value> =
        inputs.taken.mocked.iter().map(|mocked| (&mocked.unit, &mocked.values)).collect();
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
        outputs_digest: outputs::digest(&inputs.taken.used_outputs),
        lock_digest: lock.as_deref().map(Digest::of),
        module: inputs
            .module
            .as_ref()
            .map(|module| ModulePin { resolved: module.resolved.clone(), digest: module.digest }),
        state_serial: None,
        state_lineage: None,
        state_version: Some(state),
        mocked: summary.mocked.clone(),
        summary,
        tool: subject.definition.programs(),
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
    let subject = Subject::find(worker, request).await?;
    let inputs = Inputs::gather(worker, request, &subject, "apply", &mut stop).await?;
    let record = worker.store.plan_get(&plan).await?;
    let record =
        record.ok_or_else(|| Fault::new(Code::PLAN_UNKNOWN, format!("plan {} is not kept here", plan.short())))?;
    if record.input_digest != subject.input_digest || !is_intact(worker, &record, &inputs).await? {
        let approved = is_approved(&request.run.rule, &request.task.approvals, plan, now())
            || basis == TaskResult::AppliedApproved;
        let (reviewed, approved) = if approved { (None, Some(&record)) } else { (Some(&record), None) };
        return plan_and_decide(worker, request, &subject, &inputs, reviewed, approved, &mut stop).await;
    }
    let bytes = part(&worker.store, plan, PART_PLAN).await?;
    if Digest::of(&bytes) != plan {
        return Err(Fault::new(
            Code::SEAL_BROKEN,
            format!("the saved plan {} is not what its digest names", plan.short()),
        )
        .into());
    }
    let lock = worker.store.plan_part(&plan, PART_LOCK).await?;
    let drive = Drive { worker, request, definition: &subject.definition, inputs: &inputs };
    drive.apply(&bytes, lock.as_deref(), &mut stop).await?;
    Ok(JobDone::Applied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plan_that_is_not_kept_is_named() {
        let data = tempfile::tempdir().unwrap();
        let store = Store::open(&data.path().join("store"), &data.path().join("key")).await.unwrap();
        let fault = part(&store, Digest::of(b"gone"), PART_CHANGE).await.unwrap_err();
        assert_eq!(fault.code(), Code::PLAN_UNKNOWN);
    }
}
