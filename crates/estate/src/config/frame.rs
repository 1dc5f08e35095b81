//! [`Frame`]: one configuration file in one role, answering names lazily.

use std::cell::{OnceCell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use hashbrown::HashMap;
use portcullis_hcl::hcl_edit::Span as _;
use portcullis_hcl::hcl_edit::structure::{Attribute, Block, Structure};
use portcullis_hcl::value::Entries;
use portcullis_hcl::{Budget, File, Origin, Scope, Value, evaluate};
use portcullis_model::{Code, Fault, Place};

use super::dependency::Dependencies;
use super::include::{Include, Strategy, first};
use super::memo::{Key, Recorded, Shape, Split};
use super::sections::{Config, PARTS_OF_FILE, PLAIN, Section};
use super::session::Session;
use super::stack_file::STACK_FILE;
use super::{functions, include, merge, schema, types, values};
use crate::path;
use crate::stacks::UNIT_AUTOINCLUDE;

/// A file that takes part in an evaluation. The unit's own file and those read by `read_terragrunt_config`
/// stand for themselves; an included file is evaluated in the place of the file that includes it: path
/// functions and dependencies are the child's, `local` and relative paths of `file()` are its own.
pub(crate) struct Frame<'s> {
    pub(super) session: &'s Session<'s>,
    pub(super) file: Arc<File>,
    /// The path of the configuration that is being evaluated: for an included file, the child's.
    config_path: Rc<str>,
    /// For an included file: the frame that includes it.
    child: Weak<Frame<'s>>,
    pub(super) included: bool,
    locals: Rc<Locals>,
    /// Of a file that many units include or read.
    shape: Option<Rc<Shape>>,
    /// The locals that were evaluated, by position.
    evaluated: RefCell<Vec<Option<Memo>>>,
    memo: RefCell<HashMap<String, Memo>>,
    /// What is being made, see [`Frame::once`].
    making: RefCell<Vec<&'static str>>,
    includes: OnceCell<Vec<Include<'s>>>,
    values: OnceCell<Option<Rc<Frame<'s>>>>,
    merged_in: OnceCell<Option<Rc<Frame<'s>>>>,
    pub(super) dependencies: OnceCell<Dependencies>,
    config: OnceCell<Config>,
}

/// The locals of a file, in the order of the text.
#[derive(Default)]
pub(super) struct Locals {
    /// Name, position of its block, and its position there.
    all: Vec<(Arc<str>, usize, usize)>,
    by_name: HashMap<Arc<str>, usize>,
}

impl Locals {
    fn of(file: &File) -> Self {
        let mut locals = Locals::default();
        for (outer, structure) in file.body().iter().enumerate() {
            let Some(block) = structure.as_block().filter(|block| block.ident.as_str() == "locals") else { continue };
            for (inner, structure) in block.body.iter().enumerate() {
                let Some(attribute) = structure.as_attribute() else { continue };
                let name: Arc<str> = attribute.key.as_str().into();
                locals.by_name.insert(Arc::clone(&name), locals.all.len());
                locals.all.push((name, outer, inner));
            }
        }
        locals
    }
}

/// A local of an included file that units have in common: its position, and what it is.
pub(super) struct Known {
    index: usize,
    pub(super) value: Value,
    recorded: Option<Rc<Recorded>>,
}

enum Memo {
    Evaluating,
    Done(Result<Value, Fault>, Option<Rc<Recorded>>),
}

impl<'s> Frame<'s> {
    /// The frame of a configuration that stands for itself.
    ///
    /// # Errors
    /// All faults of the file's shape; `missing` when there is no such file.
    pub(crate) fn open(
        session: &'s Session<'s>,
        config_path: &str,
        missing: impl FnOnce() -> Fault,
    ) -> Result<Rc<Self>, Vec<Fault>> {
        let file =
            session.config_file(config_path, missing).map_err(|fault| vec![fault.at(Place::file(config_path))])?;
        Frame::make(session, file, config_path.into(), Weak::new(), false)
    }

    /// The frame of a stack's file.
    pub(super) fn open_stack(
        session: &'s Session<'s>,
        path: &str,
        missing: impl FnOnce() -> Fault,
    ) -> Result<Rc<Self>, Vec<Fault>> {
        let file = session.config_file(path, missing).map_err(|fault| vec![fault.at(Place::file(path))])?;
        schema::check_stack(&file)?;
        let locals = Rc::new(Locals::of(&file));
        Ok(Rc::new(Frame { locals, ..Frame::bare(session, file, path.into(), Weak::new(), false) }))
    }

    /// The frame of a file that `child` includes.
    pub(super) fn open_included(child: &Rc<Self>, file: Arc<File>) -> Result<Rc<Self>, Vec<Fault>> {
        Frame::make(child.session, file, Rc::clone(&child.config_path), Rc::downgrade(child), true)
    }

    /// The frame of a values file that goes with the configuration at `config_path`.
    pub(super) fn open_values(
        session: &'s Session<'s>,
        path: &str,
        config_path: &str,
        missing: impl FnOnce() -> Fault,
    ) -> Result<Rc<Self>, Vec<Fault>> {
        let file = session.config_file(path, missing).map_err(|fault| vec![fault.at(Place::file(path))])?;
        schema::check_values(&file)?;
        Ok(Rc::new(Frame::bare(session, file, config_path.into(), Weak::new(), false)))
    }

    /// What a stack merges into this configuration: the file beside it that counts more than it does.
    pub(super) fn merged_in(self: &Rc<Self>) -> Result<Option<Rc<Self>>, Fault> {
        if self.included || !super::is_config_file(path::name(&self.config_path)) {
            return Ok(None);
        }
        if self.merged_in.get().is_none() {
            let path = path::child(self.dir(), UNIT_AUTOINCLUDE);
            let found = match self.session.reader.exists(&path)? {
                true => {
                    let missing = || Fault::new(Code::FILE_MISSING, format!("{path} does not exist"));
                    Some(Frame::open(self.session, &path, missing).map_err(first)?)
                }
                false => None,
            };
            let _ = self.merged_in.set(found);
        }
        Ok(self.merged_in.get().cloned().flatten())
    }

    /// The values that a stack hands over, next to this file; `None` when there are none.
    pub(super) fn values(self: &Rc<Self>) -> Result<Option<Rc<Self>>, Fault> {
        // What it rests on is noted for whoever asks first.
        self.session.note_unit();
        if self.values.get().is_none() {
            let path = values::beside(self.file.path());
            let found = match self.session.reader.is_file(&path)? {
                true => {
                    let missing = || Fault::new(Code::FILE_MISSING, format!("{path} does not exist"));
                    Some(Frame::open_values(self.session, &path, &self.config_path, missing).map_err(first)?)
                }
                false => None,
            };
            let _ = self.values.set(found);
        }
        Ok(self.values.get().cloned().flatten())
    }

    fn make(
        session: &'s Session<'s>,
        file: Arc<File>,
        config_path: Rc<str>,
        child: Weak<Frame<'s>>,
        included: bool,
    ) -> Result<Rc<Self>, Vec<Fault>> {
        // A unit's own file is looked at once; what others share is not looked at again for each of them.
        let memo = session.memo.filter(|_| included || session.is_reading());
        if let Some(shape) = memo.and_then(|memo| memo.shape(&file)) {
            let locals = Rc::clone(&shape.locals);
            let bare = Frame::bare(session, file, config_path, child, included);
            return Ok(Rc::new(Frame { locals, shape: Some(shape), ..bare }));
        }
        schema::check(&file)?;
        let locals = Rc::new(Locals::of(&file));
        let shape = memo.map(|memo| memo.keep_shape(&file, &locals));
        Ok(Rc::new(Frame { locals, shape, ..Frame::bare(session, file, config_path, child, included) }))
    }

    /// A frame without locals.
    fn bare(
        session: &'s Session<'s>,
        file: Arc<File>,
        config_path: Rc<str>,
        child: Weak<Frame<'s>>,
        included: bool,
    ) -> Self {
        Frame {
            session,
            file,
            config_path,
            child,
            included,
            locals: Rc::default(),
            shape: None,
            evaluated: RefCell::default(),
            memo: RefCell::default(),
            making: RefCell::default(),
            includes: OnceCell::new(),
            values: OnceCell::new(),
            merged_in: OnceCell::new(),
            dependencies: OnceCell::new(),
            config: OnceCell::new(),
        }
    }

    /// The folder of the configuration that is being evaluated; for an included file, the child's.
    pub(super) fn dir(&self) -> &str {
        let dir = self.dir_in_words();
        if *self.file.path() != *self.config_path {
            self.session.note_dir(dir);
        }
        dir
    }

    /// As [`Frame::dir`], for a fault or for what is noted otherwise: no value may depend on it.
    pub(super) fn dir_in_words(&self) -> &str {
        path::parent(&self.config_path)
    }

    /// The repository path of `text`, relative to that folder unless it is absolute.
    ///
    /// # Errors
    /// `PC-0414` when it leads out of the repository.
    pub(super) fn path(&self, text: &str) -> Result<String, Fault> {
        let base = if text.starts_with('/') { "." } else { self.dir() };
        path::resolve(base, text)
    }

    /// The path of the configuration that is being evaluated: for an included file, the child's.
    pub(super) fn config_path(&self) -> &str {
        self.dir();
        &self.config_path
    }

    /// For an included file: the frame that includes it.
    pub(super) fn child(&self) -> Option<Rc<Self>> {
        self.session.note_unit();
        self.child.upgrade()
    }

    /// The folder of this file itself.
    pub(super) fn file_dir(&self) -> &str {
        path::parent(self.file.path())
    }

    /// The beginning of this file.
    pub(crate) fn origin(&self) -> Origin {
        Origin::new(&self.file, 0..0)
    }

    /// The blocks of one kind.
    pub(super) fn blocks<'f>(&'f self, kind: &'f str) -> impl Iterator<Item = &'f Block> {
        self.file.body().iter().filter_map(Structure::as_block).filter(move |block| block.ident.as_str() == kind)
    }

    /// The attributes of the file.
    pub(super) fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.file.body().iter().filter_map(Structure::as_attribute)
    }

    /// An attribute of the file.
    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.file.body().get_attribute(name)
    }

    /// Evaluates an attribute.
    pub(super) fn evaluate(self: &Rc<Self>, attribute: &Attribute) -> Result<Value, Fault> {
        self.evaluate_recorded(attribute).0
    }

    /// Evaluates an attribute, in an included file once for all units that give the same answers.
    fn evaluate_recorded(self: &Rc<Self>, attribute: &Attribute) -> (Result<Value, Fault>, Option<Rc<Recorded>>) {
        let make = || evaluate(&attribute.value, &self.file, &Names(self), &self.session.budget);
        if !self.included {
            return (make(), None);
        }
        let key = || Some((Key::attribute(&self.file, attribute.span()?.start), Some(Arc::clone(&self.file))));
        let search = |wanted: &Arc<str>| functions::search(self, wanted).ok();
        self.session.shared(key, Some(self.dir_in_words()), &search, make)
    }

    /// Evaluates all attributes of a block.
    pub(super) fn section(self: &Rc<Self>, block: &Block) -> Result<Section, Fault> {
        let label = block.labels.first().map_or("", |label| label.as_str());
        let mut section = Section::new(label, Origin::of(&self.file, &block.ident));
        for attribute in block.body.attributes() {
            section.attributes.insert(attribute.key.as_str().into(), self.evaluate(attribute)?);
        }
        types::apply(&mut section);
        Ok(section)
    }

    /// The include blocks, each with its frame.
    pub(super) fn includes(self: &Rc<Self>) -> Result<&[Include<'s>], Fault> {
        if self.includes.get().is_none() {
            let found = self.once("include", || include::find(self))?;
            let _ = self.includes.set(found);
        }
        Ok(self.includes.get().map_or(&[], Vec::as_slice))
    }

    /// The file's sections with its includes merged in.
    pub(crate) fn config(self: &Rc<Self>) -> Result<&Config, Fault> {
        if self.config.get().is_none() {
            let made = self.once("config", || Config::of(self, None))?;
            let _ = self.config.set(made);
        }
        self.config.get().ok_or_else(|| Fault::internal("a configuration is lost"))
    }

    /// Does something that must not need itself.
    pub(super) fn once<T>(&self, what: &'static str, make: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        if self.making.borrow().contains(&what) {
            let origin = Origin::new(&self.file, 0..0);
            return Err(origin.fault(Code::HCL_EVALUATION, format!("`{what}` refers to itself")));
        }
        self.making.borrow_mut().push(what);
        let made = make();
        self.making.borrow_mut().pop();
        made
    }

    /// The locals of the file, in the order of its text.
    pub(super) fn local_attributes(&self) -> Vec<(&str, &Attribute)> {
        let named = self.locals.all.iter().enumerate();
        named.filter_map(|(index, (name, ..))| Some((&**name, self.local_attribute(index)?))).collect()
    }

    /// Evaluates every local, also those that nothing refers to: a fault in one is a fault of the file.
    pub(super) fn check_locals(self: &Rc<Self>) -> Result<(), Fault> {
        let all = || self.check_each(0..self.locals.all.len());
        let Some(shape) = self.shape.as_ref().filter(|_| self.is_of_unit()) else { return all() };
        let split = shape.common_locals.borrow().clone();
        let Some(split) = split else {
            all()?;
            let evaluated = self.evaluated.borrow();
            let is_common = |index: &usize| match evaluated.get(*index) {
                Some(Some(Memo::Done(_, Some(recorded)))) => recorded.is_common(),
                _ => false,
            };
            let (common, own) = (0..self.locals.all.len()).partition(is_common);
            *shape.common_locals.borrow_mut() = Some(Rc::new(Split { common, own }));
            return Ok(());
        };
        let addr = Arc::as_ptr(&self.file).addr();
        let key = || Some((Key::Locals(addr), Some(Arc::clone(&self.file))));
        let search = |wanted: &Arc<str>| functions::search(self, wanted).ok();
        let make = || {
            self.check_each(split.common.iter().copied())?;
            Ok(self.known(&split.common))
        };
        let (known, recorded) = self.session.shared(key, Some(self.dir_in_words()), &search, make);
        if recorded.is_none_or(|recorded| !recorded.is_common()) {
            *shape.common_locals.borrow_mut() = None;
        }
        match known.map(|known| self.know(&known)).and_then(|()| self.check_each(split.own.iter().copied())) {
            Ok(()) => Ok(()),
            // The first fault in the order of the text is told.
            Err(_) => all(),
        }
    }

    fn check_each(self: &Rc<Self>, locals: impl IntoIterator<Item = usize>) -> Result<(), Fault> {
        let at = Origin::new(&self.file, 0..0);
        locals.into_iter().try_for_each(|index| self.local_at(index, &at).map(drop))
    }

    /// Locals that were evaluated.
    fn known(&self, locals: &[usize]) -> Rc<[Known]> {
        let evaluated = self.evaluated.borrow();
        let known = |index: &usize| match evaluated.get(*index) {
            Some(Some(Memo::Done(Ok(value), recorded))) => {
                Some(Known { index: *index, value: value.clone(), recorded: recorded.clone() })
            }
            _ => None,
        };
        locals.iter().filter_map(known).collect()
    }

    /// Takes over locals that were evaluated for another unit.
    fn know(&self, locals: &[Known]) {
        let mut evaluated = self.evaluated.borrow_mut();
        evaluated.resize_with(self.locals.all.len(), || None);
        for Known { index, value, recorded } in locals {
            if let Some(local @ None) = evaluated.get_mut(*index) {
                *local = Some(Memo::Done(Ok(value.clone()), recorded.clone()));
            }
        }
    }

    /// Whether this is a file that a unit itself includes, and nothing is being recorded: what goes wrong then is a fault of
    /// the unit, and what was noted before it does not matter.
    fn is_of_unit(&self) -> bool {
        self.included && !self.session.is_reading() && self.session.recordings.borrow().is_empty()
    }

    /// What units have in common of an included file, and the unit's own part of it, if this is such a file.
    pub(super) fn config_of_include(self: &Rc<Self>) -> Result<Config, Fault> {
        let meter = self.session.budget.measure();
        let found = match self.shape.as_ref().filter(|_| self.is_of_unit()) {
            None => None,
            Some(shape) => {
                let split = shape.common_parts.borrow().clone();
                match split {
                    Some(split) => self.config_in_common(shape, &split),
                    None => self.config_in_parts(shape),
                }
            }
        };
        self.session.budget.cost(&meter);
        found.map_or_else(
            || {
                // The first fault in the order of evaluation is told, as if nothing had been tried.
                self.session.budget.rewind(&meter);
                Config::own(self, None)
            },
            Ok,
        )
    }

    /// Evaluates each part by itself, and notes which of them units have in common.
    fn config_in_parts(self: &Rc<Self>, shape: &Shape) -> Option<Config> {
        let mut config = Config::default();
        let mut split = Split { common: Vec::new(), own: Vec::new() };
        for part in PARTS_OF_FILE.into_iter().chain(PLAIN) {
            let make = || Config::own(self, Some(&[part])).map(Rc::new);
            let (made, recorded) = self.session.record(Some(self.dir_in_words()), make);
            config.join(Config::clone(&*made.ok()?));
            let common = recorded.is_some_and(|recorded| recorded.is_common());
            if common { &mut split.common } else { &mut split.own }.push(part);
        }
        *shape.common_parts.borrow_mut() = Some(Rc::new(split));
        Some(config)
    }

    fn config_in_common(self: &Rc<Self>, shape: &Shape, split: &Split<&'static str>) -> Option<Config> {
        let addr = Arc::as_ptr(&self.file).addr();
        let key = || Some((Key::Parts(addr), Some(Arc::clone(&self.file))));
        let search = |wanted: &Arc<str>| functions::search(self, wanted).ok();
        let make = || Config::own(self, Some(&split.common)).map(Rc::new);
        let (common, recorded) = self.session.shared(key, Some(self.dir_in_words()), &search, make);
        if recorded.is_none_or(|recorded| !recorded.is_common()) {
            *shape.common_parts.borrow_mut() = None;
        }
        let mut config = Config::clone(&*common.ok()?);
        config.join(Config::own(self, Some(&split.own)).ok()?);
        Some(config)
    }

    /// As [`Frame::check_locals`], for the includes as well.
    pub(crate) fn check_all_locals(self: &Rc<Self>) -> Result<(), Fault> {
        self.check_locals()?;
        self.includes()?.iter().try_for_each(|include| include.frame.check_locals())
    }

    /// Whether the file has locals.
    pub(super) fn has_locals(&self) -> bool {
        !self.locals.all.is_empty()
    }

    /// All locals as one object.
    pub(super) fn all_locals(self: &Rc<Self>, at: &Origin) -> Result<Value, Fault> {
        let mut entries = Entries::new();
        for (index, (name, ..)) in self.locals.all.iter().enumerate() {
            entries.insert(Arc::clone(name), self.local_at(index, at)?);
        }
        Ok(Value::object(entries, at.clone()))
    }

    /// A local, evaluated once.
    pub(super) fn local(self: &Rc<Self>, name: &str, at: &Origin) -> Result<Value, Fault> {
        let Some(index) = self.locals.by_name.get(name) else {
            let mut names: Vec<&str> = self.locals.by_name.keys().map(|name| &**name).collect();
            names.sort_unstable();
            let fault = at.fault(Code::HCL_UNKNOWN_VARIABLE, format!("there is no local `{name}` in this file"));
            return Err(if names.is_empty() {
                fault.remedy("Locals of an included file are reached as `include.NAME.locals`.")
            } else {
                fault.remedy(format!("The locals of {} are: {}.", self.file.path(), names.join(", ")))
            });
        };
        self.local_at(*index, at)
    }

    /// As [`Frame::local`], by position.
    fn local_at(self: &Rc<Self>, index: usize, at: &Origin) -> Result<Value, Fault> {
        match self.evaluated.borrow().get(index) {
            Some(Some(Memo::Done(value, recorded))) => {
                let dir = Some(self.dir_in_words());
                recorded.iter().for_each(|recorded| self.session.rely(recorded, dir));
                return value.clone();
            }
            Some(Some(Memo::Evaluating)) => {
                let name = self.locals.all.get(index).map_or("", |(name, ..)| name);
                return Err(at
                    .fault(Code::LOCALS_CYCLE, format!("local `{name}` refers to itself"))
                    .remedy("Break the circle of locals."));
            }
            Some(None) | None => {}
        }
        let Some(attribute) = self.local_attribute(index) else { return Err(Fault::internal("a local is lost")) };
        let set = |memo: Memo| {
            let mut evaluated = self.evaluated.borrow_mut();
            evaluated.resize_with(self.locals.all.len(), || None);
            if let Some(local) = evaluated.get_mut(index) {
                *local = Some(memo);
            }
        };
        set(Memo::Evaluating);
        let (value, recorded) = self.evaluate_recorded(attribute);
        set(Memo::Done(value.clone(), recorded));
        value
    }

    /// Evaluates something once and keeps it, also when it is a fault. `None`: it needs itself.
    pub(super) fn memoized(
        &self,
        key: &str,
        make: impl FnOnce() -> Result<Value, Fault>,
    ) -> Option<Result<Value, Fault>> {
        match self.memo.borrow().get(key) {
            Some(Memo::Done(value, _)) => return Some(value.clone()),
            Some(Memo::Evaluating) => return None,
            None => {}
        }
        self.memo.borrow_mut().insert(key.to_owned(), Memo::Evaluating);
        let value = make();
        self.memo.borrow_mut().insert(key.to_owned(), Memo::Done(value.clone(), None));
        Some(value)
    }

    fn local_attribute(&self, index: usize) -> Option<&Attribute> {
        let (_, outer, inner) = self.locals.all.get(index)?;
        self.file.body().get(*outer)?.as_block()?.body.get(*inner)?.as_attribute()
    }

    /// A feature flag's default, that of the includes merged in; there is no command line to set another.
    fn feature(self: &Rc<Self>, name: &str) -> Result<Option<Value>, Fault> {
        let own = self.blocks("feature").find(|block| block.labels.first().is_some_and(|label| label.as_str() == name));
        let own = own.and_then(|block| block.body.get_attribute("default"));
        let mut value = own.map(|default| self.evaluate(default)).transpose()?;
        for include in self.includes()?.iter().rev() {
            if include.strategy != Strategy::None {
                value = merge::feature(include.frame.feature(name)?, value, include.strategy)?;
            }
        }
        Ok(value)
    }

    /// What `feature.NAME` is.
    fn feature_value(self: &Rc<Self>, name: &str, at: &Origin) -> Result<Value, Fault> {
        let value = self.feature(name)?.ok_or_else(|| {
            at.fault(Code::HCL_UNKNOWN_VARIABLE, format!("there is no feature `{name}`"))
                .remedy("Add a `feature` block of that name, or include a file that has one.")
        })?;
        let entries = [("name".into(), Value::string(name, at.clone())), ("value".into(), value)];
        Ok(Value::object(entries.into(), at.clone()))
    }
}

/// A frame as the evaluator sees it.
pub(super) struct Names<'f, 's>(pub(super) &'f Rc<Frame<'s>>);

impl Scope for Names<'_, '_> {
    fn resolve(&self, root: &str, steps: &[&str], at: &Origin, _: &Budget) -> Result<Option<(Value, usize)>, Fault> {
        let frame = self.0;
        match (root, steps) {
            ("local", []) => frame.all_locals(at).map(|value| Some((value, 0))),
            ("local", [name, ..]) => frame.local(name, at).map(|value| Some((value, 1))),
            ("include", steps) => include::resolve(frame, steps, at),
            ("dependency", steps) => super::dependency::resolve(frame, steps, at),
            ("feature", [name, ..]) => frame.feature_value(name, at).map(|value| Some((value, 1))),
            ("values", steps) => values::resolve(frame, steps, at),
            ("unit" | "stack", _) => Err(at
                .fault(Code::HCL_UNKNOWN_VARIABLE, format!("`{root}` is known to units of {STACK_FILE} only"))
                .remedy("Hand the path to the unit by `values`.")),
            _ => Ok(None),
        }
    }

    fn call(&self, name: &str, args: &[Value], at: &Origin, _: &Budget) -> Result<Option<Value>, Fault> {
        functions::call(self.0, name, args, at)
    }

    fn function_names(&self) -> Vec<&str> {
        functions::names()
    }

    fn variable_names(&self) -> Vec<&str> {
        vec!["local", "include", "dependency", "feature", "values"]
    }
}
