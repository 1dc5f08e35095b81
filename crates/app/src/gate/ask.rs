//! What a caller may ask for, and what would become of a request. Starts nothing, spends no token, fetches nothing.

use std::collections::BTreeMap;

use portcullis_fleet::{Declared, Work};
use portcullis_model::api::{ActionList, ActionView, Explanation, ParameterView, TriggerRequest};
use portcullis_model::parameter::{Parameter, Presence};
use portcullis_model::run::Phase;
use portcullis_model::{Action, ActionKind, CommitId, Fault, PrincipalName};
use portcullis_policy::Role;
use portcullis_trust::oidc::Verified;

use super::declared::Chosen;
use super::entry::{Gate, Known, READ_TOKEN_PREFIX, as_caller};
use super::existing::read_token_invalid;
use super::record::blank;
use super::rules::Rules;
use super::trigger::Decided;
use crate::http::Bearer;
use crate::outcome::problem_of;

/// What a request would come to.
struct Judged {
    principals: Vec<PrincipalName>,
    reason: String,
    chosen: Option<Chosen>,
    commit: CommitId,
}

impl Gate {
    /// The actions that the caller may ask for, with what can be sent with each.
    ///
    /// # Errors
    /// 02xx and `PC-0300`, on record.
    pub async fn actions(&self, caller: &Bearer) -> Result<ActionList, Fault> {
        if caller.expose().starts_with(READ_TOKEN_PREFIX) {
            return Err(self.refused(blank((self.clock)(), "actions"), read_token_invalid()).await);
        }
        let Known { rules, who } = self.asking(caller, "actions").await?;
        let may = |kind: &&ActionKind| rules.policies.may(&as_caller(&who), **kind, Role::Start).allowed;
        Ok(ActionList {
            account: rules.account.to_string(),
            repository: rules.repository.to_string(),
            principals: rules.policies.matched(&as_caller(&who)).iter().map(ToString::to_string).collect(),
            actions: rules
                .policies
                .grants()
                .actions
                .keys()
                .filter(may)
                .map(|kind| action_view(*kind, &rules))
                .collect(),
        })
    }

    /// What would become of a request: by the definition in force and the repository as it was last fetched.
    ///
    /// # Errors
    /// 02xx and `PC-0300` for a caller that is no principal here, on record.
    pub async fn explain(&self, caller: &Bearer, request: &TriggerRequest) -> Result<Explanation, Fault> {
        let Known { rules, who } = self.asking(caller, "explain").await?;
        let all: Vec<String> = rules.policies.matched(&as_caller(&who)).iter().map(ToString::to_string).collect();
        Ok(match self.would(&rules, &who, request).await {
            Ok(judged) => Explanation {
                allowed: true,
                reason: judged.reason,
                principals: judged.principals.iter().map(ToString::to_string).collect(),
                problem: None,
                commit: Some(judged.commit),
                argv: judged.chosen.iter().flat_map(argv).collect(),
                parameters: judged.chosen.map(|chosen| chosen.values).unwrap_or_default(),
            },
            Err(fault) => Explanation {
                allowed: false,
                reason: fault.message().to_owned(),
                principals: all,
                problem: Some(problem_of(&fault)),
                commit: None,
                argv: Vec::new(),
                parameters: BTreeMap::new(),
            },
        })
    }

    async fn asking(&self, caller: &Bearer, what: &str) -> Result<Known, Fault> {
        let mut decision = blank((self.clock)(), what);
        match self.known(caller, &mut decision).await {
            Ok(known) => Ok(known),
            Err(fault) => Err(self.refused(decision, fault).await),
        }
    }

    async fn would(&self, rules: &Rules, who: &Verified, request: &TriggerRequest) -> Result<Judged, Fault> {
        let action = Action::check(request)?;
        let mut decision = blank((self.clock)(), &request.action);
        let Decided { principals, chosen, commit } = self.decided(rules, who, &action, request, &mut decision).await?;
        Ok(Judged { principals, reason: decision.reason, chosen, commit })
    }
}

fn argv(chosen: &Chosen) -> Vec<String> {
    std::iter::once(&chosen.program.name).chain(&chosen.program.arguments).cloned().collect()
}

fn action_view(kind: ActionKind, rules: &Rules) -> ActionView {
    let declared = rules.declared.get(&kind);
    let not_offered_because = declared.and_then(Declared::not_offered);
    let protected = || rules.protected.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
    let merged = match declared.map(|declared| &declared.work) {
        None => kind == ActionKind::Apply,
        Some(Work::Program(work)) => work.phase == Phase::Apply,
        Some(Work::BuiltIn(_)) => true,
    };
    ActionView {
        name: kind,
        description: match (declared, kind) {
            (Some(declared), _) => declared.description.clone(),
            (None, ActionKind::Apply) => "Applies what was reviewed.".to_owned(),
            (None, _) => "Plans the units that a branch affects.".to_owned(),
        },
        offered: not_offered_because.is_none(),
        not_offered_because,
        commits: if merged { format!("a commit of {}", protected()) } else { "the head of any branch".to_owned() },
        takes_units: declared.is_none(),
        parameters: declared.iter().flat_map(|declared| &declared.parameters).map(parameter_view).collect(),
        example: example(kind, declared, rules),
    }
}

fn parameter_view((name, parameter): (&String, &Parameter)) -> ParameterView {
    ParameterView {
        name: name.clone(),
        kind: parameter.kind.name().to_owned(),
        takes: parameter.kind.to_string(),
        bounds: serde_json::to_value(&parameter.kind).unwrap_or_default(),
        description: parameter.description.clone(),
        required: parameter.presence == Presence::Required,
        fixed: !parameter.is_open(),
        value: match &parameter.presence {
            Presence::Default(value) | Presence::Fixed(value) => Some(value.clone()),
            _ => None,
        },
        example: parameter.kind.example(),
    }
}

fn example(kind: ActionKind, declared: Option<&Declared>, rules: &Rules) -> TriggerRequest {
    let required = declared.iter().flat_map(|declared| &declared.parameters);
    let parameters = required
        .filter(|(_, parameter)| parameter.presence == Presence::Required)
        .filter_map(|(name, parameter)| {
            let json = serde_json::to_value(parameter.kind.example()).ok()?;
            Some((name.clone(), serde_json::from_value(json).ok()?))
        })
        .collect();
    TriggerRequest {
        action: kind.to_string(),
        repository: rules.repository.to_string(),
        reference: rules.protected.first().map(ToString::to_string).unwrap_or_default(),
        units: None,
        all: false,
        parameters,
    }
}
