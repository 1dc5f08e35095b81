//! An account's effective definition as settings: one value for each path, and who said what of it.

use std::collections::BTreeMap;
use std::fmt;

use portcullis_model::{ActionKind, Place, PrincipalName};
use serde::Serialize;
use serde_json::{Value as Json, json};

use portcullis_model::parameter::Presence;

use crate::account::{Account, Declared, Pin, Work};
use crate::network::CredentialForm;

/// What a value was written in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "kebab-case")]
pub enum LayerName {
    /// The `fleet` block: below every profile.
    Fleet,
    /// A profile of an imported file.
    ImportedProfile(String),
    /// A profile of `portcullis.hcl`.
    LocalProfile(String),
    /// The account itself.
    Account(String),
    /// A block that is no layer: a principal, an identity, a repository.
    Block(String),
}

impl fmt::Display for LayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayerName::Fleet => f.write_str("the fleet"),
            LayerName::ImportedProfile(name) => write!(f, "imported profile `{name}`"),
            LayerName::LocalProfile(name) => write!(f, "profile `{name}`"),
            LayerName::Account(name) => write!(f, "account `{name}`"),
            LayerName::Block(name) => f.write_str(name),
        }
    }
}

/// What one layer said of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Which layer.
    pub layer: LayerName,
    /// Where.
    pub place: Place,
    /// What. `null`: it took away what was below.
    pub value: Json,
    /// Whether it was added to the list below, and replaced nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub appended: bool,
}

/// One value of an effective definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its path, in the words of the definition: `action.apply.approvals`.
    pub path: String,
    /// The value in force. `null`: it is stated nowhere, and there is no default.
    pub value: Json,
    /// What the layers said of it, the lowest first. Empty: it is a default.
    pub written: Vec<Written>,
}

impl Account {
    /// Everything that is in force, by path. Two accounts with equal values are defined equally.
    pub fn values(&self) -> BTreeMap<String, Json> {
        let mut values = BTreeMap::new();
        let mut put = |path: String, value: Json| {
            values.insert(path, value);
        };
        put("id".into(), json!(self.id));
        put("path".into(), json!(self.path));
        put("regions".into(), json!(self.regions));
        put("root_modules".into(), json!(self.root_modules));
        put("repository".into(), json!(self.repository.name));
        put("repository.url".into(), json!(self.repository.url));
        put("repository.protected".into(), json!(self.repository.protected));
        put("tools.driver".into(), json!(self.tools.driver));
        if let Some(tool) = &self.tools.tool {
            pin(&mut put, tool.program.as_str(), &tool.version, tool.sha256.map(|digest| digest.to_string()));
        }
        if let Some(Pin { version, sha256 }) = &self.tools.terragrunt {
            pin(&mut put, "terragrunt", version, sha256.map(|digest| digest.to_string()));
        }
        for (name, digest) in &self.tools.programs {
            put(format!("tools.programs.{name}"), json!(digest));
        }
        put("sources.allow".into(), json!(self.sources));
        for (name, rule) in &self.egress {
            put(format!("egress.{name}.hosts"), json!(rule.hosts));
            put(format!("egress.{name}.phases"), json!(rule.phases));
            put(format!("egress.{name}.private"), json!(rule.private));
            if let Some(address) = &rule.address {
                put(format!("egress.{name}.address"), json!(address));
            }
        }
        for (name, rule) in &self.credentials {
            put(format!("credential.{name}.host"), json!(rule.host));
            put(format!("credential.{name}.phases"), json!(rule.phases));
            put(format!("credential.{name}.header"), json!(rule.header));
            put(format!("credential.{name}.value.secret"), json!(rule.secret));
            let (scheme, username) = match &rule.form {
                CredentialForm::Bearer => ("bearer", None),
                CredentialForm::Plain => ("plain", None),
                CredentialForm::Basic { username } => ("basic", Some(username)),
            };
            put(format!("credential.{name}.scheme"), json!(scheme));
            if let Some(username) = username {
                put(format!("credential.{name}.username"), json!(username));
            }
        }
        for (kind, grant) in &self.actions {
            put(format!("action.{kind}.allow"), json!(grant.allow));
            if *kind == ActionKind::Apply {
                put(format!("action.{kind}.approvers"), json!(grant.approvers));
                put(format!("action.{kind}.approvals"), json!(grant.approvals));
                put(format!("action.{kind}.unreviewed"), json!(grant.unreviewed));
            }
            for (name, value) in grant.declared.iter().flat_map(declared) {
                put(format!("action.{kind}.{name}"), value);
            }
        }
        for forbid in &self.policies.grants().forbids {
            put(format!("policy.{}.cedar", forbid.name()), json!(forbid.text()));
        }
        for (name, freeze) in &self.freezes {
            put(format!("freeze.{name}.from"), json!(freeze.from));
            put(format!("freeze.{name}.until"), json!(freeze.until));
        }
        for (name, value) in &self.env {
            put(format!("env.{name}"), json!(value));
        }
        put("limits.parallel".into(), json!(self.limits.parallel));
        put("limits.memory_mib".into(), json!(self.limits.memory_mib));
        put("limits.disk_mib".into(), json!(self.limits.disk_mib));
        put("limits.pids".into(), json!(self.limits.pids));
        put("limits.cpu_percent".into(), json!(self.limits.cpu_percent));
        put("limits.timeout_s".into(), json!(self.limits.timeout_s));
        for (name, principal) in self.principals.iter().filter(|(name, _)| self.names(name)) {
            put(format!("principal.{name}.identity"), json!(principal.identity));
            for (claim, values) in &principal.claims {
                put(format!("principal.{name}.claims.{claim}"), json!(values));
            }
            if let Some(identity) = self.identities.get(&principal.identity) {
                let of = |what: &str| format!("identity.{}.{what}", principal.identity);
                put(of("issuer"), json!(identity.issuer));
                put(of("audience"), json!(identity.audience));
                if let Some(preset) = identity.preset {
                    put(of("preset"), json!(preset));
                }
                if let Some(uri) = &identity.jwks_uri {
                    put(of("jwks_uri"), json!(uri));
                }
                if let Some(keys) = &identity.jwks {
                    put(of("jwks"), json!(keys));
                }
            }
        }
        values
    }

    /// Whether an action of this account names the principal.
    pub(crate) fn names(&self, principal: &PrincipalName) -> bool {
        self.actions.values().any(|grant| grant.allow.contains(principal) || grant.approvers.contains(principal))
    }
}

/// What is in force of a declared action, by path.
fn declared(action: &Declared) -> Vec<(String, Json)> {
    let mut values = Vec::new();
    if !action.description.is_empty() {
        values.push(("description".to_owned(), json!(action.description)));
    }
    match &action.work {
        Work::BuiltIn(settings) => {
            for (name, value) in settings {
                flatten(name, value, &mut values);
            }
            // Its parameters follow from its settings.
            return values;
        }
        Work::Program(work) => values.extend([
            ("program".to_owned(), json!(work.program)),
            ("argv".to_owned(), json!(work.argv)),
            ("working_directory".to_owned(), json!(work.working_directory)),
            ("phase".to_owned(), json!(work.phase)),
            ("network".to_owned(), json!(work.network)),
            ("limits.memory_mib".to_owned(), json!(work.limits.memory_mib)),
            ("limits.disk_mib".to_owned(), json!(work.limits.disk_mib)),
            ("limits.pids".to_owned(), json!(work.limits.pids)),
            ("limits.cpu_percent".to_owned(), json!(work.limits.cpu_percent)),
            ("limits.timeout_s".to_owned(), json!(work.limits.timeout_s)),
        ]),
    }
    for (name, parameter) in &action.parameters {
        let path = format!("parameter.{name}");
        flatten(&path, &json!(parameter.kind), &mut values);
        if !parameter.description.is_empty() {
            values.push((format!("{path}.description"), json!(parameter.description)));
        }
        values.push(match &parameter.presence {
            Presence::Required => (format!("{path}.required"), json!(true)),
            Presence::Optional => (format!("{path}.required"), json!(false)),
            Presence::Default(value) => (format!("{path}.default"), json!(value)),
            Presence::Fixed(value) => (format!("{path}.value"), json!(value)),
            Presence::Forbidden => (format!("{path}.forbidden"), json!(true)),
        });
    }
    values
}

/// Maps as paths, as layers write and merge them.
fn flatten(path: &str, value: &Json, values: &mut Vec<(String, Json)>) {
    match value.as_object() {
        None => values.push((path.to_owned(), value.clone())),
        Some(entries) => entries.iter().for_each(|(name, value)| flatten(&format!("{path}.{name}"), value, values)),
    }
}

fn pin(put: &mut impl FnMut(String, Json), program: &str, version: &str, sha256: Option<String>) {
    put(format!("tools.{program}.version"), json!(version));
    if let Some(digest) = sha256 {
        put(format!("tools.{program}.sha256"), json!(digest));
    }
}
