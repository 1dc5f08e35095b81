//! `portcullis ledger verify`: whether an export is what was signed, and which entry is the first that is not.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use portcullis_model::Fault;
use portcullis_trust::ledger::{CHECKPOINT_MAX_BYTES, Checkpoint, VerifyingKey, verify};
use serde_json::json;

use crate::cli::output;

/// Arguments of `ledger verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What `ledger export` wrote; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The runner's public key: the line in its `ledger.pub`, or a file that holds it
    #[arg(long, value_name = "KEY")]
    key: String,
    /// A checkpoint that was kept elsewhere; a ledger that was cut since, or written anew, does not fit it
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Verifies.
pub fn run(args: &Args) -> Result<(), Fault> {
    let key = key(&args.key)?;
    let others = args.checkpoint.iter().map(|file| Checkpoint::open(&read(file)?, &key));
    let others = others.collect::<Result<Vec<_>, Fault>>()?;
    let mut export: Box<dyn BufRead> = if args.file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(&args.file).map_err(|error| Fault::io(args.file.display(), &error))?;
        Box::new(BufReader::new(file))
    };
    let report = verify(&mut *export, &key, &others)?;
    if args.json {
        return output::print_json(&json!({
            "ledger": report.origin,
            "entries": report.head.number,
            "hash": report.head.hash,
            "checkpoints": report.checkpoints,
            "signed_at": report.signed_at,
        }));
    }
    output::print(&format!(
        "{}: {} entries are what was signed, the last time at {} ({} checkpoints)\n",
        report.origin, report.head.number, report.signed_at, report.checkpoints
    ))
}

/// The key itself, or the file with it.
fn key(text: &str) -> Result<VerifyingKey, Fault> {
    match text.parse() {
        Ok(key) => Ok(key),
        Err(refused) => match read(Path::new(text)) {
            Ok(text) => text.parse(),
            Err(_) => Err(refused),
        },
    }
}

fn read(file: &Path) -> Result<String, Fault> {
    let failed = |error: std::io::Error| Fault::io(file.display(), &error);
    let mut text = String::new();
    let most = CHECKPOINT_MAX_BYTES as u64 + 1;
    File::open(file).map_err(failed)?.take(most).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
