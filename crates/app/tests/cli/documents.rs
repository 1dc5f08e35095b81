//! Files that show how the command line is used must be right: every `portcullis …` in them is parsed as the program
//! would.

use std::path::{Path, PathBuf};

use clap::Parser;
use portcullis_app::cli::Cli;
use serde_yaml_ng::Value;

use super::program::run_with;

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

/// Lines of documents that are commands, without what is said about them.
fn shown_commands(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("    "))
        .map(|line| line.split(" #").next().unwrap().trim().to_owned())
        .filter(|line| line.starts_with("portcullis ") && !line.contains(['<', '[', '>']))
        .collect()
}

#[test]
fn commands_in_documents_are_right() {
    let mut parsed = 0;
    let docs = std::fs::read_dir(repository().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|file| file.extension().is_some_and(|extension| extension == "md"));
    for file in docs.chain(["README.md", "examples/infrastructure-live/README.md"].map(|name| repository().join(name)))
    {
        let text = std::fs::read_to_string(&file).unwrap();
        parsed += shown_commands(&text).iter().map(|line| parse_all(&file, line)).sum::<usize>();
    }
    assert!(parsed >= 5, "only {parsed} commands were found: this test looks in the wrong place");
}

#[test]
fn the_committed_reference_is_the_program_s_own() {
    let said = run_with(&["reference"], &[]);
    let committed = std::fs::read_to_string(repository().join("docs/cli.md")).unwrap_or_default();
    assert!(said.out == committed, "docs/cli.md is not up to date: run `cargo xtask docs` and read what has changed");
}

#[test]
fn every_shell_gets_a_script_and_every_command_a_page() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let said = run_with(&["completions", shell], &[]);
        assert!(said.code == 0 && said.out.contains("idempotency-key"), "{shell}: {}", said.err);
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    assert_eq!(run_with(&["man", "--out", out.to_str().unwrap()], &[]).code, 0);
    let pages: Vec<String> =
        std::fs::read_dir(&out).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    for page in ["portcullis.1", "portcullis-trigger.1", "portcullis-run-approve.1", "portcullis-units-list.1"] {
        assert!(pages.iter().any(|name| name == page), "{page} is not among {pages:?}");
    }
    let page = std::fs::read_to_string(out.join("portcullis-trigger.1")).unwrap();
    assert!(page.replace("\\_", "_").contains("PORTCULLIS_RUNNER"), "{page}");
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
