//! Asks Buildkite's agent for the job's OIDC token: `buildkite-agent oidc request-token --audience …`.
//!
//! See <https://buildkite.com/docs/agent/v3/cli-oidc>. The one place of the command line that starts a program: that
//! one, with those arguments, without a shell. Its time and its output have limits.

use std::process::Stdio;
use std::time::Duration;

use portcullis_model::{Code, Fault};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::token::Audience;
use crate::environment::Environment;

/// The variable that says that this is a Buildkite job.
pub const VARIABLE: &str = "BUILDKITE_JOB_ID";
/// Buildkite's program, which every job has on its `PATH`.
const PROGRAM: &str = "buildkite-agent";
/// Longest that it may take. It tries again by itself.
const LIMIT: Duration = Duration::from_secs(60);
/// Most of its output that is read, in bytes.
const OUTPUT_MAX_BYTES: u64 = 64 << 10;
/// Most of its last line that is shown, in characters.
const SHOWN_MAX: usize = 300;

/// Buildkite's agent.
pub struct Agent {
    program: String,
    audience: Audience,
}

impl Agent {
    /// Whether this is a job of Buildkite.
    pub fn is_here(environment: &Environment) -> bool {
        environment.get(VARIABLE).is_some()
    }

    /// For tokens with this audience.
    pub fn new(audience: Audience) -> Self {
        Agent { program: PROGRAM.to_owned(), audience }
    }

    /// A new token.
    ///
    /// # Errors
    /// `PC-0003`.
    pub async fn token(&self) -> Result<String, Fault> {
        match tokio::time::timeout(LIMIT, self.ask()).await {
            Ok(token) => token.map_err(|why| refused(&why)),
            Err(_) => Err(refused(&format!("it takes longer than {} s", LIMIT.as_secs()))),
        }
    }

    async fn ask(&self) -> Result<String, String> {
        #[allow(
            clippy::disallowed_methods,
            reason = "Buildkite gives tokens in no other way; argv is fixed but for the audience"
        )]
        let mut command = tokio::process::Command::new(&self.program);
        command.args(["oidc", "request-token", "--audience", self.audience.as_str()]);
        // Its environment is this process's own: that is where it finds its agent and its job.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("it does not start: {error}"))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (out, err, ended) = tokio::join!(read(out), read(err), child.wait());
        let ended = ended.map_err(|error| error.to_string())?;
        if ended.success() {
            return Ok(out);
        }
        let said: String = err.trim_end().lines().last().unwrap_or_default().chars().take(SHOWN_MAX).collect();
        Err(format!("it ended with {ended}: {said}"))
    }
}

/// What a stream says, up to the limit. What comes after it is thrown away, so that the program can end.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut bytes = Vec::new();
    // A stream that breaks ends: the exit status says whether that was well.
    let _ = (&mut stream).take(OUTPUT_MAX_BYTES).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refused(why: &str) -> Fault {
    Fault::new(Code::NO_TOKEN, format!("`{PROGRAM} oidc request-token` gives no token: {why}"))
        .remedy("Check that the job can reach the agent; in a container, pass its socket and variables on.")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A stand-in for Buildkite's agent, which cannot be had here: it checks how it was called.
    async fn asked(script: &str) -> Result<String, Fault> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("agent");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let audience = Audience::parse("portcullis:acme/dev").unwrap();
        let agent = Agent { program: program.display().to_string(), audience };
        loop {
            match agent.token().await {
                // Another test's child still has the script open for writing, until it has become its program.
                Err(fault) if fault.message().contains("Text file busy") => tokio::task::yield_now().await,
                other => return other,
            }
        }
    }

    #[tokio::test]
    async fn the_agent_is_asked_for_the_audience() {
        let script = r#"[ "$*" = "oidc request-token --audience portcullis:acme/dev" ] && echo a.b.c"#;
        assert_eq!(asked(script).await.unwrap().trim(), "a.b.c");
    }

    #[tokio::test]
    async fn a_failure_shows_the_agent_s_last_line() {
        let fault = asked("echo secret; echo first >&2; echo 'fatal: no job' >&2; exit 3").await.unwrap_err();
        assert_eq!(fault.code(), Code::NO_TOKEN);
        assert!(fault.message().contains("fatal: no job") && !fault.message().contains("secret"), "{fault}");
    }

    #[tokio::test]
    async fn an_agent_that_says_too_much_is_cut_and_still_ends() {
        let said = asked("head -c 1000000 /dev/zero | tr '\\0' x").await.unwrap();
        assert_eq!(said.len() as u64, OUTPUT_MAX_BYTES);
    }

    #[tokio::test]
    async fn a_missing_agent_is_said() {
        let audience = Audience::parse("portcullis:acme/dev").unwrap();
        let agent = Agent { program: "/nowhere/agent".into(), audience };
        assert_eq!(agent.token().await.unwrap_err().code(), Code::NO_TOKEN);
    }
}
