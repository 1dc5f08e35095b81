//! `assert` blocks: what a fleet says must hold in its own definition, whoever changes it.

use std::collections::BTreeSet;

use portcullis_hcl::{Origin, Value};
use portcullis_model::record::Unreviewed;
use portcullis_model::{AccountName, ActionKind, Code, Fault, PrincipalName};

use serde_json::{Value as Json, json};

use crate::account::Account;
use crate::decode::number_of;
use crate::fleet::{Fleet, Opened};
use crate::principals::unknown_name;
use crate::read::{text, texts};
use crate::schema::{self, contents, duplicate};

/// What must hold.
#[derive(Debug, Clone)]
pub(crate) struct Assert {
    /// In its author's words.
    name: String,
    origin: Origin,
    /// The accounts that it is about, each at its place. Empty: all.
    accounts: Vec<(String, Value)>,
    action: ActionKind,
    /// Nobody but these may start it.
    only: Option<BTreeSet<String>>,
    /// None of these may start it or approve it.
    never: BTreeSet<String>,
    /// It needs at least so many approvals.
    approvals: Option<u32>,
}

/// Reads the `assert` blocks of all files.
pub(crate) fn read(read: &[Opened<'_>], faults: &mut Vec<Fault>) -> Vec<Assert> {
    let mut names = BTreeSet::new();
    let mut asserts = Vec::new();
    for (_, body, evaluator) in read {
        for entry in body.blocks_named("assert") {
            let inside = contents(&entry.block.body, entry.origin.file(), &schema::ASSERT, faults);
            if !names.insert(entry.label.to_owned()) {
                faults.push(duplicate(&format!("assert \"{}\"", entry.label), &entry.origin));
            }
            let list = |name: &str| -> Result<Option<Vec<(String, Value)>>, Fault> {
                let Some(value) = evaluator.optional(&inside, name)?.filter(|value| !value.is_null()) else {
                    return Ok(None);
                };
                let texts = match value.as_str() {
                    Some(one) => vec![one.to_owned()],
                    None => texts(&value, &format!("`{name}`"))?,
                };
                let places = value.as_seq().map_or_else(|| vec![value.clone()], <[Value]>::to_vec);
                Ok(Some(texts.into_iter().zip(places).collect()))
            };
            let assert = || -> Result<Assert, Fault> {
                let action = evaluator.required(&inside, "action", &entry.origin)?;
                let name = text(&action, "`action`")?;
                let kind = ActionKind::parse(&name).map_err(|_| {
                    unknown_name(&action, "action", &name, ActionKind::BUILT_IN.iter().map(ActionKind::as_str))
                })?;
                let approvals = evaluator.optional(&inside, "approvals")?.filter(|value| !value.is_null());
                let names = |list: Option<Vec<(String, Value)>>| {
                    list.map(|list| list.into_iter().map(|(name, _)| name).collect())
                };
                let (only, never): (_, Option<BTreeSet<String>>) = (names(list("only")?), names(list("never")?));
                let never = never.unwrap_or_default();
                if only.is_none() && never.is_empty() && approvals.is_none() {
                    return Err(entry
                        .origin
                        .fault(Code::FLEET_TYPE, format!("assert \"{}\" says nothing that must hold", entry.label))
                        .remedy("Add `only`, `never` or `approvals`."));
                }
                Ok(Assert {
                    name: entry.label.to_owned(),
                    origin: entry.origin.clone(),
                    accounts: list("account")?.unwrap_or_default(),
                    action: kind,
                    only,
                    never,
                    approvals: approvals.map(|value| number_of(&value, "approvals", 1, 20)).transpose()?,
                })
            };
            match assert() {
                Ok(assert) => asserts.push(assert),
                Err(fault) => faults.push(fault),
            }
        }
    }
    asserts
}

/// The asserts that do not hold, each with the account and who or what breaks it.
pub(crate) fn broken(fleet: &Fleet, asserts: &[Assert]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for assert in asserts {
        for (name, at) in &assert.accounts {
            if !fleet.accounts().keys().any(|known| known.as_str() == name) {
                faults.push(unknown_name(at, "account", name, fleet.accounts().keys().map(AccountName::as_str)));
            }
        }
        // A name that nobody has makes `never` hold for ever.
        let known = fleet.declared().principals.keys().map(PrincipalName::as_str).collect::<BTreeSet<_>>();
        for name in assert.only.iter().flatten().chain(&assert.never).filter(|name| !known.contains(name.as_str())) {
            let list = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let fault = assert.origin.fault(Code::FLEET_UNKNOWN_NAME, format!("there is no principal `{name}`"));
            faults.push(fault.remedy(format!("There are {list}.")));
        }
        let about = |account: &&Account| {
            assert.accounts.is_empty() || assert.accounts.iter().any(|(name, _)| name == account.name.as_str())
        };
        for account in fleet.accounts().values().filter(about) {
            faults.extend(assert.against(account).map(|why| {
                let message = format!("\"{}\" does not hold: in account `{}`, {why}", assert.name, account.name);
                let place = fleet.traces().get(&account.name).map(|trace| format!("the account is at {}", trace.place));
                let fault = assert.origin.fault(Code::FLEET_INVARIANT, message);
                let fault =
                    fault.remedy("Change the account or its profiles, or the assert if it is no longer wanted.");
                place.into_iter().fold(fault, Fault::note)
            }));
        }
    }
    faults
}

impl Assert {
    /// Its name and what it says.
    pub fn said(&self) -> (String, Json) {
        let accounts: BTreeSet<&str> = self.accounts.iter().map(|(name, _)| name.as_str()).collect();
        let mut said = json!({ "action": self.action });
        for (name, value, is_there) in [
            ("account", json!(accounts), !accounts.is_empty()),
            ("only", json!(self.only), self.only.is_some()),
            ("never", json!(self.never), !self.never.is_empty()),
            ("approvals", json!(self.approvals), self.approvals.is_some()),
        ] {
            if is_there && let Some(said) = said.as_object_mut() {
                said.insert(name.to_owned(), value);
            }
        }
        (self.name.clone(), said)
    }

    /// Why it does not hold in an account. An action that does not exist there breaks nothing.
    fn against(&self, account: &Account) -> Option<String> {
        let grant = account.actions.get(&self.action)?;
        let action = self.action;
        if let Some(only) = &self.only
            && let Some(other) = grant.allow.iter().find(|name| !only.contains(name.as_str()))
        {
            return Some(format!("`{other}` may start `{action}`"));
        }
        let mut named = grant.allow.iter().chain(&grant.approvers);
        if let Some(other) = named.find(|name| self.never.contains(name.as_str())) {
            return Some(format!("`{other}` may start or approve `{action}`"));
        }
        for name in self.never.iter().filter_map(|name| PrincipalName::parse(name).ok()) {
            if let Some(other) =
                grant.allow.iter().chain(&grant.approvers).find(|other| account.is_always(&name, other))
            {
                return Some(format!(
                    "`{other}` may start or approve `{action}`, and every token of `{name}` is one of `{other}`"
                ));
            }
        }
        let wanted = self.approvals?;
        if action == ActionKind::Apply && grant.unreviewed == Unreviewed::Apply {
            return Some(format!("`{action}` applies what nobody reviewed, without any approval"));
        }
        (grant.approvals < wanted).then(|| format!("`{action}` needs {} approvals and not {wanted}", grant.approvals))
    }
}
