//! `portcullis run`: looks at runs, approves and cancels them.

use portcullis_model::run::TaskState;
use portcullis_model::{Code, Fault, RunId, UnitPath};

use super::output;
use super::target::Target;
use crate::environment::Environment;
use crate::outcome::Exit;
use crate::render;

/// Subcommands of `run`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The newest runs
    List {
        #[command(flatten)]
        target: Target,
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// A run, its tasks and what their plans change
    Show {
        /// The run's id
        run: RunId,
        #[command(flatten)]
        target: Target,
    },
    /// The logs of a run's tasks
    Logs {
        /// The run's id
        run: RunId,
        /// Only this unit's
        #[arg(long)]
        unit: Option<UnitPath>,
        #[command(flatten)]
        target: Target,
    },
    /// Approve held plans by their digests
    Approve {
        /// The run's id
        run: RunId,
        /// A held plan's digest, as `run show` prints it; may be given several times
        #[arg(long = "plan", value_name = "DIGEST", required = true)]
        plans: Vec<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Cancel a run
    Cancel {
        /// The run's id
        run: RunId,
        #[command(flatten)]
        target: Target,
    },
}

/// Does it.
pub async fn run(command: Command, environment: &Environment) -> Result<Exit, Fault> {
    let (view, json) = match command {
        Command::List { target, limit } => {
            let (client, tokens) = target.open(environment)?;
            let token = tokens.token().await?;
            let page = client.runs(&token, limit).await?;
            if target.json {
                output::print_json(&page)?;
            } else {
                for run in &page.runs {
                    output::print(&render::run::text(run))?;
                }
            }
            return Ok(Exit::Done);
        }
        Command::Logs { run, unit, target } => return logs(run, unit.as_ref(), &target, environment).await,
        Command::Show { run, target } => {
            let (client, tokens) = target.open(environment)?;
            let token = tokens.token().await?;
            (client.run(&token, run).await?, target.json)
        }
        Command::Approve { run, plans, target } => {
            let (client, tokens) = target.open(environment)?;
            let token = tokens.token().await?;
            (client.approve(&token, run, plans).await?, target.json)
        }
        Command::Cancel { run, target } => {
            let (client, tokens) = target.open(environment)?;
            let token = tokens.token().await?;
            (client.cancel(&token, run).await?, target.json)
        }
    };
    if json {
        output::print_json(&view)?;
    } else {
        output::print(&render::run::text(&view))?;
    }
    Ok(Exit::Done)
}

async fn logs(run: RunId, unit: Option<&UnitPath>, target: &Target, environment: &Environment) -> Result<Exit, Fault> {
    let (client, tokens) = target.open(environment)?;
    let token = tokens.token().await?;
    let view = client.run(&token, run).await?;
    let mut filter = render::terminal::LogFilter::default();
    let mut found = false;
    for task in view.tasks.iter().filter(|task| unit.is_none_or(|unit| *unit == task.unit)) {
        found = true;
        if matches!(task.state, TaskState::Waiting | TaskState::NeedsDestroy) {
            continue;
        }
        output::print(&format!("== {}\n", render::terminal::plain(task.unit.as_str())))?;
        output::print_raw(&filter.next(&client.log(&token, task.id).await?))?;
    }
    if found { Ok(Exit::Done) } else { Err(Fault::new(Code::NOT_FOUND, "the run has no such task")) }
}
