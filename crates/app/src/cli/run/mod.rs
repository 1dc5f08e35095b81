//! `portcullis run`: looks at runs, approves and cancels them. One module per subcommand.

mod approve;
mod calls;
mod cancel;
mod list;
mod logs;
mod logs_follow;
mod show;

use portcullis_model::Fault;

use crate::environment::Environment;
use crate::outcome::Exit;

/// Subcommands of `run`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List runs, the newest first
    List(list::Args),
    /// Show a run, its tasks and what their plans change
    Show(show::Args),
    /// Show the logs of a run's tasks
    Logs(logs::Args),
    /// Show what a run's tasks asked for through their sandboxes' doors
    Calls(calls::Args),
    /// Approve held plans
    Approve(approve::Args),
    /// Cancel a run
    Cancel(cancel::Args),
}

/// Does it.
pub async fn run(command: Command, environment: &Environment) -> Result<Exit, Fault> {
    match command {
        Command::List(args) => list::run(args, environment).await,
        Command::Show(args) => show::run(args, environment).await,
        Command::Logs(args) => logs::run(args, environment).await,
        Command::Calls(args) => calls::run(args, environment).await,
        Command::Approve(args) => approve::run(args, environment).await,
        Command::Cancel(args) => cancel::run(args, environment).await,
    }
}
