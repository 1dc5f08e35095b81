//! What is decided about a caller, and why.
//!
//! Default deny: what no permit allows is denied, and one policy that forbids is enough. A policy that cannot be evaluated
//! denies; Cedar alone would leave it out.

use std::collections::BTreeSet;

use cedar_policy::{Authorizer, Decision as Answer, PolicyId, Response};
use portcullis_model::{ActionKind, Code, Fault, PrincipalName};

use crate::compile::{Door, Policies};
use crate::explain::{self, Audience, escaped, is, listed, verb};
use crate::grants::{Caller, Facts, Role};
use crate::request::{Asker, Question, question};

/// Most policies that a reason names.
const NAMED_MAX: usize = 4;

/// What was decided, and why. Kept for the record whether granted or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The principals that the token is and that may do this; when it is denied, all that the token is.
    pub principals: Vec<PrincipalName>,
    /// Why, in full, for the record and the operators. Names claims and the values that were wanted.
    pub reason: String,
    /// For the caller, when it is denied: the same reason, but a caller that is no principal at all is not
    /// told what values would have let it in.
    pub fault: Option<Fault>,
}

impl Decision {
    /// The principals, or the fault for the caller.
    ///
    /// # Errors
    /// `PC-0100`, `PC-0300`, `PC-0301` or `PC-0302` when it was denied.
    pub fn into_result(self) -> Result<Vec<PrincipalName>, Fault> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.principals),
        }
    }
}

impl Policies {
    /// The principals that the token is, in the order of their names.
    pub fn matched(&self, caller: &Caller<'_>) -> Vec<PrincipalName> {
        let fits = |name: &&PrincipalName| self.principals.get(*name).is_some_and(|principal| is(principal, caller));
        self.index.candidates(caller).filter(fits).cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether the caller has the right, whatever else is asked for: who allows it, and nothing of what forbids it. For
    /// what is decided before the facts are known, and for what nothing forbids.
    pub fn may(&self, caller: &Caller<'_>, action: ActionKind, role: Role) -> Decision {
        self.judge(caller, action, role, None)
    }

    /// What is decided.
    pub fn decide(&self, caller: &Caller<'_>, action: ActionKind, role: Role, facts: &Facts<'_>) -> Decision {
        self.judge(caller, action, role, Some(facts))
    }

    fn judge(&self, caller: &Caller<'_>, action: ActionKind, role: Role, facts: Option<&Facts<'_>>) -> Decision {
        let matched = self.matched(caller);
        let Some(door) = self.door(action, role).filter(|_| self.grants.actions.contains_key(&action)) else {
            return self.no_such_action(action, matched);
        };
        let asker = Asker { caller: *caller, principals: &matched };
        match self.ask(door, &asker, facts) {
            Err(fault) => {
                Decision { allowed: false, principals: matched, reason: fault.message().to_owned(), fault: Some(fault) }
            }
            Ok(Verdict::Allowed(principals)) => {
                let reason = format!("{} may {}", listed(&principals), verb(action, role));
                Decision { allowed: true, principals, reason, fault: None }
            }
            Ok(Verdict::NotAllowed) => self.not_allowed(caller, action, role, matched),
            Ok(Verdict::Forbidden(but, by)) => self.forbidden(&verb(action, role), &but, matched, &by),
        }
    }

    fn ask(&self, door: &Door, asker: &Asker<'_>, facts: Option<&Facts<'_>>) -> Result<Verdict, Fault> {
        let frozen: Vec<&str> = match facts {
            None => Vec::new(),
            Some(facts) => {
                let on = self.grants.freezes.iter().filter(|(_, freeze)| freeze.is_on(facts.at));
                on.map(|(name, _)| name.as_str()).collect()
            }
        };
        let (set, best) = (if facts.is_some() { &door.whole } else { &door.permits }, Facts::best());
        let asked = question(asker, &door.action, &self.account, facts.unwrap_or(&best), &frozen)?;
        let response = answer(&asked, set);
        let failed = |response: &Response| response.diagnostics().errors().next().is_some();
        if response.decision() == Answer::Allow && !failed(&response) {
            return Ok(Verdict::Allowed(principals(&response)));
        }
        // Whether it would be allowed if nothing forbade it: who may not hear of what forbids does not.
        let allowed = answer(&asked, &door.permits);
        if allowed.decision() != Answer::Allow {
            return Ok(Verdict::NotAllowed);
        }
        let mut by: Vec<Ground> =
            response.diagnostics().errors().map(|error| Ground::Error(format!("{error}"))).collect();
        if response.decision() == Answer::Deny {
            by.extend(response.diagnostics().reason().map(|id| Ground::Policy(id.clone())));
        }
        Ok(Verdict::Forbidden(principals(&allowed), by))
    }

    fn no_such_action(&self, action: ActionKind, matched: Vec<PrincipalName>) -> Decision {
        let reason = format!("the action `{action}` does not exist in this account");
        let offered: Vec<String> = self.grants.actions.keys().map(|kind| format!("`{kind}`")).collect();
        let offered = if offered.is_empty() { "nothing".into() } else { offered.join(", ") };
        let fault = Fault::new(Code::UNKNOWN_ACTION, reason.clone()).remedy(format!("This account offers: {offered}."));
        Decision { allowed: false, principals: matched, reason, fault: Some(fault) }
    }

    fn not_allowed(
        &self,
        caller: &Caller<'_>,
        action: ActionKind,
        role: Role,
        matched: Vec<PrincipalName>,
    ) -> Decision {
        let (code, attribute) = match role {
            Role::Start => (Code::DENIED, "allow"),
            Role::Approve => (Code::NOT_AN_APPROVER, "approvers"),
        };
        let wanted = self.grants.named(action, role);
        let remedy = if wanted.is_empty() {
            format!("Name a principal in `{attribute}` of action \"{action}\", on the protected branch.")
        } else {
            format!(
                "Ask from where {} would be matched, or change the fleet definition on the protected branch.",
                listed(wanted)
            )
        };
        let told = if matched.is_empty() { Audience::Strangers } else { Audience::Operators };
        let reason = explain::missing(self, caller, action, role, &matched, Audience::Operators);
        let fault = Fault::new(code, explain::missing(self, caller, action, role, &matched, told)).remedy(remedy);
        Decision { allowed: false, principals: matched, reason, fault: Some(fault) }
    }

    fn forbidden(&self, what: &str, but: &[PrincipalName], matched: Vec<PrincipalName>, by: &[Ground]) -> Decision {
        let mut grounds: Vec<String> = by.iter().map(|ground| self.told(ground)).collect();
        grounds.sort();
        let left_out = grounds.len().saturating_sub(NAMED_MAX);
        grounds.truncate(NAMED_MAX);
        if left_out > 0 {
            grounds.push(format!("{left_out} more"));
        }
        let reason = format!("{} may {what}, but {}", listed(but), grounds.join("; "));
        let fault = Fault::new(Code::FORBIDDEN_BY_POLICY, reason.clone())
            .remedy("Ask again when the policy allows it, or change it on the protected branch.");
        Decision { allowed: false, principals: matched, reason, fault: Some(fault) }
    }

    /// What forbids, with its place and its author's words.
    fn told(&self, ground: &Ground) -> String {
        let id = match ground {
            Ground::Error(error) => return format!("a policy could not be evaluated: {}", escaped(error)),
            Ground::Policy(id) => id,
        };
        for forbid in &self.grants.forbids {
            let Some(policy) = forbid.policies().iter().find(|policy| policy.id() == id) else { continue };
            let place = forbid.place().map(|place| format!(" ({}:{})", place.file, place.line)).unwrap_or_default();
            let words = policy.annotation("reason").filter(|words| !words.is_empty());
            let words = words.map(|words| format!(": {}", escaped(words))).unwrap_or_default();
            return format!("policy `{}`{place} forbids it{words}", forbid.name());
        }
        "a policy forbids it".to_owned()
    }
}

/// What the policies say.
enum Verdict {
    Allowed(Vec<PrincipalName>),
    NotAllowed,
    /// Who may, and what forbids it all the same.
    Forbidden(Vec<PrincipalName>, Vec<Ground>),
}

/// Why something that is allowed is forbidden.
enum Ground {
    Policy(PolicyId),
    Error(String),
}

pub(crate) fn answer(asked: &Question, set: &cedar_policy::PolicySet) -> Response {
    Authorizer::new().is_authorized(&asked.request, set, &asked.entities)
}

/// The principals whose permits allowed it: a permit has its principal's name.
pub(crate) fn principals(response: &Response) -> Vec<PrincipalName> {
    let named = response.diagnostics().reason().filter_map(|id| PrincipalName::parse(id.as_ref()).ok());
    named.collect::<BTreeSet<_>>().into_iter().collect()
}
