//! Terragrunt configuration: from files to a unit's effective configuration.
//!
//! A [`Session`] evaluates one unit once. Each file that takes part is a [`Frame`]: the unit's own, one for
//! each included file, one for each file that is read by `read_terragrunt_config`. A frame answers names and
//! functions lazily, so that only what is referred to is evaluated. Blocks become [`Section`]s, a file's
//! sections a [`Config`]; includes are merged on that level, before anything has a Rust type.
//!
//! | module | holds |
//! |---|---|
//! | `schema` | which blocks and attributes there are |
//! | `session` | what all frames of one evaluation share |
//! | `frame` | one file: its names, lazily |
//! | `json_syntax` | configuration in HCL's JSON syntax |
//! | `defaults` | what a configuration means where nothing is written |
//! | `include` | include blocks, and what they expose |
//! | `dependency` | dependency blocks, their outputs and mocks |
//! | `functions` | Terragrunt's functions; `files` and `globs` those that read files, `working_dir` that one |
//! | `values` | the values of a unit that a stack generates |
//! | `stack_file` | a stack's file; `partial` and `literal` write what it generates |
//! | `sections` | blocks and attributes as values; `types` what they become |
//! | `exposed` | a configuration as other configuration sees it, and as it is rendered |
//! | `legacy` | spellings of Terragrunt before 1.0 |
//! | `merge` | includes merged into the file that includes them |
//! | `memo` | what several units have in common, evaluated once |
//! | `survey` | everything that is wrong, where evaluation stops at the first fault |
//!
//! Rules taken from Terragrunt (its reference of blocks, attributes and functions, and `pkg/config`) are
//! stated where they are applied.

mod defaults;
mod dependency;
mod exposed;
mod files;
mod frame;
mod functions;
mod globs;
mod include;
mod json_syntax;
mod legacy;
mod literal;
mod memo;
mod merge;
mod partial;
mod retryable;
mod schema;
mod sections;
mod session;
mod stack_file;
mod survey;
mod types;
mod values;
mod working_dir;

pub(crate) use defaults::is_default;
pub(crate) use dependency::{Target, target};
pub(crate) use exposed::Outputs as OutputsIn;
pub(crate) use exposed::layers;
pub(crate) use frame::Frame;
pub(crate) use globs::glob;
pub(crate) use include::{first, named as includes};
pub(crate) use json_syntax::{STRICT as STRICT_JSON, is_json, parse as parse_json};
pub(crate) use memo::Memo;
pub(crate) use sections::{Config, PLAIN, Section, TERRAFORM_BLOCKS};
pub(crate) use session::{OutputsMode, Session};
pub(crate) use stack_file::{Component, ComponentKind, STACK_AUTOINCLUDE, STACK_FILE, STACK_FOLDER, StackFile};
pub(crate) use survey::{Faults, files as survey_files, parts as survey_parts};
pub(crate) use values::VALUES_FILE;

/// The file that makes a folder a unit.
pub(crate) const CONFIG_FILE: &str = "terragrunt.hcl";
/// The same in HCL's JSON syntax.
pub(crate) const JSON_CONFIG_FILE: &str = "terragrunt.hcl.json";

/// Whether a file that is read is a configuration: neither a stack's file nor its values.
fn is_configuration(path: &str) -> bool {
    crate::path::name(path) != VALUES_FILE && !path.ends_with(".stack.hcl")
}

/// Whether a file of this name makes its folder a unit.
pub(crate) fn is_config_file(name: &str) -> bool {
    name == CONFIG_FILE || name == JSON_CONFIG_FILE
}
