//! The command line from outside: documents that show it, and the program itself against a runner.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod actions;
mod cache;
mod documents;
mod exit_codes;
mod fake;
mod fleet;
mod following;
mod program;
mod runs;
