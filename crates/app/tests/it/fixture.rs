//! A runner without sandboxes: real router and listener, real gate, store, mirror, engine and issuer. What the
//! engine asks for is answered by a script.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_app::gate::Gate;
use portcullis_app::gate::record::Refusals;
use portcullis_app::http::Listener;
use portcullis_app::http::listener::Limits;
use portcullis_app::http::rate::Buckets;
use portcullis_app::options::{ServeOptions, Transport};
use portcullis_app::runner::definition::Definitions;
use portcullis_app::runner::ports::StoreJournal;
use portcullis_app::runner::service::Runner;
use portcullis_app::runner::tool::Tools;
use portcullis_engine::runtime::{Handle, Stop, Work, start};
use portcullis_engine::{BoxFuture, Job, JobDone, JobRequest, NewTask, NewTaskKind, Prepared, Settings, Verdict};
use portcullis_mirror::{Mirror, MirrorSettings, RepositoryUrl};
use portcullis_model::record::{AppliedRecord, RunRecord, StepRecord};
use portcullis_model::{AccountName, BranchName, CommitId, Digest, Fault, PlanSummary, RunId, TaskId, UnitPath};
use portcullis_store::{DecisionRecord, Store};
use portcullis_testkit::issuer::FakeIssuer;
use portcullis_testkit::repo::TestRepo;
use portcullis_trust::oidc::Verifier;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// The audience of the runner's account.
pub const AUDIENCE: &str = "portcullis:acme/dev";
/// The claim that makes a job one of the repository's.
pub const REPOSITORY_ID: &str = "8210441";

/// The definition that a fixture starts with.
pub fn definition(issuer: &str) -> String {
    format!(
        r#"fleet "acme" {{
  repository "live" {{
    url       = "https://git.example/acme/live"
    protected = ["main"]
  }}
}}
identity "ci" {{
  issuer = "{issuer}"
}}
principal "live-ci" {{
  identity = "ci"
  claims   = {{ repository_id = "{REPOSITORY_ID}" }}
}}
principal "live-merge" {{
  identity = "ci"
  claims   = {{ repository_id = "{REPOSITORY_ID}", ref = "refs/heads/main" }}
}}
principal "lead" {{
  identity = "ci"
  claims   = {{ actor = ["ada", "grace", "linus"] }}
}}
account "dev" {{
  id   = "111111111111"
  path = "dev"
  action "plan" {{
    allow = ["live-ci"]
  }}
  action "apply" {{
    allow     = ["live-merge"]
    approvers = ["lead"]
  }}
}}
account "prod" {{
  id   = "333333333333"
  path = "prod"
  action "plan" {{
    allow = ["live-ci"]
  }}
}}
"#
    )
}

/// Who asks, in the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A job of the repository on a branch: may plan.
    Ci,
    /// A job of the protected branch: may apply.
    Merge,
    /// May approve.
    Lead,
    /// A token of the right issuer for the right audience, of another repository.
    Stranger,
}

/// A runner that serves on loopback.
pub struct Fixture {
    pub repo: TestRepo,
    pub issuer: FakeIssuer,
    pub store: Store,
    pub definitions: Arc<Definitions>,
    pub mirror: Arc<Mirror>,
    pub engine: Handle,
    pub url: String,
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<tokio::task::JoinHandle<()>>,
    http: reqwest::Client,
    data: TempDir,
}

/// An answer of the runner.
#[derive(Debug)]
pub struct Said {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Said {
    /// The code of a problem document.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("none")
    }
}

impl Fixture {
    /// With the usual repository and definition.
    pub async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    /// With other limits of the listener.
    pub async fn with(limits: Limits) -> Self {
        let issuer = FakeIssuer::start();
        let repo = repository(issuer.url());
        Self::start(repo, issuer, tempfile::tempdir().unwrap(), limits, Transport::Loopback).await
    }

    /// With TLS.
    pub async fn over_tls(cert: PathBuf, key: PathBuf) -> Self {
        let issuer = FakeIssuer::start();
        let repo = repository(issuer.url());
        let transport = Transport::Tls { cert, key };
        Self::start(repo, issuer, tempfile::tempdir().unwrap(), Limits::default(), transport).await
    }

    /// Over a repository, an issuer and a data folder that are there.
    pub async fn over(repo: TestRepo, issuer: FakeIssuer, data: TempDir) -> Self {
        Self::start(repo, issuer, data, Limits::default(), Transport::Loopback).await
    }

    async fn start(repo: TestRepo, issuer: FakeIssuer, data: TempDir, limits: Limits, transport: Transport) -> Self {
        let store = Store::open(&data.path().join("store"), &data.path().join("store.key")).await.unwrap();
        let url = RepositoryUrl::parse(&repo.url()).unwrap();
        let mirror = Arc::new(Mirror::open(MirrorSettings::new(data.path().join("mirror.git"), url)).await.unwrap());
        let options = options(data.path(), &repo);
        let verifier = Arc::new(Verifier::new(Vec::new()).unwrap());
        let tools = Tools::new(options.tool.clone(), None, None);
        let sources = portcullis_sources::Settings::new(options.data.join("sources"));
        let sources = Arc::new(portcullis_sources::Sources::open(sources).unwrap());
        let definitions =
            Arc::new(Definitions::new(&options, mirror.clone(), sources, verifier.clone(), tools, store.clone()));
        definitions.start().await;
        let unfinished = store.runs_unfinished().await.unwrap();
        let journal = Arc::new(StoreJournal(store.clone()));
        let engine = start(unfinished, Settings { parallel: 2 }, journal, Arc::new(Script)).await.unwrap();
        let gate = Gate {
            verifier,
            store: store.clone(),
            mirror: mirror.clone(),
            rules: definitions.rules(),
            newer: definitions.clone(),
            intake: Arc::new(engine.clone()),
            rates: Buckets::new(limits.rate_of_caller),
            refusals: Refusals::default(),
            clock: portcullis_app::runner::now,
        };
        let runner = Arc::new(Runner::new(
            options.account.clone(),
            data.path(),
            gate,
            store.clone(),
            engine.clone(),
            definitions.clone(),
        ));
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &transport).await.unwrap().limited(limits);
        let (url, address) = (listener.url(), listener.address());
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(listener.serve(runner, async {
            let _ = stopped.await;
        }));
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        Fixture {
            repo,
            issuer,
            store,
            definitions,
            mirror,
            engine,
            url,
            address,
            stop: Some(stop),
            serving: Some(serving),
            http,
            data,
        }
    }

    /// A new token.
    pub fn token(&self, who: Who) -> String {
        self.issuer.mint(claims(who))
    }

    /// Sends a request.
    pub async fn send(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Said {
        self.send_with(method, path, token, body, &[]).await
    }

    /// Sends a request with more headers.
    pub async fn send_with(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Said {
        let method: Method = method.parse().unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Said { status, headers, body }
    }

    /// Asks for a run with a new token.
    pub async fn trigger(&self, who: Who, body: &Value) -> Said {
        self.send("POST", "/v1/runs", Some(&self.token(who)), Some(body)).await
    }

    /// Starts a run that must be accepted; its id and read token.
    pub async fn started(&self, who: Who, body: &Value) -> (String, String) {
        let said = self.trigger(who, body).await;
        assert_eq!(said.status, StatusCode::CREATED, "{said:?}");
        (said.body["run"]["id"].as_str().unwrap().to_owned(), said.body["read_token"].as_str().unwrap().to_owned())
    }

    /// The run, once it is in this state.
    pub async fn until(&self, run: &str, state: &str) -> Value {
        let mut changes = self.engine.subscribe();
        loop {
            let said = self.send("GET", &format!("/v1/runs/{run}"), Some(&self.token(Who::Ci)), None).await;
            if said.body["state"] == state {
                return said.body;
            }
            tokio::time::timeout(Duration::from_secs(20), changes.recv()).await.expect("the run goes on").unwrap();
        }
    }

    /// All decisions, newest first.
    pub async fn decisions(&self) -> Vec<DecisionRecord> {
        self.store.decision_list(None, 10_000).await.unwrap().into_iter().map(|(_, decision)| decision).collect()
    }

    /// Puts runs on record that have not ended.
    pub async fn unfinished(&self, count: usize) {
        let (run, _) = self.started(Who::Ci, &json!({"action": "plan", "repository": "live", "ref": "slow"})).await;
        let run = self.store.run_get(run.parse().unwrap()).await.unwrap().unwrap();
        let copy = |_| RunRecord { id: RunId::from_uuid(uuid::Uuid::now_v7()), ..run.clone() };
        let runs = (1..count).map(copy).collect();
        self.store.step_commit(&StepRecord { runs, ..StepRecord::default() }).await.unwrap();
    }

    /// Puts on record that a unit was applied.
    pub async fn applied(&self, unit: &str) {
        let record = AppliedRecord {
            unit: UnitPath::parse(unit).unwrap(),
            input_digest: Digest::of(b"input"),
            commit: self.repo.head(),
            run: RunId::from_uuid(uuid::Uuid::now_v7()),
            at: portcullis_app::runner::now(),
        };
        self.store.step_commit(&StepRecord { applied: vec![record], ..StepRecord::default() }).await.unwrap();
    }

    /// Commits a change of a file on `main` and pushes it.
    pub fn push(&self, path: &str, text: &str) -> CommitId {
        self.repo.write(path, text);
        let commit = self.repo.commit(&format!("change {path}"));
        self.repo.push();
        commit
    }

    /// Stops it, and starts another over the same data folder.
    pub async fn again(mut self) -> Self {
        self.stop().await;
        self.engine.shutdown(Duration::ZERO).await;
        self.store.close().await;
        Self::start(self.repo, self.issuer, self.data, Limits::default(), Transport::Loopback).await
    }

    /// Tells the listener to stop; returns when it has.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(serving) = self.serving.take() {
            serving.await.unwrap();
        }
    }
}

/// The claims of a caller.
pub fn claims(who: Who) -> Value {
    match who {
        Who::Ci => json!({"aud": AUDIENCE, "repository_id": REPOSITORY_ID, "ref": "refs/heads/x", "sub": "ci"}),
        Who::Merge => {
            json!({"aud": AUDIENCE, "repository_id": REPOSITORY_ID, "ref": "refs/heads/main", "sub": "merge"})
        }
        Who::Lead => json!({"aud": AUDIENCE, "actor": "ada", "sub": "ada"}),
        Who::Stranger => json!({"aud": AUDIENCE, "repository_id": "666", "sub": "stranger"}),
    }
}

/// The claims of a caller, with others in place of some.
pub fn claims_with(who: Who, changes: &Value) -> Value {
    let mut claims = claims(who);
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// `main` with two units of `dev`, one of `prod` and a link; branches `feature` and `slow`; a tag `v1`.
pub fn repository(issuer: &str) -> TestRepo {
    let repo = TestRepo::new();
    repo.write("portcullis.hcl", definition(issuer));
    for unit in ["dev/vpc", "dev/db", "prod/vpc"] {
        repo.write(&format!("{unit}/terragrunt.hcl"), "inputs = {}\n");
        repo.write(&format!("{unit}/main.tf"), "");
    }
    repo.symlink("dev/current", "vpc");
    repo.symlink("dev/other", "../prod/vpc");
    repo.write("dev/README.md", "no unit\n");
    repo.commit("first");
    repo.tag("v1");
    repo.branch("feature");
    repo.write("dev/vpc/terragrunt.hcl", "inputs = { changed = true }\n");
    repo.commit("a change");
    repo.switch("main");
    repo.git(&["branch", "--quiet", "slow"]);
    repo.push();
    repo
}

fn options(data: &Path, repo: &TestRepo) -> ServeOptions {
    let tool = data.join("terraform");
    write_program(&tool, "#!/bin/sh\necho '{\"terraform_version\": \"1.11.4\"}'\n");
    ServeOptions {
        account: AccountName::parse("dev").unwrap(),
        fleet_url: repo.url(),
        protected: BranchName::parse("main").unwrap(),
        data: data.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        transport: Transport::Loopback,
        source_credentials: Vec::new(),
        secrets: Vec::new(),
        credential: None,
        terragrunt: None,
        tool: Some(tool),
        agent: None,
        parallel: None,
        shutdown_grace: Duration::ZERO,
        ready_file: None,
        search_path: None,
    }
}

/// Writes an executable file.
pub fn write_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Stands for the sandboxes. A plan is made at once. An apply of `dev/db` is held, of anything else applied. A run
/// on branch `slow` does not end by itself.
struct Script;

impl Work for Script {
    fn prepare(&self, run: RunRecord) -> BoxFuture<'_, Result<Prepared, Fault>> {
        Box::pin(async move {
            let task = |unit: &str| NewTask {
                id: TaskId::from_uuid(uuid::Uuid::now_v7()),
                unit: UnitPath::parse(unit).unwrap(),
                after: Vec::new(),
                why: "all".into(),
                kind: NewTaskKind::Work,
                input_digest: Some(Digest::of(unit.as_bytes())),
            };
            if let Some(program) = &run.program {
                return Ok(Prepared { message: None, tasks: vec![task(program.folder.as_str())] });
            }
            Ok(Prepared { message: None, tasks: vec![task("dev/vpc"), task("dev/db")] })
        })
    }

    fn perform(&self, request: JobRequest, mut stop: Stop) -> BoxFuture<'_, JobDone> {
        Box::pin(async move {
            if request.run.action.branch.as_str() == "slow" {
                stop.raised().await;
                return JobDone::Interrupted;
            }
            let plan = Digest::of(format!("{} {}", request.run.id, request.task.unit).as_bytes());
            let summary = PlanSummary { add: 1, ..PlanSummary::default() };
            match request.job {
                Job::Plan => JobDone::Planned { plan, summary },
                Job::Ready if request.task.unit.as_str() == "dev/db" => {
                    let verdict = Verdict::Hold { why: "nobody reviewed it".into() };
                    JobDone::Decided { plan, summary, verdict }
                }
                Job::Ready => JobDone::Decided { plan, summary, verdict: Verdict::NoChange },
                Job::Act => JobDone::Acted,
                Job::Apply { .. } => JobDone::Applied,
            }
        })
    }
}
