//! The one place that starts `git`.
//!
//! A cleared environment, no configuration but the mirror's own, no hooks, no prompts, one protocol, time and
//! size limits, and a process group that is killed as a whole. What git prints is cut, escaped and freed of
//! secrets before it goes into a fault: a remote may print what it likes.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use portcullis_model::{Code, Fault};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, Command};

use crate::credential::Grant;

/// Where `git` and `ssh` are looked for. Not the environment's `PATH`.
const SEARCH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Most bytes that git may print as an answer: a hundred thousand branches fit.
const ANSWER_MAX_BYTES: usize = 16 << 20;
/// How much of git's complaints is kept: their end.
const COMPLAINT_KEPT_BYTES: usize = 8 << 10;
/// Most characters and lines of a complaint that a fault shows.
const COMPLAINT_SHOWN_CHARS: usize = 300;
const COMPLAINT_SHOWN_LINES: usize = 6;
/// The oldest git that does all that it is told.
const OLDEST: (u32, u32) = (2, 37);
/// How long git may take to tidy up after SIGTERM, before SIGKILL.
const TIDY_UP: Duration = Duration::from_secs(2);

/// What git may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes that the mirror may have on disk.
    pub repository_bytes: u64,
    /// Most bytes of memory that each process of a fetch may take: an object is unpacked as a whole to be checked.
    pub memory_bytes: u64,
    /// Longest time that a fetch may take.
    pub fetch: Duration,
    /// Longest time that a local question (a ref, an ancestor) may take.
    pub query: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            repository_bytes: 8 << 30,
            memory_bytes: 4 << 30,
            fetch: Duration::from_secs(600),
            query: Duration::from_secs(30),
        }
    }
}

/// `git`, for one bare repository.
pub(crate) struct Git {
    program: PathBuf,
    dir: PathBuf,
    protocol: &'static str,
}

/// What each process of a call may take, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Most {
    pub file: u64,
    pub memory: u64,
}

/// One call.
pub(crate) struct Call<'a> {
    /// The command and its arguments. Nothing that a user wrote but after `--` or as a full id.
    pub arguments: &'a [&'a str],
    /// What the remote's credential adds. `None` for a local question.
    pub grant: Option<&'a Grant>,
    /// Longest time.
    pub time: Duration,
    /// Largest file that git may write, and its largest memory. `None`: no limit.
    pub most: Option<Most>,
}

/// What came of a call.
pub(crate) struct Answer {
    pub status: ExitStatus,
    pub text: String,
    complaint: String,
}

/// The version that `git` says it has, and where it is.
///
/// # Errors
/// `PC-0602` when it is not on this machine, does not answer, or is older than 2.37: it would not keep to the address that
/// was looked at (`http.curloptResolve`), and not say so.
pub async fn git_version() -> Result<(String, PathBuf), Fault> {
    let git = Git::new(Path::new("git"), Path::new("/"), "https")?;
    let limits = Limits::default();
    let call = Call { arguments: &["version"], grant: None, time: limits.query, most: None };
    let answer = git.run(call).await?;
    if !answer.status.success() {
        return Err(Fault::new(Code::TOOL_MISSING, format!("{} does not answer", git.program.display()))
            .remedy("Install git from your system's packages."));
    }
    let version = answer.text.trim().to_owned();
    if !is_new_enough(&version) {
        let message = format!("`{version}` ({}) is older than {}.{}", git.program.display(), OLDEST.0, OLDEST.1);
        return Err(Fault::new(Code::TOOL_MISSING, message).remedy("Install a newer git."));
    }
    Ok((version, git.program))
}

/// By what `git version` prints: `git version 2.39.5`, perhaps with more after it.
fn is_new_enough(text: &str) -> bool {
    let numbers = text.trim_start_matches("git version ").split('.').map(|part| part.parse::<u32>().ok());
    let mut numbers = numbers.map_while(|number| number);
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) >= OLDEST,
        _ => false,
    }
}

impl Git {
    /// Finds the program.
    pub fn new(program: &Path, dir: &Path, protocol: &'static str) -> Result<Self, Fault> {
        let found = if program.is_absolute() {
            program.is_file().then(|| program.to_owned())
        } else {
            std::env::split_paths(SEARCH).map(|dir| dir.join(program)).find(|file| file.is_file())
        };
        let program = found.ok_or_else(|| {
            Fault::new(Code::TOOL_MISSING, format!("{} is not on this machine", program.display()))
                .remedy(format!("Install git, or name its absolute path; it is looked for in {SEARCH}."))
        })?;
        Ok(Git { program, dir: dir.to_owned(), protocol })
    }

    /// Runs git to its end. A status other than 0 is not an error here.
    pub async fn run(&self, call: Call<'_>) -> Result<Answer, Fault> {
        let name = call.arguments.first().copied().unwrap_or_default();
        let started = self.command(&call).spawn().map_err(|error| Fault::io(format!("git {name}"), &error))?;
        let mut group = Group::new(started, call.most)?;
        let stdout = group.child.stdout.take();
        let work = async {
            let (answer, complaint) = tokio::join!(read_all(stdout), read_end(group.stderr.as_mut()));
            let answer = answer.map_err(|error| Fault::io(format!("git {name}"), &error))?;
            let Some(answer) = answer else { return Ok(None) };
            let status = group.child.wait().await.map_err(|error| Fault::io(format!("git {name}"), &error))?;
            Ok(Some((status, answer, complaint)))
        };
        let ended = tokio::time::timeout(call.time, work).await;
        match ended {
            Ok(Ok(Some((status, answer, complaint)))) => {
                group.ended = true;
                let complaint = String::from_utf8_lossy(&complaint).into_owned();
                let complaint = call.grant.map_or(complaint.clone(), |grant| grant.hide(&complaint));
                Ok(Answer { status, text: String::from_utf8_lossy(&answer).into_owned(), complaint })
            }
            Ok(Ok(None)) => {
                group.end().await;
                Err(Fault::new(
                    Code::REPOSITORY_TOO_LARGE,
                    format!("git {name} answered with more than {ANSWER_MAX_BYTES} bytes"),
                )
                .remedy("Delete branches of the repository that are not used."))
            }
            Ok(Err(fault)) => {
                group.end().await;
                Err(fault)
            }
            Err(_) => {
                group.end().await;
                Err(Fault::new(Code::GIT_TIMEOUT, format!("git {name} took longer than {} s", call.time.as_secs()))
                    .remedy("Check that the runner reaches the repository's host, then try again."))
            }
        }
    }

    fn command(&self, call: &Call<'_>) -> Command {
        #[allow(clippy::disallowed_methods, reason = "this module owns starting git")]
        let mut command = Command::new(&self.program);
        command
            .args(call.arguments)
            .current_dir(&self.dir)
            .env_clear()
            .env("PATH", SEARCH)
            .env("LC_ALL", "C")
            // Without it, curl looks the user's folder up and shows what a `.netrc` there has to whatever host asks.
            .env("HOME", "/dev/null")
            .env("GIT_DIR", &self.dir)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "")
            // Overrides `protocol.*.allow` of any configuration, redirects included.
            .env("GIT_ALLOW_PROTOCOL", self.protocol)
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(grant) = call.grant {
            command.env("GIT_CONFIG_COUNT", grant.config.len().to_string());
            for (index, (key, value)) in grant.config.iter().enumerate() {
                command.env(format!("GIT_CONFIG_KEY_{index}"), key).env(format!("GIT_CONFIG_VALUE_{index}"), value);
            }
            if let Some(ssh) = &grant.ssh_command {
                command.env("GIT_SSH_COMMAND", ssh).env("GIT_SSH_VARIANT", "ssh");
            }
        }
        command
    }
}

impl Answer {
    /// Whether git's complaint contains a phrase (it speaks English here).
    pub fn complains(&self, phrase: &str) -> bool {
        self.complaint.contains(phrase)
    }

    /// The fault that a failed call is.
    pub fn fault(&self, code: Code, what: &str) -> Fault {
        let lines: Vec<String> = self
            .complaint
            .lines()
            .map(|line| line.rsplit('\r').next().unwrap_or_default().trim())
            .filter(|line| !line.is_empty())
            .map(|line| line.chars().take(COMPLAINT_SHOWN_CHARS).flat_map(escape_control).collect())
            .collect();
        let first = lines
            .iter()
            .find(|line| line.starts_with("fatal:") || line.starts_with("error:"))
            .or(lines.last())
            .cloned()
            .unwrap_or_else(|| self.status.to_string());
        let mut fault = Fault::new(code, format!("{what}: {first}"));
        for line in lines.iter().filter(|line| **line != first).take(COMPLAINT_SHOWN_LINES) {
            fault = fault.note(line.clone());
        }
        fault
    }
}

/// Control characters as `\u{1b}`: what a remote prints must not move a reader's cursor.
fn escape_control(character: char) -> Vec<char> {
    if character.is_control() { character.escape_unicode().collect() } else { vec![character] }
}

/// A started git and everything that it started. Killed as a group when it is dropped before its end, which
/// is also what happens when a caller goes away.
struct Group {
    child: Child,
    id: Option<Pid>,
    stderr: Option<ChildStderr>,
    ended: bool,
}

impl Group {
    fn new(mut child: Child, most: Option<Most>) -> Result<Self, Fault> {
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let stderr = child.stderr.take();
        let group = Group { child, id, stderr, ended: false };
        if let (Some(id), Some(most)) = (id, most) {
            // Set from outside, as a limit between fork and exec needs `unsafe`. Git has to talk to the remote
            // before it writes or unpacks anything of size, and its own children inherit the limits.
            for (resource, bytes) in [(Resource::Fsize, most.file), (Resource::Data, most.memory)] {
                match prlimit(Some(id), resource, Rlimit { current: Some(bytes), maximum: Some(bytes) }) {
                    Ok(_) | Err(rustix::io::Errno::SRCH) => {}
                    Err(error) => return Err(Fault::io("limit git's files and memory", &io::Error::from(error))),
                }
            }
        }
        Ok(group)
    }

    /// Ends it: SIGTERM, on which git removes its temporary files and locks, then SIGKILL.
    async fn end(&mut self) {
        self.signal(Signal::TERM);
        let _ = tokio::time::timeout(TIDY_UP, self.child.wait()).await;
        self.signal(Signal::KILL);
        let _ = self.child.wait().await;
        // Every process of the group has this pipe: at its end, none of them writes to the mirror any more.
        let _ = tokio::time::timeout(TIDY_UP, read_end(self.stderr.as_mut())).await;
        self.ended = true;
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            let _ = kill_process_group(id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            self.signal(Signal::KILL);
        }
    }
}

/// All of a stream, or nothing when it is over the limit.
async fn read_all(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(ANSWER_MAX_BYTES as u64 + 1).read_to_end(&mut bytes).await?;
    }
    Ok((bytes.len() <= ANSWER_MAX_BYTES).then_some(bytes))
}

/// The end of a stream, from the start of a line: half a line may be half a secret, which would not be found.
/// Reads all of it, so that the writer never waits.
async fn read_end(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let Some(mut stream) = stream else { return Vec::new() };
    let (mut kept, mut cut) = (Vec::new(), false);
    let mut buffer = vec![0; COMPLAINT_KEPT_BYTES];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let surplus = kept.len().saturating_sub(COMPLAINT_KEPT_BYTES);
        kept.drain(..surplus);
        cut |= surplus > 0;
    }
    if cut {
        let line = kept.iter().position(|byte| *byte == b'\n').map_or(kept.len(), |at| at + 1);
        kept.drain(..line);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::is_new_enough;

    #[test]
    fn an_old_git_is_told_from_a_new_one() {
        for new in
            ["git version 2.37.0", "git version 2.39.5", "git version 3.0.1", "git version 2.50.1 (Apple Git-155)"]
        {
            assert!(is_new_enough(new), "{new}");
        }
        for old in ["git version 2.36.9", "git version 1.99.1", "git version", "", "fit version x.y"] {
            assert!(!is_new_enough(old), "{old}");
        }
    }
}
