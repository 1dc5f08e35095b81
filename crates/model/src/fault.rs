//! [`Fault`]: an expected error.
//!
//! Something a user did, wrote or can mend. It has a stable [`Code`], says what happened as a lowercase
//! fragment, names the place (file, line, column), and gives a remedy as full sentences. A bug or a broken
//! world is *not* a fault: those are `PC-0900` and friends, made by [`Fault::internal`] and [`Fault::io`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Code;

/// Where in a file of the repository (or of the fleet definition) a fault lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Place {
    /// Path relative to the repository's root, `/` as separator.
    pub file: String,
    /// Line, from 1. 0 when the whole file is meant.
    pub line: u32,
    /// Column in characters, from 1. 0 when the whole line is meant.
    pub column: u32,
    /// The source line, at most 200 characters, for messages: of a longer one, a part round the column. Empty when not
    /// known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
    /// Column of the excerpt's first character, from 1.
    #[serde(default = "first_column", skip_serializing_if = "is_first_column")]
    pub excerpt_column: u32,
}

fn first_column() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_first_column(column: &u32) -> bool {
    *column == first_column()
}

impl Place {
    /// A line and column of a file, with the source line.
    pub fn line(file: impl Into<String>, line: u32, column: u32, excerpt: impl Into<String>) -> Self {
        Place { line, column, excerpt: excerpt.into(), ..Place::file(file) }
    }

    /// A place that is a whole file.
    pub fn file(file: impl Into<String>) -> Self {
        Place { file: file.into(), line: 0, column: 0, excerpt: String::new(), excerpt_column: first_column() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

/// An expected error: code, message, place, remedy. Cheap to move (boxed inside).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Inner {
    code: Code,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

impl Fault {
    /// A fault with a code and a lowercase message fragment without a full stop.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Fault(Box::new(Inner { code, message: message.into(), place: None, remedy: None, notes: Vec::new() }))
    }

    /// A bug in Portcullis, or a state that should not exist (`PC-0900`).
    pub fn internal(message: impl Into<String>) -> Self {
        Fault::new(Code::INTERNAL, message)
    }

    /// The world failed: a file or socket operation (`PC-0901`, or `PC-0902` when the disk is full).
    pub fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        let code = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Code::DISK_FULL,
            _ => Code::IO,
        };
        Fault::new(code, format!("{what}: {error}"))
    }

    /// The same fault at a place. The innermost place wins: one that is set is kept.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.0.place.get_or_insert(place);
        self
    }

    /// The same fault with a remedy: full sentences that say what to do next.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// The same fault with one more note (a chain of includes, a cycle's members, …).
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.0.notes.push(note.into());
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What happened, as a lowercase fragment.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where, if it is in a file.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// What to do next.
    pub fn remedy_text(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// Further notes, in order.
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }
}

/// One line: `file:line:column: message [PC-0123]`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place() {
            write!(f, "{place}: ")?;
        }
        write!(f, "{} [{}]", self.0.message, self.0.code)
    }
}

impl std::error::Error for Fault {}
