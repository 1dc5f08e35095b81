//! How a real `portcullis serve` is started for tests, the demo and benchmarks: its arguments, and the wait until it
//! answers. Who starts the process, and in what, is the caller's to decide.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// Longest that a server may take until it answers.
const START: Duration = Duration::from_secs(60);
/// How often it is looked whether it does.
const GLANCE: Duration = Duration::from_millis(5);

/// A runner to start.
#[derive(Debug, Clone)]
pub struct Serve {
    /// Its account.
    pub account: String,
    /// The fleet's repository.
    pub fleet_url: String,
    /// Its data folder.
    pub data: PathBuf,
    /// The static agent.
    pub agent: PathBuf,
    /// Seconds that running tasks are given at shutdown.
    pub shutdown_grace_s: u32,
    /// More arguments of `serve`.
    pub more: Vec<OsString>,
}

impl Serve {
    /// The arguments of `portcullis`. It listens on a free port of loopback, and says on which in its ready file.
    pub fn arguments(&self) -> Vec<OsString> {
        let grace = self.shutdown_grace_s.to_string();
        let mut words: Vec<OsString> = Vec::new();
        for word in ["serve", "--account", &self.account, "--fleet-url", &self.fleet_url, "--protected", "main"] {
            words.push(word.into());
        }
        for word in ["--listen", "127.0.0.1:0", "--shutdown-grace", &grace] {
            words.push(word.into());
        }
        for (name, path) in [("--data", &self.data), ("--ready-file", &self.ready_file()), ("--agent", &self.agent)] {
            words.extend([name.into(), path.into()]);
        }
        words.extend(self.more.iter().cloned());
        words
    }

    /// The file that it writes its URL to.
    pub fn ready_file(&self) -> PathBuf {
        self.data.with_extension("ready")
    }

    /// Removes what a killed runner of this data folder may have left, so that the next one's word is heard.
    pub fn forget_ready_file(&self) {
        // There is none after a runner that ended by itself.
        let _ = fs::remove_file(self.ready_file());
    }
}

/// Waits for the file that a server writes once it answers, and gives what is in it: a base URL.
///
/// # Errors
/// If it ends before, as `ended` says, or takes too long.
pub fn await_ready(
    name: &str,
    file: &Path,
    mut ended: impl FnMut() -> Result<Option<ExitStatus>, String>,
) -> Result<String, String> {
    let start = Instant::now();
    loop {
        if let Ok(url) = fs::read_to_string(file) {
            return Ok(url.trim().trim_end_matches('/').to_owned());
        }
        if let Some(status) = ended()? {
            return Err(format!("{name} ended with {status} before it answered"));
        }
        if start.elapsed() > START {
            return Err(format!("{name} has not answered after {} s", START.as_secs()));
        }
        std::thread::sleep(GLANCE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    #[test]
    fn a_server_that_ends_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ready");
        let dead = || Ok(Some(ExitStatus::from_raw(256)));
        assert!(await_ready("it", &file, dead).unwrap_err().contains("exit status: 1"));
        fs::write(&file, "http://127.0.0.1:9/\n").unwrap();
        assert_eq!(await_ready("it", &file, dead).unwrap(), "http://127.0.0.1:9");
    }
}
