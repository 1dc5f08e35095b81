//! What a plan changes: the types, and what of it may be shown.

use std::fmt;

use portcullis_model::run::ResourceChange;
use portcullis_model::{ChangeKind, PlanSummary};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All that a plan changes. Holds values, also sensitive ones: keep it sealed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Change {
    /// Resources, in the tool's order. Those that stay as they are, are left out.
    pub resources: Vec<ResourceDelta>,
    /// Outputs of the root module, by name. Those that stay as they are, are left out.
    pub outputs: Vec<OutputDelta>,
}

/// What happens to one resource instance.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceDelta {
    /// Its address, as the tool spells it.
    pub address: String,
    /// The key of a deposed object, when it is one: what a replacement that was cut off has left behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deposed: Option<String>,
    /// The address that it had (`moved`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_address: Option<String>,
    /// What it is imported by: the tool's `importing` object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Value>,
    /// What is done.
    pub action: Action,
    /// The new value without what is not known yet; null when there is none afterwards.
    pub after: Value,
    /// The shape of `after`, with `true` where the value is not known yet.
    pub after_unknown: Value,
    /// The shape of `after`, with `true` where the value is sensitive.
    pub after_sensitive: Value,
}

/// What happens to one output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputDelta {
    /// Its name.
    pub name: String,
    /// What is done: create, update or delete.
    pub action: Action,
    /// As for resources.
    pub after: Value,
    /// As for resources.
    pub after_unknown: Value,
    /// As for resources.
    pub after_sensitive: Value,
}

/// What a plan does with one object. The two orders of a replacement are different actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing, but that its address changes or it is imported.
    NoOp,
    /// Create.
    Create,
    /// Read a data source while applying.
    Read,
    /// Update in place.
    Update,
    /// Destroy.
    Delete,
    /// Replace: destroy, then create.
    DeleteThenCreate,
    /// Replace: create, then destroy.
    CreateThenDelete,
    /// Create a new one and let go of the old one without destroying it.
    CreateThenForget,
    /// Remove from state without destroying.
    Forget,
}

impl Action {
    /// Whether one object takes the place of another.
    pub fn is_replace(self) -> bool {
        matches!(self, Action::DeleteThenCreate | Action::CreateThenDelete | Action::CreateThenForget)
    }

    /// For messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::NoOp => "no change",
            Action::Create => "create",
            Action::Read => "read",
            Action::Update => "update",
            Action::Delete => "destroy",
            Action::DeleteThenCreate => "destroy, then create",
            Action::CreateThenDelete => "create, then destroy",
            Action::CreateThenForget => "create, then forget",
            Action::Forget => "forget",
        }
    }
}

impl ResourceDelta {
    /// The address for people: a deposed object is named as one.
    pub fn label(&self) -> String {
        match &self.deposed {
            Some(key) => format!("{} (deposed object {key})", self.address),
            None => self.address.clone(),
        }
    }

    /// The kind of change as summaries have it.
    pub fn kind(&self) -> ChangeKind {
        match self.action {
            Action::NoOp if self.import.is_some() => ChangeKind::Import,
            Action::NoOp => ChangeKind::Move,
            Action::Create => ChangeKind::Create,
            Action::Read => ChangeKind::Read,
            Action::Update => ChangeKind::Update,
            Action::Delete => ChangeKind::Destroy,
            Action::Forget => ChangeKind::Forget,
            Action::DeleteThenCreate | Action::CreateThenDelete | Action::CreateThenForget => ChangeKind::Replace,
        }
    }
}

impl Change {
    /// Whether applying it would change nothing: no resource, no output, no address.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.outputs.is_empty()
    }

    /// Whether it creates and reads only: nothing that exists changes, not even an output's value, which
    /// other units may use.
    pub fn only_creates(&self) -> bool {
        self.resources.iter().all(|delta| matches!(delta.kind(), ChangeKind::Create | ChangeKind::Read))
            && self.outputs.iter().all(|delta| delta.action == Action::Create)
    }

    /// What may be shown of it: counts, addresses, names of outputs. No value.
    pub fn summary(&self) -> PlanSummary {
        let mut summary = PlanSummary::default();
        for delta in &self.resources {
            let kind = delta.kind();
            match kind {
                ChangeKind::Create => summary.add += 1,
                ChangeKind::Update => summary.change += 1,
                ChangeKind::Replace => summary.replace += 1,
                ChangeKind::Destroy => summary.destroy += 1,
                ChangeKind::Read | ChangeKind::Forget | ChangeKind::Move | ChangeKind::Import => {}
            }
            if summary.changes.len() < PlanSummary::CHANGES_MAX {
                summary.changes.push(ResourceChange { address: delta.label(), kind });
            } else {
                summary.changes_left_out += 1;
            }
        }
        summary.outputs = self.outputs.iter().map(|delta| delta.name.clone()).collect();
        summary
    }
}

/// Without values.
impl fmt::Debug for ResourceDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.label(), self.action.as_str())
    }
}

/// Without values.
impl fmt::Debug for OutputDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "output.{}: {}", self.name, self.action.as_str())
    }
}
