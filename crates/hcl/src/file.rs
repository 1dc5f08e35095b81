//! Source files: text, syntax tree, and places in them.
//!
//! Never reads a file: the caller gives path and text. The path is only a name for messages.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use hcl_edit::structure::Body;
use hcl_edit::template::Template;
use portcullis_model::fault::Place;
use portcullis_model::{Code, Fault};

use crate::Limits;
use crate::syntax::{self, Diagnosis, Renamed, Rewrites};

/// Characters of a source line that a place shows.
const EXCERPT: usize = 200;
/// Of a longer line, characters before the place that are shown.
const BEFORE: usize = 60;

/// A file's text and syntax tree. Shared by `Arc`; values point into it.
pub struct File {
    path: String,
    text: String,
    body: Body,
    /// What the tree was shown in another way than it stands in the text.
    rewrites: Rewrites,
    /// Byte offset at which each line starts.
    lines: Vec<usize>,
    /// What the text was made of, when that is another notation.
    written: Option<Written>,
}

/// A file in another notation, as somebody wrote it.
struct Written {
    file: Arc<File>,
    /// Byte offsets of the HCL with those of the file that they stand for, in their order.
    places: Vec<(usize, usize)>,
}

impl File {
    /// Parses HCL. `PC-0401` when it is too large, `PC-0400` with the place when it does not parse.
    pub fn parse(path: &str, text: &[u8], limits: &Limits) -> Result<Arc<File>, Fault> {
        File::decoded(path, text, limits, syntax::decode_body)?.parsed(limits)
    }

    /// Parses HCL that was made of a file in another notation. Places are those of the file as it is written:
    /// `places` pairs byte offsets of the HCL with those of the file, in the order of the HCL.
    ///
    /// # Errors
    /// As [`File::parse`].
    pub fn translated(
        written: &Arc<File>,
        hcl: &str,
        places: Vec<(usize, usize)>,
        limits: &Limits,
    ) -> Result<Arc<File>, Fault> {
        let mut file = File::unparsed(written.path(), hcl.as_bytes(), limits)?;
        file.written = Some(Written { file: Arc::clone(written), places });
        file.parsed(limits)
    }

    fn parsed(mut self, limits: &Limits) -> Result<Arc<File>, Fault> {
        self.rewrites = syntax::body(&self.text, limits).map_err(|diagnosis| self.diagnosed(&diagnosis))?;
        self.body = syntax::parse(&self.text, &self.rewrites).map_err(|error| self.refused(&error))?;
        Ok(Arc::new(self))
    }

    /// A file that is not HCL (a template, JSON, YAML), so that values can point into it. Its body is empty.
    pub fn plain(path: &str, text: &[u8], limits: &Limits) -> Result<Arc<File>, Fault> {
        File::unparsed(path, text, limits).map(Arc::new)
    }

    fn unparsed(path: &str, text: &[u8], limits: &Limits) -> Result<File, Fault> {
        File::decoded(path, text, limits, syntax::decode)
    }

    fn decoded(path: &str, text: &[u8], limits: &Limits, decode: syntax::Decode) -> Result<File, Fault> {
        if text.len() > limits.file_bytes {
            let message = format!("the file has {} bytes, allowed are {}", text.len(), limits.file_bytes);
            let remedy = "Keep data out of configuration files, or split the file.";
            return Err(Fault::new(Code::HCL_TOO_LARGE, message).at(Place::file(path)).remedy(remedy));
        }
        match decode(text) {
            Ok(text) => Ok(File::of(path, &text)),
            Err((diagnosis, text)) => Err(File::of(path, &text).diagnosed(&diagnosis)),
        }
    }

    fn of(path: &str, text: &str) -> File {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        File {
            path: path.to_owned(),
            text: text.to_owned(),
            body: Body::new(),
            rewrites: Rewrites::default(),
            lines,
            written: None,
        }
    }

    /// The file as a template, and the file to evaluate it with.
    pub(crate) fn template(self: &Arc<File>, limits: &Limits) -> Result<(Template, Arc<File>), Fault> {
        let rewrites = syntax::template(&self.text, limits).map_err(|diagnosis| self.diagnosed(&diagnosis))?;
        let template = syntax::parse(&self.text, &rewrites).map_err(|error| self.refused(&error))?;
        if rewrites.renamed.is_empty() {
            return Ok((template, Arc::clone(self)));
        }
        Ok((template, Arc::new(File { rewrites, ..File::of(&self.path, &self.text) })))
    }

    fn diagnosed(&self, diagnosis: &Diagnosis) -> Fault {
        let mut fault = Fault::new(diagnosis.code, &*diagnosis.message).at(self.place(&diagnosis.at));
        for line in &diagnosis.notes {
            fault = fault.note(format!("{} line {}", line.before, self.place(&(line.at..line.at)).line));
        }
        match &diagnosis.remedy {
            Some(remedy) => fault.remedy(remedy),
            None => fault,
        }
    }

    /// What HCL takes and the library that makes the tree does not.
    fn refused(&self, error: &hcl_edit::parser::Error) -> Fault {
        let offset = error.location().offset();
        let (code, message, remedy) = match error.message() {
            message if message.contains("nested levels") => (
                Code::HCL_TOO_LARGE,
                "the file is nested deeper than 64 levels".to_owned(),
                "Move inner parts into `locals`.",
            ),
            message if message.contains("chained binary operators") => (
                Code::HCL_TOO_LARGE,
                "there are more than 128 operators in one expression".to_owned(),
                "Split the expression into several `locals`.",
            ),
            message => (
                Code::HCL_SYNTAX,
                format!("this is HCL that is not supported here: {message}"),
                "Write it in another way.",
            ),
        };
        Fault::new(code, message).at(self.place(&(offset..offset))).remedy(remedy)
    }

    /// The syntax tree.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// What an object's key that starts at a place is, if the tree has another.
    pub(crate) fn renamed(&self, start: usize) -> Option<&Renamed> {
        self.rewrites.renamed.get(&start)
    }

    /// The name that it was parsed under.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The text; of a file in another notation, the HCL that was made of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the comments are, in their order: from the sign to the end of the line, or to `*/`.
    pub fn comments(&self) -> Vec<Range<usize>> {
        syntax::comments(&self.text)
    }

    /// The text of a range; empty when the range is not in the file.
    pub fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or("")
    }

    /// The line of a byte, from 1.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).max(1)
    }

    /// The place at which a byte range starts: line and column from 1, the column in characters.
    pub fn place(&self, range: &Range<usize>) -> Place {
        if let Some(Written { file, places }) = &self.written {
            let next = places.partition_point(|(made, _)| *made <= range.start);
            let at = next.checked_sub(1).and_then(|index| places.get(index)).map_or(0, |(made, there)| {
                let end = places.get(next).map_or(usize::MAX, |(_, there)| *there);
                (there + (range.start - made)).min(end.max(*there))
            });
            return file.place(&(at..at));
        }
        let at = range.start.min(self.text.len());
        let line = self.line(at);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let end = self.lines.get(line).map_or(self.text.len(), |next| next - 1);
        let before = self.text.get(start..at).map_or(0, |before| before.chars().count());
        let source = self.slice(&(start..end)).trim_end();
        // Of a long line, the part round the place.
        let skipped = if before < EXCERPT - BEFORE { 0 } else { before - BEFORE };
        let short = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Place {
            file: self.path.clone(),
            line: short(line),
            column: short(before + 1),
            excerpt: source.chars().skip(skipped).take(EXCERPT).collect(),
            excerpt_column: short(skipped + 1),
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({})", self.path)
    }
}

/// Where a value comes from: a byte range of a file.
#[derive(Clone)]
pub struct Origin {
    file: Arc<File>,
    range: Range<usize>,
}

static BUILT_IN: LazyLock<Arc<File>> = LazyLock::new(|| {
    let path = "(built in)".to_owned();
    Arc::new(File::of(&path, ""))
});

impl Origin {
    /// A range of a file.
    pub fn new(file: &Arc<File>, range: Range<usize>) -> Self {
        Origin { file: Arc::clone(file), range }
    }

    /// The span of a syntax node, or the start of the file if it has none.
    pub fn of(file: &Arc<File>, node: &impl hcl_edit::Span) -> Self {
        Origin::new(file, node.span().unwrap_or(0..0))
    }

    /// The origin of values that no file holds, such as an account's facts.
    pub fn built_in() -> Self {
        Origin { file: Arc::clone(&BUILT_IN), range: 0..0 }
    }

    /// Whether no file holds it.
    pub fn is_built_in(&self) -> bool {
        Arc::ptr_eq(&self.file, &BUILT_IN)
    }

    /// The file.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The byte range.
    pub fn range(&self) -> &Range<usize> {
        &self.range
    }

    /// File, line, column and source line.
    pub fn place(&self) -> Place {
        if self.is_built_in() {
            return Place::file(self.file.path());
        }
        self.file.place(&self.range)
    }

    /// The text that it spans.
    pub fn text(&self) -> &str {
        self.file.slice(&self.range)
    }

    /// A fault here.
    pub fn fault(&self, code: Code, message: impl Into<String>) -> Fault {
        Fault::new(code, message).at(self.place())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let file = File::parse("a.hcl", "a = 1\nb = \"é\" + x\n".as_bytes(), &Limits::default()).unwrap();
        let at = file.text().find('+').unwrap();
        let place = file.place(&(at..at + 1));
        assert_eq!((place.line, place.column, place.excerpt.as_str()), (2, 9, "b = \"é\" + x"));
        assert_eq!(file.place(&(99..99)).line, 3);
    }

    #[test]
    fn a_syntax_fault_names_its_place() {
        let fault = File::parse("x/a.hcl", b"a = 1\nb = [\n", &Limits::default()).unwrap_err();
        assert_eq!(fault.code(), Code::HCL_SYNTAX);
        assert_eq!(fault.place().unwrap().file, "x/a.hcl");
        assert!(fault.place().unwrap().line >= 2);
    }

    #[test]
    fn what_is_no_text_may_stand_in_a_comment() {
        let limits = Limits::default();
        let file = File::parse("a", b"# Stra\xdfe\na = 1 /* \xff */\n", &limits).unwrap();
        assert_eq!(file.body().attributes().count(), 1);
        assert_eq!(file.text(), "# Stra?e\na = 1 /* ? */\n");
        assert!(File::parse("a", b"# \xdf\na = \"\xdf\"\n", &limits).is_err());
        assert!(File::plain("a", b"# \xdf\n", &limits).is_err());
    }

    #[test]
    fn comments_are_found_where_they_are_and_not_in_texts() {
        let text = "# one\na = \"# no ${/* two */ 1}\" // three\nb = <<E\n# no\nE\n";
        let file = File::parse("a", text.as_bytes(), &Limits::default()).unwrap();
        let comments: Vec<&str> = file.comments().iter().map(|range| file.slice(range)).collect();
        assert_eq!(comments, ["# one", "/* two */", "// three"]);
    }

    #[test]
    fn too_large_and_not_utf8_are_refused_before_parsing() {
        let limits = Limits { file_bytes: 4, ..Limits::default() };
        let large = File::parse("a", b"a = 1", &limits).unwrap_err();
        assert_eq!((large.code(), large.remedy_text().is_some()), (Code::HCL_TOO_LARGE, true));
        assert_eq!(File::parse("a", b"\xff", &limits).unwrap_err().code(), Code::HCL_SYNTAX);
        let limits = Limits { file_items: 1, ..Limits::default() };
        assert_eq!(File::parse("a", b"a = 1\nb = 2\n", &limits).unwrap_err().code(), Code::HCL_TOO_LARGE);
        let limits = Limits { object_keys: 1, ..Limits::default() };
        assert_eq!(File::parse("a", b"a = { b = 1, c = 2 }", &limits).unwrap_err().code(), Code::HCL_TOO_LARGE);
        assert!(File::parse("a", b"a = { b = 1 }", &limits).is_ok());
        let limits = Limits { key_comparisons: 2, ..Limits::default() };
        let objects = |count: usize| "a = { b = 1, c = 2 }\n".replace('a', "x").repeat(count);
        let text = objects(3).replacen('x', "y", 1).replacen('x', "z", 1);
        assert_eq!(File::parse("a", text.as_bytes(), &limits).unwrap_err().code(), Code::HCL_TOO_LARGE);
    }
}
