//! Dependency blocks: where they lead, and what `dependency.NAME.outputs` is.
//!
//! Before outputs are known each is an unknown named after its dependency, so that the graph and the input
//! digest do not depend on them. With outputs at hand Terragrunt's rules decide between real ones, mocks and
//! a mixture (`pkg/config/dependency.go`).

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use portcullis_hcl::value::Entries;
use portcullis_hcl::{Origin, Value};
use portcullis_model::{Code, Fault, UnitPath};
use serde_json::{Map, Value as Json};

use super::frame::Frame;
use super::include::Strategy;
use super::merge;
use super::sections::Section;
use super::session::{OutputsMode, Session};
use super::stack_file::STACK_FILE;
use crate::{json, path};

/// The dependency blocks of a configuration, those of its includes merged in.
pub(super) struct Dependencies {
    blocks: Vec<DependencyBlock>,
}

/// A dependency block.
pub(crate) struct DependencyBlock {
    pub(crate) section: Section,
    /// The unit depended on, also where there is none; `None` for a block that is not enabled.
    pub(crate) target: Option<UnitPath>,
    /// The units of the stack that is depended on, if it is one: those whose outputs there are, by name, and all.
    pub(crate) stack: Option<StackTarget>,
    /// Why an enabled block leads to no unit.
    pub(crate) problem: Option<Fault>,
    /// Whether the unit asks for outputs.
    pub(crate) wants_outputs: bool,
    outputs: OnceCell<Option<OutputsHere>>,
}

/// The outputs that go in.
struct OutputsHere {
    values: Map<String, Json>,
    /// Whether each came from a mock.
    mocked: fn(&Map<String, Json>, &str, &Json) -> bool,
    real: Option<Map<String, Json>>,
}

/// All, mocked, real.
pub(crate) type AllOutputs = (Map<String, Json>, Map<String, Json>, Option<Map<String, Json>>);

/// Whether an unknown is an output of a dependency.
pub(crate) fn is_output(reason: &str) -> bool {
    reason.starts_with("dependency.")
}

impl Dependencies {
    fn collect(frame: &Rc<Frame<'_>>) -> Result<Self, Fault> {
        let blocks = merged(frame)?.into_iter().map(|section| DependencyBlock::new(frame, section));
        Ok(Dependencies { blocks: blocks.collect::<Result<_, _>>()? })
    }
}

/// The blocks of a file with those of its includes merged in.
fn merged(frame: &Rc<Frame<'_>>) -> Result<Vec<Section>, Fault> {
    let mut sections = own(frame)?;
    if let Some(over) = frame.merged_in()? {
        let over = of(&over)?.iter().map(|block| block.section.clone()).collect();
        sections = merge::dependencies(sections, over, Strategy::Shallow)?;
    }
    for include in frame.includes()?.iter().rev() {
        sections = merge::dependencies(own(&include.frame)?, sections, include.strategy)?;
    }
    Ok(sections)
}

/// What is wrong with each block for itself.
pub(super) fn faults(frame: &Rc<Frame<'_>>) -> Vec<Fault> {
    let mut found = Vec::new();
    let sections = merged(frame).unwrap_or_else(|fault| {
        found.push(fault);
        // The path that a file gives itself is what counts, whatever its includes have.
        frame.blocks("dependency").filter_map(|block| frame.section(block).ok()).collect()
    });
    for section in sections {
        match DependencyBlock::new(frame, section) {
            Ok(block) => found.extend(block.problem),
            Err(fault) => found.push(fault),
        }
    }
    found
}

fn own(frame: &Rc<Frame<'_>>) -> Result<Vec<Section>, Fault> {
    frame.blocks("dependency").map(|block| frame.section(block)).collect()
}

impl DependencyBlock {
    fn new(frame: &Rc<Frame<'_>>, section: Section) -> Result<Self, Fault> {
        let flag = |name: &str, default: bool| match section.get(name) {
            Some(value) => value.want_bool(&format!("`{name}`")),
            None => Ok(default),
        };
        let enabled = flag("enabled", true)?;
        let wants_outputs = enabled && !flag("skip_outputs", false)?;
        let mut block = DependencyBlock {
            section,
            target: None,
            stack: None,
            problem: None,
            wants_outputs,
            outputs: OnceCell::new(),
        };
        if let Some(value) = block.section.get("config_path").filter(|_| enabled) {
            match target(frame.session, frame.dir(), value)? {
                Target::Unit(target) => block.target = Some(target),
                Target::Stack(stack) => {
                    block.target = Some(stack.folder.clone());
                    block.stack = Some(stack);
                }
                Target::Missing(folder, fault) => {
                    block.target = folder;
                    block.problem = Some(fault);
                }
            }
        }
        Ok(block)
    }

    /// Whether mocks may stand in for the tool's command.
    fn mocks(&self, session: &Session<'_>) -> Result<Option<&Value>, Fault> {
        let Some(mocks) = self.section.get("mock_outputs") else { return Ok(None) };
        if self.target.is_none() && self.problem.is_none() {
            return Ok(Some(mocks));
        }
        let commands = match self.section.get("mock_outputs_allowed_terraform_commands") {
            Some(value) => value.want_strings("`mock_outputs_allowed_terraform_commands`")?,
            None => Vec::new(),
        };
        let allowed = commands.is_empty() || commands.iter().any(|command| command == session.command);
        Ok(Some(mocks).filter(|_| allowed))
    }

    fn outputs(&self, session: &Session<'_>) -> Result<Option<&OutputsHere>, Fault> {
        if self.outputs.get().is_none() {
            let found = self.find_outputs(session)?;
            let _ = self.outputs.set(found);
        }
        Ok(self.outputs.get().and_then(Option::as_ref))
    }

    /// All outputs that may go in, those of them that are mocked, and the real ones; `None` when there are none.
    pub(crate) fn all_outputs(&self, session: &Session<'_>) -> Result<Option<AllOutputs>, Fault> {
        let Some(here) = self.outputs(session)? else { return Ok(None) };
        let none = Map::new();
        let real = here.real.as_ref().unwrap_or(&none);
        let mocked = here.values.iter().filter(|(name, value)| (here.mocked)(real, name, value));
        let mocked = mocked.map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Some((here.values.clone(), mocked, here.real.clone())))
    }

    /// Real outputs, mocks where the rules allow them, or `None` when the block asks for none.
    fn find_outputs(&self, session: &Session<'_>) -> Result<Option<OutputsHere>, Fault> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone());
        }
        let mocks = self.mocks(session)?;
        let real = match (session.outputs, &self.target) {
            (OutputsMode::Real(outputs), Some(target)) if self.wants_outputs => match &self.stack {
                Some(stack) => Some(outputs_of_stack(&stack.units, outputs, mocks)?),
                None => outputs(target),
            },
            _ => None,
        };
        // A state without any output is taken for one that was never applied.
        let real = real.filter(|outputs| !outputs.is_empty());
        match (real, mocks) {
            (Some(real), Some(mocks)) => self.mixed(real, mocks).map(Some),
            (Some(real), None) => {
                Ok(Some(OutputsHere { values: real.clone(), mocked: |_, _, _| false, real: Some(real) }))
            }
            (None, Some(mocks)) => {
                Ok(Some(OutputsHere { values: json_map(mocks)?, mocked: |_, _, _| true, real: None }))
            }
            (None, None) if self.wants_outputs => Err(self.missing(session)),
            (None, None) => Ok(None),
        }
    }

    fn mixed(&self, real: Map<String, Json>, mocks: &Value) -> Result<OutputsHere, Fault> {
        let strategy = match self.section.get("mock_outputs_merge_strategy_with_state") {
            Some(value) => value.want_string("`mock_outputs_merge_strategy_with_state`")?,
            None => match self.section.get("mock_outputs_merge_with_state") {
                Some(value) if value.want_bool("`mock_outputs_merge_with_state`")? => "shallow".into(),
                _ => "no_merge".into(),
            },
        };
        let values = match &*strategy {
            "no_merge" => real.clone(),
            "shallow" => {
                let mut values = json_map(mocks)?;
                values.extend(real.clone());
                values
            }
            "deep_map_only" => {
                let real = json::to_value(&Json::Object(real.clone()), mocks.origin());
                json_map(&merge::deep_merge_maps(mocks, &real)?)?
            }
            other => {
                return Err(self
                    .section
                    .origin
                    .fault(Code::HCL_TYPE, format!("{} is no strategy for mock outputs", path::quoted(other)))
                    .remedy("Use `no_merge`, `shallow` or `deep_map_only`."));
            }
        };
        Ok(OutputsHere { values, mocked: |real, name, value| real.get(name) != Some(value), real: Some(real) })
    }

    fn missing(&self, session: &Session<'_>) -> Fault {
        let target = self.target.as_ref().map_or("", UnitPath::as_str);
        if self.target.as_ref().is_some_and(|target| !target.is_within(&session.settings.within)) {
            return self
                .section
                .origin
                .fault(
                    Code::FOREIGN_DEPENDENCY,
                    format!("{target} belongs to another account, so its outputs cannot be read here"),
                )
                .remedy("Give `mock_outputs`, or read the values from a file that both accounts have.");
        }
        self.section
            .origin
            .fault(
                Code::OUTPUTS_MISSING,
                format!("{target} has no outputs, and none may be mocked for `{}`", session.command),
            )
            .remedy(format!("Apply {target} first, or give `mock_outputs` that are allowed for this command."))
    }

    /// One output, or all, as configuration sees it; notes that it was used. `None`: there is no such thing.
    fn output(&self, session: &Session<'_>, key: Option<&str>, at: &Origin) -> Result<Option<Value>, Fault> {
        if matches!(session.outputs, OutputsMode::Unknown) && self.wants_outputs {
            let name = &self.section.label;
            let reason = match key {
                Some(key) => format!("dependency.{name}.outputs.{key}"),
                None => format!("dependency.{name}.outputs"),
            };
            return Ok(Some(Value::unknown(reason, at.clone())));
        }
        let Some(outputs) = self.outputs(session)? else { return Ok(None) };
        if let Some(stack) = &self.stack {
            let mut used = session.used.borrow_mut();
            for (name, unit) in stack.units.iter().filter(|(name, _)| key.is_none_or(|key| key == name)) {
                let values = outputs.values.get(name).and_then(Json::as_object).cloned().unwrap_or_default();
                used.entry(unit.clone()).or_default().values.extend(values);
            }
        } else if let Some(target) = &self.target {
            let mut used = session.used.borrow_mut();
            let used = used.entry(target.clone()).or_default();
            used.real.clone_from(&outputs.real);
            for (name, value) in outputs.values.iter().filter(|(name, _)| key.is_none_or(|key| key == *name)) {
                used.values.insert(name.clone(), value.clone());
                if (outputs.mocked)(outputs.real.as_ref().unwrap_or(&Map::new()), name, value) {
                    used.mocked.insert(name.clone());
                }
            }
        }
        Ok(match key {
            Some(key) => outputs.values.get(key).map(|value| json::to_value(value, at)),
            None => Some(json::to_value(&Json::Object(outputs.values.clone()), at)),
        })
    }
}

/// Outputs of a stack: those of its units by name; a mock for each that has none.
fn outputs_of_stack(
    units: &[(String, UnitPath)],
    outputs: crate::estate::Outputs<'_>,
    mocks: Option<&Value>,
) -> Result<Map<String, Json>, Fault> {
    let mut found = Map::new();
    for (name, unit) in units {
        if let Some(real) = outputs(unit).filter(|outputs| !outputs.is_empty()) {
            found.insert(name.clone(), Json::Object(real));
        } else if let Some(mock) = mocks.and_then(|mocks| mocks.get(name)) {
            found.insert(name.clone(), json::from_value(mock)?);
        }
    }
    Ok(found)
}

fn json_map(value: &Value) -> Result<Map<String, Json>, Fault> {
    value
        .want_map("`mock_outputs`")?
        .iter()
        .map(|(name, value)| Ok((name.to_string(), json::from_value(value)?)))
        .collect()
}

/// What the path of a dependency leads to.
pub(crate) enum Target {
    Unit(UnitPath),
    Stack(StackTarget),
    /// Nothing that could be depended on, and the folder that is named. The configuration is known all the same.
    Missing(Option<UnitPath>, Fault),
}

/// A stack that is depended on.
pub(crate) struct StackTarget {
    pub(crate) folder: UnitPath,
    /// The units that it generates itself, by name: those whose outputs there are.
    pub(crate) units: Vec<(String, UnitPath)>,
    /// All that it generates.
    pub(crate) all: Vec<UnitPath>,
}

/// The unit that a path names, relative to the folder of the configuration.
///
/// # Errors
/// When the value is no path, or leads out of the repository.
pub(crate) fn target(session: &Session<'_>, dir: &str, value: &Value) -> Result<Target, Fault> {
    let place = || value.origin().place();
    let text = value.want_string("the path of a dependency")?;
    let not_a_unit = |what: &str| {
        value
            .fault(Code::DEPENDENCY_NOT_A_UNIT, format!("{} is no unit: {what}", path::quoted(&text)))
            .remedy("Name the folder of a unit, relative to this unit's folder.")
    };
    if text.is_empty() {
        return Err(not_a_unit("the path is empty"));
    }
    let named = path::resolve(dir, &text).map_err(|fault| fault.at(place()))?;
    let folder = if path::name(&named) == STACK_FILE { path::parent(&named) } else { &named };
    if let Some((stack, all)) = session.reader.stack(folder).map_err(|fault| fault.at(place()))? {
        return Ok(Target::Stack(StackTarget { folder: stack.path.clone(), units: stack.units.clone(), all }));
    }
    let config = session.config_path(&named).map_err(|fault| fault.at(place()))?;
    if !super::is_config_file(path::name(&config)) {
        let what = if session.reader.exists(&config)? { "it is a file" } else { "there is no such folder" };
        return Ok(Target::Missing(UnitPath::parse(&named).ok(), not_a_unit(what)));
    }
    let folder = path::parent(&config);
    match session.reader.find(folder).map_err(|fault| fault.at(place()))? {
        Some(found) if session.reader.is_file(&config)? => {
            UnitPath::parse(&found.real).map(Target::Unit).map_err(|fault| fault.at(place()))
        }
        _ => Ok(Target::Missing(UnitPath::parse(folder).ok(), not_a_unit(&format!("there is no {config}")))),
    }
}

/// The dependency blocks of a frame. For an included file they are the child's.
fn of<'f>(frame: &'f Rc<Frame<'_>>) -> Result<&'f [DependencyBlock], Fault> {
    if frame.dependencies.get().is_none() {
        let found = frame.once("dependency", || Dependencies::collect(frame))?;
        let _ = frame.dependencies.set(found);
    }
    Ok(frame.dependencies.get().map_or(&[], |dependencies| &dependencies.blocks))
}

impl Frame<'_> {
    /// The dependency blocks of this configuration, those of its includes merged in.
    pub(crate) fn dependency_blocks(self: &Rc<Self>) -> Result<&[DependencyBlock], Fault> {
        of(self)
    }

    /// Asks every dependency for its outputs, as Terragrunt does, also for those that nothing refers to.
    pub(crate) fn check_outputs(self: &Rc<Self>) -> Result<(), Fault> {
        of(self)?.iter().try_for_each(|block| block.outputs(self.session).map(drop))
    }
}

/// Does something with the block of a name: the child's, else the file's own.
fn with_block<T>(
    frame: &Rc<Frame<'_>>,
    name: &str,
    then: impl FnOnce(&DependencyBlock) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    if let Some(child) = frame.child()
        && let Some(block) = of(&child)?.iter().find(|block| *block.section.label == *name)
    {
        return then(block).map(Some);
    }
    of(frame)?.iter().find(|block| *block.section.label == *name).map(then).transpose()
}

/// Answers `dependency.…`.
pub(super) fn resolve(frame: &Rc<Frame<'_>>, steps: &[&str], at: &Origin) -> Result<Option<(Value, usize)>, Fault> {
    let session = frame.session;
    session.note_unit();
    let Some((name, rest)) = steps.split_first() else { return all(frame, at).map(|value| Some((value, 0))) };
    let found = with_block(frame, name, |block| {
        if frame.config_path() != session.unit_config()? {
            let units = block.stack.iter().flat_map(|stack| &stack.all);
            let target = block.target.iter().filter(|_| block.stack.is_none());
            target.chain(units).for_each(|target| session.note_dependency(target, &block.section));
        }
        match rest {
            ["outputs", key, ..] => match block.output(session, Some(key), at)? {
                Some(value) => Ok((value, 3)),
                // The evaluator says which outputs there are.
                None => match block.output(session, None, at)? {
                    Some(value) => Ok((value, 2)),
                    None => Err(no_outputs(name, at)),
                },
            },
            ["outputs"] => match block.output(session, None, at)? {
                Some(value) => Ok((value, 2)),
                None => Err(no_outputs(name, at)),
            },
            ["inputs", ..] => Err(at
                .fault(Code::HCL_UNSUPPORTED, "inputs of a dependency are not supported")
                .remedy("Use an output of the dependency, or read its configuration by `read_terragrunt_config`.")),
            [] => block_value(session, block, at).map(|value| (value, 1)),
            [other, ..] => Err(at
                .fault(Code::HCL_EVALUATION, format!("a dependency has no `{other}`"))
                .remedy(format!("Use `dependency.{name}.outputs`."))),
        }
    })?;
    match found {
        Some(found) => Ok(Some(found)),
        None => Err(at
            .fault(Code::HCL_UNKNOWN_VARIABLE, format!("there is no dependency `{name}`"))
            .remedy("Add a `dependency` block of that name.")),
    }
}

fn no_outputs(name: &str, at: &Origin) -> Fault {
    at.fault(Code::HCL_EVALUATION, format!("dependency `{name}` skips its outputs and has no mocks that apply"))
        .remedy("Remove `skip_outputs`, or give `mock_outputs`.")
}

/// The outputs of a block as other configuration sees them. `None`: it asks for none.
pub(super) fn outputs_of(frame: &Rc<Frame<'_>>, block: &DependencyBlock, at: &Origin) -> Result<Option<Value>, Fault> {
    block.output(frame.session, None, at)
}

fn block_value(session: &Session<'_>, block: &DependencyBlock, at: &Origin) -> Result<Value, Fault> {
    let mut entries = Entries::new();
    if let Some(outputs) = block.output(session, None, at)? {
        entries.insert("outputs".into(), outputs);
    }
    Ok(Value::object(entries, at.clone()))
}

/// All dependencies by name, each with its outputs.
fn all(frame: &Rc<Frame<'_>>, at: &Origin) -> Result<Value, Fault> {
    let mut entries = Entries::new();
    for block in of(frame)? {
        entries.insert(Arc::clone(&block.section.label), block_value(frame.session, block, at)?);
    }
    Ok(Value::object(entries, at.clone()))
}
