//! What a caller may ask for.
//!
//! A request arrives as [`crate::api::TriggerRequest`] and becomes an [`Action`] only by
//! [`Action::check`]: every field typed, nothing passed through.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::api::TriggerRequest;
use crate::parameter::Value;
use crate::{BranchName, Code, Fault, RepositoryName, UnitPath};

/// Most units that a request may name.
pub const UNITS_MAX: usize = 1000;

/// Longest name of a custom action, in bytes.
pub const ACTION_NAME_MAX_BYTES: usize = 40;

/// What an account can offer: one of the built-in actions, or one that the fleet definition declares.
///
/// Small and `Copy`, because it is a key and a word in most of what is decided and recorded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActionKind {
    /// Plan units at a branch's head.
    Plan,
    /// Apply units at the head of a protected branch.
    Apply,
    /// Build a container image and push it.
    BuildImage,
    /// Build a machine image.
    BuildAmi,
    /// Set one variable in a file of the repository.
    UpdateVariable,
    /// An action that the fleet definition declares, with a program of its own.
    Custom(ActionName),
}

/// The name of a custom action: lower case words of letters and digits, with `-` between them.
///
/// Held in place, filled up with zero bytes: no name has one, so the order is that of the texts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionName([u8; ACTION_NAME_MAX_BYTES]);

impl ActionName {
    fn new(text: &str) -> Option<Self> {
        let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let valid = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split('-').all(word);
        let mut name = [0; ACTION_NAME_MAX_BYTES];
        name.get_mut(..text.len()).filter(|_| valid)?.copy_from_slice(text.as_bytes());
        Some(ActionName(name))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // It was made of a text, and zero bytes are none of its ends.
        std::str::from_utf8(&self.0).unwrap_or_default().trim_end_matches('\0')
    }
}

impl ActionKind {
    /// The actions that need no declaration of their own.
    pub const BUILT_IN: [ActionKind; 5] =
        [ActionKind::Plan, ActionKind::Apply, ActionKind::BuildImage, ActionKind::BuildAmi, ActionKind::UpdateVariable];

    /// The name as the fleet definition and the API spell it.
    pub fn as_str(&self) -> &str {
        match self {
            ActionKind::Plan => "plan",
            ActionKind::Apply => "apply",
            ActionKind::BuildImage => "build-image",
            ActionKind::BuildAmi => "build-ami",
            ActionKind::UpdateVariable => "update-variable",
            ActionKind::Custom(name) => name.as_str(),
        }
    }

    /// From its name. Every valid name is an action's; whether an account has it is for its definition to say.
    ///
    /// # Errors
    /// `PC-0100` for what can be no action's name.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if let Some(built_in) = Self::BUILT_IN.into_iter().find(|kind| kind.as_str() == text) {
            return Ok(built_in);
        }
        ActionName::new(text).map(ActionKind::Custom).ok_or_else(|| {
            Fault::new(Code::UNKNOWN_ACTION, format!("{} is no name of an action", crate::id::quoted(text))).remedy(
                format!(
                    "Use `plan`, `apply`, or the name of a declared action: at most {ACTION_NAME_MAX_BYTES} characters, \
                     words of a-z and 0-9 with `-` between them, a letter first."
                ),
            )
        })
    }
}

impl std::fmt::Display for ActionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for ActionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for ActionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ActionKind {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ActionKind {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(d)?).map_err(serde::de::Error::custom)
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
    /// For which units. A declared action is about none.
    pub selection: Selection,
    /// The values of a declared action's parameters: those that were given, checked, and those that the account has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Value>,
}

impl Action {
    /// Checks a request field by field. Parameters are checked by what the account declares, later
    /// ([`crate::parameter::resolve`]).
    ///
    /// # Errors
    /// `PC-0100` for an unknown action, `PC-0101` for fields that exclude each other, and the code of the
    /// field's own type otherwise.
    pub fn check(request: &TriggerRequest) -> Result<Self, Fault> {
        let kind = ActionKind::parse(&request.action)?;
        let over_units = matches!(kind, ActionKind::Plan | ActionKind::Apply);
        if !over_units && (request.units.is_some() || request.all) {
            return Err(Fault::new(Code::BAD_REQUEST, format!("`units` and `all` mean nothing for `{kind}`"))
                .remedy("Send its `parameters`; `portcullis describe` shows which there are."));
        }
        if over_units && !request.parameters.is_empty() {
            return Err(Fault::new(Code::BAD_REQUEST, format!("`{kind}` takes no `parameters`"))
                .remedy("Send `units` to narrow the run, or `all` to widen it."));
        }
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
            parameters: BTreeMap::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_has_one_spelling_and_keeps_it() {
        let longest = "a".repeat(ACTION_NAME_MAX_BYTES);
        for name in ["plan", "apply", "build-image", "build-ami", "update-variable", "x", "rotate-keys-2", &longest] {
            let kind = ActionKind::parse(name).unwrap();
            assert_eq!(kind.as_str(), name);
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("{name:?}"));
            assert_eq!(serde_json::from_str::<ActionKind>(&json).unwrap(), kind);
            assert_eq!(matches!(kind, ActionKind::Custom(_)), !ActionKind::BUILT_IN.iter().any(|b| b.as_str() == name));
        }
        for bad in
            ["", "Plan", "plan ", "-x", "x-", "a--b", "a_b", "2x", "plan\0", "plän", "a/b", &format!("{longest}a")]
        {
            let fault = ActionKind::parse(bad).unwrap_err();
            assert_eq!(fault.code(), Code::UNKNOWN_ACTION, "{bad:?}");
            assert!(serde_json::from_str::<ActionKind>(&serde_json::to_string(bad).unwrap()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn custom_actions_are_in_the_order_of_their_names_behind_the_built_in_ones() {
        let mut kinds =
            ["b", "ab", "update-variable", "a-b", "a", "apply", "plan"].map(|n| ActionKind::parse(n).unwrap());
        kinds.sort();
        assert_eq!(kinds.map(|kind| kind.to_string()), ["plan", "apply", "update-variable", "a", "a-b", "ab", "b"]);
    }
}
