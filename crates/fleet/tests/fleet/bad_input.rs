//! Malformed and hostile definitions out of `tests/corpus`: each is refused, and what is said of it is a snapshot.
//!
//! `== name`, then the text; `-- path` begins another file. `+ VALID` stands for a definition that is right, `<N>text</N>` for
//! the text N times. `\xHH`, `\r` and `\u{…}` are these bytes and characters.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use portcullis_fleet::Fleet;
use portcullis_model::Fault;

use crate::VALID;

const CORPUS: &str = include_str!("../corpus/definitions.txt");
const ONE: &str = "account \"dev\" {\n  id = \"1\"\n  action \"plan\" {\n    allow = [\"ci\"]\n  }\n}\n";

/// The bytes that a text of the corpus stands for.
fn bytes(text: &str) -> Vec<u8> {
    let mut text = text.replace("+ VALID\n", &format!("{VALID}{ONE}"));
    while let Some(start) = text.find("<N>") {
        let end = text[start..].find("</N>").unwrap() + start;
        let (count, what) = text[start + 3..end].split_once('|').unwrap();
        let repeated = what.replace("\\n", "\n").repeat(count.parse().unwrap());
        text.replace_range(start..end + 4, &repeated);
    }
    let mut out = Vec::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        match rest.as_bytes().first() {
            Some(b'x') => {
                out.push(u8::from_str_radix(&rest[1..3], 16).unwrap());
                rest = &rest[3..];
            }
            Some(b'r') => {
                out.push(b'\r');
                rest = &rest[1..];
            }
            Some(b'u') => {
                let end = rest.find('}').unwrap();
                let c = char::from_u32(u32::from_str_radix(&rest[2..end], 16).unwrap()).unwrap();
                out.extend_from_slice(c.to_string().as_bytes());
                rest = &rest[end + 1..];
            }
            _ => out.push(b'\\'),
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn cases() -> Vec<(String, BTreeMap<String, Vec<u8>>)> {
    let cases = CORPUS.split("\n== ").skip(1).map(|case| {
        let (name, text) = case.split_once('\n').unwrap();
        let mut parts = text.split("\n-- ");
        let root = parts.next().unwrap();
        let mut files = BTreeMap::from([("portcullis.hcl".to_owned(), bytes(&format!("{root}\n")))]);
        files.extend(parts.map(|part| {
            let (path, text) = part.split_once('\n').unwrap();
            (path.to_owned(), bytes(&format!("{text}\n")))
        }));
        (name.to_owned(), files)
    });
    cases.collect()
}

fn told(fault: &Fault) -> String {
    let place = fault.place().map_or("nowhere".to_owned(), ToString::to_string);
    let notes: String = fault.notes().iter().map(|note| format!("\n    note: {note}")).collect();
    let text = format!(
        "  {} {place}: {}\n    help: {}{notes}",
        fault.code(),
        fault.message(),
        fault.remedy_text().unwrap_or("NONE")
    );
    assert!(text.len() < 4_000, "what is said is short: {text}");
    text
}

#[test]
fn each_is_refused_with_file_line_value_and_remedy() {
    let cases = cases();
    assert!(cases.len() >= 80, "the corpus has only {} cases", cases.len());
    let mut all = String::new();
    for (name, files) in &cases {
        let _ = writeln!(all, "{name}");
        let Err(faults) = Fleet::load(&|path| Ok(files.get(path).cloned())) else {
            panic!("{name}: it was taken");
        };
        for fault in &faults {
            assert!(fault.remedy_text().is_some_and(|remedy| !remedy.is_empty()), "{name}: {fault}");
            assert!(fault.place().is_some_and(|place| !place.file.is_empty()), "{name}: {fault}");
            let _ = writeln!(all, "{}", told(fault));
        }
        assert!(!all.contains('\u{202e}') && !all.contains('\u{1b}'), "{name}: it can steer whoever reads it");
    }
    insta::assert_snapshot!("hostile_definitions", all);
}

/// Files of a size that nobody wants to look at.
#[test]
fn what_is_huge_is_refused_before_it_is_parsed() {
    let cases = [
        "{".repeat(10 << 20),
        format!("{VALID}locals {{\n  a = {}1{}\n}}\n", "[".repeat(100_000), "]".repeat(100_000)),
        format!("locals {{\n{}}}\n", "  a = 1\n".repeat(1 << 20)),
        format!("locals {{\n  a = {}\n}}\n", "9".repeat(1 << 20)),
        "\"".repeat(10 << 20),
    ];
    for text in cases {
        let faults = Fleet::load(&|_| Ok(Some(text.clone().into_bytes()))).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].code(), portcullis_model::Code::FLEET_SYNTAX, "{faults:?}");
        assert!(faults[0].message().len() < 300 && faults[0].remedy_text().is_some(), "{faults:?}");
    }
}
