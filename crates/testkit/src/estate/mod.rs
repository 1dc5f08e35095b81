//! Random estates, and random edits of them: the same seed gives the same estate and the same edits.
//!
//! An [`EstateModel`] is what was decided; [`EstateModel::files`] writes it out. An edit changes the model, so that
//! what is written out is always an estate that evaluates, but for units that are meant to be broken. The constructs are those of real repositories: layouts with
//! accounts and regions, `_envcommon`, exposed and merged includes, configurations and data files that are read,
//! dependencies in all forms, generated files, hooks, modules that share modules, files that may appear.
//!
//! | module | holds |
//! |---|---|
//! | `model` | what was decided, by seed and size |
//! | `odd` | a stack, links, units that are not fully known or broken |
//! | `render` | the files |
//! | `edit` | edits |
//! | `history` | commits of a git repository, made by one `git fast-import` |

mod edit;
#[cfg(feature = "servers")]
mod history;
mod model;
mod odd;
mod random;
mod render;

pub use edit::{Edit, EditKind};
#[cfg(feature = "servers")]
pub use history::import;
pub use model::{EstateModel, Layout};
pub use random::Random;

/// Files by repository path. A text may stand for a symbolic link: see [`link`].
pub type Files = std::collections::BTreeMap<String, String>;

/// How the text begins that stands for a symbolic link.
const LINK: &str = "\0link ";

/// A file that is a symbolic link.
pub fn link(target: &str) -> String {
    format!("{LINK}{target}")
}
