//! [`Rights`]: what a task may do in AWS. Plain data, made of the fleet definition by `app`.

use std::collections::BTreeSet;
use std::fmt;

use crate::aws::table::{Level, Need, Resource};

/// What a task is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Fetching providers and modules: nothing of AWS.
    Fetch,
    /// Planning: reads.
    Plan,
    /// Applying: reads, and what is granted.
    Apply,
    /// Building an image: what is granted.
    Build,
    /// Reading a state's outputs: that state.
    Outputs,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Fetch => "fetching",
            Phase::Plan => "planning",
            Phase::Apply => "applying",
            Phase::Build => "building",
            Phase::Outputs => "reading outputs",
        })
    }
}

impl From<portcullis_model::Phase> for Phase {
    fn from(phase: portcullis_model::Phase) -> Self {
        match phase {
            portcullis_model::Phase::Plan => Phase::Plan,
            portcullis_model::Phase::Apply => Phase::Apply,
            portcullis_model::Phase::Outputs => Phase::Outputs,
        }
    }
}

/// What a task may do.
#[derive(Debug, Clone)]
pub struct Rights {
    /// What it is doing.
    pub phase: Phase,
    /// The number of its account: a name without an account means one of this.
    pub account: String,
    /// The regions that it may use. Services without regions are not asked for theirs.
    pub regions: BTreeSet<String>,
    /// Buckets whose settings and listings may be read, with `*` at the end for any rest. A bucket's name does not tell
    /// whose it is, and its owner can log every request to it, also one that fails.
    pub buckets: Vec<String>,
    /// The states that it works on.
    pub states: Vec<State>,
    /// What the fleet grants.
    pub grants: Vec<Grant>,
    /// ARNs of the roles that it may assume.
    pub roles: BTreeSet<String>,
}

/// A state in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The bucket.
    pub bucket: String,
    /// The object.
    pub key: String,
    /// The table of DynamoDB in which it is locked; with a lock file it is none.
    pub lock_table: Option<String>,
}

/// One grant.
#[derive(Debug, Clone)]
pub struct Grant {
    /// What a decision by it names: `grant "network"`.
    pub name: String,
    /// In which phases.
    pub phases: BTreeSet<Phase>,
    /// What.
    pub actions: Vec<Actions>,
    /// On what: names or ARNs as requests write them, of S3 `bucket` or `bucket/key`; `*` at the end stands for any rest.
    /// Empty: on everything.
    pub resources: Vec<String>,
}

/// Actions of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actions {
    /// One, by IAM's name or the operation's: `s3:PutObject`.
    One(String),
    /// All of a level: `ec2:read`.
    Of(String, Level),
    /// All but secrets and what has no level: `ec2:*`.
    All(String),
    /// The reads of secrets: `ssm:secrets`.
    Secrets(String),
}

impl Actions {
    /// Reads `service:Action`, `service:*`, `service:secrets`, or `service:` with a level: `read`, `list`, `write`,
    /// `permissions`, `tagging`. The error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = |text: &str, dash: bool| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || (dash && b == b'-'))
        };
        let (service, what) = text
            .split_once(':')
            .filter(|(service, _)| name(service, true))
            .ok_or_else(|| format!("`{text}` is not `service:Action`, `service:level` or `service:*`"))?;
        Ok(match what {
            "*" => Actions::All(service.into()),
            "secrets" => Actions::Secrets(service.into()),
            "read" => Actions::Of(service.into(), Level::Read),
            "list" => Actions::Of(service.into(), Level::List),
            "write" => Actions::Of(service.into(), Level::Write),
            "permissions" => Actions::Of(service.into(), Level::Permissions),
            "tagging" => Actions::Of(service.into(), Level::Tagging),
            action if name(action, false) && action.starts_with(|c: char| c.is_ascii_uppercase()) => {
                Actions::One(text.into())
            }
            other => {
                return Err(format!(
                    "`{other}` is neither an action of {service} nor a level; there are no patterns within names"
                ));
            }
        })
    }

    fn cover(&self, need: &Need, is_secret: bool) -> bool {
        let (service, _) = need.action.split_once(':').unwrap_or_default();
        match self {
            Actions::One(action) => {
                *action == need.action
                    || action.split_once(':').is_some_and(|(s, name)| s == service && name == need.operation)
            }
            Actions::Of(own, level) => own == service && *level == need.level && !is_secret,
            Actions::All(own) => own == service && need.level != Level::Unlisted && !is_secret,
            Actions::Secrets(own) => own == service && is_secret,
        }
    }
}

impl Rights {
    /// Whether a read stays within what is the account's own, as far as a request shows.
    pub(super) fn is_own(&self, need: &Need) -> Result<(), &'static str> {
        let names = match &need.resource {
            Resource::Named(names) => names.as_slice(),
            Resource::Unnamed => &[],
        };
        let is_s3 = need.action.starts_with("s3:");
        for name in names {
            let bucket = name.split('/').next().unwrap_or_default();
            if is_s3 && !self.buckets.iter().any(|pattern| is_covered(pattern, bucket)) {
                return Err("buckets");
            }
            if owner_of(name).is_some_and(|owner| owner != self.account) {
                return Err("foreign");
            }
        }
        Ok(())
    }
}

/// The account that a name says it is of: of an ARN, or of a queue's address.
fn owner_of(name: &str) -> Option<&str> {
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    let owner = match parts.as_slice() {
        ["arn", _, _, _, owner, _] => owner,
        _ => name.strip_prefix("https://")?.split('/').nth(1)?,
    };
    Some(owner).filter(|owner| owner.len() == 12 && owner.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Grant {
    /// Whether it covers a need.
    pub(super) fn covers(&self, phase: Phase, account: &str, need: &Need, is_secret: bool) -> bool {
        self.phases.contains(&phase)
            && self.actions.iter().any(|actions| actions.cover(need, is_secret))
            && (self.resources.is_empty() || self.covers_all(account, &need.resource))
    }

    fn covers_all(&self, account: &str, resource: &Resource) -> bool {
        let Resource::Named(names) = resource else { return false };
        !names.is_empty()
            && names.iter().all(|name| {
                spellings(account, name)
                    .iter()
                    .any(|name| self.resources.iter().any(|pattern| is_covered(pattern, name)))
            })
    }
}

/// How a name of a request can be written in a grant: as it is, and an ARN of the task's own account by its last part.
fn spellings<'a>(account: &str, name: &'a str) -> Vec<&'a str> {
    let mut all = vec![name];
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    if let ["arn", _, _, _, owner, rest] = parts.as_slice()
        && *owner == account
    {
        all.push(rest.split_once([':', '/']).map_or(rest, |(_, name)| name));
    }
    all
}

fn is_covered(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_named_or_of_a_level() {
        assert_eq!(Actions::parse("s3:PutObject"), Ok(Actions::One("s3:PutObject".into())));
        assert_eq!(Actions::parse("ec2:*"), Ok(Actions::All("ec2".into())));
        assert_eq!(Actions::parse("ecr-public:list"), Ok(Actions::Of("ecr-public".into(), Level::List)));
        assert_eq!(Actions::parse("ssm:secrets"), Ok(Actions::Secrets("ssm".into())));
        for text in ["", "s3", "*", "*:*", "s3:", ":PutObject", "s3:Put*", "s3:reads", "s 3:PutObject", "s3:Put:Object"]
        {
            assert!(Actions::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_limited_grant_covers_all_names_of_a_request_or_nothing() {
        let grant = |resources: &[&str]| Grant {
            name: "g".into(),
            phases: BTreeSet::from([Phase::Plan]),
            actions: vec![Actions::Secrets("ssm".into())],
            resources: resources.iter().map(|name| (*name).to_string()).collect(),
        };
        let covers = |resources: &[&str], names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_string()).collect();
            grant(resources).covers_all("111111111111", &Resource::Named(names))
        };
        assert!(covers(&["/app/*"], &["/app/a", "/app/b"]));
        assert!(!covers(&["/app/*"], &["/app/a", "/other"]));
        assert!(!covers(&["/app/*"], &[]));
        assert!(!covers(&["/app"], &["/app/a"]));
        let secret = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:app/db-AbCdEf";
        assert!(covers(&["app/*"], &[secret]));
        assert!(covers(&[secret], &[secret]));
        assert!(!covers(&["app/*"], &["arn:aws:secretsmanager:eu-west-1:222222222222:secret:app/db-AbCdEf"]));
        assert!(!covers(&["app/db"], &[secret]), "another secret may be called app/db-AbCdEf");
        assert!(covers(&["alice"], &["arn:aws:iam::111111111111:user/alice"]));
        assert!(!grant(&["x"]).covers_all("1", &Resource::Unnamed));
    }
}
