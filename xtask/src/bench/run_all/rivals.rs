//! What a user would take instead: the bare tool in a shell loop, and Terragrunt.
//!
//! Both keep their state in files, which is quicker than any store.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::children;
use crate::workspace::Workspace;

use super::estate::{self, Shape};

/// What is done for each unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// `init`, `plan -out`, `show -json`.
    ColdPlan,
    /// `plan -out`, `show -json`, where `init` was run before.
    WarmPlan,
    /// `init`, `plan -out`, `show -json`, `apply` of that plan.
    ColdApply,
    /// `apply` of the plan that is there.
    ApplyPlanned,
}

/// The bare tool, `xargs -P`.
pub struct Loop<'a> {
    /// Where programs are.
    pub workspace: &'a Workspace,
    /// Where the units are laid out.
    pub folder: PathBuf,
    /// The tool.
    pub tool: PathBuf,
    /// Units at a time.
    pub parallel: usize,
}

impl Loop<'_> {
    /// Lays out the units of a shape anew.
    pub fn lay_out(&self, shape: Shape) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.folder.display());
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).map_err(failed)?;
        }
        for unit in shape.levels().into_iter().flatten() {
            let folder = self.folder.join(&unit.name);
            fs::create_dir_all(&folder).map_err(failed)?;
            fs::write(folder.join("main.tf"), estate::module()).map_err(failed)?;
            // Outputs of those before, or what stands for them while there are none.
            let reads: Vec<String> =
                unit.after.iter().map(|name| format!("\\\"$(cat ../{name}/id 2>/dev/null || echo mock)\\\"")).collect();
            let env = format!("export TF_VAR_name={} TF_VAR_upstream=\"[{}]\"\n", unit.name, reads.join(","));
            fs::write(folder.join("env"), env).map_err(failed)?;
        }
        Ok(())
    }

    /// Does a job for all units, in the order of their levels where it applies.
    pub fn run(&self, shape: Shape, job: Job) -> Result<Duration, String> {
        let levels = shape.levels();
        let applies = matches!(job, Job::ColdApply | Job::ApplyPlanned);
        let begun = Instant::now();
        if applies {
            let last = levels.len().saturating_sub(1);
            for (number, level) in levels.iter().enumerate() {
                let names: Vec<&str> = level.iter().map(|unit| unit.name.as_str()).collect();
                self.level(&names, &self.commands(job, number < last))?;
            }
        } else {
            let names: Vec<String> = levels.into_iter().flatten().map(|unit| unit.name).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            self.level(&names, &self.commands(job, false))?;
        }
        Ok(begun.elapsed())
    }

    fn commands(&self, job: Job, outputs: bool) -> String {
        let tool = self.tool.display();
        let init = format!("{tool} init -input=false -no-color");
        let plan = format!("{tool} plan -input=false -no-color -out=p");
        let show = format!("{tool} show -json p > show.json");
        let apply = format!("{tool} apply -input=false -no-color p");
        let mut commands = match job {
            Job::ColdPlan => vec![init, plan, show],
            Job::WarmPlan => vec![plan, show],
            Job::ColdApply => vec![init, plan, show, apply],
            Job::ApplyPlanned => vec![apply],
        };
        if outputs {
            commands.push(format!("{tool} output -raw id > id"));
        }
        commands.join(" && ")
    }

    fn level(&self, names: &[&str], commands: &str) -> Result<(), String> {
        let script = format!(
            "printf '%s\\n' {} | xargs -P {} -I UNIT sh -c 'cd UNIT && . ./env && {{ {commands}; }} > log 2>&1'",
            names.join(" "),
            self.parallel
        );
        let mut command = children::command("sh", &self.workspace.path_for_children());
        command.args(["-c", &script]).current_dir(&self.folder).envs(TOOL_ENV).stdin(Stdio::null());
        let output = command.output().map_err(|error| format!("the shell loop: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let log = |name: &&str| fs::read_to_string(self.folder.join(name).join("log")).ok();
        Err(format!("the shell loop ended with {}\n{}", output.status, names.iter().find_map(log).unwrap_or_default()))
    }
}

/// The tool neither asks nor calls home, as in a sandbox.
const TOOL_ENV: [(&str, &str); 4] =
    [("TF_IN_AUTOMATION", "1"), ("TF_INPUT", "0"), ("CHECKPOINT_DISABLE", "1"), ("TF_CLI_CONFIG_FILE", "/nonexistent")];

/// Terragrunt, if it is on PATH.
pub struct Terragrunt<'a> {
    /// Where programs are.
    pub workspace: &'a Workspace,
    /// The program.
    pub program: PathBuf,
    /// The estate with file states.
    pub folder: PathBuf,
    /// The tool.
    pub tool: PathBuf,
    /// Units at a time.
    pub parallel: usize,
}

impl Terragrunt<'_> {
    /// What it says of its version.
    pub fn version(&self) -> String {
        let output = children::command(&self.program, &self.workspace.path_for_children()).arg("--version").output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    }

    /// Removes what earlier runs left: its cache, states.
    pub fn clean(&self, shape: Shape) -> Result<(), String> {
        for unit in shape.levels().into_iter().flatten() {
            let folder = self.folder.join(shape.name()).join(&unit.name);
            for name in [".terragrunt-cache", "terraform.tfstate", "terraform.tfstate.backup", ".terraform.lock.hcl"] {
                remove(&folder.join(name))?;
            }
        }
        Ok(())
    }

    /// `run --all` of a command.
    pub fn run(&self, shape: Shape, command_name: &str) -> Result<Duration, String> {
        let mut command = children::command(&self.program, &self.workspace.path_for_children());
        command.args(["run", "--all", "--non-interactive", "--parallelism", &self.parallel.to_string()]);
        command.arg("--tf-path").arg(&self.tool).arg("--working-dir").arg(self.folder.join(shape.name()));
        command.args(["--", command_name]).envs(TOOL_ENV).env("HOME", &self.folder).stdin(Stdio::null());
        let begun = Instant::now();
        let output = command.output().map_err(|error| format!("terragrunt: {error}"))?;
        if output.status.success() {
            return Ok(begun.elapsed());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("terragrunt run --all {command_name} ended with {}\n{said}", output.status))
    }
}

fn remove(path: &Path) -> Result<(), String> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {error}", path.display())),
        _ => Ok(()),
    }
}
