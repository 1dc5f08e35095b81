//! What a definition means: where values come from, who may do what, and what a change does.

use std::collections::BTreeMap;

use portcullis_fleet::{Change, Fleet, LayerName, Setting, diff};
use portcullis_model::AccountName;
use serde_json::json;

use crate::{VALID, load};

const SHARED: &str = r#"
profile "base" {
  regions = ["eu-west-1"]
  env     = { STAGE = "live", DEBUG = "no" }
  action "plan" {
    allow = ["ci"]
  }
  action "apply" {
    allow     = ["merge"]
    approvers = ["lead"]
  }
}
"#;

const ROOT: &str = r#"
principal "lead" {
  identity = "github"
  claims   = { repository_id = "1", environment = "approval" }
}
import "base" {
  path = "base.hcl"
}
profile "wide" {
  profiles = ["base"]
  regions  = append(["us-east-1", "eu-west-1"])
  limits {
    parallel = 8
  }
}
account "dev" {
  id       = "1"
  profiles = ["wide"]
  env      = { DEBUG = null }
}
account "logs" {
  id       = "2"
  profiles = ["base"]
}
account "prod" {
  id       = "3"
  profiles = ["wide"]
  regions  = ["eu-central-1"]
  action "apply" {
    approvals = 2
  }
}
"#;

fn fleet(change: impl Fn(&str) -> String) -> Fleet {
    let root = change(&format!("{VALID}{ROOT}"));
    load(&[("portcullis.hcl", &root), ("base.hcl", &change(SHARED))]).unwrap()
}

fn name(text: &str) -> AccountName {
    AccountName::parse(text).unwrap()
}

fn settings(fleet: &Fleet, account: &str) -> BTreeMap<String, Setting> {
    fleet.settings(&name(account)).into_iter().map(|setting| (setting.path.clone(), setting)).collect()
}

/// Who said what, in order, as `layer=value`.
fn told(setting: &Setting) -> Vec<String> {
    let one = |written: &portcullis_fleet::Written| {
        let plus = if written.appended { "+" } else { "" };
        format!("{}:{}:{} {plus}{}", written.place.file, written.place.line, written.layer, written.value)
    };
    setting.written.iter().map(one).collect()
}

#[test]
fn every_value_says_which_layer_wrote_it_and_what_it_replaced() {
    let fleet = fleet(str::to_owned);
    let dev = settings(&fleet, "dev");
    assert_eq!(dev["regions"].value, json!(["eu-west-1", "us-east-1"]));
    assert_eq!(
        told(&dev["regions"]),
        [
            "base.hcl:3:imported profile `base` [\"eu-west-1\"]",
            "portcullis.hcl:29:profile `wide` +[\"us-east-1\",\"eu-west-1\"]",
        ]
    );
    assert_eq!(dev["env.DEBUG"].value, json!(null), "what was taken away is told as well");
    assert_eq!(dev["env.DEBUG"].written.len(), 2);
    assert_eq!(dev["env.DEBUG"].written[1].layer, LayerName::Account("dev".into()));
    assert_eq!(dev["limits.parallel"].value, json!(8));
    assert!(dev["limits.pids"].written.is_empty(), "a default is written nowhere");
    let prod = settings(&fleet, "prod");
    assert_eq!(prod["regions"].value, json!(["eu-central-1"]));
    assert_eq!(prod["regions"].written.len(), 3, "and what it replaced is kept");
    assert_eq!(told(&prod["action.apply.approvals"]), ["portcullis.hcl:48:account `prod` 2"]);
    assert_eq!(told(&prod["principal.lead.claims.environment"]), ["portcullis.hcl:20:principal `lead` [\"approval\"]"]);
    assert!(!settings(&fleet, "dev").contains_key("profiles"));
}

#[test]
fn a_layer_takes_away_what_the_fleet_itself_says() {
    let text = VALID.replace("  repository", "  tools {\n    terraform = { version = \"1.2.3\" }\n  }\n  repository");
    let text = format!(
        "{text}\nprofile \"open\" {{\n  tools {{\n    terraform = null\n    tofu = {{ version = \"1.10.0\" }}\n  }}\n}}\n\
         account \"dev\" {{\n  id = \"1\"\n  profiles = [\"open\"]\n  action \"plan\" {{\n    allow = [\"ci\"]\n  }}\n}}\n"
    );
    let fleet = load(&[("portcullis.hcl", &text)]).unwrap();
    let dev = settings(&fleet, "dev");
    assert_eq!(dev["tools.tofu.version"].value, json!("1.10.0"));
    assert_eq!(dev["tools.terraform.version"].value, json!(null));
    assert_eq!(dev["tools.terraform.version"].written[0].layer, LayerName::Fleet);
}

#[test]
fn a_setting_that_moves_from_accounts_into_their_profile_changes_nothing() {
    let written_out = fleet(|text| {
        text.replace("  env     = { STAGE = \"live\", DEBUG = \"no\" }\n", "")
            .replace("  env      = { DEBUG = null }", "  env      = { STAGE = \"live\" }")
            .replace("  id       = \"2\"", "  id       = \"2\"\n  env = { STAGE = \"live\", DEBUG = \"no\" }")
            .replace("  id       = \"3\"", "  id       = \"3\"\n  env = { STAGE = \"live\", DEBUG = \"no\" }")
    });
    let found = diff(&written_out, &fleet(str::to_owned));
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(found.accounts.len(), 3);
}

#[test]
fn a_change_of_a_profile_is_a_change_of_the_accounts_that_use_it_and_of_no_other() {
    let found = diff(&fleet(str::to_owned), &fleet(|text| text.replace("parallel = 8", "parallel = 2")));
    let changed: Vec<&str> =
        found.accounts.iter().filter(|(_, it)| it.change != Change::Same).map(|(name, _)| name.as_str()).collect();
    assert_eq!(changed, ["dev", "prod"]);
    let dev = &found.accounts[&name("dev")];
    assert_eq!(dev.values.len(), 1);
    assert_eq!((dev.values[0].path.as_str(), &dev.values[0].before), ("limits.parallel", &json!(8)));
    assert_eq!(dev.values[0].after, json!(2));
    assert_eq!(dev.values[0].written.as_ref().unwrap().layer, LayerName::LocalProfile("wide".into()));
    assert!(dev.rights.is_empty());
}

#[test]
fn who_gains_and_who_loses_a_right_is_told() {
    let base = fleet(str::to_owned);
    let found = diff(&base, &fleet(|text| text.replace("allow     = [\"merge\"]", "allow     = [\"ci\"]")));
    for account in found.accounts.values() {
        let told: Vec<String> = account
            .rights
            .iter()
            .map(|change| format!("{} {}→{}", change.right, change.before.is_some(), change.after.is_some()))
            .collect();
        assert_eq!(told, ["`ci` may start `apply` false→true", "`merge` may start `apply` true→false"]);
    }
    // The same names, and other people.
    let found = diff(&base, &fleet(|text| text.replace("ref = \"refs/heads/main\"", "ref = \"refs/heads/next\"")));
    let dev = &found.accounts[&name("dev")];
    assert_eq!(dev.rights.len(), 1);
    assert_eq!(dev.rights[0].before.as_ref().unwrap().claims["ref"], ["refs/heads/main"]);
    assert_eq!(dev.rights[0].after.as_ref().unwrap().claims["ref"], ["refs/heads/next"]);
    // An account more, and one less.
    let two = fleet(|text| text.replace("account \"logs\"", "account \"audit\""));
    let found = diff(&base, &two);
    assert_eq!(found.accounts[&name("logs")].change, Change::Removed);
    assert_eq!(found.accounts[&name("audit")].change, Change::Added);
    assert_eq!(found.accounts[&name("audit")].rights.len(), 3);
    assert!(found.deploy_order.is_some() && !found.is_empty());
}

#[test]
fn what_must_hold_and_how_tokens_are_read_are_part_of_the_difference_and_an_order_is_not() {
    let text = format!(
        "{VALID}assert \"merges alone\" {{\n  action = \"apply\"\n  only = \"merge\"\n}}\n\
         account \"dev\" {{\n  id = \"1\"\n  action \"plan\" {{\n    allow = [\"ci\", \"merge\"]\n  }}\n}}\n"
    );
    let of = |text: &str| load(&[("portcullis.hcl", text)]).unwrap();
    let change = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        diff(&of(&text), &of(&text.replace(from, to)))
    };
    assert!(change("[\"ci\", \"merge\"]", "[\"merge\", \"ci\"]").is_empty());
    let gone = change("assert \"merges alone\" {\n  action = \"apply\"\n  only = \"merge\"\n}\n", "");
    assert!(!gone.is_empty());
    assert_eq!(gone.asserts["merges alone"].before, json!({ "action": "apply", "only": ["merge"] }));
    assert_eq!(gone.asserts["merges alone"].after, json!(null));
    let weaker = change("only = \"merge\"", "only = [\"merge\", \"ci\"]");
    assert_eq!(weaker.asserts["merges alone"].after, json!({ "action": "apply", "only": ["ci", "merge"] }));
    let preset =
        change("issuer = \"https://token.example\"", "issuer = \"https://token.example\"\n  preset = \"github\"");
    let paths: Vec<&str> = preset.accounts[&name("dev")].values.iter().map(|value| value.path.as_str()).collect();
    assert_eq!(paths, ["identity.github.preset"]);
}

#[test]
fn access_lists_every_right_of_every_account() {
    let access = fleet(str::to_owned).access();
    let told: Vec<String> = access.iter().map(|access| format!("{} {}", access.account, access.right)).collect();
    assert_eq!(told.len(), 9);
    assert!(told.contains(&"prod `lead` may approve `apply`".to_owned()), "{told:?}");
    let prod = access.iter().find(|access| access.account == name("prod") && access.conditions.approvals == Some(2));
    assert_eq!(prod.unwrap().conditions.branches, ["main"]);
    assert!(access.iter().all(|access| access.conditions.audience == format!("portcullis:acme/{}", access.account)));
}

#[test]
fn what_nobody_uses_and_what_cannot_be_checked_is_found() {
    let fleet = fleet(|text| {
        format!("{text}\n").replace(
            "account \"logs\"",
            "profile \"spare\" {\n}\nidentity \"old\" {\n  issuer = \"https://gitlab.com\"\n}\naccount \"logs\"",
        )
    });
    let told: Vec<String> = fleet.findings().into_iter().map(|finding| finding.message).collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].contains("no account uses profile `spare`"), "{told:?}");
    assert!(told[1].contains("tokens of identity `github`"), "{told:?}");
    assert!(told[2].contains("no principal is of identity `old`"), "{told:?}");
}

/// Who may apply before and after, and who brought the change.
fn takes(before: &str, after: &str, brought_by: &[&str]) -> Result<(), portcullis_model::Code> {
    let more = "principal \"other\" {\n  identity = \"github\"\n  claims = { repository_id = \"2\" }\n}\n";
    let dev = |allow: &str| {
        let text = format!(
            "{more}account \"dev\" {{\n  id = \"1\"\n  action \"plan\" {{\n    allow = [\"ci\"]\n  }}\n  action \"apply\" {{\n    allow = [{allow}]\n  }}\n}}\n"
        );
        crate::account(&crate::with(&text).unwrap(), "dev")
    };
    let brought: Vec<_> = brought_by.iter().map(|name| portcullis_model::PrincipalName::parse(name).unwrap()).collect();
    dev(after).in_place_of(&dev(before), &brought).map(drop).map_err(|fault| fault.code())
}

#[test]
fn a_definition_does_not_lock_out_who_brought_it() {
    let out = Err(portcullis_model::Code::FLEET_LOCKS_OUT);
    let (merge, other, both) = ("\"merge\"", "\"other\"", "\"merge\", \"other\"");
    // Somebody new is in its place.
    assert_eq!(takes(merge, other, &["merge"]), Ok(()));
    // The one that is left was there before.
    assert_eq!(takes(both, other, &["merge"]), out);
    assert_eq!(takes(both, other, &["ci", "merge"]), out);
    // It is brought by who stays, or by nobody who could apply.
    assert_eq!(takes(both, other, &["other"]), Ok(()));
    assert_eq!(takes(both, other, &["merge", "other"]), Ok(()));
    assert_eq!(takes(both, other, &["ci"]), Ok(()));
    assert_eq!(takes(both, other, &[]), Ok(()));
    assert_eq!(takes(both, both, &["merge"]), Ok(()));
    assert_eq!(takes(both, "", &["ci"]), out);
}

#[test]
fn whatever_is_wrong_with_a_policy_is_told_as_that() {
    for cedar in [
        "permit (principal, action, resource);",
        "forbid (principal, action, resource) when { context.nothing };",
        "forbid (principal in Principal::\"nobody\", action, resource);",
        "forbid (",
        "",
    ] {
        let more = format!(
            "account \"dev\" {{\n  id = \"1\"\n  policy \"x\" {{\n    cedar = <<EOT\n{cedar}\nEOT\n  }}\n  action \
             \"plan\" {{\n    allow = [\"ci\"]\n  }}\n}}\n"
        );
        let faults = crate::with(&more).unwrap_err();
        let of_policy = |code: &portcullis_model::Code| *code == portcullis_model::Code::FLEET_POLICY;
        assert!(!faults.is_empty() && crate::codes(&faults).iter().all(of_policy), "{cedar}: {faults:?}");
    }
}
