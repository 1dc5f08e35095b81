//! The fleet definition in force: read from the head of the protected branch, and replaced as a whole when
//! that head has another one without a fault. The last good one stays in force otherwise, and the fault is
//! shown by `/v1/readyz`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use portcullis_estate::{AccountFacts, Entry, Estate, GitSource, Source, ToolFacts};
use portcullis_fleet::{Account, Driver};
use portcullis_mirror::Mirror;
use portcullis_model::ledger::Record;
use portcullis_model::record::{ApplyRule, DefinitionPin};
use portcullis_model::{AccountName, ActionKind, BranchName, CommitId, Digest, Fault, PrincipalName};
use portcullis_sources::Sources;
use portcullis_store::Store;
use portcullis_trust::oidc::{Identity, Verifier};
use tokio::sync::watch;

use super::estates::Estates;
use super::tool::{Tool, Tools};
use super::{first, now};
use crate::gate::{Newer, Rules};
use crate::imports::Imports;
use crate::options::ServeOptions;

/// Between two looks at the protected branch without a request.
const POLL: Duration = Duration::from_secs(30);
/// Definitions that are kept for runs that go by them, besides the one in force.
const KEPT: usize = 16;
/// The least time between two looks that anybody may cause.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);

/// A definition without a fault.
#[derive(Debug)]
pub struct Definition {
    /// The commit it was read from.
    pub commit: CommitId,
    /// The account.
    pub account: Account,
    /// The tool that it wants, found on this host.
    pub tool: Tool,
    /// Terragrunt, where that is the driver.
    pub terragrunt: Option<Tool>,
    /// The branch that it was read from.
    pub protected: BranchName,
    /// Names what it says for this account.
    pub digest: Digest,
    /// Since when it, or one that says the same, is in force (UTC).
    pub since: Timestamp,
}

/// A definition that did not come into force.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The commit at the head of the protected branch.
    pub commit: CommitId,
    /// Since when (UTC).
    pub since: Timestamp,
    /// Why.
    pub fault: Fault,
}

impl Definition {
    /// The programs that run its units, with their versions.
    pub fn programs(&self) -> String {
        let names = self.terragrunt.iter().chain([&self.tool]);
        names.map(|tool| format!("{} {}", tool.driver.name, tool.driver.version)).collect::<Vec<_>>().join(", ")
    }

    /// The registry of a module whose source names none, as Terragrunt has it for the tool.
    pub fn default_registry(&self) -> &'static str {
        if self.tool.driver.name == "tofu" { "registry.opentofu.org" } else { "registry.terraform.io" }
    }

    /// What the estate is evaluated with.
    pub fn estate_settings(&self) -> portcullis_estate::Settings {
        portcullis_estate::Settings {
            within: self.account.path.clone(),
            account: Some(AccountFacts { name: self.account.name.clone(), id: self.account.id.clone() }),
            env: self.account.env.clone(),
            root_modules: self.account.root_modules.clone(),
            tool: ToolFacts {
                name: self.tool.driver.name.clone(),
                version: self.tool.driver.version.clone(),
                terragrunt: self.terragrunt.as_ref().map(|tool| tool.driver.version.clone()),
            },
            ..portcullis_estate::Settings::default()
        }
    }
}

/// The definition in force, and the way to a newer one.
pub struct Definitions {
    account: AccountName,
    protected: BranchName,
    mirror: Arc<Mirror>,
    verifier: Arc<Verifier>,
    tools: Tools,
    in_force: watch::Sender<Option<Arc<Definition>>>,
    rules: watch::Sender<Option<Arc<Rules>>>,
    store: Store,
    trouble: Mutex<Option<Fault>>,
    refused: Mutex<Option<Refused>>,
    /// Those that unfinished runs go by, of which some are not in force any more.
    kept: Mutex<Vec<Arc<Definition>>>,
    /// When the repository was last fetched, whoever asked for it.
    looked: Mutex<Option<Instant>>,
    estates: Estates,
    sources: Arc<Sources>,
    imports: Arc<Imports>,
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Definitions {
    /// None in force yet.
    pub fn new(
        options: &ServeOptions,
        mirror: Arc<Mirror>,
        sources: Arc<Sources>,
        verifier: Arc<Verifier>,
        tools: Tools,
        store: Store,
    ) -> Self {
        Definitions {
            account: options.account.clone(),
            protected: options.protected.clone(),
            estates: Estates::new(Arc::clone(&mirror), Arc::clone(&sources), &options.data.join("estate")),
            sources,
            imports: Arc::new(Imports::new(Some(options.data.join("imports")))),
            mirror,
            verifier,
            tools,
            in_force: watch::channel(None).0,
            rules: watch::channel(None).0,
            store,
            trouble: Mutex::new(None),
            refused: Mutex::new(None),
            kept: Mutex::new(Vec::new()),
            looked: Mutex::new(None),
            one_at_a_time: tokio::sync::Mutex::new(()),
        }
    }

    /// The definition in force.
    pub fn in_force(&self) -> Option<Arc<Definition>> {
        self.in_force.borrow().clone()
    }

    /// A program of a custom action, found on this host now, with the digest that it must have.
    ///
    /// # Errors
    /// `PC-0602` when it is not there, `PC-0610` when it is another.
    pub async fn program(&self, name: &str, sha256: Digest) -> Result<Tool, Fault> {
        self.tools.find_program(name, sha256).await
    }

    /// What the gate goes by.
    pub fn rules(&self) -> watch::Receiver<Option<Arc<Rules>>> {
        self.rules.subscribe()
    }

    /// Why the head of the protected branch is not in force, if it is not.
    pub fn trouble(&self) -> Option<Fault> {
        lock(&self.trouble).clone()
    }

    /// The definition at the head of the protected branch, if it was refused.
    pub fn refused(&self) -> Option<Refused> {
        lock(&self.refused).clone()
    }

    /// The definition that a run goes by, though another may be in force.
    ///
    /// # Errors
    /// Those of a definition that can no longer be read, or whose tools are gone.
    pub async fn pinned(&self, pin: &DefinitionPin) -> Result<Arc<Definition>, Fault> {
        let kept = lock(&self.kept).clone();
        let mut known = self.in_force().into_iter().chain(kept);
        if let Some(definition) = known.find(|definition| definition.digest == pin.digest) {
            return Ok(definition);
        }
        let definition = Arc::new(self.read(&pin.commit).await?);
        self.keep(&definition);
        Ok(definition)
    }

    fn keep(&self, definition: &Arc<Definition>) {
        let mut kept = lock(&self.kept);
        kept.retain(|other| other.digest != definition.digest);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(definition.clone());
    }

    /// What a runner starts with: the head's definition, or the last one that was in force if that one has a fault.
    pub async fn start(&self) {
        if self.refresh(&[]).await.is_ok() && self.in_force().is_some() {
            return;
        }
        let taken = async {
            let Some((commit, since)) = self.store.definition_last().await? else { return Ok(()) };
            let definition = Definition { since, ..self.read(&commit).await? };
            self.switch(definition)
        };
        if let Err(fault) = taken.await {
            tracing::warn!(code = %fault.code(), "the definition that was in force before cannot be taken up: {fault}");
        }
    }

    /// Fetches the repository and takes the definition at the head of the protected branch, if it has no fault, and
    /// does not lock out who brought it. The last good one stays in force otherwise, and what is wrong is shown by
    /// [`Definitions::trouble`] and [`Definitions::refused`].
    ///
    /// # Errors
    /// 08xx when the repository cannot be fetched.
    pub async fn refresh(&self, brought_by: &[PrincipalName]) -> Result<(), Fault> {
        *lock(&self.looked) = Some(Instant::now());
        // Not under the lock: calls at the same time share a fetch.
        if let Err(fault) = self.mirror.fetch().await {
            self.note(Some(&fault));
            return Err(fault);
        }
        let _one = self.one_at_a_time.lock().await;
        let taken = self.take_head(brought_by).await;
        self.note(taken.as_ref().err());
        Ok(())
    }

    /// Lets the next look at the repository happen at once, whoever asks for it.
    pub fn forget_last_look(&self) {
        *lock(&self.looked) = None;
    }

    /// Keeps what is wrong; says it once.
    fn note(&self, fault: Option<&Fault>) {
        let mut trouble = lock(&self.trouble);
        if trouble.as_ref() == fault {
            return;
        }
        match fault {
            Some(fault) => {
                tracing::warn!(code = %fault.code(), "the last good fleet definition stays in force: {fault}");
            }
            None => tracing::info!("the fleet definition at the head of the protected branch is in force"),
        }
        *trouble = fault.cloned();
    }

    async fn take_head(&self, brought_by: &[PrincipalName]) -> Result<(), Fault> {
        let commit = self.mirror.branch(&self.protected).await?;
        let before = self.in_force();
        if before.as_ref().is_some_and(|definition| definition.commit == commit) {
            *lock(&self.refused) = None;
            return Ok(());
        }
        match self.take(&commit, before.as_deref(), brought_by).await {
            Ok(()) => {
                *lock(&self.refused) = None;
                Ok(())
            }
            Err(fault) => {
                self.refuse(commit, &fault).await?;
                Err(fault)
            }
        }
    }

    /// Puts a refusal on record, once for each commit and reason.
    async fn refuse(&self, commit: CommitId, fault: &Fault) -> Result<(), Fault> {
        let known = self.refused().filter(|known| known.commit == commit && known.fault.code() == fault.code());
        let since = known.as_ref().map_or_else(now, |known| known.since);
        if known.is_none() {
            let record = Record::DefinitionRefused { commit: commit.clone(), code: fault.code() };
            self.store.ledger_append(since, &record).await?;
        }
        *lock(&self.refused) = Some(Refused { commit, since, fault: fault.clone() });
        Ok(())
    }

    async fn take(
        &self,
        commit: &CommitId,
        before: Option<&Definition>,
        brought_by: &[PrincipalName],
    ) -> Result<(), Fault> {
        let mut definition = self.read(commit).await?;
        let changes = match before {
            Some(before) if before.digest == definition.digest => Vec::new(),
            // Found by looking, and not by a request: it was brought by who last had something applied, most likely.
            Some(before) if brought_by.is_empty() => {
                let last = self.store.principals_of_last_apply().await?;
                definition.account.in_place_of(&before.account, &last)?
            }
            Some(before) => definition.account.in_place_of(&before.account, brought_by)?,
            None => Vec::new(),
        };
        for change in changes {
            let what = match (&change.before, &change.after) {
                (None, _) => "is new",
                (_, None) => "is gone",
                _ => "has other conditions",
            };
            tracing::info!(%commit, "a right {what} with this definition: {}", change.right);
        }
        match before {
            Some(before) if before.digest == definition.digest => definition.since = before.since,
            _ => {
                let record = Record::DefinitionInForce {
                    commit: commit.clone(),
                    definition: definition.digest,
                    replaced: before.map(|before| before.digest),
                };
                self.store.ledger_append(definition.since, &record).await?;
            }
        }
        self.switch(definition)
    }

    /// A definition at a commit, with the programs that it wants.
    async fn read(&self, commit: &CommitId) -> Result<Definition, Fault> {
        let account = self.load(commit).await?;
        let tool = self.tools.find(account.tools.tool.as_ref()).await?;
        let terragrunt = match account.tools.driver {
            Driver::Native => None,
            Driver::Terragrunt => Some(self.tools.find_terragrunt(account.tools.terragrunt.as_ref()).await?),
        };
        let digest = account.digest()?;
        let (commit, protected) = (commit.clone(), self.protected.clone());
        Ok(Definition { commit, account, tool, terragrunt, protected, digest, since: now() })
    }

    /// From now on this one is in force, in one step for each of those who look at it.
    fn switch(&self, definition: Definition) -> Result<(), Fault> {
        let identities = definition.account.identities.iter().map(|(name, identity)| Identity {
            name: name.clone(),
            issuer: identity.issuer.clone(),
            jwks_uri: identity.jwks_uri.clone(),
            jwks: identity.jwks.clone(),
            audience: identity.audience.clone(),
        });
        self.verifier.replace(identities.collect()).map_err(first)?;
        let rules = rules(&definition, &self.protected);
        let definition = Arc::new(definition);
        if let Some(before) = self.in_force() {
            // Runs that were accepted under it go by it.
            self.keep(&before);
        }
        self.in_force.send_replace(Some(definition));
        self.rules.send_replace(Some(Arc::new(rules)));
        Ok(())
    }
}

impl Definitions {
    /// The account at a commit. What its definition imports from elsewhere is fetched, if it is not at hand.
    async fn load(&self, commit: &CommitId) -> Result<Account, Fault> {
        let failed = |error| Fault::internal(format!("reading the fleet definition: {error}"));
        let git_dir = self.mirror.git_dir().to_path_buf();
        let at = commit.clone();
        let source = tokio::task::spawn_blocking(move || GitSource::open(&git_dir, &at)).await.map_err(failed)??;
        let source = Arc::new(source);
        self.imports.fetch_all(&self.sources, &|path| file(&*source, path)).await?;
        let (name, imports) = (self.account.clone(), Arc::clone(&self.imports));
        let loaded = tokio::task::spawn_blocking(move || {
            imports.fleet(&|path| file(&*source, path)).map_err(one_fault)?.account(&name)
        });
        loaded.await.map_err(failed)?
    }
}

/// Looks at the protected branch from time to time, and holds its estate evaluated, so that a run finds most of
/// its work done.
pub async fn poll(definitions: Arc<Definitions>) {
    loop {
        if let Some(definition) = definitions.in_force() {
            // A run that needs it says what is wrong with it.
            let _ = definitions.estate_in_force(&definition).await;
        }
        tokio::time::sleep(POLL).await;
        // What is wrong is noted by it.
        let _ = definitions.refresh(&[]).await;
    }
}

/// A file of a definition, as a fleet asks for it.
pub(crate) fn file(source: &dyn Source, path: &str) -> Result<Option<Vec<u8>>, Fault> {
    match source.read(path)? {
        Some(Entry::File { bytes, .. }) => Ok(Some(bytes.to_vec())),
        _ => Ok(None),
    }
}

/// The first of several faults, with the others as its notes.
pub(crate) fn one_fault(faults: Vec<Fault>) -> Fault {
    let others: Vec<String> = faults.iter().skip(1).map(ToString::to_string).collect();
    others.into_iter().fold(first(faults), |fault, other| fault.note(other))
}

/// The account's rights, in the terms of the gate.
fn rules(definition: &Definition, protected: &BranchName) -> Rules {
    let account = &definition.account;
    let apply = account.actions.get(&ActionKind::Apply);
    let mut branches = account.repository.protected.clone();
    if branches.is_empty() {
        branches.push(protected.clone());
    }
    Rules {
        account: account.name.clone(),
        folder: account.path.clone(),
        repository: account.repository.name.clone(),
        protected: branches,
        policies: Arc::clone(&account.policies),
        declared: account.actions.iter().filter_map(|(kind, grant)| Some((*kind, grant.declared.clone()?))).collect(),
        apply: apply.map_or_else(ApplyRule::default, |grant| ApplyRule {
            unreviewed: grant.unreviewed,
            approvals: grant.approvals.max(1),
        }),
        definition: DefinitionPin { commit: definition.commit.clone(), digest: definition.digest },
    }
}

impl Newer for Definitions {
    fn refresh<'a>(&'a self, who: &'a [PrincipalName]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(Definitions::refresh(self, who))
    }

    fn refresh_bounded(&self) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let before = self.in_force();
            {
                let mut looked = lock(&self.looked);
                if looked.is_some_and(|at| at.elapsed() < BETWEEN_LOOKS) {
                    return false;
                }
                // Before the fetch: those who ask meanwhile do not wait for it.
                *looked = Some(Instant::now());
            }
            if Definitions::refresh(self, &[]).await.is_err() {
                return false;
            }
            match (before, self.in_force()) {
                (Some(before), Some(after)) => !Arc::ptr_eq(&before, &after),
                (before, after) => before.is_some() != after.is_some(),
            }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Definitions {
    /// The estate at the commit that the definition was read from.
    ///
    /// # Errors
    /// Those of git objects and limits.
    pub async fn estate_in_force(&self, definition: &Definition) -> Result<(CommitId, Arc<Estate>), Fault> {
        let estate = self.estate(definition, &definition.commit).await?;
        Ok((definition.commit.clone(), estate))
    }

    /// The estate at a commit.
    ///
    /// # Errors
    /// Those of git objects and limits.
    pub async fn estate(&self, definition: &Definition, commit: &CommitId) -> Result<Arc<Estate>, Fault> {
        self.estates.at(definition, commit).await
    }
}
