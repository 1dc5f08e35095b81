//! What is known of issuers: which of their claims are numbers that nobody else can get, and how a token of code that
//! nobody has merged differs from one of what was merged.
//!
//! Sources: the OpenID Connect references of GitHub Actions, GitLab CI, Buildkite, CircleCI and Bitbucket Pipelines.

use std::collections::BTreeMap;

use portcullis_model::BranchName;

/// A CI service whose tokens are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// GitHub Actions.
    Github,
    /// GitLab CI.
    Gitlab,
    /// Buildkite.
    Buildkite,
    /// CircleCI.
    Circleci,
    /// Bitbucket Pipelines.
    Bitbucket,
}

/// A claim that a token of merged code must be bound to, and what it may be.
struct Bound {
    claim: &'static str,
    allowed: Allowed,
}

enum Allowed {
    /// A protected branch, with this before its name.
    Branch(&'static str),
    /// One of these.
    Of(&'static [&'static str]),
}

/// GitHub's events that run what is on the branch that `ref` names. Not `pull_request_target`, `issue_comment` and
/// `workflow_run`: their `ref` is the default branch, while a stranger decides when and about what they run.
const GITHUB_EVENTS: &[&str] = &["push", "workflow_dispatch", "schedule", "repository_dispatch"];
/// GitLab's sources of pipelines that run what is on the branch. Not `merge_request_event`: a fork's branch may be
/// called `main` as well. Not `parent_pipeline`, which says nothing of its parent.
const GITLAB_SOURCES: &[&str] = &["push", "web", "schedule", "api", "trigger"];

impl Preset {
    /// All.
    pub const ALL: [Preset; 5] =
        [Preset::Github, Preset::Gitlab, Preset::Buildkite, Preset::Circleci, Preset::Bitbucket];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Preset::Github => "github",
            Preset::Gitlab => "gitlab",
            Preset::Buildkite => "buildkite",
            Preset::Circleci => "circleci",
            Preset::Bitbucket => "bitbucket",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == name)
    }

    /// By the address of the service itself. A server of one's own has an address of its own: there the definition
    /// says it.
    pub(crate) fn of_issuer(issuer: &str) -> Option<Self> {
        let is = |base: &str| issuer.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is("https://token.actions.githubusercontent.com") {
            Some(Preset::Github)
        } else if is("https://gitlab.com") {
            Some(Preset::Gitlab)
        } else if is("https://agent.buildkite.com") {
            Some(Preset::Buildkite)
        } else if is("https://oidc.circleci.com") {
            Some(Preset::Circleci)
        } else if is("https://api.bitbucket.org/2.0/workspaces") {
            Some(Preset::Bitbucket)
        } else {
            None
        }
    }

    /// Claims of which one must be given: an id that is not handed to somebody else. A principal without any is
    /// everybody who uses the service.
    pub(crate) fn ids(self) -> &'static [&'static str] {
        match self {
            Preset::Github => &["repository_id", "repository_owner_id", "enterprise_id"],
            Preset::Gitlab => &["project_id", "namespace_id"],
            Preset::Buildkite => &["pipeline_id", "organization_id"],
            Preset::Circleci => &["oidc.circleci.com/project-id"],
            Preset::Bitbucket => &["repositoryUuid"],
        }
    }

    /// The claim that names one repository. Whoever may apply is bound to it.
    fn repository(self) -> &'static str {
        match self {
            Preset::Github => "repository_id",
            Preset::Gitlab => "project_id",
            Preset::Buildkite => "pipeline_id",
            Preset::Circleci => "oidc.circleci.com/project-id",
            Preset::Bitbucket => "repositoryUuid",
        }
    }

    fn bounds(self) -> Vec<Bound> {
        let bound = |claim, allowed| Bound { claim, allowed };
        match self {
            Preset::Github => {
                vec![bound("ref", Allowed::Branch("refs/heads/")), bound("event_name", Allowed::Of(GITHUB_EVENTS))]
            }
            Preset::Gitlab => vec![
                bound("ref", Allowed::Branch("")),
                bound("ref_type", Allowed::Of(&["branch"])),
                bound("ref_protected", Allowed::Of(&["true"])),
                bound("pipeline_source", Allowed::Of(GITLAB_SOURCES)),
            ],
            Preset::Buildkite => vec![bound("build_branch", Allowed::Branch(""))],
            Preset::Circleci => vec![bound("oidc.circleci.com/vcs-ref", Allowed::Branch("refs/heads/"))],
            Preset::Bitbucket => vec![bound("branchName", Allowed::Branch(""))],
        }
    }

    /// What lets somebody who only proposes a change get a token with these claims; `None`: nothing does.
    pub(crate) fn open_to_proposals(
        self,
        claims: &BTreeMap<String, Vec<String>>,
        protected: &[BranchName],
    ) -> Option<(String, String)> {
        self.no_repository(claims).or_else(|| unbound(self.bounds(), claims, protected))
    }

    /// The same for a token that is bound to an environment: its rules say who gets in, if it is this repository's, and if
    /// it has any.
    pub(crate) fn open_environment(self, claims: &BTreeMap<String, Vec<String>>) -> Option<(String, String)> {
        let bounds = match self {
            // A job may name any environment. Only a protected one lets nobody but some people in.
            Preset::Gitlab => vec![Bound { claim: "environment_protected", allowed: Allowed::Of(&["true"]) }],
            // GitHub's tokens do not say whether an environment has rules.
            Preset::Github | Preset::Buildkite | Preset::Circleci | Preset::Bitbucket => Vec::new(),
        };
        self.no_repository(claims).or_else(|| unbound(bounds, claims, &[]))
    }

    fn no_repository(self, claims: &BTreeMap<String, Vec<String>>) -> Option<(String, String)> {
        let repository = self.repository();
        let why = format!("its claims do not name one repository (`{repository}`)");
        (!claims.contains_key(repository)).then(|| (why, format!("Add `{repository} = \"…\"` to its claims.")))
    }
}

/// The first claim that may be something else than it is bound to.
fn unbound(
    bounds: Vec<Bound>,
    claims: &BTreeMap<String, Vec<String>>,
    protected: &[BranchName],
) -> Option<(String, String)> {
    bounds.into_iter().find_map(|Bound { claim, allowed }| {
        let allowed: Vec<String> = match allowed {
            Allowed::Branch(before) => protected.iter().map(|branch| format!("{before}{branch}")).collect(),
            Allowed::Of(texts) => texts.iter().map(|text| (*text).to_owned()).collect(),
        };
        let list = allowed.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ");
        let remedy = format!("Give `{claim}` in its claims: of {list}.");
        match claims.get(claim) {
            None => Some((format!("its claims leave `{claim}` open"), remedy)),
            Some(values) => {
                let other = values.iter().find(|value| !allowed.contains(value))?;
                Some((format!("its claims let `{claim}` be `{other}`"), remedy))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(preset: Preset, claims: &[(&str, &[&str])]) -> Option<String> {
        let claims = claims.iter().map(|(name, values)| {
            ((*name).to_owned(), values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
        });
        preset.open_to_proposals(&claims.collect(), &[BranchName::parse("main").unwrap()]).map(|(why, _)| why)
    }

    #[test]
    fn a_token_of_merged_code_is_told_from_one_of_a_proposal() {
        let github: &[(&str, &[&str])] =
            &[("repository_id", &["1"]), ("ref", &["refs/heads/main"]), ("event_name", &["push"])];
        assert_eq!(open(Preset::Github, github), None);
        for (at, claim, why) in [
            (0, ("repository_owner_id", &["1"] as &[&str]), "do not name one repository"),
            (1, ("ref", &["refs/heads/main", "refs/heads/topic"]), "`ref` be `refs/heads/topic`"),
            (1, ("ref", &["main"]), "`ref` be `main`"),
            (1, ("sub", &["x"]), "leave `ref` open"),
            (2, ("event_name", &["push", "pull_request_target"]), "`event_name` be `pull_request_target`"),
            (2, ("event_name", &["issue_comment"]), "`event_name` be `issue_comment`"),
            (2, ("actor_id", &["7"]), "leave `event_name` open"),
        ] {
            let mut claims = github.to_vec();
            claims[at] = claim;
            assert!(open(Preset::Github, &claims).is_some_and(|said| said.contains(why)), "{claims:?}");
        }
        let gitlab: &[(&str, &[&str])] = &[
            ("project_id", &["1"]),
            ("ref", &["main"]),
            ("ref_type", &["branch"]),
            ("ref_protected", &["true"]),
            ("pipeline_source", &["push", "web"]),
        ];
        assert_eq!(open(Preset::Gitlab, gitlab), None);
        for left_out in 0..gitlab.len() {
            let mut claims = gitlab.to_vec();
            claims.remove(left_out);
            assert!(open(Preset::Gitlab, &claims).is_some(), "{claims:?}");
        }
        let mut fork = gitlab.to_vec();
        fork[4] = ("pipeline_source", &["merge_request_event"]);
        assert!(open(Preset::Gitlab, &fork).is_some());
        assert_eq!(open(Preset::Buildkite, &[("pipeline_id", &["1"]), ("build_branch", &["main"])]), None);
        assert!(open(Preset::Buildkite, &[("pipeline_id", &["1"]), ("build_branch", &["topic"])]).is_some());
    }

    #[test]
    fn a_service_is_known_by_its_own_address_only() {
        assert_eq!(Preset::of_issuer("https://token.actions.githubusercontent.com"), Some(Preset::Github));
        assert_eq!(Preset::of_issuer("https://token.actions.githubusercontent.com/acme"), Some(Preset::Github));
        assert_eq!(Preset::of_issuer("https://token.actions.githubusercontent.com.evil.example"), None);
        assert_eq!(Preset::of_issuer("https://oidc.circleci.com/org/1"), Some(Preset::Circleci));
        assert_eq!(Preset::of_issuer("https://git.acme.example"), None);
        for preset in Preset::ALL {
            assert_eq!(Preset::from_name(preset.as_str()), Some(preset));
            assert!(preset.ids().contains(&preset.repository()));
        }
    }
}
