//! Asks GitHub Actions for the job's OIDC token. Forgejo has the same way.
//!
//! A job with the permission `id-token: write` has a URL and a secret in its environment; the URL with
//! `audience=…` answers `{"value": "<token>"}`. See
//! <https://docs.github.com/en/actions/reference/security/oidc>.
//!
//! The secret is sent to that URL and nowhere else; redirects are not followed.

use std::time::Duration;

use portcullis_model::{Code, Fault};
use reqwest::Url;
use serde::Deserialize;

use super::link::{self, Unread};
use super::token::Audience;
use crate::environment::Environment;

/// The variable that holds the URL.
pub const URL_VARIABLE: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
/// The variable that holds the secret.
pub const SECRET_VARIABLE: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// Longest that one request may take.
const REQUEST: Duration = Duration::from_secs(20);
/// How often it is asked when it has a passing fault. It has those.
const ATTEMPTS: u32 = 3;
/// Before the second attempt; twice as long before each further one.
const PAUSE: Duration = Duration::from_millis(500);
/// Largest answer, in bytes: a token and a little JSON.
const ANSWER_MAX_BYTES: usize = 64 << 10;

/// Where tokens are asked for.
pub struct Endpoint {
    url: Url,
    secret: String,
}

/// An answer, or whether asking again may help.
enum Attempt {
    Token(String),
    Passing(String),
    Final(String),
}

#[derive(Deserialize)]
struct Answer {
    value: String,
}

impl Endpoint {
    /// Of this job. `None` where it has none.
    pub fn find(environment: &Environment) -> Option<Result<Self, Fault>> {
        let (url, secret) = (environment.get(URL_VARIABLE)?, environment.get(SECRET_VARIABLE)?);
        Some(match link::checked(url) {
            Ok(url) => Ok(Endpoint { url, secret: secret.to_owned() }),
            Err(why) => Err(Fault::new(Code::NO_TOKEN, format!("{URL_VARIABLE} cannot be used: {why}"))
                .remedy("Leave the variable as the CI system sets it, or give `--token-file FILE`.")),
        })
    }

    /// For tokens with this audience.
    #[must_use]
    pub fn with_audience(mut self, audience: &Audience) -> Self {
        self.url.query_pairs_mut().append_pair("audience", audience.as_str());
        self
    }

    /// A new token.
    ///
    /// # Errors
    /// `PC-0003`.
    pub async fn token(&self) -> Result<String, Fault> {
        let client = link::client(Some(REQUEST), REQUEST)?;
        let mut pause = PAUSE;
        let mut why = String::new();
        for attempt in 1..=ATTEMPTS {
            match self.ask(&client).await {
                Attempt::Token(token) => return Ok(token),
                Attempt::Final(refusal) => return Err(refused(&refusal)),
                Attempt::Passing(failure) => why = failure,
            }
            if attempt < ATTEMPTS {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        Err(refused(&why))
    }

    async fn ask(&self, client: &reqwest::Client) -> Attempt {
        let sent = client.get(self.url.clone()).bearer_auth(&self.secret).header("Accept", "application/json").send();
        let answer = match sent.await {
            Ok(answer) => answer,
            Err(error) => return Attempt::Passing(format!("it does not answer: {}", link::why(&error))),
        };
        let status = answer.status();
        if status.is_server_error() || status.as_u16() == 429 {
            return Attempt::Passing(format!("it answers {status}"));
        }
        if !status.is_success() {
            return Attempt::Final(format!("it answers {status}"));
        }
        match link::body(answer, ANSWER_MAX_BYTES).await {
            Ok(bytes) => match serde_json::from_slice::<Answer>(&bytes) {
                Ok(answer) => Attempt::Token(answer.value),
                // What it says can hold the token: it is not shown.
                Err(_) => Attempt::Final("its answer is not `{\"value\": \"<token>\"}`".to_owned()),
            },
            Err(Unread::Broken(why)) => Attempt::Passing(format!("its answer broke off: {why}")),
            Err(Unread::TooLarge(max)) => Attempt::Final(format!("its answer has more than {max} bytes")),
        }
    }
}

fn refused(why: &str) -> Fault {
    Fault::new(Code::NO_TOKEN, format!("{URL_VARIABLE} gives no token: {why}"))
        .remedy("Check that the job has the permission `id-token: write`, and run it again.")
}

#[cfg(test)]
mod tests {
    use portcullis_testkit::FakeIssuer;
    use portcullis_testkit::actions::SECRET;
    use portcullis_testkit::issuer::Answer;
    use serde_json::json;

    use super::super::claims::{Audiences, audiences};
    use super::*;

    const FOR: &str = "portcullis:acme/dev&x=1";

    fn endpoint(url: &str, secret: &str) -> Result<Endpoint, Fault> {
        let environment = Environment::from_iter([(URL_VARIABLE, url), (SECRET_VARIABLE, secret)]);
        Ok(Endpoint::find(&environment).unwrap()?.with_audience(&Audience::parse(FOR).unwrap()))
    }

    async fn asked(issuer: &FakeIssuer, answer: Answer) -> Result<String, String> {
        issuer.answer(answer);
        let token = endpoint(&issuer.request_url(), SECRET).unwrap().token().await;
        token.map_err(|fault| {
            assert_eq!(fault.code(), Code::NO_TOKEN);
            fault.message().to_owned()
        })
    }

    #[tokio::test]
    async fn a_token_is_for_the_audience_and_each_is_new() {
        let issuer = FakeIssuer::start();
        let endpoint = endpoint(&issuer.request_url(), SECRET).unwrap();
        let first = endpoint.token().await.unwrap();
        assert_eq!(audiences(&first), Audiences::Named(vec![FOR.into()]));
        assert_ne!(first, endpoint.token().await.unwrap());
    }

    #[tokio::test]
    async fn a_passing_fault_is_outlived_and_a_lasting_one_is_said() {
        let issuer = FakeIssuer::start();
        assert!(asked(&issuer, Answer::Busy(2)).await.is_ok());
        assert_eq!(issuer.job_tokens(), 3);
        let why = asked(&issuer, Answer::Busy(3)).await.unwrap_err();
        assert!(why.contains("503") && issuer.job_tokens() == 6, "{why}");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_refused_at_once() {
        let issuer = FakeIssuer::start();
        for (answer, word) in [
            (Answer::Status(403), "403"),
            (Answer::Redirect("http://127.0.0.1:1/".into()), "302"),
            (Answer::Huge(ANSWER_MAX_BYTES), "more than"),
            (Answer::Keys(json!({"token": "secret"})), "value"),
            (Answer::Keys(json!({"value": 7})), "value"),
        ] {
            let before = issuer.job_tokens();
            let why = asked(&issuer, answer).await.unwrap_err();
            assert!(why.contains(word) && !why.contains("secret"), "{why}");
            assert_eq!(issuer.job_tokens(), before + 1, "{why}");
        }
    }

    #[tokio::test]
    async fn another_job_s_secret_gets_nothing() {
        let issuer = FakeIssuer::start();
        let fault = endpoint(&issuer.request_url(), "other").unwrap().token().await.unwrap_err();
        assert!(fault.message().contains("403") && !fault.message().contains("other"), "{fault}");
    }

    #[test]
    fn the_secret_does_not_leave_in_the_clear() {
        for url in ["http://github.example/x?a=1", "https://u:p@github.example/", "file:///x"] {
            assert_eq!(endpoint(url, "s").err().unwrap().code(), Code::NO_TOKEN, "{url}");
        }
    }
}
