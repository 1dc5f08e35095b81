//! To come.

use super::Function;

pub(super) const TABLE: &[Function] = &[];
