//! The tokens that were used, so that each is used once.

use jiff::Timestamp;
use portcullis_model::Fault;
use portcullis_model::ledger::Record;
use sqlx::SqliteConnection;

use crate::failure::database;
use crate::{DecisionRecord, Store};

/// Longer than any leeway that a verifier grants, so that a token is forgotten only when it is dead.
const TOKEN_KEPT_SECONDS: i64 = 3600;

impl Store {
    /// Records a decision. Every text in it is cut at 2,048 bytes. Gives its number in the ledger.
    pub async fn decision_insert(&self, decision: &DecisionRecord) -> Result<u64, Fault> {
        self.ledger_append(decision.at, &Record::Decision(Box::new(decision.cut()))).await
    }

    pub(crate) async fn decision_insert_in_txn(
        &self,
        txn: &mut SqliteConnection,
        decision: &DecisionRecord,
    ) -> Result<u64, Fault> {
        self.append_in_txn(txn, decision.at, &Record::Decision(Box::new(decision.cut()))).await
    }

    /// Marks a token as used. `false`: it was used before. A row is kept for an hour beyond `expires_at`.
    pub async fn token_use(&self, token_id: &str, expires_at: Timestamp, now: Timestamp) -> Result<bool, Fault> {
        const WHAT: &str = "recording a used token";
        let mut txn = self.begin(WHAT).await?;
        let first = token_use_in_txn(&mut txn, token_id, expires_at, now).await?;
        self.commit(txn, WHAT).await?;
        Ok(first)
    }

    /// Whether a token was used, as far as is known now: only [`Store::token_use`] and
    /// [`Store::run_accept`](crate::Store::run_accept) decide.
    pub async fn token_is_used(&self, token_id: &str) -> Result<bool, Fault> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM used_token WHERE id = ?)")
            .bind(token_id)
            .fetch_one(&self.0.readers)
            .await
            .map_err(database("looking for a used token"))
    }
}

pub(crate) async fn token_use_in_txn(
    txn: &mut SqliteConnection,
    token_id: &str,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool, Fault> {
    const WHAT: &str = "recording a used token";
    // A few at a time, so that no call pays for a long pause.
    sqlx::query("DELETE FROM used_token WHERE id IN (SELECT id FROM used_token WHERE expires_at < ? LIMIT 100)")
        .bind(now.as_second().saturating_sub(TOKEN_KEPT_SECONDS))
        .execute(&mut *txn)
        .await
        .map_err(database(WHAT))?;
    let done = sqlx::query("INSERT INTO used_token (id, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(token_id)
        .bind(expires_at.as_second())
        .execute(txn)
        .await
        .map_err(database(WHAT))?;
    Ok(done.rows_affected() == 1)
}
