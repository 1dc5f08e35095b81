//! [`Estate`]: all units of a repository at one commit, with their dependency graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_hcl::Value;
use portcullis_model::{Code, Fault, Place, UnitPath};

use crate::config::CONFIG_FILE;
use crate::discover::discover;
use crate::evaluate::{self, Evaluated, Shared};
use crate::graph::{self, Graph};
use crate::module::Contents;
use crate::path;
use crate::reader::Reader;
use crate::resolved::Resolved;
use crate::settings::Settings;
use crate::source::Source;
use crate::unit::Unit;

/// Outputs of a unit by name, as its state has them; `None` when it has no state yet.
pub type Outputs<'a> = &'a dyn Fn(&UnitPath) -> Option<serde_json::Map<String, serde_json::Value>>;

/// Stack of a thread that evaluates, in bytes: enough for the deepest nesting that the limits allow.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// Fewer units than this are not worth a second thread.
const UNITS_PER_THREAD: usize = 16;

/// All units of a repository at one commit.
pub struct Estate {
    reader: Reader,
    contents: Contents,
    settings: Settings,
    units: BTreeMap<UnitPath, Result<Unit, Vec<Fault>>>,
    faults: Vec<Fault>,
    graph: Graph,
}

impl Estate {
    /// Finds and evaluates all units below `settings.within`. Nothing is executed. A unit that cannot be
    /// evaluated is in [`Estate::units`] with its faults; the others are not affected. A folder `within` that
    /// does not exist has no units.
    ///
    /// # Errors
    /// When the source cannot be read, or a limit on the repository's size is exceeded.
    pub fn load(source: Arc<dyn Source>, settings: &Settings) -> Result<Estate, Fault> {
        let reader = Reader::new(source, &settings.limits);
        let contents = Contents::default();
        let found = discover(&reader, &settings.within)?;
        let shared = Shared { reader: &reader, settings, contents: &contents };
        let evaluated = evaluate_all(&shared, &found.folders.into_iter().collect::<Vec<_>>())?;
        let mut units = settle(&reader, evaluated);
        for (unit, fault) in dangling(&units).into_iter().chain(graph::cycles(&units)) {
            units.insert(unit, Err(vec![fault]));
        }
        let graph = Graph::new(&units);
        Ok(Estate { reader, contents, settings: settings.clone(), units, faults: found.faults, graph })
    }

    /// All units by path, each evaluated or with what is wrong with it.
    pub fn units(&self) -> &BTreeMap<UnitPath, Result<Unit, Vec<Fault>>> {
        &self.units
    }

    /// What is wrong with folders that cannot be units, because of their names.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Every unit after all that it depends on; among those that are free to go, by path. A unit that could
    /// not be evaluated is in it as if it depended on nothing.
    pub fn order(&self) -> &[UnitPath] {
        self.graph.order()
    }

    /// The units of this estate that depend on `unit` directly, by path.
    pub fn dependents(&self, unit: &UnitPath) -> impl Iterator<Item = &UnitPath> {
        self.graph.dependents(unit)
    }

    /// A unit's effective configuration with its dependencies' outputs in it.
    ///
    /// `command` is the tool's command (`plan`, `apply`, `destroy`, …): it decides whether mock outputs may
    /// stand in, and is what `get_terraform_command` gives. `outputs` is asked once for each dependency.
    ///
    /// # Errors
    /// The unit's own faults; `PC-0107` when there is no such unit; `PC-0108` when the path leads through a
    /// symbolic link; `PC-0705` when a dependency has no outputs and may not be mocked; `PC-0418` when
    /// something is not known without running it; `PC-0607` when the module's source is not in this
    /// repository.
    pub fn resolve(&self, unit: &UnitPath, command: &str, outputs: Outputs<'_>) -> Result<Resolved, Fault> {
        let known = match self.units.get(unit) {
            None => return Err(self.no_such_unit(unit)?),
            Some(Err(faults)) => {
                return Err(faults
                    .first()
                    .cloned()
                    .unwrap_or_else(|| Fault::internal("a broken unit without a fault")));
            }
            Some(Ok(known)) => known,
        };
        let wanted = known.dependencies.iter().filter(|dependency| dependency.outputs);
        let outputs: BTreeMap<&UnitPath, _> =
            wanted.filter_map(|dependency| Some((&dependency.target, outputs(&dependency.target)?))).collect();
        let shared = Shared { reader: &self.reader, settings: &self.settings, contents: &self.contents };
        on_deep_stack(|| {
            evaluate::resolve(&shared, unit, command, &|dependency: &UnitPath| outputs.get(dependency).cloned())
        })?
    }

    /// A unit's effective configuration after all includes, in the shape of `terragrunt render --json`, with the
    /// outputs of its dependencies unknown.
    ///
    /// # Errors
    /// The unit's own faults; `PC-0107` when there is no such unit.
    pub fn rendered(&self, unit: &UnitPath) -> Result<Value, Fault> {
        if !self.units.contains_key(unit) {
            return Err(self.no_such_unit(unit)?);
        }
        let shared = Shared { reader: &self.reader, settings: &self.settings, contents: &self.contents };
        on_deep_stack(|| evaluate::rendered(&shared, unit))?
    }

    fn no_such_unit(&self, unit: &UnitPath) -> Result<Fault, Fault> {
        if let Some(found) = self.reader.find(unit.as_str())?
            && found.real != unit.as_str()
        {
            return Ok(Fault::new(Code::UNIT_PATH_SYMLINK, format!("{unit} leads through a symbolic link"))
                .remedy(format!("Name the unit by its own folder, {}.", found.real)));
        }
        Ok(Fault::new(Code::UNIT_UNKNOWN, format!("there is no unit {unit}"))
            .at(Place::file(path::child(unit.as_str(), CONFIG_FILE)))
            .remedy("Name a unit as `portcullis units list` prints it."))
    }
}

/// Configurations that only others include are no units, even if they cannot stand for themselves.
fn settle(reader: &Reader, evaluated: Vec<(UnitPath, Evaluated)>) -> BTreeMap<UnitPath, Result<Unit, Vec<Fault>>> {
    let mut units = BTreeMap::new();
    for (path, evaluated) in evaluated {
        match evaluated {
            Evaluated::Unit(unit) => drop(units.insert(path, Ok(*unit))),
            Evaluated::Broken(faults) => drop(units.insert(path, Err(faults))),
            Evaluated::NoUnit => {}
        }
    }
    let read: std::collections::BTreeSet<String> = units
        .values()
        .flatten()
        .flat_map(|unit: &Unit| {
            let own = path::child(unit.path.as_str(), CONFIG_FILE);
            unit.reads.iter().filter(move |read| **read != own).cloned()
        })
        .collect();
    units.retain(|path, unit| {
        let parent = unit.is_err()
            && read.contains(&path::child(path.as_str(), CONFIG_FILE))
            && !Contents::has_code(reader, path.as_str()).unwrap_or(true);
        !parent
    });
    units
}

/// Units that depend on a folder whose configuration turned out to be no unit.
fn dangling(units: &BTreeMap<UnitPath, Result<Unit, Vec<Fault>>>) -> BTreeMap<UnitPath, Fault> {
    let mut faults = BTreeMap::new();
    for unit in units.values().flatten() {
        let gone = unit.dependencies.iter().find(|found| !found.foreign && !units.contains_key(&found.target));
        if let Some(dependency) = gone {
            let message = format!("{} is no unit: its configuration has no module", dependency.target);
            let fault = Fault::new(Code::DEPENDENCY_NOT_A_UNIT, message)
                .at(dependency.place.clone())
                .remedy("Name the folder of a unit, one with a module's source or code of its own.");
            faults.insert(unit.path.clone(), fault);
        }
    }
    faults
}

fn evaluate_all(
    shared: &Shared<'_>,
    folders: &[(UnitPath, Option<Fault>)],
) -> Result<Vec<(UnitPath, Evaluated)>, Fault> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let size = folders.len().div_ceil(threads).max(UNITS_PER_THREAD);
    let one = |(path, fault): &(UnitPath, Option<Fault>)| {
        let evaluated = match fault {
            Some(fault) => Evaluated::Broken(vec![fault.clone()]),
            None => evaluate::unit(shared, path),
        };
        (path.clone(), evaluated)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = folders
            .chunks(size)
            .map(|chunk| {
                std::thread::Builder::new()
                    .name("estate".to_owned())
                    .stack_size(STACK_BYTES)
                    .spawn_scoped(scope, move || chunk.iter().map(one).collect::<Vec<_>>())
                    .map_err(|error| Fault::io("a thread cannot be started", &error))
            })
            .collect::<Result<_, _>>()?;
        let mut evaluated = Vec::with_capacity(folders.len());
        for worker in workers {
            evaluated.extend(worker.join().map_err(|_| Fault::internal("an evaluation panicked"))?);
        }
        Ok(evaluated)
    })
}

/// Does something where deep nesting cannot exhaust the stack.
fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Fault> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("estate".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|error| Fault::io("a thread cannot be started", &error))?
            .join()
            .map_err(|_| Fault::internal("an evaluation panicked"))
    })
}
