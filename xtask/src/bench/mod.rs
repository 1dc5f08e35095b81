//! `cargo xtask bench …`: measurements beside rivals in the same run, written to docs/benchmarks.md.
//!
//! One module per benchmark; each gives a section of that page, which replaces the one of its last run. `page` knows the
//! page, and what is said of the machine.

mod estate;
mod hcl;
mod load;
mod page;
mod run_all;

use crate::workspace::Workspace;

/// What can be measured.
#[derive(clap::Subcommand)]
pub enum Bench {
    /// Loading estates of up to 10,000 units, and what a change affects, beside the floor and `terragrunt find`.
    Estate(estate::Options),
    /// Parsing and evaluating, typical files and hostile ones, beside the floor, `hcl-rs` and `terraform console`.
    Hcl(hcl::Options),
    /// A minute of right, wrong and hostile requests over loopback: no wrong answer, no growth, a ledger that verifies.
    Load(load::Options),
    /// Plan and apply of twenty units: a real runner, the bare tool in a shell loop, and `terragrunt run --all`.
    RunAll(run_all::Options),
}

/// Measures.
pub fn run(workspace: &Workspace, bench: &Bench) -> Result<(), String> {
    match bench {
        Bench::Estate(options) => estate::run(workspace, options),
        Bench::Hcl(options) => hcl::run(workspace, options),
        Bench::Load(options) => load::run(workspace, options),
        Bench::RunAll(options) => run_all::run(workspace, options),
    }
}
