//! The task that takes every event in turn: decide, commit, and only then perform.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_model::record::{RunRecord, StepRecord, TaskRecord};
use portcullis_model::{Fault, RunId, TaskId};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::ports::{Journal, Stop, Work};
use crate::core::{Effect, Engine, Event, JobDone, JobRequest, Settings, Step};

/// Runs whose units are decided at the same time. Each holds an estate in memory.
const PREPARING_MAX: usize = 2;
/// First and longest wait before a step that the journal refused is offered again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// A request from a [`super::Handle`].
#[derive(Debug)]
pub(super) struct Message {
    pub event: Event,
    pub answer: oneshot::Sender<Result<(), Fault>>,
}

/// What a spawned future works on, in case it panics.
enum Origin {
    Prepare(RunId),
    Job(TaskId, u32),
}

pub(super) struct Actor {
    engine: Engine,
    journal: Arc<dyn Journal>,
    work: Arc<dyn Work>,
    jobs: JoinSet<Event>,
    origins: HashMap<Id, Origin>,
    stops: HashMap<(TaskId, u32), watch::Sender<bool>>,
    preparing: Arc<Semaphore>,
    changes: broadcast::Sender<RunId>,
    trouble: watch::Sender<Option<Fault>>,
    /// When running jobs are interrupted; set when the engine is to stop.
    deadline: watch::Receiver<Option<Instant>>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Working,
    /// Nothing starts; running jobs have until then.
    Draining(Instant),
    /// Running jobs are interrupted.
    Interrupted,
}

/// What the actor heard.
enum Heard {
    Request(Box<Message>),
    Ended(Box<Result<(Id, Event), JoinError>>),
    Deadline(Instant),
    TimeIsUp,
}

/// The journal cannot commit and there is no time left: what was not committed is taken up at the next start.
struct GivenUp;

impl Actor {
    /// Takes up what is unfinished, and starts it.
    pub async fn start(
        unfinished: Vec<(RunRecord, Vec<TaskRecord>)>,
        settings: Settings,
        journal: Arc<dyn Journal>,
        work: Arc<dyn Work>,
        changes: broadcast::Sender<RunId>,
        trouble: watch::Sender<Option<Fault>>,
        deadline: watch::Receiver<Option<Instant>>,
    ) -> Result<Self, Fault> {
        let (engine, step) = Engine::restore(unfinished, settings, now());
        if !step.record.is_empty() {
            journal.commit(&step.record).await?;
        }
        let mut actor = Actor {
            engine,
            journal,
            work,
            jobs: JoinSet::new(),
            origins: HashMap::new(),
            stops: HashMap::new(),
            preparing: Arc::new(Semaphore::new(PREPARING_MAX)),
            changes,
            trouble,
            deadline,
            phase: Phase::Working,
        };
        actor.announce(&step.record);
        actor.perform(step.effects);
        Ok(actor)
    }

    /// Until it is told to stop and every job has ended.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Message>) {
        if self.take_events(&mut inbox).await.is_err() {
            tracing::error!("the store refuses to commit: jobs are interrupted, and taken up at the next start");
            for stop in self.stops.values() {
                stop.send_replace(true);
            }
            while self.jobs.join_next().await.is_some() {}
        }
        // Jobs have ended. Runs that are being prepared are prepared again at the next start.
        self.jobs.shutdown().await;
    }

    async fn take_events(&mut self, inbox: &mut mpsc::Receiver<Message>) -> Result<(), GivenUp> {
        while self.phase == Phase::Working || self.engine.active() > 0 {
            match self.hear(inbox).await {
                Heard::Request(message) => {
                    let Message { event, answer } = *message;
                    let answered = match self.engine.handle(event, now()) {
                        Ok(step) => self.take(step).await.map(Ok)?,
                        Err(fault) => Err(fault),
                    };
                    // A caller that has gone away needs no answer.
                    let _ = answer.send(answered);
                }
                Heard::Ended(ended) => {
                    if let Some(event) = self.ended(*ended) {
                        self.tell(event).await?;
                    }
                }
                Heard::Deadline(at) => {
                    let earlier = match self.phase {
                        Phase::Draining(earlier) => earlier.min(at),
                        Phase::Working | Phase::Interrupted => at,
                    };
                    self.phase = Phase::Draining(earlier);
                    self.tell(Event::Drain).await?;
                }
                Heard::TimeIsUp => {
                    self.phase = Phase::Interrupted;
                    self.tell(Event::Interrupt).await?;
                }
            }
        }
        Ok(())
    }

    async fn hear(&mut self, inbox: &mut mpsc::Receiver<Message>) -> Heard {
        let time_is_up = async {
            match self.phase {
                Phase::Draining(at) => sleep_until(at).await,
                Phase::Working | Phase::Interrupted => std::future::pending().await,
            }
        };
        let interrupted = self.phase == Phase::Interrupted;
        tokio::select! {
            // What has ended comes first, so that a result is on record before a time limit overtakes it.
            biased;
            Some(ended) = self.jobs.join_next_with_id() => Heard::Ended(Box::new(ended)),
            () = time_is_up => Heard::TimeIsUp,
            at = next_deadline(&mut self.deadline), if !interrupted => Heard::Deadline(at),
            Some(message) = inbox.recv() => Heard::Request(Box::new(message)),
        }
    }

    /// Gives the engine an event that it cannot refuse.
    async fn tell(&mut self, event: Event) -> Result<(), GivenUp> {
        match self.engine.handle(event, now()) {
            Ok(step) => self.take(step).await,
            Err(fault) => {
                tracing::error!(%fault, "the engine refused an event of its own");
                Ok(())
            }
        }
    }

    async fn take(&mut self, step: Step) -> Result<(), GivenUp> {
        if !step.record.is_empty() {
            self.commit(&step.record).await?;
            self.announce(&step.record);
        }
        self.perform(step.effects);
        Ok(())
    }

    /// Offers a step to the journal until it takes it. Meanwhile nothing else is decided, so that the engine
    /// is never more than one step ahead of the record.
    async fn commit(&mut self, record: &StepRecord) -> Result<(), GivenUp> {
        let mut wait = RETRY.0;
        loop {
            match self.journal.commit(record).await {
                Ok(()) => {
                    self.trouble.send_if_modified(|trouble| trouble.take().is_some());
                    return Ok(());
                }
                Err(fault) => {
                    tracing::error!(%fault, "a step cannot be committed, and is offered again");
                    self.trouble.send_replace(Some(fault));
                }
            }
            let again = Instant::now() + wait;
            wait = (wait * 2).min(RETRY.1);
            let deadline = async {
                let set = self.deadline.wait_for(Option::is_some).await.map(|at| *at);
                if let Ok(Some(at)) = set {
                    sleep_until(at).await;
                }
            };
            tokio::select! {
                biased;
                () = deadline => return Err(GivenUp),
                () = sleep_until(again) => {}
            }
        }
    }

    fn announce(&self, record: &StepRecord) {
        let mut runs: Vec<RunId> = record.events.iter().map(|(run, _, _)| *run).collect();
        runs.sort();
        runs.dedup();
        for run in runs {
            // Nobody listens: then nobody misses it.
            let _ = self.changes.send(run);
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Prepare(run) => self.prepare(*run),
                Effect::Start(request) => self.start_job(*request),
                Effect::Interrupt { task, attempt } => {
                    if let Some(stop) = self.stops.get(&(task, attempt)) {
                        stop.send_replace(true);
                    }
                }
            }
        }
    }

    fn prepare(&mut self, record: RunRecord) {
        let (run, work, places) = (record.id, Arc::clone(&self.work), Arc::clone(&self.preparing));
        let spawned = self.jobs.spawn(async move {
            // The semaphore is never closed; without a place it would go ahead, which does no harm.
            let _place = places.acquire().await;
            Event::Prepared { run, result: work.prepare(record).await }
        });
        self.origins.insert(spawned.id(), Origin::Prepare(run));
    }

    fn start_job(&mut self, request: JobRequest) {
        let (task, attempt) = (request.task.id, request.task.attempt);
        let (raise, stop) = Stop::new();
        self.stops.insert((task, attempt), raise);
        let work = Arc::clone(&self.work);
        let spawned =
            self.jobs.spawn(async move { Event::Done { task, attempt, done: work.perform(request, stop).await } });
        self.origins.insert(spawned.id(), Origin::Job(task, attempt));
    }

    /// The event of a future that ended, also of one that panicked.
    fn ended(&mut self, ended: Result<(Id, Event), JoinError>) -> Option<Event> {
        let (id, event) = match ended {
            Ok((id, event)) => (id, Ok(event)),
            Err(error) => (error.id(), Err(Fault::internal(format!("the job broke: {error}")))),
        };
        let origin = self.origins.remove(&id)?;
        if let Origin::Job(task, attempt) = origin {
            self.stops.remove(&(task, attempt));
        }
        Some(event.unwrap_or_else(|fault| match origin {
            Origin::Prepare(run) => Event::Prepared { run, result: Err(fault) },
            Origin::Job(task, attempt) => Event::Done { task, attempt, done: JobDone::Failed(fault) },
        }))
    }
}

/// The next deadline that is set. When nobody can set one any more, it is now.
async fn next_deadline(deadline: &mut watch::Receiver<Option<Instant>>) -> Instant {
    loop {
        if deadline.changed().await.is_err() {
            return Instant::now();
        }
        if let Some(at) = *deadline.borrow_and_update() {
            return at;
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the runtime owns the engine's clock")]
fn now() -> Timestamp {
    Timestamp::now()
}
