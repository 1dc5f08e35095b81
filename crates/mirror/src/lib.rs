//! The runner's own clones: bare mirrors on disk, through one hardened wrapper round the `git` program.
//!
//! | module | holds |
//! |---|---|
//! | [`address`] | [`RepositoryUrl`]: which URLs are allowed, and what git is told of them |
//! | [`credential`] | [`Credential`]: how a private repository is opened without the secret in an argument list |
//! | `folder` | the mirror's folder and git's only configuration |
//! | `git` | the wrapper: cleared environment, no hooks, no outside configuration, limits, whole groups killed |
//! | [`mirror`] | [`Mirror`]: fetch, branch to commit, ancestry |
//!
//! Architecture invariants: no other crate starts `git`. Nothing of the repository is ever executed or
//! checked out here: no hooks, filters, submodules or external diffs. A repository's content is data.

pub mod address;
pub mod credential;
mod folder;
mod git;
pub mod mirror;

pub use address::RepositoryUrl;
pub use credential::Credential;
pub use git::{Limits, git_version};
pub use mirror::{Mirror, MirrorSettings, Refs};
