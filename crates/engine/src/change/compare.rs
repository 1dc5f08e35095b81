//! Whether two plans are the same change, and whether one is a part of another.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::delta::{Action, Change, OutputDelta, ResourceDelta};
use super::value::{Mocks, Planned, compare};
use crate::decide::Mock;

/// Where two changes differ. Names addresses and paths, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The resource's address, or `output.name`.
    pub address: String,
    /// The attribute below it, cut where it becomes sensitive; empty when the whole object is meant.
    pub path: String,
    /// What differs, for people.
    pub what: String,
}

impl Difference {
    fn of(address: impl Into<String>, what: impl Into<String>) -> Self {
        Difference { address: address.into(), path: String::new(), what: what.into() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}{}` {}", self.address, self.path, self.what)
    }
}

/// Whether `fresh` is the change that was reviewed: same addresses, same actions, same new values, except
/// where the reviewed plan had an unknown or a mock.
///
/// Two things may be missing in `fresh`: a read of a data source that can be read while planning by now, and
/// an output that stays as it is and that the reviewed plan could not know.
///
/// # Errors
/// The first difference.
pub fn same_change(reviewed: &Change, fresh: &Change, mocks: &[Mock]) -> Result<(), Difference> {
    let mocks = Mocks::new(mocks);
    let mut left = by_address(fresh);
    for was in &reviewed.resources {
        let Some(is) = left.remove(&key(was)) else {
            if was.action == Action::Read {
                continue;
            }
            let what = format!("was reviewed ({}), and is not in the new plan", was.action.as_str());
            return Err(Difference::of(was.label(), what));
        };
        same_resource(was, is, &mocks)?;
    }
    if let Some(is) = left.values().next() {
        return Err(not_in(&is.label(), is.action));
    }

    let mut left: BTreeMap<&str, &OutputDelta> =
        fresh.outputs.iter().map(|delta| (delta.name.as_str(), delta)).collect();
    for was in &reviewed.outputs {
        let Some(is) = left.remove(was.name.as_str()) else {
            if output(was).has_unknown() || mocks.occur_in(&was.after) {
                continue;
            }
            return Err(Difference::of(output_address(was), "was to change when it was reviewed, and is not now"));
        };
        if was.action != is.action {
            return Err(other_action(output_address(was), was.action, is.action));
        }
        same_value(&output_address(was), output(was), output(is), &mocks)?;
    }
    left.values().next().map_or(Ok(()), |is| Err(not_in(&output_address(is), is.action)))
}

/// Whether `fresh` is a part of what was `begun`: what may be left to do when an apply was cut off.
///
/// A replacement may be half done: what is left of it is to create, or to destroy the deposed object.
///
/// # Errors
/// The first thing in `fresh` that was not in `begun`.
pub fn is_subset(begun: &Change, fresh: &Change) -> Result<(), Difference> {
    let mocks = Mocks::new(&[]);
    let known = by_address(begun);
    for is in &fresh.resources {
        if let Some(was) = known.get(&key(is)) {
            rest_of_resource(was, is, &mocks)?;
        } else if !is_rest_of_replacement(&known, is) {
            return Err(not_in(&is.label(), is.action));
        }
    }
    for is in &fresh.outputs {
        let address = output_address(is);
        let Some(was) = begun.outputs.iter().find(|was| was.name == is.name) else {
            return Err(not_in(&address, is.action));
        };
        // An output that the cut-off apply created with a first value is updated with the rest.
        let gone_on = was.action == Action::Create && is.action == Action::Update;
        if was.action != is.action && !gone_on {
            return Err(other_action(address, was.action, is.action));
        }
        same_value(&address, output(was), output(is), &mocks)?;
    }
    Ok(())
}

type Key<'a> = (&'a str, Option<&'a str>);

fn key(delta: &ResourceDelta) -> Key<'_> {
    (delta.address.as_str(), delta.deposed.as_deref())
}

fn by_address(change: &Change) -> BTreeMap<Key<'_>, &ResourceDelta> {
    change.resources.iter().map(|delta| (key(delta), delta)).collect()
}

fn same_resource(was: &ResourceDelta, is: &ResourceDelta, mocks: &Mocks) -> Result<(), Difference> {
    if was.action != is.action {
        return Err(other_action(was.label(), was.action, is.action));
    }
    if was.previous_address != is.previous_address {
        return Err(Difference::of(was.label(), "moves from another address than was reviewed"));
    }
    if !same_import(was, is) {
        return Err(Difference::of(was.label(), "is imported by another id than was reviewed"));
    }
    same_value(&was.label(), resource(was), resource(is), mocks)
}

fn same_import(was: &ResourceDelta, is: &ResourceDelta) -> bool {
    let unknown = was.import.as_ref().is_some_and(|import| import.get("unknown") == Some(&Value::Bool(true)));
    was.import == is.import || (unknown && is.import.is_some())
}

fn rest_of_resource(was: &ResourceDelta, is: &ResourceDelta, mocks: &Mocks) -> Result<(), Difference> {
    let destroyed_already = is.action == Action::Create && was.action == Action::DeleteThenCreate;
    if was.action != is.action && !destroyed_already {
        return Err(other_action(was.label(), was.action, is.action));
    }
    if is.previous_address.is_some() && is.previous_address != was.previous_address {
        return Err(Difference::of(was.label(), "moves from another address than in the plan whose apply was cut off"));
    }
    if is.import.is_some() && !same_import(was, is) {
        return Err(Difference::of(was.label(), "is imported by another id than in the plan whose apply was cut off"));
    }
    same_value(&was.label(), resource(was), resource(is), mocks)
}

/// Creating is done and the object that it takes the place of, now deposed, is left.
fn is_rest_of_replacement(known: &BTreeMap<Key<'_>, &ResourceDelta>, is: &ResourceDelta) -> bool {
    let replaced = known.get(&(is.address.as_str(), None)).map(|was| was.action);
    is.deposed.is_some()
        && matches!(
            (replaced, is.action),
            (Some(Action::CreateThenDelete), Action::Delete) | (Some(Action::CreateThenForget), Action::Forget)
        )
}

fn same_value(address: &str, was: Planned<'_>, is: Planned<'_>, mocks: &Mocks) -> Result<(), Difference> {
    compare(was, is, mocks).map_err(|difference| Difference {
        address: address.to_owned(),
        path: difference.path,
        what: difference.what.to_owned(),
    })
}

fn resource(delta: &ResourceDelta) -> Planned<'_> {
    Planned { value: Some(&delta.after), unknown: Some(&delta.after_unknown), sensitive: Some(&delta.after_sensitive) }
}

fn output(delta: &OutputDelta) -> Planned<'_> {
    Planned { value: Some(&delta.after), unknown: Some(&delta.after_unknown), sensitive: Some(&delta.after_sensitive) }
}

fn output_address(delta: &OutputDelta) -> String {
    format!("output.{}", delta.name)
}

fn other_action(address: String, was: Action, is: Action) -> Difference {
    Difference::of(address, format!("was `{}`, and is `{}` now", was.as_str(), is.as_str()))
}

fn not_in(address: &str, action: Action) -> Difference {
    Difference::of(address, format!("is in the new plan ({}), and was not before", action.as_str()))
}
