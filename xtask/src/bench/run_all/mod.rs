//! `cargo xtask bench run-all`: plan and apply of twenty units by a real runner, beside the bare tool in a shell loop of
//! the same parallelism and `terragrunt run --all`, cold and warm, in the same run.
//!
//! | module | holds |
//! |---|---|
//! | `estate` | the estates |
//! | `runner` | the runner that is measured |
//! | `rivals` | the shell loop, Terragrunt |
//! | `report` | medians, tables |
#![allow(clippy::indexing_slicing, reason = "a JSON value answers `null` for what it does not have")]

mod estate;
mod report;
mod rivals;
mod runner;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_testkit::LiveRepo;
use portcullis_testkit::runner::await_ready;

use super::page;
use crate::children::Children;
use crate::workspace::Workspace;
use crate::{process, test, tools};

use estate::{Backend, SHAPES, Shape};
use report::{Measured, Row, Single};
use rivals::{Job, Loop, Terragrunt};
use runner::{Runner, Site};

/// Single-unit plans whose way to the tool is timed.
const SINGLES: usize = 20;

/// Options of `cargo xtask bench run-all`.
#[derive(clap::Args)]
pub struct Options {
    /// How often each is measured; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Prints the result and leaves docs/benchmarks.md as it is.
    #[arg(long)]
    dry_run: bool,
    /// Measures the dev build, for work on the benchmark itself. Nothing is written.
    #[arg(long)]
    dev: bool,
}

/// Measures and reports.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    let machine = page::machine();
    let (tools, program) = build(workspace, options)?;
    let children = Children::new()?;
    let folder = tempfile::Builder::new().prefix("portcullis-bench-").tempdir();
    let folder = folder.map_err(|error| format!("no temporary folder: {error}"))?.keep();
    children.own_folder(folder.clone());
    let measured = measure(workspace, &children, &folder, (&tools, program), options.rounds);
    children.stop();
    children.end_if_interrupted();
    let (rows, single, terragrunt) = measured?;
    let tool = format!("{}{}", tools.tool.version, terragrunt.map(|text| format!(", {text}")).unwrap_or_default());
    let section = report::section(&rows, &single, &format!("{machine}; {tool}"), options.rounds);
    println!("\n{section}");
    if !options.dry_run && !options.dev {
        println!("\nwritten to {}", page::write(workspace, "run-all", &section)?.display());
    }
    Ok(())
}

/// The tools, and the program that is measured.
fn build(workspace: &Workspace, options: &Options) -> Result<(tools::Tools, PathBuf), String> {
    println!("── tools and release programs (the first time takes minutes)");
    let tools = tools::ensure(workspace, &tools::Options::default())?;
    test::build_agent(workspace)?;
    let (profile, folder) = if options.dev { ("dev", "debug") } else { ("release", "release") };
    let program =
        ["build", "--quiet", "--locked", "--profile", profile, "--package=portcullis-app", "--bin=portcullis"];
    process::run(process::command(workspace, &workspace.cargo).args(program))?;
    let issuer = ["build", "--quiet", "--locked", "--package=portcullis-testkit", "--bin=fake-issuer"];
    process::run(process::command(workspace, &workspace.cargo).args(issuer))?;
    Ok((tools, workspace.target.join(folder).join("portcullis")))
}

type All = (Vec<Row>, Single, Option<String>);

fn measure(
    workspace: &Workspace,
    children: &Children,
    folder: &Path,
    (tools, program): (&tools::Tools, PathBuf),
    rounds: u32,
) -> Result<All, String> {
    let parallel = std::thread::available_parallelism().map_or(2, usize::from);
    estate::write(&folder.join("estate"), Backend::Runner, parallel)?;
    estate::write(&folder.join("terragrunt"), Backend::File, parallel)?;
    let issuer = start_issuer(workspace, children, folder)?;
    let live = LiveRepo::create(&folder.join("estate"), folder, &issuer, |_| Ok(()))?;
    let site = Site { workspace, children, folder, issuer, live, program, tool: tools.tool.path.clone() };
    let tool = tools.tool.path.clone();
    let shell = Loop { workspace, folder: folder.join("loop"), tool: tool.clone(), parallel };
    let terragrunt = workspace.find("terragrunt").map(|program| Terragrunt {
        workspace,
        program,
        folder: folder.join("terragrunt"),
        tool,
        parallel,
    });
    let mut rows: Vec<Row> = SHAPES.into_iter().flat_map(Row::all).collect();
    for round in 1..=rounds {
        println!("── round {round} of {rounds}");
        for shape in SHAPES {
            // One after the other within a round, so that a busy moment of the machine meets them all.
            for (job, measured) in
                by_runner(&site, shape, round)?.into_iter().chain(by_loop(&shell, shape)?).chain(match &terragrunt {
                    Some(terragrunt) => by_terragrunt(terragrunt, shape)?,
                    None => Vec::new(),
                })
            {
                if let Some(row) = rows.iter_mut().find(|row| row.shape == shape && row.job == job) {
                    row.add(measured);
                }
            }
        }
    }
    let single = single(&site)?;
    Ok((rows, single, terragrunt.map(|terragrunt| terragrunt.version())))
}

fn start_issuer(workspace: &Workspace, children: &Children, folder: &Path) -> Result<String, String> {
    let ready = folder.join("issuer.ready");
    let program = workspace.target.join("debug").join("fake-issuer");
    let mut command = crate::children::command(program, &workspace.path_for_children());
    let arguments: [OsString; 4] =
        ["--listen".into(), "127.0.0.1:0".into(), "--ready-file".into(), ready.clone().into()];
    command.args(arguments).current_dir(folder).stdout(std::process::Stdio::null());
    let process = children.start(&mut command)?;
    await_ready("the issuer", &ready, || children.ended(process))
}

type Jobs = Vec<(Job, Measured)>;

fn by_runner(site: &Site<'_>, shape: Shape, round: u32) -> Result<Jobs, String> {
    let account = shape.name();
    let run = |runner: &mut Runner<'_>, action: &str| -> Result<runner::Ended, String> {
        let ended = runner.run(action, &[])?;
        if ended.tasks == estate::UNITS {
            return Ok(ended);
        }
        Err(format!("{action} of {account} had {} tasks", ended.tasks))
    };
    let mut runner = Runner::start(site, account, &format!("{account}-{round}-plan"))?;
    let cold = run(&mut runner, "plan")?;
    let warm = run(&mut runner, "plan")?;
    let mut jobs = vec![(Job::ColdPlan, Measured::runner(cold)), (Job::WarmPlan, Measured::runner(warm))];
    if shape == Shape::Independent {
        let applied = run(&mut runner, "apply")?;
        if applied.results.get("applied-reviewed") != Some(&estate::UNITS) {
            return Err(format!("not every reviewed plan was applied as it was: {:?}", applied.results));
        }
        jobs.push((Job::ApplyPlanned, Measured::runner(applied)));
    }
    runner.stop()?;
    let mut runner = Runner::start(site, account, &format!("{account}-{round}-apply"))?;
    jobs.push((Job::ColdApply, Measured::runner(run(&mut runner, "apply")?)));
    runner.stop()?;
    Ok(jobs)
}

fn by_loop(shell: &Loop<'_>, shape: Shape) -> Result<Jobs, String> {
    let run = |job| Ok::<_, String>((job, Measured::Loop(shell.run(shape, job)?)));
    shell.lay_out(shape)?;
    let mut jobs = vec![run(Job::ColdPlan)?, run(Job::WarmPlan)?];
    if shape == Shape::Independent {
        jobs.push(run(Job::ApplyPlanned)?);
    }
    shell.lay_out(shape)?;
    jobs.push(run(Job::ColdApply)?);
    Ok(jobs)
}

fn by_terragrunt(terragrunt: &Terragrunt<'_>, shape: Shape) -> Result<Jobs, String> {
    let run = |job, command: &str| Ok::<_, String>((job, Measured::Terragrunt(terragrunt.run(shape, command)?)));
    terragrunt.clean(shape)?;
    let mut jobs = vec![run(Job::ColdPlan, "plan")?, run(Job::WarmPlan, "plan")?];
    terragrunt.clean(shape)?;
    jobs.push(run(Job::ColdApply, "apply")?);
    Ok(jobs)
}

/// One unit at a time: the way to the tool; and memory, at rest and at its peak.
fn single(site: &Site<'_>) -> Result<Single, String> {
    let mut runner = Runner::start(site, Shape::Independent.name(), "single")?;
    let (idle, _) = runner.memory();
    runner.run("plan", &[])?;
    let mut ways = Vec::new();
    for _ in 0..SINGLES {
        let ended = runner.run("plan", &[format!("{}/u000", Shape::Independent.name())])?;
        let way = ended.parts.get("from acceptance to the first step").ok_or("the runner did not say its times")?;
        ways.push(Duration::from_micros(way.0));
    }
    let (after, peak) = runner.memory();
    runner.stop()?;
    Ok(Single { ways, idle_kib: idle, after_kib: after, peak_kib: peak })
}
