//! The estate: all Terragrunt units of a repository at one commit, their effective configuration and their
//! dependency graph, found out without executing anything.
//!
//! How the parts fit: a [`Source`] gives files (git objects or a plain folder). [`Estate::load`] walks it for
//! units and evaluates each one with its dependencies' outputs *unknown*: that gives the graph, the input
//! digest, and what would need running to be known. [`Estate::resolve`] evaluates one unit again with real
//! outputs in hand: that is what a driver lays out. [`affected`] compares two estates.
//!
//! Architecture invariant: this crate runs no code of the repository, starts no program, follows no link out
//! of the repository, reads no environment and no clock, and needs no checkout.

mod affected;
mod cache;
mod change;
mod config;
mod decode;
mod diff;
mod discover;
mod disk;
mod documentation;
mod effective;
mod estate;
mod evaluate;
mod excludes;
mod generations;
mod graph;
mod json;
mod json_code;
mod module;
mod moved;
mod named;
mod path;
mod reader;
mod resolved;
mod root_modules;
mod settings;
mod source;
mod stacks;
mod trace;
mod unit;
mod version;

pub use affected::{Affected, AffectedKind, affected, because};
pub use cache::{Cache, CacheLimits};
pub use change::Change;
pub use diff::{EffectiveDiff, Group, SharedChange, diff};
pub use effective::{Effective, Explained, Provenance, attribute_path};
pub use estate::{Estate, Outputs, Units};
pub use resolved::{
    Errors, ExtraArguments, GENERATED_SIGNATURE, Generated, Hook, IamRole, IfDisabled, IfExists, Ignore, Mocked,
    ModuleFolder, ModuleSource, RemoteState, Resolved, Retry, Taken,
};
pub use settings::{AccountFacts, Limits, Settings, ToolFacts};
pub use source::{
    Checkout, ContentId, DirEntry, DirSource, Entry, EntryKind, FILE_MAX_BYTES, GitObjects, GitSource, Look, Range,
    Source,
};
pub use stacks::{Elsewhere, Stack, Stacks};
pub use unit::{Dependency, Difference, Exclude, Module, Parts, Unit};
pub use version::satisfies;
