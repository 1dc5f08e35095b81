//! The corpus of definitions that must be refused.
//!
//! The first line of each file is `# PC-nnnn: line:column: part of the message`. `# + VALID` as second line puts a
//! right definition after it.

use std::fs;
use std::path::Path;

use crate::{VALID, load};

#[test]
fn each_is_refused_for_its_reason_at_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fleet/invalid");
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        count += 1;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut text = fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().unwrap().trim_start_matches("# ").to_owned();
        let (code, rest) = expected.split_once(": ").unwrap();
        let (place, message) = rest.split_once(": ").unwrap();
        if text.lines().nth(1) == Some("# + VALID") {
            text.push_str(VALID);
        }
        let Err(faults) = load(&[("portcullis.hcl", &text)]) else {
            wrong.push(format!("{name}: accepted"));
            continue;
        };
        let hit = faults.iter().any(|fault| {
            fault.code().to_string() == code
                && fault.message().contains(message)
                && fault.place().is_some_and(|at| place == format!("{}:{}", at.line, at.column))
                && fault.remedy_text().is_some_and(|remedy| remedy.ends_with('.'))
        });
        if !hit || faults.len() != 1 {
            let found: Vec<String> = faults.iter().map(|f| format!("  {f} — {:?}", f.remedy_text())).collect();
            wrong.push(format!("{name}: wanted {expected}, found\n{}", found.join("\n")));
        }
    }
    assert!(count >= 30, "the corpus has only {count} files");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
