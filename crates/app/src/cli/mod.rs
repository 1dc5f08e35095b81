//! The command line: arguments in, text and exit codes out.
//!
//! One module per subcommand. Each has its arguments and a `run` that ends in an [`Exit`] or a fault; what is
//! printed is made by [`crate::render`].

mod completions;
mod describe;
mod doctor;
mod explain;
mod fleet;
mod follow;
mod ledger;
mod man;
mod output;
mod reference;
mod repository;
mod request;
mod run;
mod serve;
mod state;
mod target;
mod trigger;
pub mod units;

use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use portcullis_model::{Code, Fault};

use crate::environment::Environment;
use crate::outcome::Exit;

/// Plans and applies Terragrunt units, each account in its own runner.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 denied, 4 held, 5 cancelled, 6 runner not reached.")]
pub struct Cli {
    /// When to use colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = output::Color::Auto)]
    color: output::Color,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one account's runner
    Serve(Box<serve::Args>),
    /// Show each layer of the sandbox, and whether this host gives it
    Doctor(doctor::Args),
    /// Ask a runner for a plan, an apply or another action
    Trigger(Box<trigger::Args>),
    /// Show what you may ask a runner for, with parameters and examples
    Describe(Box<describe::Args>),
    /// Say what would become of a request, and why, without starting anything
    Explain(Box<explain::Args>),
    /// Look at runs, approve and cancel them
    #[command(subcommand)]
    Run(run::Command),
    /// Look at the units of a folder or revision, without a runner
    #[command(subcommand)]
    Units(units::Command),
    /// Look at the states in a runner's data folder, bring one in, take one out
    #[command(subcommand)]
    State(state::Command),
    /// Look at a runner's ledger, export it, verify an export
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Look at the fleet definition of a folder, of a revision, or that a runner goes by
    #[command(subcommand)]
    Fleet(fleet::Command),
    /// Print a script that completes this command line in a shell
    Completions(completions::Args),
    /// Write manual pages
    Man(man::Args),
    /// Print docs/cli.md
    #[command(hide = true)]
    Reference,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let parsed = Cli::command()
        .try_get_matches()
        .and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, wants_json(&matches))));
    let (cli, json) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return not_understood(&error),
    };
    output::use_color(cli.color);
    let environment = Environment::of_process();
    let ended = match cli.command {
        Command::Serve(args) => serve::run(*args, &environment),
        Command::Doctor(args) => on_runtime(doctor::run(args, &environment)),
        Command::Trigger(args) => on_runtime(trigger::run(*args, &environment)),
        Command::Describe(args) => on_runtime(describe::run(*args, &environment)),
        Command::Explain(args) => on_runtime(explain::run(*args, &environment)),
        Command::Run(command) => on_runtime(run::run(command, &environment)),
        Command::Units(command) => units::run(command),
        Command::Fleet(command) => fleet::run(command, &environment),
        Command::State(command) => on_runtime(state::run(command)),
        Command::Ledger(command) => on_runtime(ledger::run(command)),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Reference => reference::run(),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(fault) => {
            if json {
                output::complain_json(&fault);
            } else {
                output::complain(&crate::render::fault::text(&fault));
            }
            Exit::of_fault(&fault).into()
        }
    }
}

/// Whether the command, of whatever depth, was given `--json`.
fn wants_json(matches: &ArgMatches) -> bool {
    let here = matches.try_get_one::<bool>("json").ok().flatten().copied().unwrap_or_default();
    here || matches.subcommand().is_some_and(|(_, matches)| wants_json(matches))
}

/// Shows help and version as they are, and a wrong command line with its code.
fn not_understood(error: &clap::Error) -> ExitCode {
    let text = error.render().ansi().to_string();
    if !error.use_stderr() {
        return match output::print(&text) {
            Ok(()) => Exit::Done.into(),
            Err(_) => Exit::Failed.into(),
        };
    }
    output::complain(&with_code(&text));
    Exit::Usage.into()
}

/// The error's first line with the code at its end.
fn with_code(text: &str) -> String {
    match text.split_once('\n') {
        Some((first, rest)) if first.contains("error:") => format!("{first} [{}]\n{rest}", Code::USAGE),
        // Help that is shown because a subcommand is missing.
        _ => text.to_owned(),
    }
}

/// Does something on a runtime of its own.
fn on_runtime<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::io("the runtime cannot be started", &error))?
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
