//! JSON text: read with all digits of its numbers, written as Go writes it.

use portcullis_model::Fault;

use super::Call;
use crate::value::{Entries, Kind};
use crate::{Value, number};

/// Nesting of JSON that is read.
const DEPTH: usize = 128;

/// Writes a known value. `<`, `>` and `&` are escaped, as Go does and Terraform keeps.
pub(super) fn write(value: &Value, out: &mut String) -> Result<(), Fault> {
    match value.kind() {
        Kind::Null => out.push_str("null"),
        Kind::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Kind::Number(decimal) => out.push_str(&number::text(decimal)),
        Kind::String(text) => quote(text, out),
        Kind::Seq(_, elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(element, out)?;
            }
            out.push(']');
        }
        Kind::Map(_, entries) => {
            out.push('{');
            for (index, (key, entry)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                write(entry, out)?;
            }
            out.push('}');
        }
        Kind::Unknown(_) => return Err(value.wrong("the value", "known")),
    }
    Ok(())
}

/// A string as Go's `json.Marshal` writes it.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Reads a whole text.
pub(super) fn read(text: &str, call: &Call<'_>) -> Result<Value, Fault> {
    let mut reader = Reader { text, at: 0, call };
    let value = reader.value(0)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.fault("more text after the value"));
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    call: &'a Call<'a>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn fault(&self, what: &str) -> Fault {
        let before = self.text.get(..self.at).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        self.call.bad(0, format!("is not valid JSON: {what} at line {line}, column {column}"))
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        if depth > DEPTH {
            return Err(self.fault("too many levels"));
        }
        self.space();
        self.call.grow(1)?;
        let origin = self.call.at.clone();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(|text| Value::string(text, origin)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.take("null") => Ok(Value::null(origin)),
            _ if self.take("true") => Ok(Value::bool(true, origin)),
            _ if self.take("false") => Ok(Value::bool(false, origin)),
            Some(_) => Err(self.fault("an unexpected character")),
            None => Err(self.fault("the text ends")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Fault> {
        self.at += 1;
        let mut entries = Entries::new();
        self.space();
        if self.take("}") {
            return Ok(Value::object(entries, self.call.at.clone()));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.fault("a key is wanted"));
            }
            let key = self.string()?;
            self.space();
            if !self.take(":") {
                return Err(self.fault("a colon is wanted"));
            }
            // The last of equal keys counts, as in Go.
            entries.insert(key.into(), self.value(depth + 1)?);
            self.space();
            if self.take("}") {
                return Ok(Value::object(entries, self.call.at.clone()));
            }
            if !self.take(",") {
                return Err(self.fault("a comma or brace is wanted"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Fault> {
        self.at += 1;
        let mut elements = Vec::new();
        self.space();
        if self.take("]") {
            return Ok(Value::tuple(elements, self.call.at.clone()));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            self.space();
            if self.take("]") {
                return Ok(Value::tuple(elements, self.call.at.clone()));
            }
            if !self.take(",") {
                return Err(self.fault("a comma or bracket is wanted"));
            }
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        let bytes = self.text.as_bytes();
        let mut end = self.at + 1;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
                None => return Err(self.fault("a string that does not end")),
            }
        }
        let literal = self.text.get(self.at..=end).unwrap_or("");
        let made = serde_json::from_str::<String>(literal).map_err(|_| self.fault("a string that is not valid"))?;
        self.call.budget.grow(made.len())?;
        self.at = end + 1;
        Ok(made)
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let length = self
            .rest()
            .bytes()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
            .count();
        let text = self.rest().get(..length).unwrap_or("");
        let digits = text.strip_prefix('-').unwrap_or(text);
        let padded =
            digits.len() > 1 && digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        let bare = digits.starts_with('.') || digits.ends_with('.') || digits.contains(".e") || digits.contains(".E");
        match number::parse(text).filter(|_| !padded && !bare) {
            Some(decimal) => {
                self.at += length;
                Ok(Value::number(decimal, self.call.at.clone()))
            }
            None => Err(self.fault("a number that is not valid")),
        }
    }
}
