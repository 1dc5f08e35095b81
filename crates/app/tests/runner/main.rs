//! Real `portcullis serve` processes, with the real agent, tool and git, at the moments when things go wrong.
//!
//! | module | holds |
//! |---|---|
//! | `world` | a repository made from the example, an issuer, a runner and what it is asked |
//! | `tool` | a tool that a test can stop, kill and let go at the steps of a unit |
//! | `action` | a declared action: what its program is given, and what it cannot do |
//! | `killed` | SIGKILL, at any moment: everything goes on, nothing is applied twice |
//! | `stopped` | SIGTERM: what runs is given its time, the rest goes on at the next start |
//! | `broken_tool` | a tool that is killed, or disappears |
//! | `full_disk` | no space on the data folder |
//! | `ordinary` | a runner that is no root |
//! | `terragrunt` | an account that Terragrunt itself runs |
//! | `modules` | a module of another repository, whose tag moves |
//! | `network` | what leaves a sandbox, with which credential |
//! | `apart` | an issuer that does not answer; two runners on one data folder |
//!
//! The agent and the program are built before the tests run (`cargo xtask test` does it). Nothing here waits for
//! time to pass: a test waits for an event of a run, a line of a log, or the end of a process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod action;
mod apart;
mod broken_tool;
mod full_disk;
mod killed;
mod modules;
mod network;
mod ordinary;
mod root_modules;
mod stopped;
mod terragrunt;
mod tool;
mod world;
