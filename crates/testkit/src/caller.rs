//! Who asks a runner of the example's fleet, with the claims that its principals take.

use serde_json::{Value, json};

use crate::loopback;

/// The repository's number in the example's claims.
const REPOSITORY_ID: &str = "8210441";
/// Longest token that an issuer answers with, in bytes.
const TOKEN_MAX_BYTES: u64 = 64 * 1024;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller<'a> {
    /// A job on a branch.
    Branch(&'a str),
    /// A job on what was pushed to main.
    Merge,
    /// A person whom the forge let through its approval environment.
    Approver,
}

impl Caller<'_> {
    /// The claims of its token, without the audience.
    pub fn claims(self) -> Value {
        let (reference, event) = match self {
            Caller::Branch(name) => (format!("refs/heads/{name}"), "push"),
            Caller::Merge => ("refs/heads/main".to_owned(), "push"),
            Caller::Approver => ("refs/heads/main".to_owned(), "workflow_dispatch"),
        };
        let mut claims = json!({
            "sub": format!("repo:acme/infrastructure-live:ref:{reference}"),
            "repository_id": REPOSITORY_ID, "ref": reference, "event_name": event,
        });
        if let (Caller::Approver, Some(claims)) = (self, claims.as_object_mut()) {
            claims.insert("environment".into(), "portcullis-approval".into());
            // A job in an environment is named by it, as GitHub does.
            claims.insert("sub".into(), "repo:acme/infrastructure-live:environment:portcullis-approval".into());
        }
        claims
    }

    /// A token for an account's runner, as CI gets one, from a [`crate::live`] repository's issuer.
    ///
    /// # Errors
    /// If the issuer does not answer with one.
    pub fn token(self, issuer: &str, fleet: &str, account: &str) -> Result<String, String> {
        let mut claims = self.claims();
        if let Some(claims) = claims.as_object_mut() {
            claims.insert("aud".into(), format!("portcullis:{fleet}/{account}").into());
        }
        let url = format!("{issuer}/mint");
        let headers = [("Content-Type", "application/json")];
        let answer = loopback::ask("POST", &url, &headers, claims.to_string().as_bytes(), TOKEN_MAX_BYTES)?;
        if answer.status == 200 { Ok(answer.text()) } else { Err(format!("{url}: status {}", answer.status)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_approver_comes_from_the_approval_environment() {
        assert_eq!(Caller::Approver.claims()["environment"], "portcullis-approval");
        assert!(Caller::Merge.claims().get("environment").is_none());
        assert_eq!(Caller::Branch("x").claims()["ref"], "refs/heads/x");
    }
}
