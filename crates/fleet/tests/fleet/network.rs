//! `egress` and `credential`: what they come to, and how they merge.

use portcullis_fleet::{CredentialForm, NetworkPhase};

use crate::{account, with};

const SHARED: &str = r#"
profile "net" {
  egress "registry" {
    hosts  = ["registry.terraform.io", "releases.hashicorp.com"]
    phases = ["plan"]
  }
  egress "git" {
    hosts = ["git.example:8443"]
  }
  credential "git" {
    host     = "git.example:8443"
    username = "x-access-token"
    value    = secret("git-token")
  }
  action "plan" {
    allow = ["ci"]
  }
}
"#;

#[test]
fn nothing_is_reached_by_itself() {
    let fleet = with("account \"dev\" {\n  id = \"1\"\n  action \"plan\" {\n    allow = [\"ci\"]\n  }\n}\n").unwrap();
    let dev = account(&fleet, "dev");
    assert!(dev.egress.is_empty() && dev.credentials.is_empty());
}

#[test]
fn blocks_merge_by_their_names() {
    let fleet = with(&format!(
        r#"{SHARED}
account "dev" {{
  id       = "1"
  profiles = ["net"]
  egress "registry" {{
    hosts = append(["mirror.example"])
  }}
  credential "api" {{
    host   = "mirror.example"
    phases = ["plan"]
    header = "X-Api-Key"
    value  = secret("mirror")
  }}
}}
account "prod" {{
  id       = "2"
  profiles = ["net"]
  egress "git" {{
    private = true
    address = "10.0.0.5:8443"
  }}
}}
"#
    ))
    .unwrap();
    let (dev, prod) = (account(&fleet, "dev"), account(&fleet, "prod"));
    let hosts = |account: &portcullis_fleet::Account, name: &str| {
        account.egress[name].hosts.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(hosts(&dev, "registry"), ["registry.terraform.io", "releases.hashicorp.com", "mirror.example"]);
    assert_eq!(dev.egress["registry"].phases, [NetworkPhase::Plan]);
    assert_eq!(dev.egress["git"].phases, NetworkPhase::ALL);
    assert_eq!(dev.credentials["api"].form, CredentialForm::Plain);
    let git = &dev.credentials["git"];
    assert_eq!((git.header.as_str(), git.secret.as_str()), ("Authorization", "git-token"));
    assert_eq!(git.form, CredentialForm::Basic { username: "x-access-token".into() });
    assert_eq!(hosts(&prod, "registry").len(), 2);
    assert_eq!((prod.egress["git"].private, prod.egress["git"].address.unwrap().port()), (true, 8443));
    // All of it is among the values, so that a diff shows it, and each says who wrote it.
    let values = dev.values();
    assert_eq!(values["credential.git.value.secret"], "git-token");
    let settings = fleet.settings(&portcullis_model::AccountName::parse("dev").unwrap());
    let hosts = settings.iter().find(|one| one.path == "egress.registry.hosts").unwrap();
    assert_eq!(hosts.written.len(), 2);
    let secret = settings.iter().find(|one| one.path == "credential.git.value.secret").unwrap();
    assert_eq!(secret.written[0].layer.to_string(), "profile `net`");
}
