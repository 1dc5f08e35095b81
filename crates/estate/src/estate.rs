//! [`Estate`]: all units of a repository at one commit, with their dependency graph.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use portcullis_model::{Code, Fault, Place, RemoteSource, UnitPath};

use crate::cache::{Cache, Made};
use crate::config::{CONFIG_FILE, JSON_CONFIG_FILE, Memo};
use crate::discover::discover;
use crate::effective::{Effective, Extent, effective};
use crate::evaluate::{self, Evaluated, Shared};
use crate::excludes;
use crate::graph::{self, Graph};
use crate::module::Contents;
use crate::path;
use crate::reader::{Library, Reader};
use crate::resolved::{Resolved, Taken};
use crate::root_modules;
use crate::settings::Settings;
use crate::source::Source;
use crate::stacks::{self, Elsewhere, Expanded, Stacks};
use crate::trace::{PartsMade, TreeNumber};
use crate::unit::{Module, Unit};

/// Outputs of a unit by name, as its state has them; `None` when it has no state yet.
pub type Outputs<'a> = &'a dyn Fn(&UnitPath) -> Option<serde_json::Map<String, serde_json::Value>>;

/// Units by path, each evaluated or with what is wrong with it.
pub type Units = BTreeMap<UnitPath, Result<Arc<Unit>, Vec<Fault>>>;

/// Stack of a thread that evaluates, in bytes: enough for the deepest nesting that the limits allow.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// Faults of all units that are held; of units with faults beyond that each has its first.
const FAULTS_MAX: usize = 50_000;
/// Units that a thread takes at a time.
const UNITS_PER_STEP: usize = 16;

/// All units of a repository at one commit.
pub struct Estate {
    library: Arc<Library>,
    contents: Contents,
    settings: Settings,
    units: Units,
    parents: BTreeMap<UnitPath, Arc<Unit>>,
    elsewhere: BTreeMap<UnitPath, Fault>,
    templates: BTreeSet<String>,
    wanted: Vec<RemoteSource>,
    faults: Vec<Fault>,
    root_modules: BTreeSet<String>,
    graph: Graph,
    fresh: usize,
}

impl Estate {
    /// Finds and evaluates all units below `settings.within`. Nothing is executed. A unit that cannot be
    /// evaluated is in [`Estate::units`] with its faults; the others are not affected. A folder `within` that
    /// does not exist has no units.
    ///
    /// # Errors
    /// When the source cannot be read, or a limit on the repository's size is exceeded.
    pub fn load(source: Arc<dyn Source>, settings: &Settings) -> Result<Estate, Fault> {
        Estate::load_with(source, settings, &Arc::default())
    }

    /// As [`Estate::load`], with what other loads have found out: a unit is evaluated only if something that it
    /// asked for has another answer now. The result is the same as without.
    ///
    /// # Errors
    /// As [`Estate::load`].
    pub fn load_with(source: Arc<dyn Source>, settings: &Settings, cache: &Arc<Cache>) -> Result<Estate, Fault> {
        Estate::load_among(source, settings, cache, &Elsewhere::default())
    }

    /// As [`Estate::load_with`], with the trees of other repositories that stacks take units from.
    ///
    /// # Errors
    /// As [`Estate::load`].
    pub fn load_among(
        source: Arc<dyn Source>,
        settings: &Settings,
        cache: &Arc<Cache>,
        others: &Elsewhere,
    ) -> Result<Estate, Fault> {
        let root_modules::Shown { source, folders: root_modules } = root_modules::show(source, settings, cache)?;
        let Expanded { source, stacks, elsewhere, generated, templates, mut wanted } =
            stacks::expand(source, settings, cache, others)?;
        let mut seen = HashSet::new();
        wanted.retain(|source| seen.insert(source.kind.clone()));
        let found = discover(&*source, &settings.limits, &settings.within)?;
        let units = found.folders.len();
        let library = Library::with_stacks(source, &settings.limits, Arc::clone(cache), stacks, units);
        let contents = Contents::default();
        let folders: Vec<(UnitPath, Option<Fault>)> = found.folders.into_iter().collect();
        let (mut evaluated, fresh) = evaluate_all(&library, &contents, settings, &folders)?;
        told_of_stacks(&mut evaluated, &elsewhere, &generated);
        let Settled { mut units, parents } = settle(&library, evaluated);
        dangling(&mut units, &parents);
        let mut graph = Graph::new(&units);
        // What waits for itself comes nowhere in the order.
        if graph.order().len() < units.len() {
            for (unit, fault) in graph::cycles(&units) {
                units.insert(unit, Err(vec![fault]));
            }
            graph = Graph::new(&units);
        }
        let mut faults = found.faults;
        faults.extend(excludes::apply(library.source(), settings, &mut units)?);
        let settings = settings.clone();
        Ok(Estate {
            library,
            contents,
            settings,
            units,
            parents,
            elsewhere,
            templates,
            wanted,
            faults,
            root_modules,
            graph,
            fresh,
        })
    }

    /// The sources of stacks that name one commit of another repository whose tree was not at hand. With them at hand
    /// there may be more: a stack of another repository may name a third.
    pub fn wanted(&self) -> &[RemoteSource] {
        &self.wanted
    }

    /// Whether a stack makes units of a folder: what it means is seen in those.
    pub(crate) fn is_template(&self, folder: &UnitPath) -> bool {
        self.templates.contains(folder.as_str())
    }

    /// What it was evaluated with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many units were evaluated for this load; the others were known.
    pub fn evaluated(&self) -> usize {
        self.fresh
    }

    /// All units by path, each evaluated or with what is wrong with it.
    pub fn units(&self) -> &Units {
        &self.units
    }

    /// Folders with a configuration and nothing to run, which Terragrunt lists as units: what others include or
    /// read. They are no part of the graph and are never affected.
    pub fn parents(&self) -> &BTreeMap<UnitPath, Arc<Unit>> {
        &self.parents
    }

    /// The stacks, each expanded or with what is wrong with it. What they generate is among the units.
    pub fn stacks(&self) -> &Stacks {
        self.library.stacks()
    }

    /// The tree that the estate was read from, with what its stacks generate.
    pub fn source(&self) -> &dyn Source {
        self.library.source()
    }

    /// What is wrong with the estate as a whole: folders that cannot be units because of their names, lines of
    /// `.terragrunt-excludes` that are not understood.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Whether a unit is a root module without a configuration of Terragrunt.
    pub fn is_root_module(&self, unit: &UnitPath) -> bool {
        self.root_modules.contains(unit.as_str())
    }

    /// Every unit after all that it depends on; among those that are free to go, by path. A unit that could
    /// not be evaluated is in it as if it depended on nothing.
    pub fn order(&self) -> &[UnitPath] {
        self.graph.order()
    }

    /// How many units have to come before a unit, one after the other: 0 for one that depends on no other unit of this
    /// estate. Units of one level do not wait for each other.
    pub fn level(&self, unit: &UnitPath) -> Option<usize> {
        self.graph.level(unit)
    }

    /// The longest chain of units that wait for each other, first to last: no run of all units is shorter.
    pub fn critical_path(&self) -> Vec<&UnitPath> {
        self.graph.critical_path()
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
    /// something is not known without running it; `PC-0419` when the module's source is not understood.
    pub fn resolve(&self, unit: &UnitPath, command: &str, outputs: Outputs<'_>) -> Result<Resolved, Fault> {
        self.with_outputs(unit, outputs, |shared, _, outputs| {
            let mut resolved = evaluate::resolve(shared, unit, command, outputs)?;
            resolved.root_module = self.is_root_module(unit);
            Ok(resolved)
        })
    }

    /// What goes into a unit from its dependencies, also where the unit is inexact. What cannot be told without
    /// running something counts as mocked.
    ///
    /// # Errors
    /// As for [`Estate::resolve`], but for `PC-0418` and `PC-0419`.
    pub fn taken(&self, unit: &UnitPath, command: &str, outputs: Outputs<'_>) -> Result<Taken, Fault> {
        self.with_outputs(unit, outputs, |shared, known, outputs| evaluate::taken(shared, known, command, outputs))
    }

    fn with_outputs<T: Send>(
        &self,
        unit: &UnitPath,
        outputs: Outputs<'_>,
        work: impl FnOnce(&Shared<'_>, &Unit, Outputs<'_>) -> Result<T, Fault> + Send,
    ) -> Result<T, Fault> {
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
        if let Some(fault) = known.problems.first().or_else(|| self.elsewhere.get(unit)) {
            return Err(fault.clone());
        }
        let wanted = known.dependencies.iter().filter(|dependency| dependency.outputs);
        let outputs: BTreeMap<&UnitPath, _> =
            wanted.filter_map(|dependency| Some((&dependency.target, outputs(&dependency.target)?))).collect();
        on_deep_stack(|| {
            let reader = Reader::new(&self.library);
            let shared = Shared { reader: &reader, settings: &self.settings, contents: &self.contents, memo: None };
            work(&shared, known, &|dependency: &UnitPath| outputs.get(dependency).cloned())
        })?
    }

    /// A unit's effective configuration, its dependencies' outputs unknown.
    ///
    /// # Errors
    /// The unit's own faults; `PC-0107` when there is no such unit.
    pub fn effective(&self, unit: &UnitPath) -> Result<Effective, Vec<Fault>> {
        on_deep_stack(|| self.effective_here(unit, Extent::All, None)).map_err(|fault| vec![fault]).flatten()
    }

    /// As [`Estate::effective`], with what each file says by itself: for [`Effective::explained`].
    ///
    /// # Errors
    /// As [`Estate::effective`].
    pub fn effective_with_layers(&self, unit: &UnitPath) -> Result<Effective, Vec<Fault>> {
        on_deep_stack(|| self.effective_here(unit, Extent::Layers, None)).map_err(|fault| vec![fault]).flatten()
    }

    /// As [`Estate::effective`], on this thread: one where deep nesting cannot exhaust the stack. `memo` is one that
    /// was used for this estate only.
    pub(crate) fn effective_here(
        &self,
        unit: &UnitPath,
        extent: Extent<'_>,
        memo: Option<&Memo>,
    ) -> Result<Effective, Vec<Fault>> {
        match self.units.get(unit) {
            None if !self.parents.contains_key(unit) => {
                Err(vec![self.no_such_unit(unit).unwrap_or_else(|fault| fault)])
            }
            Some(Err(faults)) => Err(faults.clone()),
            None | Some(Ok(_)) => {
                let reader = Reader::new(&self.library);
                let shared = Shared { reader: &reader, settings: &self.settings, contents: &self.contents, memo };
                effective(&shared, unit, extent).map_err(|fault| vec![fault])
            }
        }
    }

    fn no_such_unit(&self, unit: &UnitPath) -> Result<Fault, Fault> {
        if let Some(found) = Reader::new(&self.library).find(unit.as_str())?
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

/// Notes which stack generates a faulty unit, and whose configuration is in another repository.
fn told_of_stacks(
    evaluated: &mut [(UnitPath, Evaluated)],
    elsewhere: &BTreeMap<UnitPath, Fault>,
    generated: &BTreeMap<UnitPath, Place>,
) {
    if generated.is_empty() {
        return;
    }
    for (path, outcome) in evaluated {
        match (outcome, generated.get(path)) {
            (Evaluated::Broken(faults), Some(place)) => {
                let noted = faults.iter().map(|fault| fault.clone().note(format!("{path} is generated at {place}")));
                *faults = noted.collect();
            }
            (Evaluated::Unit(unit), Some(_)) => {
                if let Some(fault) = elsewhere.get(path) {
                    Arc::make_mut(unit).inexact.push(fault.clone());
                }
            }
            _ => {}
        }
    }
}

/// What folders with a configuration turned out to be.
struct Settled {
    units: Units,
    /// Configurations with nothing to run.
    parents: BTreeMap<UnitPath, Arc<Unit>>,
}

/// Configurations that only others include or read are no units, even if they cannot stand for themselves.
fn settle(library: &Arc<Library>, evaluated: Vec<(UnitPath, Evaluated)>) -> Settled {
    let mut settled = Settled { units: Units::new(), parents: BTreeMap::new() };
    for (path, evaluated) in evaluated {
        match evaluated {
            Evaluated::Unit(unit) if unit.module == Module::None => drop(settled.parents.insert(path, unit)),
            Evaluated::Unit(unit) => drop(settled.units.insert(path, Ok(unit))),
            Evaluated::Broken(faults) => drop(settled.units.insert(path, Err(faults.to_vec()))),
        }
    }
    let unclear = |unit: &Result<Arc<Unit>, Vec<Fault>>| match unit {
        Ok(unit) => unit.module == Module::Generated,
        Err(_) => true,
    };
    if !settled.units.values().any(unclear) {
        return settled;
    }
    let read: BTreeSet<String> = settled
        .units
        .values()
        .flatten()
        .flat_map(|unit: &Arc<Unit>| {
            let own = config_files(&unit.path);
            unit.reads.iter().filter(move |read| !own.contains(*read)).cloned()
        })
        .collect();
    let parents = &mut settled.parents;
    settled.units.retain(|path, unit| {
        let parent = unclear(unit)
            && config_files(path).iter().any(|file| read.contains(file))
            && !Contents::has_code(&Reader::new(library), path.as_str()).unwrap_or(true);
        if parent && let Ok(unit) = unit {
            parents.insert(path.clone(), Arc::clone(unit));
        }
        !parent
    });
    settled
}

/// The files that would make a folder a unit.
fn config_files(folder: &UnitPath) -> [String; 2] {
    [CONFIG_FILE, JSON_CONFIG_FILE].map(|name| path::child(folder.as_str(), name))
}

/// Notes where a unit needs outputs of a folder that has nothing to run.
fn dangling(units: &mut Units, parents: &BTreeMap<UnitPath, Arc<Unit>>) {
    for unit in units.values_mut().flatten() {
        let gone = unit.dependencies.iter().filter(|found| found.outputs && parents.contains_key(&found.target));
        let faults: Vec<Fault> = gone
            .map(|dependency| {
                let message = format!("{} is no unit: its configuration has no module", dependency.target);
                Fault::new(Code::DEPENDENCY_NOT_A_UNIT, message)
                    .at(dependency.place.clone())
                    .remedy("Name the folder of a unit, one with a module's source or code of its own.")
            })
            .collect();
        if !faults.is_empty() {
            Arc::make_mut(unit).problems.extend(faults);
        }
    }
}

/// Evaluates what is not known already, on all cores. Also says how many that were.
fn evaluate_all(
    library: &Arc<Library>,
    contents: &Contents,
    settings: &Settings,
    folders: &[(UnitPath, Option<Fault>)],
) -> Result<(Vec<(UnitPath, Evaluated)>, usize), Fault> {
    let results = library.cache().results(settings);
    let load = results.begin(TreeNumber::next());
    let (next, fresh) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (told, spent) = (AtomicUsize::new(0), AtomicU64::new(0));
    let work = || {
        let (mut evaluated, mut kept, mut parts) = (Vec::new(), Vec::new(), PartsMade::default());
        let memo = Memo::default();
        loop {
            let start = next.fetch_add(UNITS_PER_STEP, Ordering::Relaxed);
            let Some(left) = folders.get(start..).filter(|left| !left.is_empty()) else { break };
            if spent.load(Ordering::Relaxed) > settings.limits.steps {
                break;
            }
            let mut made = Vec::new();
            for (index, (unit, fault)) in left.iter().take(UNITS_PER_STEP).enumerate() {
                let known = || results.find(unit, load, library.source());
                let outcome = match fault {
                    Some(fault) => Evaluated::Broken([fault.clone()].into()),
                    None => known().unwrap_or_else(|| {
                        let reader = Reader::of_unit(library, unit);
                        let shared = Shared { reader: &reader, settings, contents, memo: Some(&memo) };
                        let (mut outcome, steps) = evaluate::unit(&shared, unit);
                        spent.fetch_add(steps, Ordering::Relaxed);
                        if let Evaluated::Broken(faults) = &outcome
                            && told.fetch_add(faults.len(), Ordering::Relaxed) > FAULTS_MAX
                        {
                            outcome = Evaluated::Broken(faults.iter().take(1).cloned().collect());
                        }
                        made.push(Made { unit: unit.clone(), evaluated: outcome.clone(), trace: reader.into_trace() });
                        outcome
                    }),
                };
                evaluated.push((start + index, outcome));
            }
            fresh.fetch_add(made.len(), Ordering::Relaxed);
            kept.extend(results.made(load, made, &mut parts));
        }
        (evaluated, kept)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let outcomes = on_deep_stacks(threads.min(folders.len().div_ceil(UNITS_PER_STEP)).max(1), work)?;
    let (mut evaluated, mut kept) = (Vec::with_capacity(folders.len()), Vec::new());
    for (outcome, made) in outcomes {
        evaluated.extend(outcome);
        kept.extend(made);
    }
    // What was found out is kept, so that the next load need not find it out again.
    results.keep(load, kept, library.cache().limits().result_bytes);
    if spent.load(Ordering::Relaxed) > settings.limits.steps {
        let message = format!("evaluating the units takes more than {} steps together", settings.limits.steps);
        return Err(Fault::new(Code::REPOSITORY_TOO_LARGE, message)
            .remedy("Simplify what all units include, split the repository, or give the account a smaller folder."));
    }
    evaluated.sort_unstable_by_key(|(index, _)| *index);
    let named = folders.iter().zip(evaluated).map(|((unit, _), (_, outcome))| (unit.clone(), outcome)).collect();
    Ok((named, fresh.into_inner()))
}

/// Does something for each of many, on all cores; the results are in the order of the items. Each thread has a state.
///
/// # Errors
/// When a thread cannot be started.
pub(crate) fn in_parallel<I: Sync, S: Default, T: Send>(
    items: &[I],
    work: impl Fn(&S, &I) -> T + Sync,
) -> Result<Vec<T>, Fault> {
    let next = AtomicUsize::new(0);
    let take = || {
        let (mut done, state) = (Vec::new(), S::default());
        loop {
            let start = next.fetch_add(UNITS_PER_STEP, Ordering::Relaxed);
            let Some(left) = items.get(start..).filter(|left| !left.is_empty()) else { return done };
            let items = left.iter().take(UNITS_PER_STEP).enumerate();
            done.extend(items.map(|(index, item)| (start + index, work(&state, item))));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut done: Vec<(usize, T)> =
        on_deep_stacks(threads.min(items.len().div_ceil(UNITS_PER_STEP)).max(1), take)?.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// Does something on several threads where deep nesting cannot exhaust the stack.
fn on_deep_stacks<T: Send>(threads: usize, work: impl Fn() -> T + Sync) -> Result<Vec<T>, Fault> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                std::thread::Builder::new()
                    .name("estate".to_owned())
                    .stack_size(STACK_BYTES)
                    .spawn_scoped(scope, &work)
                    .map_err(|error| Fault::io("a thread cannot be started", &error))
            })
            .collect::<Result<_, _>>()?;
        workers.into_iter().map(|worker| worker.join().map_err(|_| Fault::internal("an evaluation panicked"))).collect()
    })
}

/// Does something where deep nesting cannot exhaust the stack.
pub(crate) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Fault> {
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
