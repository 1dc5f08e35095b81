//! What `portcullis units … --json` prints. A contract: each has a schema in docs/schemas.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_estate::{Affected, Estate, Exclude, Stack, Unit};
use portcullis_model::UnitPath;
use serde::Serialize;

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
            no_run: exclude.no_run,
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
    /// Of an estate.
    pub fn of(estate: &Estate) -> Self {
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
                    units.insert(&dependency.target, node(&dependency.target, 0, false, dependency.foreign));
                    level = level.max(1);
                }
            }
            levels.insert(path, level);
            units.insert(path, node(path, level, found.is_none_or(Result::is_err), false));
        }
        edges.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
        GraphView { units: units.into_values().collect(), dependencies: edges }
    }
}

fn node(path: &UnitPath, level: usize, broken: bool, foreign: bool) -> NodeView {
    NodeView { path: path.to_string(), level, broken, foreign }
}
