//! `portcullis man`: manual pages, one for each command.

use std::path::PathBuf;

use clap::CommandFactory as _;
use portcullis_model::Fault;

use super::output;
use crate::outcome::Exit;

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Installed for all users: portcullis man --out /usr/local/share/man/man1")]
pub struct Args {
    /// The folder to write to; it is made if it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes the pages.
pub fn run(args: &Args) -> Result<Exit, Fault> {
    let failed = |error: std::io::Error| Fault::io(format!("the folder {}", args.out.display()), &error);
    std::fs::create_dir_all(&args.out).map_err(failed)?;
    clap_mangen::generate_to(super::Cli::command(), &args.out).map_err(failed)?;
    output::complain(&format!(
        "The pages are in {}. Read one with `man {}/portcullis.1`.\n",
        args.out.display(),
        args.out.display()
    ));
    Ok(Exit::Done)
}
