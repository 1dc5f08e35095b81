//! What is wrong with a text: the place, what was found and expected, and what to do.

use std::ops::Range;

use portcullis_model::Code;

/// One thing that is wrong. Places are byte ranges of the text.
#[derive(Debug, Clone)]
pub(crate) struct Diagnosis {
    pub(crate) code: Code,
    pub(crate) at: Range<usize>,
    pub(crate) message: String,
    pub(crate) remedy: Option<String>,
    pub(crate) notes: Vec<Line>,
}

/// A note that names another line of the text.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) before: String,
    pub(crate) at: usize,
}

impl Diagnosis {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>) -> Box<Self> {
        Box::new(Diagnosis { code: Code::HCL_SYNTAX, at, message: message.into(), remedy: None, notes: Vec::new() })
    }

    pub(super) fn too_large(at: Range<usize>, message: impl Into<String>) -> Box<Self> {
        let mut made = Diagnosis::new(at, message);
        made.code = Code::HCL_TOO_LARGE;
        made
    }

    pub(super) fn remedy(mut self: Box<Self>, remedy: impl Into<String>) -> Box<Self> {
        self.remedy = Some(remedy.into());
        self
    }

    /// `before` is what is said of the line, as in "the `(` is".
    pub(super) fn line(mut self: Box<Self>, before: impl Into<String>, at: usize) -> Box<Self> {
        self.notes.push(Line { before: before.into(), at });
        self
    }
}
