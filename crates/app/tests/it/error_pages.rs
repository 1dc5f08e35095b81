//! `docs/errors`: every code has a page, and what the page says of it is so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use portcullis_app::outcome::{Exit, page_of, problem_of, status_of};
use portcullis_model::{Code, Fault};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pages() -> PathBuf {
    root().join("docs/errors")
}

#[test]
fn every_code_has_a_page_that_says_what_the_program_does() {
    let mut wrong = Vec::new();
    for (code, title) in Code::ALL {
        let Ok(page) = fs::read_to_string(pages().join(format!("{code}.md"))) else {
            wrong.push(format!("{code}: there is no page"));
            continue;
        };
        let mut check = |holds: bool, what: String| {
            if !holds {
                wrong.push(format!("{code}: {what}"));
            }
        };
        let first = format!("# {code}: {title}");
        check(page.lines().next() == Some(&first), format!("the first line is not `{first}`"));
        let exit = Exit::of_fault(&Fault::new(*code, "m")) as u8;
        let last = format!("Exit code {exit}. HTTP status {}.", status_of(*code));
        check(page.lines().last() == Some(&last), format!("the last line is not `{last}`"));
        check(page.contains(&format!("[{code}]")), "the example does not show the code".to_owned());
        for part in ["## How it comes about", "## Example", "## What to do"] {
            check(page.contains(&format!("\n{part}\n\n")), format!("there is no `{part}`"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_page_is_orphaned_and_the_index_names_all() {
    let index = fs::read_to_string(pages().join("README.md")).unwrap();
    let mut wanted: BTreeSet<String> = Code::ALL.iter().map(|(code, _)| format!("{code}.md")).collect();
    wanted.insert("README.md".into());
    let entries = fs::read_dir(pages()).unwrap();
    let found: BTreeSet<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, wanted, "left: files of docs/errors; right: what codes.rs asks for");
    let rows: Vec<&str> = index.lines().filter(|line| line.starts_with("| [PC-")).collect();
    let expected: Vec<String> =
        Code::ALL.iter().map(|(code, title)| format!("| [{code}]({code}.md) | {title} |")).collect();
    assert_eq!(rows, expected);
}

/// `type` of a problem document is an address on the forge; the path behind `blob/main` is in this repository.
#[test]
fn a_problem_document_leads_to_the_page() {
    for (code, title) in Code::ALL {
        let problem = problem_of(&Fault::new(*code, "m"));
        assert_eq!(problem.kind, page_of(*code));
        let (_, path) = problem.kind.split_once("/blob/main/").unwrap();
        let page = fs::read_to_string(root().join(path)).unwrap();
        assert!(page.contains(title), "{}", problem.kind);
    }
}
