//! `cargo xtask conformance`: our evaluator of HCL against the real Terraform.
//!
//! The comparison is a test of the crate `hcl` (see `crates/hcl/tests/conformance`); here it is run with more
//! made-up expressions and texts, or told to renew what its corpus holds. Never changes a corpus unless asked to.

use crate::process::{command, run as run_command};
use crate::workspace::Workspace;

/// Options of `cargo xtask conformance`.
#[derive(clap::Args)]
pub struct Options {
    /// How many expressions are made up and compared.
    #[arg(long, default_value_t = 5_000)]
    expressions: u32,
    /// Where the making up starts; the same number makes the same expressions.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many texts of each kind are made of bytes and pieces of HCL, and parsed.
    #[arg(long, default_value_t = 20_000)]
    texts: u32,
    /// Write Terraform's answers into the corpus: for the results that are only `?`, or for all.
    #[arg(long, value_name = "WHICH")]
    bless: Option<Bless>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Bless {
    Open,
    All,
}

/// Runs the comparison. Unlike the plain test it fails where there is no Terraform.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    if workspace.find("terraform").is_none() {
        return Err("terraform is not on PATH: there is nothing to compare with".to_owned());
    }
    let mut test = command(workspace, &workspace.cargo);
    test.args(["test", "--quiet", "--locked", "--package=portcullis-hcl", "--test=conformance", "--", "--nocapture"]);
    test.env("PORTCULLIS_EXPRESSIONS", options.expressions.to_string());
    test.env("PORTCULLIS_SEED", options.seed.to_string());
    match options.bless {
        Some(Bless::Open) => test.env("PORTCULLIS_BLESS", "open"),
        Some(Bless::All) => test.env("PORTCULLIS_BLESS", "all"),
        None => test.env_remove("PORTCULLIS_BLESS"),
    };
    run_command(&mut test)?;
    let mut fuzz = command(workspace, &workspace.cargo);
    fuzz.args(["test", "--quiet", "--locked", "--package=portcullis-hcl", "--test=fuzz"]);
    fuzz.env("PORTCULLIS_TEXTS", options.texts.to_string());
    fuzz.env("PORTCULLIS_SEED", options.seed.to_string());
    run_command(&mut fuzz)
}
