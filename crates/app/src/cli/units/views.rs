//! What `portcullis units … --json` prints. A contract: each has a schema in docs/schemas.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_estate::{Affected, EffectiveDiff, Estate, Exclude, Explained, SharedChange, Stack, Unit};
use portcullis_model::{Fault, UnitPath};
use serde::Serialize;
use serde_json::Value as Json;

/// A unit in a list.
#[derive(Debug, Serialize)]
pub struct UnitView {
    /// Its folder, relative to the repository's root; `.` for the root.
    pub path: String,
    /// A unit, or a stack of units.
    pub kind: &'static str,
    /// The units that it depends on, sorted.
    pub dependencies: Vec<String>,
    /// The files that decide its plan: what its configuration read, its module's files, and its own, sorted.
    pub reads: Vec<String>,
    /// Its `exclude` block, when its condition holds.
    pub exclude: Option<ExcludeView>,
    /// Whether its configuration is fully known without running anything.
    pub exact: bool,
    /// What is not known, with its place.
    pub inexact_because: Vec<String>,
}

/// An `exclude` block.
#[derive(Debug, Serialize)]
pub struct ExcludeView {
    /// Whether it applies.
    #[serde(rename = "if")]
    pub condition: bool,
    /// The commands that it is for.
    pub actions: Vec<String>,
    /// Whether dependencies are excluded as well.
    pub exclude_dependencies: bool,
    /// Whether the unit may not be run on its own either.
    pub no_run: bool,
}

impl UnitView {
    /// Of a unit.
    pub fn of(unit: &Unit) -> Self {
        UnitView {
            path: unit.path.to_string(),
            kind: "unit",
            dependencies: unit.dependencies.iter().map(|dependency| dependency.target.to_string()).collect(),
            reads: reads(unit),
            exclude: unit.exclude.as_ref().map(ExcludeView::of),
            exact: unit.is_exact(),
            inexact_because: unit.inexact.iter().map(ToString::to_string).collect(),
        }
    }
}

impl UnitView {
    /// Of a stack. What it generates is listed as units and stacks of their own.
    pub fn of_stack(stack: &Stack) -> Self {
        UnitView {
            path: stack.path.to_string(),
            kind: "stack",
            dependencies: Vec::new(),
            reads: stack.reads.clone(),
            exclude: None,
            exact: stack.inexact.is_empty(),
            inexact_because: stack.inexact.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What its configuration read, and the files that count by their content.
fn reads(unit: &Unit) -> Vec<String> {
    let files = unit.parts.files().map(|(path, _)| path);
    let all: BTreeSet<&str> = unit.reads.iter().map(String::as_str).chain(files).collect();
    all.into_iter().map(str::to_owned).collect()
}

impl ExcludeView {
    fn of(exclude: &Exclude) -> Self {
        ExcludeView {
            condition: true,
            actions: exclude.actions.clone(),
            exclude_dependencies: exclude.dependencies,
            no_run: exclude.no_run.unwrap_or(false),
        }
    }
}

/// A unit that a change affects.
#[derive(Debug, Serialize)]
pub struct AffectedView {
    /// Its folder.
    pub path: String,
    /// In which way: `changed`, `added`, `deleted`, `moved`, or `downstream` when only a dependency is.
    pub why: &'static str,
    /// The reasons, the shortest first.
    pub because: Vec<String>,
}

impl AffectedView {
    /// Of a unit and its reasons.
    pub fn of(affected: &Affected, because: Vec<String>) -> Self {
        AffectedView { path: affected.unit.to_string(), why: affected.kind.name(), because }
    }
}

/// What differs between the effective configurations of two revisions.
#[derive(Debug, Serialize)]
pub struct DiffView {
    /// How many units have a change.
    pub changed: usize,
    /// How many were compared.
    pub compared: ComparedView,
    /// Changes with the units that have them, those of most units first.
    pub groups: Vec<GroupView>,
    /// Units that are in the newer revision only.
    pub added: Vec<String>,
    /// Units that are in the older revision only.
    pub deleted: Vec<String>,
    /// Units that are the same in another folder.
    pub moved: Vec<MovedView>,
    /// Units that cannot be evaluated at one of the revisions, and so not be compared.
    pub broken: Vec<String>,
}

/// How many units were compared.
#[derive(Debug, Serialize)]
pub struct ComparedView {
    /// Whose configuration is fully known at both revisions.
    pub exact: usize,
    /// That have values that are not known without running something; the expressions were compared.
    pub inexact: usize,
}

/// Changes that the same units have.
#[derive(Debug, Serialize)]
pub struct GroupView {
    /// The units, sorted.
    pub units: Vec<String>,
    /// The changes, by attribute. `{path}` stands for each unit's own path.
    pub changes: Vec<SharedChangeView>,
}

/// A change that units have in common.
#[derive(Debug, Serialize)]
pub struct SharedChangeView {
    /// The attribute's path, such as `inputs.tags.Owner`.
    pub attribute: String,
    /// The value before; not there when it was not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Json>,
    /// The value after; not there when it is not set any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Json>,
    /// Before and after in one line.
    pub summary: String,
    /// File, line and include of the value after (of one that is gone: before), when that is one place for all.
    pub from: Option<String>,
}

impl SharedChangeView {
    fn of(change: &SharedChange) -> Self {
        SharedChangeView {
            attribute: change.attribute.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
            summary: change.summary.clone(),
            from: change.from.as_ref().map(ToString::to_string),
        }
    }
}

/// A unit that moved.
#[derive(Debug, Serialize)]
pub struct MovedView {
    /// Where it was.
    pub from: String,
    /// Where it is.
    pub to: String,
}

impl DiffView {
    /// Of a diff.
    pub fn of(diff: &EffectiveDiff) -> Self {
        let names = |units: &[UnitPath]| units.iter().map(ToString::to_string).collect();
        let groups = diff.groups.iter().map(|group| GroupView {
            units: names(&group.units),
            changes: group.changes.iter().map(SharedChangeView::of).collect(),
        });
        let moved = diff.moved.iter().map(|(from, to)| MovedView { from: from.to_string(), to: to.to_string() });
        DiffView {
            changed: diff.changed(),
            compared: ComparedView { exact: diff.exact, inexact: diff.inexact },
            groups: groups.collect(),
            added: names(&diff.added),
            deleted: names(&diff.deleted),
            moved: moved.collect(),
            broken: names(&diff.broken),
        }
    }
}

/// A unit in the order in which all would be applied.
#[derive(Debug, Serialize)]
pub struct OrderView {
    /// Its folder.
    pub path: String,
    /// How many units have to come before it, one after the other: units of one level do not wait for each other.
    pub level: usize,
    /// Whether it is part of the critical path: the longest chain of units that wait for each other.
    pub critical: bool,
}

impl OrderView {
    /// All units of an estate in their order.
    pub fn of(estate: &Estate) -> Vec<Self> {
        let critical: BTreeSet<&UnitPath> = estate.critical_path().into_iter().collect();
        let view = |path: &UnitPath| OrderView {
            path: path.to_string(),
            level: estate.level(path).unwrap_or(0),
            critical: critical.contains(path),
        };
        estate.order().iter().map(view).collect()
    }
}

/// An attribute of a unit, explained.
#[derive(Debug, Serialize)]
pub struct ExplainedView {
    /// Its path, such as `inputs.tags.Owner`.
    pub attribute: String,
    /// Its value.
    pub value: Json,
    /// File, line and include.
    pub from: String,
    /// Values of other files that it replaced, the one that came nearest first.
    pub replaced: Vec<ReplacedView>,
}

/// A value that another replaced.
#[derive(Debug, Serialize)]
pub struct ReplacedView {
    /// The value.
    pub value: Json,
    /// File, line and include.
    pub from: String,
}

impl ExplainedView {
    /// Of an attribute.
    pub fn of(explained: &Explained) -> Self {
        let replaced = explained.replaced.iter();
        ExplainedView {
            attribute: explained.attribute.clone(),
            value: explained.value.clone(),
            from: explained.from.to_string(),
            replaced: replaced
                .map(|(value, from)| ReplacedView { value: value.clone(), from: from.to_string() })
                .collect(),
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Serialize)]
pub struct ProblemView {
    /// Code, message, place, remedy and notes.
    #[serde(flatten)]
    pub fault: Fault,
    /// The units that it breaks.
    pub units: Vec<String>,
}

/// The dependency graph.
#[derive(Debug, Serialize)]
pub struct GraphView {
    /// Every unit, also those that could not be evaluated, and units of other accounts that are depended on.
    pub units: Vec<NodeView>,
    /// Who depends on whom, sorted.
    pub dependencies: Vec<EdgeView>,
}

/// A unit in a graph.
#[derive(Debug, Serialize)]
pub struct NodeView {
    /// Its folder.
    pub path: String,
    /// The length of the longest way to a unit without dependencies: units of one level do not wait for each
    /// other.
    pub level: usize,
    /// Whether it could not be evaluated, so that its own dependencies are not known.
    pub broken: bool,
    /// Whether it lies outside of what was looked at.
    pub foreign: bool,
    /// Of a foreign unit: the account that it belongs to, where a fleet definition says so.
    pub account: Option<String>,
}

/// A dependency.
#[derive(Debug, Serialize)]
pub struct EdgeView {
    /// The unit that depends.
    pub from: String,
    /// The unit that it depends on.
    pub to: String,
    /// The label of the `dependency` block; `null` for a path of a `dependencies` block.
    pub name: Option<String>,
    /// Where it is written: file, line and column.
    pub place: String,
}

impl GraphView {
    /// Of an estate. `account_of` says which account a foreign unit belongs to.
    pub fn of(estate: &Estate, account_of: &dyn Fn(&UnitPath) -> Option<String>) -> Self {
        let mut levels: BTreeMap<&UnitPath, usize> = BTreeMap::new();
        let (mut units, mut edges) = (BTreeMap::new(), Vec::new());
        for path in estate.order() {
            let found = estate.units().get(path);
            let dependencies = found.iter().flat_map(|unit| unit.iter()).flat_map(|unit| &unit.dependencies);
            let mut level = 0;
            for dependency in dependencies {
                level = level.max(levels.get(&dependency.target).map_or(0, |level| level + 1));
                edges.push(EdgeView {
                    from: path.to_string(),
                    to: dependency.target.to_string(),
                    name: dependency.name.clone(),
                    place: dependency.place.to_string(),
                });
                if dependency.foreign || estate.parents().contains_key(&dependency.target) {
                    let mut node = node(&dependency.target, 0, false);
                    if dependency.foreign {
                        (node.foreign, node.account) = (true, account_of(&dependency.target));
                    }
                    units.insert(&dependency.target, node);
                    level = level.max(1);
                }
            }
            levels.insert(path, level);
            units.insert(path, node(path, level, found.is_none_or(Result::is_err)));
        }
        edges.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
        GraphView { units: units.into_values().collect(), dependencies: edges }
    }
}

fn node(path: &UnitPath, level: usize, broken: bool) -> NodeView {
    NodeView { path: path.to_string(), level, broken, foreign: false, account: None }
}
