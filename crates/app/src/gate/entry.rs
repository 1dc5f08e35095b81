//! The [`Gate`], and who is at it.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use portcullis_mirror::Mirror;
use portcullis_model::record::RunRecord;
use portcullis_model::{Code, Digest, Fault, RunId};
use portcullis_policy::{Caller, Role};
use portcullis_store::{DecisionRecord, Store, UsedToken};
use portcullis_trust::oidc::{Verified, Verifier};
use tokio::sync::watch;

use super::record::{Refusals, blank};
use super::rules::{Newer, Rules};
use crate::http::Bearer;
use crate::http::rate::Buckets;
use crate::http::router::too_often;

/// What a run's read token starts with, so that it is told from an OIDC token before anything is parsed.
pub const READ_TOKEN_PREFIX: &str = "pcr_";

/// Where accepted runs go.
pub trait Intake: Send + Sync + 'static {
    /// Hands over a run that is on record.
    fn submit(&self, run: RunRecord) -> BoxFuture<'_, Result<(), Fault>>;
    /// Approves held plans.
    fn approve(&self, run: RunId, plans: Vec<Digest>, by: String) -> BoxFuture<'_, Result<(), Fault>>;
    /// Cancels a run.
    fn cancel(&self, run: RunId, by: String) -> BoxFuture<'_, Result<(), Fault>>;
}

impl Intake for portcullis_engine::runtime::Handle {
    fn submit(&self, run: RunRecord) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(portcullis_engine::runtime::Handle::submit(self, run))
    }
    fn approve(&self, run: RunId, plans: Vec<Digest>, by: String) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(portcullis_engine::runtime::Handle::approve(self, run, plans, by))
    }
    fn cancel(&self, run: RunId, by: String) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(portcullis_engine::runtime::Handle::cancel(self, run, by))
    }
}

/// The gate of a runner.
pub struct Gate {
    /// Verifies tokens of the issuers that the definition in force declares.
    pub verifier: Arc<Verifier>,
    /// Where decisions, runs and used tokens are kept.
    pub store: Store,
    /// The runner's own clone.
    pub mirror: Arc<Mirror>,
    /// The definition in force. `None` until there is one.
    pub rules: watch::Receiver<Option<Arc<Rules>>>,
    /// The way to a newer one.
    pub newer: Arc<dyn Newer>,
    /// Takes what was accepted.
    pub intake: Arc<dyn Intake>,
    /// How often one caller may ask.
    pub rates: Buckets<(String, String)>,
    /// What of refusals is put on record.
    pub refusals: Refusals,
    /// The clock.
    pub clock: fn() -> Timestamp,
}

/// A caller that the definition in force knows, and that definition.
pub(super) struct Known {
    pub rules: Arc<Rules>,
    pub who: Verified,
}

impl Gate {
    /// Whether a caller may send a body at all: its token holds, and it is a principal here. The body of a
    /// stranger is never read.
    ///
    /// # Errors
    /// 02xx and `PC-0300`, on record.
    pub async fn admit(&self, caller: &Bearer, asked: &str) -> Result<(), Fault> {
        let mut decision = blank((self.clock)(), asked);
        match self.known(caller, &mut decision).await {
            Ok(_) => Ok(()),
            Err(fault) => Err(self.refused(decision, fault).await),
        }
    }

    /// The caller, if it is a principal that any action of this account names.
    ///
    /// Judged by the definition in force. If that says no for a reason that a newer one may take away, that one
    /// is looked for, at a bounded rate since the caller may be anybody, and judged by.
    pub(super) async fn known(&self, caller: &Bearer, decision: &mut DecisionRecord) -> Result<Known, Fault> {
        let known = self.known_now_or_newer(caller, decision).await;
        // By whom it is about and not by the token: each request has a new one. Also for strangers whose token holds.
        if let (Some(issuer), Some(subject)) = (&decision.issuer, &decision.subject)
            && !self.rates.take((issuer.clone(), subject.clone()), Instant::now())
        {
            return Err(too_often("this caller asks"));
        }
        known
    }

    async fn known_now_or_newer(&self, caller: &Bearer, decision: &mut DecisionRecord) -> Result<Known, Fault> {
        match self.known_now(caller, decision).await {
            Err(fault) if may_be_old(fault.code()) && self.newer.refresh_bounded().await => {
                self.known_now(caller, decision).await
            }
            ended => ended,
        }
    }

    /// The same by the head of the protected branch, which is fetched: for a caller that was known before.
    pub(super) async fn known_at_head(&self, caller: &Bearer, decision: &mut DecisionRecord) -> Result<Known, Fault> {
        self.newer.refresh(&decision.principals).await?;
        self.known_now(caller, decision).await
    }

    async fn known_now(&self, caller: &Bearer, decision: &mut DecisionRecord) -> Result<Known, Fault> {
        let rules = self.rules.borrow().clone().ok_or_else(not_ready)?;
        if caller.expose().starts_with(READ_TOKEN_PREFIX) {
            return Err(Fault::new(Code::UNAUTHENTICATED, "a read token cannot do this")
                .remedy("Send an OIDC token for this runner's audience."));
        }
        decision.token = Some(Digest::of(caller.expose().as_bytes()));
        decision.definition = Some(rules.definition.digest);
        let who = self.verifier.verify(caller.expose(), decision.at).await?;
        decision.issuer = Some(who.issuer.clone());
        decision.subject = Some(who.subject.clone());
        decision.token_id = Some(who.token_id.to_string());
        principal_here(&rules, &who, decision)?;
        Ok(Known { rules, who })
    }

    /// Marks the token as used.
    pub(super) async fn spend(&self, who: &Verified) -> Result<(), Fault> {
        let used = used(who);
        if self.store.token_use(&used.id, used.expires_at, (self.clock)()).await? { Ok(()) } else { Err(replayed()) }
    }
}

/// Refusals that another definition may not give.
fn may_be_old(code: Code) -> bool {
    matches!(code, Code::TOKEN_WRONG_ISSUER | Code::TOKEN_WRONG_AUDIENCE | Code::DENIED | Code::NOT_READY)
}

/// Whether this is a principal that any action of the account names.
fn principal_here(rules: &Rules, who: &Verified, decision: &mut DecisionRecord) -> Result<(), Fault> {
    let matched = rules.policies.matched(&as_caller(who));
    let known = matched.iter().any(|name| rules.policies.names(name));
    decision.principals = matched;
    if known {
        return Ok(());
    }
    // Why it is none is explained by what it would need for the least action that there is.
    let explained = rules.policies.grants().actions.keys().next();
    let explained = explained.map(|kind| rules.policies.may(&as_caller(who), *kind, Role::Start));
    if let Some(denied) = explained {
        decision.reason = denied.reason;
        if let Some(fault) = denied.fault {
            return Err(fault);
        }
    }
    Err(Fault::new(Code::DENIED, "the token matches no principal that any action of this account names").remedy(
        "Ask from where a principal of this account would be matched, or change the fleet definition on the \
         protected branch.",
    ))
}

/// What a request meets before a definition is in force.
pub fn not_ready() -> Fault {
    Fault::new(Code::NOT_READY, "no fleet definition is in force yet").remedy("`/v1/readyz` says why.")
}

/// The fault for a run that is not here.
pub fn no_such_run() -> Fault {
    Fault::new(Code::NOT_FOUND, "there is no such run here").remedy("`portcullis run list` shows the runs.")
}

pub(super) fn replayed() -> Fault {
    Fault::new(Code::TOKEN_REPLAYED, "the token was used before")
        .remedy("Ask the issuer for a new token for each request that changes something.")
}

pub(super) fn used(who: &Verified) -> UsedToken {
    UsedToken { id: who.token_id.to_string(), expires_at: who.expires_at }
}

/// The verified token, as the policies see it.
pub(super) fn as_caller(who: &Verified) -> Caller<'_> {
    Caller { identities: &who.identities, issuer: &who.issuer, subject: &who.subject, claims: &who.claims }
}

/// One person or identity, however many principals it is: what approvals are counted by.
pub(super) fn identity(who: &Verified) -> String {
    format!("{} {}", who.issuer, who.subject)
}
