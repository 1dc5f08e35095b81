//! Templates: strings in quotes, heredocs, and files that are one.

use std::ops::Range;

use super::diagnosis::Diagnosis;
use super::grammar::{Parsed, Parser, broken_line, too_deep};
use super::token::{Kind, Token};

/// Directives in each other.
const LEVELS: usize = 62;

/// A directive that is open.
struct Directive {
    at: Range<usize>,
    kind: Block,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    If,
    Else,
    For,
}

impl Block {
    fn word(self) -> &'static str {
        match self {
            Block::If => "if",
            Block::Else => "else",
            Block::For => "for",
        }
    }

    fn end(self) -> &'static str {
        match self {
            Block::If | Block::Else => "endif",
            Block::For => "endfor",
        }
    }
}

impl Parser<'_> {
    /// The rest of a template, and its end.
    pub(super) fn template(&mut self, end: Kind, open: Option<Token>) -> Parsed {
        let mut directives: Vec<Directive> = Vec::new();
        loop {
            let token = self.peek_here();
            if token.kind == end {
                if let Some(directive) = directives.last() {
                    let (word, end) = (directive.kind.word(), directive.kind.end());
                    return Err(Diagnosis::new(directive.at.clone(), format!("the `%{{ {word} }}` is not closed"))
                        .remedy(format!("Write `%{{ {end} }}` where it ends.")));
                }
                self.step();
                return Ok(());
            }
            match token.kind {
                Kind::Text => self.step(),
                Kind::Quoted => {
                    self.step();
                    self.escapes(token)?;
                }
                Kind::Interpolation => {
                    self.step();
                    self.count(&token.range())?;
                    self.with_newlines(false, |parser| {
                        parser.expression()?;
                        parser.close_sequence(token, end)
                    })?;
                }
                Kind::Directive => {
                    self.step();
                    self.count(&token.range())?;
                    self.with_newlines(false, |parser| parser.directive(token, end, &mut directives))?;
                    if directives.len() > LEVELS {
                        return Err(too_deep(token.range()));
                    }
                }
                _ => return Err(self.no_end(token, open)),
            }
        }
    }

    /// The `}` of `${` or `%{`.
    fn close_sequence(&mut self, open: Token, end: Kind) -> Parsed {
        if self.take(Kind::CloseSequence).is_some() {
            return Ok(());
        }
        let sign = self.source(open).get(..2).unwrap_or("${");
        let other = &sign[..1];
        let kind = self.peek_kind();
        if end == Kind::CloseQuote && matches!(kind, Kind::OpenQuote | Kind::CloseQuote | Kind::Bad(_) | Kind::End) {
            return Err(Diagnosis::new(open.range(), format!("the `{sign}` is not closed in its string"))
                .remedy(format!("Write `}}` where it ends, or `{other}{sign}` for a literal `{sign}`.")));
        }
        if kind == Kind::End {
            return Err(Diagnosis::new(open.range(), format!("the `{sign}` is not closed"))
                .remedy(format!("Write `}}` where it ends, or `{other}{sign}` for a literal `{sign}`.")));
        }
        Err(self
            .expected(&format!("the `}}` of the `{sign}`"))
            .remedy(format!("If this belongs to another language, write `{other}{sign}` for a literal `{sign}`.")))
    }

    fn directive(&mut self, open: Token, end: Kind, directives: &mut Vec<Directive>) -> Parsed {
        const KNOWN: &str = "A directive is one of `if`, `else`, `endif`, `for` and `endfor`.";
        let word = self.peek();
        if word.kind != Kind::Ident {
            return Err(self
                .expected("`if`, `for` or another directive after `%{`")
                .remedy("For a literal `%{` write `%%{`."));
        }
        self.read();
        let at = open.start()..word.range().end;
        match self.source(word) {
            "if" => {
                self.expression()?;
                directives.push(Directive { at, kind: Block::If });
            }
            "for" => {
                self.for_names()?;
                self.expression()?;
                directives.push(Directive { at, kind: Block::For });
            }
            "else" => match directives.last_mut() {
                Some(directive) if directive.kind == Block::If => directive.kind = Block::Else,
                last => return Err(misplaced("else", at, last.as_deref())),
            },
            "endif" => match directives.pop() {
                Some(Directive { kind: Block::If | Block::Else, .. }) => {}
                last => return Err(misplaced("endif", at, last.as_ref())),
            },
            "endfor" => match directives.pop() {
                Some(Directive { kind: Block::For, .. }) => {}
                last => return Err(misplaced("endfor", at, last.as_ref())),
            },
            other => {
                let message = format!("`{}` is no directive", other.get(..40).unwrap_or(other));
                return Err(Diagnosis::new(word.range(), message).remedy(KNOWN));
            }
        }
        self.close_sequence(open, end)
    }

    /// The template goes on to where it cannot.
    fn no_end(&self, token: Token, open: Option<Token>) -> Box<Diagnosis> {
        match (open, token.kind) {
            (Some(open), _) if open.kind == Kind::OpenQuote => broken_line(open.range()),
            (Some(open), Kind::End) => self.open_heredoc(open),
            _ => self.expected("text"),
        }
    }

    fn open_heredoc(&self, open: Token) -> Box<Diagnosis> {
        let marker = self.source(open).trim_start_matches(['<', '-']).trim_end();
        let at = open.start()..open.range().end - (self.source(open).len() - self.source(open).trim_end().len());
        let diagnosis = Diagnosis::new(at, format!("the heredoc `{marker}` is not closed"))
            .remedy(format!("Write `{marker}` on a line of its own, with nothing else in it."));
        let rest = self.text.get(open.range().end..).unwrap_or("");
        let mut start = open.range().end;
        for line in rest.split_inclusive('\n') {
            let trimmed = line.trim_start();
            let after = trimmed.strip_prefix(marker);
            if let Some(after) = after.filter(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')) {
                return if after.trim().is_empty() {
                    diagnosis.line(format!("the line end is missing after `{marker}` in"), start)
                } else {
                    diagnosis.line(format!("there is more than `{marker}` in"), start)
                };
            }
            start += line.len();
        }
        diagnosis
    }

    /// The escapes of a text in quotes.
    pub(super) fn escapes(&self, token: Token) -> Parsed {
        const KNOWN: &str = "Escapes are `\\n`, `\\r`, `\\t`, `\\\"`, `\\\\`, `\\uNNNN` and `\\UNNNNNNNN`.";
        let source = self.source(token);
        let mut rest = source;
        while let Some(at) = rest.find('\\') {
            let here = rest.get(at..).unwrap_or("");
            let start = token.start() + source.len() - here.len();
            let next = here.chars().nth(1);
            let digits = match next {
                Some('u') => 4,
                Some('U') => 8,
                Some('n' | 'r' | 't' | '"' | '\\') => 0,
                Some(other) => {
                    let at = start..start + 1 + other.len_utf8();
                    let diagnosis = Diagnosis::new(at, format!("`\\{other}` is no escape"));
                    return Err(match other {
                        '$' | '%' => diagnosis.remedy(format!("For a literal `{other}{{` write `{other}{other}{{`.")),
                        _ => diagnosis.remedy(format!("Write `\\\\` for a backslash. {KNOWN}")),
                    });
                }
                None => return Err(Diagnosis::new(start..start + 1, "an escape is not finished").remedy(KNOWN)),
            };
            let code = here.get(2..2 + digits).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let Some(code) = code else {
                let letter = next.unwrap_or('u');
                let message = format!("`\\{letter}` is not followed by {digits} hexadecimal digits");
                return Err(Diagnosis::new(start..start + 2, message).remedy("Write `\\\\` for a backslash."));
            };
            let character = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
            if digits > 0 && character.is_none() {
                let at = start..start + 2 + digits;
                return Err(Diagnosis::new(at, format!("there is no character U+{code}")));
            }
            rest = here.get(2 + digits..).unwrap_or("");
        }
        Ok(())
    }
}

fn misplaced(word: &str, at: Range<usize>, open: Option<&Directive>) -> Box<Diagnosis> {
    match open {
        Some(open) if open.kind == Block::Else && word == "else" => {
            Diagnosis::new(at, "a second `%{ else }` for one `%{ if }`").line("that one is in", open.at.start)
        }
        Some(open) => Diagnosis::new(at, format!("`%{{ {word} }}` does not belong to `%{{ {} }}`", open.kind.word()))
            .line(format!("the `%{{ {} }}` that is open is in", open.kind.word()), open.at.start),
        None => Diagnosis::new(at, format!("`%{{ {word} }}` belongs to nothing"))
            .remedy("There is no directive that is open here."),
    }
}
