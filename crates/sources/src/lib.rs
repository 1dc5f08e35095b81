//! Modules from outside of the repository: fetched by the runner, outside of any sandbox, and kept by content.
//!
//! | module | holds |
//! |---|---|
//! | [`sources`] | [`Sources`]: from the text of a source to files, over whatever leads there |
//! | `registry` | what a registry answers: discovery, versions, where a version is |
//! | `page` | pages that say where the module is (`X-Terraform-Get`) |
//! | `web` | the one HTTP client: each hop checked, limits, credentials bound to places |
//! | `reach` | which addresses are never connected to |
//! | `archive` | archives, unpacked into memory |
//! | `cache` | archives on disk, by digest |
//! | [`credential`] | which credential is for which place |
//!
//! The text of a source is a stranger's, and so are the bytes that are served for it. What holds:
//!
//! - Nothing is asked for that the fleet definition does not allow, at no hop: not by a redirect, not by a registry's
//!   answer, not by a page. The host of each is named in it literally.
//! - A name that stands for this machine, for a link-local or a metadata address is not connected to, and what was
//!   checked is what is connected to.
//! - Git runs in the mirror's wrapper alone. Nothing is checked out: files are read from its objects. Submodules, LFS,
//!   filters and hooks have no part in it. A commit counts only if a branch or a tag of that repository reaches it.
//! - An archive is never unpacked onto a disk. Its files are read from memory, with limits on bytes and entries.
//! - Nothing that was fetched is executed here.

mod archive;
mod cache;
pub mod credential;
mod page;
mod reach;
mod registry;
pub mod sources;
mod web;

pub use credential::SourceCredential;
pub use sources::{Fetched, Limits, Order, Settings, Sources};
