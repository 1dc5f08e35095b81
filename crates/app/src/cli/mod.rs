//! The command line: arguments in, text and exit codes out.

use std::process::ExitCode;

use crate::outcome::Exit;

/// Runs the program.
pub fn main() -> ExitCode {
    Exit::Usage.into()
}
