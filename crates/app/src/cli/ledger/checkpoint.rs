//! `portcullis ledger checkpoint`: a signed note of how long the ledger is and what it ends in.

use portcullis_model::Fault;

use super::Folder;
use crate::cli::output;
use crate::runner::{ledger, now};

/// Arguments of `ledger checkpoint`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    folder: Folder,
}

/// Prints one.
pub async fn run(args: &Args) -> Result<(), Fault> {
    let (_, note) = ledger::checkpoint(&args.folder.open().await?, &args.folder.key()?, now()).await?;
    output::print_raw(note.as_bytes())
}
