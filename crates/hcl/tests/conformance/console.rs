//! The real Terraform, asked about many expressions at once.
//!
//! Each expression is a local value in a file of its own, so that an error names it. Three processes decide:
//! what does not parse, what cannot be evaluated, and the values of the rest. Runs `terraform console` in a
//! folder of its own, without the network, and nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::corpus::{Outcome, locals};
use crate::notation;

/// Rounds until no expression is in error; two are enough unless an error hides others.
const ROUNDS: usize = 8;

/// Whether there is one. Says so where there is none.
#[allow(clippy::disallowed_methods, reason = "the test compares with the real program")]
pub fn is_there() -> bool {
    let found = Command::new("terraform").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("SKIPPED: terraform is not on PATH; only the values that are on record were compared");
    }
    found
}

/// What Terraform says, for each expression. A fault holds the first line of its message.
pub fn ask(expressions: &[String]) -> Vec<Outcome> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let base = format!(
        "resource \"terraform_data\" \"u\" {{}}\nlocals {{\n{}}}\nlocals {{\n  unknown = terraform_data.u.output\n}}\n",
        locals()
    );
    std::fs::write(root.join("base.tf"), base).unwrap();
    for (index, expression) in expressions.iter().enumerate() {
        let text = format!("locals {{\n  c{index} = {expression}\n}}\n");
        std::fs::write(root.join(format!("c{index}.tf")), text).unwrap();
    }
    let mut faults: BTreeMap<usize, String> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let (stdout, stderr) = console(root, expressions.len(), &faults);
        let found = errors(&stderr);
        if found.is_empty() {
            return outcomes(&stdout, expressions.len(), &faults, &stderr);
        }
        for (index, message) in found {
            std::fs::remove_file(root.join(format!("c{index}.tf"))).unwrap();
            faults.insert(index, message);
        }
    }
    panic!("terraform finds new errors each time");
}

#[allow(clippy::disallowed_methods, reason = "the test compares with the real program")]
fn console(root: &Path, count: usize, faults: &BTreeMap<usize, String>) -> (String, String) {
    let mut all = String::from("locals {\n  all = [\n");
    for index in (0..count).filter(|index| !faults.contains_key(index)) {
        writeln!(all, "\"<case {index}>\", local.c{index},").unwrap();
    }
    all.push_str("\"<end>\"]\n}\n");
    // Not among the files of the first round: what does not parse would be asked for here.
    std::fs::write(root.join("all.tf"), all).unwrap();
    let mut child = Command::new("terraform")
        .args(["console", "-no-color"])
        .current_dir(root)
        .env_remove("TF_CLI_CONFIG_FILE")
        .env("CHECKPOINT_DISABLE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"local.all\n").unwrap();
    let output = child.wait_with_output().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The expressions that are in error: `on c12.tf line 2` under the heading of the error.
fn errors(stderr: &str) -> BTreeMap<usize, String> {
    let mut found = BTreeMap::new();
    let mut heading = "";
    for line in stderr.lines() {
        if let Some(text) = line.strip_prefix("Error: ") {
            heading = text;
        }
        let index = line.trim_start().strip_prefix("on c").and_then(|rest| rest.split_once(".tf line "));
        if let Some(index) = index.and_then(|(index, _)| index.parse().ok())
            && !heading.is_empty()
        {
            found.entry(index).or_insert_with(|| heading.to_owned());
        }
    }
    found
}

fn outcomes(stdout: &str, count: usize, faults: &BTreeMap<usize, String>, stderr: &str) -> Vec<Outcome> {
    let mut printed: BTreeMap<usize, &str> = BTreeMap::new();
    let mut rest = stdout;
    while let Some((_, after)) = rest.split_once("\n  \"<case ") {
        let (index, after) = after.split_once(">\",\n").unwrap();
        let end = after.find("\n  \"<case ").or_else(|| after.find("\n  \"<end>\"")).unwrap();
        printed.insert(index.parse().unwrap(), after[..end].strip_suffix(',').unwrap());
        rest = &after[end..];
    }
    (0..count)
        .map(|index| match (faults.get(&index), printed.get(&index)) {
            (Some(message), _) => Outcome::Fault(message.clone()),
            (None, Some(text)) => Outcome::Value(notation::terraform(text)),
            (None, None) => panic!("terraform says nothing of case {index}:\n{stdout}\n{stderr}"),
        })
        .collect()
}
