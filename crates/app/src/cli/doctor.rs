//! `portcullis doctor`: shows each layer of the sandbox, and how to get those that this host lacks.

use std::path::PathBuf;

use owo_colors::OwoColorize;
use portcullis_exec::{LayerState, Settings};
use portcullis_model::{Code, Fault};

use super::output;
use crate::outcome::Exit;
use crate::render::terminal::plain;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The portcullis-agent program; found beside this one when not given
    #[arg(long, value_name = "PROGRAM")]
    agent: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Looks at every layer. Fails when one is missing.
pub fn run(args: Args) -> Result<Exit, Fault> {
    let agent = args.agent.or_else(crate::runner::agent_beside).ok_or_else(|| {
        Fault::new(Code::SANDBOX_LAYER_MISSING, "the program `portcullis-agent` was not found beside `portcullis`")
            .remedy("Install it beside `portcullis`, or name it with `--agent`.")
    })?;
    let agent = std::path::absolute(agent).map_err(|error| Fault::io("the agent", &error))?;
    // A folder of its own: a runner's is not touched.
    let data = std::env::temp_dir().join(format!("portcullis-doctor-{}", std::process::id()));
    let layers = portcullis_exec::doctor(&Settings::new(agent, &data));
    // What cannot be removed is an empty folder in the system's place for such.
    let _ = std::fs::remove_dir_all(&data);
    let missing = layers.iter().any(|layer| matches!(layer.state, LayerState::Missing(_)));
    if args.json {
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
        for layer in &layers {
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
    Ok(if missing { Exit::Failed } else { Exit::Done })
}
