//! Each layer of the sandbox, and whether this host gives it.

use crate::settings::Settings;

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its name, for people: `bubblewrap`, `memory limit`.
    pub name: &'static str,
    /// Whether it is there.
    pub state: LayerState,
    /// What to do when it is missing, as full sentences. Empty when it is there.
    pub remedy: String,
}

/// Whether a layer is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerState {
    /// It is, with a detail: a version, a path, a range.
    Ok(String),
    /// It is not, and why.
    Missing(String),
}

/// Looks at every layer; also starts a sandbox that does nothing, to be sure.
pub fn doctor(_settings: &Settings) -> Vec<Layer> {
    Vec::new()
}
