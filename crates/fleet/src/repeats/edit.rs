//! Edits of a text by range. Whatever no edit names stays as it is, byte for byte.
//!
//! What is taken out goes with its line, with the comments that stand right above it or behind it, and with a blank line
//! too many. The comments are handed over: whoever takes a value away puts them beside it.

use std::ops::Range;
use std::sync::Arc;

use portcullis_hcl::File;

/// Something else in the place of a range.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    pub at: Range<usize>,
    pub with: String,
}

/// A text, and what is to be changed in it.
pub(super) struct Draft {
    pub file: Arc<File>,
    comments: Vec<Range<usize>>,
    edits: Vec<Edit>,
    /// Whole lines that go.
    lines: Vec<Range<usize>>,
}

impl Draft {
    pub fn of(file: &Arc<File>) -> Draft {
        Draft { file: Arc::clone(file), comments: file.comments(), edits: Vec::new(), lines: Vec::new() }
    }

    /// How lines end in this file.
    pub fn newline(&self) -> &'static str {
        match self.file.text().find('\n') {
            Some(at) if at > 0 && self.file.text().as_bytes().get(at - 1) == Some(&b'\r') => "\r\n",
            _ => "\n",
        }
    }

    pub fn replace(&mut self, at: Range<usize>, with: String) {
        self.edits.push(Edit { at, with });
    }

    pub fn insert(&mut self, at: usize, with: String) {
        self.replace(at..at, with);
    }

    /// The start of the line that a byte is in.
    pub fn line_start(&self, at: usize) -> usize {
        self.file.text().get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
    }

    /// The start of the next line.
    pub fn line_end(&self, at: usize) -> usize {
        let text = self.file.text();
        text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |newline| at + newline + 1)
    }

    /// The spaces that a line begins with.
    pub fn indent(&self, at: usize) -> &str {
        let line = self.file.slice(&(self.line_start(at)..self.line_end(at)));
        let end = line.find(|c: char| c != ' ' && c != '\t').unwrap_or(line.len());
        line.get(..end).unwrap_or("")
    }

    /// Comments that begin in a range.
    pub fn comments_in(&self, range: &Range<usize>) -> Vec<Range<usize>> {
        self.comments.iter().filter(|comment| range.contains(&comment.start)).cloned().collect()
    }

    /// Whether there is nothing in a range but space and comments.
    fn is_empty(&self, range: &Range<usize>) -> bool {
        let mut from = range.start;
        for comment in self.comments.iter().filter(|comment| comment.start < range.end && comment.end > range.start) {
            if !self.file.slice(&(from..comment.start.max(from))).trim().is_empty() {
                return false;
            }
            from = comment.end.min(range.end);
        }
        self.file.slice(&(from..range.end)).trim().is_empty()
    }

    fn is_blank(&self, range: &Range<usize>) -> bool {
        self.file.slice(range).trim().is_empty()
    }

    /// The lines of an item, with the comments that belong to it; `None`: something else is on them.
    pub fn lines_of(&self, at: &Range<usize>) -> Option<Range<usize>> {
        let mut start = self.line_start(at.start);
        let end = self.line_end(at.end);
        let behind = self.file.slice(&(at.end..end));
        let comma = behind.len() - behind.trim_start_matches([' ', '\t']).len();
        let behind = match behind.get(comma..).and_then(|rest| rest.strip_prefix(',')) {
            Some(_) => at.end + comma + 1..end,
            None => at.end..end,
        };
        if !self.is_empty(&(start..at.start)) || !self.is_empty(&behind) {
            return None;
        }
        while start > 0 {
            let above = self.line_start(start - 1)..start;
            if self.is_blank(&above) || !self.is_empty(&above) {
                break;
            }
            start = above.start;
        }
        Some(start..end)
    }

    /// Takes these lines out.
    pub fn remove_lines(&mut self, lines: Range<usize>) {
        self.lines.push(lines);
    }

    /// The text with all edits. `None`: two of them are about the same place.
    pub fn finish(mut self) -> Option<String> {
        let lines = self.tidied();
        self.edits.extend(lines.into_iter().map(|at| Edit { at, with: String::new() }));
        // What is put in at a place comes before what begins there; several keep their order.
        self.edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        let source = self.file.text();
        let (mut text, mut from) = (String::with_capacity(source.len()), 0);
        for edit in &self.edits {
            text.push_str(source.get(from..edit.at.start)?);
            text.push_str(&edit.with);
            from = edit.at.end;
        }
        text.push_str(source.get(from..)?);
        Some(text)
    }

    /// The lines that go, in one piece where they meet, with the blank lines that would be too many.
    fn tidied(&mut self) -> Vec<Range<usize>> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.sort_by_key(|range| (range.start, range.end));
        let mut merged: Vec<Range<usize>> = Vec::new();
        for range in lines {
            match merged.last_mut() {
                Some(last) if range.start <= last.end || self.is_blank(&(last.end..range.start)) => {
                    last.end = last.end.max(range.end);
                }
                _ => merged.push(range),
            }
        }
        for range in &mut merged {
            let text = self.file.text();
            let above = self.file.slice(&(self.line_start(range.start.saturating_sub(1))..range.start)).trim();
            let opens = range.start == 0 || above.is_empty() || above.ends_with('{');
            let mut next = range.end;
            while opens && next < text.len() && self.is_blank(&(next..self.line_end(next))) {
                next = self.line_end(next);
            }
            range.end = next;
            let closes = self.file.slice(&(next..self.line_end(next))).trim_start().starts_with('}');
            while closes && range.start > 0 && self.is_blank(&(self.line_start(range.start - 1)..range.start)) {
                range.start = self.line_start(range.start - 1);
            }
        }
        merged
    }
}
