//! Values as text, on one line, with their types: Terraform's and ours in the same notation.
//!
//! It is what `terraform console` prints, without its lines: `["a", 1]`, `{"a" = true}`, `tolist([1])`,
//! `toset(["a"])`, `tomap({"a" = 1})`, `tostring(null)`; `unknown` and `sensitive` stand for what it says of
//! such values. Strings are quoted as in JSON.

use portcullis_hcl::types::Type;
use portcullis_hcl::value::{MapKind, SeqKind};
use portcullis_hcl::{Kind, Value};

/// A value of ours.
pub fn ours(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    if value.is_sensitive() && !value.is_unknown() {
        out.push_str("sensitive");
        return;
    }
    match value.kind() {
        Kind::Null => out.push_str(&null(&Type::of(value))),
        Kind::Unknown(_) => out.push_str("unknown"),
        Kind::Bool(value) => out.push_str(&value.to_string()),
        Kind::Number(_) => out.push_str(&value.text_form().unwrap()),
        Kind::String(text) => quote(text, out),
        Kind::Seq(kind, elements) => {
            let (open, close) = match kind {
                SeqKind::Tuple => ("[", "]"),
                SeqKind::List => ("tolist([", "])"),
                SeqKind::Set => ("toset([", "])"),
            };
            out.push_str(open);
            for (index, element) in elements.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write(element, out);
            }
            out.push_str(close);
        }
        Kind::Map(kind, entries) => {
            let (open, close) = if kind == MapKind::Map { ("tomap({", "})") } else { ("{", "}") };
            out.push_str(open);
            for (index, (key, element)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                quote(key, out);
                out.push_str(" = ");
                write(element, out);
            }
            out.push_str(close);
        }
    }
}

fn null(of: &Type) -> String {
    match of {
        Type::Any => "null".to_owned(),
        Type::String => "tostring(null)".to_owned(),
        Type::Number => "tonumber(null)".to_owned(),
        Type::Bool => "tobool(null)".to_owned(),
        Type::List(element) => format!("tolist(null) /* of {} */", friendly(element)),
        Type::Set(element) => format!("toset(null) /* of {} */", friendly(element)),
        Type::Map(element) => format!("tomap(null) /* of {} */", friendly(element)),
        Type::Tuple(_) => "null /* tuple */".to_owned(),
        Type::Object(_) => "null /* object */".to_owned(),
    }
}

fn friendly(of: &Type) -> String {
    match of {
        Type::Any => "dynamic".to_owned(),
        Type::List(element) => format!("list of {}", friendly(element)),
        Type::Set(element) => format!("set of {}", friendly(element)),
        Type::Map(element) => format!("map of {}", friendly(element)),
        other => other.name().to_owned(),
    }
}

fn quote(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).unwrap());
}

/// The value that `terraform console` printed, in our notation.
pub fn terraform(printed: &str) -> String {
    let mut reader = Reader { rest: printed };
    let mut out = String::new();
    reader.value(&mut out);
    reader.space();
    assert!(reader.rest.is_empty(), "more than a value: {printed:?}: {:?}", reader.rest);
    out
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\n']);
    }

    fn take(&mut self, wanted: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, out: &mut String) {
        self.space();
        for (printed, ours) in
            [("(known after apply)", "unknown"), ("(sensitive value)", "sensitive"), ("(ephemeral value)", "ephemeral")]
        {
            if self.take(printed) {
                return out.push_str(ours);
            }
        }
        match self.rest.chars().next().unwrap() {
            '"' => {
                let text = self.string();
                quote(&text, out);
            }
            '<' => self.heredoc(out),
            '[' => self.seq(out),
            '{' => self.map(out),
            _ => self.word(out),
        }
    }

    fn seq(&mut self, out: &mut String) {
        assert!(self.take("["));
        out.push('[');
        let mut first = true;
        while !self.take("]") {
            out.push_str(if std::mem::take(&mut first) { "" } else { ", " });
            self.value(out);
            self.take(",");
        }
        out.push(']');
    }

    fn map(&mut self, out: &mut String) {
        assert!(self.take("{"));
        out.push('{');
        let mut first = true;
        while !self.take("}") {
            out.push_str(if std::mem::take(&mut first) { "" } else { ", " });
            self.value(out);
            assert!(self.take("="));
            out.push_str(" = ");
            self.value(out);
        }
        out.push('}');
    }

    /// A number, a bool, `null` or `to…(…)`, with the comment that may follow.
    fn word(&mut self, out: &mut String) {
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c)));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        assert!(!word.is_empty(), "{:?}", self.rest);
        // A zero below zero is a meant difference; see `differences.txt`.
        out.push_str(if word == "-0" { "0" } else { word });
        self.rest = rest;
        if self.rest.starts_with('(') {
            self.take("(");
            out.push('(');
            self.value(out);
            assert!(self.take(")"), "{:?}", self.rest);
            out.push(')');
        }
        if let Some(comment) = self.rest.strip_prefix(" /*") {
            let (comment, rest) = comment.split_once("*/").unwrap();
            out.push_str(&format!(" /*{comment}*/"));
            self.rest = rest;
        }
    }

    /// A string as Go's `%q` writes it.
    fn string(&mut self) -> String {
        assert!(self.take("\""), "{:?}", self.rest);
        let mut text = String::new();
        loop {
            let c = self.next();
            match c {
                '"' => return text,
                '\\' => text.push(self.escape()),
                c => text.push(c),
            }
        }
    }

    fn next(&mut self) -> char {
        let c = self.rest.chars().next().unwrap();
        self.rest = &self.rest[c.len_utf8()..];
        c
    }

    fn escape(&mut self) -> char {
        let digits = match self.next() {
            'a' => return '\u{7}',
            'b' => return '\u{8}',
            'f' => return '\u{c}',
            'n' => return '\n',
            'r' => return '\r',
            't' => return '\t',
            'v' => return '\u{b}',
            'x' => 2,
            'u' => 4,
            'U' => 8,
            other => return other,
        };
        let (code, rest) = self.rest.split_at(digits);
        self.rest = rest;
        char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap()
    }

    /// A text of several lines; the indentation is that of the line that ends it.
    fn heredoc(&mut self, out: &mut String) {
        let (intro, rest) = self.rest.split_once('\n').unwrap();
        let marker = intro.trim_start_matches(['<', '-']);
        let mut lines = Vec::new();
        let mut rest = rest;
        loop {
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            let unindented = line.trim_start_matches(' ');
            // After a key comes its value.
            let after_marker = unindented.strip_prefix(marker);
            if after_marker.is_some_and(|rest| rest.is_empty() || rest.starts_with([',', ')', ' '])) {
                let indent = line.len() - unindented.len();
                let text: Vec<&str> = lines.iter().map(|line: &&str| line.get(indent..).unwrap_or("")).collect();
                quote(&text.join("\n"), out);
                self.rest = &rest[indent + marker.len()..];
                return;
            }
            lines.push(line);
            rest = after;
        }
    }
}

#[test]
fn what_the_console_prints_is_read() {
    let printed = "[\n  tolist([\n    <<-EOT\n    a\n      b\n    \n    EOT,\n  ]),\n  {\n    \"a b\" = tomap({\n      \"x\" = tonumber(null)\n    })\n  },\n  \"\\a\\x01\\u2028\\\"${\",\n  tolist(null) /* of number */,\n  (sensitive value),\n  (known after apply),\n  -0.5,\n]";
    assert_eq!(
        terraform(printed),
        "[tolist([\"a\\n  b\\n\"]), {\"a b\" = tomap({\"x\" = tonumber(null)})}, \"\\u0007\\u0001\u{2028}\\\"${\", tolist(null) /* of number */, sensitive, unknown, -0.5]"
    );
}
