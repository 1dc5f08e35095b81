//! The one door out of a sandbox.
//!
//! A sandbox has no network but loopback. There the agent forwards one port to this door: a Unix socket,
//! one per task, that speaks HTTP/1.1 as a proxy does. It answers for one host itself, `state.portcullis`, with the
//! protocol of Terraform's `http` backend, and only for what the task's phase needs:
//!
//! | phase | own state | states that it may read | all else |
//! |---|---|---|---|
//! | `Plan` | read, lock, unlock | read | refused |
//! | `Apply` | read, lock, unlock, write | read | refused |
//! | `Outputs` | read | read | refused |
//!
//! Other hosts are reached as [`Egress`] says, and not at all without it: by a tunnel, or through the door's own TLS,
//! where each request is looked at and gets the runner's credential.
//!
//! Every request on a kept connection is judged for itself, every call is recorded, and a refusal says why.
//!
//! | module | job |
//! |---|---|
//! | `door` | the socket, its connections and limits |
//! | `judge` | pure: request line and phase in, decision out |
//! | `state` | an allowed request for a state, against the [`StatePort`] |
//! | `egress` | the hosts that a task may reach |
//! | `gateway` | the three ways to them |
//! | `tunnel` | TLS passed on, to the host that it names |
//! | `authority` | certificates for hosts where TLS ends here |
//! | `outgoing` | a request as it leaves, and its connection |
//! | `dial` | names looked up, addresses classed, one of them connected to |
//! | `body` | what passes, counted |
//! | `record` | what is kept of each call |
//!
//! Architecture invariant: the broker knows no store; [`StatePort`] is given by `app`. It never looks into a
//! state or a plan.

mod authority;
pub mod aws;
mod body;
mod cloud;
mod dial;
mod door;
mod egress;
mod gateway;
mod judge;
mod outgoing;
mod port;
mod record;
mod state;
mod tunnel;

pub use cloud::{Aws, Keys, placeholder};
pub use dial::{Names, SystemNames};
pub use door::{CONNECTIONS_MAX, Door, DoorSettings, HOST};
pub use egress::{Egress, Injected, Route, Way};
pub use port::{BoxFuture, LockAnswer, StatePort, UnlockAnswer};
pub use record::{CALLS_MAX, Call, Decision};
