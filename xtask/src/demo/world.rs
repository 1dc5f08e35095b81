//! The demo's world: a repository made from the example, an issuer, and one runner for each account.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process;
use crate::workspace::Workspace;

use super::children::{self, Children};
use super::http;

/// Longest that a server may take until it answers.
const START: Duration = Duration::from_secs(60);
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
    workspace: Workspace,
    fleet: String,
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
        let mut world = World {
            children: children.clone(),
            runners: Vec::new(),
            issuer: String::new(),
            folder,
            workspace: workspace.clone(),
            fleet: String::new(),
            files: 0,
            evidence: Vec::new(),
        };
        world.start_issuer()?;
        let order = world.make_repository()?;
        for account in &order {
            world.start_runner(account)?;
        }
        // Started at once, then waited for: their starts overlap.
        for index in 0..world.runners.len() {
            world.await_runner(index)?;
        }
        Ok(world)
    }

    /// The work tree.
    pub fn tree(&self) -> PathBuf {
        self.folder.join("work")
    }

    /// A binary of the workspace.
    pub fn program(&self, name: &str) -> PathBuf {
        self.workspace.target.join("debug").join(name)
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
    pub fn token(&self, account: &str, claims: Value) -> Result<String, String> {
        let mut all = json!({ "aud": format!("portcullis:{}/{account}", self.fleet) });
        if let (Some(all), Value::Object(claims)) = (all.as_object_mut(), claims) {
            all.extend(claims);
        }
        let headers = [("Content-Type", "application/json")];
        let url = format!("{}/mint", self.issuer);
        let answer = http::ask("POST", &url, &headers, all.to_string().as_bytes(), 64 * 1024)?;
        if answer.status == 200 { Ok(answer.text()) } else { Err(format!("{url}: status {}", answer.status)) }
    }

    /// Runs git in the work tree.
    pub fn git(&self, arguments: &[&str]) -> Result<String, String> {
        self.git_in(&self.tree(), arguments)
    }

    fn git_in(&self, folder: &Path, arguments: &[&str]) -> Result<String, String> {
        let mut command = process::command(&self.workspace, "git");
        // The person's own configuration (signing, hooks, templates) is none of the demo's business.
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for (role, name) in [("AUTHOR", "Demo"), ("COMMITTER", "Demo")] {
            command.env(format!("GIT_{role}_NAME"), name).env(format!("GIT_{role}_EMAIL"), "demo@acme.example");
        }
        process::output(command.current_dir(folder).args(arguments))
    }

    /// Replaces text in a file of the work tree. It must be there: an example that has changed is noticed.
    pub fn edit(&self, path: &str, from: &str, to: &str) -> Result<(), String> {
        let file = self.tree().join(path);
        let text = fs::read_to_string(&file).map_err(|error| format!("{path}: {error}"))?;
        if !text.contains(from) {
            return Err(format!("{path} of the example no longer has `{from}`"));
        }
        fs::write(&file, text.replacen(from, to, 1)).map_err(|error| format!("{path}: {error}"))
    }

    /// Makes a branch of main, lets it be edited, and pushes it.
    pub fn branch(&self, name: &str, edit: impl FnOnce(&World) -> Result<(), String>) -> Result<(), String> {
        self.git(&["switch", "--quiet", "--create", name, "main"])?;
        edit(self)?;
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", name])?;
        self.git(&["push", "--quiet", "origin", name])?;
        self.git(&["switch", "--quiet", "main"]).map(drop)
    }

    /// Merges a branch as a forge's squash button does, and pushes main.
    pub fn squash_merge(&self, name: &str) -> Result<(), String> {
        self.git(&["merge", "--quiet", "--squash", name])?;
        self.git(&["commit", "--quiet", "--message", &format!("{name} (#1)")])?;
        self.git(&["push", "--quiet", "origin", "main"]).map(drop)
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
        text.push_str(&format!("Work tree: {}  (push branches to its origin)\n", self.tree().display()));
        text.push_str(&format!(
            "A token for `dev`, as CI on a branch gets it:\n  curl -s {}/mint -H 'Content-Type: application/json' \
             -d '{{\"aud\":\"portcullis:{}/dev\",\"repository_id\":\"8210441\"}}' > token\n",
            self.issuer, self.fleet
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

    fn start_issuer(&mut self) -> Result<(), String> {
        let ready = self.folder.join("issuer.ready");
        let mut command = self.command(&self.program("fake-issuer"));
        command.args(["--listen", "127.0.0.1:0", "--ready-file"]).arg(&ready);
        log_to(&mut command, &self.folder.join("issuer.log"))?;
        let process = self.children.start(&mut command)?;
        self.issuer = self.await_ready("the issuer", process, &ready)?;
        println!("   issuer           {}", self.issuer);
        Ok(())
    }

    /// A bare repository from the example, with the demo's issuer and address. Returns the deploy order.
    fn make_repository(&mut self) -> Result<Vec<String>, String> {
        let (tree, bare) = (self.tree(), self.folder.join("live.git"));
        copy_tree(&self.workspace.root.join("examples").join(REPOSITORY), &tree)?;
        let definition = "portcullis.hcl";
        let text = fs::read_to_string(tree.join(definition)).map_err(|error| format!("{definition}: {error}"))?;
        self.fleet = between(&text, "fleet \"", "\"").ok_or("portcullis.hcl names no fleet")?.to_owned();
        let order = between(&text, "deploy_order = [", "]").ok_or("portcullis.hcl has no deploy_order")?;
        let order = order.split(',').map(|name| name.trim().trim_matches('"').to_owned()).collect();
        let text = set_line(&text, "issuer", &self.issuer)?;
        let text = set_line(&text, "url", &format!("file://{}", bare.display()))?;
        fs::write(tree.join(definition), text).map_err(|error| format!("{definition}: {error}"))?;
        let bare = bare.to_string_lossy();
        self.git_in(&self.folder, &["init", "--quiet", "--bare", "--initial-branch=main", &bare])?;
        self.git(&["init", "--quiet", "--initial-branch=main"])?;
        self.git(&["remote", "add", "origin", &bare])?;
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", "The estate"])?;
        self.git(&["push", "--quiet", "origin", "main"])?;
        println!("   repository       {bare}");
        Ok(order)
    }

    fn start_runner(&mut self, account: &str) -> Result<(), String> {
        let data = self.folder.join("runners").join(account);
        let log = self.folder.join(format!("runner-{account}.log"));
        fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        fs::write(self.folder.join("runners").join("secret"), CANARY).map_err(|error| error.to_string())?;
        let url = format!("file://{}", self.folder.join("live.git").display());
        let mut command = self.command(&self.program("portcullis"));
        command.args(["serve", "--account", account, "--fleet-url", &url, "--protected", "main"]);
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(&data);
        command.arg("--ready-file").arg(ready_file(&data));
        // Below what the demo itself waits, so that a runner ends its sandboxes and not the kernel.
        command.args(["--shutdown-grace", "2"]);
        command.arg("--agent").arg(self.workspace.target.join("portcullis-agent"));
        command.env("PORTCULLIS_DEMO_SECRET", CANARY);
        log_to(&mut command, &log)?;
        let process = self.children.start(&mut command)?;
        self.runners.push(Runner { account: account.to_owned(), url: String::new(), data, process, log });
        Ok(())
    }

    fn await_runner(&mut self, index: usize) -> Result<(), String> {
        let runner = self.runners.get(index).ok_or("no such runner")?;
        let name = format!("the runner of `{}`", runner.account);
        let url = self.await_ready(&name, runner.process, &ready_file(&runner.data)).map_err(|e| self.explain(&e))?;
        println!("   runner {:<9} {url}", runner.account);
        if let Some(runner) = self.runners.get_mut(index) {
            runner.url = url;
        }
        Ok(())
    }

    /// Waits for the file that a server writes once it answers; fails at once if it ends.
    fn await_ready(&self, name: &str, process: u32, file: &Path) -> Result<String, String> {
        let start = Instant::now();
        loop {
            if let Ok(url) = fs::read_to_string(file) {
                return Ok(url.trim().trim_end_matches('/').to_owned());
            }
            if let Some(status) = self.children.ended(process)? {
                return Err(format!("{name} ended with {status} before it answered"));
            }
            if start.elapsed() > START {
                return Err(format!("{name} has not answered after {} s", START.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn ready_file(data: &Path) -> PathBuf {
    data.with_extension("ready")
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

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(inner, _)| inner)
}

/// Sets the string of the only line that begins with `name =`.
fn set_line(text: &str, name: &str, value: &str) -> Result<String, String> {
    let mut found = 0;
    let lines: Vec<String> = text
        .lines()
        .map(|line| match line.split_once('=') {
            Some((left, _)) if left.trim() == name => {
                found += 1;
                format!("{left}= {value:?}")
            }
            _ => line.to_owned(),
        })
        .collect();
    if found == 1 { Ok(lines.join("\n") + "\n") } else { Err(format!("{found} lines set `{name}`, not one")) }
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target).map_err(failed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_set_and_only_one() {
        let text = "a {\n  url       = \"https://x\"\n}\n";
        assert_eq!(set_line(text, "url", "file:///y").unwrap(), "a {\n  url       = \"file:///y\"\n}\n");
        assert!(set_line("url = 1\nurl = 2\n", "url", "x").is_err());
        assert!(set_line("curl = 1\n", "url", "x").is_err());
    }

    #[test]
    fn the_example_is_what_the_demo_takes_it_for() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(REPOSITORY);
        let text = fs::read_to_string(example.join("portcullis.hcl")).unwrap();
        assert_eq!(between(&text, "fleet \"", "\""), Some("acme"));
        assert_eq!(between(&text, "deploy_order = [", "]").unwrap().split(',').count(), 6);
        let text = set_line(&text, "issuer", "http://127.0.0.1:1").unwrap();
        assert!(set_line(&text, "url", "file:///x").is_ok());
    }
}
