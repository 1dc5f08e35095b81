//! Rights, compiled: an account's actions and its `policy` blocks become what decides about requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_hcl::Value;
use portcullis_model::{AccountName, ActionKind, Code, Fault, Phase, Place, PrincipalName};
use portcullis_policy::{Compiler, Freeze, Grants, Policies, Principal, Role, TextFault};

use crate::account::{Grant, Work};
use crate::decode;
use crate::fleet::kept;
use crate::layer::{Node, Tree};

/// Most faults of one text that are told: one mistake may break several rules of the schema.
const FAULTS_MAX: usize = 4;

/// Compiles the accounts of one definition.
pub(crate) struct Compiling(Compiler);

impl Compiling {
    /// For these accounts and principals. Policies may be about every action that any of the layers has.
    pub fn new<'t>(
        accounts: BTreeSet<AccountName>,
        principals: BTreeMap<PrincipalName, Principal>,
        layers: impl Iterator<Item = &'t Tree>,
    ) -> Result<Self, Fault> {
        let mut actions = BTreeSet::new();
        for layer in layers {
            if let Some(Node::Map(labelled, _)) = layer.get("action") {
                actions.extend(labelled.keys().filter_map(|name| ActionKind::parse(name).ok()));
            }
        }
        Ok(Compiling(Compiler::new(accounts, principals, actions)?))
    }

    /// What decides in an account. `None`: a text is wrong, which is in `faults`.
    pub fn account(
        &mut self,
        name: &AccountName,
        tree: &Tree,
        actions: &BTreeMap<ActionKind, Grant>,
        freezes: &BTreeMap<String, Freeze>,
        faults: &mut Vec<Fault>,
    ) -> Option<Arc<Policies>> {
        let mut grants = Grants::new(name.clone());
        grants.freezes.clone_from(freezes);
        let before = faults.len();
        for (name, text, value) in kept(decode::policy_texts(tree), faults)? {
            match self.0.forbid(name, &text, Some(value.origin().place()), freezes) {
                Ok(forbid) => grants.forbids.push(forbid),
                Err(wrong) => faults.extend(wrong.iter().take(FAULTS_MAX).map(|wrong| refused(name, value, wrong))),
            }
        }
        if faults.len() > before {
            return None;
        }
        let granted = |(kind, grant): (&ActionKind, &Grant)| {
            let (allow, approvers) = (grant.allow.clone(), grant.approvers.clone());
            let program = grant.declared.as_ref().map(|declared| &declared.work);
            let applies = matches!(program, Some(Work::Program(work)) if work.phase == Phase::Apply);
            let protected = *kind == ActionKind::Apply || applies;
            (*kind, portcullis_policy::Grant { allow, approvers, protected })
        };
        grants.actions = actions.iter().map(granted).collect();
        kept(self.0.compile(grants), faults).map(Arc::new)
    }
}

/// Whether what policies forbid, whatever is asked for, is all that there is.
pub(crate) fn lets_nobody_in(policies: &Policies) -> bool {
    let granted = policies.grants().actions.values().any(|grant| !grant.allow.is_empty());
    granted
        && !policies.grants().forbids.is_empty()
        && !policies.rights().keys().any(|(_, role, _)| *role == Role::Start)
}

fn refused(name: &str, value: &Value, wrong: &TextFault) -> Fault {
    let message = format!("policy `{name}`: {}", wrong.message);
    Fault::new(Code::FLEET_POLICY, message).at(place(value, wrong.offset)).remedy(wrong.remedy.as_str())
}

/// Where in the file a place in the text is: its line, if the text is written out there, else the text's own place.
fn place(value: &Value, offset: Option<usize>) -> Place {
    let origin = value.origin();
    let (Some(offset), Some(text), written) = (offset, value.as_str(), origin.text()) else { return origin.place() };
    let before = text.get(..offset).unwrap_or(text);
    let (number, start) = (before.matches('\n').count(), before.rfind('\n').map_or(0, |at| at + 1));
    let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
    if !written.starts_with("<<") {
        return origin.place();
    }
    // The first line of a heredoc is its marker; it may be indented by more than its text is.
    let mut at = 0;
    for _ in 0..=number {
        match written.get(at..).and_then(|rest| rest.find('\n')) {
            Some(end) => at += end + 1,
            None => return origin.place(),
        }
    }
    let indent = written.get(at..).and_then(|rest| rest.lines().next()).and_then(|found| found.find(line));
    let at = origin.range().start + at + indent.unwrap_or(0) + (offset - start.min(offset));
    origin.file().place(&(at..at))
}
