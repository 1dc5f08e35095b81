//! `portcullis ledger export`: every entry as it is kept, the checkpoints between them, and one over all at the end.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use portcullis_model::Fault;
use portcullis_store::LedgerReader;
use portcullis_trust::ledger::{checkpoint_line, entry_line};

use super::Folder;
use crate::cli::output;
use crate::runner::{ledger, now};

const PAGE: u32 = 500;

/// Arguments of `ledger export`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    folder: Folder,
    /// The file to write; standard output when not given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Exports.
pub async fn run(args: &Args) -> Result<(), Fault> {
    let (reader, key) = (args.folder.open().await?, args.folder.key()?);
    // Over what is there now: entries that come meanwhile are of the next export.
    let (head, last) = ledger::checkpoint(&reader, &key, now()).await?;
    match &args.out {
        None => write(&reader, head.number, &last, |line| output::print_raw(line.as_bytes())).await,
        Some(path) => {
            let failed = |error: std::io::Error| Fault::io(path.display(), &error);
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
            let mut file = BufWriter::new(file.map_err(failed)?);
            write(&reader, head.number, &last, |line| file.write_all(line.as_bytes()).map_err(failed)).await?;
            file.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)
        }
    }
}

/// The lines of an export of the first `size` entries, a page at a time.
async fn write(
    reader: &LedgerReader,
    size: u64,
    last: &str,
    mut put: impl FnMut(&str) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut after = 0;
    while after < size {
        let page = reader.page(after, PAGE).await?;
        let Some(end) = page.last().map(|kept| kept.number.min(size)) else { break };
        let mut notes = reader.checkpoints(after, end).await?.into_iter().peekable();
        let mut lines = String::new();
        for kept in page.into_iter().take_while(|kept| kept.number <= size) {
            lines.push_str(&entry_line(&kept.text, &kept.hash));
            lines.push('\n');
            // The last one is written below, made or found.
            while let Some((at, note)) = notes.next_if(|(at, _)| *at <= kept.number) {
                if at < size {
                    lines.push_str(&checkpoint_line(&note));
                    lines.push('\n');
                }
            }
        }
        put(&lines)?;
        after = end;
    }
    put(&format!("{}\n", checkpoint_line(last)))
}
