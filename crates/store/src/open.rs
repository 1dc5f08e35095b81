//! [`Store`]: opening the data folder, one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_model::{Code, Fault};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Sqlite, SqlitePool, Transaction};
use tokio::sync::watch;

use crate::cache::Cache;
use crate::failure::{blocking, database};
use crate::logs::Logs;
use crate::schema;
use crate::seal::{Key, Label};

/// The database in the data folder.
pub(crate) const DATABASE: &str = "portcullis.db";
const READERS: u32 = 4;
/// A write-ahead log that one large object has blown up is cut back to this, in bytes.
const WAL_KEPT_BYTES: &str = "67108864";

/// The data folder of one runner. Cheap to clone.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    /// One connection: SQLite has one writer, and waiting for it in the pool is fair.
    writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    pub(crate) key: Arc<Key>,
    pub(crate) logs: Logs,
    pub(crate) cache: Arc<Cache>,
    pub(crate) grown: watch::Sender<()>,
    /// Holds the folder's lock while it is open.
    lock: Mutex<Option<FolderLock>>,
}

impl Store {
    /// Opens `dir`, making it and the key file at the first start (0700 and 0600).
    ///
    /// # Errors
    /// `PC-0905` when another process has it open, `PC-0906` when a newer version wrote it, `PC-0702` when the
    /// key is not the one that it was sealed with, `PC-0901` to `PC-0903` when the world fails.
    pub async fn open(dir: &Path, key_file: &Path) -> Result<Store, Fault> {
        let (dir, key_file) = (dir.to_path_buf(), key_file.to_path_buf());
        let folder = blocking(move || Folder::prepare(&dir, &key_file)).await?;
        let options = SqliteConnectOptions::new()
            .filename(&folder.database)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            .pragma("journal_size_limit", WAL_KEPT_BYTES)
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON");
        let failed = database("opening the database");
        let pool = || SqlitePoolOptions::new().idle_timeout(None).max_lifetime(None);
        // When the disk is full, SQLite rolls back by itself; the driver's own rollback then fails and it counts
        // a transaction that is not there. Such a connection is replaced. (The pool's ping, before this, waits
        // until a rollback that a dropped transaction has queued is done.)
        let writer = pool()
            .max_connections(1)
            .before_acquire(|connection, _| {
                let usable = !connection.is_in_transaction();
                Box::pin(async move { Ok(usable) })
            })
            .connect_with(options.clone())
            .await
            .map_err(&failed)?;
        let mut connection = writer.acquire().await.map_err(&failed)?;
        schema::migrate(&mut connection).await?;
        drop(connection);
        let readers =
            pool().max_connections(READERS).connect_with(options.pragma("query_only", "ON")).await.map_err(&failed)?;
        let store = Store(Arc::new(Inner {
            writer,
            readers,
            key: Arc::new(folder.key),
            logs: folder.logs,
            cache: Arc::new(folder.cache),
            grown: watch::channel(()).0,
            lock: Mutex::new(Some(folder.lock)),
        }));
        store.key_check().await?;
        Ok(store)
    }

    /// Closes it: waits for what is under way and lets go of the folder. Later calls fail.
    pub async fn close(&self) {
        self.0.readers.close().await;
        self.0.writer.close().await;
        self.0.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// A transaction that may write. `IMMEDIATE`: it never finds out halfway that it may not.
    pub(crate) async fn begin(&self, what: &'static str) -> Result<Transaction<'static, Sqlite>, Fault> {
        self.0.writer.begin_with("BEGIN IMMEDIATE").await.map_err(database(what))
    }

    /// Commits, then wakes who waits for the ledger to grow: who was woken before would look too early, and hear of it
    /// again only with the next entry.
    pub(crate) async fn commit(&self, txn: Transaction<'static, Sqlite>, what: &'static str) -> Result<(), Fault> {
        txn.commit().await.map_err(database(what))?;
        self.0.grown.send_replace(());
        Ok(())
    }

    /// Seals off the runtime's threads.
    pub(crate) async fn seal(&self, label: Label, content: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let key = self.0.key.clone();
        blocking(move || key.seal(&label, &content)).await
    }

    /// Opens what was sealed, off the runtime's threads.
    pub(crate) async fn unseal(&self, label: Label, what: String, sealed: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let key = self.0.key.clone();
        blocking(move || key.open(&label, &what, sealed)).await
    }

    /// Proves that the key is the folder's, before anything is sealed with another one.
    async fn key_check(&self) -> Result<(), Fault> {
        const WHAT: &str = "checking the key";
        let mut txn = self.begin(WHAT).await?;
        let label = || Label::new("key-check", &[]);
        let known: Option<Vec<u8>> = sqlx::query_scalar("SELECT sealed FROM key_check WHERE one = 1")
            .fetch_optional(&mut *txn)
            .await
            .map_err(database(WHAT))?;
        if let Some(sealed) = known {
            self.0.key.open(&label(), "the data folder", sealed)?;
            return Ok(());
        }
        let sealed = self.0.key.seal(&label(), b"portcullis")?;
        sqlx::query("INSERT INTO key_check (one, sealed) VALUES (1, ?)")
            .bind(sealed)
            .execute(&mut *txn)
            .await
            .map_err(database(WHAT))?;
        self.commit(txn, WHAT).await
    }
}

/// What is made and checked before the database is opened.
struct Folder {
    database: PathBuf,
    key: Key,
    logs: Logs,
    cache: Cache,
    lock: FolderLock,
}

impl Folder {
    fn prepare(dir: &Path, key_file: &Path) -> Result<Self, Fault> {
        make_private_dir(dir)?;
        check_dir(dir)?;
        let lock = FolderLock::take(dir)?;
        let database = dir.join(DATABASE);
        let key = if key_file.try_exists().map_err(|error| Fault::io("the key file", &error))? {
            Key::load(key_file)?
        } else if database.exists() {
            return Err(Fault::new(
                Code::SEAL_BROKEN,
                format!("the key file {} is missing, but the data folder has sealed data", key_file.display()),
            )
            .remedy("Restore the key file from a backup: without it no plan and no state can be read."));
        } else {
            if let Some(parent) = key_file.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                make_private_dir(parent)?;
            }
            Key::create(key_file)?
        };
        // SQLite gives its other files the mode of this one.
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&database)
            .map_err(|error| Fault::io("making the database", &error))?;
        Ok(Folder { database, key, logs: Logs::open(dir.join("logs"))?, cache: Cache::open(dir.join("cache"))?, lock })
    }
}

pub(crate) fn make_private_dir(dir: &Path) -> Result<(), Fault> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| Fault::io(format!("making the folder {}", dir.display()), &error))
}

/// A folder that was there already may be readable for others (what is in it is not), but whoever may write to
/// it could put another database in its place. A group may: some volumes come that way.
fn check_dir(dir: &Path) -> Result<(), Fault> {
    let known = std::fs::metadata(dir).map_err(|error| Fault::io("the data folder", &error))?;
    if known.mode() & 0o002 != 0 {
        return Err(Fault::new(Code::STORE, format!("anybody may write to the data folder {}", dir.display()))
            .remedy(format!("Run `chmod 700 {}`.", dir.display())));
    }
    Ok(())
}

/// The lock on the folder itself, not on a file in it: a file could be removed "because it is stale" while its
/// lock is held, and the next process would lock another one.
struct FolderLock(File);

impl FolderLock {
    fn take(dir: &Path) -> Result<Self, Fault> {
        let failed = |error: std::io::Error| Fault::io(format!("locking the folder {}", dir.display()), &error);
        let folder = File::open(dir).map_err(failed)?;
        match folder.try_lock() {
            Ok(()) => Ok(FolderLock(folder)),
            Err(TryLockError::WouldBlock) => {
                Err(Fault::new(Code::DATA_IN_USE, format!("another process uses the data folder {}", dir.display()))
                    .remedy("Stop the other runner, or give this one a data folder of its own."))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing is not enough: a child that is just being started shares the open file until it runs its
        // own program.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the data folder's lock is not let go yet");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_told_apart_and_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data"), &dir.path().join("key")).await.unwrap();
        let unit = "dev/db".parse().unwrap();
        let task = portcullis_model::TaskId::from_uuid(uuid::Uuid::from_u128(1));
        let state = |serial: u32| {
            // What does not compress, so that it needs pages.
            let noise: String = (0..2000u32)
                .map(|n| portcullis_model::Digest::of(&(n * 7 + serial).to_be_bytes()).to_string())
                .collect();
            format!(r#"{{"serial":{serial},"lineage":"l","noise":"{noise}"}}"#).into_bytes()
        };
        let at = jiff::Timestamp::default();
        store.state_put(&unit, task, None, &state(1), at).await.unwrap();

        // As a full disk does, SQLite answers SQLITE_FULL beyond this many pages.
        let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&store.0.writer).await.unwrap();
        let limit = |pages: i64| sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::raw_sql(limit(pages + 5)).execute(&store.0.writer).await.unwrap();
        let fault = store.state_put(&unit, task, None, &state(2), at).await.unwrap_err();
        assert_eq!(fault.code(), Code::DISK_FULL);
        assert!(fault.remedy_text().is_some());
        assert_eq!(store.state_get(&unit).await.unwrap().unwrap().bytes, state(1));

        sqlx::raw_sql(limit(1 << 30)).execute(&store.0.writer).await.unwrap();
        assert_eq!(store.state_put(&unit, task, None, &state(2), at).await.unwrap().version, 2);
    }
}
