//! Patterns of `mark_glob_as_read`, as Terragrunt has them (gobwas/glob): `*` and `?` stay within a folder, `**`
//! crosses folders, `[…]` is a class, `{a,b}` alternatives, `\` takes the next character as it is. `a/**/b` matches
//! `a/b` too if both neighbours are plain names. Matching takes linear time.

use portcullis_hcl::{Origin, Value};
use portcullis_model::{Code, Fault};
use regex::Regex;

use super::functions::Call;
use crate::path;
use crate::source::EntryKind;

/// What leads a call that names its own boundary.
const BOUNDARY: &str = "--terragrunt-boundary";
/// Characters that make a part of a pattern more than a name.
const META: [char; 5] = ['*', '?', '[', '{', '\\'];

/// `mark_glob_as_read([boundary,] pattern)`: the files, as absolute paths; each counts as read.
pub(super) fn mark_glob_as_read(call: &Call<'_, '_>) -> Result<Value, Fault> {
    let first = call.arg(0)?;
    let skip = match first.strip_prefix(BOUNDARY) {
        None => 0,
        Some("") => 2,
        Some(_) => 1,
    };
    call.arity(skip + 1, skip + 1)?;
    let pattern = call.frame.path(&call.arg(skip)?).map_err(|fault| fault.at(call.at.place()))?;
    let session = call.frame.session;
    let matcher = compile(&pattern, call.at)?;
    // Everything up to the first part that is a pattern is a folder to start at.
    let fixed: Vec<&str> = pattern.split('/').take_while(|part| !part.contains(META)).collect();
    let mut left = vec![if fixed.is_empty() { ".".to_owned() } else { fixed.join("/") }];
    let mut found = Vec::new();
    let mut seen = 0usize;
    while let Some(at) = left.pop() {
        let Some(entries) = session.reader.list(&at).map_err(|fault| fault.at(call.at.place()))? else {
            if at == pattern && session.reader.bytes(&at)?.is_some() {
                found.push(at);
            }
            continue;
        };
        for entry in entries {
            seen += 1;
            session.budget.spend(1)?;
            if seen > session.settings.limits.entries {
                return Err(call.fault(Code::REPOSITORY_TOO_LARGE, "the pattern walks too many files"));
            }
            let path = path::child(&at, &entry.name);
            match entry.kind {
                EntryKind::Dir => left.push(path),
                EntryKind::File { .. } if matcher.is_match(&path) => found.push(path),
                EntryKind::File { .. } | EntryKind::Symlink | EntryKind::Submodule => {}
            }
        }
    }
    found.sort();
    let files = found.into_iter().map(|path| {
        session.note_content(&path);
        call.text(&path::absolute(&path))
    });
    Ok(Value::list(files.collect(), call.at.clone()))
}

/// A pattern as Terragrunt has them, for paths without a leading `/`.
pub(crate) fn glob(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&expression(pattern))
}

fn compile(pattern: &str, at: &Origin) -> Result<Regex, Fault> {
    glob(pattern).map_err(|_| {
        at.fault(Code::HCL_EVALUATION, format!("{} is no file pattern", path::quoted(pattern)))
            .remedy("Use `*`, `**`, `?`, `[…]` and `{a,b}`.")
    })
}

/// A pattern as a regular expression.
fn expression(pattern: &str) -> String {
    let mut text = String::from("^");
    let mut rest = pattern;
    let mut alternatives = 0usize;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("/**/") {
            let before = pattern.get(..pattern.len() - rest.len()).unwrap_or_default();
            let plain = |part: Option<&str>| part.is_some_and(|part| !part.is_empty() && !part.contains(META));
            let collapses = plain(before.rsplit('/').next()) && plain(after.split('/').next());
            text.push_str(if collapses { "/(?:.*/)?" } else { "/.*/" });
            rest = after;
            continue;
        }
        let mut taken = first.len_utf8();
        match first {
            '*' if rest.starts_with("**") => {
                text.push_str(".*");
                taken = 2;
            }
            '*' => text.push_str("[^/]*"),
            '?' => text.push_str("[^/]"),
            '[' => {
                let class = rest.find(']').unwrap_or(rest.len() - 1);
                let inner = rest.get(1..class).unwrap_or_default().replace('\\', r"\\").replace('[', r"\[");
                let (not, inner) = inner.strip_prefix('!').map_or(("", inner.as_str()), |inner| ("^", inner));
                text.push_str(&format!("[{not}{inner}]"));
                taken = class + 1;
            }
            '{' => {
                text.push_str("(?:");
                alternatives += 1;
            }
            '}' if alternatives > 0 => {
                text.push(')');
                alternatives -= 1;
            }
            ',' if alternatives > 0 => text.push('|'),
            '\\' => {
                let next = rest.chars().nth(1);
                text.push_str(&regex::escape(&next.map(String::from).unwrap_or_default()));
                taken += next.map_or(0, char::len_utf8);
            }
            other => text.push_str(&regex::escape(&other.to_string())),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    text.push('$');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_terragrunt() {
        let matches = |pattern: &str, text: &str| compile(pattern, &Origin::built_in()).unwrap().is_match(text);
        for (pattern, yes, no) in [
            ("a/*.yaml", "a/x.yaml", "a/b/x.yaml"),
            ("a/**", "a/b/c.yaml", "b/c.yaml"),
            ("a/**/b", "a/b", "a/c"),
            ("a/**/b", "a/x/y/b", "xa/b"),
            ("a/**/*.tf", "a/x/m.tf", "a/m.tf"),
            ("a/{*.tf,**/*.tf}", "a/m.tf", "a/m.txt"),
            ("a/?.[ch]", "a/x.c", "a/x.o"),
            ("a/[!x].c", "a/y.c", "a/x.c"),
            (r"a/\*.c", "a/*.c", "a/b.c"),
            ("a/b.c", "a/b.c", "a/bxc"),
        ] {
            assert!(matches(pattern, yes), "{pattern} should match {yes}");
            assert!(!matches(pattern, no), "{pattern} should not match {no}");
        }
        for bad in ["a/[", "a/{b", "a/[]"] {
            assert!(compile(bad, &Origin::built_in()).is_err(), "{bad}");
        }
    }
}
