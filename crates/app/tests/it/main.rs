//! The runner from outside: documents that must stay true, and the gate through the real router.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod actions;
mod attacks;
mod bad_input;
mod connections;
mod definition;
mod error_pages;
mod fixture;
mod gate;
mod load;
mod openapi;
mod routes;
mod tls;
