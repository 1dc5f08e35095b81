//! The store from outside, on real SQLite: one test binary.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod crash;
mod damage;
mod ledger;
mod logs;
mod records;
mod sample;
mod scale;
mod states;
