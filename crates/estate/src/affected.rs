//! Which units differ between two commits, and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_model::{Fault, UnitPath};

use crate::Estate;
use crate::unit::Unit;

/// Most differences that one line names.
const NAMED: usize = 3;

/// A unit that differs between two commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// The unit.
    pub unit: UnitPath,
    /// In which way.
    pub kind: AffectedKind,
    /// Which attribute, file or dependency makes it so. One line.
    pub why: String,
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
    /// It is the same, but a unit that it depends on is not, so outputs that it uses may differ.
    Downstream,
}

/// The units that differ from `base` to `head`, in the order in which they would be applied; deleted ones
/// last, dependents first, as they would be destroyed.
pub fn affected(base: &Estate, head: &Estate) -> Vec<Affected> {
    let mut found: BTreeMap<&UnitPath, Affected> = BTreeMap::new();
    for (path, unit) in head.units() {
        if let Some((kind, why)) = difference(base.units().get(path), unit) {
            found.insert(path, Affected { unit: path.clone(), kind, why });
        }
    }
    let mut result = Vec::new();
    for path in head.order() {
        if !found.contains_key(path)
            && let Some(Ok(unit)) = head.units().get(path)
            && let Some(through) = unit.dependencies.iter().find(|dependency| found.contains_key(&dependency.target))
        {
            let why = format!("depends on {}", through.target);
            found.insert(path, Affected { unit: path.clone(), kind: AffectedKind::Downstream, why });
        }
        result.extend(found.get(path).cloned());
    }
    let deleted = base.order().iter().rev().filter(|path| !head.units().contains_key(*path));
    result.extend(deleted.map(|path| Affected {
        unit: path.clone(),
        kind: AffectedKind::Deleted,
        why: "its folder is no unit any more".to_owned(),
    }));
    result
}

type Evaluated = Result<Arc<Unit>, Vec<Fault>>;

fn difference(base: Option<&Evaluated>, head: &Evaluated) -> Option<(AffectedKind, String)> {
    match (base, head) {
        (None, Ok(_)) => Some((AffectedKind::Added, "is new".to_owned())),
        (None, Err(faults)) => Some((AffectedKind::Added, broken(faults))),
        (Some(Err(before)), Err(after)) if before == after => None,
        (Some(_), Err(faults)) => Some((AffectedKind::Changed, broken(faults))),
        (Some(Err(_)), Ok(_)) => Some((AffectedKind::Changed, "could not be evaluated before".to_owned())),
        (Some(Ok(before)), Ok(after)) if before.input_digest == after.input_digest => None,
        (Some(Ok(before)), Ok(after)) => {
            let names = after.parts.differences(&before.parts, NAMED + 1);
            let more = if names.len() > NAMED { ", …" } else { "" };
            let named: Vec<&str> = names.into_iter().take(NAMED).collect();
            Some((AffectedKind::Changed, format!("{}{more} differs", named.join(", "))))
        }
    }
}

fn broken(faults: &[Fault]) -> String {
    faults.first().map_or_else(|| "cannot be evaluated".to_owned(), |fault| format!("cannot be evaluated: {fault}"))
}
