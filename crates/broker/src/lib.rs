//! The one door out of a sandbox.
//!
//! A sandbox has no network but loopback. There the agent forwards one port to this door: a Unix socket,
//! one per task, that speaks HTTP/1.1 as a proxy does. It answers for one host, `state.portcullis`, with the
//! protocol of Terraform's `http` backend, and only for what the task's phase needs:
//!
//! | phase | own state | states that it may read | all else |
//! |---|---|---|---|
//! | `Plan` | read, lock, unlock | read | refused |
//! | `Apply` | read, lock, unlock, write | read | refused |
//! | `Outputs` | read | read | refused |
//!
//! Every request on a kept connection is judged for itself, every call is recorded, and a refusal says why.
//!
//! | module | job |
//! |---|---|
//! | `door` | the socket, its connections and limits |
//! | `judge` | pure: request line and phase in, decision out |
//! | `state` | an allowed request, against the [`StatePort`] |
//! | `record` | what is kept of each call |
//!
//! Architecture invariant: the broker knows no store; [`StatePort`] is given by `app`. It never looks into a
//! state or a plan.

pub mod aws;
mod door;
mod judge;
mod port;
mod record;
mod state;

pub use door::{Door, DoorSettings, HOST};
pub use port::{BoxFuture, LockAnswer, StatePort, UnlockAnswer};
pub use record::{CALLS_MAX, Call, Decision};
