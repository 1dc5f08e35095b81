//! Writing to standard output and standard error: coloured when it is a terminal, and never a panic when the
//! reader has gone.

use std::io::{ErrorKind, Write};

use portcullis_model::Fault;
use serde::Serialize;

use crate::outcome::Exit;

/// Writes text, which may be styled, to standard output.
///
/// # Errors
/// When it cannot be written. A reader that has gone away (`| head`) ends the process quietly.
pub fn print(text: &str) -> Result<(), Fault> {
    sent(put(anstream::stdout().lock(), text.as_bytes()))
}

/// Writes bytes as they are to standard output.
///
/// # Errors
/// As [`print`].
pub fn print_raw(bytes: &[u8]) -> Result<(), Fault> {
    sent(put(std::io::stdout().lock(), bytes))
}

/// Writes a value as indented JSON to standard output.
///
/// # Errors
/// As [`print`].
pub fn print_json(value: &impl Serialize) -> Result<(), Fault> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Fault::internal(format!("the answer does not become JSON: {error}")))?;
    text.push('\n');
    print_raw(text.as_bytes())
}

/// Writes text, which may be styled, to standard error. That it cannot be written cannot be said anywhere.
pub fn complain(text: &str) {
    let _ = put(anstream::stderr().lock(), text.as_bytes());
}

fn put(mut to: impl Write, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

fn sent(result: std::io::Result<()>) -> Result<(), Fault> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(Exit::Failed as i32),
        other => other.map_err(|error| Fault::io("standard output cannot be written", &error)),
    }
}
