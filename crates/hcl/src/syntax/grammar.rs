//! Bodies, blocks and attributes; and the parser that all parts of the grammar share.

use std::collections::HashMap;
use std::ops::Range;

use super::diagnosis::Diagnosis;
use super::keys::Again;
use super::rewrites::{self, Rewrites};
use super::scan::{self, Scanned};
use super::token::{Bad, Kind, Token, character, found};
use crate::Limits;

/// Levels of expressions, templates and blocks in each other. The library that makes the tree has 64 of its own,
/// counted a little differently.
const LEVELS: usize = 100;

/// How a pointer begins that git LFS keeps in the place of a file.
const LFS: &str = "version https://git-lfs.github.com/spec/";

pub(super) type Parsed<T = ()> = Result<T, Box<Diagnosis>>;

/// Goes through a body. What the library has to be shown in another way is the result.
pub(crate) fn body(text: &str, limits: &Limits) -> Result<Rewrites, Box<Diagnosis>> {
    if text.starts_with(LFS) {
        return Err(Diagnosis::new(0..LFS.len(), "the file is a pointer of git LFS, not its content")
            .remedy("Keep configuration out of git LFS."));
    }
    let mut parser = Parser::new(text, scan::body(text), limits);
    let parsed = parser.body(None);
    parser.finish(parsed)
}

/// Goes through a text that is a template as a whole.
pub(crate) fn template(text: &str, limits: &Limits) -> Result<Rewrites, Box<Diagnosis>> {
    let mut parser = Parser::new(text, scan::template(text), limits);
    let parsed = parser.template(Kind::End, None);
    parser.finish(parsed)
}

pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    tokens: Vec<Token>,
    next: usize,
    /// Whether a line end matters, for each bracket that is open.
    newlines: Vec<bool>,
    depth: usize,
    limits: &'t Limits,
    items: usize,
    comparisons: usize,
    pub(super) again: Vec<Again>,
    pub(super) numbers: Vec<Range<usize>>,
    returned: Vec<usize>,
    /// The first item of a block that looks as if it belonged outside.
    suspect: Option<usize>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, scanned: Scanned, limits: &'t Limits) -> Self {
        let Scanned { tokens, returned, .. } = scanned;
        Parser {
            text,
            tokens,
            next: 0,
            newlines: vec![true],
            depth: 0,
            limits,
            items: 0,
            comparisons: 0,
            again: Vec::new(),
            numbers: Vec::new(),
            returned,
            suspect: None,
        }
    }

    /// The first thing that is wrong counts. No rule of the grammar takes a bad token, so there is none after it.
    fn finish(self, parsed: Parsed) -> Result<Rewrites, Box<Diagnosis>> {
        parsed?;
        Ok(rewrites::plan(self.text, self.again, &self.numbers, &self.returned))
    }

    fn index(&self) -> usize {
        let mut index = self.next;
        if self.newlines.last() == Some(&false) {
            while self.tokens.get(index).is_some_and(|token| token.kind == Kind::Newline) {
                index += 1;
            }
        }
        index.min(self.tokens.len().saturating_sub(1))
    }

    pub(super) fn peek(&self) -> Token {
        // The last token is the end, so there is always one.
        self.tokens.get(self.index()).copied().unwrap_or(Token::new(Kind::End, &(0..0)))
    }

    pub(super) fn peek_kind(&self) -> Kind {
        self.peek().kind
    }

    pub(super) fn read(&mut self) -> Token {
        let token = self.peek();
        self.next = self.index() + 1;
        token
    }

    pub(super) fn take(&mut self, kind: Kind) -> Option<Token> {
        (self.peek_kind() == kind).then(|| self.read())
    }

    pub(super) fn source(&self, token: Token) -> &'t str {
        self.text.get(token.range()).unwrap_or("")
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        let token = self.peek();
        token.kind == Kind::Ident && self.source(token) == word
    }

    /// The next token, by number; see [`Parser::since`].
    pub(super) fn position(&self) -> usize {
        self.index()
    }

    /// The tokens that were read from a position on.
    pub(super) fn since(&self, position: usize) -> &[Token] {
        self.tokens.get(position..self.next).unwrap_or(&[])
    }

    /// The next token, also if it is a line end: in a template all of them matter.
    pub(super) fn peek_here(&self) -> Token {
        let last = self.tokens.len().saturating_sub(1);
        self.tokens.get(self.next.min(last)).copied().unwrap_or(Token::new(Kind::End, &(0..0)))
    }

    /// Goes by the token that [`Parser::peek_here`] sees.
    pub(super) fn step(&mut self) {
        self.next += 1;
    }

    /// Where the last token that was read ends.
    pub(super) fn end_of_last(&self) -> usize {
        let last = self.next.checked_sub(1).and_then(|last| self.tokens.get(last));
        last.map_or(0, |token| token.range().end)
    }

    /// What is done with line ends that matter, or do not.
    pub(super) fn with_newlines<T>(&mut self, matter: bool, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.newlines.push(matter);
        let parsed = inner(self);
        self.newlines.pop();
        parsed
    }

    pub(super) fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= LEVELS {
            let at = self.peek().range();
            return Err(too_deep(at));
        }
        self.depth += 1;
        let parsed = inner(self);
        self.depth -= 1;
        parsed
    }

    /// One more attribute, block, item or part of an expression.
    pub(super) fn count(&mut self, at: &Range<usize>) -> Parsed {
        self.items += 1;
        if self.items > self.limits.file_items {
            let message =
                format!("the file has more than {} attributes, items and parts of expressions", self.limits.file_items);
            return Err(Diagnosis::too_large(at.clone(), message).remedy(SPLIT));
        }
        Ok(())
    }

    /// One more key of an object that has so many already.
    pub(super) fn count_key(&mut self, at: &Range<usize>, before: usize) -> Parsed {
        self.comparisons += before;
        let most = self.limits.object_keys;
        let message = if before >= most {
            format!("the object has more than {most} keys")
        } else if self.comparisons > self.limits.key_comparisons {
            let most = self.limits.key_comparisons;
            format!("the large objects of the file have too many keys: comparing them takes more than {most} steps")
        } else {
            return self.count(at);
        };
        Err(Diagnosis::too_large(at.clone(), message).remedy(SPLIT))
    }

    /// What is expected is not there. A token that is never right says so itself.
    pub(super) fn expected(&self, what: &str) -> Box<Diagnosis> {
        let token = self.peek();
        if let Some(bad) = self.never_right(token) {
            return bad;
        }
        Diagnosis::new(token.range(), format!("expected {what}, found {}", found(token, self.text)))
    }

    /// The same for what was opened before.
    pub(super) fn unclosed(&self, what: &str, open: &Range<usize>) -> Box<Diagnosis> {
        let token = self.peek();
        if token.kind == Kind::End {
            let sign = self.text.get(open.clone()).unwrap_or("").trim_end();
            return Diagnosis::new(open.clone(), format!("the `{sign}` that is opened here is not closed"))
                .line("the file ends in", self.text.trim_end().len());
        }
        let sign = self.text.get(open.clone()).unwrap_or("").trim_end();
        self.expected(what).line(format!("the `{sign}` is in"), open.start)
    }

    /// Why a token is wrong wherever it stands.
    fn never_right(&self, token: Token) -> Option<Box<Diagnosis>> {
        let Kind::Bad(bad) = token.kind else { return self.conflict(token) };
        let at = token.range();
        Some(match bad {
            Bad::Comment => Diagnosis::new(at.start..at.start + 2, "the comment that begins here does not end")
                .remedy("Write `*/` where it ends."),
            Bad::BrokenLine => broken_line(at),
            Bad::Character => {
                let source = self.source(token);
                let is_version = self.text.get(at.start..).is_some_and(|rest| rest.starts_with("~>"));
                let diagnosis = Diagnosis::new(at, format!("{} means nothing in HCL", character(source)));
                match if is_version { Some("A version constraint is a string.") } else { remedy_of(source) } {
                    Some(remedy) => diagnosis.remedy(remedy),
                    None => diagnosis,
                }
            }
        })
    }

    /// A line that git writes into a file when a merge has a conflict.
    fn conflict(&self, token: Token) -> Option<Box<Diagnosis>> {
        let start = line_start(self.text, token.start());
        let marker = conflict_marker(self.text.get(start..)?)?;
        if !self.text.get(start..token.start())?.trim().is_empty() && token.start() - start >= 7 {
            return None;
        }
        let mut diagnosis =
            Diagnosis::new(start..start + 7, format!("`{marker}`: a merge conflict is left in the file"))
                .remedy("Keep one side, and remove the lines with the markers.");
        let others = self.text.match_indices('\n').map(|(at, _)| at + 1).filter(|at| *at > start);
        let others = others.filter(|at| self.text.get(*at..).and_then(conflict_marker).is_some());
        for at in others.take(3) {
            diagnosis = diagnosis.line("there is another marker in", at);
        }
        Some(diagnosis)
    }
}

pub(super) const SPLIT: &str = "Split it over several files, or keep data out of configuration files.";

pub(super) fn too_deep(at: Range<usize>) -> Box<Diagnosis> {
    Diagnosis::too_large(at, "the file is nested deeper than 64 levels").remedy("Move inner parts into `locals`.")
}

pub(super) fn broken_line(at: Range<usize>) -> Box<Diagnosis> {
    Diagnosis::new(at, "the string is not closed on its line")
        .remedy("Close it with `\"`. For a line end in it write `\\n`, or use a heredoc.")
}

fn remedy_of(source: &str) -> Option<&'static str> {
    Some(match source {
        "'" => "Strings are written in double quotes.",
        "`" => "Strings are written in double quotes; several lines are a heredoc (`<<EOT`).",
        "\u{201c}" | "\u{201d}" | "\u{201e}" | "\u{ab}" | "\u{bb}" => "Write straight double quotes.",
        "\u{2018}" | "\u{2019}" => "Write straight double quotes.",
        "\u{2013}" | "\u{2014}" => "Write a hyphen (`-`).",
        ";" => "Attributes are separated by line ends, items of a list by commas.",
        "&" => "The operator is `&&`.",
        "|" => "The operator is `||`.",
        "~" => "Not is written `!`.",
        "^" => "Use the function `pow`.",
        "\u{feff}" => "Remove it: a byte order mark may stand at the start of a file only.",
        "\0" => "Remove it. The file may not be text, or be UTF-16.",
        "\u{a0}" | "\u{2009}" | "\u{202f}" | "\u{3000}" => "Write an ordinary space.",
        "\r" => "Lines end in a line feed, or in both.",
        "\\" => "A backslash has a meaning in strings only.",
        "$" => "A reference needs no `$`; in a string it is `${…}`.",
        "@" | "\u{200b}" | "\u{ad}" => "Remove it.",
        _ if !source.is_ascii() => "Text is written in double quotes.",
        _ => return None,
    })
}

pub(super) fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1)
}

/// The marker that a line begins with.
fn conflict_marker(line: &str) -> Option<&'static str> {
    let is_marker = |sign: &str| {
        let rest = line.strip_prefix(sign)?;
        rest.chars().next().is_none_or(char::is_whitespace).then_some(())
    };
    ["<<<<<<<", "=======", ">>>>>>>", "|||||||"].into_iter().find(|sign| is_marker(sign).is_some())
}

/// Bodies.
impl<'t> Parser<'t> {
    /// A body to the end of the file, or to the `}` of the block that is open.
    fn body(&mut self, open: Option<&Range<usize>>) -> Parsed {
        let mut names: HashMap<&'t str, usize> = HashMap::new();
        loop {
            let token = self.peek();
            match token.kind {
                Kind::Newline => {
                    self.read();
                }
                Kind::End if open.is_none() => return Ok(()),
                Kind::CloseBrace if open.is_some() => {
                    self.read();
                    return Ok(());
                }
                Kind::Ident => {
                    if let Some(header) = open {
                        self.suspect(token, header);
                    }
                    self.item(&mut names)?;
                }
                _ => return Err(self.no_item(open)),
            }
        }
    }

    /// An item of a block that stands no deeper than the block itself: the `}` may be missing before it.
    fn suspect(&mut self, token: Token, header: &Range<usize>) {
        let column = |at: usize| at - line_start(self.text, at);
        if self.suspect.is_none() && column(token.start()) <= column(header.start) {
            self.suspect = Some(token.start());
        }
    }

    fn no_item(&self, open: Option<&Range<usize>>) -> Box<Diagnosis> {
        let token = self.peek();
        match (token.kind, open) {
            (Kind::End, Some(open)) => {
                let header = self.text.get(open.clone()).unwrap_or("").trim_end();
                let header = header.lines().next().unwrap_or("");
                let diagnosis = Diagnosis::new(open.clone(), format!("the block `{header}` is not closed"))
                    .line("the file ends in", self.text.trim_end().len());
                match self.suspect {
                    Some(at) => diagnosis.line("a `}` may be missing before", at),
                    None => diagnosis,
                }
            }
            (Kind::CloseBrace, None) => Diagnosis::new(token.range(), "the `}` closes nothing")
                .remedy("Remove it, or write the `{` that it belongs to."),
            (Kind::OpenQuote, _) => self
                .expected("the name of an attribute or block")
                .remedy("Names of attributes and blocks are written without quotes."),
            (Kind::OpenBrace, None) if self.next == 0 || self.text.trim_start().starts_with('{') => self
                .expected("the name of an attribute or block")
                .remedy("This may be JSON: the name of such a file ends in `.json`."),
            (kind, _) if kind.is_binary() || matches!(kind, Kind::Question | Kind::Colon | Kind::Dot) => self
                .expected("the name of an attribute or block")
                .remedy("A value that goes on over several lines is put in parentheses."),
            _ => self.expected("the name of an attribute or block"),
        }
    }

    fn item(&mut self, names: &mut HashMap<&'t str, usize>) -> Parsed {
        let name = self.read();
        self.count(&name.range())?;
        match self.peek_kind() {
            Kind::Assign => {
                let source = self.source(name);
                if let Some(first) = names.insert(source, name.start()) {
                    return Err(Diagnosis::new(name.range(), format!("the attribute `{source}` is set twice"))
                        .line("it is first set in", first)
                        .remedy("Keep one of them."));
                }
                self.attribute(false)
            }
            Kind::OpenQuote | Kind::OpenBrace | Kind::Ident => self.block(name),
            _ => Err(self.no_assignment(name)),
        }
    }

    fn no_assignment(&self, name: Token) -> Box<Diagnosis> {
        let source = self.source(name);
        let diagnosis = self.expected(&format!("`=` or a block after `{source}`"));
        match self.peek_kind() {
            Kind::Colon => diagnosis.remedy("An attribute is set with `=`."),
            Kind::Dot | Kind::OpenBracket => {
                diagnosis.remedy("The name of an attribute is one name. To set a part of an object, write the object.")
            }
            Kind::OpenParen => diagnosis.remedy("A function is called in the value of an attribute only."),
            Kind::Newline if self.brace_on_next_line() => {
                diagnosis.remedy("The `{` of a block stands on the line of its name.")
            }
            _ => diagnosis,
        }
    }

    fn brace_on_next_line(&self) -> bool {
        let rest = self.text.get(self.peek().start()..).unwrap_or("");
        rest.trim_start().starts_with('{')
    }

    /// `= value` and its line end.
    fn attribute(&mut self, one_line: bool) -> Parsed {
        self.read();
        self.expression()?;
        if one_line {
            return Ok(());
        }
        match self.peek_kind() {
            Kind::Newline => {
                self.read();
                Ok(())
            }
            Kind::End => Ok(()),
            _ => Err(self.after_value()),
        }
    }

    fn after_value(&self) -> Box<Diagnosis> {
        let diagnosis = self.expected("the end of the line after the value");
        match self.peek_kind() {
            Kind::Comma => diagnosis.remedy("Attributes of a block are separated by line ends, without commas."),
            Kind::Ident | Kind::Number if self.follows(|c| c == '"') => {
                diagnosis.remedy("A quote in a string is written `\\\"`.")
            }
            Kind::Ident if self.follows(|c| c.is_ascii_digit()) => {
                diagnosis.remedy("A number is written in decimal, without `_` and units.")
            }
            Kind::OpenQuote | Kind::Ident | Kind::Number => {
                diagnosis.remedy("An operator or the line end may be missing before it.")
            }
            Kind::Assign => diagnosis.remedy("Values are compared with `==`; each attribute has a line of its own."),
            _ => diagnosis,
        }
    }

    /// Whether such a character stands right before the next token.
    fn follows(&self, what: fn(char) -> bool) -> bool {
        self.text.get(..self.peek().start()).is_some_and(|before| before.ends_with(what))
    }

    fn block(&mut self, name: Token) -> Parsed {
        let source = self.source(name);
        let start = name.start();
        loop {
            match self.peek_kind() {
                Kind::OpenBrace => break,
                Kind::OpenQuote => self.label()?,
                Kind::Ident => {
                    self.read();
                }
                Kind::Newline => {
                    return Err(self.expected(&format!("the `{{` of the block `{source}` on this line")));
                }
                Kind::Assign => {
                    let labels = self.text.get(name.range().end..self.peek().start()).unwrap_or("").trim();
                    return Err(self
                        .expected(&format!("the `{{` of the block `{source}`"))
                        .remedy(format!("A block has no `=`. An attribute has no label such as {labels}.")));
                }
                _ => return Err(self.expected(&format!("a label or the `{{` of the block `{source}`"))),
            }
        }
        let brace = self.read();
        let open = start..brace.range().end;
        self.deeper(|parser| match parser.peek_kind() {
            Kind::Newline | Kind::End | Kind::CloseBrace => parser.body(Some(&open)),
            _ => parser.one_line_body(source, &open),
        })?;
        match self.peek_kind() {
            Kind::Newline => {
                self.read();
                Ok(())
            }
            Kind::End => Ok(()),
            Kind::Comma => Err(self
                .expected(&format!("the end of the line after the block `{source}`"))
                .remedy("Blocks are separated by line ends, without commas.")),
            _ => Err(self.expected(&format!("the end of the line after the block `{source}`"))),
        }
    }

    /// `name { attribute = value }`: one attribute, on one line.
    fn one_line_body(&mut self, block: &str, open: &Range<usize>) -> Parsed {
        const LINES: &str = "Write each attribute of a block on a line of its own.";
        let name = self.peek();
        if name.kind != Kind::Ident {
            return Err(self.expected(&format!("an attribute of the block `{block}`, or `}}`")));
        }
        self.read();
        self.count(&name.range())?;
        match self.peek_kind() {
            Kind::Assign => self.attribute(true)?,
            Kind::OpenQuote | Kind::OpenBrace | Kind::Ident => {
                return Err(self
                    .expected(&format!("`=` after `{}`", self.source(name)))
                    .remedy("A block in a block begins on a line of its own."));
            }
            _ => return Err(self.no_assignment(name)),
        }
        match self.peek_kind() {
            Kind::CloseBrace => {
                self.read();
                Ok(())
            }
            Kind::End => Err(self.no_item(Some(open))),
            Kind::Comma => Err(self
                .expected(&format!("the `}}` of the block `{block}`"))
                .remedy(format!("A block on one line has one attribute. {LINES}"))),
            Kind::Newline => Err(self
                .expected(&format!("the `}}` of the block `{block}` on this line"))
                .remedy(format!("A block whose attribute is on its first line ends there. {LINES}"))),
            _ => Err(self.expected(&format!("the `}}` of the block `{block}`")).remedy(LINES)),
        }
    }

    /// A label in quotes: a plain string.
    fn label(&mut self) -> Parsed {
        let open = self.read();
        loop {
            let token = self.read();
            match token.kind {
                Kind::CloseQuote => return Ok(()),
                Kind::Quoted => self.escapes(token)?,
                Kind::Interpolation | Kind::Directive => {
                    let sign = self.source(token).get(..1).unwrap_or("$");
                    return Err(Diagnosis::new(token.range(), "the label of a block cannot be made from values")
                        .remedy(format!("Write a plain string; a literal `{sign}{{` is `{sign}{sign}{{`.")));
                }
                _ => return Err(self.open_string(open)),
            }
        }
    }

    /// A string whose end does not come.
    pub(super) fn open_string(&self, open: Token) -> Box<Diagnosis> {
        broken_line(open.range())
    }
}
