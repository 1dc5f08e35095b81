//! The effective diff: what two commits change in the effective configuration of every unit, grouped by the same
//! change. For who shares configuration it is the proof that a refactoring changes nothing.
//!
//! Compared is configuration only: not modules' files, not what is unknown beyond the expression that makes it.

use std::collections::BTreeMap;

use portcullis_model::{Fault, UnitPath};
use serde_json::Value as Json;

use crate::affected::{AffectedKind, affected, changes_of};
use crate::change::Change;
use crate::config::Memo;
use crate::estate::in_parallel;
use crate::moved::suffixes;
use crate::unit::{Difference, is_content};
use crate::{Estate, Provenance};

/// What stands for a unit's own path where units have the same change but for it.
const SELF: &str = "{path}";

/// What differs between the effective configurations of two commits.
#[derive(Debug, Clone, Default)]
pub struct EffectiveDiff {
    /// Changes with the units that have them, those of most units first.
    pub groups: Vec<Group>,
    /// Units that are in the newer commit only.
    pub added: Vec<UnitPath>,
    /// Units that are in the older commit only.
    pub deleted: Vec<UnitPath>,
    /// Units that are the same in another folder: from and to.
    pub moved: Vec<(UnitPath, UnitPath)>,
    /// Units that cannot be evaluated at one of the commits, and so not be compared.
    pub broken: Vec<UnitPath>,
    /// Units that were compared and whose configuration is fully known at both.
    pub exact: usize,
    /// Units that were compared, and have values that are not known without running something.
    pub inexact: usize,
}

/// Changes that the same units have.
#[derive(Debug, Clone)]
pub struct Group {
    /// The units, sorted.
    pub units: Vec<UnitPath>,
    /// The changes, in the order of attributes. `{path}` stands for each unit's own path.
    pub changes: Vec<SharedChange>,
}

/// A change that units have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedChange {
    /// As in [`Change::attribute`].
    pub attribute: String,
    /// As in [`Change::before`].
    pub before: Option<Json>,
    /// As in [`Change::after`].
    pub after: Option<Json>,
    /// As in [`Change::summary`].
    pub summary: String,
    /// Where it is written, when that is one place for all units.
    pub from: Option<Provenance>,
}

impl EffectiveDiff {
    /// Whether any unit's effective configuration differs, or it is not known whether it does.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
            && self.added.is_empty()
            && self.deleted.is_empty()
            && self.moved.is_empty()
            && self.broken.is_empty()
    }

    /// How many units have a change.
    pub fn changed(&self) -> usize {
        let mut units: Vec<&UnitPath> = self.groups.iter().flat_map(|group| &group.units).collect();
        units.sort_unstable();
        units.dedup();
        units.len()
    }
}

/// Compares the effective configuration of every unit.
///
/// # Errors
/// When a thread cannot be started.
pub fn diff(base: &Estate, head: &Estate) -> Result<EffectiveDiff, Fault> {
    let mut found = EffectiveDiff::default();
    let mut differing = Vec::new();
    for (path, after) in head.units() {
        match (base.units().get(path), after) {
            (Some(Ok(before)), Ok(after)) => {
                let exact = before.is_exact() && after.is_exact();
                *(if exact { &mut found.exact } else { &mut found.inexact }) += 1;
                if after.input_digest != before.input_digest && !after.parts.same_configuration(&before.parts) {
                    differing.push(path.clone());
                }
            }
            // What a stack makes units of, and what cannot stand for itself, is compared in those units.
            (Some(Err(_)), Err(_)) if base.is_template(path) && head.is_template(path) => {}
            (Some(_), _) => found.broken.push(path.clone()),
            (None, _) => {}
        }
    }
    for unit in affected(base, head) {
        match (unit.kind, unit.other) {
            (AffectedKind::Added, _) => found.added.push(unit.unit),
            (AffectedKind::Deleted, _) => found.deleted.push(unit.unit),
            (AffectedKind::Moved, Some(from)) => found.moved.push((from, unit.unit)),
            _ => {}
        }
    }
    let compared = in_parallel(&differing, |memos: &(Memo, Memo), unit| {
        let (Some(Ok(before)), Some(Ok(after))) = (base.units().get(unit), head.units().get(unit)) else { return None };
        changes_of(unit, (base, before), (head, after), memos)
    })?;
    let mut per_unit = Vec::new();
    for (unit, changes) in differing.into_iter().zip(compared) {
        match changes {
            // What no value shows, such as an order of hooks, is named at least.
            Some(changes) if changes.is_empty() => {
                let parts = parts_that_differ(base, head, &unit);
                per_unit.push((unit, parts));
            }
            Some(changes) => per_unit.push((unit, changes)),
            None => found.broken.push(unit),
        }
    }
    found.groups = grouped(per_unit);
    Ok(found)
}

fn parts_that_differ(base: &Estate, head: &Estate, unit: &UnitPath) -> Vec<Change> {
    let (Some(Ok(before)), Some(Ok(after))) = (base.units().get(unit), head.units().get(unit)) else {
        return Vec::new();
    };
    let differ = after.parts.differences(&before.parts).into_iter().filter(|(name, _)| !is_content(name));
    let change = |(name, how): (&str, Difference)| Change {
        attribute: name.to_owned(),
        before: None,
        after: None,
        summary: how.to_string(),
        from: Provenance { place: None, include: None },
    };
    differ.map(change).collect()
}

/// A change without what is each unit's own.
type Key = (String, String, Option<String>, Option<String>);

fn grouped(per_unit: Vec<(UnitPath, Vec<Change>)>) -> Vec<Group> {
    let mut shared: BTreeMap<Key, (Vec<UnitPath>, SharedChange, Change)> = BTreeMap::new();
    for (unit, changes) in per_unit {
        let own = suffixes(unit.as_str());
        for change in changes {
            let neutral = SharedChange {
                attribute: change.attribute.clone(),
                before: change.before.as_ref().map(|json| neutral(json, &own)),
                after: change.after.as_ref().map(|json| neutral(json, &own)),
                summary: without(&change.summary, &own),
                from: Some(change.from.clone()).filter(|from| from.place.is_some()),
            };
            let text = |json: &Option<Json>| json.as_ref().map(Json::to_string);
            let key = (change.attribute.clone(), neutral.summary.clone(), text(&neutral.before), text(&neutral.after));
            let entry = shared.entry(key).or_insert_with(|| (Vec::new(), neutral, change.clone()));
            if entry.1.from.as_ref().is_some_and(|from| *from != change.from) {
                entry.1.from = None;
            }
            entry.0.push(unit.clone());
        }
    }
    let mut groups: BTreeMap<Vec<UnitPath>, Vec<SharedChange>> = BTreeMap::new();
    for (units, neutral, own) in shared.into_values() {
        // What one unit alone has is shown with its path.
        let change = if units.len() > 1 { neutral } else { SharedChange::from(own) };
        groups.entry(units).or_default().push(change);
    }
    let mut groups: Vec<Group> = groups.into_iter().map(|(units, changes)| Group { units, changes }).collect();
    groups.sort_by(|a, b| b.units.len().cmp(&a.units.len()).then_with(|| a.units.cmp(&b.units)));
    groups
}

impl From<Change> for SharedChange {
    fn from(change: Change) -> Self {
        let Change { attribute, before, after, summary, from } = change;
        SharedChange { attribute, before, after, summary, from: Some(from).filter(|from| from.place.is_some()) }
    }
}

fn without(text: &str, own: &[&str]) -> String {
    own.iter().filter(|path| **path != ".").fold(text.to_owned(), |text, path| text.replace(path, SELF))
}

fn neutral(json: &Json, own: &[&str]) -> Json {
    match json {
        Json::String(text) => Json::String(without(text, own)),
        Json::Array(elements) => Json::Array(elements.iter().map(|element| neutral(element, own)).collect()),
        Json::Object(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.clone(), neutral(value, own))).collect())
        }
        other => other.clone(),
    }
}
