//! The dependency graph of an estate: order, dependents, cycles. Pure; knows nothing of configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_model::{Code, Fault, UnitPath};

use crate::estate::Units;
use crate::unit::{Dependency, Unit};

/// Who depends on whom, within the estate. A unit that could not be evaluated has no edges of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    dependents: BTreeMap<UnitPath, BTreeSet<UnitPath>>,
    order: Vec<UnitPath>,
}

impl Graph {
    /// Builds the graph. The units must be free of cycles (see [`cycles`]).
    pub(crate) fn new(units: &Units) -> Self {
        let mut dependents: BTreeMap<UnitPath, BTreeSet<UnitPath>> = BTreeMap::new();
        let mut waiting: BTreeMap<UnitPath, usize> = BTreeMap::new();
        for (path, unit) in units {
            let mut count = 0;
            for dependency in inner(unit) {
                if units.contains_key(&dependency.target)
                    && dependents.entry(dependency.target.clone()).or_default().insert(path.clone())
                {
                    count += 1;
                }
            }
            waiting.insert(path.clone(), count);
        }
        let order = kahn(waiting, &dependents);
        Graph { dependents, order }
    }

    /// Every unit after all that it depends on; among those that are free to go, by path.
    pub(crate) fn order(&self) -> &[UnitPath] {
        &self.order
    }

    /// The units that depend on `unit` directly, by path.
    pub(crate) fn dependents(&self, unit: &UnitPath) -> impl Iterator<Item = &UnitPath> {
        self.dependents.get(unit).into_iter().flatten()
    }
}

fn inner(unit: &Result<Arc<Unit>, Vec<Fault>>) -> impl Iterator<Item = &Dependency> {
    unit.iter().flat_map(|unit| &unit.dependencies).filter(|dependency| !dependency.foreign)
}

fn kahn(mut waiting: BTreeMap<UnitPath, usize>, dependents: &BTreeMap<UnitPath, BTreeSet<UnitPath>>) -> Vec<UnitPath> {
    let mut free: BTreeSet<UnitPath> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(path, _)| path.clone()).collect();
    let mut order = Vec::with_capacity(waiting.len());
    while let Some(unit) = free.pop_first() {
        for dependent in dependents.get(&unit).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    free.insert(dependent.clone());
                }
            }
        }
        order.push(unit);
    }
    order
}

/// For each unit that is part of a cycle, a fault (`PC-0412`) that names the cycle and its lines.
pub(crate) fn cycles(units: &Units) -> BTreeMap<UnitPath, Fault> {
    let mut found = BTreeMap::new();
    let mut done: BTreeSet<UnitPath> = BTreeSet::new();
    for start in units.keys() {
        // Depth first without recursion: the chain of units that led here, each with what is left to look at.
        let mut chain: Vec<(UnitPath, Vec<Dependency>)> = Vec::new();
        let mut on_chain: BTreeSet<UnitPath> = BTreeSet::new();
        let mut next = Some(start.clone());
        loop {
            if let Some(unit) = next.take() {
                if on_chain.contains(&unit) {
                    report(&chain, &unit, &mut found);
                } else if done.insert(unit.clone()) {
                    let left = units.get(&unit).map(|unit| inner(unit).cloned().collect()).unwrap_or_default();
                    on_chain.insert(unit.clone());
                    chain.push((unit, left));
                }
            }
            let Some((unit, left)) = chain.last_mut() else { break };
            match left.pop() {
                Some(dependency) => next = Some(dependency.target),
                None => {
                    on_chain.remove(unit);
                    chain.pop();
                }
            }
        }
    }
    complete(units, found)
}

fn report(chain: &[(UnitPath, Vec<Dependency>)], closes: &UnitPath, faults: &mut BTreeMap<UnitPath, Vec<UnitPath>>) {
    let members: Vec<UnitPath> =
        chain.iter().map(|(unit, _)| unit).skip_while(|unit| *unit != closes).cloned().collect();
    for member in &members {
        faults.entry(member.clone()).or_insert_with(|| members.clone());
    }
}

fn complete(units: &Units, found: BTreeMap<UnitPath, Vec<UnitPath>>) -> BTreeMap<UnitPath, Fault> {
    let mut faults = BTreeMap::new();
    for (unit, members) in found {
        let start = members.iter().position(|member| *member == unit).unwrap_or(0);
        let turned: Vec<&UnitPath> = members.iter().cycle().skip(start).take(members.len() + 1).collect();
        let named: Vec<&str> = turned.iter().map(|unit| unit.as_str()).collect();
        let mut fault =
            Fault::new(Code::DEPENDENCY_CYCLE, format!("units depend on each other: {}", named.join(" → ")))
                .remedy("Remove one of these dependencies.");
        for pair in turned.windows(2) {
            let [from, to] = pair else { continue };
            let edge = units.get(*from).and_then(|unit| inner(unit).find(|dependency| dependency.target == **to));
            if let Some(edge) = edge {
                fault = fault.at(edge.place.clone()).note(format!("{} depends on {to}", edge.place));
            }
        }
        faults.insert(unit, fault);
    }
    faults
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
                        place: Place {
                            file: format!("{path}/terragrunt.hcl"),
                            line: 3,
                            column: 1,
                            excerpt: String::new(),
                        },
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
}
