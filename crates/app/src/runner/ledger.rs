//! The ledger's key, and the checkpoints that are signed with it.
//!
//! Nothing is signed unseen: before a checkpoint is made, the entries since the last one are read and their chain is
//! followed to it. So who can write to the database and does not have the key has nothing signed by waiting.
//!
//! Each checkpoint is logged as well: where logs leave the host, they are the copies that a cut ledger is held against.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use portcullis_model::ledger::{Head, Record};
use portcullis_model::{AccountName, Code, Digest, Fault};
use portcullis_store::{LedgerReader, Store};
use portcullis_trust::ledger::{Checkpoint, SigningKey};
use serde::Deserialize;
use tokio::time::Instant;

use super::now;
use crate::gate::record::Refusals;

/// A checkpoint is signed when there are so many entries that none is over.
const EVERY: u64 = 100;
/// And when an entry has been under none for so long.
pub const LONGEST: Duration = Duration::from_secs(3600);
/// After a checkpoint that could not be kept.
const AGAIN: Duration = Duration::from_secs(10);
const KEY_FILE_MAX_BYTES: u64 = 1024;
const PAGE: u32 = 500;

/// The file with the key that signs.
pub fn key_file(data: &Path) -> PathBuf {
    data.join("ledger.key")
}

/// Reads the key of a runner that was started before.
///
/// # Errors
/// `PC-0910` when others may read it, or it is none; `PC-0901` when it cannot be read.
pub fn load_key(path: &Path) -> Result<SigningKey, Fault> {
    let failed = |error: std::io::Error| Fault::io(path.display(), &error);
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        let message = format!("{} may be used by others (mode {:o})", path.display(), mode & 0o777);
        return Err(Fault::new(Code::LEDGER_KEY, message)
            .remedy(format!("Run `chmod 600 {}`, and find out who has read it.", path.display())));
    }
    let mut text = String::new();
    file.take(KEY_FILE_MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
    SigningKey::parse(&text).map_err(|_| {
        Fault::new(Code::LEDGER_KEY, format!("{} does not hold the key of a ledger", path.display()))
            .remedy("Restore it from a backup of the data folder.")
    })
}

/// The key of this runner's ledger: made at the first start, with `ledger.pub` beside it.
async fn key(data: &Path, account: &AccountName, ledger: &LedgerReader) -> Result<SigningKey, Fault> {
    let (path, name) = (key_file(data), format!("portcullis/{account}"));
    let key = if path.try_exists().map_err(|error| Fault::io(path.display(), &error))? {
        load_key(&path)?
    } else if ledger.checkpoint_last().await?.is_some() {
        return Err(Fault::new(
            Code::LEDGER_KEY,
            format!("{} is missing, but the ledger was signed with it", path.display()),
        )
        .remedy("Restore it from a backup of the data folder."));
    } else {
        let key = SigningKey::generate(&name)?;
        write_new(&path, 0o600, &key.to_secret_text())?;
        key
    };
    if key.verifying().name() != name {
        let message = format!("the data folder is that of `{}`, this runner is `{name}`", key.verifying().name());
        return Err(
            Fault::new(Code::LEDGER_KEY, message).remedy("Give each account's runner a data folder of its own.")
        );
    }
    let public = data.join("ledger.pub");
    let text = key.verifying().to_string();
    if fs::read_to_string(&public).ok().as_deref().map(str::trim_end) != Some(text.as_str()) {
        let _ = fs::remove_file(&public);
        write_new(&public, 0o644, &text)?;
    }
    Ok(key)
}

/// Writes a line to a file that is not there yet, whole or not at all.
fn write_new(path: &Path, mode: u32, line: &str) -> Result<(), Fault> {
    let failed = |error: std::io::Error| Fault::io(path.display(), &error);
    let draft = path.with_extension("draft");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft).map_err(failed)?;
    file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::hard_link(&draft, path).map_err(failed)?;
    fs::remove_file(&draft).map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// A checkpoint over all that there is: the last one, if nothing came after it.
///
/// # Errors
/// `PC-0909` when the entries since the last checkpoint are no chain from it.
pub async fn checkpoint(ledger: &LedgerReader, key: &SigningKey, at: Timestamp) -> Result<(Head, String), Fault> {
    let last = ledger.checkpoint_last().await?;
    let from = match &last {
        Some((_, note)) => Checkpoint::open(note, key.verifying())?.head,
        None => Head::EMPTY,
    };
    let head = follow(ledger, from).await?;
    match last {
        Some((_, note)) if from == head => Ok((head, note)),
        _ => Ok((head, Checkpoint::sign(head, at, key))),
    }
}

/// Follows the chain from a head that is known to the newest entry.
async fn follow(ledger: &LedgerReader, from: Head) -> Result<Head, Fault> {
    #[derive(Deserialize)]
    struct Link {
        number: u64,
        previous: Digest,
    }
    let broken = |number: u64| {
        Fault::new(Code::LEDGER_BROKEN, format!("the ledger was changed at or before entry {number}")).remedy(
            "Nothing more is signed. `portcullis ledger export` and `verify` name the entry; restore the data folder \
             from a backup, and find out who could write to it.",
        )
    };
    if let Some(before) = from.number.checked_sub(1) {
        let there = ledger.page(before, 1).await?;
        if there.first().is_none_or(|kept| kept.number != from.number || Digest::of(kept.text.as_bytes()) != from.hash)
        {
            return Err(broken(from.number));
        }
    }
    let mut head = from;
    loop {
        let page = ledger.page(head.number, PAGE).await?;
        if page.is_empty() {
            return Ok(head);
        }
        for kept in page {
            let next = head.number.saturating_add(1);
            let link: Link = serde_json::from_str(&kept.text).map_err(|_| broken(next))?;
            let hash = Digest::of(kept.text.as_bytes());
            if (kept.number, link.number, link.previous, kept.hash) != (next, next, head.hash, hash) {
                return Err(broken(next));
            }
            head = Head { number: next, hash };
        }
    }
}

/// What signs a runner's ledger.
pub struct Ledger {
    store: Store,
    key: SigningKey,
    refusals: Refusals,
}

impl Ledger {
    /// Looks at what is there, writes that the runner was started, and signs.
    ///
    /// # Errors
    /// `PC-0909` when the end of the ledger is not what was signed, `PC-0910` for a key that cannot be used.
    pub async fn start(store: Store, data: &Path, account: &AccountName, refusals: Refusals) -> Result<Self, Fault> {
        let key = key(data, account, &store.ledger()).await?;
        let ledger = Ledger { store, key, refusals };
        checkpoint(&ledger.store.ledger(), &ledger.key, now()).await?;
        let started = Record::Started { version: env!("CARGO_PKG_VERSION").to_owned() };
        ledger.store.ledger_append(now(), &started).await?;
        ledger.sign().await?;
        Ok(ledger)
    }

    /// Signs what is under no checkpoint, with the refusals that were only counted.
    ///
    /// # Errors
    /// As [`checkpoint`], and those of the store.
    pub async fn sign(&self) -> Result<(), Fault> {
        let refusals = self.refusals.take_left_out();
        if refusals > 0 {
            self.store.ledger_append(now(), &Record::LeftOut { refusals }).await?;
        }
        let ledger = self.store.ledger();
        let (head, note) = checkpoint(&ledger, &self.key, now()).await?;
        if ledger.checkpoint_last().await?.is_some_and(|(size, _)| size == head.number) {
            return Ok(());
        }
        self.store.checkpoint_insert(head.number, &note).await?;
        tracing::info!(entries = head.number, hash = %head.hash, checkpoint = ?note, "the ledger has a checkpoint");
        Ok(())
    }

    /// Signs from time to time, for as long as it is polled: at least after `longest`, if there is something to sign.
    pub async fn keep(&self, longest: Duration) {
        let mut grown = self.store.ledger_grown();
        let mut deadline = Instant::now() + longest;
        loop {
            let due = tokio::select! {
                _ = grown.changed() => self.unsigned().await >= EVERY,
                () = tokio::time::sleep_until(deadline) => true,
            };
            if !due {
                continue;
            }
            match self.sign().await {
                Ok(()) => deadline = Instant::now() + longest,
                Err(fault) => {
                    tracing::error!(code = %fault.code(), "the ledger could not be signed: {fault}");
                    tokio::time::sleep(AGAIN).await;
                    deadline = Instant::now();
                }
            }
        }
    }

    /// How many entries are under no checkpoint.
    async fn unsigned(&self) -> u64 {
        let ledger = self.store.ledger();
        let (Ok(head), Ok(last)) = (ledger.head().await, ledger.checkpoint_last().await) else { return 0 };
        head.number.saturating_sub(last.map_or(0, |(size, _)| size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        dir: tempfile::TempDir,
        account: AccountName,
    }

    impl Place {
        fn new() -> Self {
            Place { dir: tempfile::tempdir().unwrap(), account: AccountName::parse("dev").unwrap() }
        }

        async fn store(&self) -> Store {
            Store::open(&self.dir.path().join("store"), &self.dir.path().join("store.key")).await.unwrap()
        }

        async fn start(&self, store: &Store) -> Result<Ledger, Fault> {
            Ledger::start(store.clone(), self.dir.path(), &self.account, Refusals::default()).await
        }
    }

    #[tokio::test]
    async fn the_key_is_made_once_private_and_for_one_account() {
        let place = Place::new();
        let store = place.store().await;
        let first = place.start(&store).await.unwrap();
        let path = key_file(place.dir.path());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let public = fs::read_to_string(place.dir.path().join("ledger.pub")).unwrap();
        assert_eq!(public.trim_end(), first.key.verifying().to_string());
        let second = place.start(&store).await.unwrap();
        assert_eq!(second.key.verifying(), first.key.verifying());
        let prod = Place { dir: place.dir, account: AccountName::parse("prod").unwrap() };
        assert_eq!(prod.start(&store).await.err().unwrap().code(), Code::LEDGER_KEY);
        let place = Place { account: AccountName::parse("dev").unwrap(), ..prod };
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(place.start(&store).await.err().unwrap().code(), Code::LEDGER_KEY);
        fs::remove_file(&path).unwrap();
        assert_eq!(place.start(&store).await.err().unwrap().code(), Code::LEDGER_KEY);
        fs::write(&path, "PRIVATE+KEY+x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(place.start(&store).await.err().unwrap().code(), Code::LEDGER_KEY);
    }

    #[tokio::test]
    async fn a_checkpoint_is_signed_when_there_are_enough_entries_and_when_one_has_waited() {
        let place = Place::new();
        let store = place.store().await;
        let ledger = place.start(&store).await.unwrap();
        let (reader, record) = (store.ledger(), Record::LeftOut { refusals: 1 });
        let signed = async |upto: u64| {
            while reader.checkpoint_last().await.unwrap().unwrap().0 < upto {
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(reader.checkpoint_last().await.unwrap().unwrap().0, 2);
        let append = async || store.ledger_append(Timestamp::UNIX_EPOCH, &record).await.unwrap();
        let many = async {
            for _ in 0..EVERY {
                append().await;
            }
            signed(2 + EVERY).await;
        };
        tokio::select! { () = ledger.keep(LONGEST) => unreachable!(), () = many => {} }
        let waits = async {
            append().await;
            signed(3 + EVERY).await;
        };
        tokio::select! { () = ledger.keep(Duration::from_millis(20)) => unreachable!(), () = waits => {} }
        let (head, note) = checkpoint(&reader, &ledger.key, now()).await.unwrap();
        let read = Checkpoint::open(&note, ledger.key.verifying()).unwrap();
        assert_eq!((read.head, head.number), (head, 3 + EVERY));
    }

    #[tokio::test]
    async fn a_ledger_that_was_changed_is_not_signed() {
        let place = Place::new();
        let store = place.store().await;
        drop(place.start(&store).await.unwrap());
        let at = Timestamp::UNIX_EPOCH;
        store.ledger_append(at, &Record::LeftOut { refusals: 7 }).await.unwrap();
        store.ledger_append(at, &Record::LeftOut { refusals: 8 }).await.unwrap();
        store.close().await;
        let database = place.dir.path().join("store").join("portcullis.db");
        for (changed, number) in [("'7', '6'", 3), ("'started', 'stopped'", 2)] {
            let whole = fs::read(&database).unwrap();
            let sql = format!(
                "DROP TRIGGER ledger_no_update; UPDATE ledger SET entry = replace(entry, {changed}) WHERE number = {number}"
            );
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&database);
            let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
            pool.close().await;
            let store = place.store().await;
            let refused = place.start(&store).await.err().unwrap();
            assert_eq!(refused.code(), Code::LEDGER_BROKEN);
            assert!(refused.message().contains(&format!("entry {number}")), "{refused}");
            store.close().await;
            fs::write(&database, whole).unwrap();
        }
        place.start(&place.store().await).await.unwrap();
    }
}
