//! [`Memo`]: values that several units of one tree have in common, evaluated once.
//!
//! What an attribute of an included file is, and what `read_terragrunt_config` gives, seldom depends on the unit that
//! asks: of all that is the unit's, only the answers of `find_in_parent_folders` went in. So while such a value is
//! made a [`Recording`] notes what it asked of its surroundings, and what it did besides: files read, what is inexact,
//! what it cost. Another unit is asked the same questions; where its answers are the same, so is the value, and all
//! else is done again as it was noted.
//!
//! Of an included file all locals are shared at once, and all parts: which of them units have in common is found out
//! with the first unit ([`Shape`]), and each further one evaluates the others only.
//!
//! Whatever else depends on the unit (its folder, its dependencies, its own configuration) makes a value that is not
//! shared. The ways to it are few and each notes that ([`super::frame::Frame::dir`], [`Session::unit_dir`],
//! [`super::frame::Frame::child`]): one that did not would give a unit another's value.
//!
//! A memo belongs to one thread and to one tree with one set of settings, and is used for outputs that are unknown
//! only. It is bounded: what is shared is few, and what turns out not to be is dropped.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use portcullis_hcl::{Cost, File, Meter, Value};
use portcullis_model::{Fault, Place};

use super::frame::{Known, Locals};
use super::sections::Config;
use super::session::Session;
use crate::trace::Trace;

/// Values of one attribute that are kept, for as many answers.
const VALUES_PER_KEY: usize = 64;
/// Values within all kept values.
const WEIGHT_MAX: u64 = 1_000_000;
/// Searches in parent folders whose outcome is kept.
const SEARCHES_MAX: usize = 8192;
/// Names that are kept.
const NAMES_MAX: usize = 8192;
/// Files that are kept, and files whose shape is.
const FILES_MAX: usize = 1024;

/// Values that units have in common.
#[derive(Default)]
pub(crate) struct Memo {
    values: RefCell<HashMap<Key, Slot>>,
    /// By the name that is looked for, then by the folder from which on.
    searches: RefCell<HashMap<Arc<str>, Searches>>,
    /// Files that are included, by path, with what it rests on that they are there.
    files: RefCell<HashMap<Arc<str>, Included>>,
    /// By the addresses of the files.
    shapes: RefCell<HashMap<usize, Rc<Shape>>>,
    weight: Cell<u64>,
    /// Paths, and names of parts of input digests.
    names: RefCell<HashSet<Arc<str>>>,
}

/// A file, and what it rests on that it is there.
type Included = (Arc<File>, Arc<Trace>);

/// A file that was looked through and found to be right.
pub(super) struct Shape {
    /// Keeps the file where it is, so that its address stays its own.
    _file: Arc<File>,
    pub(super) locals: Rc<Locals>,
    /// Which of its locals units have in common, and which of its parts. `None`: not known yet.
    pub(super) common_locals: RefCell<Option<Rc<Split<usize>>>>,
    pub(super) common_parts: RefCell<Option<Rc<Split<&'static str>>>>,
}

/// What units have in common, and what each has for itself.
pub(super) struct Split<T> {
    pub(super) common: Vec<T>,
    pub(super) own: Vec<T>,
}

/// What is evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// An attribute of an included file: the file's address and where the attribute starts in it.
    Attribute(usize, usize),
    /// All that units have in common of the locals of an included file.
    Locals(usize),
    /// All that units have in common of the parts of an included file.
    Parts(usize),
    /// A configuration that is read, by its path.
    Config(Box<str>),
}

impl Key {
    pub(super) fn attribute(file: &Arc<File>, start: usize) -> Self {
        Key::Attribute(Arc::as_ptr(file).addr(), start)
    }
}

/// What is kept of an evaluation.
#[derive(Clone)]
pub(super) enum Kept {
    Value(Value),
    Locals(Rc<[Known]>),
    Config(Rc<Config>),
}

/// What can be kept.
pub(super) trait Keep: Sized {
    fn kept(&self) -> Kept;
    fn of(kept: &Kept) -> Option<Self>;
}

impl Keep for Value {
    fn kept(&self) -> Kept {
        Kept::Value(self.clone())
    }

    fn of(kept: &Kept) -> Option<Self> {
        if let Kept::Value(value) = kept { Some(value.clone()) } else { None }
    }
}

impl Keep for Rc<[Known]> {
    fn kept(&self) -> Kept {
        Kept::Locals(Rc::clone(self))
    }

    fn of(kept: &Kept) -> Option<Self> {
        if let Kept::Locals(locals) = kept { Some(Rc::clone(locals)) } else { None }
    }
}

impl Keep for Rc<Config> {
    fn kept(&self) -> Kept {
        Kept::Config(Rc::clone(self))
    }

    fn of(kept: &Kept) -> Option<Self> {
        if let Kept::Config(config) = kept { Some(Rc::clone(config)) } else { None }
    }
}

impl Kept {
    /// Values in it.
    fn weight(&self) -> u64 {
        match self {
            Kept::Value(value) => value.weight(),
            Kept::Locals(locals) => locals.iter().map(|local| local.value.weight()).sum(),
            Kept::Config(config) => config.weight(),
        }
    }
}

/// All that is kept of one attribute or configuration.
#[derive(Default)]
struct Slot {
    /// Keeps the file where it is, so that its address stays its own.
    _file: Option<Arc<File>>,
    recorded: Vec<Rc<Recorded>>,
}

/// What a search of parent folders found, and what that rests on.
#[derive(Clone)]
pub(super) struct Search {
    pub(super) found: Option<Arc<str>>,
    pub(super) rests_on: Arc<Trace>,
}

type Searches = HashMap<Box<str>, Search>;

/// A question about a unit's surroundings: the name that is looked for in the folders above it, and what was found.
type Asked = (Arc<str>, Option<Arc<str>>);

/// Something that was evaluated.
pub(super) struct Recorded {
    /// `None`: it failed, and is evaluated again where it is needed.
    kept: Option<Kept>,
    record: Record,
    /// Most configurations that read each other in it.
    reading: usize,
    cost: Cost,
    rests_on: Arc<Trace>,
}

/// What an evaluation depends on, and what it does besides making a value.
#[derive(Default)]
struct Record {
    /// The folder whose surroundings it was asked of.
    dir: Option<Box<str>>,
    asked: Vec<Asked>,
    /// Whether it depends on that folder in another way.
    on_dir: bool,
    /// Whether it depends on the unit in another way.
    on_unit: bool,
    notes: Notes,
    /// Configurations that it reads, also through others: it has no value for whoever is one of them.
    reads_configs: Vec<Box<str>>,
}

/// What an evaluation does besides making a value.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) reads: Vec<Arc<str>>,
    pub(super) contents: Vec<Arc<str>>,
    pub(super) inexact: Vec<Fault>,
    pub(super) anything: Option<Place>,
}

/// An evaluation that is going on.
pub(super) struct Recording {
    record: Record,
    reading_before: usize,
    reading: usize,
    meter: Meter,
}

impl Recorded {
    /// Whether other units have the same, as far as they give the same answers.
    pub(super) fn is_common(&self) -> bool {
        self.kept.is_some() && !self.record.on_dir && !self.record.on_unit && !self.rests_on.is_broken()
    }
}

impl Memo {
    /// A path or the name of a part of an input digest, held once.
    pub(crate) fn name(&self, name: &str) -> Arc<str> {
        let mut names = self.names.borrow_mut();
        if let Some(known) = names.get(name) {
            return Arc::clone(known);
        }
        if names.len() >= NAMES_MAX {
            names.clear();
        }
        let name: Arc<str> = name.into();
        names.insert(Arc::clone(&name));
        name
    }

    fn keep(&self, key: Key, file: Option<&Arc<File>>, recorded: &Rc<Recorded>) {
        let weight = recorded.kept.as_ref().map_or(0, Kept::weight);
        let mut values = self.values.borrow_mut();
        if self.weight.get().saturating_add(weight) > WEIGHT_MAX {
            values.clear();
            self.weight.set(0);
        }
        self.weight.set(self.weight.get().saturating_add(weight));
        let slot = values.entry(key).or_default();
        slot._file = file.cloned();
        if slot.recorded.len() >= VALUES_PER_KEY {
            // Units come in the order of their folders: what was asked for long ago is not asked for again.
            slot.recorded.remove(0);
        }
        slot.recorded.push(Rc::clone(recorded));
    }

    /// A file that was included before.
    pub(super) fn file(&self, path: &str) -> Option<Included> {
        self.files.borrow().get(path).cloned()
    }

    pub(super) fn keep_file(&self, path: &str, file: &Arc<File>, rests_on: Arc<Trace>) {
        let mut files = self.files.borrow_mut();
        if files.len() >= FILES_MAX {
            files.clear();
        }
        files.insert(path.into(), (Arc::clone(file), rests_on));
    }

    /// The shape of a file that many units include or read.
    pub(super) fn shape(&self, file: &Arc<File>) -> Option<Rc<Shape>> {
        self.shapes.borrow().get(&Arc::as_ptr(file).addr()).cloned()
    }

    pub(super) fn keep_shape(&self, file: &Arc<File>, locals: &Rc<Locals>) -> Rc<Shape> {
        let mut shapes = self.shapes.borrow_mut();
        if shapes.len() >= FILES_MAX {
            shapes.clear();
        }
        let shape = Rc::new(Shape {
            _file: Arc::clone(file),
            locals: Rc::clone(locals),
            common_locals: RefCell::default(),
            common_parts: RefCell::default(),
        });
        shapes.insert(Arc::as_ptr(file).addr(), Rc::clone(&shape));
        shape
    }

    /// What a search from a folder found before.
    pub(super) fn search(&self, folder: &str, wanted: &Arc<str>) -> Option<Search> {
        self.searches.borrow().get(wanted)?.get(folder).cloned()
    }

    pub(super) fn keep_search(&self, folder: &str, wanted: &Arc<str>, search: Search) {
        let mut all = self.searches.borrow_mut();
        if all.values().map(Searches::len).sum::<usize>() >= SEARCHES_MAX {
            all.clear();
        }
        all.entry(Arc::clone(wanted)).or_default().insert(folder.into(), search);
    }
}

/// Recording, and using what was recorded.
impl Session<'_> {
    /// Evaluates something once for all that give the same answers. `dir` is the folder whose surroundings may be
    /// asked, `None` where that is part of the key. `look` finds what a name leads to from there.
    ///
    /// The outcome is what `make` gives. What was recorded is to be given to [`Session::rely`] where the outcome is
    /// used again.
    pub(super) fn shared<T: Keep>(
        &self,
        key: impl FnOnce() -> Option<(Key, Option<Arc<File>>)>,
        dir: Option<&str>,
        look: &dyn Fn(&Arc<str>) -> Option<Search>,
        make: impl FnOnce() -> Result<T, Fault>,
    ) -> (Result<T, Fault>, Option<Rc<Recorded>>) {
        let Some(memo) = self.memo else { return (make(), None) };
        let Some((key, file)) = key() else { return (make(), None) };
        if let Some(found) = self.recall(memo, &key, look)
            && let Some(value) = found.kept.as_ref().and_then(T::of)
        {
            for (wanted, _) in &found.record.asked {
                if let (Some(dir), Some(search)) = (dir, look(wanted)) {
                    self.note_search(dir, wanted, &search);
                }
            }
            self.rely(&found, dir);
            return (Ok(value), Some(found));
        }
        let (made, recorded) = self.record(dir, make);
        if let Some(recorded) = recorded.as_ref().filter(|recorded| recorded.is_common()) {
            memo.keep(key, file.as_ref(), recorded);
        }
        (made, recorded)
    }

    /// Evaluates something and notes what it depends on.
    pub(super) fn record<T: Keep>(
        &self,
        dir: Option<&str>,
        make: impl FnOnce() -> Result<T, Fault>,
    ) -> (Result<T, Fault>, Option<Rc<Recorded>>) {
        self.begin(dir);
        let made = make();
        let recorded = self.end(made.as_ref().ok().map(T::kept));
        (made, recorded)
    }

    /// Something that was evaluated for another unit and is the same for this one, if that can be afforded.
    fn recall(&self, memo: &Memo, key: &Key, look: &dyn Fn(&Arc<str>) -> Option<Search>) -> Option<Rc<Recorded>> {
        let same = |recorded: &&Rc<Recorded>| {
            recorded.record.asked.iter().all(|(wanted, found)| look(wanted).is_some_and(|here| here.found == *found))
        };
        let found = memo.values.borrow().get(key)?.recorded.iter().rev().find(same).cloned()?;
        let reading = self.reading.borrow();
        let in_turn = reading.iter().any(|config| found.record.reads_configs.iter().any(|read| **read == **config));
        let too_deep = reading.len() + found.reading > self.settings.limits.depth;
        (!in_turn && !too_deep && self.budget.afford(found.cost)).then_some(found)
    }

    fn begin(&self, dir: Option<&str>) {
        self.reader.begin_part();
        let reading = self.reading.borrow().len();
        let reading_before = self.reading_max.replace(reading);
        self.recordings.borrow_mut().push(Recording {
            record: Record { dir: dir.map(Box::from), ..Record::default() },
            reading_before,
            reading,
            meter: self.budget.measure(),
        });
    }

    fn end(&self, kept: Option<Kept>) -> Option<Rc<Recorded>> {
        let recording = self.recordings.borrow_mut().pop()?;
        let reading = self.reading_max.get();
        self.reading_max.set(reading.max(recording.reading_before));
        let recorded = Rc::new(Recorded {
            kept,
            record: recording.record,
            reading: reading.saturating_sub(recording.reading),
            cost: self.budget.cost(&recording.meter),
            rests_on: self.reader.end_part(),
        });
        self.rely(&recorded, recorded.record.dir.as_deref());
        Some(recorded)
    }

    /// Notes that what goes on uses something that was recorded, here of the surroundings of `dir`: it may have been recorded
    /// for another unit, of others.
    pub(super) fn rely(&self, recorded: &Rc<Recorded>, dir: Option<&str>) {
        if !recorded.rests_on.is_empty() && !self.reader.include(&recorded.rests_on) {
            return;
        }
        self.reading_max.set(self.reading_max.get().max(self.reading.borrow().len() + recorded.reading));
        let mut recordings = self.recordings.borrow_mut();
        match recordings.last_mut() {
            Some(outer) => outer.record.add(&recorded.record, dir),
            None => {
                drop(recordings);
                self.note_all(&recorded.record.notes);
            }
        }
    }

    /// Notes that the evaluation depends on the folder `dir` in a way that is not recorded.
    pub(super) fn note_dir(&self, dir: &str) {
        if let Some(recording) = self.recordings.borrow_mut().last_mut()
            && recording.record.dir.as_deref() == Some(dir)
        {
            recording.record.on_dir = true;
        }
    }

    /// Notes that the evaluation depends on the unit in a way that is not recorded.
    pub(super) fn note_unit(&self) {
        self.recordings.borrow_mut().iter_mut().for_each(|recording| recording.record.on_unit = true);
    }

    /// Notes what was found when the folders above `dir` were searched.
    pub(super) fn note_search(&self, dir: &str, wanted: &Arc<str>, search: &Search) {
        let mut recordings = self.recordings.borrow_mut();
        let mut depth = recordings.len();
        // Whoever uses what is recorded searches for itself; for all others it is a fact.
        while let Some(recording) = depth.checked_sub(1).and_then(|above| recordings.get_mut(above))
            && recording.record.dir.as_deref() == Some(dir)
        {
            recording.record.ask((Arc::clone(wanted), search.found.clone()));
            depth -= 1;
        }
        self.reader.include_at(depth, &search.rests_on);
    }

    /// Notes that a configuration is read.
    pub(super) fn note_config(&self, path: &str) {
        if let Some(recording) = self.recordings.borrow_mut().last_mut()
            && !recording.record.reads_configs.iter().any(|known| **known == *path)
        {
            recording.record.reads_configs.push(path.into());
        }
    }

    /// Notes something where it is recorded. Says whether it is.
    pub(super) fn recorded(&self, note: impl FnOnce(&mut Notes)) -> bool {
        match self.recordings.borrow_mut().last_mut() {
            Some(recording) => {
                note(&mut recording.record.notes);
                true
            }
            None => false,
        }
    }
}

impl Record {
    fn ask(&mut self, asked: Asked) {
        if !self.asked.contains(&asked) {
            self.asked.push(asked);
        }
    }

    /// What something depends on that this one uses, of the surroundings of `dir`.
    fn add(&mut self, used: &Record, dir: Option<&str>) {
        self.on_unit |= used.on_unit;
        // What was asked of the same folder is asked again of another; of one that is given it is a fact.
        if self.dir.is_some() && self.dir.as_deref() == dir {
            self.on_dir |= used.on_dir;
            used.asked.iter().for_each(|asked| self.ask(asked.clone()));
        }
        self.notes.add(&used.notes);
        for config in &used.reads_configs {
            if !self.reads_configs.contains(config) {
                self.reads_configs.push(config.clone());
            }
        }
    }
}

impl Notes {
    fn add(&mut self, other: &Notes) {
        for read in &other.reads {
            self.read(read);
        }
        for content in &other.contents {
            self.content(content);
        }
        for fault in &other.inexact {
            self.inexact(fault);
        }
        if self.anything.is_none() {
            self.anything.clone_from(&other.anything);
        }
    }

    pub(super) fn content(&mut self, path: &Arc<str>) {
        if !self.contents.contains(path) {
            self.contents.push(Arc::clone(path));
        }
    }

    pub(super) fn inexact(&mut self, fault: &Fault) {
        if !self.inexact.iter().any(|known| known.place() == fault.place()) {
            self.inexact.push(fault.clone());
        }
    }

    pub(super) fn read(&mut self, path: &Arc<str>) {
        if !self.reads.contains(path) {
            self.reads.push(Arc::clone(path));
        }
    }
}
