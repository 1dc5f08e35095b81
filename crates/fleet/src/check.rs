//! What every definition must keep, and what is odd in one that keeps it.
//!
//! An invariant that is broken refuses the definition, as a fault of its syntax does: a runner goes on with the last
//! good one. A [`Finding`] refuses nothing.

use std::collections::BTreeSet;

use portcullis_model::{ActionKind, Code, Fault, Phase, Place, PrincipalName};
use serde::Serialize;

use crate::account::{Account, Grant, Work};
use crate::fleet::{FLEET_FILE, Fleet, Traced};
use crate::settings::LayerName;

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is odd.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What to do.
    pub remedy: String,
}

/// The invariants that are broken.
///
/// - A principal of a known CI service names an id: without one, every user of the service is this principal.
/// - Nobody may apply with a token that a proposal can get, and nobody may approve with one.
/// - Who may apply is none of those who may approve, by the tokens and not by the name alone.
pub(crate) fn invariants(fleet: &Fleet) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for account in fleet.accounts().values() {
        for (name, principal) in &account.principals {
            let Some(preset) = account.identities.get(&principal.identity).and_then(|identity| identity.preset) else {
                continue;
            };
            let ids = preset.ids();
            if !ids.iter().any(|id| principal.claims.contains_key(*id)) && seen.insert(("everybody", name.clone())) {
                let list = ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
                let message = format!("principal `{name}` can be anybody who uses {}: it names no id", preset.as_str());
                let remedy = format!("Add one of {list} to its claims. Names can be given to somebody else.");
                faults.push(at(fleet, name, message, remedy));
            }
        }
        for (kind, grant) in account.actions.iter().filter(|(kind, grant)| applies(**kind, grant)) {
            for name in &grant.allow {
                if let Some((why, remedy)) = open(account, name, Environment::IsNoAnswer)
                    && seen.insert(("apply", name.clone()))
                {
                    let message = format!(
                        "principal `{name}` may {kind} in `{}`, and a proposed change can be it: {why}",
                        account.name
                    );
                    faults.push(at(fleet, name, message, remedy));
                }
            }
        }
        let Some(grant) = account.actions.get(&ActionKind::Apply) else { continue };
        for name in &grant.approvers {
            if let Some((why, remedy)) = open(account, name, Environment::IsAnAnswer)
                && seen.insert(("approve", name.clone()))
            {
                let message = format!(
                    "principal `{name}` may approve in `{}`, and a proposed change can be it: {why}",
                    account.name
                );
                faults.push(at(fleet, name, message, remedy));
            }
        }
        if let Some((start, both)) = both(account, grant)
            && seen.insert(("both", both.clone()))
        {
            let message = if start == both {
                format!("principal `{both}` may start and approve `apply` in `{}`", account.name)
            } else {
                format!(
                    "every token of `{start}` is one of `{both}` as well: it may start and approve `apply` in `{}`",
                    account.name
                )
            };
            let remedy = "Let somebody else approve: what a change's own job may approve is not approved.";
            faults.push(at(fleet, both, message, remedy.to_owned()));
        }
    }
    faults
}

/// Whether an action is for merged code only.
fn applies(kind: ActionKind, grant: &Grant) -> bool {
    kind == ActionKind::Apply
        || grant
            .declared
            .as_ref()
            .is_some_and(|declared| matches!(&declared.work, Work::Program(work) if work.phase == Phase::Apply))
}

/// Whether an environment of the CI service, with its own rules of who gets in, is answer enough.
#[derive(Clone, Copy, PartialEq)]
enum Environment {
    IsAnAnswer,
    IsNoAnswer,
}

/// Why a proposal can get a principal's token; `None`: it cannot, or nothing is known of the issuer.
fn open(account: &Account, name: &PrincipalName, environment: Environment) -> Option<(String, String)> {
    let principal = account.principals.get(name)?;
    let preset = account.identities.get(&principal.identity)?.preset?;
    if environment == Environment::IsAnAnswer && principal.claims.contains_key("environment") {
        return preset.open_environment(&principal.claims);
    }
    preset.open_to_proposals(&principal.claims, &account.repository.protected)
}

/// Who may start and, perhaps under another name, approve.
fn both<'g>(account: &Account, grant: &'g Grant) -> Option<(&'g PrincipalName, &'g PrincipalName)> {
    grant.allow.iter().find_map(|start| {
        let approver = grant.approvers.iter().find(|approver| start == *approver || account.is_always(start, approver));
        Some((start, approver?))
    })
}

fn at(fleet: &Fleet, principal: &PrincipalName, message: String, remedy: String) -> Fault {
    let fault = Fault::new(Code::FLEET_INVARIANT, message).remedy(remedy);
    match fleet.declared().principals.get(principal) {
        Some(place) => fault.at(place.clone()),
        None => fault,
    }
}

/// What is odd in a definition that is right.
pub(crate) fn findings(fleet: &Fleet) -> Vec<Finding> {
    let mut findings = Vec::new();
    let declared = fleet.declared();
    let layers: Vec<&LayerName> = fleet.traces().values().flat_map(|trace| &trace.layers).collect();
    for (profile, place) in declared.profiles.iter().filter(|(profile, _)| !layers.contains(&profile)) {
        findings.push(Finding {
            message: format!("no account uses {profile}"),
            place: place.clone(),
            remedy: "Name it in the `profiles` of an account, or delete it.".to_owned(),
        });
    }
    for (name, place) in &declared.principals {
        if !fleet.accounts().values().any(|account| account.names(name)) {
            findings.push(Finding {
                message: format!("no action names principal `{name}`"),
                place: place.clone(),
                remedy: "Name it in `allow` or `approvers`, or delete it.".to_owned(),
            });
        }
    }
    let used: BTreeSet<&str> = fleet
        .accounts()
        .values()
        .flat_map(|account| account.principals.values().map(|principal| principal.identity.as_str()))
        .collect();
    for (name, place) in &declared.identities {
        let preset = fleet.accounts().values().find_map(|account| account.identities.get(name)?.preset);
        let (message, remedy) = if !used.contains(name.as_str()) {
            (format!("no principal is of identity `{name}`"), "Delete it, or define its principals.".to_owned())
        } else if preset.is_none() {
            let known = crate::Preset::ALL.map(|preset| format!("`{}`", preset.as_str())).join(", ");
            (
                format!(
                    "what tokens of identity `{name}` say of a change is not known: whether a proposal can get the \
                         token of a merge cannot be checked"
                ),
                format!("If it is a server of one of {known}, say so with `preset`."),
            )
        } else {
            continue;
        };
        findings.push(Finding { message, place: place.clone(), remedy });
    }
    findings.extend(unused_parameters(fleet));
    for (name, account) in fleet.accounts() {
        let apply = account.actions.get(&ActionKind::Apply);
        let Some(trace) = fleet.traces().get(name) else { continue };
        if apply.is_none_or(|grant| grant.allow.is_empty()) {
            findings.push(Finding {
                message: format!("nobody may apply in account `{name}`"),
                place: trace.place.clone(),
                remedy: "Give it a profile with `action \"apply\"`, unless it is only to be looked at.".to_owned(),
            });
        } else if apply.is_some_and(|grant| grant.approvers.is_empty()) {
            findings.push(Finding {
                message: format!("nobody may approve in account `{name}`: what is held there stays held"),
                place: trace.place.clone(),
                remedy: "Add `approvers` to `action \"apply\"`.".to_owned(),
            });
        }
    }
    findings
}

/// Parameters that a caller may give and that change nothing.
fn unused_parameters(fleet: &Fleet) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (name, account) in fleet.accounts() {
        let history = fleet.traces().get(name).map(Traced::history);
        for (kind, declared) in
            account.actions.iter().filter_map(|(kind, grant)| Some((kind, grant.declared.as_ref()?)))
        {
            let Work::Program(work) = &declared.work else { continue };
            let used = work.argv.parameters();
            for parameter in declared.parameters.keys().filter(|parameter| !used.contains(parameter.as_str())) {
                let path = format!("action.{kind}.parameter.{parameter}.type");
                let written = history.and_then(|history| history.get(&path)).and_then(|all| all.first());
                let finding = Finding {
                    message: format!("no argument of action `{kind}` holds its parameter `{parameter}`"),
                    place: written.map_or_else(|| Place::file(FLEET_FILE), |written| written.place.clone()),
                    remedy: format!("Use `param.{parameter}` in `argv`, or delete the parameter."),
                };
                // Accounts that use one profile find the same.
                if !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
        }
    }
    findings
}
