//! The canonical layout of HCL, for generated files: Terragrunt formats what it generates, and a driver that takes its
//! place writes the same bytes.
//!
//! Only the spaces between tokens change, and the columns that `=` and comments stand in. Text that does not parse is laid
//! out as well as can be, as in Terragrunt. The rules are those of HCL's own formatter (`hclwrite`), with which this was
//! compared over made-up texts.

use unicode_segmentation::UnicodeSegmentation;

/// Spaces of one level.
const INDENT: usize = 2;

/// Lays a text out.
pub(crate) fn format(text: &str) -> String {
    let mut tokens = Scanner::new(text.strip_prefix('\u{feff}').unwrap_or(text)).scan();
    let lines = lines(&tokens);
    indent(&mut tokens, &lines);
    space(&mut tokens, &lines);
    align(&mut tokens, &lines);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for token in &tokens {
        out.extend(std::iter::repeat_n(' ', token.before));
        out.push_str(token.text);
    }
    out
}

/// What a token is, as far as its spaces depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// There is none.
    Nothing,
    Newline,
    Comment,
    Name,
    Number,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    OpenParen,
    CloseParen,
    Dot,
    Comma,
    Ellipsis,
    DoubleColon,
    Bang,
    Minus,
    Equal,
    Colon,
    Question,
    /// `+ * / %`
    Arithmetic,
    /// `== != < <= > >=`
    Comparison,
    /// `&& ||`
    Logic,
    /// `"`, at the start and at the end.
    OpenQuote,
    CloseQuote,
    OpenHeredoc,
    CloseHeredoc,
    /// Text of a template.
    Text,
    /// `${` or `%{`.
    OpenTemplate,
    CloseTemplate,
    Other,
    End,
}

#[derive(Debug, Clone, Copy)]
struct Token<'t> {
    kind: Kind,
    text: &'t str,
    /// Spaces before it.
    before: usize,
}

impl Token<'_> {
    /// How many brackets it opens.
    fn opens(&self) -> isize {
        match self.kind {
            Kind::OpenBrace | Kind::OpenBracket | Kind::OpenParen | Kind::OpenTemplate => 1,
            Kind::CloseBrace | Kind::CloseBracket | Kind::CloseParen | Kind::CloseTemplate => -1,
            _ => 0,
        }
    }

    fn ends_line(&self) -> bool {
        // A comment of one line holds the line's end.
        self.kind == Kind::Newline || (self.kind == Kind::Comment && self.text.ends_with('\n'))
    }
}

/// What the scanner is in.
enum Within<'t> {
    /// Code of a template, which ends with the brace at this depth.
    Code(usize),
    Quotes,
    Heredoc {
        marker: &'t str,
        at_line_start: bool,
    },
}

struct Scanner<'t> {
    left: &'t str,
    spaces: usize,
    braces: usize,
    within: Vec<Within<'t>>,
    tokens: Vec<Token<'t>>,
}

impl<'t> Scanner<'t> {
    fn new(text: &'t str) -> Self {
        Scanner { left: text, spaces: 0, braces: 0, within: Vec::new(), tokens: Vec::new() }
    }

    fn scan(mut self) -> Vec<Token<'t>> {
        while !self.left.is_empty() {
            match self.within.last() {
                None | Some(Within::Code(_)) => self.code(),
                Some(Within::Quotes) => self.quotes(),
                Some(Within::Heredoc { .. }) => self.heredoc(),
            }
        }
        self.take(Kind::End, 0);
        self.tokens
    }

    /// The next bytes are a token.
    fn take(&mut self, kind: Kind, bytes: usize) {
        let (text, left) = self.left.split_at_checked(bytes).unwrap_or((self.left, ""));
        self.left = left;
        self.tokens.push(Token { kind, text, before: std::mem::take(&mut self.spaces) });
    }

    fn code(&mut self) {
        const SIGNS: [(&str, Kind); 29] = [
            ("\r\n", Kind::Newline),
            ("\n", Kind::Newline),
            ("...", Kind::Ellipsis),
            ("==", Kind::Comparison),
            ("=>", Kind::Other),
            ("!=", Kind::Comparison),
            (">=", Kind::Comparison),
            ("<=", Kind::Comparison),
            ("&&", Kind::Logic),
            ("||", Kind::Logic),
            ("::", Kind::DoubleColon),
            ("=", Kind::Equal),
            ("<", Kind::Comparison),
            (">", Kind::Comparison),
            ("!", Kind::Bang),
            ("-", Kind::Minus),
            ("+", Kind::Arithmetic),
            ("*", Kind::Arithmetic),
            ("/", Kind::Arithmetic),
            ("%", Kind::Arithmetic),
            (":", Kind::Colon),
            ("?", Kind::Question),
            (",", Kind::Comma),
            (".", Kind::Dot),
            ("[", Kind::OpenBracket),
            ("]", Kind::CloseBracket),
            ("(", Kind::OpenParen),
            (")", Kind::CloseParen),
            ("{", Kind::OpenBrace),
        ];
        let left = self.left;
        let spaces = left.len() - left.trim_start_matches([' ', '\t']).len();
        if spaces > 0 {
            self.spaces += spaces;
            self.left = left.get(spaces..).unwrap_or_default();
            return;
        }
        let first = left.chars().next().unwrap_or('\n');
        if left.starts_with('#') || left.starts_with("//") {
            let end = left.find('\n').map_or(left.len(), |at| at + 1);
            return self.take(Kind::Comment, end);
        }
        // One that does not end is none.
        let inner = left.strip_prefix("/*").and_then(|rest| rest.find("*/"));
        if let Some(at) = inner {
            return self.take(Kind::Comment, at + 4);
        }
        if first.is_ascii_digit() {
            return self.take(Kind::Number, number(left));
        }
        if first == '_' || first.is_alphabetic() {
            let end = left.find(|c: char| !(c == '_' || c == '-' || c.is_alphanumeric())).unwrap_or(left.len());
            return self.take(Kind::Name, end);
        }
        if left.starts_with('"') {
            self.within.push(Within::Quotes);
            return self.take(Kind::OpenQuote, 1);
        }
        if let Some((marker, bytes)) = heredoc(left) {
            self.within.push(Within::Heredoc { marker, at_line_start: true });
            return self.take(Kind::OpenHeredoc, bytes);
        }
        if left.starts_with("~}") {
            return self.close(2, Kind::CloseTemplate);
        }
        if left.starts_with('}') {
            return self.close(1, Kind::CloseBrace);
        }
        let sign = SIGNS.iter().find(|(sign, _)| left.starts_with(sign));
        let (bytes, kind) = sign.map_or((first.len_utf8(), Kind::Other), |(sign, kind)| (sign.len(), *kind));
        self.braces += usize::from(kind == Kind::OpenBrace);
        self.take(kind, bytes);
    }

    /// A brace that closes code: the template's, or one within it.
    fn close(&mut self, bytes: usize, otherwise: Kind) {
        let ends = matches!(self.within.last(), Some(Within::Code(depth)) if *depth == self.braces);
        if ends {
            self.within.pop();
        }
        self.braces = self.braces.saturating_sub(1);
        self.take(if ends { Kind::CloseTemplate } else { otherwise }, bytes);
    }

    /// `${` or `%{`, if that is next and is not written twice.
    fn template(&mut self) -> bool {
        if !(self.left.starts_with("${") || self.left.starts_with("%{")) {
            return false;
        }
        let bytes = if self.left.get(2..).is_some_and(|rest| rest.starts_with('~')) { 3 } else { 2 };
        self.braces += 1;
        if let Some(Within::Heredoc { at_line_start, .. }) = self.within.last_mut() {
            *at_line_start = false;
        }
        self.within.push(Within::Code(self.braces));
        self.take(Kind::OpenTemplate, bytes);
        true
    }

    fn quotes(&mut self) {
        if self.template() {
            return;
        }
        if self.left.starts_with('"') {
            self.within.pop();
            return self.take(Kind::CloseQuote, 1);
        }
        if self.left.starts_with(['\n', '\r']) {
            let end = self.left.find(|c| !matches!(c, '\n' | '\r')).unwrap_or(self.left.len());
            return self.take(Kind::Other, end);
        }
        let end = text(self.left, true);
        self.take(Kind::Text, end);
    }

    fn heredoc(&mut self) {
        if self.template() {
            return;
        }
        let end = text(self.left, false);
        let line = self.left.get(..end).unwrap_or_default();
        let Some(Within::Heredoc { marker, at_line_start }) = self.within.last_mut() else { return };
        let whole_line = line.ends_with('\n');
        let ends = whole_line && *at_line_start && line.trim() == *marker;
        *at_line_start = whole_line;
        if !ends {
            return self.take(Kind::Text, end);
        }
        self.within.pop();
        let newline = if line.ends_with("\r\n") { 2 } else { 1 };
        self.take(Kind::CloseHeredoc, end - newline);
        self.take(Kind::Newline, newline);
    }
}

/// Bytes of a number: it does not end with a dot.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut at = 1;
    loop {
        match bytes.get(at) {
            Some(byte) if byte.is_ascii_digit() => at += 1,
            Some(b'.') if digit(at + 1) => at += 2,
            Some(b'e' | b'E') if digit(at + 1) => at += 2,
            Some(b'e' | b'E') if matches!(bytes.get(at + 1), Some(b'+' | b'-')) && digit(at + 2) => at += 3,
            _ => return at,
        }
    }
}

/// `<<NAME` or `<<-NAME` at the end of a line: the name, and all of it with the line's end.
fn heredoc(text: &str) -> Option<(&str, usize)> {
    let rest = text.strip_prefix("<<")?;
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    let end = rest.find('\n')?;
    let marker = rest.get(..end)?;
    let marker = marker.strip_suffix('\r').unwrap_or(marker);
    let named = marker.starts_with(|c: char| c == '_' || c.is_alphabetic())
        && marker.chars().all(|c| c == '_' || c == '-' || c.is_alphanumeric());
    named.then_some((marker, text.len() - rest.len() + end + 1))
}

/// Bytes of a template's text: to its end, to the next `${` or `%{`, or through the line's end outside of quotes.
fn text(text: &str, quoted: bool) -> usize {
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' if quoted => return at,
            '\n' | '\r' if quoted => return at,
            '\n' => return at + 1,
            '\\' if quoted => drop(characters.next_if(|(_, next)| !matches!(next, '\n' | '\r'))),
            '$' | '%' => {
                let rest = text.get(at + 1..).unwrap_or_default();
                if rest.starts_with('{') {
                    return at;
                }
                // `$${` is text.
                if rest.starts_with(c) && rest.get(1..).is_some_and(|rest| rest.starts_with('{')) {
                    characters.next();
                    characters.next();
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// A line in its three cells, as ends in the tokens: what leads, `=` with its value, a comment at the end.
#[derive(Debug, Clone, Copy)]
struct Line {
    start: usize,
    /// Where `=` is, if its value is whole on this line.
    assign: Option<usize>,
    comment: Option<usize>,
    end: usize,
}

impl Line {
    fn lead(&self) -> std::ops::Range<usize> {
        self.start..self.assign.or(self.comment).unwrap_or(self.end)
    }

    fn value(&self) -> std::ops::Range<usize> {
        let end = self.comment.unwrap_or(self.end);
        self.assign.unwrap_or(end)..end
    }
}

fn lines(tokens: &[Token<'_>]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut start = 0;
    for (at, token) in tokens.iter().enumerate() {
        let end = match token.kind {
            Kind::End => at,
            _ if token.ends_line() => at + 1,
            _ => continue,
        };
        lines.push(line(tokens, start, end));
        start = end;
    }
    lines
}

fn line(tokens: &[Token<'_>], start: usize, end: usize) -> Line {
    let within = tokens.get(start..end).unwrap_or_default();
    let comment = (within.len() > 1 && within.last().is_some_and(|token| token.kind == Kind::Comment)).then(|| end - 1);
    let code = tokens.get(start..comment.unwrap_or(end)).unwrap_or_default();
    let equal = code.iter().skip(1).position(|token| token.kind == Kind::Equal).map(|at| at + 1);
    // One that opens more than it closes goes on below, and is not aligned.
    let whole = |at: &usize| code.iter().skip(*at).map(Token::opens).sum::<isize>() == 0;
    Line { start, assign: equal.filter(whole).map(|at| start + at), comment, end }
}

/// Each line that opens brackets indents those below it by one level, however many it opens.
fn indent(tokens: &mut [Token<'_>], lines: &[Line]) {
    let mut levels: Vec<isize> = Vec::new();
    for line in lines {
        let lead = tokens.get(line.lead()).unwrap_or_default();
        let Some(first) = lead.first() else { continue };
        if first.kind == Kind::Newline {
            set(tokens, line.start, 0);
            continue;
        }
        // What a heredoc's text opens is its own.
        let before_heredoc = lead.iter().position(|token| token.kind == Kind::OpenHeredoc).unwrap_or(lead.len());
        let value = tokens.get(line.value()).unwrap_or_default();
        let net: isize = lead.iter().take(before_heredoc).chain(value).map(Token::opens).sum();
        if net > 0 {
            set(tokens, line.start, INDENT * levels.len());
            levels.push(net);
            continue;
        }
        let mut closed = -net;
        while closed > 0 {
            let Some(open) = levels.last_mut() else { break };
            if closed < *open {
                *open -= closed;
                break;
            }
            closed -= *open;
            levels.pop();
        }
        set(tokens, line.start, INDENT * levels.len());
    }
}

fn set(tokens: &mut [Token<'_>], at: usize, before: usize) {
    if let Some(token) = tokens.get_mut(at) {
        token.before = before;
    }
}

fn space(tokens: &mut [Token<'_>], lines: &[Line]) {
    for line in lines {
        if let Some(assign) = line.assign {
            set(tokens, assign, 1);
        }
        for cell in [line.lead(), line.value()] {
            let mut before = Kind::Nothing;
            for at in cell.start..cell.end.saturating_sub(1) {
                let (Some(subject), Some(after)) = (tokens.get(at).copied(), tokens.get(at + 1).copied()) else {
                    break;
                };
                set(tokens, at + 1, usize::from(is_apart(&subject, before, &after)));
                before = subject.kind;
            }
        }
    }
}

/// Whether there is a space between a token and the next.
fn is_apart(subject: &Token<'_>, before: Kind, after: &Token<'_>) -> bool {
    use Kind::*;
    match (subject.kind, after.kind) {
        (_, Newline) | (Name, OpenParen) | (Name, DoubleColon) | (DoubleColon, Name) => false,
        (Dot, _) | (_, Dot | Comma | Ellipsis) => false,
        (Comma, _) => true,
        (Text | OpenQuote | OpenHeredoc, _) | (_, Text | CloseQuote | CloseHeredoc) => false,
        // `[for x in [y] : x]`
        (Name, _) if subject.text == "in" && before == Name => true,
        (Name | Number | CloseBrace | CloseBracket | CloseParen | CloseTemplate, OpenBracket) => false,
        (Bang, _) => false,
        // After the end of an expression it subtracts; elsewhere it is a sign.
        (Minus, _) => !matches!(
            before,
            Nothing
                | OpenParen
                | OpenBrace
                | OpenBracket
                | Equal
                | Colon
                | Comma
                | Question
                | Arithmetic
                | Minus
                | Comparison
                | Logic
                | Bang
        ),
        (OpenBrace, CloseBrace) => false,
        (OpenBrace, _) | (_, CloseBrace) => true,
        (OpenTemplate, OpenBrace) | (CloseBrace, CloseTemplate) => true,
        (CloseTemplate, OpenTemplate) => false,
        _ => subject.opens() <= 0 && after.opens() >= 0,
    }
}

/// `=` on lines that follow each other stand in one column, and so do comments.
fn align(tokens: &mut [Token<'_>], lines: &[Line]) {
    let assign = |line: &Line| line.assign.map(|at| (line.start..at, at));
    let comment = |line: &Line| line.comment.map(|at| (line.start..at, at));
    column(tokens, lines, &assign);
    column(tokens, lines, &comment);
}

/// The tokens before what is aligned, and where it is.
type Cell = (std::ops::Range<usize>, usize);

fn column(tokens: &mut [Token<'_>], lines: &[Line], cell: &dyn Fn(&Line) -> Option<Cell>) {
    let mut chain: Vec<(usize, usize)> = Vec::new();
    for line in lines.iter().map(Some).chain([None]) {
        match line.and_then(cell) {
            Some((before, at)) => {
                let width = tokens.get(before).unwrap_or_default().iter().map(width).sum();
                chain.push((at, width));
            }
            None => {
                let widest = chain.iter().map(|(_, width)| *width).max().unwrap_or(0);
                for (at, width) in chain.drain(..) {
                    set(tokens, at, widest - width + 1);
                }
            }
        }
    }
}

/// Columns of a token with the spaces before it.
fn width(token: &Token<'_>) -> usize {
    token.before + token.text.graphemes(true).count()
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn equals_and_comments_are_aligned_and_blocks_are_indented() {
        let text =
            "terraform{\nbackend \"http\" {\naddress=\"x\"   # one\nlock_address = \"y\" // two\n\n\tz=1\n}\n}\n";
        let wanted = "terraform {\n  backend \"http\" {\n    address      = \"x\" # one\n    lock_address = \"y\" // two\n\n    z = 1\n  }\n}\n";
        assert_eq!(format(text), wanted);
    }

    #[test]
    fn spaces_between_tokens() {
        for (text, wanted) in [
            ("a=b(1,2,c...)", "a = b(1, 2, c...)"),
            ("a=[1,-2,b -3,- 4]", "a = [1, -2, b - 3, -4]"),
            ("a={b=1,c={}}", "a = { b = 1, c = {} }"),
            ("a=b?c:d", "a = b ? c : d"),
            ("a=! b&&c==d", "a = !b && c == d"),
            ("a=b [0] .c[ * ]", "a = b[0].c[*]"),
            ("a=[for x in[1]:x if x>1]", "a = [for x in [1] : x if x > 1]"),
            ("a={for k,v in b:k=>v}", "a = { for k, v in b : k => v }"),
            ("a=\"${ b+1 }x${c}${d}\"", "a = \"${b + 1}x${c}${d}\""),
            ("a=\"$${x} %%{y} \\\" ${\"in ${z}\"}\"", "a = \"$${x} %%{y} \\\" ${\"in ${z}\"}\""),
            ("a=provider :: x :: y ( 1 )", "a = provider::x::y(1)"),
            ("a=1.5e+3*2", "a = 1.5e+3 * 2"),
            ("ä=1\nbb=2", "ä  = 1\nbb = 2"),
        ] {
            assert_eq!(format(text), wanted, "{text}");
            assert_eq!(format(wanted), wanted, "{wanted}");
        }
    }

    #[test]
    fn a_heredoc_is_left_as_it_is() {
        let text = "a = <<EOT\n  x   =   ${ b }\n   }\nEOT\nbb=1\nc=<<-X\n  %{if y}z%{ endif }\n  X\n";
        let wanted = "a  = <<EOT\n  x   =   ${b}\n   }\nEOT\nbb = 1\nc  = <<-X\n  %{if y}z%{endif}\n  X\n";
        assert_eq!(format(text), wanted);
    }

    #[test]
    fn what_does_not_parse_ends_all_the_same() {
        for text in [
            "",
            "}}}",
            "\"",
            "\"${",
            "<<X\n",
            "<<X\n${",
            "/*",
            "/*/",
            "a = \"\n\"",
            "~}",
            "%{",
            "\u{feff}a=1",
            "'`^\u{1}",
        ] {
            let once = format(text);
            assert!(once.len() <= text.len() + 64, "{text:?}: {once:?}");
        }
    }
}
