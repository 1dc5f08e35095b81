//! Decisions of the gate, and the tokens that were used: kept, never changed.

use jiff::Timestamp;
use portcullis_model::{ActionKind, Code, Fault, PrincipalName, RunId};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use crate::Store;
use crate::failure::{database, from_json, to_json};

const WHAT: &str = "recording a decision";
const TEXT_MAX_BYTES: usize = 2048;
/// Longer than any leeway that a verifier grants, so that a token is forgotten only when it is dead.
const TOKEN_KEPT_SECONDS: i64 = 3600;

/// One decision of the gate, granted or not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// When (UTC).
    pub at: Timestamp,
    /// What was asked for: `plan`, `apply`, `approve`, `cancel`, …
    pub asked: String,
    /// The kind of action, where one was recognised.
    pub action: Option<ActionKind>,
    /// Whether it was granted.
    pub granted: bool,
    /// The code of the refusal.
    pub code: Option<Code>,
    /// Why, for people.
    pub reason: String,
    /// The token's issuer, once its signature held.
    pub issuer: Option<String>,
    /// The token's subject, once its signature held.
    pub subject: Option<String>,
    /// The token's id, once its signature held.
    pub token_id: Option<String>,
    /// The principals that matched.
    pub principals: Vec<PrincipalName>,
    /// The repository that was named.
    pub repository: Option<String>,
    /// The ref that was named.
    pub reference: Option<String>,
    /// The run that was made or asked about.
    pub run: Option<RunId>,
}

impl Store {
    /// Records a decision. Every text in it is cut at 2,048 bytes. Gives its number.
    pub async fn decision_insert(&self, decision: &DecisionRecord) -> Result<i64, Fault> {
        let mut txn = self.begin(WHAT).await?;
        let number = decision_insert_in_txn(&mut txn, decision).await?;
        txn.commit().await.map_err(database(WHAT))?;
        Ok(number)
    }

    /// Decisions, newest first, below the number `before`.
    pub async fn decision_list(&self, before: Option<i64>, limit: u32) -> Result<Vec<(i64, DecisionRecord)>, Fault> {
        let rows: Vec<(i64, String)> =
            sqlx::query_as("SELECT number, body FROM decision WHERE number < ? ORDER BY number DESC LIMIT ?")
                .bind(before.unwrap_or(i64::MAX))
                .bind(limit)
                .fetch_all(&self.0.readers)
                .await
                .map_err(database("listing decisions"))?;
        rows.into_iter().map(|(number, body)| Ok((number, from_json("a decision", &body)?))).collect()
    }

    /// Marks a token as used. `false`: it was used before. A row is kept for an hour beyond `expires_at`.
    pub async fn token_use(&self, token_id: &str, expires_at: Timestamp, now: Timestamp) -> Result<bool, Fault> {
        const WHAT: &str = "recording a used token";
        let mut txn = self.begin(WHAT).await?;
        let first = token_use_in_txn(&mut txn, token_id, expires_at, now).await?;
        txn.commit().await.map_err(database(WHAT))?;
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

pub(crate) async fn decision_insert_in_txn(
    txn: &mut SqliteConnection,
    decision: &DecisionRecord,
) -> Result<i64, Fault> {
    let body = to_json("a decision", &decision.cut())?;
    let done =
        sqlx::query("INSERT INTO decision (body) VALUES (?)").bind(body).execute(txn).await.map_err(database(WHAT))?;
    Ok(done.last_insert_rowid())
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

impl DecisionRecord {
    /// What comes from a caller is shortened, so that refusals cannot fill the disk faster than requests arrive.
    fn cut(&self) -> Self {
        let mut decision = self.clone();
        for text in [&mut decision.asked, &mut decision.reason] {
            cut(text);
        }
        let optional = [
            &mut decision.issuer,
            &mut decision.subject,
            &mut decision.token_id,
            &mut decision.repository,
            &mut decision.reference,
        ];
        for text in optional.into_iter().flatten() {
            cut(text);
        }
        decision
    }
}

fn cut(text: &mut String) {
    if text.len() > TEXT_MAX_BYTES {
        text.truncate(text.floor_char_boundary(TEXT_MAX_BYTES));
        text.push('…');
    }
}
