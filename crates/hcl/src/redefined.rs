//! Objects that name a key twice. In HCL the last one counts; the parser refuses them.
//!
//! The later key is given another name of the same length before it is parsed again, and its own name is kept
//! by its place. So all places stay as they are in the file. Never changes what is shown: [`crate::File`] keeps
//! the text as it was.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use hcl_edit::parser::Error;
use hcl_edit::structure::Body;

/// Bytes that are parsed again, at most, for all such keys of a file.
const REPARSED: usize = 4 << 20;
/// Keys that are named again in one file.
const KEYS: usize = 64;

/// Where a key starts, and its name.
pub(crate) type Names = BTreeMap<usize, Arc<str>>;

/// Parses a body. The error is that of the text as it is.
pub(crate) fn parse(text: &str) -> Result<(Body, Names), Error> {
    let first = match text.parse::<Body>() {
        Ok(body) => return Ok((body, Names::new())),
        Err(error) => error,
    };
    let mut names = Names::new();
    let mut changed = text.to_owned();
    let mut error = first.clone();
    for _ in 0..KEYS.min(REPARSED / text.len().max(1)) {
        let offset = error.location().offset();
        let Some((range, name)) = key(&changed, offset).filter(|_| is_redefined(&error)) else {
            // Another error, in a text that has been changed before: its place and message hold there too.
            return Err(error);
        };
        let Some(fresh) = fresh(&changed, range.len()) else { return Err(first) };
        changed.replace_range(range, &fresh);
        names.insert(offset, name.into());
        match changed.parse::<Body>() {
            Ok(body) => return Ok((body, names)),
            Err(next) => error = next,
        }
    }
    Err(first)
}

fn is_redefined(error: &Error) -> bool {
    error.message().contains("redefined object key")
}

/// The range of the key's name at a place, and the name. `None` for a key with escapes or an expression.
fn key(text: &str, offset: usize) -> Option<(Range<usize>, String)> {
    let rest = text.get(offset..)?;
    let (skipped, end): (usize, fn(char) -> bool) = match rest.starts_with('"') {
        true => (1, |c| matches!(c, '"' | '\\' | '$' | '%' | '\n')),
        false => (0, |c| !(c.is_alphanumeric() || matches!(c, '_' | '-'))),
    };
    let inner = rest.get(skipped..)?;
    let length = inner.find(end)?;
    if length == 0 || (skipped == 1 && !inner.get(length..)?.starts_with('"')) {
        return None;
    }
    let start = offset + skipped;
    Some((start..start + length, inner.get(..length)?.to_owned()))
}

/// A name of that many bytes that is nowhere in the text.
fn fresh(text: &str, length: usize) -> Option<String> {
    (0..26 * 26).find_map(|number: u32| {
        let letter = |value: u32| char::from_u32(u32::from('a') + value % 26);
        let name: String =
            (0..length).filter_map(|at| letter(if at % 2 == 0 { number } else { number / 26 })).collect();
        (name.len() == length && !text.contains(&name)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let (_, names) = parse(text).unwrap();
        names.into_values().map(|name| name.to_string()).collect()
    }

    #[test]
    fn a_key_may_be_named_again() {
        assert_eq!(names("a = { key = 1, other = 2 }\n"), [""; 0]);
        assert_eq!(names("a = { key = 1, key = 2, \"key\" = 3 }\n"), ["key"; 1]);
        assert_eq!(names("a = { \"a b\" = 1\n \"a b\" = 2\n x = 1, x = 2, x = 3 }\n"), ["a b", "x", "x"]);
        assert!(parse("a = { (b) = 1, (b) = 2 }\n").is_err());
    }

    #[test]
    fn another_error_after_it_is_told() {
        let error = parse("a = { key = 1, key = 2 }\nb = [\n").unwrap_err();
        assert!(!is_redefined(&error) && error.location().line() >= 2, "{error}");
        assert!(is_redefined(&parse(&format!("a = {{ {} }}\n", "k = 1, ".repeat(200))).unwrap_err()));
    }
}
