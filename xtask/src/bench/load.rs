//! `cargo xtask bench load`: a minute of requests of every kind over loopback, right ones, wrong ones and hostile ones.
//!
//! It is a test of `app` that is ignored otherwise: the same as the short one that runs with all others, for a minute.
//! It fails on a wrong answer, on memory that grows, and on a ledger that does not verify; how many requests there were
//! is what is reported.

use crate::bench::page;
use crate::process;
use crate::workspace::Workspace;

/// Options of `cargo xtask bench load`.
#[derive(clap::Args)]
pub struct Options {
    /// Prints the result and leaves docs/benchmarks.md as it is.
    #[arg(long)]
    dry_run: bool,
}

/// Measures and reports.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    let machine = page::machine();
    let arguments = ["test", "--quiet", "--locked", "--package=portcullis-app", "--test=it", "--", "--ignored"];
    let mut command = process::command(workspace, &workspace.cargo);
    let printed = process::output(command.args(arguments).args(["--exact", "load::for_a_minute", "--nocapture"]))?;
    let section = section(&printed, &machine)?;
    println!("\n{section}");
    if !options.dry_run {
        println!("\nwritten to {}", page::write(workspace, "load", &section)?.display());
    }
    Ok(())
}

fn section(printed: &str, machine: &str) -> Result<String, String> {
    let told = printed.lines().find_map(|line| line.split_once("load: ")).map(|(_, told)| told);
    let told = told.ok_or("the test said nothing of its load")?;
    Ok(format!(
        "## A minute of requests of every kind\n\n\
         `cargo xtask bench load`: {machine}. A debug build, six clients in the process of the runner, real router, gate,\n\
         store, mirror and engine, no sandboxes; most of the time goes to making tokens and to `git fetch`.\n\n\
         {told}. No wrong answer, and the ledger is what was signed."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_test_says_is_what_is_reported() {
        let printed =
            "running 1 test\ni load: 9 requests in 60 s, 3 MiB grown, 4 entries\n       2  a list: 200 none\n";
        let section = section(printed, "2 cores").unwrap();
        assert!(section.contains("\n\n9 requests in 60 s, 3 MiB grown, 4 entries. No wrong answer"), "{section}");
        assert!(super::section("ok", "2 cores").is_err());
    }
}
