//! Broken and hostile configuration out of `tests/corpus/bad.txt`: each case says which code is told of which unit or
//! stack, and where. A sound unit beside it is known in every case.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use base64::Engine as _;
use portcullis_model::Fault;

use crate::{Folder, unit};

const CORPUS: &str = include_str!("../corpus/bad.txt");

#[derive(Default)]
struct Case {
    name: String,
    /// Path, how it is written, text.
    files: Vec<(String, String, String)>,
    expected: Vec<String>,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in CORPUS.lines().skip_while(|line| line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("== ") {
            cases.push(Case { name: name.to_owned(), ..Case::default() });
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        if let Some(file) = line.strip_prefix("-- ") {
            let (path, kind) = file.split_once(' ').unwrap_or((file, ""));
            case.files.push((path.to_owned(), kind.to_owned(), String::new()));
        } else if let Some(expected) = line.strip_prefix("=> ") {
            case.expected.push(expected.to_owned());
        } else if let Some((_, _, text)) = case.files.last_mut() {
            text.push_str(&repeated(line));
            text.push('\n');
        }
    }
    cases
}

/// `<N>text</N>` stands for the text N times.
fn repeated(line: &str) -> String {
    let Some((before, rest)) = line.split_once('<') else { return line.to_owned() };
    let found = rest.split_once('>').and_then(|(count, rest)| {
        let (text, after) = rest.split_once(&format!("</{count}>"))?;
        Some((text.repeat(count.parse().ok()?), after))
    });
    match found {
        Some((text, after)) => format!("{before}{text}{}", repeated(after)),
        None => format!("{before}<{}", repeated(rest)),
    }
}

fn write(folder: &Folder, case: &Case) {
    for (path, kind, text) in &case.files {
        folder.write(path, text);
        let at = folder.path().join(path);
        match kind.as_str() {
            "" => {}
            "link" => {
                std::fs::remove_file(&at).unwrap();
                symlink(text.trim_end(), &at).unwrap();
            }
            "base64" => {
                let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim_end()).unwrap();
                std::fs::write(&at, bytes).unwrap();
            }
            other => panic!("{}: {other} is no way to write a file", case.name),
        }
    }
}

/// `unit code place`, as the corpus has it.
fn told(path: &str, fault: &Fault) -> String {
    let place = match fault.place() {
        None => "-".to_owned(),
        Some(place) if place.line == 0 => place.file.clone(),
        Some(place) => format!("{}:{}", place.file, place.line),
    };
    format!("{path} {} {place}", fault.code())
}

/// Where a limit is met is not part of what is promised: then the corpus names no line.
fn matches(found: &str, expected: &str) -> bool {
    found == expected
        || (found.contains(" PC-0401 ") && found.rsplit_once(':').is_some_and(|(file, _)| file == expected))
}

fn first_faults(folder: &Folder) -> Vec<String> {
    let estate = folder.load();
    unit(&estate, "fine");
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (path, known) in estate.units() {
        let faults = known.as_ref().map_or_else(Vec::as_slice, |unit| unit.problems.as_slice());
        found.extend(faults.first().map(|fault| (path.to_string(), told(path.as_str(), fault))));
    }
    for (path, known) in estate.stacks() {
        let faults = known.as_ref().map_or_else(Vec::as_slice, |stack| stack.problems.as_slice());
        found.extend(faults.first().map(|fault| (path.to_string(), told(path.as_str(), fault))));
    }
    found.into_values().collect()
}

#[test]
fn each_fault_is_told_with_its_code_and_place_and_hides_no_other_unit() {
    let cases = cases();
    assert!(cases.len() >= 260, "the corpus has {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let folder = Folder::new(&[("fine/main.tf", ""), ("fine/terragrunt.hcl", "")]);
        write(&folder, case);
        let found = first_faults(&folder);
        assert!(!case.expected.is_empty(), "{} expects nothing", case.name);
        let as_expected = found.len() == case.expected.len()
            && found.iter().zip(&case.expected).all(|(found, expected)| matches(found, expected));
        if !as_expected {
            wrong.push(format!("{}:\n  expected {:?}\n  found    {found:?}", case.name, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn byte_order_marks_line_ends_and_odd_names_are_no_faults() {
    let folder = Folder::new(&[
        ("a/main.tf", ""),
        ("a/terragrunt.hcl", "\u{feff}inputs = {\n  x = 1\n}\n"),
        ("b/main.tf", ""),
        ("b/terragrunt.hcl", "inputs = {\r\n  x = 1\r\n}\r\n"),
        ("sp ace's \u{e9}/main.tf", ""),
        ("sp ace's \u{e9}/terragrunt.hcl", ""),
    ]);
    let estate = folder.load();
    assert_eq!(crate::inputs(&crate::resolve(&estate, "b")), "x = 1");
    assert_eq!(crate::inputs(&crate::resolve(&estate, "a")), "x = 1");
    unit(&estate, "sp ace's \u{e9}");
}
