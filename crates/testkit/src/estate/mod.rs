//! Random estates, and random edits of them: the same seed gives the same estate and the same edits.
//!
//! An [`EstateModel`] is what was decided; [`EstateModel::files`] writes it out. An edit changes the model, so that
//! what is written out is always an estate that evaluates. The constructs are those of real repositories: layouts with
//! accounts and regions, `_envcommon`, exposed and merged includes, configurations and data files that are read,
//! dependencies in all forms, generated files, hooks, modules that share modules, files that may appear.
//!
//! | module | holds |
//! |---|---|
//! | `model` | what was decided, by seed and size |
//! | `render` | the files |
//! | `edit` | edits |
//! | `history` | commits of a git repository, made by one `git fast-import` |

mod edit;
#[cfg(feature = "servers")]
mod history;
mod model;
mod random;
mod render;

pub use edit::{Edit, EditKind};
#[cfg(feature = "servers")]
pub use history::import;
pub use model::{EstateModel, Layout};
pub use random::Random;

/// Files by repository path.
pub type Files = std::collections::BTreeMap<String, String>;
