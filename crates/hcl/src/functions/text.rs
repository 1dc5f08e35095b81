//! Functions on strings.

use portcullis_model::Fault;

use super::Param::{Number, Text, Texts};
use super::{Call, Function, plain};
use crate::Value;

pub(super) const TABLE: &[Function] = &[
    plain("basename", &[Text], |call| call.string(basename(call.text(0)?))),
    plain("chomp", &[Text], |call| call.string(call.text(0)?.trim_end_matches(['\r', '\n']))),
    plain("dirname", &[Text], |call| call.string(dirname(call.text(0)?))),
    plain("endswith", &[Text, Text], |call| call.bool(call.text(0)?.ends_with(call.text(1)?))),
    plain("indent", &[Number, Text], indent),
    plain("join", &[Text], join).rest(Texts),
    plain("lower", &[Text], |call| call.string(lower(call.text(0)?))),
    plain("pathexpand", &[Text], pathexpand),
    plain("abspath", &[Text], abspath),
    plain("split", &[Text, Text], split),
    plain("startswith", &[Text, Text], |call| call.bool(call.text(0)?.starts_with(call.text(1)?))),
    plain("strcontains", &[Text, Text], |call| call.bool(call.text(0)?.contains(call.text(1)?))),
    plain("strrev", &[Text], |call| call.string(call.graphemes(0)?.into_iter().rev().collect::<String>())),
    plain("substr", &[Text, Number, Number], substr),
    plain("title", &[Text], |call| call.string(title(call.text(0)?))),
    plain("trim", &[Text, Text], trim),
    plain("trimprefix", &[Text, Text], |call| {
        let text = call.text(0)?;
        call.string(text.strip_prefix(call.text(1)?).unwrap_or(text))
    }),
    plain("trimspace", &[Text], |call| call.string(call.text(0)?.trim())),
    plain("trimsuffix", &[Text, Text], |call| {
        let text = call.text(0)?;
        call.string(text.strip_suffix(call.text(1)?).unwrap_or(text))
    }),
    plain("upper", &[Text], |call| call.string(upper(call.text(0)?))),
];

/// Go's `filepath.Base`.
fn basename(path: &str) -> &str {
    match path {
        "" => ".",
        _ => match path.trim_end_matches('/') {
            "" => "/",
            trimmed => trimmed.rsplit('/').next().unwrap_or(trimmed),
        },
    }
}

/// Go's `filepath.Dir`.
fn dirname(path: &str) -> String {
    clean(path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or(""))
}

/// Go's `filepath.Clean`.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

fn pathexpand(call: &Call<'_>) -> Result<Value, Fault> {
    let path = call.text(0)?;
    if path.starts_with('~') {
        return Ok(Value::derived("the home folder of `pathexpand`", &call.args, call.at.clone()));
    }
    call.string(path)
}

fn abspath(call: &Call<'_>) -> Result<Value, Fault> {
    let path = call.text(0)?;
    if !path.starts_with('/') {
        return Ok(Value::derived("the working directory of `abspath`", &call.args, call.at.clone()));
    }
    call.string(clean(path))
}

fn indent(call: &Call<'_>) -> Result<Value, Fault> {
    let spaces = usize::try_from(call.whole(0)?).map_err(|_| call.bad(0, "must not be negative"))?;
    let text = call.text(1)?;
    let lines = text.matches('\n').count();
    call.budget.grow(spaces.saturating_mul(lines))?;
    if lines == 0 {
        return call.string(text);
    }
    call.string(text.replace('\n', &format!("\n{}", " ".repeat(spaces))))
}

fn join(call: &Call<'_>) -> Result<Value, Fault> {
    let separator = call.text(0)?;
    if call.args.len() < 2 {
        return Err(call.fault("takes at least 2 arguments"));
    }
    let mut parts = Vec::new();
    for (index, list) in call.from(1).iter().enumerate() {
        for element in list.as_seq().unwrap_or(&[]) {
            let text = element.as_str().ok_or_else(|| call.bad(index + 1, "has an element that is null"))?;
            call.budget.grow(text.len() + separator.len())?;
            parts.push(text);
        }
    }
    Ok(Value::string(parts.join(separator), call.at.clone()))
}

fn split(call: &Call<'_>) -> Result<Value, Fault> {
    let (separator, text) = (call.text(0)?, call.text(1)?);
    if separator.is_empty() {
        return call.strings(text.chars().map(String::from));
    }
    call.strings(text.split(separator))
}

fn substr(call: &Call<'_>) -> Result<Value, Fault> {
    let chars = call.graphemes(0)?;
    let (offset, length) = (call.whole(1)?, call.whole(2)?);
    let count = i64::try_from(chars.len()).unwrap_or(i64::MAX);
    let start = if offset < 0 { offset.saturating_add(count).max(0) } else { offset };
    let start = usize::try_from(start.min(count)).unwrap_or(0);
    let length = if length < 0 { usize::MAX } else { usize::try_from(length).unwrap_or(usize::MAX) };
    call.string(chars.into_iter().skip(start).take(length).collect::<String>())
}

/// Go's `strings.Title`.
fn title(text: &str) -> String {
    let separates = |c: char| if c.is_ascii() { !c.is_ascii_alphanumeric() && c != '_' } else { c.is_whitespace() };
    let mut before = ' ';
    let mut made = String::with_capacity(text.len());
    for c in text.chars() {
        made.push(if separates(before) { capital(c) } else { c });
        before = c;
    }
    made
}

fn trim(call: &Call<'_>) -> Result<Value, Fault> {
    let cut: Vec<char> = call.text(1)?.chars().collect();
    call.string(call.text(0)?.trim_matches(cut.as_slice()))
}

/// One character for one, as in Go: `ß` has no capital, and a final `Σ` is like any other.
fn lower(text: &str) -> String {
    text.chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect()
}

fn upper(text: &str) -> String {
    text.chars().map(capital).collect()
}

fn capital(c: char) -> char {
    let mut made = c.to_uppercase();
    if made.len() == 1 { made.next().unwrap_or(c) } else { c }
}
