//! What a failing database or disk becomes: the [`Fault`] that a user can act on.

use jiff::Timestamp;
use portcullis_model::{Code, Fault};
use serde::Serialize;
use serde::de::DeserializeOwned;

// https://www.sqlite.org/rescode.html, primary result codes.
const SQLITE_BUSY: i64 = 5;
const SQLITE_READONLY: i64 = 8;
const SQLITE_IOERR: i64 = 10;
const SQLITE_CORRUPT: i64 = 11;
const SQLITE_FULL: i64 = 13;
const SQLITE_NOTADB: i64 = 26;

/// For `map_err`: what was being done, and the error.
pub(crate) fn database(what: &'static str) -> impl Fn(sqlx::Error) -> Fault {
    move |error| from_sqlx(what, &error)
}

fn from_sqlx(what: &str, error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Io(error) => Fault::io(what, error),
        sqlx::Error::PoolTimedOut => Fault::new(Code::BUSY, format!("{what}: the store has too much to do")),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            Fault::new(Code::SHUTTING_DOWN, format!("{what}: the store is closed"))
        }
        sqlx::Error::Database(error) => {
            let message = format!("{what}: {}", error.message());
            // The extended code's low byte is the primary code.
            match error.code().and_then(|code| code.parse::<i64>().ok()).map(|code| code & 0xff) {
                Some(SQLITE_FULL) => Fault::new(Code::DISK_FULL, message)
                    .remedy("Free space on the disk of the data folder. Nothing that was accepted is lost."),
                Some(SQLITE_BUSY) => Fault::new(Code::BUSY, message),
                Some(SQLITE_IOERR | SQLITE_READONLY) => Fault::new(Code::IO, message),
                Some(SQLITE_CORRUPT | SQLITE_NOTADB) => Fault::new(Code::STORE, message)
                    .remedy("The database is damaged. Stop the runner and restore the data folder from a backup."),
                _ => Fault::new(Code::STORE, message),
            }
        }
        other => Fault::new(Code::STORE, format!("{what}: {other}")),
    }
}

/// A row that is not what this version writes.
pub(crate) fn damaged(what: &str, why: impl std::fmt::Display) -> Fault {
    Fault::new(Code::STORE, format!("{what} is damaged: {why}"))
        .remedy("Stop the runner and restore the data folder from a backup.")
}

pub(crate) fn to_json<T: Serialize>(what: &str, value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::internal(format!("{what} cannot be written: {error}")))
}

pub(crate) fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| damaged(what, error))
}

pub(crate) fn to_time(what: &str, text: &str) -> Result<Timestamp, Fault> {
    text.parse().map_err(|error| damaged(what, error))
}

/// Runs what blocks (files, sealing) off the runtime's threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Fault::internal(format!("work of the store ended early: {error}"))),
    }
}
