//! Tokens of HCL, and what they are called in messages.

use std::ops::Range;

/// A token. Its text is in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    start: u32,
    end: u32,
}

impl Token {
    /// Files are far smaller than 4 GiB; one that is not would have been refused.
    pub(super) fn new(kind: Kind, range: &Range<usize>) -> Self {
        let short = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Token { kind, start: short(range.start), end: short(range.end) }
    }

    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(super) fn start(self) -> usize {
        self.start as usize
    }
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ident,
    Number,
    /// The quote that opens a string.
    OpenQuote,
    CloseQuote,
    /// Text in quotes.
    Quoted,
    /// Text of a heredoc or of a file that is a template.
    Text,
    /// `<<EOT` with its line end.
    OpenHeredoc,
    CloseHeredoc,
    /// `${` or `${~`
    Interpolation,
    /// `%{` or `%{~`
    Directive,
    /// The `}` or `~}` of either.
    CloseSequence,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    OpenParen,
    CloseParen,
    Dot,
    Comma,
    Star,
    Slash,
    Percent,
    Plus,
    Minus,
    Assign,
    Less,
    Greater,
    Bang,
    Question,
    Colon,
    Newline,
    Equal,
    NotEqual,
    GreaterEqual,
    LessEqual,
    And,
    Or,
    DoubleColon,
    Ellipsis,
    FatArrow,
    Bad(Bad),
    End,
}

impl Kind {
    /// An operator between two operands.
    pub(super) fn is_binary(self) -> bool {
        use Kind::{
            And, Equal, Greater, GreaterEqual, Less, LessEqual, Minus, NotEqual, Or, Percent, Plus, Slash, Star,
        };
        matches!(
            self,
            And | Or
                | Equal
                | NotEqual
                | Less
                | LessEqual
                | Greater
                | GreaterEqual
                | Plus
                | Minus
                | Star
                | Slash
                | Percent
        )
    }
}

/// What is never right, wherever it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// A character that HCL has no use for.
    Character,
    /// A line end in a string in quotes.
    BrokenLine,
    /// `/*` without its end.
    Comment,
}

/// Characters of a name or number that a message repeats.
const SHOWN: usize = 40;

/// What was found, for a message.
pub(super) fn found(token: Token, text: &str) -> String {
    let source = text.get(token.range()).unwrap_or("");
    match token.kind {
        Kind::Ident => format!("the name `{}`", short(source)),
        Kind::Number => format!("the number `{}`", short(source)),
        Kind::OpenQuote => "a string".to_owned(),
        Kind::CloseQuote => "the end of the string".to_owned(),
        Kind::Quoted | Kind::Text => "text".to_owned(),
        Kind::OpenHeredoc => "a heredoc".to_owned(),
        Kind::CloseHeredoc => "the end of the heredoc".to_owned(),
        Kind::Newline => "the end of the line".to_owned(),
        Kind::End => "the end of the file".to_owned(),
        Kind::Bad(Bad::Character) => character(source),
        Kind::Bad(Bad::BrokenLine) => "the end of the line".to_owned(),
        Kind::Bad(Bad::Comment) => "a comment without an end".to_owned(),
        _ => format!("`{source}`"),
    }
}

fn short(source: &str) -> String {
    match source.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", source.get(..end).unwrap_or("")),
        None => source.to_owned(),
    }
}

/// A character by name where it cannot be shown.
pub(super) fn character(source: &str) -> String {
    match source.chars().next() {
        Some('\0') => "a NUL character".to_owned(),
        Some('\u{feff}') => "a byte order mark".to_owned(),
        Some('\u{a0}') => "a no-break space (U+00A0)".to_owned(),
        Some('\r') => "a carriage return".to_owned(),
        Some(c) if c.is_control() || c.is_whitespace() || c as u32 > 0x7f => {
            let name = format!("U+{:04X}", u32::from(c));
            if c.is_alphanumeric() || matches!(c, '\u{2010}'..='\u{2027}') {
                format!("`{c}` ({name})")
            } else {
                format!("the character {name}")
            }
        }
        Some(c) => format!("`{c}`"),
        None => "nothing".to_owned(),
    }
}
