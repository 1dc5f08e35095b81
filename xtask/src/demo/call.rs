//! Asking a runner, as CI does: through the command line, with a token in a file.

use std::fs;
use std::time::{Duration, Instant};

use portcullis_testkit::{Caller, loopback};
use serde_json::Value;

use super::world::{REPOSITORY, World};

/// Longest that one run may take.
const LIMIT: Duration = Duration::from_secs(300);

/// The exit code for "denied".
pub const DENIED: i32 = 3;
/// The exit code for "held".
pub const HELD: i32 = 4;

/// What a program said and how it ended.
pub struct Said {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// The code of the fault that it names, `PC-0123`.
    pub fn fault(&self) -> Option<String> {
        let text = format!("{}\n{}", self.out, self.err);
        let at = text.find("PC-")?;
        text.get(at..at + 7).map(str::to_owned)
    }

    /// Why it was refused, in the runner's words.
    pub fn reason(&self) -> String {
        let values = serde_json::Deserializer::from_str(&self.err).into_iter::<Value>().map_while(Result::ok);
        let messages = values.filter_map(|value| value["message"].as_str().map(str::to_owned));
        messages.last().unwrap_or_default()
    }

    /// Every JSON value in its output.
    fn values(&self) -> Vec<Value> {
        serde_json::Deserializer::from_str(&self.out).into_iter::<Value>().map_while(Result::ok).collect()
    }
}

/// A run as the API shows it, and how long its caller waited.
pub struct Run {
    /// The command's exit code.
    pub code: Option<i32>,
    /// The run.
    pub view: Value,
    /// Reads it.
    pub read_token: String,
    /// How long the caller waited.
    pub took: Duration,
}

impl Run {
    /// Its id.
    pub fn id(&self) -> &str {
        self.view["id"].as_str().unwrap_or_default()
    }

    /// Its state.
    pub fn state(&self) -> &str {
        self.view["state"].as_str().unwrap_or_default()
    }

    /// Its tasks.
    pub fn tasks(&self) -> &[Value] {
        self.view["tasks"].as_array().map_or(&[], Vec::as_slice)
    }
}

impl World {
    /// Runs `portcullis` with these arguments, with a token in a file.
    pub fn portcullis(&mut self, account: &str, token: &str, arguments: &[&str]) -> Result<Said, String> {
        let (file, out, err) = (self.new_file("token"), self.new_file("out"), self.new_file("err"));
        write_private(&file, token)?;
        let url = self.runner(account)?.url.clone();
        let create = |path| fs::File::create(path).map_err(|error| format!("the demo's folder: {error}"));
        let mut command = self.command(&self.program("portcullis"));
        command.args(arguments).args(["--runner", &url, "--json", "--token-file"]).arg(&file);
        command.stdout(create(&out)?).stderr(create(&err)?);
        let process = self.children.start(&mut command)?;
        let status = self.children.wait(process, LIMIT)?;
        let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        Ok(Said { code: status.code(), out: read(&out), err: read(&err) })
    }

    /// Triggers with this token, and follows to the end.
    pub fn trigger(&mut self, account: &str, token: &str, action: &str, branch: &str) -> Result<Said, String> {
        let reference = format!("refs/heads/{branch}");
        let arguments = ["trigger", action, "--repository", REPOSITORY, "--ref", &reference, "--follow"];
        self.portcullis(account, token, &arguments)
    }

    /// A run, followed to its end. Any exit code that is not among `wanted` is a failure, with its evidence.
    pub fn run(
        &mut self,
        account: &str,
        caller: Caller<'_>,
        (action, branch): (&str, &str),
        wanted: &[i32],
    ) -> Result<Run, String> {
        let token = self.token(account, caller)?;
        let start = Instant::now();
        let said = self.trigger(account, &token, action, branch)?;
        let took = start.elapsed();
        let values = said.values();
        let find = |name: &str| values.iter().find_map(|value| value.get(name).or_else(|| value["run"].get(name)));
        let id = find("id").and_then(Value::as_str);
        let read_token = find("read_token").and_then(Value::as_str);
        let (Some(id), Some(read_token)) = (id, read_token) else {
            self.evidence.extend(said.err.lines().chain(said.out.lines()).map(str::to_owned));
            return Err(format!("{action} of `{branch}` in `{account}` was not accepted (exit {:?})", said.code));
        };
        let view = self.view(account, id, read_token)?;
        let run = Run { code: said.code, view, read_token: read_token.to_owned(), took };
        if wanted.iter().any(|code| run.code == Some(*code)) {
            return Ok(run);
        }
        self.keep_evidence(account, &run, &said);
        Err(format!("{action} of `{branch}` in `{account}` ended `{}` (exit {:?})", run.state(), run.code))
    }

    /// A run, from the API.
    pub fn view(&self, account: &str, id: &str, token: &str) -> Result<Value, String> {
        let text = self.get(account, &format!("/v1/runs/{id}"), token)?;
        serde_json::from_str(&text).map_err(|error| format!("the run {id} of `{account}`: {error}"))
    }

    /// A task's log.
    pub fn task_log(&self, account: &str, task: &Value, token: &str) -> Result<String, String> {
        self.get(account, &format!("/v1/tasks/{}/log", task["id"].as_str().unwrap_or_default()), token)
    }

    /// Reads from a runner's API.
    pub fn get(&self, account: &str, path: &str, token: &str) -> Result<String, String> {
        let url = format!("{}{path}", self.runner(account)?.url);
        let answer = loopback::ask("GET", &url, &[("Authorization", &format!("Bearer {token}"))], b"", 64 << 20)?;
        if answer.status == 200 { Ok(answer.text()) } else { Err(format!("GET {url}: {}", answer.text())) }
    }

    /// Keeps the faults and the ends of the logs of the tasks that failed.
    pub fn keep_evidence(&mut self, account: &str, run: &Run, said: &Said) {
        let mut lines: Vec<String> = said.err.lines().take(20).map(str::to_owned).collect();
        if !run.view["fault"].is_null() {
            lines.push(format!("the run's fault: {}", in_words(&run.view["fault"])));
        }
        let unfinished = |task: &&Value| !matches!(task["state"].as_str(), Some("succeeded" | "blocked"));
        for task in run.tasks().iter().filter(unfinished).take(3) {
            let word = |name: &str| task[name].as_str().unwrap_or_default().to_owned();
            lines.push(format!(
                "{} is {} ({}): {}",
                word("unit"),
                word("state"),
                word("why"),
                in_words(&task["fault"])
            ));
            let log = self.task_log(account, task, &run.read_token).unwrap_or_else(|error| error);
            let all: Vec<&str> = log.lines().collect();
            lines.extend(all.iter().skip(all.len().saturating_sub(25)).map(|line| format!("  | {line}")));
        }
        self.evidence = lines;
    }
}

/// A fault as a line. What its notes quote is in the log as well.
fn in_words(fault: &Value) -> String {
    match (fault["code"].as_str(), fault["message"].as_str()) {
        (Some(code), Some(message)) => format!("{code} {message}"),
        _ => "no fault is told".to_owned(),
    }
}

fn write_private(file: &std::path::Path, text: &str) -> Result<(), String> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(file);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_found_wherever_it_is_said() {
        let said = |out: &str, err: &str| Said { code: Some(3), out: out.into(), err: err.into() };
        assert_eq!(said("", "error[PC-0301]: no").fault().as_deref(), Some("PC-0301"));
        assert_eq!(said("{\"code\":\"PC-0207\"}", "").fault().as_deref(), Some("PC-0207"));
        assert_eq!(said("", "PC-").fault(), None);
        assert_eq!(said("", r#"{"code":"PC-0300","message":"`a` may plan"}"#).reason(), "`a` may plan");
        assert_eq!(said("", "nothing").reason(), "");
    }
}
