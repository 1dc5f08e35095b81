//! `portcullis serve`: the parts of a runner, wired.
//!
//! | module | holds |
//! |---|---|
//! | [`definition`] | the fleet definition in force, and how a new one takes its place |
//! | [`ledger`] | the ledger's key and its checkpoints |
//! | [`estates`] | the estates that runs are about, and what they share |
//! | [`tool`] | which OpenTofu or Terraform this runner uses |
//! | [`ports`] | the store as the engine's journal and the door's state store |
//! | [`service`] | the API's [`crate::http::Service`] over all of it |
//!
//! Never decides: it starts things in order, and stops them in the reverse order.

pub mod definition;
pub mod estates;
pub mod ledger;
pub mod ports;
pub mod secrets;
pub mod service;
pub mod tool;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_engine::core::Settings;
use portcullis_exec::LocalExecutor;
use portcullis_mirror::{Credential, Mirror, MirrorSettings, RepositoryUrl};
use portcullis_model::{Code, Fault};
use portcullis_sources::Sources;
use portcullis_store::Store;
use portcullis_trust::oidc::Verifier;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::gate::Gate;
use crate::gate::record::Refusals;
use crate::http::Listener;
use crate::http::listener::Limits;
use crate::http::rate::Buckets;
use crate::options::{RepositoryCredential, ServeOptions};
use crate::work::Worker;
use crate::work::network::Network;
use definition::Definitions;
use secrets::Secrets;
use service::Runner;

/// The clock of the whole runner.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the clock for records")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Runs a runner until it is told to stop.
///
/// # Errors
/// Whatever keeps it from starting: the sandbox's layers, the data folder, the mirror, the listen address.
pub async fn serve(options: ServeOptions) -> Result<(), Fault> {
    let data = std::path::absolute(&options.data).map_err(|error| Fault::io("the data folder", &error))?;
    let store = Store::open(&data.join("store"), &data.join("store.key")).await?;
    let refusals = Refusals::default();
    let ledger = Arc::new(ledger::Ledger::start(store.clone(), &data, &options.account, refusals.clone()).await?);
    let executor = executor(&options, &data).await?;
    let mirror = Arc::new(mirror(&options, &data).await?);
    let tools = tool::Tools::new(options.tool.clone(), options.terragrunt.clone(), options.search_path.clone());
    let verifier = Arc::new(Verifier::new(Vec::new()).map_err(first)?);
    let sources = Arc::new(sources(&options, &data)?);
    let definitions =
        Arc::new(Definitions::new(&options, mirror.clone(), sources.clone(), verifier.clone(), tools, store.clone()));
    // A definition that is refused is shown by /readyz and mended by the next push: no reason not to start.
    definitions.start().await;
    release_locks(&store).await?;
    let network = Network::new(Secrets::new(options.secrets.clone()));
    let worker = Worker::new(store.clone(), mirror.clone(), sources, executor, definitions.clone(), network, &data)?;
    let worker = Arc::new(worker);
    let declared = definitions.in_force().map_or(2, |definition| definition.account.limits.parallel as usize);
    let parallel = options.parallel.map_or(declared, |parallel| parallel.get() as usize);
    let unfinished = store.runs_unfinished().await?;
    let journal = Arc::new(ports::StoreJournal(store.clone()));
    let engine = portcullis_engine::runtime::start(unfinished, Settings { parallel }, journal, worker).await?;
    let gate = Gate {
        verifier,
        store: store.clone(),
        mirror,
        rules: definitions.rules(),
        newer: definitions.clone(),
        intake: Arc::new(engine.clone()),
        rates: Buckets::new(Limits::default().rate_of_caller),
        refusals,
        clock: now,
    };
    let listener = Listener::bind(options.listen, &options.transport).await?;
    let url = listener.url();
    let runner =
        Arc::new(Runner::new(options.account.clone(), &data, gate, store.clone(), engine.clone(), definitions.clone()));
    let ready = options.ready_file.as_deref().map(|path| ReadyFile::write(path, &url)).transpose()?;
    tracing::info!(account = %options.account, %url, "the runner answers");
    let poll = tokio::spawn(definition::poll(definitions));
    let signing = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.keep(ledger::LONGEST).await }
    });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(listener.serve(runner.clone(), async {
        // A sender that is gone means the same.
        let _ = stopped.await;
    }));
    let mut signals = Signals::listen()?;
    signals.next().await;
    tracing::info!(
        grace_s = options.shutdown_grace.as_secs(),
        "stopping: no new runs, running tasks are given their time"
    );
    runner.stop_accepting();
    tokio::select! {
        () = engine.shutdown(options.shutdown_grace) => {}
        () = signals.next() => {
            tracing::info!("told again: running tasks are interrupted now");
            engine.shutdown(Duration::ZERO).await;
        }
    }
    drop(ready);
    let _ = stop.send(());
    let _ = serving.await;
    poll.abort();
    signing.abort();
    if let Err(fault) = ledger.sign().await {
        tracing::error!(code = %fault.code(), "the ledger's end is not signed; it will be at the next start: {fault}");
    }
    store.close().await;
    Ok(())
}

async fn executor(options: &ServeOptions, data: &Path) -> Result<LocalExecutor, Fault> {
    let agent = options.agent.clone().or_else(agent_beside).ok_or_else(|| {
        Fault::new(Code::SANDBOX_LAYER_MISSING, "the program `portcullis-agent` was not found beside `portcullis`")
            .remedy("Install it beside `portcullis`, or name it with `--agent`.")
    })?;
    let agent = std::path::absolute(agent).map_err(|error| Fault::io("the agent", &error))?;
    let settings = portcullis_exec::Settings::new(agent, data.join("sandboxes"));
    let made = tokio::task::spawn_blocking(move || LocalExecutor::new(settings)).await;
    made.map_err(|error| Fault::internal(format!("the executor: {error}")))?.map_err(|faults| {
        let all = faults.iter().skip(1).map(ToString::to_string).collect::<Vec<_>>();
        all.into_iter().fold(first(faults), |fault, other| fault.note(other))
    })
}

/// The agent that was installed with this program.
pub(crate) fn agent_beside() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let places = [own.parent()?.join("portcullis-agent"), own.parent()?.parent()?.join("portcullis-agent")];
    places.into_iter().find(|path| path.is_file())
}

async fn mirror(options: &ServeOptions, data: &Path) -> Result<Mirror, Fault> {
    portcullis_mirror::git_version().await?;
    let url = RepositoryUrl::parse(&options.fleet_url)?;
    let mut settings = MirrorSettings::new(data.join("mirror.git"), url);
    settings.credential = options.credential.as_ref().map(|credential| match credential {
        RepositoryCredential::File(path) => Credential::TokenFile(path.clone()),
        RepositoryCredential::Text(text) => Credential::Token(text.clone()),
    });
    Mirror::open(settings).await
}

/// What fetches modules from outside of the repository.
fn sources(options: &ServeOptions, data: &Path) -> Result<Sources, Fault> {
    let mut settings = portcullis_sources::Settings::new(data.join("sources"));
    settings.credentials = options.source_credentials.clone();
    Sources::open(settings)
}

/// No task runs when a runner starts: what is locked was locked by one that was killed.
async fn release_locks(store: &Store) -> Result<(), Fault> {
    for (unit, holder) in store.state_lock_list().await? {
        tracing::warn!(%unit, task = %holder.task, "released the state lock of a task that was killed");
        store.state_unlock_task(holder.task).await?;
    }
    Ok(())
}

/// The first of several faults.
pub(crate) fn first(faults: Vec<Fault>) -> Fault {
    faults.into_iter().next().unwrap_or_else(|| Fault::internal("a failure without a fault"))
}

/// The file that says where the API answers; removed when dropped.
struct ReadyFile(PathBuf);

impl ReadyFile {
    fn write(path: &Path, url: &str) -> Result<Self, Fault> {
        let beside = path.with_extension("new");
        let failed = |error: std::io::Error| Fault::io(path.display(), &error);
        std::fs::write(&beside, format!("{url}\n")).map_err(failed)?;
        std::fs::rename(&beside, path).map_err(failed)?;
        Ok(ReadyFile(path.to_path_buf()))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        // A file that is gone already is as good.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What tells a runner to stop: SIGTERM, or SIGINT from a terminal.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Fault> {
        let listen = |kind| signal(kind).map_err(|error| Fault::io("listening for signals", &error));
        Ok(Signals { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
