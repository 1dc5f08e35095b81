//! `cargo xtask`: everything about this workspace that is done more than once.
//!
//! One module per subcommand; what they share is in `workspace` (where things are), `process` (starting
//! programs) and `summary` (saying what came of it). No part of the product depends on it.

mod aws_table;
mod bench;
mod children;
mod codes;
mod conformance;
mod demo;
mod docs;
mod process;
mod summary;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Tasks of the Portcullis workspace")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Finds or installs what demo and tests need: OpenTofu or Terraform, bubblewrap, git.
    Tools(tools::Options),
    /// Checks format and lints, builds, runs all tests, and prints one summary.
    Test(test::Options),
    /// Builds the static `portcullis-agent` that runs in every sandbox.
    Agent,
    /// Brings up a fleet of six accounts on this machine, reviews and merges a change, and tries to steal from it.
    Demo(demo::Options),
    /// Writes the documents that are made from the program: docs/cli.md and docs/openapi.json.
    Docs,
    /// Measures this version beside what a user would take instead, and writes docs/benchmarks.md.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Makes the table by which the broker recognises operations of AWS, or prints it.
    AwsTable(aws_table::Options),
    /// Compares the evaluator of HCL with the real Terraform: a corpus, and expressions that are made up.
    Conformance(conformance::Options),
}

fn main() -> ExitCode {
    let workspace = Workspace::of_this_program();
    let result = match Cli::parse().task {
        Task::Tools(options) => tools::run(&workspace, &options),
        Task::Test(options) => test::run(&workspace, &options),
        Task::Agent => test::build_agent(&workspace),
        Task::Demo(options) => demo::run(&workspace, &options),
        Task::Docs => docs::run(&workspace),
        Task::Bench(bench) => bench::run(&workspace, &bench),
        Task::AwsTable(options) => aws_table::run(&workspace, &options),
        Task::Conformance(options) => conformance::run(&workspace, &options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nerror: {failure}");
            ExitCode::FAILURE
        }
    }
}
