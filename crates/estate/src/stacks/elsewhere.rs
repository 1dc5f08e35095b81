//! [`Elsewhere`]: trees of other repositories, from which stacks take units.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_model::Fault;
use portcullis_model::source::SourceKind;

use crate::source::Source;

/// Trees of other repositories by the source that names them, each with why it is not to be had where it is not.
///
/// Only sources that name one content are looked up in it. So an estate stays a function of its files: whoever has the tree
/// has the same one.
#[derive(Clone, Default)]
pub struct Elsewhere(HashMap<SourceKind, Result<Arc<dyn Source>, Fault>>);

impl Elsewhere {
    /// Adds a tree, or why it is not to be had.
    pub fn insert(&mut self, source: SourceKind, tree: Result<Arc<dyn Source>, Fault>) {
        self.0.insert(source, tree);
    }

    pub(super) fn get(&self, source: &SourceKind) -> Option<&Result<Arc<dyn Source>, Fault>> {
        self.0.get(source)
    }
}
