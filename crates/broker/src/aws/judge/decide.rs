//! The decision: every need of a request has to be allowed, each by a rule that has a name.
//!
//! | rule | in | allows |
//! |---|---|---|
//! | `state` | plan, apply, outputs | the task's own states and their locks; writing a state while applying only |
//! | `reads` | plan, apply | reads and lists that show no secret |
//! | a grant, by its name | its phases; never a write while planning | what it says |
//! | `roles` | plan, apply, build | assuming a role that is listed |
//!
//! | rule | denies |
//! |---|---|
//! | `phase` | everything while fetching; what is no state while outputs are read; writes while planning |
//! | `sessions` | answers with credentials of AWS |
//! | `roles` | a role that is not listed |
//! | `regions` | a region that is not listed |
//! | `buckets` | a read of a bucket that is not listed |
//! | `foreign` | a read of what another account has, by its ARN |
//! | `secrets` | answers with secrets or data that no grant names |
//! | `unlisted` | an operation whose level nobody has published, unless a grant names it |
//! | `grants` | what no grant covers |

use std::collections::BTreeSet;

use super::rights::{Phase, Rights, State};
use super::sensitive::{self, Sensitive};
use crate::aws::table::{Level, Need, Recognised, Region, Resource};

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may be made.
    Allow {
        /// The rules that allow it.
        rule: String,
    },
    /// It may not.
    Deny {
        /// The rule that denies it.
        rule: &'static str,
        /// Why, for people.
        why: String,
    },
}

/// Decides about a request.
pub fn decide(rights: &Rights, request: &Recognised) -> Decision {
    let mut rules = BTreeSet::new();
    for need in &request.needs {
        match allow(rights, request, need) {
            Ok(rule) => rules.insert(rule),
            Err((rule, remedy)) => return Decision::Deny { rule, why: why(rights, need, rule, &remedy) },
        };
    }
    // Nothing asked is nothing allowed.
    if rules.is_empty() {
        return Decision::Deny { rule: "grants", why: "the request asks for nothing that is known".into() };
    }
    Decision::Allow { rule: rules.into_iter().collect::<Vec<_>>().join(", ") }
}

type Denied = (&'static str, String);

fn allow(rights: &Rights, request: &Recognised, need: &Need) -> Result<String, Denied> {
    let denied = |rule: &'static str, remedy: &str| Err((rule, remedy.to_string()));
    if rights.phase == Phase::Fetch {
        return denied("phase", "nothing of AWS is needed to fetch providers and modules");
    }
    let (service, action) = need.action.split_once(':').unwrap_or_default();
    let name = format!("{service}:{}", if need.operation.is_empty() { action } else { need.operation });
    let sensitive = sensitive::of(&name, need.decrypts);
    if sensitive == Sensitive::Session {
        return denied("sessions", "its answer would bring credentials of AWS into the sandbox");
    }
    if let Region::Named(region) = &request.region
        && !rights.regions.contains(region)
    {
        return Err(("regions", format!("{region} is not among the account's regions")));
    }
    if sensitive == Sensitive::Role {
        return assume(rights, need);
    }
    if rights.states.iter().any(|state| is_of_state(rights.phase, state, need)) {
        return Ok("state".into());
    }
    if rights.phase == Phase::Outputs {
        return denied("phase", "only the state is read in this phase");
    }
    let is_read = matches!(need.level, Level::Read | Level::List);
    let is_secret = sensitive == Sensitive::Secret;
    // `kms:Decrypt` and its like are writes to AWS's reference, and read.
    let changes = if is_secret { creates(&name) } else { !is_read && need.level != Level::Unlisted };
    if rights.phase == Phase::Plan && changes {
        return denied("phase", "nothing is changed while planning");
    }
    let mut own = Ok(());
    if is_read && !is_secret && rights.phase != Phase::Build {
        own = rights.is_own(need);
        if own.is_ok() {
            return Ok("reads".into());
        }
    }
    // What has no level could be a write.
    let planning_unlisted = rights.phase == Phase::Plan && need.level == Level::Unlisted && !is_secret;
    let grant = rights.grants.iter().find(|grant| grant.covers(rights.phase, &rights.account, need, is_secret));
    match grant {
        Some(_) if planning_unlisted => denied("unlisted", "whether it changes something is not known"),
        Some(grant) => Ok(grant.name.clone()),
        None if own == Err("buckets") => {
            denied("buckets", "the bucket is not among those that the fleet definition lists")
        }
        None if own == Err("foreign") => denied("foreign", "it is another account's, and no grant covers it"),
        None if is_secret => denied("secrets", "a grant has to name it, or the service's `secrets`"),
        None if need.level == Level::Unlisted => denied("unlisted", "a grant has to name it"),
        None => denied("grants", "no grant of the fleet definition covers it"),
    }
}

/// Operations that make the secret that they answer with.
fn creates(name: &str) -> bool {
    name.starts_with("iam:") || name.starts_with("mediapackage:") || name == "dynamodb:ExecuteStatement"
}

fn assume(rights: &Rights, need: &Need) -> Result<String, Denied> {
    let named = match &need.resource {
        Resource::Named(names) => names.as_slice(),
        Resource::Unnamed => &[],
    };
    let listed = !named.is_empty() && named.iter().all(|role| rights.roles.contains(role));
    match rights.phase {
        Phase::Plan | Phase::Apply | Phase::Build if listed => Ok("roles".into()),
        _ => Err(("roles", "the role is not among those that the fleet definition lists".into())),
    }
}

/// Whether a need is what Terraform's S3 backend does with this state.
fn is_of_state(phase: Phase, state: &State, need: &Need) -> bool {
    let named = |name: &str| matches!(&need.resource, Resource::Named(names) if names.len() == 1 && names.iter().all(|n| n == name));
    let object = format!("{}/{}", state.bucket, state.key);
    let writes_state = phase == Phase::Apply;
    let locks = matches!(phase, Phase::Plan | Phase::Apply);
    let asks = |actions: &[&str]| actions.contains(&need.action.as_str());
    if named(&object) {
        return asks(&["s3:GetObject"]) || (writes_state && asks(&["s3:PutObject"]));
    }
    if named(&format!("{object}.tflock")) {
        return locks && asks(&["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]);
    }
    if named(&state.bucket) {
        return asks(&["s3:ListBucket"]);
    }
    let Some(table) = &state.lock_table else { return false };
    let Some(lock) = need.lock.as_deref().filter(|_| named(table)) else { return false };
    if lock == object {
        return locks && asks(&["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"]);
    }
    // The state's digest.
    lock.strip_suffix("-md5") == Some(&object)
        && (asks(&["dynamodb:GetItem"]) || (writes_state && asks(&["dynamodb:PutItem"])))
}

fn why(rights: &Rights, need: &Need, rule: &str, remedy: &str) -> String {
    let on = need.resource.shown().map(|name| format!(" on {}", crate::record::shown(&name))).unwrap_or_default();
    format!("{}{on} is not allowed while {}: {remedy} (rule `{rule}`)", need.action, rights.phase)
}

#[cfg(test)]
mod tests {
    use super::super::rights::{Actions, Grant};
    use super::*;
    use crate::aws::table::Protocol;

    fn rights(phase: Phase) -> Rights {
        let grant = |name: &str, phases: &[Phase], actions: &[&str], resources: &[&str]| Grant {
            name: name.into(),
            phases: phases.iter().copied().collect(),
            actions: actions.iter().map(|text| Actions::parse(text).unwrap()).collect(),
            resources: resources.iter().map(|name| (*name).to_string()).collect(),
        };
        Rights {
            phase,
            account: "111111111111".into(),
            regions: BTreeSet::from(["eu-west-1".to_string()]),
            buckets: vec!["acme-*".into(), "site".into()],
            states: vec![State { bucket: "states".into(), key: "dev/vpc".into(), lock_table: Some("locks".into()) }],
            grants: vec![
                grant("network", &[Phase::Apply, Phase::Plan], &["ec2:*", "iam:CreateAccessKey"], &[]),
                grant("objects", &[Phase::Apply, Phase::Build], &["s3:PutObject", "s3:GetObject"], &["site/*"]),
                grant(
                    "parameters",
                    &[Phase::Plan],
                    &["ssm:secrets", "kms:Decrypt", "xray:New", "dynamodb:secrets"],
                    &[],
                ),
            ],
            roles: BTreeSet::from(["arn:aws:iam::111111111111:role/dns".to_string()]),
        }
    }

    fn need(action: &str, level: Level, resource: &str) -> Need {
        Need {
            operation: "",
            action: action.into(),
            level,
            resource: if resource.is_empty() { Resource::Unnamed } else { Resource::Named(vec![resource.into()]) },
            decrypts: true,
            lock: None,
        }
    }

    fn ask_in(region: Region, phase: Phase, needs: Vec<Need>) -> Decision {
        let request =
            Recognised { service: "s".into(), region, operation: "O".into(), protocol: Protocol::Json, needs };
        decide(&rights(phase), &request)
    }

    /// The rule, with `!` in front if it denies.
    fn rule(phase: Phase, need: Need) -> String {
        match ask_in(Region::Named("eu-west-1".into()), phase, vec![need]) {
            Decision::Allow { rule } => rule,
            Decision::Deny { rule, why } => {
                assert!(why.contains(rule), "{why}");
                format!("!{rule}")
            }
        }
    }

    #[test]
    fn each_phase_allows_what_its_rules_say() {
        use Level::{List, Permissions, Read, Tagging, Unlisted, Write};
        // Fetch, plan, apply, build, outputs.
        for (need, rules) in [
            (need("ec2:DescribeVpcs", List, ""), ["!phase", "reads", "reads", "!grants", "!phase"]),
            (need("ec2:CreateVpc", Write, ""), ["!phase", "!phase", "network", "!grants", "!phase"]),
            (need("ec2:CreateTags", Tagging, ""), ["!phase", "!phase", "network", "!grants", "!phase"]),
            (need("iam:PutRolePolicy", Permissions, ""), ["!phase", "!phase", "!grants", "!grants", "!phase"]),
            (need("ec2:New", Unlisted, ""), ["!phase", "!unlisted", "!unlisted", "!unlisted", "!phase"]),
            (need("xray:New", Unlisted, ""), ["!phase", "!unlisted", "!unlisted", "!unlisted", "!phase"]),
            (need("ec2:GetPasswordData", Read, ""), ["!phase", "!secrets", "!secrets", "!secrets", "!phase"]),
            (need("iam:CreateAccessKey", Write, ""), ["!phase", "!phase", "network", "!secrets", "!phase"]),
            (need("ssm:GetParameter", Read, "p"), ["!phase", "parameters", "!secrets", "!secrets", "!phase"]),
            (need("kms:Decrypt", Write, ""), ["!phase", "parameters", "!secrets", "!secrets", "!phase"]),
            (need("dynamodb:GetItem", Read, "t"), ["!phase", "parameters", "!secrets", "!secrets", "!phase"]),
            (need("dynamodb:ExecuteStatement", Unlisted, ""), ["!phase", "!phase", "!secrets", "!secrets", "!phase"]),
            (need("s3:GetObject", Read, "site/a"), ["!phase", "!secrets", "objects", "objects", "!phase"]),
            (need("s3:GetObject", Read, "other/a"), ["!phase", "!secrets", "!secrets", "!secrets", "!phase"]),
            (need("s3:PutObject", Write, ""), ["!phase", "!phase", "!grants", "!grants", "!phase"]),
            (need("sts:GetSessionToken", Read, ""), ["!phase", "!sessions", "!sessions", "!sessions", "!sessions"]),
            (
                need("sts:AssumeRole", Write, "arn:aws:iam::111111111111:role/dns"),
                ["!phase", "roles", "roles", "roles", "!roles"],
            ),
            (
                need("sts:AssumeRole", Write, "arn:aws:iam::111111111111:role/admin"),
                ["!phase", "!roles", "!roles", "!roles", "!roles"],
            ),
            (need("sts:AssumeRole", Write, ""), ["!phase", "!roles", "!roles", "!roles", "!roles"]),
        ] {
            let phases = [Phase::Fetch, Phase::Plan, Phase::Apply, Phase::Build, Phase::Outputs];
            for (phase, wanted) in phases.into_iter().zip(rules) {
                assert_eq!(rule(phase, need.clone()), wanted, "{} {phase:?}", need.action);
            }
        }
    }

    #[test]
    fn a_state_is_read_locked_and_written_in_its_phase() {
        let s3 = |action: &str, level, name: &str| need(action, level, name);
        let item = |action: &str, level, lock: &str| Need { lock: Some(lock.into()), ..need(action, level, "locks") };
        use Level::{Read, Write};
        // Plan, apply, outputs.
        for (need, rules) in [
            (s3("s3:GetObject", Read, "states/dev/vpc"), ["state", "state", "state"]),
            (s3("s3:PutObject", Write, "states/dev/vpc"), ["!phase", "state", "!phase"]),
            (s3("s3:DeleteObject", Write, "states/dev/vpc"), ["!phase", "!grants", "!phase"]),
            (s3("s3:PutObject", Write, "states/dev/vpc.tflock"), ["state", "state", "!phase"]),
            (s3("s3:DeleteObject", Write, "states/dev/vpc.tflock"), ["state", "state", "!phase"]),
            (s3("s3:GetObject", Read, "states/prod/vpc"), ["!secrets", "!secrets", "!phase"]),
            (s3("s3:PutObject", Write, "states/prod/vpc.tflock"), ["!phase", "!grants", "!phase"]),
            (s3("s3:PutObjectAcl", Level::Permissions, "states/dev/vpc"), ["!phase", "!grants", "!phase"]),
            (s3("s3:DeleteObjectVersion", Write, "states/dev/vpc.tflock"), ["!phase", "!grants", "!phase"]),
            (item("dynamodb:PutItem", Write, "states/dev/vpc"), ["state", "state", "!phase"]),
            (item("dynamodb:PutItem", Write, "states/dev/vpc-md5"), ["!phase", "state", "!phase"]),
            (item("dynamodb:GetItem", Read, "states/dev/vpc-md5"), ["state", "state", "state"]),
            (item("dynamodb:DeleteItem", Write, "states/prod/vpc"), ["!phase", "!grants", "!phase"]),
            (s3("dynamodb:PutItem", Write, "locks"), ["!phase", "!grants", "!phase"]),
        ] {
            for (phase, wanted) in [Phase::Plan, Phase::Apply, Phase::Outputs].into_iter().zip(rules) {
                assert_eq!(rule(phase, need.clone()), wanted, "{} {:?} {phase:?}", need.action, need.resource);
            }
        }
    }

    #[test]
    fn everything_that_a_request_needs_has_to_be_allowed() {
        let read = need("ec2:DescribeVpcs", Level::List, "");
        let secret = need("s3:GetObject", Level::Read, "other/a");
        let here = || Region::Named("eu-west-1".into());
        assert_eq!(ask_in(here(), Phase::Plan, vec![read.clone()]), Decision::Allow { rule: "reads".into() });
        assert!(matches!(
            ask_in(here(), Phase::Plan, vec![read.clone(), secret]),
            Decision::Deny { rule: "secrets", .. }
        ));
        assert!(matches!(ask_in(here(), Phase::Plan, Vec::new()), Decision::Deny { .. }));
        let there = Region::Named("us-east-1".into());
        assert!(matches!(ask_in(there, Phase::Plan, vec![read.clone()]), Decision::Deny { rule: "regions", .. }));
        assert!(matches!(ask_in(Region::Global, Phase::Plan, vec![read]), Decision::Allow { .. }));
    }

    /// A read tells its owner what it asks for.
    #[test]
    fn what_is_read_is_the_account_s_own() {
        let list = |name| need("s3:ListBucket", Level::List, name);
        assert_eq!(rule(Phase::Plan, list("acme-logs")), "reads");
        assert_eq!(rule(Phase::Plan, list("states")), "state");
        assert_eq!(rule(Phase::Plan, list("acm")), "!buckets");
        assert_eq!(rule(Phase::Apply, list("evil")), "!buckets");
        assert_eq!(rule(Phase::Plan, need("s3:ListAllMyBuckets", Level::List, "")), "reads");
        let own = "arn:aws:sns:eu-west-1:111111111111:t";
        assert_eq!(rule(Phase::Plan, need("sns:GetTopicAttributes", Level::Read, own)), "reads");
        assert_eq!(
            rule(Phase::Plan, need("iam:GetPolicy", Level::Read, "arn:aws:iam::aws:policy/ReadOnlyAccess")),
            "reads"
        );
        for foreign in ["arn:aws:sns:eu-west-1:222222222222:t", "https://sqs.eu-west-1.amazonaws.com/222222222222/q"] {
            assert_eq!(rule(Phase::Plan, need("sns:GetTopicAttributes", Level::Read, foreign)), "!foreign");
        }
        let granted = "arn:aws:ec2:eu-west-1:222222222222:vpc/v";
        assert_eq!(rule(Phase::Plan, need("ec2:DescribeVpcs", Level::List, granted)), "network");
    }

    #[test]
    fn a_head_of_an_object_shows_no_content() {
        let head = |name| Need { operation: "HeadObject", ..need("s3:GetObject", Level::Read, name) };
        assert_eq!(rule(Phase::Plan, head("acme-x/a")), "reads");
        assert_eq!(rule(Phase::Plan, head("evil/the-secret")), "!buckets");
        let clear = Need { decrypts: false, ..need("ssm:GetParameter", Level::Read, "p") };
        assert_eq!(rule(Phase::Apply, clear), "reads");
    }
}
