//! Which units differ between two commits, and why.
//!
//! That a unit differs is decided by digests ([`affected`]). Why is found out only when it is asked for
//! ([`because`]): the unit is evaluated at both commits and the values are compared.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_model::{Fault, UnitPath};

use crate::change::{Change, changes};
use crate::config::Memo;
use crate::effective::Extent;
use crate::estate::in_parallel;
use crate::evaluate::configuration_parts;
use crate::moved::moves;
use crate::unit::is_content;
use crate::{Estate, Unit};

/// Most reasons of one unit that are listed.
const REASONS_MAX: usize = 50;

/// A unit that differs between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// The unit.
    pub unit: UnitPath,
    /// In which way.
    pub kind: AffectedKind,
    /// For a moved unit where it was; for a downstream one the dependency that makes it so.
    pub other: Option<UnitPath>,
}

/// In which way a unit is affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AffectedKind {
    /// Its input digest differs, or it can no longer be evaluated.
    Changed,
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
    /// It is new in its folder, and all else is as it was in another folder, which is gone.
    Moved,
    /// It is the same, but a unit that it depends on is not, so outputs that it uses may differ.
    Downstream,
}

impl AffectedKind {
    /// Its name, as programs read it.
    pub fn name(self) -> &'static str {
        match self {
            AffectedKind::Changed => "changed",
            AffectedKind::Added => "added",
            AffectedKind::Deleted => "deleted",
            AffectedKind::Moved => "moved",
            AffectedKind::Downstream => "downstream",
        }
    }
}

/// The units that differ from `base` to `head`, in the order in which they would be applied; deleted ones
/// last, dependents first, as they would be destroyed. The old folder of a moved unit is not among them.
pub fn affected(base: &Estate, head: &Estate) -> Vec<Affected> {
    let mut found: BTreeMap<&UnitPath, Affected> = BTreeMap::new();
    for (path, unit) in head.units() {
        if let Some(kind) = difference(base, path, unit.as_deref()) {
            found.insert(path, Affected { unit: path.clone(), kind, other: None });
        }
    }
    let deleted: Vec<&UnitPath> = base.order().iter().rev().filter(|path| !head.units().contains_key(*path)).collect();
    let added = found.values().filter(|found| found.kind == AffectedKind::Added).map(|found| &found.unit);
    let moved = moves(base, head, &deleted, &added.cloned().collect::<Vec<_>>());
    for (to, from) in &moved {
        if let Some(found) = found.get_mut(to) {
            (found.kind, found.other) = (AffectedKind::Moved, Some(from.clone()));
        }
    }
    let mut result = Vec::new();
    for path in head.order() {
        if !found.contains_key(path)
            && let Some(Ok(unit)) = head.units().get(path)
            && let Some(through) = unit.dependencies.iter().find(|dependency| found.contains_key(&dependency.target))
        {
            let other = Some(through.target.clone());
            found.insert(path, Affected { unit: path.clone(), kind: AffectedKind::Downstream, other });
        }
        result.extend(found.get(path).cloned());
    }
    let left: BTreeSet<&UnitPath> = moved.values().collect();
    let gone = deleted.into_iter().filter(|path| !left.contains(path));
    result.extend(gone.map(|path| Affected { unit: path.clone(), kind: AffectedKind::Deleted, other: None }));
    result
}

fn difference(base: &Estate, path: &UnitPath, head: Result<&Unit, &Vec<Fault>>) -> Option<AffectedKind> {
    match (base.units().get(path), head) {
        (None, _) => Some(AffectedKind::Added),
        (Some(Ok(before)), Ok(after)) if before.input_digest == after.input_digest => None,
        (Some(Err(before)), Err(after)) if before == after => None,
        (Some(_), _) => Some(AffectedKind::Changed),
    }
}

impl Affected {
    /// Why, one reason a line, the shortest first. Never empty. On a thread where deep nesting cannot exhaust the stack.
    fn because(&self, base: &Estate, head: &Estate, memos: &(Memo, Memo)) -> Vec<String> {
        let named = |what: &str| self.other.as_ref().map_or_else(String::new, |other| format!("{what} {other}"));
        match self.kind {
            AffectedKind::Deleted => vec!["its folder is no unit any more".to_owned()],
            AffectedKind::Downstream => vec![named("only what it depends on changed:")],
            AffectedKind::Moved => vec![named("the same as it was in")],
            AffectedKind::Added => match head.units().get(&self.unit) {
                Some(Err(faults)) => vec![broken(faults)],
                _ => vec!["it is new".to_owned()],
            },
            AffectedKind::Changed => self.changed(base, head, memos),
        }
    }

    fn changed(&self, base: &Estate, head: &Estate, memos: &(Memo, Memo)) -> Vec<String> {
        let (before, after) = match (base.units().get(&self.unit), head.units().get(&self.unit)) {
            (_, Some(Err(faults))) => return vec![broken(faults)],
            (Some(Ok(before)), Some(Ok(after))) => (before, after),
            _ => return vec!["it could not be evaluated before".to_owned()],
        };
        let mut reasons = Vec::new();
        let changes = changes_of(&self.unit, (base, before), (head, after), memos).unwrap_or_default();
        reasons.extend(changes.iter().map(ToString::to_string));
        // What the values do not show, such as an order of hooks, is named at least.
        let explained = !reasons.is_empty();
        let shows = |name: &str| explained && !is_content(name);
        let parts = after.parts.differences(&before.parts).into_iter().filter(|(name, _)| !shows(name));
        reasons.extend(parts.map(|(name, how)| format!("{name} {how}")));
        reasons.sort_by_key(|reason| reason.chars().count());
        let more = reasons.len().saturating_sub(REASONS_MAX);
        if more > 0 {
            reasons.truncate(REASONS_MAX);
            reasons.push(format!("and {more} more"));
        }
        reasons
    }
}

/// What differs in a unit's configuration, of which only that is evaluated. `None`: it cannot be evaluated any more.
pub(crate) fn changes_of(
    path: &UnitPath,
    (base, before): (&Estate, &Unit),
    (head, after): (&Estate, &Unit),
    memos: &(Memo, Memo),
) -> Option<Vec<Change>> {
    let only = configuration_parts(after.parts.differences(&before.parts).into_iter().map(|(name, _)| name));
    let extent = match &only {
        Some(only) if only.is_empty() => return Some(Vec::new()),
        Some(only) => Extent::Only(only),
        None => Extent::All,
    };
    let before = base.effective_here(path, extent, Some(&memos.0)).ok()?;
    let after = head.effective_here(path, extent, Some(&memos.1)).ok()?;
    Some(changes(&before, &after))
}

/// Why each is affected, on all cores.
///
/// # Errors
/// When a thread cannot be started.
pub fn because(base: &Estate, head: &Estate, affected: &[Affected]) -> Result<Vec<Vec<String>>, Fault> {
    in_parallel(affected, |memos, affected| affected.because(base, head, memos))
}

fn broken(faults: &[Fault]) -> String {
    faults.first().map_or_else(|| "cannot be evaluated".to_owned(), |fault| format!("cannot be evaluated: {fault}"))
}
