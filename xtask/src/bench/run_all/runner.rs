//! The runner that is measured: the release build of `portcullis serve`, with its static agent, asked over HTTP.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use portcullis_testkit::loopback::{self, Events};
use portcullis_testkit::runner::await_ready;
use portcullis_testkit::{Caller, LiveRepo, Serve};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::children::{self, Children};
use crate::workspace::Workspace;

/// Longest that a runner may take to end.
const END: Duration = Duration::from_secs(30);
/// Largest answer that is read.
const ANSWER_MAX_BYTES: u64 = 64 << 20;

/// What all runners of a benchmark share.
pub struct Site<'a> {
    /// Where things are.
    pub workspace: &'a Workspace,
    /// The processes.
    pub children: &'a Children,
    /// The folder of this benchmark.
    pub folder: &'a Path,
    /// The issuer's URL.
    pub issuer: String,
    /// The repository.
    pub live: LiveRepo,
    /// `portcullis`.
    pub program: PathBuf,
    /// The tool.
    pub tool: PathBuf,
}

impl Site<'_> {
    /// Starts a program of the benchmark, which ends with it.
    pub fn start(&self, program: &Path, arguments: &[std::ffi::OsString], log: &Path) -> Result<u32, String> {
        let file = fs::File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let out = file.try_clone().map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = children::command(program, &self.workspace.path_for_children());
        command.args(arguments).current_dir(self.folder).env("PORTCULLIS_LOG", "warn,portcullis_took=debug");
        self.children.start(command.stdout(out).stderr(file))
    }
}

/// A runner that answers.
pub struct Runner<'a> {
    site: &'a Site<'a>,
    account: String,
    process: u32,
    url: String,
    log: PathBuf,
    read: usize,
}

/// How long each part took, summed over all units, in microseconds, and how often.
pub type Parts = BTreeMap<String, (u64, u64)>;

/// A run that succeeded.
pub struct Ended {
    /// From the request to the last event.
    pub took: Duration,
    /// How many tasks it had.
    pub tasks: usize,
    /// What their result was, by name.
    pub results: BTreeMap<String, usize>,
    /// Where the time went.
    pub parts: Parts,
}

impl<'a> Runner<'a> {
    /// Starts one with an empty data folder of this name.
    pub fn start(site: &'a Site<'a>, account: &str, name: &str) -> Result<Self, String> {
        let serve = Serve {
            account: account.to_owned(),
            fleet_url: site.live.url(),
            data: site.folder.join(name),
            agent: site.workspace.target.join("portcullis-agent"),
            shutdown_grace_s: 1,
            more: vec!["--tool".into(), site.tool.clone().into(), "--log-format".into(), "json".into()],
        };
        let log = site.folder.join(format!("{name}.log"));
        let process = site.start(&site.program, &serve.arguments(), &log)?;
        let url = await_ready("the runner", &serve.ready_file(), || site.children.ended(process)).map_err(|why| {
            let text = fs::read_to_string(&log).unwrap_or_default();
            format!("{why}\n{text}")
        })?;
        Ok(Runner { site, account: account.to_owned(), process, url, log, read: 0 })
    }

    /// Asks for an action on main and follows it to its end.
    pub fn run(&mut self, action: &str, units: &[String]) -> Result<Ended, String> {
        let token = Caller::Merge.token(&self.site.issuer, self.site.live.fleet(), &self.account)?;
        let mut body = json!({"action": action, "repository": "infrastructure-live", "ref": "main"});
        match (units, body.as_object_mut()) {
            ([], _) | (_, None) => {}
            (units, Some(body)) => drop(body.insert("units".into(), json!(units))),
        }
        let begun = Instant::now();
        let answer: Value = self.ask("POST", "/v1/runs", &token, &body.to_string())?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (run, reader) = (text(&answer["run"]["id"]), text(&answer["read_token"]));
        let authorization = format!("Bearer {reader}");
        let events = Events::open(&format!("{}/v1/runs/{run}/events", self.url), &[("Authorization", &authorization)])?;
        // To the stream's end: it says when the run is over.
        let _ = events.count();
        let took = begun.elapsed();
        let view = self.ask("GET", &format!("/v1/runs/{run}"), &reader, "")?;
        if view["state"] != "succeeded" {
            return Err(format!("the run ended {}: {view:#}", view["state"]));
        }
        let tasks = view["tasks"].as_array().map_or(&[][..], Vec::as_slice);
        let mut results = BTreeMap::new();
        for task in tasks {
            *results.entry(text(&task["result"])).or_default() += 1;
        }
        Ok(Ended { took, tasks: tasks.len(), results, parts: self.parts()? })
    }

    /// Resident memory now, and at its peak, in KiB.
    pub fn memory(&self) -> (u64, u64) {
        // `setpriv` has become the runner: its id is the runner's.
        let status = fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        (field("VmRSS:").unwrap_or(0), field("VmHWM:").unwrap_or(0))
    }

    /// Ends it.
    pub fn stop(self) -> Result<(), String> {
        if let Some(pid) = i32::try_from(self.process).ok().and_then(Pid::from_raw) {
            // Gone already: then the wait says how.
            let _ = kill_process(pid, Signal::TERM);
        }
        self.site.children.wait(self.process, END).map(drop)
    }

    fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> Result<Value, String> {
        let authorization = format!("Bearer {token}");
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        let url = format!("{}{path}", self.url);
        let answer = loopback::ask(method, &url, &headers, body.as_bytes(), ANSWER_MAX_BYTES)?;
        if !matches!(answer.status, 200 | 201) {
            return Err(format!("{method} {url}: {}", answer.text()));
        }
        serde_json::from_slice(&answer.body).map_err(|error| format!("{method} {url}: {error}"))
    }

    /// What the runner has said of its times since the last look.
    fn parts(&mut self) -> Result<Parts, String> {
        let text = fs::read_to_string(&self.log).map_err(|error| format!("{}: {error}", self.log.display()))?;
        let new = text.get(self.read..).unwrap_or_default();
        let mut parts = Parts::new();
        for line in new.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if let (Some(what), Some(us)) = (line["what"].as_str(), line["us"].as_u64()) {
                let part = parts.entry(what.to_owned()).or_default();
                *part = (part.0 + us, part.1 + 1);
            }
        }
        self.read = text.len();
        Ok(parts)
    }
}
