//! What a run is read with over a long time: its read token, or the caller's own, made anew when it has expired.

use portcullis_model::{Code, Fault};
use tokio::sync::Mutex;

use super::token::Tokens;

/// How a run is read.
pub struct Access {
    token: Mutex<Option<String>>,
    renewal: Option<Tokens>,
}

impl Access {
    /// With the run's read token. It outlives the caller's, and reading with it spends nothing.
    pub fn by_read_token(token: String) -> Self {
        Access { token: Mutex::new(Some(token)), renewal: None }
    }

    /// With the caller's own tokens, the first of which may have been made already.
    pub fn by_caller(tokens: Tokens, token: Option<String>) -> Self {
        Access { token: Mutex::new(token), renewal: Some(tokens) }
    }

    /// The token to send now.
    ///
    /// # Errors
    /// As [`Tokens::token`].
    pub async fn token(&self) -> Result<String, Fault> {
        let mut token = self.token.lock().await;
        if let Some(token) = token.as_ref() {
            return Ok(token.clone());
        }
        let tokens = self.renewal.as_ref().ok_or_else(|| Fault::internal("there is no token to read with"))?;
        Ok(token.insert(tokens.token().await?).clone())
    }

    /// Whether another token than this may help against a fault. If so, the next one is made anew.
    pub async fn renews_after(&self, fault: &Fault) -> bool {
        let helps = fault.code() == Code::TOKEN_EXPIRED && self.renewal.as_ref().is_some_and(Tokens::are_renewed);
        if helps {
            *self.token.lock().await = None;
        }
        helps
    }
}
