//! The vocabulary of Portcullis: typed ids, actions, runs, tasks, events, plan summaries, error codes.
//!
//! Every other crate speaks in these types, so that a unit path or a digest that exists as a value has
//! been checked once, where it came in. Ids are made only by parsing.
//!
//! | module | holds |
//! |---|---|
//! | [`id`] | names, paths, digests, commit ids, run and task ids |
//! | [`code`] | the register of stable `PC-` codes |
//! | [`fault`] | [`Fault`]: an expected error, with its code, place and remedy |
//! | [`parameter`] | types of the parameters of declared actions, checking values, arguments made of them |
//! | [`action`] | what a caller may ask for, as it arrives and as it is checked |
//! | [`run`] | runs, tasks, their states, events, plan summaries |
//! | [`record`] | what the engine hands to the store |
//! | [`ledger`] | the ledger's entries: canonical bytes, the chain of hashes |
//! | [`api`] | request and response bodies of the HTTP API |
//! | [`agent`] | the protocol between the runner and the agent in a sandbox |
//! | [`state`] | limits and locks of the runner's own state store |
//! | [`network`] | how an address is classed, and a host as a fleet names it |
//! | [`source`] | where a module outside of the repository comes from, and from where a fleet allows it |
//! | [`digest`] | SHA-256 over structured content, without ambiguity |
//!
//! Architecture invariant: this crate does no I/O, reads no clock and knows no async runtime.

pub mod action;
pub mod agent;
pub mod api;
pub mod code;
pub mod digest;
pub mod fault;
pub mod id;
pub mod ledger;
pub mod network;
pub mod parameter;
pub mod record;
pub mod run;
pub mod source;
pub mod state;

pub use action::{Action, ActionKind, Selection};
pub use code::Code;
pub use digest::{Digest, DigestBuilder};
pub use fault::{Fault, Place};
pub use id::{
    AccountName, BranchName, CommitId, FleetName, PrincipalName, RepositoryName, RunId, TagName, TaskId, UnitPath,
};
pub use network::{Reach, Scheme, Target};
pub use run::{ChangeKind, Phase, PlanSummary, RunState, TaskState};
pub use source::{RemoteSource, SourcePattern};
