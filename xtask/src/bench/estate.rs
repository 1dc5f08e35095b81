//! `cargo xtask bench estate`: how long it takes to know an estate, and what a commit changes in it, beside the floor
//! (walking, reading and parsing the same files once) and `terragrunt find` where it is on `PATH`.
//!
//! `crates/estate/benches` makes the repositories and measures; here it is built and started, rivals are timed on a
//! clone of the same repository, and the table is made.
#![allow(clippy::indexing_slicing, reason = "a JSON value answers `null` for what it does not have")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use super::page;
use crate::process;
use crate::workspace::Workspace;

/// Seconds that a rival may take.
const PATIENCE_S: u64 = 60;
/// Exit codes of `timeout` when time was up: it ended the program, or had to kill it.
const TIME_IS_UP: [i32; 2] = [124, 137];
const CHANGES: [(&str, &str); 4] = [
    ("leaf", "an input of one unit"),
    ("envcommon", "an input in a file of `_envcommon`"),
    ("root", "an input in `root.hcl`"),
    ("comment", "a comment in `root.hcl`"),
];

/// Options of `cargo xtask bench estate`.
#[derive(clap::Args)]
pub struct Options {
    /// Units of the generated estates.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 10_000])]
    units: Vec<usize>,
    /// Prints the result and leaves docs/benchmarks.md as it is.
    #[arg(long)]
    dry_run: bool,
    /// Measures nothing: compares hundred random estates and their edits with the naive evaluator.
    #[arg(long)]
    properties: bool,
}

/// One estate, measured.
struct Measured {
    name: String,
    ours: Value,
    /// `find --dependencies`, and `find --filter` for each of [`CHANGES`].
    terragrunt: Option<Vec<Time>>,
}

/// What a rival took.
#[derive(Clone, Copy)]
enum Time {
    Seconds(f64),
    TooLong,
    /// An easier question took too long.
    NotTried,
    Failed,
}

/// Measures and reports.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    if options.properties {
        let test =
            ["test", "--release", "--package=portcullis-estate", "--test=estate", "many_estates", "--", "--ignored"];
        return process::run(process::command(workspace, &workspace.cargo).args(test));
    }
    let machine = page::machine();
    let program = build(workspace)?;
    let folder = tempfile::Builder::new().prefix("portcullis-bench-").tempdir();
    let folder = folder.map_err(|error| format!("no temporary folder: {error}"))?;
    let mut rows = Vec::new();
    for units in &options.units {
        let repository = folder.path().join(units.to_string());
        let repository = repository.to_string_lossy();
        process::run(process::command(workspace, &program).args(["make", &repository, &units.to_string()]))?;
        rows.push(measure(workspace, &program, format!("{units} units"), Path::new(&*repository))?);
    }
    let example = workspace.root.join("examples").join("infrastructure-live");
    let repository = folder.path().join("example");
    let arguments = ["make-from".as_ref(), repository.as_os_str(), example.as_os_str()];
    process::run(process::command(workspace, &program).args(arguments))?;
    rows.push(measure(workspace, &program, "the example".to_owned(), &repository)?);
    let section = section(&rows, &machine);
    println!("\n{section}");
    if !options.dry_run {
        println!("\nwritten to {}", page::write(workspace, "estate", &section)?.display());
    }
    Ok(())
}

fn build(workspace: &Workspace) -> Result<PathBuf, String> {
    let build =
        ["build", "--release", "--locked", "--package=portcullis-estate", "--bench=estate", "--message-format=json"];
    let printed = process::output(process::command(workspace, &workspace.cargo).args(build))?;
    let mut programs = printed.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let ours = message["target"]["kind"][0] == "bench" && message["target"]["name"] == "estate";
        message["executable"].as_str().filter(|_| ours).map(PathBuf::from)
    });
    programs.next_back().ok_or_else(|| "cargo built no benchmark".to_owned())
}

fn measure(workspace: &Workspace, program: &Path, name: String, repository: &Path) -> Result<Measured, String> {
    println!("── {name}");
    let arguments = ["measure".as_ref(), repository.as_os_str()];
    let printed = process::output(process::command(workspace, program).args(arguments))?;
    let ours: Value =
        serde_json::from_str(printed.trim()).map_err(|error| format!("the benchmark's answer: {error}"))?;
    let terragrunt = match workspace.find("terragrunt") {
        Some(terragrunt) => Some(rival(workspace, &terragrunt, repository)?),
        None => None,
    };
    Ok(Measured { name, ours, terragrunt })
}

/// Terragrunt on a clone of the repository, with the changed commit checked out, as it is used in a pipeline.
fn rival(workspace: &Workspace, terragrunt: &Path, repository: &Path) -> Result<Vec<Time>, String> {
    let clone = repository.with_extension("clone");
    let git = |folder: &Path, arguments: &[&std::ffi::OsStr]| {
        process::output(process::command(workspace, "git").current_dir(folder).args(arguments)).map(drop)
    };
    git(repository, &["clone".as_ref(), "--quiet".as_ref(), repository.as_os_str(), clone.as_os_str()])?;
    let commits = std::fs::read(repository.join("portcullis-commits.json")).map_err(|error| error.to_string())?;
    let commits: Value = serde_json::from_slice(&commits).map_err(|error| error.to_string())?;
    let base = commits["base"].as_str().unwrap_or("HEAD");
    git(&clone, &["checkout".as_ref(), "--quiet".as_ref(), base.as_ref()])?;
    let mut times = vec![timed(workspace, terragrunt, &clone, &["find", "--dependencies", "--json"])?];
    for (change, _) in CHANGES {
        if times.iter().any(|time| matches!(time, Time::TooLong)) {
            times.push(Time::NotTried);
            continue;
        }
        let head = commits[change].as_str().unwrap_or("HEAD");
        git(&clone, &["checkout".as_ref(), "--quiet".as_ref(), head.as_ref()])?;
        let filter = format!("[{base}...{head}]");
        times.push(timed(workspace, terragrunt, &clone, &["find", "--json", "--filter", &filter])?);
    }
    std::fs::remove_dir_all(&clone).map_err(|error| format!("{}: {error}", clone.display()))?;
    Ok(times)
}

fn timed(workspace: &Workspace, program: &Path, folder: &Path, arguments: &[&str]) -> Result<Time, String> {
    println!("$ terragrunt {}", arguments.join(" "));
    let mut command = process::command(workspace, "timeout");
    // Asked to stop, it may go on for minutes.
    command.arg("--kill-after=5s").arg(format!("{PATIENCE_S}s")).arg(program).args(arguments).current_dir(folder);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let start = Instant::now();
    let status = command.status().map_err(|error| format!("terragrunt could not be started: {error}"))?;
    let took = start.elapsed().as_secs_f64();
    Ok(match status.code() {
        Some(0) => Time::Seconds(took),
        Some(code) if TIME_IS_UP.contains(&code) => Time::TooLong,
        // What kills the program's group kills `timeout` with it.
        None if start.elapsed().as_secs() >= PATIENCE_S => Time::TooLong,
        _ => Time::Failed,
    })
}

fn section(rows: &[Measured], machine: &str) -> String {
    let mut text = format!(
        "## The estate\n\n`cargo xtask bench estate`: {machine}.\n\n\
         *Cold*: from git objects, nothing known. *Floor*: walking, reading and parsing the same files once, on all \
         cores. *Warm*: the commit before the change is known, as a runner has it. *Effective diff*: both commits are loaded. \
         The fastest of up to five; what other programs take from the machine meanwhile is in all of them.\n\n\
         | estate | files | floor | cold | cold / floor | memory | `find --dependencies` | it / cold |\n\
         |---|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        let (cold, floor) = (seconds(&row.ours["cold_s"]), seconds(&row.ours["floor_s"]));
        let rival = row.terragrunt.as_ref().and_then(|times| times.first().copied());
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.2} | {} | {} | {} |",
            row.name,
            row.ours["files"],
            shown(floor),
            shown(cold),
            cold / floor,
            mebibytes(&row.ours["memory"]["resident"]),
            rival_shown(rival),
            ratio(rival, cold),
        );
    }
    text.push_str(
        "\n| estate | change | affected | evaluated | warm | effective diff | `find --filter '[A...B]'` | it / warm |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        for (index, (change, what)) in CHANGES.into_iter().enumerate() {
            let ours = &row.ours["warm"][change];
            let rival = row.terragrunt.as_ref().and_then(|times| times.get(index + 1).copied());
            let _ = writeln!(
                text,
                "| {} | {what} | {} | {} | {} | {} | {} | {} |",
                row.name,
                ours["affected"],
                ours["evaluated"],
                shown(seconds(&ours["seconds"])),
                shown(seconds(&ours["effective_s"])),
                rival_shown(rival),
                ratio(rival, seconds(&ours["seconds"])),
            );
        }
    }
    text.push_str(&growth(rows));
    text.push_str(&aims(rows));
    text
}

/// What was aimed at for 10,000 units, and what came of it.
fn aims(rows: &[Measured]) -> String {
    let Some(row) = rows.iter().find(|row| row.ours["units"] == 10_000) else { return String::new() };
    let ours = &row.ours;
    let warm = seconds(&ours["warm"]["leaf"]["seconds"]);
    let cold = seconds(&ours["cold_s"]) / seconds(&ours["floor_s"]);
    let diff = seconds(&ours["warm"]["root"]["effective_s"]);
    let said = |met: bool| if met { "met" } else { "**not met**" };
    format!(
        "\nAims for 10,000 units: one unit's change, warm, under 150 ms: {} ({}). Cold under twice the floor: {} ({cold:.1} \
         times). Effective diff of a change in `root.hcl`, on all cores, under 2 s: {} ({}).\n",
        said(warm < 0.15),
        shown(warm),
        said(cold < 2.0),
        said(diff < 2.0),
        shown(diff),
    )
}

/// How times and memory grow from the first estate that is ten times smaller than another.
fn growth(rows: &[Measured]) -> String {
    let units = |row: &Measured| row.ours["units"].as_f64().unwrap_or(0.0);
    let pair = rows.iter().rev().find_map(|large| {
        let small = rows.iter().find(|small| units(small) > 0.0 && (units(large) / units(small) - 10.0).abs() < 0.5)?;
        Some((small, large))
    });
    let Some((small, large)) = pair else { return String::new() };
    let times = |of: &dyn Fn(&Value) -> f64| of(&large.ours) / of(&small.ours);
    format!(
        "\nFrom {} to {}: floor × {:.1}, cold × {:.1}, warm after one unit's change × {:.1}, memory × {:.1} \
         ({} for each 1,000 units).\n",
        small.name,
        large.name,
        times(&|ours| seconds(&ours["floor_s"])),
        times(&|ours| seconds(&ours["cold_s"])),
        times(&|ours| seconds(&ours["warm"]["leaf"]["seconds"])),
        times(&|ours| seconds(&ours["memory"]["resident"])),
        mebibytes(&Value::from(seconds(&large.ours["memory"]["resident"]) * 1000.0 / units(large))),
    )
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn shown(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1000.0) } else { format!("{seconds:.2} s") }
}

fn mebibytes(bytes: &Value) -> String {
    format!("{:.1} MiB", seconds(bytes) / f64::from(1 << 20))
}

fn rival_shown(time: Option<Time>) -> String {
    match time {
        None => "not on PATH".to_owned(),
        Some(Time::Seconds(taken)) => shown(taken),
        Some(Time::TooLong) => format!("> {PATIENCE_S} s"),
        Some(Time::NotTried) => "not tried".to_owned(),
        Some(Time::Failed) => "failed".to_owned(),
    }
}

fn ratio(time: Option<Time>, ours: f64) -> String {
    match time {
        Some(Time::Seconds(taken)) => format!("{:.0} ×", taken / ours),
        Some(Time::TooLong) => format!("> {:.0} ×", PATIENCE_S as f64 / ours),
        _ => String::new(),
    }
}
