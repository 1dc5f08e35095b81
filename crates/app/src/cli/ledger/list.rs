//! `portcullis ledger list`: the newest entries, for people.

use portcullis_model::Fault;
use portcullis_model::ledger::Entry;
use serde_json::value::RawValue;

use super::Folder;
use crate::cli::output;
use crate::render;

/// Arguments of `ledger list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    folder: Folder,
    /// How many
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Only entries after this number, the oldest first
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    /// Print JSON: the entries as they are kept
    #[arg(long)]
    json: bool,
}

/// Lists.
pub async fn run(args: &Args) -> Result<(), Fault> {
    let reader = args.folder.open().await?;
    let after = match args.after {
        Some(after) => after,
        None => reader.head().await?.number.saturating_sub(args.limit.into()),
    };
    let page = reader.page(after, args.limit).await?;
    if args.json {
        let raw = page.into_iter().map(|kept| RawValue::from_string(kept.text));
        let entries = raw.collect::<Result<Vec<_>, _>>();
        let entries =
            entries.map_err(|error| Fault::internal(format!("an entry of the ledger is no JSON: {error}")))?;
        return output::print_json_line(&entries);
    }
    let entries: Vec<(u64, Option<Entry>)> =
        page.iter().map(|kept| (kept.number, serde_json::from_str(&kept.text).ok())).collect();
    output::print(&render::ledger::list(&entries))
}
