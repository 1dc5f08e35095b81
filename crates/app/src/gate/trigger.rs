//! Asking for a run.

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use portcullis_estate::GitSource;
use portcullis_model::api::TriggerRequest;
use portcullis_model::record::RunRecord;
use portcullis_model::{
    Action, Code, CommitId, Digest, DigestBuilder, Fault, PrincipalName, RunId, RunState, Selection, UnitPath,
};
use portcullis_policy::{Facts, Role};
use portcullis_store::{AcceptRun, Accepted, DecisionRecord, Idempotency, ReadToken};
use portcullis_trust::oidc::Verified;
use uuid::Uuid;

use super::declared::{self, Chosen};
use super::entry::{Gate, Known, READ_TOKEN_PREFIX, as_caller, identity, replayed, used};
use super::people;
use super::place;
use super::record::blank;
use super::rules::Rules;
use crate::http::{Bearer, IdempotencyKey};

/// How long a read token works.
const READ_TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(48);
/// Most runs that have not ended. Each is kept in memory and looked at by every step.
const RUNS_MAX: u64 = 500;

/// A run that was let in.
#[derive(Debug, Clone)]
pub struct LetIn {
    /// The run; as it was accepted, or as it is now when the request is a repeated one.
    pub run: RunRecord,
    /// Its read token; `None` for a repeated request.
    pub read_token: Option<String>,
}

/// What is to be done with a request that was not refused.
enum Judged {
    /// A new run, and by whose token.
    New(Box<RunRecord>, Verified),
    /// The run that the same request made before.
    Before(Box<RunRecord>),
}

/// What was decided about a request that may be.
pub(super) struct Decided {
    pub principals: Vec<PrincipalName>,
    pub chosen: Option<Chosen>,
    pub commit: CommitId,
}

impl Gate {
    /// Decides about a request and accepts the run.
    ///
    /// A request that was accepted before, by its key, is answered with its run before the repository is looked
    /// at: the branch may have moved and the token may be spent, the caller only has to be who it was.
    ///
    /// # Errors
    /// 01xx for what the request says, 02xx for who asks, 03xx for their rights, 08xx when git cannot answer,
    /// `PC-0907` while there are too many runs.
    pub async fn trigger(
        &self,
        caller: &Bearer,
        key: Option<IdempotencyKey>,
        request: &TriggerRequest,
    ) -> Result<LetIn, Fault> {
        let mut decision = blank((self.clock)(), &request.action);
        decision.repository = Some(request.repository.clone());
        decision.reference = Some(request.reference.clone());
        match self.judge(caller, key.as_ref(), request, &mut decision).await {
            Ok(Judged::New(run, who)) => self.accept(*run, &who, key.as_ref(), request, decision).await,
            Ok(Judged::Before(run)) => Ok(LetIn { run: *run, read_token: None }),
            Err(fault) => Err(self.refused(decision, fault).await),
        }
    }

    async fn judge(
        &self,
        caller: &Bearer,
        key: Option<&IdempotencyKey>,
        request: &TriggerRequest,
        decision: &mut DecisionRecord,
    ) -> Result<Judged, Fault> {
        let who = self.known(caller, decision).await?.who;
        if let Some(key) = key
            && let Some(run) = self.before(&idempotency(&who, key, request), &who, decision).await?
        {
            return Ok(Judged::Before(Box::new(run)));
        }
        let action = Action::check(request)?;
        decision.action = Some(action.kind);
        // Decided for good when the run is accepted; said here, a spent token cannot make the runner fetch.
        if self.store.token_is_used(&used(&who).id).await? {
            return Err(replayed());
        }
        if self.store.runs_unfinished_count().await? >= RUNS_MAX {
            return Err(Fault::new(Code::BUSY, format!("{RUNS_MAX} runs have not ended yet"))
                .remedy("Approve or cancel runs that are held, or try again later."));
        }
        let Known { rules, who } = self.known_at_head(caller, decision).await?;
        let judged = self.decided(&rules, &who, &action, request, decision).await?;
        let Decided { principals, chosen, commit } = judged;
        let involved = self.involved(&commit, &who).await?;
        let run = RunRecord { involved, ..new_run(action, chosen, commit, principals, &rules, &who, decision.at) };
        Ok(Judged::New(Box::new(run), who))
    }

    /// Everything that is decided about a request of who is known: rights, parameters, the place, the policies.
    pub(super) async fn decided(
        &self,
        rules: &Rules,
        who: &Verified,
        action: &Action,
        request: &TriggerRequest,
        decision: &mut DecisionRecord,
    ) -> Result<Decided, Fault> {
        // Who has no right learns nothing of the repository, nor of what an action takes.
        may(rules, who, action, decision)?;
        let chosen = declared::chosen(action.kind, rules, request)?;
        let (commit, protected) = self.resolve(action, rules).await?;
        let mut facts = facts(action, protected, decision.at);
        facts.units.extend(chosen.iter().flat_map(|chosen| &chosen.units).map(UnitPath::as_str));
        let granted = rules.policies.decide(&as_caller(who), action.kind, Role::Start, &facts);
        decision.principals.clone_from(&granted.principals);
        decision.reason.clone_from(&granted.reason);
        let principals = granted.into_result()?;
        if let Some(chosen) = &chosen {
            declared::exist(action.kind, rules, &chosen.values, &self.mirror, &commit).await?;
        }
        Ok(Decided { principals, chosen, commit })
    }

    /// Who had a hand in the change: who asks, and who made the commits that it brought to the branch.
    async fn involved(&self, commit: &CommitId, who: &Verified) -> Result<Vec<String>, Fault> {
        let mut involved = people::of_token(who);
        involved.extend(self.mirror.people(commit).await?.iter().map(|address| people::of_address(address)));
        Ok(involved.into_iter().collect())
    }

    /// The run that the same request made before.
    async fn before(
        &self,
        key: &Idempotency,
        who: &Verified,
        decision: &DecisionRecord,
    ) -> Result<Option<RunRecord>, Fault> {
        let mut again = decision.clone();
        again.granted = true;
        again.reason = "the same request was accepted before".to_owned();
        match self.store.run_repeated(key, &used(who), &again).await? {
            None => Ok(None),
            Some(Accepted::Existing(id)) => self.run_of_before(id).await.map(Some),
            Some(_) => Err(conflict()),
        }
    }

    async fn run_of_before(&self, id: RunId) -> Result<RunRecord, Fault> {
        self.store.run_get(id).await?.ok_or_else(|| Fault::internal("an accepted run is gone"))
    }

    /// The commit that the action is about: the head of its branch, where this action may be done, with these
    /// units in it; and whether it is on a protected branch.
    pub(super) async fn resolve(&self, action: &Action, rules: &Rules) -> Result<(CommitId, bool), Fault> {
        let commit = self.mirror.branch(&action.branch).await?;
        let protected = self.is_on_protected(&commit, rules).await?;
        if declared::needs_protected(action.kind, rules) && !protected {
            let names: Vec<String> = rules.protected.iter().map(|name| format!("`{name}`")).collect();
            let message = format!(
                "commit {} at the head of `{}` is not on {}",
                commit.short(),
                action.branch,
                names.join(" or ")
            );
            return Err(Fault::new(Code::NOT_ON_PROTECTED_BRANCH, message)
                .remedy("Merge first; then apply the protected branch."));
        }
        if let Selection::Units(units) = &action.selection {
            let (git_dir, units, at) = (self.mirror.git_dir().to_owned(), units.clone(), commit.clone());
            tokio::task::spawn_blocking(move || {
                let source = GitSource::open(&git_dir, &at)?;
                units.iter().try_for_each(|unit| place::exists(&source, unit))
            })
            .await
            .map_err(|_| Fault::internal("looking for units did not end"))??;
        }
        Ok((commit, protected))
    }

    async fn accept(
        &self,
        run: RunRecord,
        who: &Verified,
        key: Option<&IdempotencyKey>,
        request: &TriggerRequest,
        mut decision: DecisionRecord,
    ) -> Result<LetIn, Fault> {
        decision.granted = true;
        decision.run = Some(run.id);
        let token = new_read_token()?;
        let accept = AcceptRun {
            token: Some(used(who)),
            idempotency: key.map(|key| idempotency(who, key, request)),
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
            // The same request, at the same time.
            Accepted::Existing(id) => Ok(LetIn { run: self.run_of_before(id).await?, read_token: None }),
            Accepted::Replayed => Err(self.refused(decision, replayed()).await),
            Accepted::Conflict => Err(self.refused(decision, conflict()).await),
        }
    }

    /// The run is on record: an engine that is stopping takes it up at the next start, so the caller is told
    /// that it was accepted.
    async fn hand_over(&self, run: &RunRecord) {
        if let Err(fault) = self.intake.submit(run.clone()).await {
            tracing::warn!(run = %run.id, code = %fault.code(), "accepted, and taken up later: {fault}");
        }
    }

    /// Whether a commit is on a protected branch, by the runner's own clone.
    pub(super) async fn is_on_protected(&self, commit: &CommitId, rules: &Rules) -> Result<bool, Fault> {
        for protected in &rules.protected {
            let head = match self.mirror.branch(protected).await {
                Ok(head) => head,
                Err(fault) if matches!(fault.code(), Code::REF_UNKNOWN | Code::REF_NOT_A_BRANCH) => continue,
                Err(fault) => return Err(fault),
            };
            if self.mirror.is_ancestor(commit, &head).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
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
    // Sorted by name, so that one content has one text.
    content.text(&serde_json::to_string(&request.parameters).unwrap_or_default());
    Idempotency { key: own.finish().to_string(), request: content.finish() }
}

fn new_read_token() -> Result<String, Fault> {
    let mut bytes = [0u8; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Fault::internal("no random bytes"))?;
    Ok(format!("{READ_TOKEN_PREFIX}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)))
}

fn conflict() -> Fault {
    Fault::new(Code::IDEMPOTENCY_CONFLICT, "the idempotency key was used for another request")
        .remedy("Send a new key with a new request.")
}

/// What the runner knows of a request for this action.
pub(super) fn facts(action: &Action, protected: bool, at: Timestamp) -> Facts<'_> {
    let units: Vec<&str> = match &action.selection {
        Selection::Units(units) => units.iter().map(UnitPath::as_str).collect(),
        Selection::Affected | Selection::All => Vec::new(),
    };
    Facts {
        repository: action.repository.as_str(),
        branch: action.branch.as_str(),
        protected,
        all: action.selection == Selection::All,
        units,
        at,
        requester: None,
    }
}

/// Whether the caller may do this here, by rights and by place.
fn may(rules: &Rules, who: &Verified, action: &Action, decision: &mut DecisionRecord) -> Result<(), Fault> {
    let granted = rules.policies.may(&as_caller(who), action.kind, Role::Start);
    decision.principals.clone_from(&granted.principals);
    decision.reason.clone_from(&granted.reason);
    granted.into_result()?;
    if action.repository != rules.repository {
        return Err(Fault::new(
            Code::REPOSITORY_UNKNOWN,
            format!("the repository `{}` is not declared for account `{}`", action.repository, rules.account),
        )
        .remedy(format!("Name `{}`.", rules.repository)));
    }
    if let Selection::Units(units) = &action.selection {
        units.iter().try_for_each(|unit| place::inside(unit, rules))?;
    }
    Ok(())
}

fn new_run(
    mut action: Action,
    chosen: Option<Chosen>,
    commit: CommitId,
    principals: Vec<PrincipalName>,
    rules: &Rules,
    who: &Verified,
    at: Timestamp,
) -> RunRecord {
    let names = principals.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let program = chosen.map(|Chosen { values, program, .. }| {
        action.parameters = values;
        Box::new(program)
    });
    RunRecord {
        id: RunId::from_uuid(Uuid::now_v7()),
        action,
        account: rules.account.clone(),
        commit,
        principals,
        requested_by: format!("{names} ({})", identity(who)),
        requester_claims: as_caller(who).plain_claims(),
        rule: rules.apply.clone(),
        program,
        state: RunState::Accepted,
        fault: None,
        message: None,
        created_at: at,
        ended_at: None,
        cancelled_by: None,
        definition: Some(rules.definition.clone()),
        involved: Vec::new(),
    }
}

/// The identity that asked for a run: what stands behind the principals' names, which have no parenthesis.
pub(super) fn requester(run: &RunRecord) -> Option<&str> {
    run.requested_by.split_once(" (")?.1.strip_suffix(')')
}
