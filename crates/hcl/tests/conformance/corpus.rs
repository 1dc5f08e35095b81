//! The corpus: expressions and what they are, in text files that can be read and edited.
//!
//! A case is an expression (one line or several), then its result on one line: `= ` and the value in the
//! notation of `notation.rs`, or `! ` and the code of the fault. `differences.txt` holds the cases in which we
//! mean to differ from Terraform: after our result a line `terraform ` with Terraform's, and one `because `.
//! A result that is only `?` is filled in when the corpus is blessed. Never runs anything.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What an expression is: a value in our notation, or a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Value(String),
    /// The code of ours; for Terraform any text.
    Fault(String),
    /// To be filled in.
    Open,
}

impl Outcome {
    fn parse(line: &str) -> Option<Outcome> {
        match line.strip_prefix("= ") {
            Some(value) => Some(Outcome::Value(value.to_owned())),
            None if line == "?" => Some(Outcome::Open),
            None => line.strip_prefix("! PC-").map(|code| Outcome::Fault(format!("PC-{code}"))),
        }
    }

    pub fn line(&self) -> String {
        match self {
            Outcome::Value(value) => format!("= {value}"),
            Outcome::Fault(code) => format!("! {code}"),
            Outcome::Open => "?".to_owned(),
        }
    }

    /// Whether both are the same value, or both a fault of any kind.
    pub fn agrees(&self, other: &Outcome) -> bool {
        match (self, other) {
            (Outcome::Value(a), Outcome::Value(b)) => a == b,
            (Outcome::Fault(_), Outcome::Fault(_)) => true,
            _ => false,
        }
    }
}

/// A difference that is meant.
#[derive(Debug, Clone)]
pub struct Meant {
    /// Terraform's answer: `= value`, or `!` for an error.
    pub terraform: String,
    pub because: String,
}

#[derive(Debug, Clone)]
pub struct Case {
    /// Name of the file without its ending.
    pub file: String,
    pub expression: String,
    pub expected: Outcome,
    pub meant: Option<Meant>,
}

/// A piece of a corpus file, in order.
enum Piece {
    Comment(String),
    Case(Case),
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

pub fn locals() -> String {
    std::fs::read_to_string(folder().join("locals.hcl")).unwrap()
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .collect();
    files.sort();
    files
}

fn pieces(path: &Path) -> Vec<Piece> {
    let file = path.file_stem().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let mut pieces = Vec::new();
    let mut expression: Vec<&str> = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if expression.is_empty() && (line.is_empty() || line.starts_with('#')) {
            pieces.push(Piece::Comment(line.to_owned()));
            continue;
        }
        let Some(expected) = Outcome::parse(line) else {
            expression.push(line);
            continue;
        };
        let terraform = lines.next_if(|line| line.starts_with("terraform "));
        let meant = terraform.map(|line| {
            let because = lines.next().and_then(|line| line.strip_prefix("because ")).unwrap_or_else(|| {
                panic!("{file}: a difference says why: {}", expression.join("\n"));
            });
            Meant { terraform: line.trim_start_matches("terraform ").to_owned(), because: because.to_owned() }
        });
        let case = Case { file: file.clone(), expression: expression.join("\n"), expected, meant };
        pieces.push(Piece::Case(case));
        expression.clear();
    }
    assert!(expression.is_empty(), "{file} ends in a case without a result: {}", expression.join("\n"));
    pieces
}

/// All cases of all files.
pub fn cases() -> Vec<Case> {
    files()
        .iter()
        .flat_map(|path| pieces(path))
        .filter_map(|piece| match piece {
            Piece::Case(case) => Some(case),
            Piece::Comment(_) => None,
        })
        .collect()
}

/// Writes new results into the files; `results` is by expression.
pub fn bless(results: &BTreeMap<String, Outcome>) {
    for path in files() {
        let mut text = String::new();
        for piece in pieces(&path) {
            match piece {
                Piece::Comment(line) => writeln!(text, "{line}").unwrap(),
                Piece::Case(case) => {
                    let outcome = results.get(&case.expression).unwrap_or(&case.expected);
                    writeln!(text, "{}\n{}", case.expression, outcome.line()).unwrap();
                    if let Some(meant) = case.meant {
                        writeln!(text, "terraform {}\nbecause {}", meant.terraform, meant.because).unwrap();
                    }
                }
            }
        }
        std::fs::write(path, text).unwrap();
    }
}
