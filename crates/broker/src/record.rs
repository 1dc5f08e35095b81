//! What is kept of each call through the door.

use portcullis_model::Code;

/// Most calls that are kept of one task. Later ones are counted with the last.
pub const CALLS_MAX: usize = 1000;

/// What the door decided about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It was let through.
    Allowed,
    /// It was refused.
    Refused {
        /// `PC-0704` and friends.
        code: Code,
        /// Why, for people.
        why: String,
    },
}

/// One call. Texts from the sandbox are cut and escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Milliseconds after the door was opened.
    pub after_ms: u64,
    /// The method.
    pub method: String,
    /// The host that was asked for. Empty when none was named.
    pub host: String,
    /// The path, without its query.
    pub path: String,
    /// The decision.
    pub decision: Decision,
    /// The status of the answer.
    pub status: u16,
    /// How many calls like this one came after it, one after another.
    pub repeated: u64,
}
