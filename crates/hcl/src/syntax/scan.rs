//! From text to tokens: the rules of HCL's own scanner.
//!
//! Linear in the text. Never fails: what cannot be a token is a bad one, and whoever comes by it says so.

use std::ops::Range;

use super::token::{Bad, Kind, Token};

/// What the scanner is in.
enum Mode {
    /// Expressions and bodies.
    Main,
    Quoted,
    Heredoc {
        marker: Range<usize>,
        at_line_start: bool,
    },
    /// A file that is a template as a whole.
    Bare,
}

struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    tokens: Vec<Token>,
    modes: Vec<Mode>,
    braces: i64,
    /// Depths of braces at which a template goes on.
    returns: Vec<i64>,
    returned: Vec<usize>,
    comments: Vec<Range<usize>>,
}

/// What a text is made of.
pub(super) struct Scanned {
    /// The last one is the end.
    pub(super) tokens: Vec<Token>,
    /// Carriage returns in the middle of a comment of one line.
    pub(super) returned: Vec<usize>,
    pub(super) comments: Vec<Range<usize>>,
}

/// The tokens of a body.
pub(super) fn body(text: &str) -> Scanned {
    scan(text, Mode::Main)
}

/// The tokens of a template.
pub(super) fn template(text: &str) -> Scanned {
    scan(text, Mode::Bare)
}

fn scan(text: &str, mode: Mode) -> Scanned {
    let tokens = Vec::with_capacity(text.len() / 6);
    let bytes = text.as_bytes();
    let modes = vec![mode];
    let mut scanner = Scanner {
        text,
        bytes,
        at: 0,
        tokens,
        modes,
        braces: 0,
        returns: Vec::new(),
        returned: Vec::new(),
        comments: Vec::new(),
    };
    while scanner.at < text.len() {
        match scanner.modes.last_mut() {
            Some(Mode::Quoted) => scanner.quoted(),
            Some(Mode::Heredoc { marker, at_line_start }) => {
                let (marker, at_line_start) = (marker.clone(), std::mem::take(at_line_start));
                scanner.heredoc(marker, at_line_start);
            }
            Some(Mode::Bare) => scanner.bare(),
            Some(Mode::Main) | None => scanner.main(),
        }
    }
    scanner.push(Kind::End, 0);
    Scanned { tokens: scanner.tokens, returned: scanner.returned, comments: scanner.comments }
}

impl Scanner<'_> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or(&[])
    }

    fn push(&mut self, kind: Kind, length: usize) {
        self.tokens.push(Token::new(kind, &(self.at..self.at + length)));
        self.at += length;
    }

    /// The character at this place, as a bad one.
    fn bad(&mut self) {
        let length = self.text.get(self.at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        self.push(Kind::Bad(Bad::Character), length);
    }

    /// Bytes until one of some kind.
    fn until(&self, from: usize, stop: fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(from..).unwrap_or(&[]);
        from + rest.iter().position(|byte| stop(*byte)).unwrap_or(rest.len())
    }

    fn main(&mut self) {
        let Some(byte) = self.byte(0) else { return };
        match byte {
            b' ' | b'\t' => self.at += 1,
            b'\n' => self.push(Kind::Newline, 1),
            b'\r' if self.byte(1) == Some(b'\n') => self.push(Kind::Newline, 2),
            b'0'..=b'9' => self.number(),
            b'#' => self.comment(),
            b'/' if self.byte(1) == Some(b'/') => self.comment(),
            b'/' if self.byte(1) == Some(b'*') => self.long_comment(),
            b'"' => {
                self.push(Kind::OpenQuote, 1);
                self.modes.push(Mode::Quoted);
            }
            b'{' => {
                self.push(Kind::OpenBrace, 1);
                self.braces += 1;
            }
            b'}' => self.close_brace(1),
            b'~' if self.byte(1) == Some(b'}') => self.close_brace(2),
            b'<' if self.byte(1) == Some(b'<') && self.open_heredoc() => {}
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.ident(),
            byte if byte >= 0x80 => self.ident(),
            _ => self.sign(byte),
        }
    }

    fn sign(&mut self, byte: u8) {
        let next = self.byte(1);
        let two = match (byte, next) {
            (b'=', Some(b'=')) => Some(Kind::Equal),
            (b'!', Some(b'=')) => Some(Kind::NotEqual),
            (b'>', Some(b'=')) => Some(Kind::GreaterEqual),
            (b'<', Some(b'=')) => Some(Kind::LessEqual),
            (b'&', Some(b'&')) => Some(Kind::And),
            (b'|', Some(b'|')) => Some(Kind::Or),
            (b':', Some(b':')) => Some(Kind::DoubleColon),
            (b'=', Some(b'>')) => Some(Kind::FatArrow),
            _ => None,
        };
        if let Some(kind) = two {
            return self.push(kind, 2);
        }
        if self.rest().starts_with(b"...") {
            return self.push(Kind::Ellipsis, 3);
        }
        let kind = match byte {
            b'[' => Kind::OpenBracket,
            b']' => Kind::CloseBracket,
            b'(' => Kind::OpenParen,
            b')' => Kind::CloseParen,
            b'.' => Kind::Dot,
            b',' => Kind::Comma,
            b'*' => Kind::Star,
            b'/' => Kind::Slash,
            b'%' => Kind::Percent,
            b'+' => Kind::Plus,
            b'-' => Kind::Minus,
            b'=' => Kind::Assign,
            b'<' => Kind::Less,
            b'>' => Kind::Greater,
            b'!' => Kind::Bang,
            b'?' => Kind::Question,
            b':' => Kind::Colon,
            _ => return self.bad(),
        };
        self.push(kind, 1);
    }

    fn ident_end(&self, from: usize) -> usize {
        let end = self.until(from, |byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')));
        if self.bytes.get(end).is_none_or(u8::is_ascii) {
            return end;
        }
        let rest = self.text.get(end..).unwrap_or("");
        let goes_on = |c: char| c == '-' || unicode_ident::is_xid_continue(c);
        end + rest.find(|c| !goes_on(c)).unwrap_or(rest.len())
    }

    fn starts_ident(&self, at: usize) -> bool {
        let first = self.text.get(at..).and_then(|rest| rest.chars().next());
        first.is_some_and(|c| c == '_' || unicode_ident::is_xid_start(c))
    }

    fn ident(&mut self) {
        if !self.starts_ident(self.at) {
            return self.bad();
        }
        self.push(Kind::Ident, self.ident_end(self.at) - self.at);
    }

    /// A digit, then digits, points and exponents in any order; not a point at the end. Whether it is a number is
    /// seen later.
    fn number(&mut self) {
        let (mut at, mut end) = (self.at + 1, self.at + 1);
        loop {
            let byte = |ahead: usize| self.bytes.get(at + ahead).copied();
            let digit = |ahead: usize| byte(ahead).is_some_and(|byte| byte.is_ascii_digit());
            match byte(0) {
                Some(b'0'..=b'9') => at += 1,
                Some(b'e' | b'E') if digit(1) => at += 2,
                Some(b'e' | b'E') if matches!(byte(1), Some(b'+' | b'-')) && digit(2) => at += 3,
                Some(b'.') => {
                    at += 1;
                    continue;
                }
                _ => break,
            }
            end = at;
        }
        self.push(Kind::Number, end - self.at);
    }

    /// To the end of the line, which counts as one.
    fn comment(&mut self) {
        let end = self.until(self.at, |byte| byte == b'\n');
        let mut line = self.text.get(self.at..end).unwrap_or("");
        line = line.strip_suffix('\r').filter(|_| end < self.bytes.len()).unwrap_or(line);
        self.returned.extend(line.match_indices('\r').map(|(at, _)| self.at + at));
        self.comments.push(self.at..end);
        self.at = end;
        if self.at < self.bytes.len() {
            self.push(Kind::Newline, 1);
        }
    }

    fn long_comment(&mut self) {
        match self.text.get(self.at + 2..).and_then(|rest| rest.find("*/")) {
            Some(length) => {
                self.comments.push(self.at..self.at + length + 4);
                self.at += length + 4;
            }
            None => self.push(Kind::Bad(Bad::Comment), self.bytes.len() - self.at),
        }
    }

    fn close_brace(&mut self, length: usize) {
        if self.returns.last() == Some(&self.braces) {
            self.returns.pop();
            self.modes.pop();
            self.push(Kind::CloseSequence, length);
        } else {
            self.push(if length == 1 { Kind::CloseBrace } else { Kind::CloseSequence }, length);
        }
        self.braces -= 1;
    }

    /// `<<NAME` or `<<-NAME`, and the line end right after it.
    fn open_heredoc(&mut self) -> bool {
        let start = self.at + 2 + usize::from(self.byte(2) == Some(b'-'));
        if !self.starts_ident(start) {
            return false;
        }
        let end = self.ident_end(start);
        let length = match self.bytes.get(end..).unwrap_or(&[]) {
            [b'\n', ..] => end + 1 - self.at,
            [b'\r', b'\n', ..] => end + 2 - self.at,
            _ => return false,
        };
        self.push(Kind::OpenHeredoc, length);
        self.modes.push(Mode::Heredoc { marker: start..end, at_line_start: true });
        true
    }

    /// `${`, `%{` and their like, or a literal that begins with one of these signs.
    fn sequence(&mut self, literal: Kind) {
        let sign = self.byte(0).unwrap_or(b'$');
        if self.byte(1) == Some(b'{') {
            let length = 2 + usize::from(self.byte(2) == Some(b'~'));
            self.push(if sign == b'$' { Kind::Interpolation } else { Kind::Directive }, length);
            self.braces += 1;
            self.returns.push(self.braces);
            self.modes.push(Mode::Main);
        } else if self.byte(1) == Some(sign) && self.byte(2) == Some(b'{') {
            self.push(literal, 3);
        } else {
            self.push(literal, 1);
        }
    }

    fn quoted(&mut self) {
        match self.byte(0) {
            Some(b'"') => {
                self.modes.pop();
                self.push(Kind::CloseQuote, 1);
            }
            Some(b'\n' | b'\r') => {
                let length = self.until(self.at, |byte| !matches!(byte, b'\n' | b'\r')) - self.at;
                self.push(Kind::Bad(Bad::BrokenLine), length);
            }
            Some(b'$' | b'%') => self.sequence(Kind::Quoted),
            _ => {
                let mut end = self.at;
                loop {
                    end = self.until(end, |byte| matches!(byte, b'"' | b'\n' | b'\r' | b'$' | b'%' | b'\\'));
                    if self.bytes.get(end) != Some(&b'\\') {
                        break;
                    }
                    // What follows a backslash is text, whatever it is.
                    let escaped = self.text.get(end + 1..).and_then(|rest| rest.chars().next());
                    end += match escaped {
                        None | Some('\n' | '\r') => 1,
                        Some(c) => 1 + c.len_utf8(),
                    };
                }
                self.push(Kind::Quoted, end - self.at);
            }
        }
    }

    fn heredoc(&mut self, marker: Range<usize>, at_line_start: bool) {
        let end = self.until(self.at, |byte| matches!(byte, b'\n' | b'$' | b'%'));
        let line = self.text.get(self.at..end).unwrap_or("");
        if let Some(at) = lone_return(line) {
            if at > 0 {
                self.push(Kind::Text, at);
            }
            return self.bad();
        }
        match self.bytes.get(end) {
            Some(b'\n') if at_line_start && line.trim() == self.text.get(marker).unwrap_or("") => {
                self.modes.pop();
                let line = line.len() - usize::from(line.ends_with('\r'));
                self.push(Kind::CloseHeredoc, line);
                self.push(Kind::Newline, end + 1 - self.at);
            }
            Some(b'\n') => {
                self.push(Kind::Text, end + 1 - self.at);
                if let Some(Mode::Heredoc { at_line_start, .. }) = self.modes.last_mut() {
                    *at_line_start = true;
                }
            }
            _ => {
                if end > self.at {
                    self.push(Kind::Text, end - self.at);
                }
                if self.at < self.bytes.len() {
                    self.sequence(Kind::Text);
                }
            }
        }
    }

    fn bare(&mut self) {
        let end = self.until(self.at, |byte| matches!(byte, b'$' | b'%'));
        if end > self.at {
            self.push(Kind::Text, end - self.at);
        } else {
            self.sequence(Kind::Text);
        }
    }
}

/// Where in a line there is a carriage return that does not end it.
fn lone_return(line: &str) -> Option<usize> {
    line.strip_suffix('\r').unwrap_or(line).find('\r')
}
