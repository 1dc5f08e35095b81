//! The Cedar schema: what policies can speak about; and the names of it.
//!
//! One schema for a fleet. What a policy can name (actions, principals, accounts, freezes) are entities without
//! attributes; a name that does not exist is found by `forbid`, with the names that there are, since a policy that forbids
//! by a misspelt name would forbid nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema, Validator};
use portcullis_model::{ActionKind, Fault};

use crate::grants::Role;

/// Types of entities, by their names in policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Who asks, or asked.
    Token,
    /// A principal of the fleet: what a token is *in*.
    Principal,
    /// Where.
    Account,
    /// A time in which policies may forbid.
    Freeze,
    /// What: to start an action, or to approve it.
    Action,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Token, Kind::Principal, Kind::Account, Kind::Freeze, Kind::Action];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Token => "Token",
            Kind::Principal => "Principal",
            Kind::Account => "Account",
            Kind::Freeze => "Freeze",
            Kind::Action => "Action",
        }
    }

    /// An entity.
    ///
    /// # Errors
    /// None: the names of the types are names. It is not taken for granted all the same.
    pub fn uid(self, id: &str) -> Result<EntityUid, Fault> {
        static NAMES: LazyLock<Vec<(Kind, EntityTypeName)>> = LazyLock::new(|| {
            Kind::ALL
                .into_iter()
                .filter_map(|kind| Some((kind, EntityTypeName::from_str(kind.as_str()).ok()?)))
                .collect()
        });
        let name = NAMES.iter().find(|(kind, _)| *kind == self).map(|(_, name)| name.clone());
        let name = name.ok_or_else(|| Fault::internal(format!("`{}` is no type of a policy", self.as_str())))?;
        Ok(EntityUid::from_type_name_and_id(name, EntityId::new(id)))
    }
}

/// An action's name in policies: `apply`, or `approve:apply`. No action has a name with a colon.
pub(crate) fn action_id(action: ActionKind, role: Role) -> String {
    match role {
        Role::Start => action.to_string(),
        Role::Approve => format!("approve:{action}"),
    }
}

/// The schema as text.
pub(crate) fn text(actions: &BTreeSet<ActionKind>) -> String {
    let mut text = String::from(
        "// Who asks: a verified token. It is in each principal that it matches. Its tags are its claims.\n\
         entity Token in [Principal] = {\n  identities: Set<String>,\n  issuer: String,\n  subject: String,\n} tags String;\n\
         // A principal of the fleet definition.\n\
         entity Principal;\n\
         entity Account;\n\
         // A `freeze` of the fleet definition.\n\
         entity Freeze;\n\
         // What the runner knows of a request.\n\
         type Request = {\n  repository: String,\n  branch: String,\n  protected: Bool,\n  all: Bool,\n  units: Set<String>,\n  \
         frozen: Set<Freeze>,\n};\n\
         type Approval = {\n  repository: String,\n  branch: String,\n  protected: Bool,\n  all: Bool,\n  units: Set<String>,\n  \
         frozen: Set<Freeze>,\n  requester: Token,\n};\n",
    );
    for action in actions {
        for (role, context) in [(Role::Start, "Request"), (Role::Approve, "Approval")] {
            let id = action_id(*action, role);
            text.push_str(&format!(
                "action \"{id}\" appliesTo {{ principal: Token, resource: Account, context: {context} }};\n"
            ));
        }
    }
    text
}

/// A schema, and what checks policies by it.
pub(crate) type Checked = Arc<(Schema, Validator)>;

/// Most schemas that are kept.
const KEPT_MAX: usize = 32;

/// The schema of a fleet with these actions. Fleets with the same actions have the same; the last few are kept, since
/// making one costs more than the rest of a small fleet.
pub(crate) fn schema(actions: &BTreeSet<ActionKind>) -> Result<Checked, Fault> {
    static KEPT: Mutex<BTreeMap<BTreeSet<ActionKind>, Checked>> = Mutex::new(BTreeMap::new());
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept().get(actions) {
        return Ok(Arc::clone(known));
    }
    let (schema, _) = Schema::from_cedarschema_str(&text(actions))
        .map_err(|error| Fault::internal(format!("the schema of policies: {error}")))?;
    let made = Arc::new((schema.clone(), Validator::new(schema)));
    let mut kept = kept();
    if kept.len() >= KEPT_MAX {
        kept.clear();
    }
    kept.insert(actions.clone(), Arc::clone(&made));
    Ok(made)
}
