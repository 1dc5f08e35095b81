//! `cargo xtask demo`: the main job, end to end, on this machine, with real processes and a real tool.
//!
//! Six runners, an issuer and a bare repository in a folder of their own; every run goes through the command
//! line and the API as a team's CI would go. Nothing of it survives the end, unless `--keep`.
#![allow(clippy::indexing_slicing, reason = "a JSON value answers `null` for what it does not have")]

mod bring_up;
mod call;
mod facts;
mod moved;
mod review;
mod shared;
mod theft;
mod world;

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::children::Children;
use crate::process;
use crate::test;
use crate::tools;
use crate::workspace::Workspace;

use facts::Facts;
use world::World;

/// Options of `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Options {
    /// Leaves everything running at the end, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Writes the facts to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One part of the demo: it changes the world, notes what it saw, and fails if that is not what must be.
type Scene = fn(&mut World, &mut Facts) -> Result<(), String>;

const SCENES: [(&str, Scene); 5] = [
    ("bring up every account, in deploy_order", bring_up::run),
    ("review: plan a branch, merge it, apply exactly what was reviewed", review::run),
    ("a shared file: a comment plans nothing, a value plans exactly the units that include it", shared::run),
    ("the world has moved: a merge that nobody saw like this is held, then approved", moved::run),
    ("three attempts to steal", theft::run),
];

/// Runs the demo.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    build(workspace)?;
    let start = Instant::now();
    let children = Children::new()?;
    let result = play(workspace, options, &children, start);
    // The folder goes after those who write to it.
    children.stop();
    children.end_if_interrupted();
    result
}

/// What the demo runs, in the dev profile: it is built faster, and nothing here waits for it.
fn build(workspace: &Workspace) -> Result<(), String> {
    println!("── tools and programs (the first time takes minutes)");
    tools::ensure(workspace, &tools::Options::default())?;
    test::build_agent(workspace)?;
    // With the same packages as `cargo xtask test`, so that it finds them built.
    let arguments = ["build", "--bins", "--quiet", "--locked", "--workspace", "--exclude", "portcullis-agent"];
    process::run(process::command(workspace, &workspace.cargo).args(arguments))
}

fn play(workspace: &Workspace, options: &Options, children: &Children, start: Instant) -> Result<(), String> {
    let mut facts = Facts::default();
    let name = "an estate of our own: repository, issuer, a runner for each account";
    let mut world = step(name, &mut facts, |_| World::create(workspace, children))?;
    for (name, scene) in SCENES {
        step(name, &mut facts, |facts| scene(&mut world, facts)).map_err(|error| world.explain(&error))?;
    }
    facts.total(start.elapsed());
    println!("\n{}", facts.summary());
    if let Some(file) = &options.json {
        write_facts(file, &facts)?;
    }
    if options.keep {
        println!("{}", world.how_to_go_on());
        children.wait_for_signal();
    } else {
        println!("Again with `--keep` to look around: the runners then stay until Ctrl-C.");
    }
    Ok(())
}

fn step<T>(name: &str, facts: &mut Facts, work: impl FnOnce(&mut Facts) -> Result<T, String>) -> Result<T, String> {
    println!("\n── {name}");
    let start = Instant::now();
    let value = work(facts).map_err(|error| format!("{name}: {error}"))?;
    facts.scene(name, start.elapsed());
    Ok(value)
}

fn write_facts(file: &Path, facts: &Facts) -> Result<(), String> {
    std::fs::write(file, format!("{:#}\n", facts.json())).map_err(|error| format!("{}: {error}", file.display()))
}
