//! [`Memo`]: values that several units of one tree have in common, evaluated once.
//!
//! What an attribute of an included file is, and what `read_terragrunt_config` gives, seldom depends on the unit that
//! asks: of all that is the unit's, only the answers of `find_in_parent_folders` went in. So while such a value is
//! made a [`Recording`] notes what it asked of its surroundings, and what it did besides: files read, what is inexact,
//! what it cost. Another unit is asked the same questions; where its answers are the same, so is the value, and all
//! else is done again as it was noted.
//!
//! Whatever else depends on the unit (its folder, its dependencies, its own configuration) makes a value that is not
//! shared. The ways to it are few and each notes that ([`super::frame::Frame::dir`], [`Session::unit_dir`],
//! [`super::frame::Frame::child`]): one that did not would give a unit another's value.
//!
//! A memo belongs to one thread and to one tree with one set of settings, and is used for outputs that are unknown
//! only. It is bounded: what is shared is few, and what turns out not to be is dropped.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use portcullis_hcl::{Cost, File, Meter, Value};
use portcullis_model::{Fault, Place};

use super::frame::Locals;
use super::session::Session;
use crate::trace::Trace;

/// Values of one attribute that are kept, for as many answers.
const VALUES_PER_KEY: usize = 64;
/// Values within all kept values.
const WEIGHT_MAX: u64 = 1_000_000;
/// Searches in parent folders whose outcome is kept.
const SEARCHES_MAX: usize = 8192;
/// Files whose shape is kept.
const FILES_MAX: usize = 1024;

/// Values that units have in common.
#[derive(Default)]
pub(crate) struct Memo {
    values: RefCell<HashMap<Key, Slot>>,
    /// By the name that is looked for, then by the folder from which on.
    searches: RefCell<HashMap<Arc<str>, Searches>>,
    /// Files whose shape was found to be right, by their addresses.
    files: RefCell<HashMap<usize, Looked>>,
    weight: Cell<u64>,
}

/// A file, which it keeps at its address, and its locals.
type Looked = (Arc<File>, Rc<Locals>);

/// What is evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// An attribute of an included file: the file's address and where the attribute starts in it.
    Attribute(usize, usize),
    /// A configuration that is read, by its path.
    Config(Box<str>),
}

impl Key {
    pub(super) fn attribute(file: &Arc<File>, start: usize) -> Self {
        Key::Attribute(Arc::as_ptr(file).addr(), start)
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
    pub(super) value: Option<Value>,
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
    /// Most configurations that read each other in it.
    reading: usize,
    cost: Cost,
    rests_on: Arc<Trace>,
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
    dir: Option<Box<str>>,
    asked: Vec<Asked>,
    on_dir: bool,
    on_unit: bool,
    notes: Notes,
    reads_configs: Vec<Box<str>>,
    reading_before: usize,
    reading: usize,
    meter: Meter,
}

impl Memo {
    fn keep(&self, key: Key, file: Option<&Arc<File>>, recorded: &Rc<Recorded>) {
        let weight = recorded.value.as_ref().map_or(0, Value::weight);
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

    /// The locals of a file that many units include or read, which was looked through for what it may not have.
    pub(super) fn locals(&self, file: &Arc<File>) -> Option<Rc<Locals>> {
        self.files.borrow().get(&Arc::as_ptr(file).addr()).map(|(_, locals)| Rc::clone(locals))
    }

    pub(super) fn keep_locals(&self, file: &Arc<File>, locals: &Rc<Locals>) {
        let mut files = self.files.borrow_mut();
        if files.len() >= FILES_MAX {
            files.clear();
        }
        files.insert(Arc::as_ptr(file).addr(), (Arc::clone(file), Rc::clone(locals)));
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
    pub(super) fn shared(
        &self,
        key: impl FnOnce() -> Option<(Key, Option<Arc<File>>)>,
        dir: Option<&str>,
        look: &dyn Fn(&Arc<str>) -> Option<Search>,
        make: impl FnOnce() -> Result<Value, Fault>,
    ) -> (Result<Value, Fault>, Option<Rc<Recorded>>) {
        let Some(memo) = self.memo else { return (make(), None) };
        let Some((key, file)) = key() else { return (make(), None) };
        if let Some(found) = self.recall(memo, &key, look)
            && let Some(value) = &found.value
        {
            let value = value.clone();
            for (wanted, _) in &found.asked {
                if let (Some(dir), Some(search)) = (dir, look(wanted)) {
                    self.note_search(dir, wanted, &search);
                }
            }
            self.rely(&found);
            return (Ok(value), Some(found));
        }
        self.begin(dir);
        let made = make();
        let recorded = self.end(&made);
        if let Some(recorded) = &recorded
            && recorded.value.is_some()
            && !recorded.on_dir
            && !recorded.on_unit
            && !recorded.rests_on.is_broken()
        {
            memo.keep(key, file.as_ref(), recorded);
        }
        (made, recorded)
    }

    /// Something that was evaluated for another unit and is the same for this one, if that can be afforded.
    fn recall(&self, memo: &Memo, key: &Key, look: &dyn Fn(&Arc<str>) -> Option<Search>) -> Option<Rc<Recorded>> {
        let recorded: Vec<Rc<Recorded>> = memo.values.borrow().get(key)?.recorded.clone();
        let same = |recorded: &Recorded| {
            recorded.asked.iter().all(|(wanted, found)| look(wanted).is_some_and(|here| here.found == *found))
        };
        let found = recorded.into_iter().rev().find(|recorded| same(recorded))?;
        let reading = self.reading.borrow();
        let in_turn = reading.iter().any(|config| found.reads_configs.iter().any(|read| **read == **config));
        let too_deep = reading.len() + found.reading > self.settings.limits.depth;
        (!in_turn && !too_deep && self.budget.afford(found.cost)).then_some(found)
    }

    fn begin(&self, dir: Option<&str>) {
        self.reader.begin_part();
        let reading = self.reading.borrow().len();
        let reading_before = self.reading_max.replace(reading);
        self.recordings.borrow_mut().push(Recording {
            dir: dir.map(Box::from),
            asked: Vec::new(),
            on_dir: false,
            on_unit: false,
            notes: Notes::default(),
            reads_configs: Vec::new(),
            reading_before,
            reading,
            meter: self.budget.measure(),
        });
    }

    fn end(&self, made: &Result<Value, Fault>) -> Option<Rc<Recorded>> {
        let recording = self.recordings.borrow_mut().pop()?;
        let reading = self.reading_max.get();
        self.reading_max.set(reading.max(recording.reading_before));
        let recorded = Rc::new(Recorded {
            value: made.as_ref().ok().cloned(),
            dir: recording.dir,
            asked: recording.asked,
            on_dir: recording.on_dir,
            on_unit: recording.on_unit,
            notes: recording.notes,
            reads_configs: recording.reads_configs,
            reading: reading.saturating_sub(recording.reading),
            cost: self.budget.cost(&recording.meter),
            rests_on: self.reader.end_part(),
        });
        self.rely(&recorded);
        Some(recorded)
    }

    /// Notes that what goes on uses something that was recorded.
    pub(super) fn rely(&self, recorded: &Rc<Recorded>) {
        if !recorded.rests_on.is_empty() && !self.reader.include(&recorded.rests_on) {
            return;
        }
        self.reading_max.set(self.reading_max.get().max(self.reading.borrow().len() + recorded.reading));
        let mut recordings = self.recordings.borrow_mut();
        match recordings.last_mut() {
            Some(outer) => {
                outer.on_unit |= recorded.on_unit;
                // What was asked of the same folder is asked again of another; of one that is given it is a fact.
                if outer.dir.is_some() && outer.dir == recorded.dir {
                    outer.on_dir |= recorded.on_dir;
                    recorded.asked.iter().for_each(|asked| outer.ask(asked.clone()));
                }
                outer.notes.add(&recorded.notes);
                for config in &recorded.reads_configs {
                    if !outer.reads_configs.contains(config) {
                        outer.reads_configs.push(config.clone());
                    }
                }
            }
            None => {
                drop(recordings);
                self.note_all(&recorded.notes);
            }
        }
    }

    /// Notes that the evaluation depends on the folder `dir` in a way that is not recorded.
    pub(super) fn note_dir(&self, dir: &str) {
        if let Some(recording) = self.recordings.borrow_mut().last_mut()
            && recording.dir.as_deref() == Some(dir)
        {
            recording.on_dir = true;
        }
    }

    /// Notes that the evaluation depends on the unit in a way that is not recorded.
    pub(super) fn note_unit(&self) {
        self.recordings.borrow_mut().iter_mut().for_each(|recording| recording.on_unit = true);
    }

    /// Notes what was found when the folders above `dir` were searched.
    pub(super) fn note_search(&self, dir: &str, wanted: &Arc<str>, search: &Search) {
        let mut recordings = self.recordings.borrow_mut();
        let mut depth = recordings.len();
        // Whoever uses what is recorded searches for itself; for all others it is a fact.
        while let Some(recording) = depth.checked_sub(1).and_then(|above| recordings.get_mut(above))
            && recording.dir.as_deref() == Some(dir)
        {
            recording.ask((Arc::clone(wanted), search.found.clone()));
            depth -= 1;
        }
        self.reader.include_at(depth, &search.rests_on);
    }

    /// Notes that a configuration is read.
    pub(super) fn note_config(&self, path: &str) {
        if let Some(recording) = self.recordings.borrow_mut().last_mut()
            && !recording.reads_configs.iter().any(|known| **known == *path)
        {
            recording.reads_configs.push(path.into());
        }
    }

    /// Notes something where it is recorded. Says whether it is.
    pub(super) fn recorded(&self, note: impl FnOnce(&mut Notes)) -> bool {
        match self.recordings.borrow_mut().last_mut() {
            Some(recording) => {
                note(&mut recording.notes);
                true
            }
            None => false,
        }
    }
}

impl Recording {
    fn ask(&mut self, asked: Asked) {
        if !self.asked.contains(&asked) {
            self.asked.push(asked);
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
