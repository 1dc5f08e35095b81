//! How long each part of the work took: one line of the log each, at level `debug` of the target `portcullis_took`.
//!
//! For who looks for where the time goes; `cargo xtask bench run-all` reads it. Never a value of a unit.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Says how long something took for a unit, or for whatever else is named.
pub fn took(what: &'static str, unit: &dyn Display, since: Instant) {
    lasted(what, unit, since.elapsed());
}

/// The same, of a time that is known.
pub fn lasted(what: &str, unit: &dyn Display, time: Duration) {
    let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(target: "portcullis_took", what, %unit, us, "took");
}
