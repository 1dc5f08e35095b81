//! The engine at work: one tokio task takes every event in turn.
//!
//! | module | holds |
//! |---|---|
//! | `ports` | [`Journal`] and [`Work`], which `app` implements; [`Stop`] |
//! | `handle` | [`Handle`]: what the rest of the runner may ask of the engine |
//! | `actor` | the task: event, commit, effects |
//!
//! Architecture invariants: effects are performed only after their record is committed. Jobs and requests
//! only send messages to the task; nothing else touches the state. No decision is made here.

mod actor;
mod handle;
mod ports;

pub use handle::{Handle, start};
pub use ports::{BoxFuture, Journal, Stop, Work};
