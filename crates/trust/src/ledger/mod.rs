//! The ledger from outside: what is signed over it, and whether an export of it is what was signed.
//!
//! | module | holds |
//! |---|---|
//! | `key` | Ed25519 keys, as text |
//! | `checkpoint` | [`Checkpoint`]: a signed statement of how many entries there are and what the last one is |
//! | `verify` | [`verify()`]: an export, line by line, with only the public key |
//!
//! Keys and checkpoints are written as *signed notes* (<https://c2sp.org/signed-note>, as in Go's checksum database
//! and the logs of sigstore), so that other programs can check them. A checkpoint has the lines of a *log checkpoint*
//! (<https://c2sp.org/tlog-checkpoint>), but its hash is the head of a chain, not the root of a tree: a tool that wants
//! to prove inclusion in a tree has no use for it.
//!
//! Entries themselves are [`portcullis_model::ledger`]; where they are kept is the store.
//!
//! Never reads a clock or a file.

mod checkpoint;
mod key;
mod verify;

pub use checkpoint::{CHECKPOINT_MAX_BYTES, Checkpoint};
pub use key::{SigningKey, VerifyingKey};
pub use verify::{Break, Broken, Report, checkpoint_line, entry_line, verify};
