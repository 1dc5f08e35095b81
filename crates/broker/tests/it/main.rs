//! The door from outside: over its socket, and with the real tool.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod attacks;
mod aws;
mod cloud;
mod memory;
mod outside;
mod terraform;
mod wire;
