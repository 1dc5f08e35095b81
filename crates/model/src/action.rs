//! What a caller may ask for.
//!
//! A request arrives as [`crate::api::TriggerRequest`] and becomes an [`Action`] only by
//! [`Action::check`]: every field typed, nothing passed through.

use serde::{Deserialize, Serialize};

use crate::api::TriggerRequest;
use crate::{BranchName, Code, Fault, RepositoryName, UnitPath};

/// Most units that a request may name.
pub const UNITS_MAX: usize = 1000;

/// The kinds of action that an account can offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// Plan units at a branch's head.
    Plan,
    /// Apply units at the head of a protected branch.
    Apply,
}

impl ActionKind {
    /// All kinds.
    pub const ALL: [ActionKind; 2] = [ActionKind::Plan, ActionKind::Apply];

    /// The name as the fleet definition and the API spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            ActionKind::Plan => "plan",
            ActionKind::Apply => "apply",
        }
    }

    /// From its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl std::fmt::Display for ActionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which units a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// What is affected (`plan`), or whose digest is not the last applied one (`apply`).
    Affected,
    /// Of those, only these units (sorted, no duplicates, never empty).
    Units(Vec<UnitPath>),
    /// Every unit of the account, affected or not.
    All,
}

/// A typed, checked action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// What is asked for.
    pub kind: ActionKind,
    /// In which repository.
    pub repository: RepositoryName,
    /// At the head of which branch.
    pub branch: BranchName,
    /// For which units.
    pub selection: Selection,
}

impl Action {
    /// Checks a request field by field.
    ///
    /// # Errors
    /// `PC-0100` for an unknown action, `PC-0101` for fields that exclude each other, and the code of the
    /// field's own type otherwise.
    pub fn check(request: &TriggerRequest) -> Result<Self, Fault> {
        let kind = ActionKind::from_name(&request.action).ok_or_else(|| {
            Fault::new(Code::UNKNOWN_ACTION, format!("there is no action {}", crate::id::quoted(&request.action)))
                .remedy("Use `plan` or `apply`.")
        })?;
        let selection = match (&request.units, request.all) {
            (Some(_), true) => {
                return Err(Fault::new(Code::BAD_REQUEST, "`units` and `all` exclude each other")
                    .remedy("Send `units` to narrow the run, or `all` to widen it."));
            }
            (None, true) => Selection::All,
            (None, false) => Selection::Affected,
            (Some(units), false) => {
                if units.is_empty() || units.len() > UNITS_MAX {
                    return Err(Fault::new(
                        Code::BAD_REQUEST,
                        format!("`units` has {} entries, allowed are 1 to {UNITS_MAX}", units.len()),
                    )
                    .remedy("Leave `units` out to run what is affected."));
                }
                let mut paths = units.iter().map(|text| UnitPath::parse(text)).collect::<Result<Vec<_>, _>>()?;
                paths.sort();
                paths.dedup();
                Selection::Units(paths)
            }
        };
        Ok(Action {
            kind,
            repository: RepositoryName::parse(&request.repository)?,
            branch: BranchName::parse_ref(&request.reference)?,
            selection,
        })
    }
}
