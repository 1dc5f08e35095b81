//! The dependency graph of an estate: order, dependents, cycles. Pure; knows nothing of configuration.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use portcullis_model::{Code, Fault, UnitPath};

use crate::estate::Units;
use crate::unit::{Dependency, Unit};

/// Most steps of a cycle that a fault names.
const NAMED: usize = 12;
/// Steps after which cycles that were found for other units will do.
const STEPS_MAX: usize = 200_000;

/// Who depends on whom, within the estate. A unit that could not be evaluated has no edges of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    /// All units, sorted; a unit is known by its place among them.
    paths: Box<[UnitPath]>,
    /// Sorted.
    dependents: Box<[Vec<usize>]>,
    order: Vec<UnitPath>,
    levels: Box<[usize]>,
}

impl Graph {
    /// Builds the graph. Units of a cycle (see [`cycles`]), and those that wait for them, are not in the order.
    pub(crate) fn new(units: &Units) -> Self {
        let Edges { paths, targets } = Edges::of(units);
        let dependents = turned(&targets);
        let mut waiting: Vec<usize> = targets.iter().map(Vec::len).collect();
        let mut free: BinaryHeap<Reverse<usize>> = places(&waiting, |count| *count == 0).map(Reverse).collect();
        let (mut order, mut levels) = (Vec::with_capacity(paths.len()), vec![0; paths.len()]);
        while let Some(Reverse(unit)) = free.pop() {
            order.extend(paths.get(unit).copied().cloned());
            let above = levels.get(unit).map_or(1, |level| level + 1);
            for dependent in dependents.get(unit).into_iter().flatten() {
                if let Some(level) = levels.get_mut(*dependent) {
                    *level = above.max(*level);
                }
                if is_last(&mut waiting, *dependent) {
                    free.push(Reverse(*dependent));
                }
            }
        }
        let paths = paths.into_iter().cloned().collect();
        Graph { paths, dependents: dependents.into(), order, levels: levels.into() }
    }

    fn place(&self, unit: &UnitPath) -> Option<usize> {
        self.paths.binary_search(unit).ok()
    }

    /// How many units have to come before a unit, one after the other.
    pub(crate) fn level(&self, unit: &UnitPath) -> Option<usize> {
        self.levels.get(self.place(unit)?).copied()
    }

    /// The longest chain of units that wait for each other, first to last; the first by path among equals.
    pub(crate) fn critical_path(&self) -> Vec<&UnitPath> {
        // From a unit of the highest level downwards, each step to one that is exactly one level lower.
        let Some(mut level) = self.levels.iter().max().copied() else { return Vec::new() };
        let Some(mut at) = places(&self.levels, |of| *of == level).next() else { return Vec::new() };
        let targets = turned(&self.dependents);
        let mut way = vec![at];
        while level > 0 {
            let mut below = targets.get(at).into_iter().flatten();
            let Some(next) = below.find(|target| self.levels.get(**target) == Some(&(level - 1))) else { break };
            way.push(*next);
            (at, level) = (*next, level - 1);
        }
        way.iter().rev().filter_map(|unit| self.paths.get(*unit)).collect()
    }

    /// Every unit after all that it depends on; among those that are free to go, by path.
    pub(crate) fn order(&self) -> &[UnitPath] {
        &self.order
    }

    /// The units that depend on `unit` directly, by path.
    pub(crate) fn dependents(&self, unit: &UnitPath) -> impl Iterator<Item = &UnitPath> {
        let dependents = self.place(unit).and_then(|unit| self.dependents.get(unit));
        dependents.into_iter().flatten().filter_map(|dependent| self.paths.get(*dependent))
    }
}

/// Units by their places in the order of their paths, and the places of those that each depends on, sorted.
struct Edges<'u> {
    paths: Vec<&'u UnitPath>,
    targets: Vec<Vec<usize>>,
}

impl<'u> Edges<'u> {
    fn of(units: &'u Units) -> Self {
        let paths: Vec<&UnitPath> = units.keys().collect();
        let places: HashMap<&UnitPath, usize> = paths.iter().enumerate().map(|(place, path)| (*path, place)).collect();
        let of = |unit| {
            let mut targets: Vec<usize> =
                inner(unit).filter_map(|dependency| places.get(&dependency.target).copied()).collect();
            targets.sort_unstable();
            targets.dedup();
            targets
        };
        Edges { targets: units.values().map(of).collect(), paths }
    }
}

/// The same edges from their other ends, sorted.
fn turned(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut turned = vec![Vec::new(); edges.len()];
    for (from, to) in edges.iter().enumerate() {
        for to in to {
            turned.get_mut(*to).into_iter().for_each(|sources| sources.push(from));
        }
    }
    turned
}

fn places<T>(values: &[T], that: impl Fn(&T) -> bool) -> impl Iterator<Item = usize> {
    values.iter().enumerate().filter(move |(_, value)| that(value)).map(|(place, _)| place)
}

/// Counts one off, and says whether none is left.
fn is_last(counts: &mut [usize], place: usize) -> bool {
    counts.get_mut(place).is_some_and(|count| {
        *count = count.saturating_sub(1);
        *count == 0
    })
}

fn inner(unit: &Result<Arc<Unit>, Vec<Fault>>) -> impl Iterator<Item = &Dependency> {
    unit.iter().flat_map(|unit| &unit.dependencies).filter(|dependency| !dependency.foreign)
}

/// For each unit that is part of a cycle, a fault (`PC-0412`) that names the shortest cycle through it and its lines.
/// In a huge tangle that is a cycle through it that was found for another unit.
pub(crate) fn cycles(units: &Units) -> BTreeMap<UnitPath, Fault> {
    let core = core(units);
    let mut steps = 0usize;
    let mut known: BTreeMap<&UnitPath, Rc<[&UnitPath]>> = BTreeMap::new();
    let mut faults = BTreeMap::new();
    for start in core.keys() {
        if let Some(way) = known.get(start).filter(|_| steps > STEPS_MAX) {
            let turn = way.iter().position(|unit| unit == start).unwrap_or(0);
            let turned: Vec<&UnitPath> =
                way.iter().cycle().skip(turn).take(way.len()).chain([start]).copied().collect();
            faults.insert((*start).clone(), told(units, &turned));
        } else if let Some(way) = shortest(&core, start, &mut steps) {
            faults.insert((*start).clone(), told(units, &way));
            let members: Rc<[&UnitPath]> = way.iter().skip(1).copied().collect();
            for member in members.iter() {
                known.entry(member).or_insert_with(|| Rc::clone(&members));
            }
        }
    }
    faults
}

type Core<'u> = BTreeMap<&'u UnitPath, Vec<&'u UnitPath>>;

/// The units that could be in a cycle, each with those of them that it depends on: what is left when units that
/// depend on nothing, or that nothing depends on, are taken away again and again.
fn core(units: &Units) -> Core<'_> {
    let Edges { paths, mut targets } = Edges::of(units);
    let mut left = vec![true; paths.len()];
    // Towards what is depended on, then the graph is turned and the same is done again.
    for _ in 0..2 {
        let sources = turned(&targets);
        let mut counts: Vec<usize> = targets.iter().map(Vec::len).collect();
        let mut free: Vec<usize> = places(&counts, |count| *count == 0).collect();
        while let Some(unit) = free.pop() {
            left.get_mut(unit).into_iter().for_each(|left| *left = false);
            free.extend(sources.get(unit).into_iter().flatten().filter(|source| is_last(&mut counts, **source)));
        }
        targets = sources;
        for (unit, ends) in targets.iter_mut().enumerate() {
            ends.retain(|end| [unit, *end].iter().all(|place| left.get(*place) == Some(&true)));
        }
    }
    let path = |place: &usize| paths.get(*place).copied();
    let kept = targets.iter().enumerate().filter(|(unit, _)| left.get(*unit) == Some(&true));
    kept.filter_map(|(unit, targets)| Some((path(&unit)?, targets.iter().filter_map(path).collect()))).collect()
}

/// The shortest way from a unit back to itself, breadth first.
fn shortest<'u>(core: &Core<'u>, start: &'u UnitPath, steps: &mut usize) -> Option<Vec<&'u UnitPath>> {
    let mut from: BTreeMap<&UnitPath, &'u UnitPath> = BTreeMap::new();
    let mut left = std::collections::VecDeque::from([start]);
    while let Some(unit) = left.pop_front() {
        *steps += 1;
        for target in core.get(unit).into_iter().flatten() {
            if *target == start {
                let mut way = vec![start];
                let mut at = unit;
                while at != start {
                    way.push(at);
                    at = from.get(at)?;
                }
                way.push(start);
                way.reverse();
                return Some(way);
            }
            if !from.contains_key(target) {
                from.insert(target, unit);
                left.push_back(target);
            }
        }
    }
    None
}

/// A cycle as a fault; of a long one its first steps.
fn told(units: &Units, way: &[&UnitPath]) -> Fault {
    let steps = way.len().saturating_sub(1);
    let mut named: Vec<String> = way.iter().take(NAMED + 1).map(ToString::to_string).collect();
    if steps > NAMED {
        named.push(format!("… ({} more)", steps - NAMED));
    }
    let message = format!("units depend on each other: {}", named.join(" → "));
    let mut fault = Fault::new(Code::DEPENDENCY_CYCLE, message).remedy("Remove one of these dependencies.");
    for pair in way.windows(2).take(NAMED) {
        let [from, to] = pair else { continue };
        let edge = units.get(*from).and_then(|unit| inner(unit).find(|dependency| dependency.target == **to));
        if let Some(edge) = edge {
            fault = fault.at(edge.place.clone()).note(format!("{} depends on {to}", edge.place));
        }
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::Parts;
    use portcullis_model::{Digest, Place};

    fn estate(edges: &[(&str, &[&str])]) -> Units {
        let unit = |path: &str| UnitPath::parse(path).unwrap();
        edges
            .iter()
            .map(|(path, targets)| {
                let dependencies = targets
                    .iter()
                    .map(|target| Dependency {
                        name: None,
                        target: unit(target),
                        foreign: false,
                        outputs: false,
                        place: Place::line(format!("{path}/terragrunt.hcl"), 3, 1, ""),
                    })
                    .collect();
                let made = Unit {
                    path: unit(path),
                    dependencies,
                    input_digest: Digest::of(b""),
                    parts: Parts::default(),
                    reads: Vec::new(),
                    inexact: Vec::new(),
                    exclude: None,
                    module: crate::unit::Module::Folder,
                    problems: Vec::new(),
                    notes: Vec::new(),
                };
                (unit(path), Ok(Arc::new(made)))
            })
            .collect()
    }

    #[test]
    fn order_puts_dependencies_first_and_is_by_path_otherwise() {
        let units = estate(&[("a", &["z"]), ("b", &[]), ("c", &["a", "b"]), ("z", &[])]);
        assert!(cycles(&units).is_empty());
        let graph = Graph::new(&units);
        let order: Vec<&str> = graph.order().iter().map(UnitPath::as_str).collect();
        assert_eq!(order, ["b", "z", "a", "c"]);
        let dependents: Vec<&str> = graph.dependents(&UnitPath::parse("a").unwrap()).map(UnitPath::as_str).collect();
        assert_eq!(dependents, ["c"]);
        let level = |name: &str| graph.level(&UnitPath::parse(name).unwrap());
        assert_eq!(["b", "z", "a", "c"].map(level), [0, 0, 1, 2].map(Some));
        assert_eq!(level("nowhere"), None);
        assert_eq!(graph.critical_path().iter().map(|unit| unit.as_str()).collect::<Vec<_>>(), ["z", "a", "c"]);
        assert!(Graph::new(&Units::new()).critical_path().is_empty());
    }

    #[test]
    fn a_cycle_names_its_members_and_lines_and_spares_others() {
        let units = estate(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &["a"]), ("e", &["e"])]);
        let faults = cycles(&units);
        assert_eq!(faults.keys().map(UnitPath::as_str).collect::<Vec<_>>(), ["a", "b", "c", "e"]);
        let fault = &faults[&UnitPath::parse("b").unwrap()];
        assert_eq!(fault.code(), Code::DEPENDENCY_CYCLE);
        assert_eq!(fault.message(), "units depend on each other: b → c → a → b");
        assert_eq!(fault.place().unwrap().file, "b/terragrunt.hcl");
        assert_eq!(
            fault.notes(),
            [
                "b/terragrunt.hcl:3:1 depends on c",
                "c/terragrunt.hcl:3:1 depends on a",
                "a/terragrunt.hcl:3:1 depends on b"
            ]
        );
    }

    #[test]
    fn the_shortest_cycle_is_named_and_a_long_one_is_cut() {
        let units =
            estate(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["e"]), ("d", &["a"]), ("e", &["d"]), ("x", &["a"])]);
        let faults = cycles(&units);
        assert_eq!(faults.keys().map(UnitPath::as_str).collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
        let message = |name: &str| faults[&UnitPath::parse(name).unwrap()].message().to_owned();
        assert_eq!(message("a"), "units depend on each other: a → b → d → a");
        assert_eq!(message("e"), "units depend on each other: e → d → a → c → e");
        let names: Vec<String> = (0..40).map(|at| format!("u{at:02}")).collect();
        let next: Vec<[&str; 1]> = (0..40).map(|at| [names[(at + 1) % 40].as_str()]).collect();
        let ring: Vec<(&str, &[&str])> =
            names.iter().zip(&next).map(|(name, next)| (name.as_str(), &next[..])).collect();
        let fault = &cycles(&estate(&ring))[&UnitPath::parse("u00").unwrap()];
        assert!(fault.message().ends_with("u12 → … (28 more)"), "{}", fault.message());
        assert_eq!(fault.notes().len(), NAMED);
    }

    #[test]
    fn in_a_ring_of_thousands_every_member_has_its_cycle() {
        let names: Vec<String> = (0..3000).map(|at| format!("u{at:04}")).collect();
        let next: Vec<[&str; 1]> = (0..3000).map(|at| [names[(at + 1) % 3000].as_str()]).collect();
        let mut edges: Vec<(&str, &[&str])> =
            names.iter().zip(&next).map(|(name, next)| (name.as_str(), &next[..])).collect();
        let last = UnitPath::parse("u2999").unwrap();
        assert!(
            cycles(&estate(&edges))[&last].message().starts_with("units depend on each other: u2999 → u0000 → u0001")
        );
        edges.last_mut().unwrap().1 = &[];
        assert!(cycles(&estate(&edges)).is_empty());
    }
}
