//! A runner that does as the test says: the app's own router over a fake [`Service`].
//!
//! A fake, because these tests are about the command line: every end that a run can have, at once, also those that a
//! real runner comes to only after minutes or never. The wire is the real one. That a real runner behaves so is
//! tested with real runners elsewhere.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis_app::http::listener::Limits;
use portcullis_app::http::router::{Shared, router};
use portcullis_app::http::{Answer, Bearer, Events, IdempotencyKey, LogPart, RunReader, Service, TaskReader};
use portcullis_app::outcome::problem_of;
use portcullis_model::api::{
    ActionList, ActionView, ApproveRequest, CallPage, CallView, DefinitionView, EventView, Explanation, Health,
    InForceView, ParameterView, RefusedView, RunPage, RunView, TaskView, TriggerRequest, TriggerResponse, UnitPage,
};
use portcullis_model::parameter::Value;
use portcullis_model::run::{EventKind, RunState, TaskState};
use portcullis_model::{AccountName, ActionKind, Code, CommitId, Digest, Fault, RunId, TaskId, UnitPath};
use tokio::sync::{Notify, oneshot, watch};

/// The one run's id.
pub const RUN: &str = "01890000-0000-7000-8000-000000000000";
/// Its read token.
pub const READ_TOKEN: &str = "pcr_reader";
/// The caller's token.
pub const TOKEN: &str = "a.b.c";

/// What a test sets, and what it looks at.
pub struct State {
    /// The run, as it is now.
    pub run: RunView,
    /// Its events.
    pub events: Vec<EventView>,
    /// Logs of its tasks.
    pub logs: BTreeMap<TaskId, Vec<u8>>,
    /// What its tasks asked for.
    pub calls: Vec<CallView>,
    /// What requests that change something are refused with.
    pub refusal: Option<Fault>,
    /// What was asked for, in order.
    pub asked: Vec<String>,
}

struct Inner {
    state: Mutex<State>,
    changed: Notify,
    asked: Condvar,
}

/// A runner of one run.
pub struct Fake {
    inner: Arc<Inner>,
    address: SocketAddr,
    server: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// A task of the run, by its number.
pub fn task(number: u8, unit: &str, state: TaskState) -> TaskView {
    TaskView {
        id: format!("01890000-0000-7000-8000-0000000001{number:02}").parse().unwrap(),
        unit: UnitPath::parse(unit).unwrap(),
        after: Vec::new(),
        why: "its inputs have changed".into(),
        code: None,
        input_digest: None,
        plan: None,
        summary: None,
        started_at: Some("2026-11-25T10:00:01Z".into()),
        ended_at: state.is_final().then(|| "2026-11-25T10:00:03.5Z".into()),
        state,
    }
}

/// A digest, by its number.
pub fn digest(number: u8) -> Digest {
    Digest::of(&[number])
}

impl Fake {
    /// With a run in this state, with these tasks. Its events tell all of it.
    pub fn start(action: &str, state: RunState, tasks: Vec<TaskView>) -> Self {
        let run = RunView {
            id: RUN.parse().unwrap(),
            action: serde_json::from_value(action.into()).unwrap(),
            account: "dev".into(),
            repository: "infrastructure-live".into(),
            branch: "main".into(),
            commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            parameters: BTreeMap::new(),
            requested_by: "live-ci (repo:acme/infrastructure-live)".into(),
            state,
            fault: None,
            message: None,
            created_at: "2026-11-25T10:00:00Z".into(),
            ended_at: state.is_final().then(|| "2026-11-25T10:00:04Z".into()),
            tasks,
        };
        let state = State {
            run,
            events: Vec::new(),
            logs: BTreeMap::new(),
            calls: Vec::new(),
            refusal: None,
            asked: Vec::new(),
        };
        let inner = Arc::new(Inner { state: Mutex::new(state), changed: Notify::new(), asked: Condvar::new() });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut fake = Fake { inner, address, server: None };
        fake.tell();
        fake.serve(listener);
        fake
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what it is, and wakes up who waits for that.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.inner.state.lock().unwrap());
        self.inner.changed.notify_waiters();
    }

    /// Appends events that tell the run as it is now.
    pub fn tell(&self) {
        self.change(|state| {
            let mut events = Vec::new();
            for task in &state.run.tasks {
                let event = |state| EventKind::Task {
                    task: task.id,
                    unit: task.unit.clone(),
                    state,
                    summary: task.summary.clone(),
                };
                if task.state.is_final() {
                    events.push((task.started_at.clone(), event(TaskState::Planning)));
                }
                events.push((task.ended_at.clone().or(task.started_at.clone()), event(task.state.clone())));
            }
            events.push((None, EventKind::Run { state: state.run.state, message: state.run.message.clone() }));
            for (at, event) in events {
                let id = state.events.len() as u64 + 1;
                let at = at.unwrap_or_else(|| "2026-11-25T10:00:04Z".into());
                state.events.push(EventView { id, at, event });
            }
        });
    }

    /// Waits until something that begins so was asked for, and takes it and all before it out.
    pub fn wait_for(&self, what: &str) {
        let mut state = self.inner.state.lock().unwrap();
        loop {
            if let Some(at) = state.asked.iter().position(|asked| asked.starts_with(what)) {
                state.asked.drain(..=at);
                return;
            }
            let (next, timeout) = self.inner.asked.wait_timeout(state, Duration::from_secs(60)).unwrap();
            assert!(!timeout.timed_out(), "{what} was not asked for: {:?}", next.asked);
            state = next;
        }
    }

    /// Everything that was asked for since.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.state.lock().unwrap().asked)
    }

    /// Ends the process, as seen from outside: connections break, and nobody listens.
    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.server.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }

    /// Starts it again on the same address.
    pub fn restart(&mut self) {
        self.serve(TcpListener::bind(self.address).unwrap());
    }

    fn serve(&mut self, listener: TcpListener) {
        listener.set_nonblocking(true).unwrap();
        let inner = Arc::clone(&self.inner);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let (_closing, closed) = watch::channel(false);
                let router = router(Shared::new(inner, closed, &Limits::default()));
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        self.server = Some((stop, thread));
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Inner {
    fn ask<T>(&self, what: String, answer: impl FnOnce(&mut State) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut state = self.state.lock().unwrap();
        state.asked.push(what);
        self.asked.notify_all();
        answer(&mut state)
    }
}

fn commit(digit: char) -> CommitId {
    CommitId::parse(&String::from_iter([digit; 40])).unwrap()
}

/// What a runner offers: one action over units, one with parameters, one that is not offered.
fn actions() -> ActionList {
    let parameter = |name: &str, takes: &str, required: bool, value: Option<Value>| ParameterView {
        name: name.into(),
        kind: "enum".into(),
        takes: takes.into(),
        bounds: serde_json::json!({"type": "enum"}),
        description: String::new(),
        required,
        fixed: name == "region",
        value,
        example: Value::Text("web one".into()),
    };
    let action = |name: &str| ActionView {
        name: ActionKind::parse(name).unwrap(),
        description: "Does it.".into(),
        offered: true,
        not_offered_because: None,
        commits: "a commit of `main`".into(),
        takes_units: false,
        parameters: Vec::new(),
        example: TriggerRequest {
            action: name.into(),
            repository: "infrastructure-live".into(),
            reference: "main".into(),
            units: None,
            all: false,
            parameters: BTreeMap::new(),
        },
    };
    let parameters = vec![
        parameter("region", "one of `eu-west-1`", false, Some(Value::Text("eu-west-1".into()))),
        parameter("service", "one of `web one`, `\u{1b}[31mapi`", true, None),
        parameter("size", "one of `small`", false, None),
    ];
    ActionList {
        account: "dev".into(),
        repository: "infrastructure-live".into(),
        principals: vec!["live-merge".into()],
        actions: vec![
            ActionView { takes_units: true, ..action("plan") },
            ActionView {
                offered: false,
                not_offered_because: Some("this version has no executor for it".into()),
                ..action("build-image")
            },
            ActionView { parameters, ..action("rotate-keys") },
        ],
    }
}

fn known(caller: &Bearer) -> Result<(), Fault> {
    if [TOKEN, READ_TOKEN].contains(&caller.expose()) {
        return Ok(());
    }
    Err(Fault::new(Code::UNAUTHENTICATED, "the token cannot be read"))
}

impl Service for Inner {
    fn admit<'a>(&'a self, _: &'a Bearer, _: &'a str) -> Answer<'a, ()> {
        // Rights are decided per method below, so that what was asked for is seen.
        Box::pin(async { Ok(()) })
    }

    fn trigger(
        &self,
        caller: Bearer,
        key: Option<IdempotencyKey>,
        request: TriggerRequest,
    ) -> Answer<'_, TriggerResponse> {
        Box::pin(async move {
            known(&caller)?;
            let mut asked = format!("trigger {} {} {:?}", request.action, request.reference, request.units);
            if !request.parameters.is_empty() {
                asked = format!("{asked} {}", serde_json::to_string(&request.parameters).unwrap());
            }
            self.ask(asked, |state| match &state.refusal {
                Some(fault) => Err(fault.clone()),
                None => Ok(TriggerResponse {
                    run: RunView { state: RunState::Accepted, ended_at: None, tasks: Vec::new(), ..state.run.clone() },
                    read_token: key.is_none().then(|| READ_TOKEN.into()),
                }),
            })
        })
    }

    fn definition(&self, caller: Bearer) -> Answer<'_, DefinitionView> {
        Box::pin(async move {
            known(&caller)?;
            self.ask("definition".into(), |_| {
                let fault =
                    Fault::new(Code::FLEET_LOCKS_OUT, "nobody could \u{1b}[2Japply").remedy("Let somebody apply.");
                let since = "2026-01-02T03:04:05Z".parse().unwrap();
                Ok(DefinitionView {
                    account: AccountName::parse("dev").unwrap(),
                    in_force: Some(InForceView { commit: commit('a'), digest: digest(7), since }),
                    refused: Some(RefusedView { commit: commit('b'), since, problem: problem_of(&fault) }),
                })
            })
        })
    }

    fn actions(&self, caller: Bearer) -> Answer<'_, ActionList> {
        Box::pin(async move {
            known(&caller)?;
            self.ask("actions".into(), |_| Ok(actions()))
        })
    }

    fn explain(&self, caller: Bearer, request: TriggerRequest) -> Answer<'_, Explanation> {
        Box::pin(async move {
            known(&caller)?;
            let explained = Explanation {
                allowed: true,
                reason: "`live-merge` may rotate-keys".into(),
                principals: vec!["live-merge".into()],
                problem: None,
                commit: Some("0123456789abcdef0123456789abcdef01234567".parse().unwrap()),
                parameters: BTreeMap::new(),
                argv: ["rotate-keys", "--service=web one", "--", "dev/vpc"].map(str::to_owned).to_vec(),
            };
            self.ask(format!("explain {}", request.action), |state| match &state.refusal {
                None => Ok(explained),
                Some(fault) => Ok(Explanation {
                    allowed: false,
                    reason: fault.message().to_owned(),
                    problem: Some(problem_of(fault)),
                    commit: None,
                    argv: Vec::new(),
                    ..explained
                }),
            })
        })
    }

    fn runs(&self, caller: Bearer, after: Option<RunId>, limit: u32) -> Answer<'_, RunPage> {
        Box::pin(async move {
            known(&caller)?;
            self.ask(format!("runs {after:?} {limit}"), |state| {
                let runs =
                    if after.is_none() { vec![RunView { tasks: Vec::new(), ..state.run.clone() }] } else { Vec::new() };
                Ok(RunPage { next: runs.first().map(|run| run.id.to_string()), runs })
            })
        })
    }

    fn run_reader(&self, caller: Bearer, run: RunId) -> Answer<'_, RunReader> {
        Box::pin(async move {
            known(&caller)?;
            self.ask(format!("read by {}", caller.expose()), |state| {
                if state.run.id == run {
                    Ok(RunReader::granted(run))
                } else {
                    Err(Fault::new(Code::NOT_FOUND, "there is no such run here"))
                }
            })
        })
    }

    fn run(&self, _: RunReader) -> Answer<'_, RunView> {
        Box::pin(async move { self.ask("run".into(), |state| Ok(state.run.clone())) })
    }

    fn calls(&self, _: RunReader, after: u64, _: u32) -> Answer<'_, CallPage> {
        Box::pin(async move {
            // Two for each page, so that whoever wants all has to ask again.
            self.ask(format!("calls after {after}"), |state| {
                let from = usize::try_from(after).unwrap();
                let calls: Vec<CallView> = state.calls.iter().skip(from).take(2).cloned().collect();
                let end = from + calls.len();
                Ok(CallPage { calls, next: (end < state.calls.len()).then_some(end as u64) })
            })
        })
    }

    fn events(&self, _: RunReader, after: u64, patience: Duration) -> Answer<'_, Events> {
        Box::pin(async move {
            loop {
                let changed = self.changed.notified();
                let events = self.ask(format!("events after {after}"), |state| {
                    let events = state.events.iter().filter(|event| event.id > after).cloned().collect();
                    Ok(Events { events, over: state.run.state.is_final() })
                })?;
                if !events.events.is_empty() || events.over {
                    return Ok(events);
                }
                if tokio::time::timeout(patience, changed).await.is_err() {
                    return Ok(Events::default());
                }
            }
        })
    }

    fn task_reader(&self, caller: Bearer, task: TaskId) -> Answer<'_, TaskReader> {
        Box::pin(async move {
            known(&caller)?;
            Ok(TaskReader::granted(task))
        })
    }

    fn task_log(&self, reader: TaskReader, offset: u64, max: usize, patience: Duration) -> Answer<'_, LogPart> {
        Box::pin(async move {
            loop {
                let changed = self.changed.notified();
                let part = self.ask(format!("log from {offset}"), |state| {
                    let task = reader.task();
                    let all = state.logs.get(&task).cloned().unwrap_or_default();
                    let from = usize::try_from(offset).unwrap().min(all.len());
                    let bytes: Vec<u8> = all[from..].iter().copied().take(max).collect();
                    let over = state.run.tasks.iter().any(|view| view.id == task && view.state.is_final());
                    Ok(LogPart {
                        end: offset + bytes.len() as u64,
                        over: over && from + bytes.len() == all.len(),
                        bytes,
                    })
                })?;
                if !part.bytes.is_empty() || part.over || patience.is_zero() {
                    return Ok(part);
                }
                if tokio::time::timeout(patience, changed).await.is_err() {
                    return Ok(part);
                }
            }
        })
    }

    fn cancel(&self, caller: Bearer, _: RunId) -> Answer<'_, RunView> {
        Box::pin(async move {
            known(&caller)?;
            self.ask("cancel".into(), |state| match &state.refusal {
                Some(fault) => Err(fault.clone()),
                None => Ok(state.run.clone()),
            })
        })
    }

    fn approve(&self, caller: Bearer, _: RunId, request: ApproveRequest) -> Answer<'_, RunView> {
        Box::pin(async move {
            known(&caller)?;
            self.ask(format!("approve {:?}", request.plans), |state| match &state.refusal {
                Some(fault) => Err(fault.clone()),
                None => Ok(state.run.clone()),
            })
        })
    }

    fn units(&self, _: Bearer, _: Option<UnitPath>, _: u32) -> Answer<'_, UnitPage> {
        Box::pin(async { Err(Fault::new(Code::NOT_FOUND, "this fake has no units")) })
    }

    fn health(&self) -> Health {
        Health { status: "ok".into(), account: "dev".into(), version: "0".into(), problems: Vec::new() }
    }

    fn ready(&self) -> Result<Health, Box<Health>> {
        Ok(self.health())
    }
}
