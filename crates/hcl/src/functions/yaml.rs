//! YAML as Terraform reads it: YAML 1.1 scalars (`yes`, `on`, `012`), merge keys, one document.
//!
//! The parser gives events; what a scalar means is decided here, by the rules of `go-cty-yaml`. An alias
//! costs what it stands for, so that a small text cannot become an endless value.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use portcullis_model::Fault;
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};

use super::Param::{Nullable, Text};
use super::moment::yaml_time;
use super::{Call, Function, plain, yaml_emitter};
use crate::value::{Entries, Kind};
use crate::{Value, number};

pub(super) const TABLE: &[Function] = &[
    plain("yamldecode", &[Text], decode).extra(10),
    plain("yamlencode", &[Nullable], |call| call.string(yaml_emitter::document(call.arg(0)?)?)).extra(4),
];

const CORE: &str = "tag:yaml.org,2002:";

struct Reader<'a> {
    call: &'a Call<'a>,
    parser: Parser<'a, StrInput<'a>>,
    line: usize,
    /// By anchor: the value and how many values are in it. An anchor that is still open is not here.
    anchors: BTreeMap<usize, (Value, usize)>,
    /// Values made so far.
    made: usize,
}

fn decode(call: &Call<'_>) -> Result<Value, Fault> {
    let text = call.text(0)?;
    call.budget.spend(text.len() as u64)?;
    if let Some(c) = text.chars().find(|c| is_forbidden(*c)) {
        return Err(call.bad(0, format!("is not valid YAML: it has the character U+{:04X}", u32::from(c))));
    }
    let parser = Parser::new_from_str(text.trim_start_matches('\u{feff}'));
    let mut reader = Reader { call, parser, line: 1, anchors: BTreeMap::new(), made: 0 };
    reader.next()?;
    match reader.next()? {
        Event::DocumentStart(_) => {}
        _ => return Err(reader.fault("there is no document")),
    }
    let first = reader.next()?;
    let value = reader.value(first)?;
    match (reader.next()?, reader.next()?) {
        (Event::DocumentEnd, Event::StreamEnd) => Ok(value),
        _ => Err(reader.fault("there is more than one document")),
    }
}

/// What libyaml's reader refuses.
fn is_forbidden(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => true,
        _ => false,
    }
}

impl<'a> Reader<'a> {
    fn fault(&self, what: impl std::fmt::Display) -> Fault {
        self.call.bad(0, format!("is not valid YAML: {what}, at line {}", self.line))
    }

    fn next(&mut self) -> Result<Event<'a>, Fault> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(event)
            }
            Some(Err(error)) => {
                self.line = error.marker().line();
                Err(self.fault(error.info()))
            }
            None => Ok(Event::Nothing),
        }
    }

    /// The value that begins with an event.
    fn value(&mut self, event: Event<'a>) -> Result<Value, Fault> {
        let _level = self.call.budget.enter()?;
        let before = self.made;
        self.grow(1)?;
        let (value, anchor) = match event {
            Event::Alias(anchor) => {
                let Some((value, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(self.fault("an alias to an anchor around it"));
                };
                self.grow(size)?;
                return Ok(value);
            }
            Event::Scalar(text, style, anchor, tag) => (self.scalar(&text, style, tag.as_deref())?, anchor),
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq")?;
                (self.sequence()?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "map")?;
                (self.mapping()?, anchor)
            }
            _ => return Err(self.fault("a value is missing")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), self.made - before));
        }
        Ok(value)
    }

    fn grow(&mut self, values: usize) -> Result<(), Fault> {
        self.made = self.made.saturating_add(values);
        self.call.grow(values)
    }

    fn sequence(&mut self) -> Result<Value, Fault> {
        let mut elements = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Value::tuple(elements, self.call.at.clone())),
                event => elements.push(self.value(event)?),
            }
        }
    }

    fn mapping(&mut self) -> Result<Value, Fault> {
        let mut entries = Entries::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Value::object(entries, self.call.at.clone())),
                Event::Scalar(text, _, _, tag) if is_merge(&text, tag.as_deref()) => {
                    let event = self.next()?;
                    let merged = self.value(event)?;
                    self.merge(&merged, &mut entries)?;
                    continue;
                }
                Event::Scalar(text, style, _, tag) => {
                    self.resolve(&text, style, tag_name(tag.as_deref()).as_deref())?
                }
                _ => return Err(self.fault("only strings are allowed as keys")),
            };
            let key: Arc<str> = key.text_form().ok_or_else(|| self.fault("a key must not be null"))?;
            self.call.budget.grow(key.len())?;
            let event = self.next()?;
            let value = self.value(event)?;
            entries.insert(key, value);
        }
    }

    /// `<<`: the entries of a mapping. A sequence of mappings is refused, as by `go-cty-yaml`.
    fn merge(&mut self, from: &Value, entries: &mut Entries) -> Result<(), Fault> {
        let Kind::Map(_, from) = from.kind() else {
            return Err(self.fault("only a mapping can be merged into a mapping"));
        };
        entries.extend(from.iter().map(|(key, value)| (Arc::clone(key), value.clone())));
        Ok(())
    }

    fn check_tag(&self, tag: Option<&Tag>, wanted: &str) -> Result<(), Fault> {
        match tag_name(tag) {
            Some(name) if name != format!("{CORE}{wanted}") => Err(self.fault(format!("unsupported tag {name}"))),
            _ => Ok(()),
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, Fault> {
        let name = tag_name(tag);
        let value = self.resolve(text, style, name.as_deref())?;
        if tag.is_some() || style == ScalarStyle::Plain {
            return Ok(value);
        }
        // A block is a string, but one that has been read as what it looks like before.
        Ok(value.text_form().map_or(value, |text| Value::string(text, self.call.at.clone())))
    }

    /// What a scalar means: `resolveScalar` of go-cty-yaml.
    fn resolve(&self, text: &str, style: ScalarStyle, tag: Option<&str>) -> Result<Value, Fault> {
        let at = || self.call.at.clone();
        let string = || self.call.string(text);
        let tag = match tag {
            Some(tag) => Some(tag.strip_prefix(CORE).unwrap_or("?")),
            None => None,
        };
        if !matches!(tag, None | Some("str" | "bool" | "int" | "float" | "null" | "timestamp" | "binary")) {
            return Err(self.fault("an unsupported tag"));
        }
        let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
        let hinted = text.is_empty() || text.starts_with(|c: char| "+-0123456789yYnNtTfFoO~.".contains(c));
        let mut tag = tag;
        if hinted && !matches!(tag, Some("str" | "binary")) {
            if quoted {
                return string();
            }
            if let Some(found) = named(text) {
                return Ok(found.map_or_else(|| Value::null(at()), |value| Value::bool(value, at())));
            }
            let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
            let infinite = matches!(unsigned, ".inf" | ".Inf" | ".INF");
            if infinite || (tag.is_none() && matches!(text, ".nan" | ".NaN" | ".NAN")) {
                return Err(self.fault(format!("the number {text} is not supported")));
            }
            if text.starts_with('.') {
                if let Some(number) = number::parse(text) {
                    return Ok(Value::number(number, at()));
                }
            } else if text.starts_with(|c: char| "+-0123456789".contains(c)) {
                if let (None | Some("timestamp"), Some(time)) = (tag, yaml_time(text)) {
                    return self.call.string(time);
                }
                if is_integer(text) || is_float(text) {
                    tag = Some("float");
                }
            }
        }
        let cannot = |what: &str| self.fault(format!("`{text}` is no {what}"));
        match tag {
            None | Some("str") => string(),
            Some("binary") => STANDARD.decode(text).map_err(|_| cannot("Base64")).and_then(|_| string()),
            Some("bool") => match named(text) {
                Some(Some(value)) => Ok(Value::bool(value, at())),
                _ => Err(cannot("bool")),
            },
            Some("null") => Ok(Value::null(at())),
            Some("timestamp") => self.call.string(yaml_time(text).ok_or_else(|| cannot("time"))?),
            _ => Ok(Value::number(tagged_number(text).ok_or_else(|| cannot("number"))?, at())),
        }
    }
}

/// The whole tag.
fn tag_name(tag: Option<&Tag>) -> Option<String> {
    tag.map(|tag| format!("{}{}", tag.handle, tag.suffix))
}

fn is_merge(text: &str, tag: Option<&Tag>) -> bool {
    match tag_name(tag) {
        None => text == "<<",
        Some(name) => name.strip_prefix(CORE) == Some("merge"),
    }
}

/// Texts that are a bool or null.
fn named(text: &str) -> Option<Option<bool>> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        "" | "~" | "null" | "Null" | "NULL" => None,
        _ => return None,
    })
}

fn all(text: &str, what: fn(&u8) -> bool) -> bool {
    !text.is_empty() && text.as_bytes().iter().all(what)
}

/// `[-+]?[0-9]+ | 0o[0-7]+ | 0x[0-9a-fA-F]+`
fn is_integer(text: &str) -> bool {
    match (text.strip_prefix("0o"), text.strip_prefix("0x")) {
        (Some(digits), _) => all(digits, |byte| matches!(byte, b'0'..=b'7')),
        (_, Some(digits)) => all(digits, u8::is_ascii_hexdigit),
        _ => all(text.strip_prefix(['+', '-']).unwrap_or(text), u8::is_ascii_digit),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let exponent = exponent.is_none_or(|text| all(text.strip_prefix(['+', '-']).unwrap_or(text), u8::is_ascii_digit));
    let mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => all(fraction, u8::is_ascii_digit),
        Some((whole, fraction)) => {
            all(whole, u8::is_ascii_digit) && (fraction.is_empty() || all(fraction, u8::is_ascii_digit))
        }
        None => all(mantissa, u8::is_ascii_digit),
    };
    mantissa && exponent
}

/// A number in decimal, or of 64 bits with Go's prefixes.
fn tagged_number(text: &str) -> Option<BigDecimal> {
    let text = text.replace('_', "");
    if let Some(number) = number::parse(&text) {
        return Some(number);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let radix = match unsigned.get(..2)?.to_ascii_lowercase().as_str() {
        "0x" => 16,
        "0o" => 8,
        "0b" => 2,
        _ => return None,
    };
    let number = i128::from(u64::from_str_radix(unsigned.get(2..)?, radix).ok()?);
    Some(BigDecimal::from(BigInt::from(if text.starts_with('-') { -number } else { number })))
}
