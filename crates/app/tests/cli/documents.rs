//! Files that show how the command line is used must be right: every `portcullis …` in them is parsed as the program
//! would.

use std::path::{Path, PathBuf};

use clap::Parser;
use portcullis_app::cli::Cli;
use serde_yaml_ng::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What a shell would have put in place of the variables that the files use.
fn expanded(line: &str) -> String {
    let digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let plans = format!("--plan {digest}");
    [
        ("\"${plans[@]}\"", plans.as_str()),
        ("\"$@\"", plans.as_str()),
        ("\"$RUN\"", "01890000-0000-7000-8000-000000000000"),
        ("$GITHUB_REF", "refs/heads/topic"),
        ("$CI_COMMIT_BRANCH", "topic"),
    ]
    .iter()
    .fold(line.to_owned(), |line, (from, to)| line.replace(from, to))
}

/// The scripts of a CI file: every `run` and every line of `script`.
fn scripts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Mapping(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    (Some("run" | "script"), Value::String(text)) => found.push(text.clone()),
                    (Some("script"), Value::Sequence(lines)) => {
                        found.extend(lines.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    _ => scripts(value, found),
                }
            }
        }
        Value::Sequence(list) => list.iter().for_each(|value| scripts(value, found)),
        _ => {}
    }
}

/// As a shell splits a line that has no quotes but double ones.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Parses every line that starts the program; says how many there were.
fn parse_all(file: &Path, script: &str) -> usize {
    let joined = script.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| line.starts_with("portcullis "));
    lines
        .map(|line| {
            let line = expanded(line);
            assert!(!line.contains('$'), "{}: {line:?} has a variable that this test does not know", file.display());
            if let Err(error) = Cli::try_parse_from(words(&line)) {
                panic!("{}: {line:?} is not understood:\n{error}", file.display());
            }
        })
        .count()
}

#[test]
fn ci_files_of_the_example_are_right() {
    let example = repository().join("examples/infrastructure-live");
    let runner = "portcullis trigger";
    for (file, commands) in [
        (".github/workflows/plan.yml", 1),
        (".github/workflows/apply.yml", 1),
        (".github/workflows/approve.yml", 1),
        (".gitlab-ci.yml", 3),
    ] {
        let file = example.join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        let mut found = Vec::new();
        scripts(&serde_yaml_ng::from_str(&text).unwrap(), &mut found);
        // They leave the runner to a variable, so it has to be set there.
        assert!(text.contains("PORTCULLIS_RUNNER: https://") || !text.contains(runner), "{}", file.display());
        let with_runner = |script: &String| {
            script
                .replace("portcullis trigger", "portcullis trigger --runner https://r")
                .replace("run approve", "run approve --runner https://r")
        };
        let parsed: usize = found.iter().map(with_runner).map(|script| parse_all(&file, &script)).sum();
        assert_eq!(parsed, commands, "{}", file.display());
    }
}
