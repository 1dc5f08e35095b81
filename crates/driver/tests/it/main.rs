//! Both drivers in real sandboxes, with the real tool and, where it is on PATH, the real Terragrunt.
//!
//! | module | holds |
//! |---|---|
//! | `bench` | sandboxes over a folder of units, with states in memory |
//! | `probe` | what a driver has started the tool with |
//! | `units` | small units, each for one rule, compared at the moment when the tool starts |
//! | `estate` | the whole example, brought up by both drivers |
//! | `refused` | what the terragrunt driver does not let happen |
//!
//! The agent is built before the tests run (`cargo xtask test` does it).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bench;
mod estate;
mod probe;
mod refused;
mod units;
