//! The one way in: authenticate, validate, authorize, accept.
//!
//! Every request that changes something passes here, and what was decided about it is on record before
//! anything starts, granted or not. A token is spent by the request that it starts, approves or cancels with;
//! reading does not spend it.
//!
//! Never believes a request: refs are resolved in the runner's own mirror, rights come from the last good fleet
//! definition on the protected branch.

use std::sync::Arc;

use base64::Engine as _;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use portcullis_estate::{Entry, GitSource, Source};
use portcullis_mirror::Mirror;
use portcullis_model::api::{ApproveRequest, TriggerRequest};
use portcullis_model::record::{ApplyRule, RunRecord};
use portcullis_model::{
    AccountName, Action, ActionKind, BranchName, Code, CommitId, Digest, DigestBuilder, Fault, RepositoryName, RunId,
    RunState, Selection, UnitPath,
};
use portcullis_store::{AcceptRun, Accepted, DecisionRecord, Idempotency, ReadToken, Store, UsedToken};
use portcullis_trust::oidc::{Verified, Verifier};
use portcullis_trust::policy::{self, Grants};
use tokio::sync::watch;
use uuid::Uuid;

use crate::http::{Bearer, IdempotencyKey};

/// What a run's read token starts with, so that it is told from an OIDC token before anything is parsed.
pub const READ_TOKEN_PREFIX: &str = "pcr_";
/// How long a read token works.
const READ_TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(48);
/// Most plans that one approval names.
const PLANS_MAX: usize = 1000;

/// What the gate needs of the account's definition. Replaced as a whole when the definition changes.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The account.
    pub account: AccountName,
    /// Its folder in the repository; `.` for all of it.
    pub folder: String,
    /// The repository's name in the fleet definition.
    pub repository: RepositoryName,
    /// Its protected branches. Never empty in a definition that is in force.
    pub protected: Vec<BranchName>,
    /// Who may do what.
    pub grants: Grants,
    /// What an apply does with plans, as it is now.
    pub apply: ApplyRule,
}

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

/// A run that was let in.
#[derive(Debug, Clone)]
pub struct LetIn {
    /// The run; as it was accepted, or as it is now when the request is a repeated one.
    pub run: RunRecord,
    /// Its read token; `None` for a repeated request.
    pub read_token: Option<String>,
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
    /// Takes what was accepted.
    pub intake: Arc<dyn Intake>,
    /// The clock.
    pub clock: fn() -> Timestamp,
}

impl Gate {
    /// Decides about a request and accepts the run.
    ///
    /// # Errors
    /// 01xx for what the request says, 02xx for who asks, 03xx for their rights, 08xx when git cannot answer.
    pub async fn trigger(
        &self,
        caller: &Bearer,
        key: Option<IdempotencyKey>,
        request: &TriggerRequest,
    ) -> Result<LetIn, Fault> {
        let now = (self.clock)();
        let mut decision = blank(now, "trigger");
        decision.repository = Some(request.repository.clone());
        decision.reference = Some(request.reference.clone());
        decision.asked.clone_from(&request.action);
        match self.judge(caller, request, &mut decision).await {
            Ok(judged) => self.accept(judged, key, request, decision).await,
            Err(fault) => Err(self.refused(decision, fault).await),
        }
    }

    async fn judge(
        &self,
        caller: &Bearer,
        request: &TriggerRequest,
        decision: &mut DecisionRecord,
    ) -> Result<Judged, Fault> {
        let rules = self.rules()?;
        let who = self.authenticate(caller, decision).await?;
        let action = Action::check(request)?;
        decision.action = Some(action.kind);
        let granted = policy::decide(&rules.grants, &who, action.kind);
        decision.principals.clone_from(&granted.principals);
        decision.reason.clone_from(&granted.reason);
        let principals = granted.into_result()?;
        if action.repository != rules.repository {
            return Err(Fault::new(
                Code::REPOSITORY_UNKNOWN,
                format!("the repository `{}` is not declared for account `{}`", action.repository, rules.account),
            )
            .remedy(format!("Name `{}`.", rules.repository)));
        }
        if let Selection::Units(units) = &action.selection {
            units.iter().try_for_each(|unit| inside(unit, &rules))?;
        }
        self.mirror.fetch().await?;
        let commit = self.mirror.branch(&action.branch).await?;
        if action.kind == ActionKind::Apply {
            self.on_protected(&commit, &action.branch, &rules).await?;
        }
        if let Selection::Units(units) = &action.selection {
            let (git_dir, units, at) = (self.mirror.git_dir().to_owned(), units.clone(), commit.clone());
            tokio::task::spawn_blocking(move || {
                let source = GitSource::open(&git_dir, &at)?;
                units.iter().try_for_each(|unit| exists(&source, unit))
            })
            .await
            .map_err(|_| Fault::internal("looking for units did not end"))??;
        }
        let requested_by = format!(
            "{} ({})",
            principals.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            identity(&who)
        );
        let run = RunRecord {
            id: RunId::from_uuid(Uuid::now_v7()),
            action,
            account: rules.account.clone(),
            commit,
            principals,
            requested_by,
            rule: rules.apply.clone(),
            state: RunState::Accepted,
            fault: None,
            message: None,
            created_at: decision.at,
            ended_at: None,
            cancelled_by: None,
        };
        Ok(Judged { run, who })
    }

    async fn accept(
        &self,
        judged: Judged,
        key: Option<IdempotencyKey>,
        request: &TriggerRequest,
        mut decision: DecisionRecord,
    ) -> Result<LetIn, Fault> {
        let Judged { run, who } = judged;
        decision.granted = true;
        decision.run = Some(run.id);
        let token = new_read_token()?;
        let accept = AcceptRun {
            token: Some(used(&who)),
            idempotency: key.map(|key| idempotency(&who, &key, request)),
            read_token: Some(ReadToken {
                digest: Digest::of(token.as_bytes()),
                expires_at: run.created_at.saturating_add(READ_TOKEN_LIFE).unwrap_or(Timestamp::MAX),
            }),
            run: run.clone(),
            decision: decision.clone(),
        };
        match self.store.run_accept(&accept).await? {
            Accepted::New => {
                self.hand_over(&run).await;
                Ok(LetIn { run, read_token: Some(token) })
            }
            Accepted::Existing(id) => {
                let run = self.store.run_get(id).await?.ok_or_else(|| Fault::internal("an accepted run is gone"))?;
                Ok(LetIn { run, read_token: None })
            }
            Accepted::Replayed => Err(self.refused(decision, replayed()).await),
            Accepted::Conflict => {
                let fault = Fault::new(Code::IDEMPOTENCY_CONFLICT, "the idempotency key was used for another request")
                    .remedy("Send a new key with a new request.");
                Err(self.refused(decision, fault).await)
            }
        }
    }

    /// The run is on record: an engine that is stopping takes it up at the next start, so the caller is told
    /// that it was accepted.
    async fn hand_over(&self, run: &RunRecord) {
        if let Err(fault) = self.intake.submit(run.clone()).await {
            tracing::warn!(run = %run.id, code = %fault.code(), "accepted, and taken up later: {fault}");
        }
    }

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
        let rules = self.rules()?;
        let who = self.authenticate(caller, decision).await?;
        self.known_here(&who, &rules, decision)?;
        let kind = self.unfinished(run).await?;
        decision.action = Some(kind);
        let granted = policy::decide_approval(&rules.grants, &who, kind);
        decision.reason.clone_from(&granted.reason);
        decision.principals = granted.into_result()?;
        if request.plans.is_empty() || request.plans.len() > PLANS_MAX {
            return Err(Fault::new(Code::BAD_REQUEST, format!("`plans` has to name 1 to {PLANS_MAX} plans")));
        }
        let plans = request.plans.iter().map(|text| text.parse()).collect::<Result<Vec<Digest>, Fault>>()?;
        self.spend(&who).await?;
        Ok(plans)
    }

    /// Cancels a run. Allowed for who may ask for its action, and for its approvers.
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
        let rules = self.rules()?;
        let who = self.authenticate(caller, decision).await?;
        self.known_here(&who, &rules, decision)?;
        let kind = self.unfinished(run).await?;
        decision.action = Some(kind);
        let mut granted = policy::decide(&rules.grants, &who, kind);
        if !granted.allowed {
            let approver = policy::decide_approval(&rules.grants, &who, kind);
            if approver.allowed {
                granted = approver;
            }
        }
        decision.reason.clone_from(&granted.reason);
        decision.principals = granted.into_result()?;
        self.spend(&who).await
    }

    /// Whether the caller may read this run (`Some`), or all that a principal of the account may read (`None`).
    ///
    /// # Errors
    /// `PC-0211` for a read token of another run, 02xx and `PC-0300` for others.
    pub async fn reader(&self, caller: &Bearer, run: Option<RunId>) -> Result<(), Fault> {
        let now = (self.clock)();
        if caller.expose().starts_with(READ_TOKEN_PREFIX) {
            let digest = Digest::of(caller.expose().as_bytes());
            if let Some(run) = run
                && self.store.read_token_check(run, &digest, now).await?
            {
                return Ok(());
            }
            return Err(Fault::new(Code::READ_TOKEN_INVALID, "the read token does not read this, or has expired")
                .remedy("A read token reads the run it was given with. Use an OIDC token for anything else."));
        }
        let rules = self.rules()?;
        let mut decision = blank(now, "read");
        let who = self.authenticate(caller, &mut decision).await?;
        self.known_here(&who, &rules, &mut decision)
    }

    /// Whether this is a principal that any action of the account names: these may read.
    fn known_here(&self, who: &Verified, rules: &Rules, decision: &mut DecisionRecord) -> Result<(), Fault> {
        let matched = policy::principals(&rules.grants, who);
        let named = |name| rules.grants.actions.values().any(|g| g.allow.contains(name) || g.approvers.contains(name));
        let known = matched.iter().any(named);
        decision.principals = matched;
        if known {
            return Ok(());
        }
        Err(Fault::new(Code::DENIED, "the token matches no principal that any action of this account names").remedy(
            "Ask from where a principal of this account would be matched, or change the fleet definition on the \
             protected branch.",
        ))
    }

    fn rules(&self) -> Result<Arc<Rules>, Fault> {
        self.rules.borrow().clone().ok_or_else(|| {
            Fault::new(Code::NOT_READY, "no fleet definition is in force yet").remedy("`/v1/readyz` says why.")
        })
    }

    async fn authenticate(&self, caller: &Bearer, decision: &mut DecisionRecord) -> Result<Verified, Fault> {
        if caller.expose().starts_with(READ_TOKEN_PREFIX) {
            return Err(Fault::new(Code::UNAUTHENTICATED, "a read token cannot do this")
                .remedy("Send an OIDC token for this runner's audience."));
        }
        let who = self.verifier.verify(caller.expose(), decision.at).await?;
        decision.issuer = Some(who.issuer.clone());
        decision.subject = Some(who.subject.clone());
        decision.token_id = Some(who.token_id.to_string());
        Ok(who)
    }

    async fn spend(&self, who: &Verified) -> Result<(), Fault> {
        let used = used(who);
        if self.store.token_use(&used.id, used.expires_at, (self.clock)()).await? { Ok(()) } else { Err(replayed()) }
    }

    async fn unfinished(&self, run: RunId) -> Result<ActionKind, Fault> {
        let record = self.store.run_get(run).await?.ok_or_else(no_such_run)?;
        if record.state.is_final() {
            return Err(Fault::new(Code::RUN_ENDED, "the run has ended already"));
        }
        Ok(record.action.kind)
    }

    async fn on_protected(&self, commit: &CommitId, branch: &BranchName, rules: &Rules) -> Result<(), Fault> {
        for protected in &rules.protected {
            let head = match self.mirror.branch(protected).await {
                Ok(head) => head,
                Err(fault) if fault.code() == Code::REF_UNKNOWN => continue,
                Err(fault) => return Err(fault),
            };
            if self.mirror.is_ancestor(commit, &head).await? {
                return Ok(());
            }
        }
        let names: Vec<String> = rules.protected.iter().map(|name| format!("`{name}`")).collect();
        Err(Fault::new(
            Code::NOT_ON_PROTECTED_BRANCH,
            format!("commit {} at the head of `{branch}` is not on {}", commit.short(), names.join(" or ")),
        )
        .remedy("Merge first; then apply the protected branch."))
    }

    /// Records a refusal. One that cannot be recorded stays a refusal.
    async fn refused(&self, mut decision: DecisionRecord, fault: Fault) -> Fault {
        decision.granted = false;
        decision.code = Some(fault.code());
        if decision.reason.is_empty() || !matches!(fault.code(), Code::DENIED | Code::NOT_AN_APPROVER) {
            decision.reason = fault.message().to_owned();
        }
        if let Err(failed) = self.store.decision_insert(&decision).await {
            tracing::error!(code = %failed.code(), "a refusal could not be recorded: {failed}");
        }
        tracing::info!(code = %fault.code(), asked = %decision.asked, "refused: {}", decision.reason);
        fault
    }
}

struct Judged {
    run: RunRecord,
    who: Verified,
}

/// The fault for a run that is not here.
pub fn no_such_run() -> Fault {
    Fault::new(Code::NOT_FOUND, "there is no such run here").remedy("`portcullis run list` shows the runs.")
}

fn replayed() -> Fault {
    Fault::new(Code::TOKEN_REPLAYED, "the token was used before")
        .remedy("Ask the issuer for a new token for each request that changes something.")
}

fn blank(at: Timestamp, asked: &str) -> DecisionRecord {
    DecisionRecord {
        at,
        asked: asked.to_owned(),
        action: None,
        granted: false,
        code: None,
        reason: String::new(),
        issuer: None,
        subject: None,
        token_id: None,
        principals: Vec::new(),
        repository: None,
        reference: None,
        run: None,
    }
}

fn used(who: &Verified) -> UsedToken {
    UsedToken { id: who.token_id.to_string(), expires_at: who.expires_at }
}

/// One person or identity, however many principals it is: what approvals are counted by.
fn identity(who: &Verified) -> String {
    format!("{} {}", who.issuer, who.subject)
}

fn by(decision: &DecisionRecord) -> String {
    format!("{} {}", decision.issuer.as_deref().unwrap_or_default(), decision.subject.as_deref().unwrap_or_default())
}

/// Keys of different callers never meet: the caller is part of the key.
fn idempotency(who: &Verified, key: &IdempotencyKey, request: &TriggerRequest) -> Idempotency {
    let mut own = DigestBuilder::new("portcullis idempotency key v1");
    own.text(&who.issuer).text(&who.subject).text(key.as_str());
    let mut content = DigestBuilder::new("portcullis trigger request v1");
    content.text(&request.action).text(&request.repository).text(&request.reference).number(request.all.into());
    match &request.units {
        None => content.number(0),
        Some(units) => units.iter().fold(content.number(1), |content, unit| content.text(unit)),
    };
    Idempotency { key: own.finish().to_string(), request: content.finish() }
}

fn new_read_token() -> Result<String, Fault> {
    let mut bytes = [0u8; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Fault::internal("no random bytes"))?;
    Ok(format!("{READ_TOKEN_PREFIX}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)))
}

fn inside(unit: &UnitPath, rules: &Rules) -> Result<(), Fault> {
    if unit.is_within(&rules.folder) {
        return Ok(());
    }
    Err(Fault::new(
        Code::UNIT_OUTSIDE_ACCOUNT,
        format!("the unit `{unit}` is not in `{}`, the folder of account `{}`", rules.folder, rules.account),
    )
    .remedy("Ask the runner of the account that the unit belongs to."))
}

/// The unit's folder is there at the commit, and no part of its path is a symbolic link.
fn exists(source: &dyn Source, unit: &UnitPath) -> Result<(), Fault> {
    let unknown = || {
        Fault::new(Code::UNIT_UNKNOWN, format!("there is no unit `{unit}` at that commit"))
            .remedy("`portcullis units list` shows the units of a checkout.")
    };
    if unit.as_str() == "." {
        return Ok(());
    }
    let ends = unit.as_str().match_indices('/').map(|(at, _)| at).chain([unit.as_str().len()]);
    for end in ends {
        let part = unit.as_str().get(..end).unwrap_or_default();
        match source.read(part)? {
            Some(Entry::Dir) => {}
            Some(Entry::Symlink { .. }) => {
                return Err(Fault::new(
                    Code::UNIT_PATH_SYMLINK,
                    format!("`{part}` on the way to the unit is a symbolic link"),
                )
                .remedy("Name the folder that the link leads to."));
            }
            _ => return Err(unknown()),
        }
    }
    Ok(())
}
