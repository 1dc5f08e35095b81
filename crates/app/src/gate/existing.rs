//! Runs that are there already: approving, cancelling, reading.

use jiff::Timestamp;
use portcullis_model::api::ApproveRequest;
use portcullis_model::record::RunRecord;
use portcullis_model::{Code, Digest, Fault, RunId};
use portcullis_policy::{Decision, Facts, Requester, Role};
use portcullis_store::DecisionRecord;

use super::entry::{Gate, Known, READ_TOKEN_PREFIX, as_caller, identity, no_such_run};
use super::people;
use super::record::blank;
use super::trigger::{facts, requester};
use crate::http::Bearer;

/// Most plans that one approval names.
const PLANS_MAX: usize = 1000;

impl Gate {
    /// Approves held plans of a run.
    ///
    /// # Errors
    /// `PC-0301` for who is no approver, and what the engine says of the plans.
    pub async fn approve(&self, caller: &Bearer, run: RunId, request: &ApproveRequest) -> Result<(), Fault> {
        let mut decision = blank((self.clock)(), "approve");
        decision.run = Some(run);
        let plans = match self.judge_approval(caller, run, request, &mut decision).await {
            Ok(plans) => plans,
            Err(fault) => return Err(self.refused(decision, fault).await),
        };
        let by = by(&decision);
        decision.granted = true;
        self.store.decision_insert(&decision).await?;
        self.intake.approve(run, plans, by).await
    }

    async fn judge_approval(
        &self,
        caller: &Bearer,
        run: RunId,
        request: &ApproveRequest,
        decision: &mut DecisionRecord,
    ) -> Result<Vec<Digest>, Fault> {
        self.known(caller, decision).await?;
        let record = self.unfinished(run).await?;
        // Who was an approver a minute ago may be none now.
        let known = self.known_at_head(caller, decision).await?;
        let kind = record.action.kind;
        decision.action = Some(kind);
        let granted = known.rules.policies.may(&as_caller(&known.who), kind, Role::Approve);
        decision.reason.clone_from(&granted.reason);
        decision.principals = granted.into_result()?;
        if requester(&record) == Some(identity(&known.who).as_str()) {
            decision.reason = "the approver is the one who asked for the run".to_owned();
            return Err(Fault::new(Code::NOT_AN_APPROVER, "who asked for a run may not approve it")
                .remedy("Let another of the action's approvers look at it."));
        }
        let granted = self.decide_approval(&known, &record, decision.at).await?;
        decision.reason.clone_from(&granted.reason);
        decision.principals = granted.into_result()?;
        if request.plans.is_empty() || request.plans.len() > PLANS_MAX {
            return Err(Fault::new(Code::BAD_REQUEST, format!("`plans` has to name 1 to {PLANS_MAX} plans"))
                .remedy("Name the digests of the held plans, as `portcullis run show` prints them."));
        }
        if people::of_token(&known.who).iter().any(|person| record.involved.contains(person)) {
            decision.reason = "the approver had a hand in the change".to_owned();
            return Err(Fault::new(Code::NOT_AN_APPROVER, "who wrote or merged a change may not approve it")
                .remedy("Let another of the action's approvers look at it."));
        }
        let plans = request.plans.iter().map(|text| text.parse()).collect::<Result<Vec<Digest>, Fault>>()?;
        decision.plans.clone_from(&plans);
        self.spend(&known.who).await?;
        Ok(plans)
    }

    /// What the policies say of an approval of this run.
    async fn decide_approval(&self, known: &Known, run: &RunRecord, at: Timestamp) -> Result<Decision, Fault> {
        let protected = self.is_on_protected(&run.commit, &known.rules).await?;
        // An issuer is a URL, which has no space.
        let (issuer, subject) = requester(run).and_then(|by| by.split_once(' ')).unwrap_or_default();
        let requester = Requester { issuer, subject, principals: &run.principals, claims: &run.requester_claims };
        let facts = Facts { requester: Some(requester), ..facts(&run.action, protected, at) };
        Ok(known.rules.policies.decide(&as_caller(&known.who), run.action.kind, Role::Approve, &facts))
    }

    /// Cancels a run. Allowed for who may ask for its action, and for its approvers. By the definition in force,
    /// so that it works while the repository cannot be reached.
    ///
    /// # Errors
    /// `PC-0300` for anybody else, `PC-0118` when it has ended.
    pub async fn cancel(&self, caller: &Bearer, run: RunId) -> Result<(), Fault> {
        let mut decision = blank((self.clock)(), "cancel");
        decision.run = Some(run);
        if let Err(fault) = self.judge_cancel(caller, run, &mut decision).await {
            return Err(self.refused(decision, fault).await);
        }
        let by = by(&decision);
        decision.granted = true;
        self.store.decision_insert(&decision).await?;
        self.intake.cancel(run, by).await
    }

    async fn judge_cancel(&self, caller: &Bearer, run: RunId, decision: &mut DecisionRecord) -> Result<(), Fault> {
        let known = self.known(caller, decision).await?;
        let kind = self.unfinished(run).await?.action.kind;
        decision.action = Some(kind);
        let mut granted = known.rules.policies.may(&as_caller(&known.who), kind, Role::Start);
        if !granted.allowed {
            let approver = known.rules.policies.may(&as_caller(&known.who), kind, Role::Approve);
            if approver.allowed {
                granted = approver;
            }
        }
        decision.reason.clone_from(&granted.reason);
        decision.principals = granted.into_result()?;
        self.spend(&known.who).await
    }

    /// Whether the caller may read this run (`Some`), or all that a principal of the account may read (`None`).
    /// A refusal is on record; a permission is not: reading changes nothing.
    ///
    /// # Errors
    /// `PC-0211` for a read token of another run, 02xx and `PC-0300` for others.
    pub async fn reader(&self, caller: &Bearer, run: Option<RunId>) -> Result<(), Fault> {
        let mut decision = blank((self.clock)(), "read");
        decision.run = run;
        match self.judge_reader(caller, run, &mut decision).await {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.refused(decision, fault).await),
        }
    }

    async fn judge_reader(
        &self,
        caller: &Bearer,
        run: Option<RunId>,
        decision: &mut DecisionRecord,
    ) -> Result<(), Fault> {
        if !caller.expose().starts_with(READ_TOKEN_PREFIX) {
            return self.known(caller, decision).await.map(drop);
        }
        let digest = Digest::of(caller.expose().as_bytes());
        if let Some(run) = run
            && self.store.read_token_check(run, &digest, decision.at).await?
        {
            return Ok(());
        }
        Err(read_token_invalid())
    }

    async fn unfinished(&self, run: RunId) -> Result<RunRecord, Fault> {
        let record = self.store.run_get(run).await?.ok_or_else(no_such_run)?;
        if record.state.is_final() {
            return Err(Fault::new(Code::RUN_ENDED, "the run has ended already")
                .remedy("Start a new run if something is left to do."));
        }
        Ok(record)
    }
}

pub(super) fn read_token_invalid() -> Fault {
    Fault::new(Code::READ_TOKEN_INVALID, "the read token does not read this, or has expired")
        .remedy("A read token reads the run it was given with. Use an OIDC token for anything else.")
}

fn by(decision: &DecisionRecord) -> String {
    format!("{} {}", decision.issuer.as_deref().unwrap_or_default(), decision.subject.as_deref().unwrap_or_default())
}
