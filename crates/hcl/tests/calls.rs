//! Calls of functions and what Terraform says they are: `corpus/calls.txt`.
//!
//! A case is an expression and, indented, its `jsonencode` or `ERROR`. Where Terraform is on the path, it is
//! asked again, in one process.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write as _;

use portcullis_hcl::{Budget, EmptyScope, File, Limits, evaluate};

const CALLS: &str = include_str!("corpus/calls.txt");

fn cases() -> Vec<(&'static str, &'static str)> {
    let mut lines = CALLS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut cases = Vec::new();
    while let Some(expression) = lines.next() {
        cases.push((expression, lines.next().unwrap().strip_prefix("  ").unwrap()));
    }
    cases
}

fn ours(expression: &str) -> String {
    let limits = Limits::default();
    let text = format!("x = jsonencode({expression})\n");
    let value = File::parse("calls.hcl", text.as_bytes(), &limits).and_then(|file| {
        let attribute = file.body().attributes().next().unwrap();
        evaluate(&attribute.value, &file, &EmptyScope, &Budget::new(&limits))
    });
    match value {
        Ok(value) => value.as_str().map_or_else(|| format!("{value:?}"), str::to_owned),
        Err(fault) => {
            assert!(fault.place().is_some(), "{expression}: {fault:?}");
            "ERROR".to_owned()
        }
    }
}

fn compare(found: impl Iterator<Item = String>) {
    let cases = cases();
    let mut wrong = String::new();
    let mut count = 0;
    for ((expression, expected), found) in cases.iter().zip(found) {
        count += 1;
        if found != *expected {
            writeln!(wrong, "{expression}\n    expected {expected}\n    found    {found}").unwrap();
        }
    }
    assert_eq!(count, cases.len());
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn calls_are_what_the_corpus_says() {
    assert!(cases().len() > 500);
    compare(cases().iter().map(|(expression, _)| ours(expression)));
}

/// Passes without a look where there is no Terraform.
#[test]
#[allow(clippy::disallowed_methods, reason = "the test compares with the real program")]
fn the_corpus_is_what_terraform_says() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    if Command::new("terraform").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return;
    }
    let folder = std::env::temp_dir().join(format!("portcullis-calls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut module = "locals {\n".to_owned();
    let mut names = Vec::new();
    for (index, (expression, _)) in cases().iter().enumerate() {
        writeln!(module, "call{index} = try(jsonencode({expression}), \"ERROR\")").unwrap();
        names.push(format!("local.call{index}"));
    }
    module.push_str("}\n");
    std::fs::write(folder.join("main.tf"), module).unwrap();
    // Base64, so that nothing has to be read back from HCL's quoting.
    let question = format!("nonsensitive(base64encode(jsonencode([{}])))\n", names.join(", "));
    let mut child = Command::new("terraform")
        .args(["console", "-no-color"])
        .current_dir(&folder)
        .env_remove("TF_CLI_CONFIG_FILE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(question.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer = text.lines().find_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    let answer = answer.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    let json = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, answer).unwrap();
    compare(serde_json::from_slice::<Vec<String>>(&json).unwrap().into_iter());
}
