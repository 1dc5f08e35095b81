//! The `portcullis` program: command line, HTTP API, the gate, and the wiring of a runner.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | the command line: arguments in, text and exit codes out |
//! | [`client`] | how the command line talks to a runner: tokens, requests, the event stream |
//! | [`render`] | runs, plans, units and faults as text for people |
//! | [`http`] | the `/v1` API of a runner, over the [`http::Service`] trait |
//! | [`gate`] | the one way in: authenticate, validate, authorize, accept |
//! | [`runner`] | `portcullis serve`: the parts of a runner, wired |
//! | [`imports`] | files of other repositories that a fleet definition imports |
//! | [`work`] | what the engine asks for: preparing runs, planning and applying units |
//! | [`outcome`] | which HTTP status and exit code a fault becomes |
//! | [`options`] | `serve`'s options, checked |
//! | [`environment`] | the process environment, read once |
//!
//! Architecture invariant: no domain logic here. What a unit is, who may do what, what a run does next is
//! decided in the other crates; this one asks them and carries the answers.

pub mod cli;
pub mod client;
pub mod environment;
pub mod gate;
pub mod http;
pub mod imports;
pub mod options;
pub mod outcome;
pub mod render;
pub mod runner;
pub mod work;

pub use cli::main;
