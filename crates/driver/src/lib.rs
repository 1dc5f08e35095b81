//! How a unit is run: from its resolved configuration to a [`Recipe`], the files and steps of a sandbox.
//!
//! | module | holds |
//! |---|---|
//! | [`layout`] | the private folder's files, in memory |
//! | [`native`] | the working directory and steps that Terragrunt would have made |
//! | [`terragrunt`] | the real program, over a private copy of the repository |
//! | [`action`] | the program of a declared action |
//! | [`show`] | what a saved plan says, from a sandbox of its own |
//! | `steps` | what their steps have in common |
//! | `generate`, `format`, `inputs`, `arguments`, `backend`, `nested` | parts of the native driver |
//!
//! Places inside a sandbox: `/repo` is the repository (read-only, or a private copy), `/work` is private and holds
//! the [`Layout`].
//!
//! Architecture invariant: this crate is pure. It reads the repository through [`portcullis_estate::Source`],
//! starts nothing, writes nothing and makes no choice that depends on the machine.

pub mod action;
mod arguments;
mod backend;
mod format;
mod generate;
mod inputs;
pub mod layout;
pub mod native;
mod nested;
pub mod show;
mod steps;
pub mod terragrunt;

use std::collections::BTreeMap;

use hcl_edit::structure::Body;
pub use layout::{Layout, LayoutFile};
use portcullis_estate::Source;
use portcullis_model::Digest;
use portcullis_model::agent::TaskSpec;
pub use portcullis_model::agent::{DOOR_SOCKET, WORK};

/// The repository inside a sandbox.
pub const REPOSITORY: &str = "/repo";
/// The TCP port on 127.0.0.1 inside a sandbox that leads to the door.
pub const DOOR_PORT: u16 = 3128;

/// Artifact: the saved plan.
pub const ARTIFACT_PLAN: &str = "plan";
/// Artifact: `show -json` of the saved plan.
pub const ARTIFACT_SHOW: &str = "show";
/// Artifact: the dependency lock file after `init`.
pub const ARTIFACT_LOCK: &str = "lock";
/// Prefix of artifacts: the `.terraform` folder after `init`.
pub const ARTIFACT_INIT: &str = "init";

/// Largest saved plan, in bytes.
pub const PLAN_MAX_BYTES: u64 = 64 << 20;
/// Largest output of `show -json`, in bytes.
pub const SHOW_MAX_BYTES: u64 = 128 << 20;
/// Largest `.terraform` folder that is kept, in bytes.
pub const INIT_MAX_BYTES: u64 = 2 << 20;

/// A program that a task is run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// `tofu`, `terraform` or `terragrunt`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its absolute path inside the sandbox.
    pub program: String,
}

/// Bounds for the steps of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Seconds for each step.
    pub step_timeout_s: u32,
    /// Bytes that all steps together may print.
    pub output_max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { step_timeout_s: 3600, output_max_bytes: 64 << 20 }
    }
}

/// The `.terraform` folder as an earlier `init` of the same files left it: path below it → content and
/// whether it is executable.
pub type InitTree = BTreeMap<String, Vec<u8>>;

/// What a unit is laid out from.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    /// The repository at the commit.
    pub repository: &'a dyn Source,
    /// What was fetched, where the unit's module is outside of the repository.
    pub module: Option<FetchedModule<'a>>,
}

/// A module that was fetched.
#[derive(Clone, Copy)]
pub struct FetchedModule<'a> {
    /// Its files.
    pub files: &'a dyn Source,
    /// The folder of them that is laid out.
    pub root: &'a str,
}

impl<'a> Files<'a> {
    /// Of a unit whose module is in the repository.
    pub fn of(repository: &'a dyn Source) -> Self {
        Files { repository, module: None }
    }
}

/// What a task does.
#[derive(Debug, Clone, Copy)]
pub enum Job<'a> {
    /// Make a plan.
    Plan,
    /// Apply this saved plan.
    Apply {
        /// The saved plan's bytes.
        plan: &'a [u8],
    },
}

/// What a sandbox sees of the repository, at `/repo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repository {
    /// Nothing.
    Hidden,
    /// All of it, read-only.
    Shown,
    /// A copy of its own that it may write.
    Copied,
}

/// Everything that a sandbox needs to do a job.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Files below `/work`.
    pub layout: Layout,
    /// What the agent does.
    pub spec: TaskSpec,
    /// What it sees of the repository.
    pub repository: Repository,
    /// Under which key the `.terraform` folder is kept; `None` when it must not be.
    pub init_key: Option<Digest>,
}

/// The module's own `.tf` (and, for OpenTofu, `.tofu`) files that parse, by path.
fn module_files(layout: &Layout, module: &str) -> Vec<Body> {
    let prefix = if module.is_empty() { String::new() } else { format!("{module}/") };
    layout
        .files()
        .filter_map(|(path, file)| {
            let name = path.strip_prefix(&prefix)?;
            let is_code = !name.contains('/') && (name.ends_with(".tf") || name.ends_with(".tofu"));
            is_code.then(|| std::str::from_utf8(&file.bytes).ok()?.parse::<Body>().ok()).flatten()
        })
        .collect()
}
