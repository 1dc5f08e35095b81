//! `cargo xtask bench hcl`: what parsing and evaluating cost, beside the library that makes the tree alone (the floor),
//! `hcl-rs`, and `terraform console` where it is on `PATH`; and what hostile files and expressions cost before they are
//! refused.
//!
//! `crates/hcl/benches` measures; here it is built and started, Terraform is timed, and the tables are made.
#![allow(clippy::indexing_slicing, reason = "a JSON value answers `null` for what it does not have")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use serde_json::Value;

use super::page;
use crate::process;
use crate::workspace::Workspace;

/// Times that Terraform is started; the fastest counts.
const TRIES: usize = 5;

/// Options of `cargo xtask bench hcl`.
#[derive(clap::Args)]
pub struct Options {
    /// Prints the result and leaves docs/benchmarks.md as it is.
    #[arg(long)]
    dry_run: bool,
}

/// Measures and reports.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    let machine = page::machine();
    let program = build(workspace)?;
    let printed = process::output(&mut process::command(workspace, &program))?;
    let made: Value =
        serde_json::from_str(printed.trim()).map_err(|error| format!("the benchmark's answer: {error}"))?;
    let terraform = match workspace.find("terraform") {
        Some(terraform) => Some(console(workspace, &terraform, made["locals"].as_str().unwrap_or_default())?),
        None => None,
    };
    let section = section(&made, terraform, &machine);
    println!("\n{section}");
    if !options.dry_run {
        println!("\nwritten to {}", page::write(workspace, "hcl", &section)?.display());
    }
    Ok(())
}

fn build(workspace: &Workspace) -> Result<PathBuf, String> {
    let build = ["build", "--release", "--locked", "--package=portcullis-hcl", "--bench=hcl", "--message-format=json"];
    let printed = process::output(process::command(workspace, &workspace.cargo).args(build))?;
    let mut programs = printed.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let ours = message["target"]["kind"][0] == "bench" && message["target"]["name"] == "hcl";
        message["executable"].as_str().filter(|_| ours).map(PathBuf::from)
    });
    programs.next_back().ok_or_else(|| "cargo built no benchmark".to_owned())
}

/// Seconds in which `terraform console` evaluates the same values, its start included.
fn console(workspace: &Workspace, terraform: &Path, locals: &str) -> Result<f64, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let text = format!("locals {{\n{locals}\n}}\n");
    std::fs::write(folder.path().join("main.tf"), text).map_err(|error| error.to_string())?;
    // A name, at the start of a line.
    let names = locals.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name.trim_end());
    let names = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let question = format!("[{}]\n", names.map(|name| format!("local.{name}")).collect::<Vec<_>>().join(", "));
    let mut best = f64::MAX;
    for _ in 0..TRIES {
        let mut command = process::command(workspace, terraform);
        command.args(["console", "-no-color"]).current_dir(folder.path()).env("CHECKPOINT_DISABLE", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let mut child = command.spawn().map_err(|error| format!("terraform could not be started: {error}"))?;
        // The pipe is closed at the end of the statement, which ends the console.
        child
            .stdin
            .take()
            .map(|mut stdin| stdin.write_all(question.as_bytes()))
            .transpose()
            .map_err(|error| error.to_string())?;
        let status = child.wait().map_err(|error| error.to_string())?;
        if !status.success() {
            return Err(format!("terraform console failed: {status}"));
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

fn rows<'v>(made: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    made[name].as_array().into_iter().flatten()
}

fn section(made: &Value, terraform: Option<f64>, machine: &str) -> String {
    let mut text = format!(
        "## The language\n\n`cargo xtask bench hcl`: {machine}.\n\n\
         *Floor*: the library that makes the syntax tree, alone. Ours is that and the grammar that goes before it. \
         `hcl-rs` makes its own tree of the same library's. The fastest run each.\n\n\
         | parse | bytes | floor | ours | ours / floor | `hcl-rs` |\n|---|--:|--:|--:|--:|--:|\n"
    );
    for row in rows(made, "parse") {
        let (floor, ours) = (seconds(&row["floor_s"]), seconds(&row["ours_s"]));
        let (name, bytes, rival) = (name(row), &row["bytes"], shown(seconds(&row["rival_s"])));
        let (floor_shown, ours_shown, ratio) = (shown(floor), shown(ours), ours / floor);
        let _ = writeln!(text, "| {name} | {bytes} | {floor_shown} | {ours_shown} | {ratio:.2} | {rival} |");
    }
    text.push_str(
        "\n`hcl-rs` has no functions of Terraform, no types of collections, no unknown or sensitive values and numbers of \
         64 bits; ours keeps for each value where it was written.\n\n\
         | evaluate | steps | ours | `hcl-rs` | ours / `hcl-rs` |\n|---|--:|--:|--:|--:|\n",
    );
    for row in rows(made, "evaluate") {
        let (ours, rival) = (seconds(&row["ours_s"]), row["rival_s"].as_f64());
        let ratio = rival.map_or_else(String::new, |rival| format!("{:.1}", ours / rival));
        let rival = rival.map_or_else(|| "–".to_owned(), shown);
        let _ = writeln!(text, "| {} | {} | {} | {rival} | {ratio} |", name(row), row["steps"], shown(ours));
    }
    if let Some(terraform) = terraform {
        let _ = writeln!(
            text,
            "\n`terraform console` takes {} for the first of these, nearly all of it to start.",
            shown(terraform)
        );
    }
    text.push_str(
        "\nHostile files, with the default limits, each looked at once, in processor time:\n\n| file | bytes | time | |\n|---|--:|--:|---|\n",
    );
    let mut slowest = 0.0;
    for row in rows(made, "files") {
        slowest = f64::max(slowest, seconds(&row["seconds"]));
        let said = row["said"].as_str().unwrap_or("parses");
        let _ = writeln!(text, "| {} | {} | {} | {said} |", name(row), row["bytes"], shown(seconds(&row["seconds"])));
    }
    text.push_str(
        "\nHostile expressions: in two loops of a thousand, until a limit ends it (`PC-0401`).\n\n\
         | expression | steps | time | a step |\n|---|--:|--:|--:|\n",
    );
    let mut worst = (0.0, 0.0);
    for row in rows(made, "expressions") {
        let (taken, steps) = (seconds(&row["seconds"]), seconds(&row["steps"]));
        let one = taken / steps.max(1.0);
        worst = (f64::max(worst.0, taken), f64::max(worst.1, one));
        let said =
            if row["said"].as_str().is_some_and(|said| said.starts_with("PC-0401")) { "" } else { " (not refused)" };
        let _ = writeln!(text, "| {}{said} | {} | {} | {:.0} ns |", name(row), row["steps"], shown(taken), one * 1e9);
    }
    let _ = writeln!(
        text,
        "\nAim: nothing hostile takes longer than 50 ms of a processor: {} (a file {} at worst, an expression {}; a step costs {:.0} ns at worst).",
        if worst.0.max(slowest) < 0.05 { "met" } else { "**not met**" },
        shown(slowest),
        shown(worst.0),
        worst.1 * 1e9
    );
    text
}

fn name(row: &Value) -> &str {
    row["name"].as_str().unwrap_or_default()
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn shown(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
