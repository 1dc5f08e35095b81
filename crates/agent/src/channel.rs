//! Frames from and to the runner, over the standard input and output that the agent was started with.
//!
//! Never: hands either descriptor to a step (both copies are closed at `exec`).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};

use portcullis_model::agent::{FRAME_MAX_BYTES, FrameKind, Report, TaskSpec, decode_header, read_frame, write_frame};

/// The channel to the runner.
#[derive(Debug)]
pub struct Channel {
    input: File,
    output: File,
    /// Bytes of a control frame that is not complete yet.
    pending: Vec<u8>,
}

/// What the runner wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Interrupt what runs.
    Interrupt,
    /// The runner is gone: end at once.
    Gone,
}

impl Channel {
    /// The channel over the standard input and output. Anything else that prints there would break frames.
    pub fn open() -> io::Result<Self> {
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Channel { input, output, pending: Vec::new() })
    }

    /// Reads the first frame.
    pub fn spec(&mut self) -> Result<TaskSpec, String> {
        let frame = read_frame(&mut self.input).map_err(|error| format!("cannot read the task: {error}"))?;
        match frame {
            Some((FrameKind::Spec, json)) => {
                serde_json::from_slice(&json).map_err(|error| format!("cannot read the task: {error}"))
            }
            Some((kind, _)) => Err(format!("expected a task, got a frame {kind:?}")),
            None => Err("the runner is gone".to_string()),
        }
    }

    /// Readable when [`Channel::control`] has something to read.
    pub fn input(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }

    /// Reads what is there, once: call it when [`Channel::input`] is readable. `None`: not a whole frame yet.
    pub fn control(&mut self) -> Option<Control> {
        let mut bytes = [0u8; 64];
        match self.input.read(&mut bytes) {
            Ok(0) => return Some(Control::Gone),
            Ok(read) => self.pending.extend(bytes.iter().take(read)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return None,
            Err(_) => return Some(Control::Gone),
        }
        take_control(&mut self.pending)
    }

    /// Sends a report.
    pub fn report(&mut self, report: &Report) -> io::Result<()> {
        let json = serde_json::to_vec(report)?;
        write_frame(&mut self.output, FrameKind::Report, &json)
    }

    /// Sends log bytes.
    pub fn log(&mut self, bytes: &[u8]) -> io::Result<()> {
        write_frame(&mut self.output, FrameKind::Log, bytes)
    }

    /// Sends an artifact.
    pub fn artifact(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.report(&Report::Artifact { name: name.to_string(), bytes: bytes.len() as u64 })?;
        for chunk in bytes.chunks(FRAME_MAX_BYTES) {
            write_frame(&mut self.output, FrameKind::Artifact, chunk)?;
        }
        Ok(())
    }
}

/// Takes all whole control frames. What is no control frame means that the runner and the agent are not of
/// one build: as good as gone.
fn take_control(pending: &mut Vec<u8>) -> Option<Control> {
    let mut control = None;
    while let Some(header) = pending.first_chunk::<5>() {
        match decode_header(*header) {
            Ok((FrameKind::Interrupt, 0)) => {
                pending.drain(..5);
                control = Some(Control::Interrupt);
            }
            _ => return Some(Control::Gone),
        }
    }
    control
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_may_come_in_pieces_and_anything_else_ends_the_agent() {
        let mut pending = vec![FrameKind::Interrupt as u8, 0, 0];
        assert_eq!(take_control(&mut pending), None);
        pending.extend([0, 0, FrameKind::Interrupt as u8]);
        assert_eq!(take_control(&mut pending), Some(Control::Interrupt));
        assert_eq!(pending.len(), 1);
        assert_eq!(take_control(&mut vec![FrameKind::Log as u8, 0, 0, 0, 0]), Some(Control::Gone));
        assert_eq!(take_control(&mut vec![FrameKind::Interrupt as u8, 0, 0, 0, 9]), Some(Control::Gone));
    }
}
