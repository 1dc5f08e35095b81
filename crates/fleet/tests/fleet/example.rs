//! The example that is shipped must be right.

use std::fs;
use std::path::Path;

use portcullis_fleet::{Driver, Fleet};
use portcullis_model::record::Unreviewed;
use portcullis_model::{AccountName, ActionKind};

use crate::account;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/infrastructure-live")
}

pub fn load(change: impl Fn(&str, String) -> String) -> Fleet {
    let read =
        |path: &str| Ok(fs::read_to_string(folder().join(path)).ok().map(|text| change(path, text).into_bytes()));
    Fleet::load(&read).unwrap_or_else(|faults| {
        panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    })
}

#[test]
fn every_account_has_its_folder_its_number_and_its_audience() {
    let fleet = load(|_, text| text);
    assert_eq!(fleet.name().as_str(), "acme");
    let order: Vec<String> = fleet.deploy_order().iter().map(ToString::to_string).collect();
    assert_eq!(order, ["logs", "security", "shared", "dev", "stage", "prod"]);
    let numbers: serde_json::Value =
        serde_json::from_slice(&fs::read(folder().join("accounts.json")).unwrap()).unwrap();
    for (name, account) in fleet.accounts() {
        assert_eq!(numbers[name.as_str()]["id"], account.id.as_str(), "accounts.json and portcullis.hcl differ");
        assert!(folder().join(&account.path).join("account.hcl").is_file());
        for region in &account.regions {
            assert!(folder().join(&account.path).join(region).join("region.hcl").is_file(), "{name} {region}");
        }
        assert_eq!(account.identities["github"].audience, format!("portcullis:acme/{name}"));
        assert_eq!(account.tools.driver, Driver::Native);
    }
}

#[test]
fn ci_may_plan_a_merge_is_applied_and_a_person_approves() {
    let prod = account(&load(|_, text| text), "prod");
    let plan = &prod.actions[&ActionKind::Plan];
    let apply = &prod.actions[&ActionKind::Apply];
    let names = |list: &[portcullis_model::PrincipalName]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&plan.allow), ["live-ci", "live-merge"]);
    assert_eq!(names(&apply.allow), ["live-merge"]);
    assert_eq!(names(&apply.approvers), ["live-approver"]);
    assert_eq!((apply.approvals, apply.unreviewed), (1, Unreviewed::CreateOnly));
    assert_eq!((prod.limits.parallel, prod.limits.memory_mib), (2, 2048), "the account over its profile");
    let merge = &prod.principals[&"live-merge".parse().unwrap()];
    assert_eq!(merge.claims["ref"], ["refs/heads/main"]);
}

/// The demo puts its own issuer and repository in.
#[test]
fn issuer_and_url_are_on_lines_of_their_own() {
    let fleet = load(|path, text| {
        if path != "portcullis.hcl" {
            return text;
        }
        assert_eq!(text.lines().filter(|line| line.trim().starts_with("issuer = \"")).count(), 1);
        assert_eq!(text.lines().filter(|line| line.trim().starts_with("url       = \"")).count(), 1);
        text.replace("https://token.actions.githubusercontent.com", "http://127.0.0.1:4000")
            .replace("https://github.com/acme/infrastructure-live", "file:///srv/live.git")
    });
    let dev = account(&fleet, "dev");
    assert_eq!(dev.identities["github"].issuer, "http://127.0.0.1:4000");
    assert_eq!(dev.repository.url, "file:///srv/live.git");
}

/// `profiles/gitlab.hcl` is used as its first lines say.
#[test]
fn gitlab_can_be_added() {
    let fleet = load(|path, text| {
        if path != "portcullis.hcl" {
            return text;
        }
        text.replace("\"workload\"]", "\"workload\", \"gitlab\"]")
            .replace("only    = [\"live-merge\"]", "only    = [\"live-merge\", \"gitlab-merge\"]")
            + "import \"gitlab\" {\n  path = \"profiles/gitlab.hcl\"\n}\n"
    });
    let apply = &account(&fleet, "prod").actions[&ActionKind::Apply];
    assert_eq!(apply.allow.iter().map(ToString::to_string).collect::<Vec<_>>(), ["gitlab-merge"]);
    let logs = fleet.account(&AccountName::parse("logs").unwrap()).unwrap();
    assert_eq!(logs.actions[&ActionKind::Apply].allow[0].as_str(), "live-merge", "logs does not name the profile");
}
