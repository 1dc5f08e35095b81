//! The protocol between the runner and `portcullis-agent` in a sandbox.
//!
//! One channel (the agent's standard input and output), frames both ways. A frame is one byte for its kind,
//! four bytes of length (big endian), then that many bytes. The runner sends one [`TaskSpec`] as JSON, then
//! at most control frames. The agent sends what happens. Whatever the agent says is untrusted: it shares
//! the sandbox with a stranger's code.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use serde::{Deserialize, Serialize};

/// Path inside a sandbox of its one writable folder.
pub const WORK: &str = "/work";
/// Path inside a sandbox of the door's Unix socket.
pub const DOOR_SOCKET: &str = "/run/portcullis/door.sock";
/// Largest frame, in bytes (payload).
pub const FRAME_MAX_BYTES: usize = 1 << 20;
/// Largest task spec, in bytes.
pub const SPEC_MAX_BYTES: usize = FRAME_MAX_BYTES;

/// What the agent is to do. Everything in it is decided outside; the agent makes no choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// In order. After a step that fails, only steps whose `when` says so are run.
    pub steps: Vec<Step>,
    /// The environment of every step; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// Forward this TCP port on 127.0.0.1 to the door's Unix socket.
    pub door: Option<Door>,
    /// Absolute paths (inside) that may be read and executed.
    pub read_only: Vec<String>,
    /// Absolute paths (inside) that may be read, written and executed.
    pub read_write: Vec<String>,
    /// Standard output and error of all steps together, in bytes; more is cut and the task fails.
    pub output_max_bytes: u64,
}

/// The one way out of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// TCP port on 127.0.0.1 inside.
    pub port: u16,
    /// Path of the Unix socket inside.
    pub socket: String,
}

/// When a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// No earlier step failed.
    Success,
    /// Always, unless the task was interrupted.
    Always,
    /// Only after a failed step.
    Failure,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Step {
    /// Run a program. No shell.
    Run {
        /// What to call it in logs and errors: `init`, `plan`, `hook before "x"`.
        name: String,
        /// Program (absolute, or found on the spec's `PATH`) and arguments.
        argv: Vec<String>,
        /// Working directory, absolute.
        cwd: String,
        /// Added to the spec's environment.
        env: BTreeMap<String, String>,
        /// Exit codes that are success. Normally `[0]`.
        accept: Vec<i32>,
        /// Where standard output goes. Standard error is always log.
        stdout: Stdout,
        /// When it runs.
        when: When,
        /// Seconds until it is interrupted (SIGINT), and 30 seconds later killed.
        timeout_s: u32,
        /// What its failure means.
        role: Role,
    },
    /// Send a file (a regular file, no link) as an artifact.
    Collect {
        /// The artifact's name.
        name: String,
        /// Absolute path inside.
        path: String,
        /// Larger is an error.
        max_bytes: u64,
        /// A missing file is no error.
        optional: bool,
        /// When it runs.
        when: When,
    },
    /// Send every regular file under a folder as artifacts `name/relative/path`; links are skipped. If it
    /// holds more than `max_bytes` or 1,000 files, nothing of it is sent.
    CollectTree {
        /// Prefix of the artifacts' names.
        name: String,
        /// Absolute path inside.
        path: String,
        /// Bytes of all files together.
        max_bytes: u64,
    },
}

/// Where a step's standard output goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stdout {
    /// Into the log.
    Log,
    /// Becomes an artifact, not in the log.
    Artifact {
        /// The artifact's name.
        name: String,
        /// More is an error.
        max_bytes: u64,
    },
}

/// Whose program a step runs: decides which error its failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The tool (OpenTofu, Terraform, Terragrunt).
    Tool,
    /// A hook from the unit's configuration.
    Hook,
}

/// Kinds of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// Runner → agent: the [`TaskSpec`], as JSON. First and once.
    Spec = 1,
    /// Runner → agent: interrupt the running step (SIGINT to its process group), start no other but `Always` ones.
    Interrupt = 2,
    /// Agent → runner: a [`Report`], as JSON.
    Report = 16,
    /// Agent → runner: log bytes, as the tools printed them.
    Log = 17,
    /// Agent → runner: bytes of the artifact last announced by [`Report::Artifact`].
    Artifact = 18,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => FrameKind::Spec,
            2 => FrameKind::Interrupt,
            16 => FrameKind::Report,
            17 => FrameKind::Log,
            18 => FrameKind::Artifact,
            _ => return None,
        })
    }
}

/// What the agent reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "report")]
pub enum Report {
    /// The sandbox is closed (landlock, seccomp, limits are in force); the first step follows.
    Ready,
    /// A step starts.
    StepStarted {
        /// Index in the spec.
        index: usize,
    },
    /// A step ended.
    StepEnded {
        /// Index in the spec.
        index: usize,
        /// How.
        ended: Ended,
        /// Wall time in milliseconds.
        wall_ms: u64,
        /// Peak resident memory of the step's largest process, in KiB.
        peak_kib: u64,
    },
    /// An artifact follows in `Artifact` frames, `bytes` in all.
    Artifact {
        /// Its name.
        name: String,
        /// Its size.
        bytes: u64,
    },
    /// All steps are done or skipped. Last.
    Done {
        /// Index of the first step that failed.
        failed: Option<usize>,
        /// Whether it was interrupted.
        interrupted: bool,
    },
    /// The agent could not do its work. Last.
    Broken {
        /// Why, for people.
        why: String,
    },
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It exited.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    /// It could not be started, or its file not be sent.
    Error(String),
    /// It took too long.
    Timeout,
    /// It printed too much.
    OutputLimit,
    /// `when` did not hold.
    Skipped,
}

/// Writes one frame.
///
/// # Errors
/// Those of the writer, and `InvalidInput` for a payload over [`FRAME_MAX_BYTES`].
pub fn write_frame(to: &mut impl Write, kind: FrameKind, payload: &[u8]) -> std::io::Result<()> {
    if payload.len() > FRAME_MAX_BYTES {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "frame too large"));
    }
    let mut header = [kind as u8, 0, 0, 0, 0];
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    for (to, from) in header.iter_mut().skip(1).zip(length) {
        *to = from;
    }
    to.write_all(&header)?;
    to.write_all(payload)?;
    to.flush()
}

/// Decodes a header.
///
/// # Errors
/// `InvalidData` for an unknown kind or a length over [`FRAME_MAX_BYTES`].
pub fn decode_header(header: [u8; 5]) -> std::io::Result<(FrameKind, usize)> {
    let invalid = |why: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, why.to_string());
    let [kind, a, b, c, d] = header;
    let kind = FrameKind::from_byte(kind).ok_or_else(|| invalid("unknown kind of frame"))?;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length > FRAME_MAX_BYTES {
        return Err(invalid("frame too large"));
    }
    Ok((kind, length))
}

/// Reads one frame; `None` at a clean end.
///
/// # Errors
/// Those of the reader, and `InvalidData` for what is no frame.
pub fn read_frame(from: &mut impl Read) -> std::io::Result<Option<(FrameKind, Vec<u8>)>> {
    let mut header = [0u8; 5];
    let (first, rest) = header.split_at_mut(1);
    loop {
        match from.read(first) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    from.read_exact(rest)?;
    let (kind, length) = decode_header(header)?;
    let mut payload = vec![0u8; length];
    from.read_exact(&mut payload)?;
    Ok(Some((kind, payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_the_wire_and_a_hostile_length_is_refused() {
        let mut wire = Vec::new();
        write_frame(&mut wire, FrameKind::Log, b"hello").unwrap();
        assert_eq!(read_frame(&mut wire.as_slice()).unwrap(), Some((FrameKind::Log, b"hello".to_vec())));
        assert!(read_frame(&mut [17u8, 0xff, 0xff, 0xff, 0xff].as_slice()).is_err());
        assert!(read_frame(&mut [99u8, 0, 0, 0, 0].as_slice()).is_err());
        assert_eq!(read_frame(&mut [].as_slice()).unwrap(), None);
    }
}
