//! The register of error codes against the rest of the workspace: each code is raised somewhere, and some test
//! provokes it. A code that no longer occurs is found here.
//!
//! Goes by the text of the files: it cannot know that a line is reached, the tests do.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tidy;

/// Where the codes are registered.
const REGISTER: &str = "crates/model/src/code.rs";
/// Decides statuses and exit codes for all of them, so a name in it says nothing.
const MAPPING: &str = "crates/app/src/outcome.rs";

/// Checks every code. The error names each that is not raised, or that no test names.
pub fn check(root: &Path) -> Result<(), String> {
    let count = check_files(root, &tidy::sources(root)?)?;
    println!("{count} codes");
    Ok(())
}

fn check_files(root: &Path, files: &[PathBuf]) -> Result<usize, String> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let register = read(&root.join(REGISTER))?;
    let codes = registered(&register);
    let (mut raised, mut tested) = (BTreeSet::new(), BTreeSet::new());
    for file in files {
        if [REGISTER, MAPPING].iter().any(|own| file.ends_with(own)) {
            continue;
        }
        let text = read(file)?;
        // The testkit is what tests provoke with.
        let all_tests =
            file.components().any(|part| ["tests", "testkit", "xtask"].iter().any(|name| part.as_os_str() == *name));
        let (source, tests) = match text.find("#[cfg(test)]") {
            _ if all_tests => ("", text.as_str()),
            Some(at) => text.split_at(at),
            None => (text.as_str(), ""),
        };
        for (name, number) in &codes {
            if raises(source, name) {
                raised.insert(*name);
            }
            if names(tests, name).next().is_some() || tests.contains(&format!("PC-{number:0>4}")) {
                tested.insert(*name);
            }
        }
    }
    let missing = |from: &BTreeSet<&str>| -> Vec<String> {
        let gone = codes.iter().filter(|(name, _)| !from.contains(name));
        gone.map(|(name, number)| format!("PC-{number:0>4} ({name})")).collect()
    };
    let complaints = [("nothing raises", missing(&raised)), ("no test names", missing(&tested))];
    let said: Vec<String> = complaints
        .into_iter()
        .filter(|(_, codes)| !codes.is_empty())
        .map(|(what, codes)| format!("{what} these codes of {REGISTER}:\n  {}", codes.join("\n  ")))
        .collect();
    if said.is_empty() { Ok(codes.len()) } else { Err(said.join("\n")) }
}

/// Name and number of each code, from lines such as `USAGE = 1, "…";`.
fn registered(register: &str) -> Vec<(&str, &str)> {
    let line = |line: &'_ str| -> Option<(usize, usize)> {
        let (name, rest) = line.split_once(" = ")?;
        let (number, title) = rest.split_once(", \"")?;
        let named = name.trim_start().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let fits = named && title.ends_with("\";") && number.bytes().all(|byte| byte.is_ascii_digit());
        fits.then_some((name.len(), number.len()))
    };
    register
        .lines()
        .filter_map(|text| {
            let (name, number) = line(text)?;
            Some((text.get(..name)?.trim_start(), text.get(name + 3..name + 3 + number)?))
        })
        .collect()
}

/// Where a text names a code: what is before it, and what is behind it.
fn names<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = (&'t str, &'t str)> {
    let whole = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    text.match_indices("Code::").filter_map(move |(at, found)| {
        let rest = text.get(at + found.len()..)?.strip_prefix(name)?;
        whole(rest).then_some((text.get(..at)?, rest))
    })
}

/// Whether it names the code other than to compare with it.
fn raises(text: &str, name: &str) -> bool {
    names(text, name).any(|(before, behind)| {
        let (before, behind) = (before.trim_end(), behind.trim_start());
        let pattern = before.ends_with('|') && !before.ends_with("||") || behind.starts_with('|');
        !pattern && !behind.starts_with("=>") && !before.ends_with("==") && !before.ends_with("!=")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_is_only_compared_or_not_tested_is_named() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
            file
        };
        let register = write(REGISTER, "codes! {\n    A = 1, \"a\";\n    A_B = 2, \"b\";\n    C = 3, \"c\";\n}\n");
        let source = write(
            "crates/x/src/lib.rs",
            "f(Code::A_B); if x == Code::A { } match y { Code::A | Code::C => {} }\nf(|| Code::C);\n\
             #[cfg(test)] mod tests { g(Code::A_B) }",
        );
        let test = write("crates/x/tests/it.rs", "assert!(text.contains(\"PC-0001\"))");
        let files = [register, source.clone(), test.clone()];
        let error = check_files(root.path(), &files).unwrap_err();
        assert_eq!(
            error,
            format!(
                "nothing raises these codes of {REGISTER}:\n  PC-0001 (A)\n\
                 no test names these codes of {REGISTER}:\n  PC-0003 (C)"
            )
        );
        fs::write(&source, "f(Code::A, Code::A_B, Code::C)").unwrap();
        fs::write(&test, "PC-0001 Code::A_B PC-0003").unwrap();
        assert_eq!(check_files(root.path(), &files), Ok(3));
    }
}
