//! The one place that starts `git`.

use std::time::Duration;

/// What git may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes that the mirror may have on disk.
    pub repository_bytes: u64,
    /// Longest time that a fetch may take.
    pub fetch: Duration,
    /// Longest time that a local question (a ref, an ancestor) may take.
    pub query: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { repository_bytes: 8 << 30, fetch: Duration::from_secs(600), query: Duration::from_secs(30) }
    }
}
