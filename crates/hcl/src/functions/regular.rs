//! Regular expressions, and `replace`.
//!
//! Go's RE2 and Rust's `regex` agree in all but details. The details are translated: `\d`, `\w`, `\s` and
//! `\b` are ASCII in Go, inside a class `[`, `&` and `~` are plain characters there, and so is a brace that
//! counts nothing.

use std::borrow::Cow;
use std::sync::Arc;

use portcullis_model::Fault;
use regex::{Captures, Regex, RegexBuilder};

use super::Param::Text;
use super::{Call, Function, plain};
use crate::Value;
use crate::types::Type;
use crate::value::Entries;

/// Bytes of a compiled pattern.
const COMPILED: usize = 1 << 20;

pub(super) const TABLE: &[Function] = &[
    plain("regex", &[Text, Text], |call| {
        let pattern = pattern(call, 0)?;
        let found = pattern.captures(call.text(1)?);
        let found = found.ok_or_else(|| call.fault("the pattern does not match the string"))?;
        result(call, &pattern, &found)
    }),
    plain("regexall", &[Text, Text], |call| {
        let pattern = pattern(call, 0)?;
        let text = call.text(1)?;
        let made: Result<Vec<Value>, Fault> = pattern
            .captures_iter(text)
            .map(|found| {
                search(call, text, found.get(0).map_or(0, |whole| whole.end()))?;
                result(call, &pattern, &found)
            })
            .collect();
        call.list(&result_type(&pattern), made?)
    }),
    plain("replace", &[Text, Text, Text], replace),
];

/// Bytes that a compiled pattern may take, and the steps that it costs: compiling and searching take the longer, the
/// larger it is, and a short text can make a large one.
const SIZES: [(usize, u64); 3] = [(10 << 10, 50), (100 << 10, 1_000), (COMPILED, 10_000)];

fn compile(call: &Call<'_>, index: usize, text: &str) -> Result<Regex, Fault> {
    call.budget.spend(text.len() as u64)?;
    let translated = translate(text);
    let mut made = Err(regex::Error::CompiledTooBig(0));
    for (size, steps) in SIZES {
        call.budget.spend(steps)?;
        made = RegexBuilder::new(&translated).size_limit(size).dfa_size_limit(COMPILED).build();
        if !matches!(made, Err(regex::Error::CompiledTooBig(_))) {
            break;
        }
    }
    made.map_err(|error| {
        let why = match error {
            regex::Error::CompiledTooBig(_) => "is too large a pattern".to_owned(),
            // The last line says what is wrong; those before it draw the pattern.
            other => {
                let text = other.to_string();
                let last = text.lines().last().unwrap_or_default();
                format!("is no valid pattern: {}", last.trim_start_matches("error: "))
            }
        };
        call.bad(index, why)
    })
}

/// What a search from a place to the end of a text costs, at worst.
fn search(call: &Call<'_>, text: &str, from: usize) -> Result<(), Fault> {
    call.budget.spend(1 + text.len().saturating_sub(from) as u64 / 32)
}

fn pattern(call: &Call<'_>, index: usize) -> Result<Regex, Fault> {
    let pattern = compile(call, index, call.text(index)?)?;
    let named = pattern.capture_names().flatten().count();
    if named > 0 && named + 1 < pattern.captures_len() {
        return Err(call.bad(index, "must not have both named and unnamed groups"));
    }
    Ok(pattern)
}

fn result(call: &Call<'_>, pattern: &Regex, found: &Captures<'_>) -> Result<Value, Fault> {
    let group = |index: usize| match found.get(index) {
        Some(text) => call.string(text.as_str()),
        None => Ok(Value::null_of(&Type::String, call.at.clone())),
    };
    if pattern.captures_len() == 1 {
        return group(0);
    }
    if pattern.capture_names().flatten().next().is_none() {
        let groups: Result<Vec<Value>, Fault> = (1..pattern.captures_len()).map(group).collect();
        return call.tuple(groups?);
    }
    let mut entries = Entries::new();
    for (index, name) in pattern.capture_names().enumerate() {
        if let Some(name) = name {
            entries.insert(Arc::from(name), group(index)?);
        }
    }
    call.object(entries)
}

/// The type of what a pattern finds.
fn result_type(pattern: &Regex) -> Type {
    let groups = pattern.captures_len() - 1;
    let mut names = pattern.capture_names().flatten().peekable();
    if groups == 0 {
        Type::String
    } else if names.peek().is_none() {
        Type::Tuple(vec![Type::String; groups].into())
    } else {
        Type::Object(Arc::new(names.map(|name| (Arc::from(name), Type::String)).collect()))
    }
}

/// The type of what a pattern finds; `None` for what is no pattern.
pub(super) fn found_type(pattern: &str) -> Option<Type> {
    let (size, _) = SIZES[0];
    let pattern = RegexBuilder::new(&translate(pattern)).size_limit(size).build().ok()?;
    Some(result_type(&pattern))
}

/// Between slashes a pattern, else plain text.
fn replace(call: &Call<'_>) -> Result<Value, Fault> {
    let (text, wanted, with) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let between = wanted.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let Some(source) = between else {
        let count = text.matches(wanted).count();
        call.budget.grow(count.saturating_mul(with.len()))?;
        return call.string(text.replace(wanted, with));
    };
    let pattern = compile(call, 1, source)?;
    let mut made = String::new();
    let mut from = 0;
    for found in pattern.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        search(call, text, whole.end())?;
        made.push_str(text.get(from..whole.start()).unwrap_or(""));
        let before = made.len();
        found.expand(with, &mut made);
        call.budget.grow(made.len().saturating_sub(before))?;
        from = whole.end();
    }
    made.push_str(text.get(from..).unwrap_or(""));
    call.string(made)
}

/// From Go's syntax to Rust's.
fn translate(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains(['\\', '[', '{', '}']) {
        return Cow::Borrowed(pattern);
    }
    let mut made = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern.chars().peekable();
    let mut class = false;
    // Just after `[` or `[^`, where `]` is a plain character.
    let mut start = false;
    while let Some(c) = rest.next() {
        let first = std::mem::take(&mut start);
        match c {
            '\\' => match rest.next() {
                Some('Q') => quoted(&mut rest, &mut made),
                // `\p{Greek}`, `\x{1F600}`: the braces count nothing.
                Some(c @ ('p' | 'P' | 'x')) if rest.peek() == Some(&'{') => {
                    made.extend(['\\', c]);
                    for c in rest.by_ref() {
                        made.push(c);
                        if c == '}' {
                            break;
                        }
                    }
                }
                Some(c) => made.push_str(&escape(c, class)),
                None => made.push('\\'),
            },
            '[' if !class => {
                class = true;
                start = true;
                made.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    made.push('^');
                }
            }
            '[' if rest.peek() == Some(&':') => made.push('['),
            ':' if class
                && rest.peek() == Some(&']')
                && made.rfind("[:").is_some_and(|at| !made.get(at..).unwrap_or("").contains(']')) =>
            {
                // The end of `[:alpha:]`: its bracket does not end the class.
                made.push_str(":]");
                rest.next();
            }
            '[' | '&' | '~' if class => {
                made.push('\\');
                made.push(c);
            }
            ']' if class && first => made.push_str("\\]"),
            ']' if class => {
                class = false;
                made.push(']');
            }
            '-' if class && first => made.push_str("\\-"),
            '{' if !class => match repetition(rest.clone()) {
                Some(length) => {
                    made.push('{');
                    made.extend(rest.by_ref().take(length));
                }
                None => made.push_str("\\{"),
            },
            '}' if !class => made.push_str("\\}"),
            c => made.push(c),
        }
    }
    Cow::Owned(made)
}

/// How many characters belong to a repetition after its `{`: `2}`, `2,}` or `2,3}`.
fn repetition(rest: std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let inner: String = rest.take(10).take_while(|c| *c != '}').collect();
    let (least, most) = inner.split_once(',').unwrap_or((&inner, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (inner.len() < 10 && !least.is_empty() && digits(least) && digits(most)).then(|| inner.len() + 1)
}

fn escape(c: char, class: bool) -> Cow<'static, str> {
    Cow::Borrowed(match (c, class) {
        ('d', true) => "0-9",
        ('d', false) => "[0-9]",
        ('D', _) => "[^0-9]",
        ('w', true) => "0-9A-Za-z_",
        ('w', false) => "[0-9A-Za-z_]",
        ('W', _) => "[^0-9A-Za-z_]",
        ('s', true) => "\\t\\n\\x0c\\r ",
        ('s', false) => "[\\t\\n\\x0c\\r ]",
        ('S', _) => "[^\\t\\n\\x0c\\r ]",
        ('b', false) => "(?-u:\\b)",
        ('B', false) => "(?-u:\\B)",
        // Of these the crate makes word boundaries.
        ('<', _) => "<",
        ('>', _) => ">",
        (c, _) => return Cow::Owned(format!("\\{c}")),
    })
}

/// The literal text of `\Q…\E`.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, made: &mut String) {
    let mut literal = String::new();
    while let Some(c) = rest.next() {
        if c == '\\' && rest.next_if_eq(&'E').is_some() {
            break;
        }
        literal.push(c);
    }
    made.push_str(&regex::escape(&literal));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_patterns_are_translated() {
        for (go, rust) in [
            (r"\d+", r"[0-9]+"),
            (r"[\d.]", r"[0-9.]"),
            (r"[]a]", r"[\]a]"),
            (r"[^[]", r"[^\[]"),
            (r"[[:alpha:]_]", r"[[:alpha:]_]"),
            (r"a&&[&&b]", r"a&&[\&\&b]"),
            (r"\Qa.b\E.", r"a\.b."),
            (r"\$\{", r"\$\{"),
            (r"{a}b{2}c{,2}d{1,}", r"\{a\}b{2}c\{,2\}d{1,}"),
            (r"[-a]", r"[\-a]"),
            (r"\<a\>", r"<a>"),
        ] {
            assert_eq!(translate(go), rust);
            Regex::new(&translate(go)).unwrap();
        }
    }
}
