//! The ledger: entries in a chain of hashes, and the checkpoints that were signed over it.
//!
//! An entry is appended in the transaction of what it records, so neither is there without the other. The one
//! writer of the database makes the chain: nobody else can append between reading its head and writing the next.

use std::path::Path;

use jiff::Timestamp;
use portcullis_model::ledger::{DecisionRecord, Entry, Head, Record};
use portcullis_model::{ActionKind, Code, CommitId, Digest, Fault, PrincipalName};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{SqliteConnection, SqlitePool};

use crate::Store;
use crate::failure::{damaged, database, from_json, to_time};

const WHAT: &str = "writing to the ledger";
/// Most entries of one page.
const PAGE_MAX: u32 = 1000;

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEntry {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: Digest,
    /// Its canonical text.
    pub text: String,
}

/// A ledger that is read only, also while a runner writes it.
#[derive(Clone)]
pub struct LedgerReader(SqlitePool);

impl Store {
    /// Appends an entry that is about nothing else in the store.
    pub async fn ledger_append(&self, at: Timestamp, record: &Record) -> Result<u64, Fault> {
        let mut txn = self.begin(WHAT).await?;
        let number = self.append_in_txn(&mut txn, at, record).await?;
        self.commit(txn, WHAT).await?;
        Ok(number)
    }

    /// The ledger, to be read.
    pub fn ledger(&self) -> LedgerReader {
        LedgerReader(self.0.readers.clone())
    }

    /// Wakes when something was committed: the ledger may have grown by several entries, or not at all.
    pub fn ledger_grown(&self) -> tokio::sync::watch::Receiver<()> {
        self.0.grown.subscribe()
    }

    /// Keeps a checkpoint over the first `size` entries. One that is there already stays.
    pub async fn checkpoint_insert(&self, size: u64, note: &str) -> Result<(), Fault> {
        const WHAT: &str = "keeping a checkpoint";
        let mut txn = self.begin(WHAT).await?;
        sqlx::query("INSERT INTO checkpoint (size, note) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(to_column(size))
            .bind(note)
            .execute(&mut *txn)
            .await
            .map_err(database(WHAT))?;
        self.commit(txn, WHAT).await
    }

    /// The commit of the definition that came into force last, and when.
    pub async fn definition_last(&self) -> Result<Option<(CommitId, Timestamp)>, Fault> {
        let last: Option<String> = sqlx::query_scalar(
            "SELECT entry FROM ledger WHERE kind = 'definition-in-force' ORDER BY number DESC LIMIT 1",
        )
        .fetch_optional(&self.0.readers)
        .await
        .map_err(database("looking for the last definition"))?;
        let Some(text) = last else { return Ok(None) };
        let entry: Entry = from_json("a definition's entry", &text)?;
        Ok(match entry.record {
            Record::DefinitionInForce { commit, .. } => Some((commit, entry.at)),
            _ => None,
        })
    }

    /// The principals of the last apply that was granted, as far as it is among the newest decisions.
    pub async fn principals_of_last_apply(&self) -> Result<Vec<PrincipalName>, Fault> {
        let newest = self.decision_list(None, PAGE_MAX).await?.into_iter().map(|(_, decision)| decision);
        let apply = ActionKind::Apply;
        let mut applies = newest.filter(|it| it.granted && it.asked == apply.as_str() && it.run.is_some());
        Ok(applies.next().map(|decision| decision.principals).unwrap_or_default())
    }

    /// Decisions, newest first, below the number `before`.
    pub async fn decision_list(&self, before: Option<u64>, limit: u32) -> Result<Vec<(u64, DecisionRecord)>, Fault> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT number, entry FROM ledger WHERE kind = 'decision' AND number < ? ORDER BY number DESC LIMIT ?",
        )
        .bind(before.map_or(i64::MAX, to_column))
        .bind(limit)
        .fetch_all(&self.0.readers)
        .await
        .map_err(database("listing decisions"))?;
        rows.into_iter()
            .map(|(number, text)| match from_json::<Entry>("a decision", &text)?.record {
                Record::Decision(decision) => Ok((from_column(number)?, *decision)),
                other => Err(damaged("a decision", format!("it is of the kind `{}`", other.kind()))),
            })
            .collect()
    }

    pub(crate) async fn append_in_txn(
        &self,
        txn: &mut SqliteConnection,
        at: Timestamp,
        record: &Record,
    ) -> Result<u64, Fault> {
        append(txn, at, record).await
    }
}

/// Appends to the chain.
async fn append(txn: &mut SqliteConnection, at: Timestamp, record: &Record) -> Result<u64, Fault> {
    let (head, text) = head(&mut *txn).await?.append(at, record)?;
    sqlx::query("INSERT INTO ledger (number, kind, hash, entry) VALUES (?, ?, ?, ?)")
        .bind(to_column(head.number))
        .bind(record.kind())
        .bind(head.hash.as_bytes().as_slice())
        .bind(text)
        .execute(txn)
        .await
        .map_err(database(WHAT))?;
    Ok(head.number)
}

async fn head<'e, E: sqlx::Executor<'e, Database = sqlx::Sqlite>>(executor: E) -> Result<Head, Fault> {
    let last: Option<(i64, Vec<u8>)> = sqlx::query_as("SELECT number, hash FROM ledger ORDER BY number DESC LIMIT 1")
        .fetch_optional(executor)
        .await
        .map_err(database("reading the ledger"))?;
    let Some((number, hash)) = last else { return Ok(Head::EMPTY) };
    Ok(Head { number: from_column(number)?, hash: to_digest(&hash)? })
}

/// Begins the chain in a database that has none, with the decisions that were kept before there was one.
pub(crate) async fn begin(txn: &mut SqliteConnection) -> Result<(), Fault> {
    const WHAT: &str = "beginning the ledger";
    let decisions: Vec<(i64, String)> = sqlx::query_as("SELECT number, body FROM decision ORDER BY number")
        .fetch_all(&mut *txn)
        .await
        .map_err(database(WHAT))?;
    let earlier = decisions.iter().map(|(_, body)| from_json("a decision", body));
    let earlier = earlier.collect::<Result<Vec<DecisionRecord>, Fault>>()?;
    // A migration is not told the time; the database knows it.
    let at: String = sqlx::query_scalar("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')")
        .fetch_one(&mut *txn)
        .await
        .map_err(database(WHAT))?;
    append(txn, to_time("the time", &at)?, &Record::Begun { taken_over: earlier.len() as u64 }).await?;
    for decision in earlier {
        append(txn, decision.at, &Record::Decision(Box::new(decision.cut()))).await?;
    }
    sqlx::raw_sql("DROP TABLE decision").execute(txn).await.map_err(database(WHAT))?;
    Ok(())
}

impl LedgerReader {
    /// Of the data folder of a runner that may be running. Nothing but the ledger is read, and nothing is written.
    ///
    /// # Errors
    /// `PC-0901` when there is no database, or none that this user may read; `PC-0906` when it has no ledger.
    pub async fn open(dir: &Path) -> Result<Self, Fault> {
        let file = dir.join(crate::open::DATABASE);
        // SQLite's own message for a file that is not there says little.
        std::fs::metadata(&file).map_err(|error| Fault::io(file.display(), &error))?;
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .read_only(true)
            .busy_timeout(std::time::Duration::from_secs(10))
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON");
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        let pool = pool.map_err(database("opening the ledger"))?;
        let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'ledger')")
            .fetch_one(&pool)
            .await
            .map_err(database("opening the ledger"))?;
        if !there {
            return Err(Fault::new(Code::DATA_VERSION, "the data folder is of a version without a ledger")
                .remedy("Start this version's runner over it: it begins the ledger."));
        }
        Ok(LedgerReader(pool))
    }

    /// The newest entry.
    pub async fn head(&self) -> Result<Head, Fault> {
        head(&self.0).await
    }

    /// Entries after number `after`, in order; at most a thousand.
    pub async fn page(&self, after: u64, limit: u32) -> Result<Vec<KeptEntry>, Fault> {
        let rows: Vec<(i64, Vec<u8>, String)> =
            sqlx::query_as("SELECT number, hash, entry FROM ledger WHERE number > ? ORDER BY number LIMIT ?")
                .bind(to_column(after))
                .bind(limit.min(PAGE_MAX))
                .fetch_all(&self.0)
                .await
                .map_err(database("reading the ledger"))?;
        rows.into_iter()
            .map(|(number, hash, text)| Ok(KeptEntry { number: from_column(number)?, hash: to_digest(&hash)?, text }))
            .collect()
    }

    /// Checkpoints over more than `after` entries, and over `upto` at most, in order; at most a thousand.
    pub async fn checkpoints(&self, after: u64, upto: u64) -> Result<Vec<(u64, String)>, Fault> {
        let rows: Vec<(i64, String)> =
            sqlx::query_as("SELECT size, note FROM checkpoint WHERE size > ? AND size <= ? ORDER BY size LIMIT ?")
                .bind(to_column(after))
                .bind(to_column(upto))
                .bind(PAGE_MAX)
                .fetch_all(&self.0)
                .await
                .map_err(database("reading the ledger's checkpoints"))?;
        rows.into_iter().map(|(size, note)| Ok((from_column(size)?, note))).collect()
    }

    /// The newest checkpoint.
    pub async fn checkpoint_last(&self) -> Result<Option<(u64, String)>, Fault> {
        let row: Option<(i64, String)> = sqlx::query_as("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1")
            .fetch_optional(&self.0)
            .await
            .map_err(database("reading the ledger's checkpoints"))?;
        row.map(|(size, note)| Ok((from_column(size)?, note))).transpose()
    }
}

fn to_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn from_column(number: i64) -> Result<u64, Fault> {
    u64::try_from(number).map_err(|error| damaged("the ledger", error))
}

fn to_digest(bytes: &[u8]) -> Result<Digest, Fault> {
    let bytes = bytes.try_into().map_err(|_| damaged("the ledger", "a hash does not have 32 bytes"))?;
    Ok(Digest::from_bytes(bytes))
}
