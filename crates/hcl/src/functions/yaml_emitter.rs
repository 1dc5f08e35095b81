//! YAML as Terraform writes it, to the byte: the rules of libyaml's emitter with its defaults (two spaces,
//! lines folded after 80 columns), and the styles of `go-cty-yaml` (strings in double quotes, or as a
//! literal block if they have several lines).

use portcullis_model::Fault;

use crate::value::Kind;
use crate::{Value, number};

const INDENT: usize = 2;
const WIDTH: usize = 80;
/// Bytes of a key that can stand before its colon on one line.
const SIMPLE_KEY: usize = 128;

/// The document of a known value.
pub(super) fn document(value: &Value) -> Result<String, Fault> {
    let mut emitter =
        Emitter { out: String::new(), indent: None, column: 0, blank: true, indention: true, open_ended: false };
    emitter.node(value, Place::Root)?;
    emitter.write_indent();
    if emitter.open_ended {
        emitter.indicator("...", true, false, false);
        emitter.write_indent();
    }
    Ok(emitter.out)
}

/// What a node stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Sequence,
    Mapping,
    SimpleKey,
}

struct Emitter {
    out: String,
    /// `None` outside of everything.
    indent: Option<usize>,
    column: usize,
    /// Whether the last thing written was blank.
    blank: bool,
    /// Whether the line has only indention and indicators so far.
    indention: bool,
    /// Whether the document must be ended by dots, as what comes after could be taken for a part of it.
    open_ended: bool,
}

impl Emitter {
    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.blank) {
            self.line_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.blank = true;
        self.indention = true;
    }

    fn indicator(&mut self, text: &str, spaced: bool, blank: bool, indention: bool) {
        if spaced && !self.blank {
            self.put(' ');
        }
        text.chars().for_each(|c| self.put(c));
        self.blank = blank;
        self.indention &= indention;
        self.open_ended = false;
    }

    fn deeper(&self) -> Option<usize> {
        Some(self.indent.map_or(0, |indent| indent + INDENT))
    }

    fn node(&mut self, value: &Value, place: Place) -> Result<(), Fault> {
        match value.kind() {
            Kind::Null => self.plain("null", place),
            Kind::Bool(value) => self.plain(if value { "true" } else { "false" }, place),
            Kind::Number(decimal) => self.plain(&number::text(decimal), place),
            Kind::String(text) => self.string(text, place),
            Kind::Seq(_, []) => self.empty("[", "]"),
            Kind::Map(_, entries) if entries.is_empty() => self.empty("{", "}"),
            Kind::Seq(_, elements) => {
                let outer = self.indent;
                // In a mapping a sequence is not indented.
                if outer.is_none() || place != Place::Mapping || self.indention {
                    self.indent = self.deeper();
                }
                for element in elements {
                    self.write_indent();
                    self.indicator("-", true, false, true);
                    self.node(element, Place::Sequence)?;
                }
                self.indent = outer;
            }
            Kind::Map(_, entries) => {
                let outer = self.indent;
                self.indent = self.deeper();
                for (key, entry) in entries {
                    self.write_indent();
                    self.key(key);
                    self.node(entry, Place::Mapping)?;
                }
                self.indent = outer;
            }
            Kind::Unknown(_) => return Err(value.wrong("the value", "known")),
        }
        Ok(())
    }

    fn key(&mut self, key: &str) {
        if key.len() <= SIMPLE_KEY && !key.contains(is_break) {
            self.string(key, Place::SimpleKey);
            return self.indicator(":", false, false, false);
        }
        self.indicator("?", true, false, true);
        self.string(key, Place::Mapping);
        self.write_indent();
        self.indicator(":", true, false, true);
    }

    fn empty(&mut self, open: &str, close: &str) {
        self.indicator(open, true, true, false);
        self.indicator(close, false, false, false);
    }

    fn plain(&mut self, text: &str, place: Place) {
        if !self.blank {
            self.put(' ');
        }
        text.chars().for_each(|c| self.put(c));
        self.blank = false;
        self.indention = false;
        if place == Place::Root {
            self.open_ended = true;
        }
    }

    fn string(&mut self, text: &str, place: Place) {
        let outer = self.indent;
        self.indent = Some(outer.map_or(INDENT, |indent| indent + INDENT));
        if text.contains('\n') && place != Place::SimpleKey && block_allowed(text) {
            self.literal(text);
        } else {
            self.quoted(text, place != Place::SimpleKey);
        }
        self.indent = outer;
    }

    fn literal(&mut self, text: &str) {
        self.indicator("|", true, false, false);
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.indicator("2", false, false, false);
        }
        let mut last = text.chars().rev();
        match (last.next().is_some_and(is_break), last.next().is_none_or(is_break)) {
            (false, _) => self.indicator("-", false, false, false),
            (true, true) => self.indicator("+", false, false, false),
            (true, false) => {}
        }
        self.line_break();
        self.indention = true;
        self.blank = true;
        let mut breaks = true;
        for c in text.chars() {
            if is_break(c) {
                self.out.push(c);
                self.column = 0;
                self.indention = true;
                breaks = true;
                continue;
            }
            if breaks {
                self.write_indent();
            }
            self.put(c);
            self.indention = false;
            breaks = false;
        }
    }

    fn quoted(&mut self, text: &str, fold: bool) {
        self.indicator("\"", true, false, false);
        let mut spaces = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c != ' ' {
                spaces = false;
                if !is_printable(c) || is_break(c) || matches!(c, '"' | '\\') {
                    escape(c).chars().for_each(|c| self.put(c));
                } else {
                    self.put(c);
                }
                continue;
            }
            if fold && !spaces && self.column > WIDTH && at > 0 && at + 1 < text.len() {
                self.write_indent();
                if chars.peek().is_some_and(|(_, next)| *next == ' ') {
                    self.put('\\');
                }
            } else {
                self.put(c);
            }
            spaces = true;
        }
        self.indicator("\"", false, false, false);
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// As libyaml has it: not the tab, and nothing over U+FFFD.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// Whether a text can be a literal block: no space before a line end or the end, nothing unprintable.
fn block_allowed(text: &str) -> bool {
    let mut space = false;
    for c in text.chars() {
        if !is_printable(c) || (is_break(c) && space) {
            return false;
        }
        space = c == ' ';
    }
    !space
}

fn escape(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' | '\\' => c,
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            return match u32::from(c) {
                code @ ..=0xff => format!("\\x{code:02X}"),
                code @ ..=0xffff => format!("\\u{code:04X}"),
                code => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}
