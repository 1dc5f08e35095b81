//! Expressions: operators, terms, and what follows a term.

use super::diagnosis::Diagnosis;
use super::grammar::{Parsed, Parser, too_deep};
use super::keys::Keys;
use super::token::{Kind, Token};

/// Signs before an operand.
const SIGNS: usize = 60;

impl<'t> Parser<'t> {
    pub(super) fn expression(&mut self) -> Parsed {
        self.deeper(|parser| {
            parser.operations()?;
            let Some(question) = parser.take(Kind::Question) else { return Ok(()) };
            parser.expression()?;
            if parser.take(Kind::Colon).is_none() {
                return Err(parser
                    .expected("the `:` of the conditional")
                    .line("its `?` is in", question.start())
                    .remedy("A conditional has two results: `condition ? one : other`."));
            }
            parser.expression()
        })
    }

    fn operations(&mut self) -> Parsed {
        loop {
            self.operand()?;
            if !self.peek_kind().is_binary() {
                return Ok(());
            }
            self.read();
        }
    }

    fn operand(&mut self) -> Parsed {
        let mut signs = 0;
        while let Kind::Minus | Kind::Bang = self.peek_kind() {
            self.read();
            signs += 1;
            if signs > SIGNS {
                return Err(too_deep(self.peek().range()));
            }
        }
        self.term()?;
        self.traversal()
    }

    fn term(&mut self) -> Parsed {
        let token = self.peek();
        match token.kind {
            Kind::OpenParen => self.parenthesis(),
            Kind::Number => {
                self.read();
                self.number(token)
            }
            Kind::Ident => {
                self.read();
                match self.peek_kind() {
                    Kind::OpenParen | Kind::DoubleColon => self.call(token),
                    _ => Ok(()),
                }
            }
            Kind::OpenQuote => {
                self.read();
                self.template(Kind::CloseQuote, Some(token))
            }
            Kind::OpenHeredoc => {
                self.read();
                self.template(Kind::CloseHeredoc, Some(token))
            }
            Kind::OpenBracket => self.list(),
            Kind::OpenBrace => self.object(),
            _ => Err(self.no_term()),
        }
    }

    fn no_term(&self) -> Box<Diagnosis> {
        let diagnosis = self.expected("a value");
        if diagnosis.remedy.is_some() {
            return diagnosis;
        }
        let before = self.text.get(..self.peek().start()).unwrap_or("").trim_end_matches([' ', '\t']);
        match self.peek_kind() {
            Kind::Less if self.text.get(self.peek().start()..).is_some_and(|rest| rest.starts_with("<<")) => {
                diagnosis.remedy("A heredoc begins with `<<` or `<<-`, a name without quotes, and the end of the line.")
            }
            Kind::Star if before.ends_with('*') => diagnosis.remedy("Use the function `pow`."),
            Kind::Assign if before.ends_with('=') => diagnosis.remedy("Equality is written `==`."),
            Kind::Newline if before.ends_with(['+', '-', '*', '/', '%', '&', '|', '=', '>', '<', '?', ':']) => {
                diagnosis.remedy("The value begins on this line; in parentheses it may go on over several.")
            }
            Kind::Greater if before.ends_with('<') => diagnosis.remedy("Not equal is written `!=`."),
            Kind::Plus => diagnosis.remedy("A number has no sign `+`."),
            Kind::Dot => diagnosis.remedy("A fraction begins with a digit, as in `0.5`."),
            _ => diagnosis,
        }
    }

    /// One that the library cannot hold is noted; the evaluator reads the text.
    pub(super) fn number(&mut self, token: Token) -> Parsed {
        let source = self.source(token);
        let (mantissa, exponent) = match source.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent),
            None => (source, ""),
        };
        if mantissa.matches('.').count() > 1 || exponent.contains(['.', 'e', 'E']) {
            return Err(Diagnosis::new(token.range(), format!("`{}` is no number", short(source)))
                .remedy("A number has one point and one exponent at most. A version or an address is a string."));
        }
        if mantissa.ends_with('.') || source.parse::<f64>().is_ok_and(f64::is_infinite) {
            self.numbers.push(token.range());
        }
        Ok(())
    }

    fn parenthesis(&mut self) -> Parsed {
        let open = self.read().range();
        self.with_newlines(false, |parser| {
            parser.expression()?;
            match parser.take(Kind::CloseParen) {
                Some(_) => Ok(()),
                None => Err(parser.unclosed("`)`", &open)),
            }
        })
    }

    fn call(&mut self, name: Token) -> Parsed {
        while self.take(Kind::DoubleColon).is_some() {
            if self.take(Kind::Ident).is_none() {
                return Err(self.expected("the name of a function after `::`"));
            }
        }
        let open = self.peek().range();
        if self.take(Kind::OpenParen).is_none() {
            return Err(self.expected("the `(` of the call").remedy("Only functions have names with `::`."));
        }
        let what = format!("`,` or `)` in the call of `{}`", self.source(name));
        self.with_newlines(false, |parser| {
            loop {
                if parser.take(Kind::CloseParen).is_some() {
                    return Ok(());
                }
                parser.element(&open)?;
                match parser.peek_kind() {
                    Kind::Comma => {
                        parser.read();
                    }
                    Kind::CloseParen => {}
                    Kind::Ellipsis => {
                        parser.read();
                        return match parser.take(Kind::CloseParen) {
                            Some(_) => Ok(()),
                            None => Err(parser.unclosed("`)` after `...`", &open)),
                        };
                    }
                    _ => return Err(parser.unclosed(&what, &open)),
                }
            }
        })
    }

    /// An element of what was opened: if the file ends before it, that is what is not closed.
    fn element(&mut self, open: &std::ops::Range<usize>) -> Parsed {
        if self.peek_kind() == Kind::End {
            return Err(self.unclosed("", open));
        }
        self.expression()
    }

    fn list(&mut self) -> Parsed {
        let open = self.read().range();
        self.with_newlines(false, |parser| {
            if parser.is_word("for") {
                return parser.for_expression(&open, Kind::CloseBracket);
            }
            loop {
                if parser.take(Kind::CloseBracket).is_some() {
                    return Ok(());
                }
                let at = parser.peek().range();
                parser.count(&at)?;
                parser.element(&open)?;
                match parser.peek_kind() {
                    Kind::Comma => {
                        parser.read();
                    }
                    Kind::CloseBracket => {}
                    _ => return Err(parser.no_separator(&open)),
                }
            }
        })
    }

    fn no_separator(&self, open: &std::ops::Range<usize>) -> Box<Diagnosis> {
        let diagnosis = self.unclosed("`,` or `]`", open);
        match self.peek_kind() {
            Kind::OpenQuote | Kind::Ident | Kind::Number | Kind::OpenBrace | Kind::OpenBracket => {
                diagnosis.remedy("Elements of a list are separated by commas.")
            }
            Kind::Assign | Kind::Colon => diagnosis.remedy("Keys are written in `{…}`."),
            _ => diagnosis,
        }
    }

    fn object(&mut self) -> Parsed {
        let open = self.read().range();
        let is_for = self.with_newlines(false, |parser| Ok(parser.is_word("for")))?;
        if is_for {
            return self.with_newlines(false, |parser| parser.for_expression(&open, Kind::CloseBrace));
        }
        self.with_newlines(true, |parser| {
            let mut keys = Keys::new();
            loop {
                if parser.take(Kind::Newline).is_some() {
                    continue;
                }
                if parser.take(Kind::CloseBrace).is_some() {
                    return keys.finish(&mut parser.again);
                }
                let first = parser.position();
                let at = parser.peek().range();
                parser.count_key(&at, keys.len())?;
                parser.element(&open)?;
                keys.add(parser.text, parser.since(first));
                match parser.peek_kind() {
                    Kind::Assign | Kind::Colon => {
                        parser.read();
                    }
                    _ => return Err(parser.no_value(&open)),
                }
                parser.expression()?;
                match parser.peek_kind() {
                    Kind::Comma | Kind::Newline => {
                        parser.read();
                    }
                    Kind::CloseBrace => {}
                    _ => {
                        let diagnosis = parser.unclosed("`,`, the end of the line or `}`", &open);
                        return Err(match parser.peek_kind() {
                            Kind::Ident | Kind::OpenQuote => {
                                diagnosis.remedy("Attributes of an object are separated by commas or line ends.")
                            }
                            _ => diagnosis,
                        });
                    }
                }
            }
        })
    }

    fn no_value(&self, open: &std::ops::Range<usize>) -> Box<Diagnosis> {
        let diagnosis = self.unclosed("`=` or `:` after the key", open);
        match self.peek_kind() {
            Kind::OpenBrace => diagnosis.remedy("A block cannot stand in an object: write `=` before the `{`."),
            Kind::Ident | Kind::OpenQuote => diagnosis.remedy("A key with spaces or points is written in quotes."),
            _ => diagnosis,
        }
    }

    fn for_expression(&mut self, open: &std::ops::Range<usize>, close: Kind) -> Parsed {
        let is_object = close == Kind::CloseBrace;
        self.read();
        self.for_names()?;
        self.expression()?;
        if self.take(Kind::Colon).is_none() {
            return Err(self.unclosed("the `:` of the `for`", open));
        }
        let value = self.peek().start();
        self.expression()?;
        if let Some(arrow) = self.take(Kind::FatArrow) {
            if !is_object {
                return Err(Diagnosis::new(arrow.range(), "a `for` in `[…]` has no key")
                    .remedy("Use `{…}` for an object, or leave out the key and `=>`."));
            }
            self.expression()?;
        } else if is_object {
            let end = self.end_of_last();
            return match self.peek_kind() {
                Kind::End | Kind::Bad(_) => Err(self.unclosed("`=>` after the key", open)),
                _ => Err(Diagnosis::new(value..end, "a `for` in `{…}` needs a key and a value")
                    .remedy("Write `key => value`, or use `[…]` for a list.")),
            };
        }
        if let Some(dots) = self.take(Kind::Ellipsis)
            && !is_object
        {
            return Err(Diagnosis::new(dots.range(), "`...` groups values by key, and a list has no keys"));
        }
        if self.is_word("if") {
            self.read();
            self.expression()?;
        }
        match self.take(close) {
            Some(_) => Ok(()),
            None => {
                let sign = if is_object { "`}`" } else { "`]`" };
                let diagnosis = self.unclosed(&format!("{sign} after the `for`"), open);
                Err(match self.peek_kind() {
                    Kind::Comma => diagnosis.remedy("A `for` is alone in its brackets."),
                    _ => diagnosis,
                })
            }
        }
    }

    /// The names that a `for` binds, and `in`.
    pub(super) fn for_names(&mut self) -> Parsed {
        if self.take(Kind::Ident).is_none() {
            return Err(self.expected("a name after `for`"));
        }
        if self.take(Kind::Comma).is_some() && self.take(Kind::Ident).is_none() {
            return Err(self.expected("a second name after the `,`"));
        }
        if !self.is_word("in") {
            return Err(self.expected("`in` after the names of the `for`"));
        }
        self.read();
        Ok(())
    }

    fn traversal(&mut self) -> Parsed {
        loop {
            match self.peek_kind() {
                Kind::Dot => {
                    let dot = self.read();
                    self.count(&dot.range())?;
                    self.after_dot(dot)?;
                }
                Kind::OpenBracket => {
                    let at = self.peek().range();
                    self.count(&at)?;
                    self.element_at()?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn after_dot(&mut self, dot: Token) -> Parsed {
        let token = self.peek();
        match token.kind {
            Kind::Ident => {
                self.read();
                Ok(())
            }
            Kind::Number => {
                self.read();
                self.legacy_index(token)
            }
            Kind::Star => {
                self.read();
                while let Some(dot) = self.take(Kind::Dot) {
                    let token = self.peek();
                    match token.kind {
                        Kind::Ident => {
                            self.read();
                        }
                        Kind::Number => {
                            self.read();
                            self.legacy_index(token)?;
                        }
                        Kind::Star => {
                            return Err(self
                                .expected("the name of an attribute after `.`")
                                .remedy("After `.*` there is no second one; use `[*]`."));
                        }
                        _ => return Err(self.no_attribute(dot)),
                    }
                }
                Ok(())
            }
            _ => Err(self.no_attribute(dot)),
        }
    }

    fn no_attribute(&self, dot: Token) -> Box<Diagnosis> {
        let diagnosis = self.expected("the name of an attribute after `.`");
        match self.peek_kind() {
            Kind::OpenQuote => diagnosis.remedy("Write `[\"…\"]` for a name in quotes."),
            Kind::OpenBracket => diagnosis.remedy("An index follows without `.`."),
            Kind::Newline | Kind::End => {
                Diagnosis::new(dot.range(), "expected the name of an attribute after `.`, found the end of the line")
            }
            _ => diagnosis,
        }
    }

    /// `.0`, which is one index. `.0.1` looks like two, and reads as a fraction.
    fn legacy_index(&mut self, token: Token) -> Parsed {
        let source = self.source(token);
        match source.split_once('.') {
            None => self.number(token),
            Some((first, second)) => Err(Diagnosis::new(token.range(), format!("`.{source}` is no index"))
                .remedy(format!("Write `[{first}][{second}]`."))),
        }
    }

    /// `[…]` after a value.
    fn element_at(&mut self) -> Parsed {
        let open = self.read().range();
        // The star is looked for where line ends matter as they did before the bracket, as in HCL.
        if self.take(Kind::Star).is_some() {
            return match self.take(Kind::CloseBracket) {
                Some(_) => Ok(()),
                None => Err(self.unclosed("`]` after `[*`", &open)),
            };
        }
        self.with_newlines(false, |parser| {
            parser.element(&open)?;
            match parser.take(Kind::CloseBracket) {
                Some(_) => Ok(()),
                None => Err(parser.unclosed("`]`", &open)),
            }
        })
    }
}

fn short(source: &str) -> &str {
    source.get(..40).unwrap_or(source)
}
