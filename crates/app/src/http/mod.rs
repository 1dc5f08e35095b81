//! The `/v1` API of a runner.
//!
//! | module | holds |
//! |---|---|
//! | [`service`] | the trait that a runner implements |
//! | [`router`] | every route on one page, and what all of them share |
//! | [`runs`], [`tasks`], [`units`], [`health`] | the handlers, by noun |
//! | [`extract`] | what is taken from a request, checked and limited |
//! | [`refusal`] | faults as RFC 9457 problem documents |
//! | [`listener`] | sockets, connection limits, a clean stop |
//! | `tls`, `patient` | certificates and their renewal; callers that do not read |
//! | [`views`] | records as the API shows them |
//! | [`openapi`] | the document that describes all this |
//!
//! Never decides who may do what: that is the [`Service`]'s. Every answer is `no-store`, and every error, also
//! those of the framework, is a problem document with a stable code.

pub mod actions;
pub mod definition;
pub mod extract;
pub mod health;
pub mod listener;
pub mod openapi;
mod patient;
pub mod rate;
pub mod refusal;
pub mod router;
pub mod runs;
pub mod service;
pub mod tasks;
mod tls;
pub mod units;
pub mod views;

pub use listener::Listener;
pub use service::{Answer, Bearer, Events, IdempotencyKey, LogPart, RunReader, Service, TaskReader};
