//! The demo's world: a repository made from the example, an issuer, and one runner for each account.

use std::fs;
use std::path::{Path, PathBuf};

use portcullis_testkit::runner::await_ready;
use portcullis_testkit::{Caller, LiveRepo, Serve};

use crate::children::{self, Children};
use crate::workspace::Workspace;

/// The example's name for its repository.
pub const REPOSITORY: &str = "infrastructure-live";
/// A secret in every runner's environment and in a file beside its data: whoever prints it has broken out.
pub const CANARY: &str = "canary-4f0c5d2be1a97e83";

/// A runner.
pub struct Runner {
    /// Its account.
    pub account: String,
    /// Where its API is.
    pub url: String,
    /// Its data folder.
    pub data: PathBuf,
    ready: PathBuf,
    process: u32,
    log: PathBuf,
}

/// Everything that was started or made.
pub struct World {
    /// The processes.
    pub children: Children,
    /// The runners, in deploy order.
    pub runners: Vec<Runner>,
    /// The issuer's URL.
    pub issuer: String,
    /// The folder that everything is in.
    pub folder: PathBuf,
    /// The repository.
    pub live: LiveRepo,
    workspace: Workspace,
    files: u32,
    /// What explains a failure: log lines of the last run that did not end as it should.
    pub evidence: Vec<String>,
}

impl World {
    /// Makes the repository and starts the processes.
    pub fn create(workspace: &Workspace, children: &Children) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("portcullis-demo-")
            .tempdir()
            .map_err(|error| format!("no temporary folder: {error}"))?
            .keep();
        children.own_folder(folder.clone());
        let issuer = start_issuer(workspace, children, &folder)?;
        let example = workspace.root.join("examples").join(REPOSITORY);
        let live = LiveRepo::create(&example, &folder, &issuer, |_| Ok(()))?;
        println!("   repository       {}", live.bare().display());
        let mut world = World {
            children: children.clone(),
            runners: Vec::new(),
            issuer,
            folder,
            live,
            workspace: workspace.clone(),
            files: 0,
            evidence: Vec::new(),
        };
        for account in world.live.deploy_order().to_vec() {
            world.start_runner(&account)?;
        }
        // Started at once, then waited for: their starts overlap.
        for index in 0..world.runners.len() {
            world.await_runner(index)?;
        }
        Ok(world)
    }

    /// A binary of the workspace.
    pub fn program(&self, name: &str) -> PathBuf {
        program(&self.workspace, name)
    }

    /// A command for one of the demo's processes.
    pub fn command(&self, program: &Path) -> std::process::Command {
        let mut command = children::command(program, &self.workspace.path_for_children());
        command.current_dir(&self.folder);
        command
    }

    /// The runner of an account.
    pub fn runner(&self, account: &str) -> Result<&Runner, String> {
        let found = self.runners.iter().find(|runner| runner.account == account);
        found.ok_or_else(|| format!("the example has no account `{account}`"))
    }

    /// A name for a new file of the demo's own.
    pub fn new_file(&mut self, what: &str) -> PathBuf {
        self.files += 1;
        self.folder.join(format!("{:03}-{what}", self.files))
    }

    /// A token for an account's runner, as CI gets one.
    pub fn token(&self, account: &str, caller: Caller<'_>) -> Result<String, String> {
        caller.token(&self.issuer, self.live.fleet(), account)
    }

    /// The failure, with what explains it.
    pub fn explain(&self, error: &str) -> String {
        let mut text = error.to_owned();
        for line in &self.evidence {
            text.push_str("\n  ");
            text.push_str(line);
        }
        for runner in &self.runners {
            let died = matches!(self.children.ended(runner.process), Ok(Some(_)));
            if died || error.contains(runner.account.as_str()) {
                text.push_str(&format!("\n  the runner of `{}` said last:", runner.account));
                for line in last_lines(&runner.log, 12) {
                    text.push_str(&format!("\n    {line}"));
                }
            }
        }
        text
    }

    /// What a person can do with the runners that are left running.
    pub fn how_to_go_on(&self) -> String {
        let mut text = String::from("\nEverything is running until Ctrl-C. The runners:\n");
        for runner in &self.runners {
            text.push_str(&format!("  {:<9} {}  log {}\n", runner.account, runner.url, runner.log.display()));
        }
        text.push_str(&format!("Work tree: {}  (push branches to its origin)\n", self.live.tree().display()));
        text.push_str(&format!(
            "A token for `dev`, as CI on a branch gets it:\n  curl -s {}/mint -H 'Content-Type: application/json' \
             -d '{{\"aud\":\"portcullis:{}/dev\",\"repository_id\":\"8210441\"}}' > token\n",
            self.issuer,
            self.live.fleet()
        ));
        if let Ok(dev) = self.runner("dev") {
            text.push_str(&format!(
                "Then:\n  {} trigger plan --runner {} --repository {REPOSITORY} --ref main --token-file token --follow",
                self.program("portcullis").display(),
                dev.url
            ));
        }
        text
    }

    fn start_runner(&mut self, account: &str) -> Result<(), String> {
        let data = self.folder.join("runners").join(account);
        let log = self.folder.join(format!("runner-{account}.log"));
        fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        fs::write(self.folder.join("runners").join("secret"), CANARY).map_err(|error| error.to_string())?;
        let serve = Serve {
            account: account.to_owned(),
            fleet_url: self.live.url(),
            data: data.clone(),
            agent: self.workspace.target.join("portcullis-agent"),
            // Below what the demo itself waits, so that a runner ends its sandboxes and not the kernel.
            shutdown_grace_s: 2,
            more: Vec::new(),
        };
        let ready = serve.ready_file();
        let mut command = self.command(&self.program("portcullis"));
        command.args(serve.arguments());
        command.env("PORTCULLIS_DEMO_SECRET", CANARY);
        log_to(&mut command, &log)?;
        let process = self.children.start(&mut command)?;
        self.runners.push(Runner { account: account.to_owned(), url: String::new(), data, ready, process, log });
        Ok(())
    }

    fn await_runner(&mut self, index: usize) -> Result<(), String> {
        let runner = self.runners.get(index).ok_or("no such runner")?;
        let name = format!("the runner of `{}`", runner.account);
        let ended = || self.children.ended(runner.process);
        let url = await_ready(&name, &runner.ready, ended).map_err(|error| self.explain(&error))?;
        println!("   runner {:<9} {url}", runner.account);
        if let Some(runner) = self.runners.get_mut(index) {
            runner.url = url;
        }
        Ok(())
    }
}

fn start_issuer(workspace: &Workspace, children: &Children, folder: &Path) -> Result<String, String> {
    let ready = folder.join("issuer.ready");
    let mut command = children::command(program(workspace, "fake-issuer"), &workspace.path_for_children());
    command.current_dir(folder).args(["--listen", "127.0.0.1:0", "--ready-file"]).arg(&ready);
    log_to(&mut command, &folder.join("issuer.log"))?;
    let process = children.start(&mut command)?;
    let url = await_ready("the issuer", &ready, || children.ended(process))?;
    println!("   issuer           {url}");
    Ok(url)
}

/// A binary of the workspace.
fn program(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target.join("debug").join(name)
}

fn log_to(command: &mut std::process::Command, file: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    let out = fs::File::create(file).map_err(failed)?;
    let err = out.try_clone().map_err(failed)?;
    command.stdout(out).stderr(err);
    Ok(())
}

fn last_lines(file: &Path, count: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(count)).map(|line| (*line).to_owned()).collect()
}
