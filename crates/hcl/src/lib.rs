//! HCL: parsed files, values, a lazy evaluator and the pure functions of Terraform.
//!
//! How the parts fit: a [`File`] is parsed once and shared. [`evaluate`] turns one of its expressions into
//! a [`Value`]; names and host functions are answered by the caller's [`Scope`], one at a time and only
//! when they are needed. A [`Budget`] bounds what one evaluation may cost. Every value knows its
//! [`Origin`], whether it is sensitive, and, if it is unknown, why and how it was made.
//!
//! | module | holds |
//! |---|---|
//! | `syntax` | the grammar: what is wrong with a text, and where |
//! | [`file`] | source text, syntax tree, places in it |
//! | [`value`] | values, their marks and their accessors |
//! | [`types`] | types, unification and conversion |
//! | `eval` | the evaluator: expressions, templates, operators, access |
//! | `functions` | the pure functions of Terraform |
//! | `json` | values from and to JSON |
//! | `number`, `notation` | arithmetic as Terraform does it; numbers as text |
//! | `set_order` | the order of a set's elements |
//! | [`scope`] | how the host answers names and functions |
//! | [`limits`] | sizes, steps and depth |
//!
//! Architecture invariant: this crate does no I/O, reads no clock and no environment, starts nothing, and
//! knows nothing of Terragrunt, accounts or fleets.

pub mod file;
pub mod limits;
pub mod scope;
pub mod types;
pub mod value;

mod eval;
mod functions;
mod json;
mod notation;
mod number;
mod set_order;
mod syntax;

pub use eval::{evaluate, faults, render};
pub use file::{File, Origin};
pub use limits::{Budget, Cost, Limits, Meter};
pub use scope::{EmptyScope, Reference, Scope, references};
pub use value::{Kind, Unknown, Value};

/// The syntax tree, as `hcl-edit` has it; re-exported so that all crates use one version.
pub use hcl_edit;
