//! Writing to standard output and standard error: coloured when it is a terminal, and never a panic when the
//! reader has gone.

use std::io::{ErrorKind, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use portcullis_model::Fault;
use serde::Serialize;

use crate::outcome::Exit;
use crate::render::terminal::{self, Colours};

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Sets when colours are used, for the whole process.
pub fn use_color(color: Color) {
    match color {
        Color::Auto => {}
        Color::Always => ColorChoice::Always.write_global(),
        Color::Never => ColorChoice::Never.write_global(),
    }
}

/// What becomes of the colours of a log that goes to standard output.
pub fn log_colours() -> Colours {
    match AutoStream::choice(&std::io::stdout()) {
        ColorChoice::Never => Colours::Dropped,
        _ => Colours::Kept,
    }
}

/// Text for standard error, with its styles or without, as is wanted there.
pub fn painted(text: &str) -> String {
    match AutoStream::choice(&std::io::stderr()) {
        ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
        _ => text.to_owned(),
    }
}

/// Whether standard error is a terminal that can redraw lines.
pub fn is_live(term: Option<&str>) -> bool {
    std::io::stderr().is_terminal() && term != Some("dumb")
}

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
    print_json_text(serde_json::to_string_pretty(value))
}

/// Writes a value as JSON on one line to standard output.
///
/// # Errors
/// As [`print`].
pub fn print_json_line(value: &impl Serialize) -> Result<(), Fault> {
    print_json_text(serde_json::to_string(value))
}

fn print_json_text(text: serde_json::Result<String>) -> Result<(), Fault> {
    let text = text.map_err(|error| Fault::internal(format!("the answer does not become JSON: {error}")))?;
    print_raw(format!("{}\n", terminal::json(&text)).as_bytes())
}

/// Writes text, which may be styled, to standard error. That it cannot be written cannot be said anywhere.
pub fn complain(text: &str) {
    let _ = put(anstream::stderr().lock(), text.as_bytes());
}

/// Writes a fault as JSON on one line to standard error: `code`, `message` and what else there is of it.
pub fn complain_json(fault: &Fault) {
    let text = serde_json::to_string(fault).unwrap_or_else(|_| format!("{{\"code\":\"{}\"}}", fault.code()));
    complain(&format!("{}\n", terminal::json(&text)));
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
