//! Where the command line takes its token from.
//!
//! In this order: `--token-file`, `PORTCULLIS_TOKEN`, `PORTCULLIS_ID_TOKEN`, GitHub Actions, Buildkite, CircleCI.
//! The first place that has one is used. Never an argument: arguments are shown to everybody on the machine. The
//! audience that a token is asked for comes from the caller, never from the runner.

use std::fmt;
use std::io::Read;
use std::path::Path;

use portcullis_model::api::TOKEN_MAX_BYTES;
use portcullis_model::{Code, Fault, id::quoted};

use super::claims::{Audiences, audiences};
use super::{buildkite, github};
use crate::environment::Environment;

/// Variables that hold a token; GitLab's `id_tokens` set them.
pub const VARIABLES: [&str; 2] = ["PORTCULLIS_TOKEN", "PORTCULLIS_ID_TOKEN"];
/// The variable that holds the audience.
pub const AUDIENCE_VARIABLE: &str = "PORTCULLIS_AUDIENCE";
/// CircleCI's own token. Its audience is the organization unless that was changed.
const CIRCLECI_VARIABLE: &str = "CIRCLE_OIDC_TOKEN_V2";

/// Whom a token is for: one account's runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience(String);

impl Audience {
    /// 1 to 255 visible ASCII characters. A fleet may name its audiences itself, so no more is asked.
    ///
    /// # Errors
    /// `PC-0001`.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.starts_with('-')
        {
            return Ok(Audience(text.to_owned()));
        }
        Err(Fault::new(Code::USAGE, format!("{} is no audience", quoted(text)))
            .remedy("Give `--audience portcullis:<fleet>/<account>`."))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The caller's tokens. Not shown by `Debug`: there is none.
pub struct Tokens {
    source: Source,
    audience: Option<Audience>,
}

enum Source {
    /// One token, and where it was found.
    Given(String, String),
    /// GitHub Actions makes one for each request.
    Github(github::Endpoint),
    /// Buildkite's agent makes one for each request.
    Buildkite(buildkite::Agent),
}

impl Tokens {
    /// Finds out where tokens come from. Nothing is asked for yet.
    ///
    /// # Errors
    /// `PC-0003`, with every place that was looked at.
    pub fn find(file: Option<&Path>, audience: Option<Audience>, environment: &Environment) -> Result<Self, Fault> {
        let source = source(file, audience.as_ref(), environment)?;
        Ok(Tokens { source, audience })
    }

    /// A token. Where the CI system makes them, a new one each time.
    ///
    /// # Errors
    /// `PC-0003` when it cannot be had, or is for somebody else than the audience that was given.
    pub async fn token(&self) -> Result<String, Fault> {
        let (token, place) = match &self.source {
            Source::Given(token, place) => (token.clone(), place.as_str()),
            Source::Github(endpoint) => (endpoint.token().await?, "GitHub Actions"),
            Source::Buildkite(agent) => (agent.token().await?, "Buildkite"),
        };
        let token = checked(&token, place)?;
        if let Some(audience) = &self.audience {
            is_for(token, audience, place)?;
        }
        Ok(token.to_owned())
    }

    /// Whether asking again gives another token.
    pub fn are_renewed(&self) -> bool {
        !matches!(self.source, Source::Given(..))
    }
}

fn source(file: Option<&Path>, audience: Option<&Audience>, environment: &Environment) -> Result<Source, Fault> {
    if let Some(path) = file {
        return Ok(Source::Given(read(path)?, format!("the token file {}", path.display())));
    }
    for name in VARIABLES {
        if let Some(token) = environment.get(name) {
            return Ok(Source::Given(token.to_owned(), format!("the variable {name}")));
        }
    }
    let for_whom = |system: &str| {
        audience.cloned().ok_or_else(|| {
            Fault::new(Code::NO_TOKEN, format!("{system} gives tokens, but it is not said whom one is to be for"))
                .remedy(format!("Give `--audience portcullis:<fleet>/<account>`, or set {AUDIENCE_VARIABLE}."))
        })
    };
    if let Some(found) = github::Endpoint::find(environment) {
        return Ok(Source::Github(found?.with_audience(&for_whom("GitHub Actions")?)));
    }
    if buildkite::Agent::is_here(environment) {
        return Ok(Source::Buildkite(buildkite::Agent::new(for_whom("Buildkite")?)));
    }
    if let Some(token) = environment.get(CIRCLECI_VARIABLE) {
        let audience = for_whom("CircleCI")?;
        if audiences(token) == Audiences::Named(vec![audience.as_str().to_owned()]) {
            return Ok(Source::Given(token.to_owned(), format!("the variable {CIRCLECI_VARIABLE}")));
        }
        return Err(Fault::new(
            Code::NO_TOKEN,
            format!("CircleCI's {CIRCLECI_VARIABLE} is for another audience than {audience}"),
        )
        .remedy(format!(
            "Ask CircleCI for one that is: `export PORTCULLIS_TOKEN=$(circleci run oidc get --claims \
             '{{\"aud\": \"{audience}\"}}')`."
        )));
    }
    Err(none(environment))
}

/// No place has a token: what was looked at, and what to do where the command line runs.
fn none(environment: &Environment) -> Fault {
    let is = |name: &str| environment.get(name).is_some();
    let remedy = if is("GITHUB_ACTIONS") {
        "Give the job `permissions: {id-token: write}`; a job of a pull request from a fork cannot have it."
    } else if is("GITLAB_CI") {
        "Give the job `id_tokens: {PORTCULLIS_TOKEN: {aud: \"portcullis:<fleet>/<account>\"}}`."
    } else {
        "Give `--token-file FILE`, or set PORTCULLIS_TOKEN."
    };
    Fault::new(Code::NO_TOKEN, "there is no token to authenticate with")
        .note("`--token-file` is not given")
        .note(format!("{} and {} are not set", VARIABLES[0], VARIABLES[1]))
        .note(format!("GitHub Actions: {} and {} are not both set", github::URL_VARIABLE, github::SECRET_VARIABLE))
        .note(format!("Buildkite: {} is not set", buildkite::VARIABLE))
        .note(format!("CircleCI: {CIRCLECI_VARIABLE} is not set"))
        .remedy(remedy)
}

fn read(path: &Path) -> Result<String, Fault> {
    let failed = |error: std::io::Error| {
        Fault::new(Code::NO_TOKEN, format!("the token file {}: {error}", path.display()))
            .remedy("Name a file that holds the OIDC token and nothing else.")
    };
    let mut text = String::new();
    // One byte more than is allowed with a line end, so that `checked` sees what is too long.
    let limit = TOKEN_MAX_BYTES as u64 + 3;
    std::fs::File::open(path).map_err(failed)?.take(limit).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// The token without white space around it, if it is something that can be a token.
fn checked<'a>(text: &'a str, place: &str) -> Result<&'a str, Fault> {
    let token = text.trim();
    let refuse = |why: String| {
        Err(Fault::new(Code::NO_TOKEN, format!("{place} holds no token: {why}"))
            .remedy("It has to hold the OIDC token and nothing else."))
    };
    if token.is_empty() {
        return refuse("it is empty".to_owned());
    }
    if token.len() > TOKEN_MAX_BYTES {
        return refuse(format!("it is longer than {TOKEN_MAX_BYTES} bytes"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refuse("it has characters in it that no token has".to_owned());
    }
    Ok(token)
}

/// A token for somebody else is not sent: whoever gets it could use it there.
fn is_for(token: &str, audience: &Audience, place: &str) -> Result<(), Fault> {
    let named = match audiences(token) {
        Audiences::Opaque => return Ok(()),
        Audiences::Named(names) => names,
    };
    if named.iter().map(String::as_str).eq([audience.as_str()]) {
        return Ok(());
    }
    let named = if named.is_empty() {
        "nobody".to_owned()
    } else {
        named.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
    };
    Err(Fault::new(Code::NO_TOKEN, format!("the token of {place} is for {named}, not for \"{audience}\" alone"))
        .remedy("Ask for a token whose only audience is this one. It was not sent."))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const FOR: &str = "portcullis:acme/dev";

    fn jwt(audience: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(format!("{{\"aud\":\"{audience}\"}}")))
    }

    async fn token(file: Option<&Path>, audience: Option<&str>, variables: &[(&str, &str)]) -> Result<String, Fault> {
        let environment: Environment = variables.iter().copied().collect();
        let audience = audience.map(|text| Audience::parse(text).unwrap());
        Tokens::find(file, audience, &environment)?.token().await
    }

    #[tokio::test]
    async fn the_file_comes_before_the_variables_and_they_before_the_ci_system() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "d.e.f\n").unwrap();
        let all = [("PORTCULLIS_ID_TOKEN", "1.1.1"), ("PORTCULLIS_TOKEN", "2.2.2"), ("BUILDKITE_JOB_ID", "x")];
        assert_eq!(token(Some(file.path()), None, &all).await.unwrap(), "d.e.f");
        assert_eq!(token(None, None, &all).await.unwrap(), "2.2.2");
        assert_eq!(token(None, None, &all[..1]).await.unwrap(), "1.1.1");
    }

    #[tokio::test]
    async fn without_a_token_every_place_is_named() {
        let fault = token(None, None, &[]).await.unwrap_err();
        let text = anstream::adapter::strip_str(&crate::render::fault::text(&fault)).to_string();
        insta::assert_snapshot!(text, @r"
        error: there is no token to authenticate with [PC-0003]
          note: `--token-file` is not given
          note: PORTCULLIS_TOKEN and PORTCULLIS_ID_TOKEN are not set
          note: GitHub Actions: ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN are not both set
          note: Buildkite: BUILDKITE_JOB_ID is not set
          note: CircleCI: CIRCLE_OIDC_TOKEN_V2 is not set
          help: Give `--token-file FILE`, or set PORTCULLIS_TOKEN.
        ");
        let github = token(None, None, &[("GITHUB_ACTIONS", "true")]).await.unwrap_err();
        assert!(github.remedy_text().unwrap().contains("id-token: write"));
        let gitlab = token(None, None, &[("GITLAB_CI", "true")]).await.unwrap_err();
        assert!(gitlab.remedy_text().unwrap().contains("id_tokens"));
    }

    #[tokio::test]
    async fn a_ci_system_is_not_asked_without_an_audience() {
        let github = [(github::URL_VARIABLE, "https://a.example/x?y=1"), (github::SECRET_VARIABLE, "s")];
        for variables in [&github[..], &[("BUILDKITE_JOB_ID", "x")], &[(CIRCLECI_VARIABLE, "a.b.c")]] {
            let fault = token(None, None, variables).await.unwrap_err();
            assert_eq!(fault.code(), Code::NO_TOKEN);
            assert!(fault.remedy_text().unwrap().contains("--audience"), "{fault}");
        }
    }

    #[tokio::test]
    async fn circleci_s_token_is_used_if_it_is_for_the_runner() {
        let good = jwt(FOR);
        assert_eq!(token(None, Some(FOR), &[(CIRCLECI_VARIABLE, &good)]).await.unwrap(), good);
        let fault = token(None, Some(FOR), &[(CIRCLECI_VARIABLE, &jwt("an-organization"))]).await.unwrap_err();
        assert!(fault.remedy_text().unwrap().contains("circleci run oidc get"), "{fault}");
    }

    #[tokio::test]
    async fn a_token_for_somebody_else_is_not_sent() {
        let other = jwt("sts.amazonaws.com");
        let fault = token(None, Some(FOR), &[("PORTCULLIS_TOKEN", &other)]).await.unwrap_err();
        assert_eq!(fault.code(), Code::NO_TOKEN);
        assert!(fault.message().contains("sts.amazonaws.com") && !fault.message().contains(&other), "{fault}");
        // A run's read token is for a run, and says nothing of itself.
        assert_eq!(token(None, Some(FOR), &[("PORTCULLIS_TOKEN", "pcr_x")]).await.unwrap(), "pcr_x");
    }

    #[tokio::test]
    async fn what_can_be_no_token_is_refused_without_showing_it() {
        let long = "x".repeat(TOKEN_MAX_BYTES + 1);
        for bad in [" ", "a b", "a\nb", "ü.ü.ü", long.as_str()] {
            let fault = token(None, None, &[("PORTCULLIS_TOKEN", bad)]).await.unwrap_err();
            assert_eq!(fault.code(), Code::NO_TOKEN);
            assert!(bad.trim().is_empty() || !fault.message().contains(bad.trim()), "{fault}");
        }
    }

    #[test]
    fn an_audience_is_visible_text() {
        assert!(Audience::parse(FOR).is_ok());
        for bad in ["", "a b", "a\n", "ü", "-x", &"x".repeat(256)] {
            assert_eq!(Audience::parse(bad).unwrap_err().code(), Code::USAGE, "{bad}");
        }
    }
}
