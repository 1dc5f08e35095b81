//! The task that takes every event in turn.
