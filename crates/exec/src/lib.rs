//! Runs tasks in sandboxes on this machine: bubblewrap outside, `portcullis-agent` inside.
//!
//! One sandbox per attempt of a task: own user id, own namespaces, no network but loopback and one door,
//! cleared environment, read-only system and tools, one private writable folder in memory, limits on memory,
//! processes, processor, disk and time, landlock and seccomp. There is no option to go without a layer:
//! where the host lacks one, [`LocalExecutor::new`] refuses with every reason, and [`doctor`] shows each.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | what the executor is told at start |
//! | [`doctor`] | each layer of the sandbox, and whether this host gives it |
//! | [`local`] | [`LocalExecutor`]: prepares folders, starts sandboxes, cleans up after a killed runner |
//! | [`launch`] | what one launch needs: spec, folders, limits |
//! | [`workdir`] | the folder whose content becomes `/work` inside |
//! | [`running`] | a sandbox that runs, and what came of it |
//! | `mounts` | what a sandbox sees |
//! | `cgroup`, `uids` | its limits, and its user |
//! | `spawn`, `supervise` | its start, and its life seen from outside |
//! | `session`, `verdict` | what the agent may say, and what it means |
//! | [`agent_build`] | how the static agent is built |
//!
//! Architecture invariants: nothing here decides *what* may run. Whatever comes out of a sandbox is untrusted
//! and has a limit. No sandbox outlives its executor.

pub mod agent_build;
mod cgroup;
pub mod doctor;
pub mod launch;
pub mod local;
mod mounts;
pub mod running;
mod session;
pub mod settings;
mod spawn;
mod supervise;
mod uids;
mod verdict;
pub mod workdir;

pub use doctor::{Layer, LayerState, doctor};
pub use launch::{Access, Bind, Launch, Limits};
pub use local::LocalExecutor;
pub use running::{Outcome, Running, Sink, StepOutcome};
pub use settings::Settings;
pub use workdir::Workdir;
