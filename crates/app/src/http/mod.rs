//! The `/v1` API of a runner.
//!
//! | module | holds |
//! |---|---|
//! | [`service`] | the trait that a runner implements |
//!
//! Never decides who may do what: that is the [`Service`]'s.

pub mod service;

pub use service::{Answer, Bearer, Events, IdempotencyKey, LogPart, RunReader, Service, TaskReader};
