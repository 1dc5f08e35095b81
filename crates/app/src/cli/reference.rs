//! `portcullis reference`: docs/cli.md, made from the definitions that the program itself reads its arguments with.
//!
//! Hidden from help: it is for `cargo xtask docs`, and for the test that compares the committed file.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command, CommandFactory as _};
use portcullis_model::Fault;

use super::output;
use crate::outcome::Exit;

/// What is not about one command.
const INTRODUCTION: &str = include_str!("reference.md");

/// Prints the document.
pub fn run() -> Result<Exit, Fault> {
    output::print_raw(document().as_bytes())?;
    Ok(Exit::Done)
}

fn document() -> String {
    let mut root = super::Cli::command();
    root.build();
    let mut text = INTRODUCTION.to_owned();
    commands(&root, &mut text);
    let global = root.get_arguments().filter(|arg| arg.is_global_set());
    let _ = write!(text, "\n## Options of every command\n\n{}", table(global));
    text
}

fn commands(command: &Command, text: &mut String) {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        if sub.has_subcommands() {
            commands(sub, text);
        } else {
            section(sub, text);
        }
    }
}

fn section(command: &Command, text: &mut String) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").lines().map(str::trim).collect::<Vec<_>>().join("\n    ");
    let _ = write!(text, "\n## {name}\n\n{}\n\n    {usage}\n\n", sentence(&about));
    let own = command.get_arguments().filter(|arg| !arg.is_global_set() && !arg.is_hide_set() && !is_help(arg));
    text.push_str(&table(own));
    if let Some(after) = command.get_after_help() {
        let _ = write!(
            text,
            "\n{}\n",
            after.to_string().lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
        );
    }
}

fn is_help(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version)
}

fn table<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let mut rows = String::from("| argument or option | meaning |\n|---|---|\n");
    for arg in arguments {
        let _ = writeln!(rows, "| `{}` | {} |", spelled(arg), meaning(arg));
    }
    rows
}

/// `<RUN>`, `--follow`, `--runner <URL>`.
fn spelled(arg: &Arg) -> String {
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let value = arg.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default();
    let repeated = if matches!(arg.get_action(), ArgAction::Append) { "..." } else { "" };
    match arg.get_long() {
        Some(long) if takes_value => format!("--{long} <{value}>{repeated}"),
        Some(long) => format!("--{long}"),
        None if arg.is_required_set() => format!("<{value}>{repeated}"),
        None => format!("[{value}]{repeated}"),
    }
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut meaning = vec![sentence(&help)];
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| takes_value && !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !values.is_empty() {
        meaning.push(format!("One of {}.", values.join(", ")));
    }
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if takes_value && !defaults.is_empty() {
        meaning.push(format!("Default: {}.", defaults.join(", ")));
    }
    if let Some(variable) = arg.get_env() {
        meaning.push(format!("May come from `{}`.", variable.to_string_lossy()));
    }
    if arg.is_required_set() && arg.get_long().is_some() {
        meaning.push("Required.".to_owned());
    }
    meaning.join(" ").replace('|', "\\|").replace('<', "&lt;")
}

/// Help has no full stop at its end; a document has.
fn sentence(help: &str) -> String {
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    if help.is_empty() || help.ends_with(['.', ':', '?']) { help } else { format!("{help}.") }
}
