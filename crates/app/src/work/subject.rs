//! What a task works on: the unit at its commit, and what goes into it now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use portcullis_engine::{JobRequest, Stop};
use portcullis_estate::{Estate, ModuleSource, Resolved, Taken, Unit};
use portcullis_model::{Code, Digest, Fault, Place, UnitPath};
use portcullis_sources::{Fetched, Order};

use super::drive::Ended;
use super::took::took;
use super::{Worker, outputs};
use crate::runner::definition::Definition;

/// What a task works on.
pub struct Subject {
    /// What it works by.
    pub definition: Arc<Definition>,
    /// The estate at the run's commit.
    pub estate: Arc<Estate>,
    /// The unit's input digest there.
    pub input_digest: Digest,
}

impl Subject {
    /// Finds it.
    ///
    /// # Errors
    /// `PC-0107` when there is no such unit, and the unit's own faults.
    pub async fn find(worker: &Worker, request: &JobRequest) -> Result<Self, Fault> {
        let begun = Instant::now();
        let definition = worker.definition(&request.run).await?;
        let estate = worker.estate(&definition, &request.run.commit).await?;
        took("evaluate", &request.task.unit, begun);
        let input_digest = known(&estate, &request.task.unit)?.input_digest;
        Ok(Subject { definition, estate, input_digest })
    }
}

fn known<'e>(estate: &'e Estate, unit: &UnitPath) -> Result<&'e Unit, Fault> {
    match estate.units().get(unit) {
        Some(Ok(known)) => Ok(known),
        Some(Err(faults)) => {
            Err(faults.first().cloned().unwrap_or_else(|| Fault::internal("a broken unit without a fault")))
        }
        None => Err(Fault::new(Code::UNIT_UNKNOWN, format!("there is no unit {unit}"))),
    }
}

/// What goes into a unit now: its dependencies' outputs, and what the driver needs.
pub struct Inputs {
    /// What went in from dependencies.
    pub taken: Taken,
    /// How the unit is run.
    pub how: How,
    /// Its module, where that had to be fetched.
    pub module: Option<Fetched>,
}

/// How a unit is run.
pub enum How {
    /// By the native driver, from this configuration.
    Native {
        /// The configuration.
        resolved: Box<Resolved>,
        /// What the door answers for the states of other units: what a root module reads of those that it depends on.
        readable: BTreeMap<UnitPath, Bytes>,
    },
    /// By Terragrunt, which may read these states.
    Terragrunt {
        /// The configuration, where it is fully known.
        resolved: Option<Box<Resolved>>,
        /// What the door answers for the states of other units.
        readable: BTreeMap<UnitPath, Bytes>,
    },
}

impl Inputs {
    /// Gathers them for a command of the tool. A module that is fetched may take a while: then it can be stopped.
    ///
    /// # Errors
    /// Those of evaluation, of the store and of fetching.
    pub async fn gather(
        worker: &Worker,
        request: &JobRequest,
        subject: &Subject,
        command: &'static str,
        stop: &mut Stop,
    ) -> Result<Self, Ended> {
        let begun = Instant::now();
        let inputs = tokio::select! {
            inputs = Inputs::now(worker, request, subject, command) => inputs?,
            () = stop.raised() => return Err(Ended::Interrupted),
        };
        took("evaluate", &request.task.unit, begun);
        Ok(inputs)
    }

    async fn now(
        worker: &Worker,
        request: &JobRequest,
        subject: &Subject,
        command: &'static str,
    ) -> Result<Self, Fault> {
        let unit = request.task.unit.clone();
        let known = known(&subject.estate, &unit)?;
        let estate = subject.estate.clone();
        if estate.is_root_module(&unit) {
            return Inputs::of_root_module(worker, estate, known, command).await;
        }
        if subject.definition.terragrunt.is_none() {
            let known = outputs::of_dependencies(&worker.store, known).await?;
            let resolved =
                blocking(move || estate.resolve(&unit, command, &|target| known.get(target).cloned())).await?;
            let taken = Taken { mocked: resolved.mocked.clone(), used_outputs: resolved.used_outputs.clone() };
            let module = fetch(worker, request, subject, &resolved).await?;
            let how = How::Native { resolved: Box::new(resolved), readable: BTreeMap::new() };
            return Ok(Inputs { taken, how, module });
        }
        let exact = known.is_exact();
        let (outputs, readable) = outputs::readable(&worker.store, &estate, known).await?;
        let (taken, resolved) = blocking(move || {
            let outputs = |target: &UnitPath| outputs.get(target).cloned();
            if exact {
                let resolved = estate.resolve(&unit, command, &outputs)?;
                let taken = Taken { mocked: resolved.mocked.clone(), used_outputs: resolved.used_outputs.clone() };
                return Ok((taken, Some(Box::new(resolved))));
            }
            Ok((estate.taken(&unit, command, &outputs)?, None))
        })
        .await?;
        Ok(Inputs { taken, how: How::Terragrunt { resolved, readable }, module: None })
    }

    /// A root module is run by the native driver, whatever the account's is. What it reads of other states, it reads by
    /// itself (`terraform_remote_state`).
    async fn of_root_module(
        worker: &Worker,
        estate: Arc<Estate>,
        known: &Unit,
        command: &'static str,
    ) -> Result<Self, Fault> {
        let (used, readable) = outputs::of_read_states(&worker.store, known).await?;
        let unit = known.path.clone();
        let resolved = blocking(move || estate.resolve(&unit, command, &|_| None)).await?;
        let taken = Taken { mocked: Vec::new(), used_outputs: used };
        Ok(Inputs { taken, how: How::Native { resolved: Box::new(resolved), readable }, module: None })
    }
}

/// Fetches the module of a unit that names one outside of the repository. Outside of any sandbox, and before the task's
/// own is made: what it is now decides whether a reviewed plan still holds.
async fn fetch(
    worker: &Worker,
    request: &JobRequest,
    subject: &Subject,
    resolved: &Resolved,
) -> Result<Option<Fetched>, Fault> {
    let Some(ModuleSource::Remote { source, place }) = &resolved.source else { return Ok(None) };
    let begun = Instant::now();
    let order = Order {
        source,
        allow: &subject.definition.account.sources,
        default_registry: subject.definition.default_registry(),
        scope: &request.run.id.to_string(),
    };
    let fetched = worker.sources.fetch(order).await.map_err(|fault| at(fault, place))?;
    took("fetch the module", &request.task.unit, begun);
    Ok(Some(fetched))
}

/// Every fault about a module says where its source is written.
fn at(fault: Fault, place: &Place) -> Fault {
    if fault.place().is_some() { fault } else { fault.at(place.clone()) }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Fault::internal(format!("resolving a unit: {error}")))?
}
