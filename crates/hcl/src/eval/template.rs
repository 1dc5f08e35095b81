//! Templates: quoted strings, heredocs and whole files, with interpolations and directives.
//!
//! Literals are taken from the source and not from the parser: what `~` and `<<-` strip goes by the lines
//! that HCL's own scanner cuts a template into, also inside directives.

use std::borrow::Cow;

use hcl_edit::Span as _;
use hcl_edit::expr::Expression;
use hcl_edit::template::{Directive, Element, ForDirective, IfDirective, Strip, Template};
use portcullis_model::{Code, Fault};

use super::Context;
use super::collection::{Names, elements, unknown_element};
use crate::types::Type;
use crate::value::article;
use crate::{File, Origin, Value};

/// How the text of a template is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// In quotes, with backslash escapes.
    Quoted,
    /// A heredoc or file.
    Plain,
    /// A heredoc by `<<-`: common indentation is taken off.
    Flush,
}

impl Context<'_> {
    pub(super) fn template(&self, template: &Template, text: Text, at: &Origin) -> Result<Value, Fault> {
        let mut layout = Layout { file: self.file, text, literals: Vec::new(), tokens: Vec::new(), trim: false };
        let nodes = layout.nodes(template);
        if let [Node::Interpolation(expr)] = nodes.as_slice() {
            return self.eval(expr);
        }
        if text == Text::Flush {
            layout.flush();
        }
        self.joined(&nodes, &layout.literals, at)
    }

    /// The nodes as one string.
    fn joined(&self, nodes: &[Node<'_>], literals: &[String], at: &Origin) -> Result<Value, Fault> {
        let mut output = Output::default();
        self.nodes(nodes, literals, at, &mut output)?;
        self.budget.grow(output.text.len())?;
        Ok(output.finish(at))
    }

    fn nodes(&self, nodes: &[Node<'_>], literals: &[String], at: &Origin, output: &mut Output) -> Result<(), Fault> {
        for node in nodes {
            self.budget.spend(1)?;
            match node {
                Node::Literal(index) => {
                    output.text.push_str(literals.get(*index).map_or("", String::as_str));
                }
                Node::Interpolation(expr) => {
                    let value = self.eval(expr)?;
                    self.budget.spend(value.cost())?;
                    let at = self.place_of(expr, at);
                    output.push(value, &at)?;
                }
                Node::If(directive, yes, no) => self.if_node(directive, (yes, no), literals, at, output)?,
                Node::For(directive, body) => self.for_node(directive, body, literals, at, output)?,
            }
            // A loop in a template could make much text before it is accounted for.
            if output.text.len() as u64 > self.budget.limits().grown_bytes {
                self.budget.grow(output.text.len())?;
            }
        }
        Ok(())
    }

    fn if_node(
        &self,
        directive: &IfDirective,
        (yes, no): (&[Node<'_>], &[Node<'_>]),
        literals: &[String],
        at: &Origin,
        output: &mut Output,
    ) -> Result<(), Fault> {
        let condition = self.eval(&directive.if_expr.cond_expr)?;
        if condition.is_unknown() {
            let mut parts = vec![condition];
            for branch in [yes, no] {
                parts.push(match self.joined(branch, literals, at) {
                    Err(fault) if super::call::is_catchable(&fault) => {
                        self.caught(&fault)?;
                        Value::null(at.clone())
                    }
                    result => result?,
                });
            }
            return output.push(Value::derived("%{if}", &parts, at.clone()), at);
        }
        let chosen = condition.want_bool("the condition")?;
        output.sensitive |= condition.is_sensitive();
        self.nodes(if chosen { yes } else { no }, literals, at, output)
    }

    fn for_node(
        &self,
        directive: &ForDirective,
        body: &[Node<'_>],
        literals: &[String],
        at: &Origin,
        output: &mut Output,
    ) -> Result<(), Fault> {
        let intro = &directive.for_expr;
        let collection = self.eval(&intro.collection_expr)?;
        let names = Names {
            key: intro.key_var.as_ref().map(|name| name.value().as_str()),
            value: intro.value_var.value().as_str(),
        };
        output.sensitive |= collection.is_sensitive();
        self.go_through(&collection)?;
        let Some(pairs) = elements(&collection, &self.place_of(&intro.collection_expr, at))? else {
            let (key, element) = unknown_element(&collection, at);
            let body = self.bind(&names, key, element, |inner| inner.joined(body, literals, at))?;
            return output.push(Value::derived("%{for}", &[collection, body], at.clone()), at);
        };
        for (key, value) in pairs {
            self.bind(&names, key, value, |inner| inner.nodes(body, literals, at, output))?;
        }
        Ok(())
    }
}

/// The string that is made.
#[derive(Default)]
struct Output {
    text: String,
    /// Text and unknowns up to the last unknown; empty while all is known.
    parts: Vec<Value>,
    sensitive: bool,
}

impl Output {
    fn push(&mut self, value: Value, at: &Origin) -> Result<(), Fault> {
        self.sensitive |= value.is_sensitive();
        if value.is_unknown() {
            let before = Value::string(std::mem::take(&mut self.text), at.clone());
            self.parts.extend([before, value]);
            return Ok(());
        }
        match value.text_form() {
            Some(text) => {
                self.text.push_str(&text);
                Ok(())
            }
            None => Err(at.fault(Code::HCL_TYPE, format!("{} cannot be part of a string", article(value.type_name())))),
        }
    }

    fn finish(mut self, at: &Origin) -> Value {
        let text = Value::string(self.text, at.clone());
        let value = if self.parts.is_empty() {
            text
        } else {
            self.parts.push(text);
            Value::derived("template", &self.parts, at.clone()).never_null(Type::String)
        };
        value.mark(self.sensitive)
    }
}

/// A template with its literals apart.
enum Node<'t> {
    /// An index into the literals.
    Literal(usize),
    Interpolation(&'t Expression),
    If(&'t IfDirective, Vec<Node<'t>>, Vec<Node<'t>>),
    For(&'t ForDirective, Vec<Node<'t>>),
}

/// Makes nodes of a template and keeps the tokens as HCL's scanner has them: a literal for each line, and
/// one token for each interpolation and each part of a directive.
struct Layout<'f> {
    file: &'f File,
    text: Text,
    literals: Vec<String>,
    /// In the order of the source; an index into the literals, or `None` for anything else.
    tokens: Vec<Option<usize>>,
    /// Whether the token before ended in `~}`.
    trim: bool,
}

impl Layout<'_> {
    fn nodes<'t>(&mut self, template: &'t Template) -> Vec<Node<'t>> {
        let mut nodes = Vec::new();
        for element in template {
            match element {
                Element::Literal(literal) => {
                    let text = self.literal(literal);
                    let lines: Vec<&str> =
                        if self.text == Text::Quoted { vec![&*text] } else { text.split_inclusive('\n').collect() };
                    for line in lines {
                        nodes.push(Node::Literal(self.line(line)));
                    }
                }
                Element::Interpolation(interpolation) => {
                    self.control(interpolation.strip);
                    nodes.push(Node::Interpolation(&interpolation.expr));
                }
                Element::Directive(directive) => nodes.push(self.directive(directive)),
            }
        }
        nodes
    }

    fn directive<'t>(&mut self, directive: &'t Directive) -> Node<'t> {
        match directive {
            Directive::If(directive) => {
                self.control(directive.if_expr.strip);
                let yes = self.nodes(&directive.if_expr.template);
                let no = directive.else_expr.as_ref().map_or_else(Vec::new, |no| {
                    self.control(no.strip);
                    self.nodes(&no.template)
                });
                self.control(directive.endif_expr.strip);
                Node::If(directive, yes, no)
            }
            Directive::For(directive) => {
                self.control(directive.for_expr.strip);
                let body = self.nodes(&directive.for_expr.template);
                self.control(directive.endfor_expr.strip);
                Node::For(directive, body)
            }
        }
    }

    /// The text of a literal with its escapes replaced.
    fn literal<'t>(&self, literal: &'t hcl_edit::Spanned<String>) -> Cow<'t, str> {
        match literal.span().map(|span| self.file.slice(&span)) {
            Some(source) if !source.is_empty() => Cow::Owned(unescape(source, self.text == Text::Quoted)),
            _ => Cow::Borrowed(literal.value().as_str()),
        }
    }

    fn line(&mut self, line: &str) -> usize {
        let line = if std::mem::take(&mut self.trim) { line.trim_start() } else { line };
        let index = self.literals.len();
        self.literals.push(line.to_owned());
        self.tokens.push(Some(index));
        index
    }

    fn control(&mut self, strip: Strip) {
        if strip.strip_start()
            && let Some(Some(last)) = self.tokens.last()
            && let Some(literal) = self.literals.get_mut(*last)
        {
            literal.truncate(literal.trim_end().len());
        }
        self.tokens.push(None);
        self.trim = strip.strip_end();
    }

    /// Takes the common indentation off all lines. A line of only whitespace does not count and stays.
    fn flush(&mut self) {
        let mut least = usize::MAX;
        let mut starts = Vec::new();
        let mut at_start = true;
        for token in &self.tokens {
            let literal = token.and_then(|index| self.literals.get(index));
            if std::mem::take(&mut at_start) {
                let trimmed = literal.map_or("", |literal| literal.trim_start());
                match literal {
                    Some(literal) if trimmed.is_empty() && literal.ends_with('\n') => {}
                    Some(literal) => {
                        let indent = literal.len() - trimmed.len();
                        least = least.min(literal.get(..indent).map_or(0, |indent| indent.chars().count()));
                        starts.extend(token);
                    }
                    None => least = 0,
                }
            }
            at_start = literal.is_some_and(|literal| literal.ends_with('\n'));
        }
        for index in starts {
            if let Some(literal) = self.literals.get_mut::<usize>(index) {
                *literal = literal.chars().skip(least).collect::<String>();
            }
        }
    }
}

/// Replaces `$${` and `%%{`, and in quotes the backslash escapes. The parser has checked them.
pub(crate) fn unescape(source: &str, quoted: bool) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find(['$', '%', '\\']) {
        let (before, here) = rest.split_at(at);
        text.push_str(before);
        let (taken, made) = escape(here, quoted);
        text.push_str(&made);
        rest = here.get(taken..).unwrap_or("");
    }
    text.push_str(rest);
    text
}

/// How many bytes the escape at the start takes, and what it stands for.
fn escape(here: &str, quoted: bool) -> (usize, Cow<'_, str>) {
    let plain = (1, Cow::Borrowed(here.get(..1).unwrap_or("")));
    if here.starts_with("$${") || here.starts_with("%%{") {
        return (3, Cow::Borrowed(here.get(1..3).unwrap_or("")));
    }
    if !quoted || !here.starts_with('\\') {
        return plain;
    }
    let code = |digits: usize| {
        let code = here.get(2..2 + digits).and_then(|code| u32::from_str_radix(code, 16).ok());
        code.and_then(char::from_u32).map(|made| (2 + digits, Cow::Owned(made.to_string())))
    };
    match here.as_bytes().get(1) {
        Some(b'n') => (2, Cow::Borrowed("\n")),
        Some(b'r') => (2, Cow::Borrowed("\r")),
        Some(b't') => (2, Cow::Borrowed("\t")),
        Some(b'"') => (2, Cow::Borrowed("\"")),
        Some(b'\\') => (2, Cow::Borrowed("\\")),
        Some(b'u') => code(4).unwrap_or(plain),
        Some(b'U') => code(8).unwrap_or(plain),
        _ => plain,
    }
}
