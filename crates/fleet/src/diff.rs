//! What a change of the definition means in each account: the values and the rights that differ.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_model::{AccountName, ActionKind, Code, Fault, PrincipalName};
use serde::Serialize;
use serde_json::Value as Json;

use crate::account::Account;
use crate::fleet::Fleet;
use crate::rights::{Conditions, Right};
use crate::settings::Written;
use portcullis_policy::Role;

/// What differs between two definitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FleetDiff {
    /// The order in which accounts are brought up, before and after, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deploy_order: Option<(Vec<AccountName>, Vec<AccountName>)>,
    /// What the definition says must hold, by name, where that differs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub asserts: BTreeMap<String, AssertChange>,
    /// Every account of either, by name.
    pub accounts: BTreeMap<AccountName, AccountDiff>,
}

/// An `assert` that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssertChange {
    /// What it said; `null`: it was not there.
    pub before: Json,
    /// What it says; `null`: it is gone.
    pub after: Json,
}

/// What differs in one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountDiff {
    /// What became of it.
    pub change: Change,
    /// Values that differ, by path.
    pub values: Vec<ValueChange>,
    /// Rights that differ.
    pub rights: Vec<RightChange>,
}

/// What became of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Nothing: its effective definition is the same.
    Same,
    /// Its effective definition is another.
    Changed,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ValueChange {
    /// Its path: `action.apply.approvals`.
    pub path: String,
    /// What it was; `null`: there was none.
    pub before: Json,
    /// What it is; `null`: there is none.
    pub after: Json,
    /// What says so now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
}

/// A right that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RightChange {
    /// The right.
    #[serde(flatten)]
    pub right: Right,
    /// Its conditions before; `None`: there was no such right.
    pub before: Option<Conditions>,
    /// Its conditions now; `None`: there is no such right.
    pub after: Option<Conditions>,
}

impl FleetDiff {
    /// Whether every account is the same, and brought up in the same order, and the same must hold.
    pub fn is_empty(&self) -> bool {
        self.deploy_order.is_none()
            && self.asserts.is_empty()
            && self.accounts.values().all(|account| account.change == Change::Same)
    }
}

/// Compares two definitions by what is in force in each account, however that is written.
pub fn diff(base: &Fleet, head: &Fleet) -> FleetDiff {
    let names: BTreeSet<&AccountName> = base.accounts().keys().chain(head.accounts().keys()).collect();
    let accounts = names.into_iter().map(|name| (name.clone(), account(base, head, name))).collect();
    let orders = (base.deploy_order(), head.deploy_order());
    let of = |fleet: &Fleet, name: &str| fleet.asserts().get(name).cloned().unwrap_or_default();
    let asserts: BTreeSet<&String> = base.asserts().keys().chain(head.asserts().keys()).collect();
    let asserts = asserts
        .into_iter()
        .map(|name| (name.clone(), AssertChange { before: of(base, name), after: of(head, name) }))
        .filter(|(_, change)| change.before != change.after)
        .collect();
    FleetDiff { asserts, deploy_order: (orders.0 != orders.1).then_some(orders), accounts }
}

/// Whether two values of a path mean the same. Who is allowed, and from where, is so in any order.
fn are_alike(path: &str, old: Option<&Json>, new: Option<&Json>) -> bool {
    let (Some(Json::Array(before)), Some(Json::Array(after))) = (old, new) else { return old == new };
    if path.ends_with(".allow") || path.ends_with(".approvers") {
        return before.iter().all(|value| after.contains(value)) && after.iter().all(|value| before.contains(value));
    }
    before == after
}

fn account(base: &Fleet, head: &Fleet, name: &AccountName) -> AccountDiff {
    let (before, after) = (base.accounts().get(name), head.accounts().get(name));
    let change = match (before, after) {
        (None, _) => Change::Added,
        (_, None) => Change::Removed,
        _ => Change::Same,
    };
    let values = |fleet: &Fleet| fleet.accounts().get(name).map(|account| account.values()).unwrap_or_default();
    let (old, new) = (values(base), values(head));
    let written: BTreeMap<String, Written> = head
        .settings(name)
        .into_iter()
        .filter_map(|mut setting| Some((setting.path, setting.written.pop()?)))
        .collect();
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let values: Vec<ValueChange> = paths
        .into_iter()
        .filter(|path| !are_alike(path, old.get(*path), new.get(*path)))
        .map(|path| ValueChange {
            path: path.clone(),
            before: old.get(path).cloned().unwrap_or_default(),
            after: new.get(path).cloned().unwrap_or_default(),
            written: written.get(path).cloned(),
        })
        .collect();
    let rights = |fleet: &Fleet| fleet.accounts().get(name).map(Account::rights).unwrap_or_default();
    let rights = right_changes(&rights(base), &rights(head));
    let differs = !values.is_empty() || !rights.is_empty();
    let change = if change == Change::Same && differs { Change::Changed } else { change };
    AccountDiff { change, values, rights }
}

/// The rights that differ, in their order.
fn right_changes(old: &BTreeMap<Right, Conditions>, new: &BTreeMap<Right, Conditions>) -> Vec<RightChange> {
    let all: BTreeSet<&Right> = old.keys().chain(new.keys()).collect();
    all.into_iter()
        .filter(|right| old.get(right) != new.get(right))
        .map(|right| RightChange {
            right: right.clone(),
            before: old.get(right).cloned(),
            after: new.get(right).cloned(),
        })
        .collect()
}

impl Account {
    /// Whether a runner that goes by `before` may go by this from now on, and the rights that then change. `brought_by`
    /// are the principals of the caller who brought it.
    ///
    /// # Errors
    /// `PC-0509` when somebody may apply and nobody could any more, or when those who brought it could not and nobody
    /// takes their place: most likely a mistake, and one that a merge could not mend, since nobody could have it
    /// applied.
    pub fn in_place_of(&self, before: &Account, brought_by: &[PrincipalName]) -> Result<Vec<RightChange>, Fault> {
        let appliers = |account: &Account| {
            account.rights().keys().any(|right| right.action == ActionKind::Apply && right.role == Role::Start)
        };
        if appliers(before) && !appliers(self) {
            let message = format!("nobody could apply in account `{}` any more", self.name);
            return Err(Fault::new(Code::FLEET_LOCKS_OUT, message).remedy(
                "Let somebody apply, or start the runner anew if that is what is meant: it then has none to compare with.",
            ));
        }
        self.keeps(before, brought_by)?;
        Ok(right_changes(&before.rights(), &self.rights()))
    }

    /// Whether one of those who could apply, and brought this, still can, or somebody new can in their place.
    fn keeps(&self, before: &Account, brought_by: &[PrincipalName]) -> Result<(), Fault> {
        let may_apply = |account: &Account, name: &PrincipalName| {
            account.actions.get(&ActionKind::Apply).is_some_and(|grant| grant.allow.contains(name))
        };
        let brought: Vec<&PrincipalName> = brought_by.iter().filter(|name| may_apply(before, name)).collect();
        let stays = brought.is_empty() || brought.iter().any(|name| may_apply(self, name));
        let allowed = self.actions.get(&ActionKind::Apply).map(|grant| grant.allow.as_slice()).unwrap_or_default();
        if stays || allowed.iter().any(|name| !may_apply(before, name)) {
            return Ok(());
        }
        let names = brought.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let message =
            format!("{names} brought this definition and could not apply in account `{}` any more", self.name);
        Err(Fault::new(Code::FLEET_LOCKS_OUT, message).remedy(
            "Let somebody new apply in its place, let another who may apply bring it, or start the runner anew if that \
             is what is meant: it then has none to compare with.",
        ))
    }
}
