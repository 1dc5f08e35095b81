//! [`Fleet`]: a definition that was taken whole.

use std::collections::BTreeMap;

use portcullis_hcl::Origin;
use portcullis_model::id::quoted;
use portcullis_model::{AccountName, BranchName, Code, Fault, FleetName, Place, PrincipalName, RepositoryName};

use crate::account::{Account, Identity, Limits, Repository, audience_for};
use crate::asserts::{self, Assert};
use crate::check::{self, Finding};
use crate::decode;
use crate::layer::{History, Stack, Tree};
use crate::network;
use crate::policies::{self, Compiling};
use crate::principals::{Issuer, issuer, principal, unknown_name};
use crate::profiles::{Layer, Profiles, inner, labelled, layer};
use crate::read::{Elsewhere, Evaluator, Source, nowhere, sources, text, texts};
use crate::schema::{self, Contents, Entry, contents, duplicate};
use crate::settings::{LayerName, Setting, Written};
use portcullis_policy::Principal;

/// Where the definition starts, from the top of the repository.
pub const FLEET_FILE: &str = "portcullis.hcl";

/// Gives a file of the repository by its path from the top, or `None` when there is no such file.
pub type Read<'a> = dyn Fn(&str) -> Result<Option<Vec<u8>>, Fault> + 'a;

/// All accounts of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    name: FleetName,
    accounts: BTreeMap<AccountName, Account>,
    deploy_order: Vec<AccountName>,
    traces: BTreeMap<AccountName, Traced>,
    declared: Declarations,
    asserts: BTreeMap<String, serde_json::Value>,
}

/// Where an account's definition comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traced {
    history: History,
    /// Its layers, the lowest first.
    pub layers: Vec<LayerName>,
    /// Its block.
    pub place: Place,
}

impl Traced {
    /// What each layer said, by path.
    pub(crate) fn history(&self) -> &History {
        &self.history
    }
}

/// What is declared, used or not, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Declarations {
    pub profiles: Vec<(LayerName, Place)>,
    pub principals: BTreeMap<PrincipalName, Place>,
    pub identities: BTreeMap<String, Place>,
}

impl Fleet {
    /// Reads [`FLEET_FILE`] and what it imports.
    ///
    /// # Errors
    /// Every fault that was found, each with its place and a remedy (`PC-0500` to `PC-0509`). A definition with
    /// a fault anywhere is not taken at all: half a definition is half an access policy.
    pub fn load(read: &Read<'_>) -> Result<Fleet, Vec<Fault>> {
        Fleet::load_with(read, &nowhere)
    }

    /// The same, with the files of other repositories that are at hand.
    ///
    /// # Errors
    /// As [`Fleet::load`]; `PC-0508` for a file that is not at hand, `PC-0521` for one that is not what was pinned.
    pub fn load_with(read: &Read<'_>, elsewhere: &Elsewhere<'_>) -> Result<Fleet, Vec<Fault>> {
        Fleet::of(&sources(FLEET_FILE, read, elsewhere)?)
    }

    /// The same, of files that were read.
    pub(crate) fn of(sources: &[Source]) -> Result<Fleet, Vec<Fault>> {
        let mut faults = Vec::new();
        let fleet = Parts::read(sources, &mut faults).and_then(|parts| parts.fleet(&mut faults));
        // Two accounts that use one profile find the same fault in it.
        let mut unique: Vec<Fault> = Vec::with_capacity(faults.len());
        faults.retain(|fault| {
            !unique.contains(fault) && {
                unique.push(fault.clone());
                true
            }
        });
        match fleet {
            Some(fleet) if faults.is_empty() => Ok(fleet),
            _ if faults.is_empty() => Err(vec![Fault::internal("the fleet definition has no fault and no result")]),
            _ => Err(faults),
        }
    }

    /// The fleet's name.
    pub fn name(&self) -> &FleetName {
        &self.name
    }

    /// An account.
    ///
    /// # Errors
    /// `PC-0506` when the fleet has none of that name.
    pub fn account(&self, name: &AccountName) -> Result<Account, Fault> {
        self.accounts.get(name).cloned().ok_or_else(|| {
            let known = self.accounts.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            Fault::new(Code::FLEET_ACCOUNT_UNKNOWN, format!("fleet `{}` has no account `{name}`", self.name))
                .remedy(format!("There are {known}."))
        })
    }

    /// All accounts, by name.
    pub fn accounts(&self) -> &BTreeMap<AccountName, Account> {
        &self.accounts
    }

    /// An account's effective definition, value by value, with what each layer said. Empty for an account that is not
    /// in the fleet.
    pub fn settings(&self, name: &AccountName) -> Vec<Setting> {
        let (Some(account), Some(trace)) = (self.accounts.get(name), self.traces.get(name)) else { return Vec::new() };
        let mut settings: BTreeMap<String, Setting> = account
            .values()
            .into_iter()
            .map(|(path, value)| {
                let written = trace.history.get(&path).cloned().unwrap_or_else(|| self.block_of(&path, &value));
                (path.clone(), Setting { path, value, written })
            })
            .collect();
        // What a layer took away is a thing to know as well.
        for (path, written) in &trace.history {
            settings.entry(path.clone()).or_insert_with(|| Setting {
                path: path.clone(),
                value: serde_json::Value::Null,
                written: written.clone(),
            });
        }
        settings.remove("profiles");
        settings.into_values().collect()
    }

    /// Settings of principals and identities are no part of a layer: they are written in a block of their own.
    fn block_of(&self, path: &str, value: &serde_json::Value) -> Vec<Written> {
        let place = |kind: &str| {
            let name = path.strip_prefix(kind)?.split('.').next()?;
            let place = match kind {
                "principal." => self.declared.principals.iter().find(|(known, _)| known.as_str() == name)?.1,
                _ => self.declared.identities.get(name)?,
            };
            Some((format!("{}`{name}`", kind.replace('.', " ")), place.clone()))
        };
        let found = place("principal.").or_else(|| place("identity."));
        let written =
            |(name, place)| Written { layer: LayerName::Block(name), place, value: value.clone(), appended: false };
        found.map(written).into_iter().collect()
    }

    /// What a person should look at, in a definition that is right.
    pub fn findings(&self) -> Vec<Finding> {
        check::findings(self)
    }

    /// An account's layers, the lowest first; and where it is defined.
    pub(crate) fn traces(&self) -> &BTreeMap<AccountName, Traced> {
        &self.traces
    }

    /// What must hold, by its name.
    pub(crate) fn asserts(&self) -> &BTreeMap<String, serde_json::Value> {
        &self.asserts
    }

    pub(crate) fn declared(&self) -> &Declarations {
        &self.declared
    }

    /// The order in which accounts are brought up: `deploy_order`, or the order in which they are defined.
    pub fn deploy_order(&self) -> Vec<AccountName> {
        self.deploy_order.clone()
    }
}

/// An account before its layers are merged.
struct Draft {
    name: AccountName,
    origin: Origin,
    layer: Layer,
}

/// The definition, block by block.
struct Parts {
    name: FleetName,
    repositories: Declared<RepositoryName, Repository>,
    /// The fleet's own settings, below every profile.
    base: Tree,
    identities: Declared<String, Issuer>,
    principals: Declared<PrincipalName, Principal>,
    identity_places: BTreeMap<String, Place>,
    principal_places: BTreeMap<PrincipalName, Place>,
    asserts: Vec<Assert>,
    profiles: Profiles,
    drafts: Vec<Draft>,
    deploy_order: Vec<AccountName>,
}

impl Parts {
    fn read(sources: &[Source], faults: &mut Vec<Fault>) -> Option<Parts> {
        let mut read = Vec::new();
        for source in sources {
            let form = if source.imported { &schema::IMPORTED } else { &schema::ROOT };
            let body = contents(source.file.body(), &source.file, form, faults);
            read.push((source, body, Evaluator::checked(&source.file, faults)));
        }
        let identities = identities(&read, faults);
        let principals = principals(&read, &identities, faults);
        let mut profiles = Profiles::default();
        for (source, body, evaluator) in &read {
            for entry in body.blocks_named("profile") {
                profiles.insert(entry, source.imported, evaluator, faults);
            }
        }
        let principal_places = places(&read, "principal")
            .into_iter()
            .filter_map(|(name, place)| Some((PrincipalName::parse(&name).ok()?, place)));
        let principal_places = principal_places.collect();
        let asserts = asserts::read(&read, faults);
        let (source, body, evaluator) = read.last()?;
        let drafts = drafts(body, evaluator, faults);
        let Some(entry) = body.blocks_named("fleet").next() else {
            let message = format!("`{}` has no `fleet` block", source.file.path());
            faults.push(
                Origin::new(&source.file, 0..0)
                    .fault(Code::FLEET_UNKNOWN_NAME, message)
                    .remedy("Add `fleet \"…\" { … }` with its repository."),
            );
            return None;
        };
        for again in body.blocks_named("fleet").skip(1) {
            faults.push(duplicate("the `fleet`", &again.origin));
        }
        let name = FleetName::parse(entry.label).map_err(|fault| faults.push(fault.at(entry.origin.place()))).ok();
        let body = contents(&entry.block.body, entry.origin.file(), &schema::FLEET, faults);
        let repositories = repositories(&body, evaluator, faults);
        if body.blocks_named("repository").next().is_none() {
            let fault = entry.origin.fault(Code::FLEET_UNKNOWN_NAME, "the fleet has no `repository`");
            faults.push(
                fault.remedy("Add `repository \"…\" { url = \"…\" protected = [\"main\"] }`, on lines of their own."),
            );
        }
        let mut base = Tree::new();
        for (name, form) in [("tools", &schema::TOOLS), ("sources", &schema::SOURCES)] {
            for entry in body.blocks_named(name) {
                base.insert(name.to_owned(), inner(entry, form, evaluator, faults));
            }
        }
        for (name, form) in [("policy", &schema::POLICY), ("freeze", &schema::FREEZE)] {
            base.extend(labelled(&body, name, form, &entry.origin, evaluator, faults));
        }
        let deploy_order = deploy_order(&body, evaluator, &drafts).map_err(|fault| faults.push(fault)).ok();
        Some(Parts {
            name: name?,
            repositories,
            base,
            identities,
            principals,
            identity_places: places(&read, "identity"),
            principal_places,
            asserts,
            profiles,
            drafts,
            deploy_order: deploy_order?,
        })
    }

    fn fleet(self, faults: &mut Vec<Fault>) -> Option<Fleet> {
        self.profiles.check(faults);
        if self.repositories.is_empty() {
            return None;
        }
        let trees = self.profiles.trees().chain(self.drafts.iter().map(|draft| &draft.layer.tree));
        let names = self.drafts.iter().map(|draft| draft.name.clone()).collect();
        let mut compiling = kept(Compiling::new(names, whole(&self.principals), trees), faults)?;
        let mut accounts: BTreeMap<AccountName, Account> = BTreeMap::new();
        let mut traces = BTreeMap::new();
        for draft in &self.drafts {
            let Some((account, trace)) = self.account(draft, &mut compiling, faults) else { continue };
            faults.extend(overlap(&account, accounts.values(), &draft.origin));
            traces.insert(account.name.clone(), trace);
            accounts.insert(account.name.clone(), account);
        }
        if self.drafts.is_empty() {
            faults.push(
                Fault::new(Code::FLEET_UNKNOWN_NAME, format!("fleet `{}` has no account", self.name))
                    .at(portcullis_model::Place::file(FLEET_FILE))
                    .remedy("Add `account \"…\" { … }`."),
            );
        }
        let declared = Declarations {
            profiles: self.profiles.all().map(|(name, origin)| (name, origin.place())).collect(),
            principals: self.principal_places,
            identities: self.identity_places,
        };
        let asserts = self.asserts.iter().map(Assert::said).collect();
        let fleet = Fleet { name: self.name, accounts, deploy_order: self.deploy_order, traces, declared, asserts };
        if faults.is_empty() {
            faults.extend(check::invariants(&fleet));
            faults.extend(asserts::broken(&fleet, &self.asserts));
        }
        Some(fleet)
    }

    /// `None`: something that it is made of is broken, which is in `faults`. Every part is looked at, so that
    /// one broken part does not hide the next.
    fn account(&self, draft: &Draft, compiling: &mut Compiling, faults: &mut Vec<Fault>) -> Option<(Account, Traced)> {
        let name = draft.name.clone();
        let layers = kept(self.profiles.layers(&draft.layer, LayerName::Account(name.to_string())), faults)??;
        let mut stack = Stack::default();
        stack.push(&self.base, &LayerName::Fleet);
        for (layer, tree) in &layers {
            stack.push(tree, layer);
        }
        let Stack { tree, history } = stack;
        let layers = layers.into_iter().map(|(layer, _)| layer).collect();
        let identity = |issuer: &Issuer| Identity {
            issuer: issuer.issuer.clone(),
            preset: issuer.preset,
            jwks_uri: issuer.jwks_uri.clone(),
            jwks: issuer.jwks.clone(),
            audience: issuer.audience(name.as_str()).unwrap_or_else(|| audience_for(&self.name, &name)),
        };
        let repository = kept(self.repository(&tree, &draft.origin), faults);
        let id = kept(decode::id(&tree, name.as_str(), &draft.origin), faults);
        let path = kept(decode::path(&tree, name.as_str()), faults);
        let regions = kept(decode::regions(&tree), faults);
        let tools = kept(decode::tools(&tree), faults);
        let env = kept(decode::env(&tree), faults);
        let root_modules = kept(decode::root_modules(&tree), faults);
        let limits = kept(decode::limits(&tree, &Limits::default()), faults);
        let bounds = limits.clone().unwrap_or_default();
        let actions = kept(decode::actions(&tree, &self.principals, tools.as_ref(), &bounds), faults);
        let sources = kept(decode::sources(&tree), faults);
        let egress = kept(network::egress(&tree), faults);
        let credentials = egress.as_ref().and_then(|egress| kept(network::credentials(&tree, egress), faults));
        if actions.as_ref().is_some_and(|actions| actions.values().all(|grant| grant.allow.is_empty())) {
            let fault = draft.origin.fault(Code::FLEET_LOCKS_OUT, format!("account `{name}` would let nobody in"));
            faults.push(fault.remedy("Give it a profile with actions, or an `action` block with `allow`."));
        }
        let freezes = kept(decode::freezes(&tree), faults);
        let policies = match (&actions, &freezes) {
            (Some(actions), Some(freezes)) => compiling.account(&name, &tree, actions, freezes, faults),
            _ => None,
        };
        if policies.as_ref().is_some_and(|policies| policies::lets_nobody_in(policies)) {
            let fault = draft.origin.fault(Code::FLEET_LOCKS_OUT, format!("account `{name}` would let nobody in"));
            faults.push(fault.remedy("Its policies forbid everything that its actions allow: give them conditions."));
        }
        let account = Account {
            fleet: self.name.clone(),
            id: id?,
            path: path?,
            regions: regions?,
            repository: repository??,
            tools: tools?,
            identities: whole(&self.identities).iter().map(|(name, issuer)| (name.clone(), identity(issuer))).collect(),
            principals: whole(&self.principals),
            actions: actions?,
            env: env?,
            root_modules: root_modules?,
            limits: limits?,
            sources: sources?,
            egress: egress?,
            credentials: credentials?,
            freezes: freezes?,
            policies: policies?,
            name,
        };
        Some((account, Traced { history, layers, place: draft.origin.place() }))
    }

    /// The repository that the account names, or the only one there is.
    fn repository(&self, tree: &Tree, at: &Origin) -> Result<Option<Repository>, Fault> {
        let known = || self.repositories.keys().map(RepositoryName::as_str);
        match (decode::repository(tree)?, self.repositories.values().next()) {
            (Some((name, value)), _) => self
                .repositories
                .iter()
                .find(|(known, _)| known.as_str() == name)
                .map(|(_, repository)| repository.clone())
                .ok_or_else(|| unknown_name(value, "repository", &name, known())),
            (None, Some(only)) if self.repositories.len() == 1 => Ok(only.clone()),
            (None, _) => Err(at
                .fault(Code::FLEET_UNKNOWN_NAME, "the account does not say which repository is its own")
                .remedy("Add `repository = \"…\"` to the account.")),
        }
    }
}

pub(crate) fn kept<T>(result: Result<T, Fault>, faults: &mut Vec<Fault>) -> Option<T> {
    result.map_err(|fault| faults.push(fault)).ok()
}

pub(crate) type Opened<'a> = (&'a Source, Contents<'a>, Evaluator<'a>);

/// What is declared, and what it is; `None`: it is broken, which was said already. Names that refer to it are
/// right all the same.
type Declared<K, V> = BTreeMap<K, Option<V>>;

fn whole<K: Ord + Clone, V: Clone>(declared: &Declared<K, V>) -> BTreeMap<K, V> {
    declared.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect()
}

/// Where the blocks of a kind are, by label.
fn places(read: &[Opened<'_>], kind: &str) -> BTreeMap<String, Place> {
    let entries = read.iter().flat_map(|(_, body, _)| body.blocks_named(kind));
    entries.map(|entry| (entry.label.to_owned(), entry.origin.place())).collect()
}

fn identities(read: &[Opened<'_>], faults: &mut Vec<Fault>) -> Declared<String, Issuer> {
    let mut identities = BTreeMap::new();
    for (_, body, evaluator) in read {
        for entry in body.blocks_named("identity") {
            let found = issuer(entry, evaluator, faults);
            if identities.insert(entry.label.to_owned(), found).is_some() {
                faults.push(duplicate(&format!("identity {}", quoted(entry.label)), &entry.origin));
            }
        }
    }
    identities
}

fn principals(
    read: &[Opened<'_>],
    identities: &Declared<String, Issuer>,
    faults: &mut Vec<Fault>,
) -> Declared<PrincipalName, Principal> {
    let mut principals = BTreeMap::new();
    for (_, body, evaluator) in read {
        for entry in body.blocks_named("principal") {
            let name = match PrincipalName::parse(entry.label) {
                Ok(name) => name,
                Err(fault) => {
                    faults.push(fault.at(entry.origin.place()));
                    continue;
                }
            };
            let found = principal(entry, evaluator, identities, faults);
            if principals.insert(name.clone(), found).is_some() {
                faults.push(duplicate(&format!("principal `{name}`"), &entry.origin));
            }
        }
    }
    principals
}

fn drafts(body: &Contents<'_>, evaluator: &Evaluator<'_>, faults: &mut Vec<Fault>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for entry in body.blocks_named("account") {
        let inside = contents(&entry.block.body, entry.origin.file(), &schema::ACCOUNT, faults);
        let layer = layer(&inside, &schema::ACCOUNT, entry, evaluator, faults);
        match AccountName::parse(entry.label) {
            Ok(name) => drafts.push(Draft { name, origin: entry.origin.clone(), layer }),
            Err(fault) => faults.push(fault.at(entry.origin.place())),
        }
    }
    drafts
}

fn repositories(
    body: &Contents<'_>,
    evaluator: &Evaluator<'_>,
    faults: &mut Vec<Fault>,
) -> Declared<RepositoryName, Repository> {
    let mut repositories = BTreeMap::new();
    for entry in body.blocks_named("repository") {
        let inside = contents(&entry.block.body, entry.origin.file(), &schema::REPOSITORY, faults);
        match RepositoryName::parse(entry.label) {
            Err(fault) => faults.push(fault.at(entry.origin.place())),
            Ok(name) => {
                let found = repository(&name, entry, &inside, evaluator).map_err(|fault| faults.push(fault)).ok();
                repositories.insert(name, found);
            }
        }
    }
    repositories
}

fn repository(
    name: &RepositoryName,
    entry: &Entry<'_>,
    body: &Contents<'_>,
    evaluator: &Evaluator<'_>,
) -> Result<Repository, Fault> {
    let url = evaluator.required(body, "url", &entry.origin)?;
    let protected = evaluator.required(body, "protected", &entry.origin)?;
    let text = text(&url, "`url`")?;
    if text.is_empty() || text.len() > 2048 || text.starts_with('-') || text.contains(char::is_control) {
        return Err(url
            .fault(Code::FLEET_TYPE, "`url` is no address of a repository")
            .remedy("Give an `https://` or `ssh://` URL."));
    }
    let user =
        text.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@')).map(|(user, _)| user);
    if user.is_some_and(|user| user.contains(':')) {
        // The place's excerpt would show the line.
        let mut place = url.origin().place();
        place.excerpt.clear();
        return Err(Fault::new(Code::FLEET_TYPE, "`url` contains a password")
            .at(place)
            .remedy("Take it out, revoke it, and give the runner the credential by file."));
    }
    let mut branches = Vec::new();
    for (name, at) in texts(&protected, "`protected`")?.iter().zip(protected.as_seq().unwrap_or_default()) {
        branches.push(BranchName::parse(name).map_err(|fault| fault.at(at.origin().place()))?);
    }
    if branches.is_empty() {
        return Err(protected
            .fault(Code::FLEET_TYPE, "`protected` names no branch")
            .remedy("Name the branch that reviewed changes are merged to, such as `main`."));
    }
    Ok(Repository { name: name.clone(), url: text, protected: branches })
}

/// `deploy_order` names every account once; without it, accounts are in the order of their definition.
fn deploy_order(body: &Contents<'_>, evaluator: &Evaluator<'_>, drafts: &[Draft]) -> Result<Vec<AccountName>, Fault> {
    let defined = || drafts.iter().map(|draft| &draft.name);
    let Some(value) = evaluator.optional(body, "deploy_order")?.filter(|value| !value.is_null()) else {
        return Ok(defined().cloned().collect());
    };
    let mut order: Vec<AccountName> = Vec::new();
    for (name, at) in texts(&value, "`deploy_order`")?.iter().zip(value.as_seq().unwrap_or_default()) {
        let account = defined()
            .find(|known| known.as_str() == name)
            .ok_or_else(|| unknown_name(at, "account", name, defined().map(AccountName::as_str)))?;
        if order.contains(account) {
            return Err(duplicate(&format!("account `{name}` in `deploy_order`"), at.origin()));
        }
        order.push(account.clone());
    }
    match defined().find(|name| !order.contains(name)) {
        None => Ok(order),
        Some(left_out) => Err(value
            .fault(Code::FLEET_TYPE, format!("`deploy_order` leaves out account `{left_out}`"))
            .remedy("Name every account, or leave `deploy_order` out.")),
    }
}

/// A unit belongs to one account, and an account's number to one account.
fn overlap<'a>(account: &Account, others: impl Iterator<Item = &'a Account>, at: &Origin) -> Vec<Fault> {
    let within = |inner: &str, outer: &str| {
        outer == "." || inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
    };
    let mut faults = Vec::new();
    for other in others {
        if other.id == account.id {
            let message = format!("accounts `{}` and `{}` have the same id", other.name, account.name);
            faults.push(at.fault(Code::FLEET_DUPLICATE, message).remedy("Give each account its own id."));
        }
        let same_repository = other.repository.name == account.repository.name;
        if same_repository && (within(&account.path, &other.path) || within(&other.path, &account.path)) {
            let message = format!(
                "the folders of accounts `{}` ({}) and `{}` ({}) overlap",
                other.name, other.path, account.name, account.path
            );
            let fault = at.fault(Code::FLEET_DUPLICATE, message);
            faults.push(fault.remedy("A unit belongs to one account: give each account a folder of its own."));
        }
    }
    faults
}
