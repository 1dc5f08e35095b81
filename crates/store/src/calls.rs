//! What went through the doors of sandboxes.

use portcullis_model::api::CallView;
use portcullis_model::{Fault, RunId};

use crate::Store;
use crate::failure::{damaged, database, from_json, to_json};

impl Store {
    /// Keeps the calls of a task, in order.
    pub async fn calls_insert(&self, run: RunId, calls: &[CallView]) -> Result<(), Fault> {
        const WHAT: &str = "recording the calls of a task";
        if calls.is_empty() {
            return Ok(());
        }
        let mut txn = self.begin(WHAT).await?;
        for call in calls {
            sqlx::query("INSERT INTO call (run, body) VALUES (?, ?)")
                .bind(run.uuid().as_bytes().as_slice())
                .bind(to_json("a call", call)?)
                .execute(&mut *txn)
                .await
                .map_err(database(WHAT))?;
        }
        self.commit(txn, WHAT).await
    }

    /// Calls of a run after number `after` (0: from the first), in order, with their numbers.
    pub async fn call_list(&self, run: RunId, after: u64, limit: u32) -> Result<Vec<(u64, CallView)>, Fault> {
        let rows: Vec<(i64, String)> =
            sqlx::query_as("SELECT number, body FROM call WHERE run = ? AND number > ? ORDER BY number LIMIT ?")
                .bind(run.uuid().as_bytes().as_slice())
                .bind(i64::try_from(after).unwrap_or(i64::MAX))
                .bind(limit)
                .fetch_all(&self.0.readers)
                .await
                .map_err(database("listing calls"))?;
        let read = |(number, body): (i64, String)| {
            let number = u64::try_from(number).map_err(|error| damaged("a call", error))?;
            Ok((number, from_json("a call", &body)?))
        };
        rows.into_iter().map(read).collect()
    }
}
