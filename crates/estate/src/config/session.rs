//! [`Session`]: what all frames of one unit's evaluation share: reader, budget, what was read, what would
//! need running to be known.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use portcullis_hcl::{Budget, File, Origin, Value};
use portcullis_model::{Code, Fault, Place, UnitPath};

use super::memo::{Memo, Notes, Recorded, Recording};
use super::sections::Section;
use crate::estate::Outputs;
use crate::path;
use crate::reader::Reader;
use crate::settings::Settings;

/// What the outputs of dependencies are in an evaluation.
#[derive(Clone, Copy)]
pub(crate) enum OutputsMode<'a> {
    /// Each output is unknown, and named after its dependency.
    Unknown,
    /// As the dependencies' states have them.
    Real(Outputs<'a>),
}

/// What a unit's own configuration may be called: what is being read before anything else is.
const READING_AT_FIRST: usize = 2;
/// Configurations with faults that are looked at for all of these.
const FAILED_MAX: usize = 64;

/// One evaluation of one unit.
pub(crate) struct Session<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) settings: &'a Settings,
    /// The tool's command that the evaluation is for.
    pub(crate) command: &'a str,
    pub(crate) outputs: OutputsMode<'a>,
    /// Values that are evaluated once for several units. With outputs at hand there are none.
    pub(super) memo: Option<&'a Memo>,
    pub(super) recordings: RefCell<Vec<Recording>>,
    /// The folder of the unit's own configuration.
    unit_dir: String,
    unit_config: OnceCell<String>,
    pub(crate) budget: Budget,
    reads: RefCell<BTreeSet<Arc<str>>>,
    inexact: RefCell<Vec<Fault>>,
    reads_anything: RefCell<Option<Place>>,
    contents: RefCell<BTreeSet<Arc<str>>>,
    /// Files that are being read by `read_terragrunt_config`, outermost first.
    pub(super) reading: RefCell<Vec<String>>,
    /// Most of them at a time, since somebody began to record.
    pub(super) reading_max: Cell<usize>,
    /// Configurations that were read, by path.
    pub(super) configs: RefCell<BTreeMap<String, ReadConfig>>,
    /// Configurations that could not be read, each with all that were being read then.
    failed: RefCell<Vec<(String, Vec<String>)>>,
    pub(super) used: RefCell<BTreeMap<UnitPath, UsedOutputs>>,
    /// Dependencies of configurations that were read, as far as their outputs are used.
    further: RefCell<BTreeMap<UnitPath, (String, Place)>>,
}

/// A configuration that was read, and what was recorded while it was.
type ReadConfig = (Value, Option<Rc<Recorded>>);

/// What an evaluation took from a dependency.
#[derive(Debug, Default)]
pub(crate) struct UsedOutputs {
    /// The outputs that were looked at, as they went in.
    pub(crate) values: serde_json::Map<String, serde_json::Value>,
    /// Those of them that came from `mock_outputs`.
    pub(crate) mocked: BTreeSet<String>,
    /// The unit's real outputs, if it has any.
    pub(crate) real: Option<serde_json::Map<String, serde_json::Value>>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        reader: &'a Reader,
        settings: &'a Settings,
        unit: &UnitPath,
        command: &'a str,
        outputs: OutputsMode<'a>,
        memo: Option<&'a Memo>,
    ) -> Self {
        Session {
            reader,
            settings,
            command,
            memo: memo.filter(|_| matches!(outputs, OutputsMode::Unknown)),
            outputs,
            recordings: RefCell::default(),
            unit_dir: unit.as_str().to_owned(),
            unit_config: OnceCell::new(),
            budget: Budget::new(&settings.limits.hcl),
            reads: RefCell::default(),
            inexact: RefCell::default(),
            reads_anything: RefCell::default(),
            contents: RefCell::default(),
            // Whoever reads the unit's own file while it is evaluated goes in a circle.
            reading: RefCell::new(
                [super::JSON_CONFIG_FILE, super::CONFIG_FILE].map(|name| path::child(unit.as_str(), name)).to_vec(),
            ),
            reading_max: Cell::new(READING_AT_FIRST),
            configs: RefCell::default(),
            failed: RefCell::default(),
            used: RefCell::default(),
            further: RefCell::default(),
        }
    }

    /// Whether another configuration than the unit's own is being read.
    pub(super) fn is_reading(&self) -> bool {
        self.reading.borrow().len() > READING_AT_FIRST
    }

    /// Notes that the configuration that is being read has a fault.
    pub(super) fn note_failed(&self) {
        let reading = self.reading.borrow();
        let mut failed = self.failed.borrow_mut();
        if let Some(target) = reading.last()
            && failed.len() < FAILED_MAX
            && !failed.iter().any(|(known, _)| known == target)
        {
            failed.push((target.clone(), reading.clone()));
        }
    }

    /// A configuration with a fault that is not among `done`, and all that were being read when it was.
    pub(super) fn unread(&self, done: &HashSet<String>) -> Option<(String, Vec<String>)> {
        self.failed.borrow().iter().find(|(target, _)| !done.contains(target)).cloned()
    }

    /// Notes that a file decides something.
    pub(crate) fn note_read(&self, path: &str) {
        let path = self.path(path);
        if !self.recorded(|notes| notes.read(&path)) {
            self.reads.borrow_mut().insert(path);
        }
    }

    /// Notes all that was noted while something was recorded.
    pub(super) fn note_all(&self, notes: &Notes) {
        self.reads.borrow_mut().extend(notes.reads.iter().cloned());
        self.contents.borrow_mut().extend(notes.contents.iter().cloned());
        notes.inexact.iter().for_each(|fault| self.note_inexact(fault.clone()));
        if let Some(place) = &notes.anything {
            self.reads_anything.borrow_mut().get_or_insert_with(|| place.clone());
        }
    }

    /// Every file that was read, sorted.
    pub(crate) fn reads(&self) -> Vec<String> {
        self.reads.borrow().iter().map(|path| path.to_string()).collect()
    }

    /// Notes that something is not known without running it, once for each place.
    pub(crate) fn note_inexact(&self, fault: Fault) {
        if self.recorded(|notes| notes.inexact(&fault)) {
            return;
        }
        let mut inexact = self.inexact.borrow_mut();
        if !inexact.iter().any(|known| known.place() == fault.place()) {
            inexact.push(fault);
        }
    }

    /// Notes that what happens here may read any file of the repository; see [`Session::reads_anything`].
    pub(super) fn note_reads_anything(&self, at: &Origin) {
        let recorded = self.recorded(|notes| {
            notes.anything.get_or_insert_with(|| at.place());
        });
        if !recorded {
            self.reads_anything.borrow_mut().get_or_insert_with(|| at.place());
        }
    }

    /// The first place at which something may read files that cannot be told without running it.
    pub(crate) fn reads_anything(&self) -> Option<Place> {
        self.reads_anything.borrow().clone()
    }

    /// Notes that a file counts by its content, which is in no value.
    pub(super) fn note_content(&self, path: &str) {
        self.note_read(path);
        let path = self.path(path);
        if !self.recorded(|notes| notes.content(&path)) {
            self.contents.borrow_mut().insert(path);
        }
    }

    /// Files that count by their content, which is in no value.
    pub(crate) fn contents(&self) -> BTreeSet<String> {
        self.contents.borrow().iter().map(|path| path.to_string()).collect()
    }

    /// What is not known without running something.
    pub(crate) fn inexact(&self) -> Vec<Fault> {
        self.inexact.borrow().clone()
    }

    /// What was taken from dependencies.
    pub(crate) fn into_used(self) -> BTreeMap<UnitPath, UsedOutputs> {
        self.used.into_inner()
    }

    /// The folder of the unit's own configuration.
    pub(crate) fn unit_dir(&self) -> &str {
        self.note_unit();
        &self.unit_dir
    }

    /// The unit's own configuration file.
    pub(crate) fn unit_config(&self) -> Result<String, Fault> {
        self.note_unit();
        if let Some(known) = self.unit_config.get() {
            return Ok(known.clone());
        }
        let place = || Place::file(path::child(&self.unit_dir, super::CONFIG_FILE));
        let found = self.config_of(&self.unit_dir).map_err(|fault| fault.at(place()))?;
        Ok(self.unit_config.get_or_init(|| found).clone())
    }

    /// A folder's configuration file: the one in JSON only where there is no other. A folder with both is a fault
    /// of its own.
    fn config_of(&self, folder: &str) -> Result<String, Fault> {
        let hcl = path::child(folder, super::CONFIG_FILE);
        if self.reader.exists(&hcl)? {
            return Ok(hcl);
        }
        let json = path::child(folder, super::JSON_CONFIG_FILE);
        Ok(if self.reader.exists(&json)? { json } else { hcl })
    }

    /// Notes that outputs are used of a dependency that another configuration declares.
    pub(super) fn note_dependency(&self, target: &UnitPath, section: &Section) {
        let named = || (section.label.to_string(), section.place());
        self.further.borrow_mut().entry(target.clone()).or_insert_with(named);
    }

    /// Dependencies of configurations that were read, with name and place, as far as their outputs are used.
    pub(crate) fn further(&self) -> BTreeMap<UnitPath, (String, Place)> {
        self.further.borrow().clone()
    }

    /// Takes note of unknown values that are not outputs of dependencies: they make the unit inexact.
    pub(crate) fn note_unknowns(&self, value: &Value) {
        for unknown in value.unknowns() {
            if !super::dependency::is_output(unknown.reason()) {
                self.note_inexact(inexact(unknown.reason(), unknown.origin()));
            }
        }
    }

    /// A parsed configuration file that must exist.
    pub(super) fn config_file(&self, path: &str, missing: impl FnOnce() -> Fault) -> Result<Arc<File>, Fault> {
        let own = !self.is_reading() && path::parent(path) == self.unit_dir;
        match if own { self.reader.own_hcl(path)? } else { self.reader.hcl(path)? } {
            Some(file) => {
                self.note_read(path);
                // Whether or not somebody has parsed it already: what is over a limit must not depend on that.
                self.budget.parse(file.text().len()).map_err(|fault| fault.at(Place::file(path)))?;
                Ok(file)
            }
            None => Err(self.reader.note_submodule(missing(), path)),
        }
    }

    /// As [`Session::config_file`], for one that many units include: it is looked for once.
    pub(super) fn included_file(&self, path: &str, missing: impl FnOnce() -> Fault) -> Result<Arc<File>, Fault> {
        let Some(memo) = self.memo else { return self.config_file(path, missing) };
        if let Some((file, rests_on)) = memo.file(path) {
            self.reader.include(&rests_on);
            self.note_read(path);
            return Ok(file);
        }
        self.reader.begin_part();
        let found = self.config_file(path, missing);
        let rests_on = self.reader.end_part();
        self.reader.include(&rests_on);
        if let Ok(file) = &found
            && !rests_on.is_broken()
        {
            memo.keep_file(path, file, rests_on);
        }
        found
    }

    /// A path, held once by all that note it.
    fn path(&self, path: &str) -> Arc<str> {
        self.memo.map_or_else(|| path.into(), |memo| memo.name(path))
    }

    /// The repository path of a folder's configuration file, or of the file itself.
    pub(super) fn config_path(&self, path: &str) -> Result<String, Fault> {
        if !self.reader.is_dir(path)? {
            return Ok(path.to_owned());
        }
        self.config_of(path)
    }
}

/// `PC-0418` for something that would have to be run.
pub(super) fn inexact(what: &str, at: &Origin) -> Fault {
    at.fault(Code::INEXACT, format!("not known without running something: {what}"))
        .remedy("Replace it by something that can be read from files, or use the `terragrunt` driver.")
}
