//! From grants to what decides: [`Policies`], compiled once for a definition.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use cedar_policy::{EntityUid, Policy, PolicySet, Schema, ValidationMode};
use portcullis_model::{AccountName, ActionKind, Fault, Place, PrincipalName};

use crate::forbid::{self, Forbid, Names, Parsed, TextFault, is_about_account, is_about_action};
use crate::grants::{Freeze, Grants, Principal, Role};
use crate::index::Index;
use crate::permit::permit;
use crate::schema::{self, Checked, Kind, action_id};

/// Compiles the accounts of one fleet. What accounts have in common is made once.
pub struct Compiler {
    checked: Checked,
    accounts: BTreeSet<AccountName>,
    principals: Arc<BTreeMap<PrincipalName, Principal>>,
    actions: BTreeSet<ActionKind>,
    index: Arc<Index>,
    permits: HashMap<(PrincipalName, ActionKind, Role, bool), Option<Policy>>,
    texts: HashMap<(String, String), Parsed>,
}

/// What the texts of one account may name.
struct Known<'a> {
    compiler: &'a Compiler,
    freezes: &'a BTreeMap<String, Freeze>,
}

impl Names for Known<'_> {
    fn knows(&self, kind: Kind, name: &str) -> bool {
        match kind {
            Kind::Principal => self.compiler.principals.keys().any(|known| known.as_str() == name),
            Kind::Account => self.compiler.accounts.iter().any(|known| known.as_str() == name),
            Kind::Freeze => self.freezes.contains_key(name),
            Kind::Action => {
                let roles = [Role::Start, Role::Approve];
                self.compiler.actions.iter().any(|action| roles.iter().any(|role| action_id(*action, *role) == name))
            }
            Kind::Token => false,
        }
    }

    fn all(&self, kind: Kind) -> Vec<String> {
        match kind {
            Kind::Principal => self.compiler.principals.keys().map(ToString::to_string).collect(),
            Kind::Account => self.compiler.accounts.iter().map(ToString::to_string).collect(),
            Kind::Freeze => self.freezes.keys().cloned().collect(),
            Kind::Action => {
                let roles = [Role::Start, Role::Approve];
                self.compiler.actions.iter().flat_map(|action| roles.map(|role| action_id(*action, role))).collect()
            }
            Kind::Token => Vec::new(),
        }
    }
}

impl Compiler {
    /// For a fleet with these accounts, principals and actions.
    ///
    /// # Errors
    /// None that a definition can cause (`PC-0900`).
    pub fn new(
        accounts: BTreeSet<AccountName>,
        principals: BTreeMap<PrincipalName, Principal>,
        actions: BTreeSet<ActionKind>,
    ) -> Result<Self, Fault> {
        Ok(Compiler {
            checked: schema::schema(&actions)?,
            accounts,
            index: Arc::new(Index::new(&principals)),
            principals: Arc::new(principals),
            actions,
            permits: HashMap::new(),
            texts: HashMap::new(),
        })
    }

    /// A `policy` block's text, for an account with these freezes.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn forbid(
        &mut self,
        name: &str,
        text: &str,
        place: Option<Place>,
        freezes: &BTreeMap<String, Freeze>,
    ) -> Result<Forbid, Vec<TextFault>> {
        let key = (name.to_owned(), text.to_owned());
        let parsed = self.texts.entry(key).or_insert_with(|| forbid::parse(name, text, &self.checked.1));
        let (policies, broken) = parsed.clone()?;
        let unknown = forbid::unknown_names(&policies, text, &Known { compiler: self, freezes });
        // A name that does not exist is what is wrong, whatever else the schema says of it.
        match (unknown.is_empty(), broken.is_empty()) {
            (true, true) => Ok(Forbid::new(name, text, place, policies)),
            (true, false) => Err(broken),
            (false, _) => Err(unknown),
        }
    }

    /// What decides in an account.
    ///
    /// # Errors
    /// None that a definition can cause (`PC-0900`).
    pub fn compile(&mut self, grants: Grants) -> Result<Policies, Fault> {
        let account = Kind::Account.uid(grants.account.as_str())?;
        let mut doors = BTreeMap::new();
        for (action, grant) in &grants.actions {
            for role in [Role::Start, Role::Approve] {
                let uid = Kind::Action.uid(&action_id(*action, role))?;
                let mut permits = PolicySet::new();
                for name in grants.named(*action, role) {
                    if let Some(permit) = self.permit(name, *action, role, grant.protected)? {
                        permits.add(permit).map_err(internal)?;
                    }
                }
                let about = |policy: &&Policy| is_about_action(policy, &uid) && is_about_account(policy, &account);
                let forbids = grants.forbids.iter().flat_map(Forbid::policies).filter(about).cloned().collect();
                doors.insert((*action, role), Door::new(uid, permits, forbids)?);
            }
        }
        let index = Arc::clone(&self.index);
        Ok(Policies {
            account,
            checked: Arc::clone(&self.checked),
            doors,
            index,
            principals: Arc::clone(&self.principals),
            grants,
        })
    }

    fn permit(
        &mut self,
        name: &PrincipalName,
        action: ActionKind,
        role: Role,
        protected: bool,
    ) -> Result<Option<Policy>, Fault> {
        let key = (name.clone(), action, role, protected);
        if let Some(known) = self.permits.get(&key) {
            return Ok(known.clone());
        }
        let made = match self.principals.get(name) {
            Some(principal) => permit(name, principal, action, role, protected)?,
            None => None,
        };
        if let Some(policy) = &made {
            let set = PolicySet::from_policies([policy.clone()]).map_err(internal)?;
            let found = self.checked.1.validate(&set, ValidationMode::Strict);
            if let Some(error) = found.validation_errors().next() {
                return Err(internal(error));
            }
        }
        self.permits.insert(key, made.clone());
        Ok(made)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn internal(error: impl fmt::Display) -> Fault {
    Fault::internal(format!("policies of a definition that was checked: {error}"))
}

/// What decides about one action and role. A policy about another can never be one of these, so it is not asked.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    /// The action in policies.
    pub action: EntityUid,
    /// Who may.
    pub permits: PolicySet,
    /// The same, and what is forbidden whatever the facts are.
    pub certain: PolicySet,
    /// All of it.
    pub whole: PolicySet,
    /// What is forbidden.
    pub forbids: Vec<Policy>,
}

impl Door {
    fn new(action: EntityUid, permits: PolicySet, forbids: Vec<Policy>) -> Result<Self, Fault> {
        let mut certain = permits.clone();
        let mut whole = permits.clone();
        for forbid in &forbids {
            if !forbid.has_non_scope_constraint() {
                certain.add(forbid.clone()).map_err(internal)?;
            }
            whole.add(forbid.clone()).map_err(internal)?;
        }
        Ok(Door { action, permits, certain, whole, forbids })
    }
}

/// What decides in one account: the definition's grants, compiled.
#[derive(Clone)]
pub struct Policies {
    pub(crate) grants: Grants,
    pub(crate) principals: Arc<BTreeMap<PrincipalName, Principal>>,
    pub(crate) index: Arc<Index>,
    pub(crate) account: EntityUid,
    checked: Checked,
    doors: BTreeMap<(ActionKind, Role), Door>,
}

impl Policies {
    /// What they were compiled from.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The principals of the fleet.
    pub fn principals(&self) -> &BTreeMap<PrincipalName, Principal> {
        &self.principals
    }

    /// Whether any action of this account names the principal.
    pub fn names(&self, principal: &PrincipalName) -> bool {
        self.grants.actions.values().any(|grant| grant.allow.contains(principal) || grant.approvers.contains(principal))
    }

    pub(crate) fn door(&self, action: ActionKind, role: Role) -> Option<&Door> {
        self.doors.get(&(action, role))
    }

    pub(crate) fn doors(&self) -> impl Iterator<Item = (&(ActionKind, Role), &Door)> {
        self.doors.iter()
    }

    /// The Cedar schema and every policy, for proofs about them.
    ///
    /// # Errors
    /// None that a definition can cause (`PC-0900`).
    pub fn cedar(&self) -> Result<(Schema, PolicySet), Fault> {
        let mut all = PolicySet::new();
        for ((action, role), door) in &self.doors {
            for policy in door.permits.policies() {
                let id = format!("{}:{}", action_id(*action, *role), policy.id());
                all.add(policy.new_id(cedar_policy::PolicyId::new(id))).map_err(internal)?;
            }
        }
        for policy in self.grants.forbids.iter().flat_map(Forbid::policies) {
            all.add(policy.clone()).map_err(internal)?;
        }
        Ok((self.checked.0.clone(), all))
    }
}

/// By what they were compiled from.
impl PartialEq for Policies {
    fn eq(&self, other: &Self) -> bool {
        self.grants == other.grants && self.principals == other.principals
    }
}

impl Eq for Policies {}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("grants", &self.grants).finish()
    }
}
