//! The schema and its versions.
//!
//! `PRAGMA user_version` counts the migrations that were run; each is committed together with its count.
//! A migration that was released is never edited: a change is a new file.

use portcullis_model::{Code, Fault};
use sqlx::{Connection, SqliteConnection};

use crate::failure::database;

/// "Port": marks the file as this program's (`PRAGMA application_id`).
const APPLICATION_ID: i64 = 0x506f_7274;

const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_ledger.sql"),
    include_str!("../migrations/0003_definition.sql"),
    include_str!("../migrations/0004_calls.sql"),
];
/// The migration that is followed by making the chain of what was there before.
const LEDGER: usize = 2;

/// Brings a database to this version.
///
/// # Errors
/// `PC-0906` when a newer version wrote it, `PC-0903` when it is another program's.
pub(crate) async fn migrate(connection: &mut SqliteConnection) -> Result<(), Fault> {
    let found = pragma(connection, "PRAGMA user_version").await?;
    let application = pragma(connection, "PRAGMA application_id").await?;
    if found > 0 && application != APPLICATION_ID {
        return Err(Fault::new(Code::STORE, "the database in the data folder is another program's")
            .remedy("Give a data folder of its own."));
    }
    let known = MIGRATIONS.len();
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    if done > known {
        return Err(Fault::new(
            Code::DATA_VERSION,
            format!("the data folder has version {found}, this program knows up to {known}"),
        )
        .remedy("Start the version that last used this folder, or a newer one."));
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        run(connection, migration, index + 1).await?;
    }
    Ok(())
}

async fn run(connection: &mut SqliteConnection, migration: &'static str, version: usize) -> Result<(), Fault> {
    let failed = database("bringing the database up to date");
    let mut txn = connection.begin_with("BEGIN EXCLUSIVE").await.map_err(&failed)?;
    sqlx::raw_sql(migration).execute(&mut *txn).await.map_err(&failed)?;
    if version == LEDGER {
        crate::ledger::begin(&mut txn).await?;
    }
    // A pragma takes no parameters; both are numbers of this program.
    let stamp = format!("PRAGMA user_version = {version}; PRAGMA application_id = {APPLICATION_ID};");
    sqlx::raw_sql(sqlx::AssertSqlSafe(stamp)).execute(&mut *txn).await.map_err(&failed)?;
    txn.commit().await.map_err(&failed)?;
    tracing::info!(version, "database migrated");
    Ok(())
}

async fn pragma(connection: &mut SqliteConnection, pragma: &'static str) -> Result<i64, Fault> {
    sqlx::query_scalar(pragma).fetch_one(connection).await.map_err(database("reading the database's version"))
}
