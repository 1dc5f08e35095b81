//! `cargo xtask test`: everything that must hold before a change is merged.
//!
//! A step that fails does not hide the others, unless they need it.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use crate::codes;
use crate::process::{command, output, run as run_command};
use crate::summary::Summary;
use crate::tidy;
use crate::tools;
use crate::workspace::Workspace;

// The one place that knows how the static agent is built. Included and not depended upon: the crate round it
// needs an async runtime, and `cargo xtask` should start in a moment.
#[path = "../../crates/exec/src/agent_build.rs"]
mod agent_build;

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Options {
    /// Only tests whose name contains this.
    filter: Option<String>,
}

const WORKSPACE: [&str; 2] = ["--workspace", "--locked"];
/// The agent is built and tested static, in a target folder of its own; see `agent_build`.
const WITHOUT_AGENT: [&str; 2] = ["--exclude", "portcullis-agent"];

/// Runs every step and prints the summary.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    let mut summary = Summary::default();
    let tools = summary.step("tools", || tools::ensure(workspace, &tools::Options::default()));
    summary.step("format", || run_command(&mut cargo_command(workspace, ["fmt", "--all", "--check"])));
    summary.step("tidy", || tidy::check(&workspace.root));
    summary.step("error codes", || codes::check(&workspace.root));
    summary.step("lint", || {
        let mut clippy = cargo_command(workspace, ["clippy"]);
        run_command(clippy.args(WORKSPACE).args(["--all-targets", "--quiet", "--", "--deny", "warnings"]))
    });
    let agent = summary.step("static agent", || build_agent(workspace));
    let built = summary.step("build", || {
        run_command(cargo_command(workspace, ["build", "--bins", "--quiet"]).args(WORKSPACE).args(WITHOUT_AGENT))
    });
    match (&tools, agent, built) {
        (Some(_), Some(()), Some(())) => tests(workspace, options, &mut summary),
        (None, _, _) => summary.skip("tests", "a tool is missing"),
        (_, None, _) => summary.skip("tests", "the agent was not built"),
        (_, _, None) => summary.skip("tests", "the build failed"),
    }
    if let Some(tools) = &tools {
        let versions = [&tools.tool, &tools.bubblewrap, &tools.git].map(|program| program.version.as_str());
        summary.note(format!("with {}", versions.join(", ")));
    }
    if workspace.find("terragrunt").is_none() {
        summary.note("terragrunt is not on PATH: tests of the `terragrunt` driver passed by doing nothing");
    }
    summary.finish()
}

fn tests(workspace: &Workspace, options: &Options, summary: &mut Summary) {
    let filter = options.filter.as_slice();
    let nextest = output(&mut cargo_command(workspace, ["nextest", "--version"])).is_ok();
    if nextest {
        summary.step("tests (nextest)", || {
            let mut tests = cargo_command(workspace, ["nextest", "run", "--no-tests=pass"]);
            run_command(tests.args(WORKSPACE).args(WITHOUT_AGENT).args(filter))
        });
        summary.step("doc tests", || {
            let mut tests = cargo_command(workspace, ["test", "--doc", "--quiet"]);
            run_command(tests.args(WORKSPACE).args(WITHOUT_AGENT).args(filter))
        });
    } else {
        summary.step("tests", || {
            let mut tests = cargo_command(workspace, ["test", "--quiet", "--no-fail-fast"]);
            run_command(tests.args(WORKSPACE).args(WITHOUT_AGENT).args(filter))
        });
        summary.note("cargo-nextest is not installed: `cargo test` was used, which is slower");
    }
    summary.step("tests of the agent", || run_command(&mut agent_tests(workspace, filter)));
}

/// The agent, static, where a runner finds it.
pub fn build_agent(workspace: &Workspace) -> Result<(), String> {
    let recipe = agent_build::recipe(&workspace.root, &workspace.target);
    run_command(command(workspace, &workspace.cargo).args(&recipe.args).envs(recipe.env).current_dir(&recipe.cwd))?;
    // Beside it and then renamed: it may be running.
    let staged = recipe.installed.with_extension("new");
    fs::copy(&recipe.built, &staged)
        .and_then(|_| fs::rename(&staged, &recipe.installed))
        .map_err(|error| format!("{} cannot be written: {error}", recipe.installed.display()))
}

/// The agent's own tests, built as the agent is: another kind of linking would be another program.
fn agent_tests(workspace: &Workspace, filter: &[String]) -> Command {
    let recipe = agent_build::recipe(&workspace.root, &workspace.target);
    let mut tests = command(workspace, &workspace.cargo);
    tests.arg("test").args(recipe.args.iter().skip_while(|word| *word == "build")).args(filter);
    tests.envs(recipe.env).current_dir(&recipe.cwd);
    tests
}

fn cargo_command<const N: usize>(workspace: &Workspace, arguments: [&str; N]) -> Command {
    let mut cargo = command(workspace, &workspace.cargo);
    cargo.args(arguments.map(OsStr::new));
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_tested_as_it_is_built() {
        let workspace = Workspace::of_this_program();
        let tests = agent_tests(&workspace, &["x".to_owned()]);
        let words: Vec<_> = tests.get_args().map(|word| word.to_string_lossy()).collect();
        assert!(words.starts_with(&["test".into()]) && !words.contains(&"build".into()), "{words:?}");
        assert!(words.contains(&"--package=portcullis-agent".into()) && words.ends_with(&["x".into()]), "{words:?}");
        assert!(tests.get_envs().any(|(name, value)| name == "RUSTFLAGS" && value.is_some()));
    }
}
