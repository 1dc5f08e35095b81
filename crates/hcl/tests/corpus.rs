//! Expressions and what they evaluate to: `corpus/expressions.txt` for the language, `corpus/functions.txt`
//! for the functions; both checked with the real Terraform.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use portcullis_hcl::value::Entries;
use portcullis_hcl::{Budget, EmptyScope, File, Kind, Limits, Origin, Scope, Value, evaluate};
use portcullis_model::Fault;

const EXPRESSIONS: &str = include_str!("corpus/expressions.txt");
const FUNCTIONS: &str = include_str!("corpus/functions.txt");
const LOCALS: &str = include_str!("corpus/locals.hcl");

struct Case {
    expression: String,
    /// JSON, or the code of the fault.
    expected: Result<String, String>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut lines: Vec<&str> = Vec::new();
    for line in EXPRESSIONS.lines().chain(FUNCTIONS.lines()) {
        let expected = match line.strip_prefix("= ") {
            Some(json) => Ok(json.to_owned()),
            None if line.starts_with("! PC-") => Err(line.trim_start_matches("! ").to_owned()),
            None if lines.is_empty() && (line.is_empty() || line.starts_with('#')) => continue,
            None => {
                lines.push(line);
                continue;
            }
        };
        cases.push(Case { expression: lines.join("\n"), expected });
        lines.clear();
    }
    cases
}

struct Locals(Value);

impl Scope for Locals {
    fn resolve(&self, root: &str, steps: &[&str], _: &Origin, _: &Budget) -> Result<Option<(Value, usize)>, Fault> {
        if root != "local" {
            return Ok(None);
        }
        // The longest prefix that is there, as a host may answer.
        match steps.first().and_then(|name| self.0.get(name)) {
            Some(value) => Ok(Some((value.clone(), 1))),
            None => Ok(Some((self.0.clone(), 0))),
        }
    }

    fn call(&self, _: &str, _: &[Value], _: &Origin, _: &Budget) -> Result<Option<Value>, Fault> {
        Ok(None)
    }
}

fn run(expression: &str, scope: &dyn Scope) -> Result<Value, Fault> {
    let limits = Limits::default();
    let file = File::parse("corpus.hcl", format!("x = {expression}\n").as_bytes(), &limits)?;
    let attribute = file.body().attributes().next().unwrap();
    evaluate(&attribute.value, &file, scope, &Budget::new(&limits))
}

fn locals() -> Locals {
    let limits = Limits::default();
    let file = File::parse("locals.hcl", LOCALS.as_bytes(), &limits).unwrap();
    let entries: Entries = file
        .body()
        .attributes()
        .map(|attribute| {
            let value = evaluate(&attribute.value, &file, &EmptyScope, &Budget::new(&limits)).unwrap();
            (attribute.key.as_str().into(), value)
        })
        .collect();
    Locals(Value::object(entries, Origin::built_in()))
}

/// JSON with all digits of the numbers.
fn json(value: &Value, out: &mut String) {
    match value.kind() {
        Kind::Number(number) => out.push_str(&number.to_plain_string()),
        Kind::Seq(_, elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                json(element, out);
            }
            out.push(']');
        }
        Kind::Map(_, entries) => {
            out.push('{');
            for (index, (key, element)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write!(out, "{}:", serde_json::to_string(key).unwrap()).unwrap();
                json(element, out);
            }
            out.push('}');
        }
        _ => out.push_str(&value.to_json().unwrap().to_string()),
    }
}

#[test]
fn expressions_evaluate_as_in_terraform() {
    let locals = locals();
    let mut wrong = String::new();
    let cases = cases();
    for case in &cases {
        let found = match run(&case.expression, &locals) {
            Ok(value) => {
                let mut text = String::new();
                json(&value, &mut text);
                Ok(text)
            }
            Err(fault) => Err(fault),
        };
        let same = match (&found, &case.expected) {
            (Ok(found), Ok(expected)) => found == expected,
            (Err(fault), Err(code)) => fault.code().to_string() == *code && fault.place().is_some(),
            _ => false,
        };
        if !same {
            let expected = &case.expected;
            writeln!(wrong, "{}\n    expected {expected:?}\n    found    {found:?}", case.expression).unwrap();
        }
    }
    assert!(cases.len() > 300, "{}", cases.len());
    assert!(wrong.is_empty(), "{wrong}");
}

/// The expected values and faults are those of the Terraform on the path.
#[test]
#[ignore = "runs terraform, once for each fault"]
fn the_corpus_is_what_terraform_says() {
    let cases = cases();
    let values: Vec<&Case> = cases.iter().filter(|case| case.expected.is_ok()).collect();
    let expressions: Vec<&str> = values.iter().map(|case| case.expression.as_str()).collect();
    let said = console(&expressions).unwrap();
    let said: Vec<serde_json::Value> = serde_json::from_str(&said).unwrap();
    for (case, said) in values.iter().zip(said) {
        let expected: serde_json::Value = serde_json::from_str(case.expected.as_ref().unwrap()).unwrap();
        assert_eq!(said, expected, "{}", case.expression);
    }
    for case in cases.iter().filter(|case| case.expected.is_err()) {
        let said = console(&[&case.expression]);
        assert!(said.is_err(), "{} is {said:?}", case.expression);
    }
}

/// The JSON of all expressions by `terraform console`, or what it complains about.
#[allow(clippy::disallowed_methods, reason = "the test compares with the real program")]
fn console(expressions: &[&str]) -> Result<String, String> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    let folder = std::env::temp_dir().join(format!("portcullis-corpus-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut module = format!("locals {{\n{LOCALS}}}\nlocals {{\n");
    let mut names = Vec::new();
    for (index, expression) in expressions.iter().enumerate() {
        writeln!(module, "expression{index} = {expression}").unwrap();
        names.push(format!("local.expression{index}"));
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
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    let answer = text.lines().find_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    match answer {
        Some(answer) if output.status.success() && !text.contains("Error:") => {
            let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, answer).unwrap();
            Ok(String::from_utf8(bytes).unwrap())
        }
        _ => Err(text),
    }
}

/// Cases by the same text must not differ: a copy that was edited only once.
#[test]
fn no_case_is_written_twice() {
    let mut seen = BTreeMap::new();
    for case in cases() {
        if let Some(before) = seen.insert(case.expression.clone(), case.expected.clone()) {
            panic!("{} is there twice: {before:?}", case.expression);
        }
    }
}
