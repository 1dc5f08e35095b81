//! `portcullis doctor`: shows what a runner needs of this host: each layer of the sandbox, and the programs; and how
//! to get what is missing.

use std::path::{Path, PathBuf};

use owo_colors::OwoColorize;
use portcullis_exec::{Layer, LayerState, Settings};
use portcullis_model::{Code, Fault};

use super::output;
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render::terminal::plain;
use crate::runner::tool::Tools;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The portcullis-agent program; found beside this one when not given
    #[arg(long, value_name = "PROGRAM")]
    agent: Option<PathBuf>,
    /// The OpenTofu or Terraform program; found on PATH when not given
    #[arg(long, value_name = "PROGRAM")]
    tool: Option<PathBuf>,
    /// The runner's data folder, to look at where it will be; else a folder for temporary files
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Looks at everything. Fails when something is missing.
pub async fn run(args: Args, environment: &Environment) -> Result<Exit, Fault> {
    let agent = args.agent.or_else(crate::runner::agent_beside).ok_or_else(|| {
        Fault::new(Code::SANDBOX_LAYER_MISSING, "the program `portcullis-agent` was not found beside `portcullis`")
            .remedy("Install it beside `portcullis`, or name it with `--agent`.")
    })?;
    let agent = std::path::absolute(agent).map_err(|error| Fault::io("the agent", &error))?;
    let mut layers = sandbox(agent, args.data).await?;
    layers.push(row("git", portcullis_mirror::git_version().await.map(|(version, path)| program(&version, &path))));
    let tools = Tools::new(args.tool, None, environment.get("PATH").map(str::to_owned));
    let tool = tools.find_on_host(None).await;
    layers.push(row("tool", tool.map(|(name, version, path)| program(&format!("{name} {version}"), &path))));
    show(&layers, args.json)?;
    let missing = layers.iter().any(|layer| matches!(layer.state, LayerState::Missing(_)));
    Ok(if missing { Exit::Failed } else { Exit::Done })
}

/// The layers of the sandbox, with a data folder that a runner may be using, or with one of our own.
async fn sandbox(agent: PathBuf, data: Option<PathBuf>) -> Result<Vec<Layer>, Fault> {
    let own = data.is_none();
    let data = data.unwrap_or_else(|| std::env::temp_dir().join(format!("portcullis-doctor-{}", std::process::id())));
    let data = std::path::absolute(&data).map_err(|error| Fault::io(data.display(), &error))?;
    let there = data.exists();
    let examined = data.clone();
    let looked = tokio::task::spawn_blocking(move || portcullis_exec::doctor(&Settings::new(agent, &examined)));
    let layers = looked.await.map_err(|error| Fault::new(Code::INTERNAL, format!("the layers: {error}")))?;
    if own || !there {
        // What cannot be removed is an empty folder in the system's place for such.
        let _ = std::fs::remove_dir_all(&data);
    }
    Ok(layers)
}

fn row(name: &'static str, found: Result<String, Fault>) -> Layer {
    match found {
        Ok(detail) => Layer { name, state: LayerState::Ok(detail), remedy: String::new() },
        Err(fault) => Layer {
            name,
            state: LayerState::Missing(fault.message().to_owned()),
            remedy: fault.remedy_text().unwrap_or_default().to_owned(),
        },
    }
}

fn program(version: &str, path: &Path) -> String {
    format!("{version}, {}", path.display())
}

fn show(layers: &[Layer], json: bool) -> Result<(), Fault> {
    if json {
        let facts: Vec<serde_json::Value> = layers
            .iter()
            .map(|layer| match &layer.state {
                LayerState::Ok(detail) => serde_json::json!({"name": layer.name, "ok": true, "detail": detail}),
                LayerState::Missing(why) => {
                    serde_json::json!({"name": layer.name, "ok": false, "detail": why, "remedy": layer.remedy})
                }
            })
            .collect();
        output::print_json(&facts)?;
    } else {
        let width = layers.iter().map(|layer| layer.name.len()).max().unwrap_or(0);
        for layer in layers {
            let name = layer.name;
            let text = match &layer.state {
                LayerState::Ok(detail) => format!("{}       {name:width$}  {}\n", "ok".green(), plain(detail)),
                LayerState::Missing(why) => {
                    let missing = "missing".red().bold().to_string();
                    format!("{missing}  {name:width$}  {}\n         {:width$}  {}\n", plain(why), "", layer.remedy)
                }
            };
            output::print(&text)?;
        }
    }
    Ok(())
}
