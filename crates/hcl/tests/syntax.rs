//! Files that do not parse: each class of error with its exact place, message, source line and remedy.
//!
//! `tests/syntax/*.txt` holds the cases: `=== ` and a name, the file, then what is said of it, from `--> ` on. `⟪XX⟫`
//! is a byte, `⟪⟫` at the end of a file says that it has no line end. `PORTCULLIS_BLESS=syntax` writes what is said
//! now; whoever does that reads it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use portcullis_hcl::{File, Limits};
use portcullis_model::{Code, Fault};

struct Case {
    name: String,
    text: String,
    said: String,
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/syntax");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What stands before the first case, and the cases.
fn cases(file: &Path) -> (String, Vec<Case>) {
    let text = std::fs::read_to_string(file).unwrap();
    let mut parts = text.split("\n=== ");
    let head = parts.next().unwrap().to_owned();
    let cases = parts.map(|part| {
        let (name, rest) = part.split_once('\n').unwrap();
        let (text, said) = match rest.split_once("\n--> ") {
            Some((text, said)) => (format!("{text}\n"), format!("--> {}\n", said.trim_end())),
            None => (format!("{}\n", rest.trim_end()), String::new()),
        };
        Case { name: name.to_owned(), text, said }
    });
    (head, cases.collect())
}

/// The bytes that a text stands for.
fn bytes(text: &str) -> Vec<u8> {
    let text = text.strip_suffix("⟪⟫\n").unwrap_or(text);
    let mut made = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('⟪') {
        made.extend(before.as_bytes());
        let (digits, after) = after.split_once('⟫').unwrap();
        made.push(u8::from_str_radix(digits, 16).unwrap());
        rest = after;
    }
    made.extend(rest.as_bytes());
    made
}

fn parse(text: &[u8]) -> Result<(), Fault> {
    File::parse("case.hcl", text, &Limits::default()).map(|_| ())
}

fn said(text: &str) -> String {
    match parse(&bytes(text)) {
        Ok(()) => "--> it parses\n".to_owned(),
        Err(fault) => shown(&fault),
    }
}

fn shown(fault: &Fault) -> String {
    let place = fault.place().unwrap();
    let mut out = format!("--> {}:{} {} {}\n", place.line, place.column, fault.code(), visible(fault.message()));
    let before = usize::try_from(place.column - place.excerpt_column).unwrap();
    let start: String = place.excerpt.chars().take(before).collect();
    writeln!(out, "  | {}", visible(&place.excerpt)).unwrap();
    writeln!(out, "  | {}^", " ".repeat(visible(&start).chars().count())).unwrap();
    for note in fault.notes() {
        writeln!(out, "  note: {}", visible(note)).unwrap();
    }
    if let Some(remedy) = fault.remedy_text() {
        writeln!(out, "  help: {}", visible(remedy)).unwrap();
    }
    out
}

/// Tabs as spaces, and what an editor would not show by its code.
fn visible(text: &str) -> String {
    let is_hidden =
        |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}');
    text.chars()
        .map(|c| match c {
            '\t' => " ".to_owned(),
            c if is_hidden(c) => c.escape_unicode().to_string(),
            c => c.to_string(),
        })
        .collect()
}

#[allow(clippy::disallowed_methods, reason = "how somebody asks this test to write what it found")]
fn blesses() -> bool {
    std::env::var("PORTCULLIS_BLESS").is_ok_and(|what| what == "syntax")
}

#[test]
fn errors_are_told_with_their_place_and_a_remedy() {
    let mut wrong = String::new();
    let mut names = BTreeSet::new();
    for file in files() {
        let (head, cases) = cases(&file);
        let mut renewed = head;
        for case in cases {
            let now = said(&case.text);
            if now != case.said {
                writeln!(wrong, "{}:\n{}expected\n{}found\n{now}", case.name, case.text, case.said).unwrap();
            }
            assert!(names.insert((file.clone(), case.name.clone())), "{} is there twice", case.name);
            write!(renewed, "\n=== {}\n{}{now}", case.name, case.text).unwrap();
        }
        if blesses() {
            std::fs::write(&file, renewed).unwrap();
        }
    }
    assert!(names.len() > 150, "{}", names.len());
    assert!(wrong.is_empty() || blesses(), "{wrong}");
}

/// Every case is an error of the text, with a place in it that is shown.
#[test]
fn every_error_has_a_place_in_its_line() {
    for case in files().iter().flat_map(|file| cases(file).1) {
        let fault = parse(&bytes(&case.text)).unwrap_err();
        assert_eq!(fault.code(), Code::HCL_SYNTAX, "{}", case.name);
        let place = fault.place().unwrap();
        assert!(place.line > 0 && place.column >= place.excerpt_column, "{}: {place:?}", case.name);
        let end = place.excerpt_column as usize + place.excerpt.chars().count() + 1;
        assert!(place.column as usize <= end, "{}: {place:?}", case.name);
        let message = fault.message();
        assert!(!message.ends_with('.') && !message.starts_with(char::is_uppercase), "{}: {message}", case.name);
        assert!(fault.remedy_text().is_none_or(|remedy| remedy.ends_with(['.', '?'])), "{}", case.name);
    }
}
