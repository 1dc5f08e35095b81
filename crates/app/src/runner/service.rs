//! The API's [`Service`] over gate, store and engine. Rights are the gate's; this only carries.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_engine::runtime::Handle;
use portcullis_model::api::{
    ActionList, ApproveRequest, CallPage, DefinitionView, Explanation, Health, InForceView, RefusedView, RunPage,
    RunView, TriggerRequest, TriggerResponse, UnitPage, UnitView,
};
use portcullis_model::{AccountName, Code, Fault, RunId, TaskId, UnitPath};
use portcullis_store::Store;

use super::definition::Definitions;
use crate::gate::entry::not_ready;
use crate::gate::{Gate, no_such_run};
use crate::http::views::run_view;
use crate::http::{Answer, Bearer, Events, IdempotencyKey, LogPart, RunReader, Service, TaskReader};
use crate::outcome::problem_of;

/// Less space than this on the data folder's disk is a problem worth saying, in bytes.
const SPACE_MIN_BYTES: u64 = 64 << 20;
/// Most events of one answer.
const EVENTS_MAX: u32 = 200;

/// A runner.
pub struct Runner {
    account: AccountName,
    gate: Gate,
    store: Store,
    engine: Handle,
    definitions: Arc<Definitions>,
    stopping: AtomicBool,
    data: PathBuf,
}

impl Runner {
    /// Of its parts.
    pub fn new(
        account: AccountName,
        data: &Path,
        gate: Gate,
        store: Store,
        engine: Handle,
        definitions: Arc<Definitions>,
    ) -> Self {
        let data = data.to_path_buf();
        Runner { account, gate, store, engine, definitions, stopping: AtomicBool::new(false), data }
    }

    /// From now on nothing new is accepted.
    pub fn stop_accepting(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn state(&self) -> Health {
        let trouble = self.definitions.trouble().into_iter().chain(self.engine.trouble());
        let problems: Vec<String> = trouble.map(|fault| fault.to_string()).chain(little_space(&self.data)).collect();
        let status = match () {
            () if self.is_stopping() => "stopping",
            () if self.definitions.in_force().is_none() => "starting",
            () if !problems.is_empty() => "degraded",
            () => "ok",
        };
        Health {
            status: status.to_owned(),
            account: self.account.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            problems,
        }
    }

    async fn view(&self, run: RunId) -> Result<RunView, Fault> {
        let record = self.store.run_get(run).await?.ok_or_else(no_such_run)?;
        Ok(run_view(&record, &self.store.task_list(run).await?))
    }
}

/// What to say of a data folder whose disk is nearly full, before it is: what runs then waits for space.
fn little_space(data: &Path) -> Option<String> {
    let disk = rustix::fs::statvfs(data).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    (free < SPACE_MIN_BYTES)
        .then(|| format!("the disk of the data folder {} has {} MiB left", data.display(), free >> 20))
}

impl Service for Runner {
    fn admit<'a>(&'a self, caller: &'a Bearer, asked: &'a str) -> Answer<'a, ()> {
        Box::pin(self.gate.admit(caller, asked))
    }

    fn trigger(
        &self,
        caller: Bearer,
        key: Option<IdempotencyKey>,
        request: TriggerRequest,
    ) -> Answer<'_, TriggerResponse> {
        Box::pin(async move {
            if self.is_stopping() {
                return Err(Fault::new(Code::SHUTTING_DOWN, "the runner is shutting down")
                    .remedy("Try again when it has been started again."));
            }
            let let_in = self.gate.trigger(&caller, key, &request).await?;
            let tasks = self.store.task_list(let_in.run.id).await?;
            Ok(TriggerResponse { run: run_view(&let_in.run, &tasks), read_token: let_in.read_token })
        })
    }

    fn actions(&self, caller: Bearer) -> Answer<'_, ActionList> {
        Box::pin(async move { self.gate.actions(&caller).await })
    }

    fn explain(&self, caller: Bearer, request: TriggerRequest) -> Answer<'_, Explanation> {
        Box::pin(async move { self.gate.explain(&caller, &request).await })
    }

    fn runs(&self, caller: Bearer, after: Option<RunId>, limit: u32) -> Answer<'_, RunPage> {
        Box::pin(async move {
            self.gate.reader(&caller, None).await?;
            let mut runs = self.store.run_list(after, limit.saturating_add(1)).await?;
            let more = runs.len() > limit as usize;
            runs.truncate(limit as usize);
            let next = runs.last().filter(|_| more).map(|run| run.id.to_string());
            Ok(RunPage { runs: runs.iter().map(|run| run_view(run, &[])).collect(), next })
        })
    }

    fn run_reader(&self, caller: Bearer, run: RunId) -> Answer<'_, RunReader> {
        Box::pin(async move {
            self.gate.reader(&caller, Some(run)).await?;
            self.store.run_get(run).await?.ok_or_else(no_such_run)?;
            Ok(RunReader::granted(run))
        })
    }

    fn run(&self, reader: RunReader) -> Answer<'_, RunView> {
        Box::pin(self.view(reader.run()))
    }

    fn calls(&self, reader: RunReader, after: u64, limit: u32) -> Answer<'_, CallPage> {
        Box::pin(async move {
            let found = self.store.call_list(reader.run(), after, limit).await?;
            let next = found.last().filter(|_| found.len() == limit as usize).map(|(number, _)| *number);
            Ok(CallPage { calls: found.into_iter().map(|(_, call)| call).collect(), next })
        })
    }

    fn events(&self, reader: RunReader, after: u64, patience: Duration) -> Answer<'_, Events> {
        Box::pin(async move {
            let run = reader.run();
            // Before the first look, so that nothing is missed between the look and the wait.
            let mut changes = self.engine.subscribe();
            let deadline = tokio::time::Instant::now() + patience;
            loop {
                // In this order: a run that is over when it is read has all its events.
                let over = self.store.run_get(run).await?.ok_or_else(no_such_run)?.state.is_final();
                let events = self.store.event_list(run, after, EVENTS_MAX).await?;
                if !events.is_empty() || over {
                    let over = over && events.len() < EVENTS_MAX as usize;
                    return Ok(Events { events, over });
                }
                loop {
                    match tokio::time::timeout_at(deadline, changes.recv()).await {
                        Err(_) => return Ok(Events::default()),
                        Ok(Ok(changed)) if changed != run => {}
                        Ok(Err(tokio::sync::broadcast::error::RecvError::Closed)) => return Ok(Events::default()),
                        Ok(_) => break,
                    }
                }
            }
        })
    }

    fn task_reader(&self, caller: Bearer, task: TaskId) -> Answer<'_, TaskReader> {
        Box::pin(async move {
            let record = self.store.task_get(task).await?;
            // A stranger learns nothing of which tasks exist: the right is checked in either case.
            self.gate.reader(&caller, record.as_ref().map(|record| record.run)).await?;
            record.ok_or_else(|| Fault::new(Code::NOT_FOUND, "there is no such task"))?;
            Ok(TaskReader::granted(task))
        })
    }

    fn task_log(&self, reader: TaskReader, offset: u64, max: usize, patience: Duration) -> Answer<'_, LogPart> {
        Box::pin(async move {
            let task = reader.task();
            let mut changes = self.engine.subscribe();
            let deadline = tokio::time::Instant::now() + patience;
            loop {
                let over = self.store.task_get(task).await?.is_none_or(|record| record.state.is_final());
                let chunk = self.store.log_read(task, offset, max).await?;
                let at_end = chunk.end == chunk.length;
                if !chunk.bytes.is_empty() || over {
                    return Ok(LogPart { bytes: chunk.bytes, end: chunk.end, over: over && at_end });
                }
                tokio::select! {
                    grown = self.store.log_wait(task, offset) => grown?,
                    _ = changes.recv() => {}
                    () = tokio::time::sleep_until(deadline) => {
                        return Ok(LogPart { bytes: Vec::new(), end: chunk.end, over: false });
                    }
                }
            }
        })
    }

    fn cancel(&self, caller: Bearer, run: RunId) -> Answer<'_, RunView> {
        Box::pin(async move {
            self.gate.cancel(&caller, run).await?;
            self.view(run).await
        })
    }

    fn approve(&self, caller: Bearer, run: RunId, request: ApproveRequest) -> Answer<'_, RunView> {
        Box::pin(async move {
            self.gate.approve(&caller, run, &request).await?;
            self.view(run).await
        })
    }

    fn units(&self, caller: Bearer, after: Option<UnitPath>, limit: u32) -> Answer<'_, UnitPage> {
        Box::pin(async move {
            self.gate.reader(&caller, None).await?;
            // A repository that cannot be fetched is shown by `/v1/readyz`; the list is that of the last look then.
            let _ = self.definitions.refresh(&[]).await;
            let definition = self.definitions.in_force().ok_or_else(not_ready)?;
            let (commit, estate) = self.definitions.estate_in_force(&definition).await?;
            let applied = self.store.applied_list().await?;
            let folder = &definition.account.path;
            // What was applied and is gone from the repository still exists: listed until it is destroyed.
            let deleted = applied.keys().filter(|path| path.is_within(folder) && !estate.units().contains_key(*path));
            let all: BTreeSet<&UnitPath> = estate.units().keys().chain(deleted).collect();
            let paths: Vec<&UnitPath> =
                all.into_iter().filter(|path| after.as_ref().is_none_or(|after| *path > after)).collect();
            let more = paths.len() > limit as usize;
            let mut units = Vec::new();
            for path in paths.into_iter().take(limit as usize) {
                let applied = applied.get(path).map(|record| record.input_digest);
                units.push(unit_view(path, estate.units().get(path), applied));
            }
            let next = units.last().filter(|_| more).map(|unit| unit.path.to_string());
            Ok(UnitPage { commit, units, next })
        })
    }

    fn definition(&self, caller: Bearer) -> Answer<'_, DefinitionView> {
        Box::pin(async move {
            self.gate.reader(&caller, None).await?;
            // A repository that cannot be fetched is shown by `/v1/readyz`.
            let _ = self.definitions.refresh(&[]).await;
            let in_force = self.definitions.in_force().map(|definition| InForceView {
                commit: definition.commit.clone(),
                digest: definition.digest,
                since: definition.since,
            });
            let refused = self.definitions.refused().map(|refused| RefusedView {
                problem: problem_of(&refused.fault),
                commit: refused.commit,
                since: refused.since,
            });
            Ok(DefinitionView { account: self.account.clone(), in_force, refused })
        })
    }

    fn health(&self) -> Health {
        self.state()
    }

    fn ready(&self) -> Result<Health, Box<Health>> {
        let state = self.state();
        if matches!(state.status.as_str(), "ok" | "degraded") { Ok(state) } else { Err(Box::new(state)) }
    }
}

fn unit_view(
    path: &UnitPath,
    unit: Option<&Result<Arc<portcullis_estate::Unit>, Vec<Fault>>>,
    applied: Option<portcullis_model::Digest>,
) -> UnitView {
    let (digest, dependencies, faults) = match unit {
        Some(Ok(unit)) => {
            let dependencies = unit.dependencies.iter().map(|dependency| dependency.target.clone()).collect();
            (Some(unit.input_digest), dependencies, unit.problems.clone())
        }
        Some(Err(faults)) => (None, Vec::new(), faults.clone()),
        None => (None, Vec::new(), Vec::new()),
    };
    // The mark of an apply that was begun and not finished is no digest of a unit.
    let applied = applied.filter(|applied| *applied != portcullis_engine::core::partly_applied_digest(path));
    let status = match digest {
        None if unit.is_none() => "needs-destroy",
        None => "broken",
        Some(_) if !faults.is_empty() => "broken",
        Some(digest) if applied == Some(digest) => "applied",
        Some(_) => "needs-apply",
    };
    UnitView {
        path: path.clone(),
        dependencies,
        input_digest: digest,
        applied_digest: applied,
        status: status.into(),
        faults,
    }
}
