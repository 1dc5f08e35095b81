//! `portcullis ledger`: what is on record for good in a runner's data folder, and whether an export of it is whole.
//!
//! All but `verify` read the data folder, also while its runner runs, and ask no runner. `verify` needs an export and
//! the public key, nothing else.

mod checkpoint;
mod export;
mod list;
mod verify;

use std::path::PathBuf;

use portcullis_model::{Code, Fault};
use portcullis_store::LedgerReader;
use portcullis_trust::ledger::SigningKey;

use crate::outcome::Exit;
use crate::runner::ledger::{key_file, load_key};

/// Subcommands of `ledger`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the newest entries
    List(list::Args),
    /// Write all entries and checkpoints, for `verify`
    Export(export::Args),
    /// Print a checkpoint over all entries, to be kept elsewhere
    Checkpoint(checkpoint::Args),
    /// Verify an export, offline, with the public key
    Verify(verify::Args),
}

/// Where the ledger is.
#[derive(Debug, clap::Args)]
pub struct Folder {
    /// The runner's data folder; the runner may run
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

impl Folder {
    async fn open(&self) -> Result<LedgerReader, Fault> {
        let store = self.data.join("store");
        if !store.is_dir() {
            return Err(Fault::new(Code::BAD_OPTION, format!("{} is no data folder of a runner", self.data.display()))
                .remedy("Name the folder that `serve` was given with `--data`."));
        }
        LedgerReader::open(&store).await
    }

    fn key(&self) -> Result<SigningKey, Fault> {
        load_key(&key_file(&self.data))
    }
}

/// Runs a subcommand.
///
/// # Errors
/// `PC-0909` for a ledger that is not what was signed, `PC-0910` for a key that cannot be used.
pub async fn run(command: Command) -> Result<Exit, Fault> {
    match command {
        Command::List(args) => list::run(&args).await?,
        Command::Export(args) => export::run(&args).await?,
        Command::Checkpoint(args) => checkpoint::run(&args).await?,
        Command::Verify(args) => verify::run(&args)?,
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;
    use portcullis_model::AccountName;
    use portcullis_model::ledger::Record;
    use portcullis_store::Store;

    use super::*;
    use crate::gate::record::Refusals;
    use crate::runner::ledger::Ledger;

    async fn runner(data: &Path) -> (Store, Ledger) {
        let store = Store::open(&data.join("store"), &data.join("store.key")).await.unwrap();
        let account = AccountName::parse("dev").unwrap();
        let ledger = Ledger::start(store.clone(), data, &account, Refusals::default()).await.unwrap();
        (store, ledger)
    }

    /// The command line, from its text.
    async fn ledger(line: &str, data: &Path) -> Result<Exit, Fault> {
        #[derive(Debug, clap::Parser)]
        struct Only {
            #[command(subcommand)]
            command: Command,
        }
        let words = line.split(' ').map(|word| word.replace("DATA", &data.display().to_string()));
        run(<Only as clap::Parser>::parse_from(std::iter::once("ledger".to_owned()).chain(words)).command).await
    }

    #[tokio::test]
    async fn an_export_beside_a_running_runner_verifies_with_the_public_key() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        assert_eq!(ledger("list --data DATA", data).await.unwrap_err().code(), Code::BAD_OPTION);
        let (store, signer) = runner(data).await;
        for refusals in 0..1200 {
            store.ledger_append(Timestamp::UNIX_EPOCH, &Record::LeftOut { refusals }).await.unwrap();
            if refusals == 700 {
                signer.sign().await.unwrap();
            }
        }
        let export = async |name: &str| ledger(&format!("export --data DATA --out DATA/{name}"), data).await.unwrap();
        let verify = async |more: &str| ledger(&format!("verify DATA/{more} --key DATA/ledger.pub"), data).await;
        export("one").await;
        verify("one").await.unwrap();
        ledger("verify DATA/one --key portcullis/x+00000000+AAAA", data).await.unwrap_err();
        let whole = std::fs::read_to_string(data.join("one")).unwrap();
        assert_eq!(whole.lines().filter(|line| line.starts_with("{\"checkpoint\"")).count(), 3);
        for (changed, says) in [
            (whole.replace("\"refusals\":900", "\"refusals\":901"), "entry 903 was changed"),
            (
                whole
                    .lines()
                    .filter(|line| !line.contains("refusals\":5}"))
                    .fold(String::new(), |all, line| all + line + "\n"),
                "entry 8 was dropped",
            ),
        ] {
            std::fs::write(data.join("changed"), changed).unwrap();
            let fault = verify("changed").await.unwrap_err();
            assert_eq!(fault.code(), Code::LEDGER_BROKEN);
            assert!(fault.message().contains(says), "{fault}");
        }
        // What was exported once is held against a checkpoint of later.
        let (_, note) = {
            store.ledger_append(Timestamp::UNIX_EPOCH, &Record::LeftOut { refusals: 1 }).await.unwrap();
            crate::runner::ledger::checkpoint(
                &store.ledger(),
                &load_key(&key_file(data)).unwrap(),
                Timestamp::UNIX_EPOCH,
            )
            .await
            .unwrap()
        };
        std::fs::write(data.join("note"), note).unwrap();
        let cut = verify("one --checkpoint DATA/note").await.unwrap_err();
        assert!(cut.message().contains("entry 1203 was there"), "{cut}");
        export("two").await;
        verify("two --checkpoint DATA/note").await.unwrap();
        for line in
            ["list --data DATA --limit 2", "list --data DATA --json --limit 3 --after 5", "checkpoint --data DATA"]
        {
            ledger(line, data).await.unwrap();
        }
    }
}
