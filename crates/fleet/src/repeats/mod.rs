//! What a definition says more than once, and how it is said once.
//!
//! | module | holds |
//! |---|---|
//! | `book` | [`Book`](book::Book): every profile and account as it is written, value by value, with its place in the text |
//! | `find` | which values two or more of them say alike, or nearly so |
//! | `edit` | edits of a text that leave everything else as it is: lines, blank lines, comments |
//! | `profile` | the text of a profile, and what is put into one that is there |
//! | `extract` | moving values into a profile, and the proof that nothing changed by it |
//!
//! A move is never trusted: the files that it comes to are loaded, and every account must be equal to what it was
//! before. What cannot be moved so is told with the reason, and no file is touched.
//!
//! Architecture invariant: writes no file. The caller gets texts.

mod book;
mod edit;
mod extract;
mod find;
mod profile;

pub use extract::{Extraction, FileEdit, Moved, Refused, Wanted, extract, report};
pub use find::{Kind, Repeated};
