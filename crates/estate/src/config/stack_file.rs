//! `terragrunt.stack.hcl`: the units and stacks that it generates, each with where its source is, where it goes,
//! its values and the file that is merged into it. Rules: `pkg/config/stack.go` and `stack_validation.go`.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use portcullis_hcl::hcl_edit::expr::Expression;
use portcullis_hcl::hcl_edit::structure::Block;
use portcullis_hcl::value::Entries;
use portcullis_hcl::{Budget, File, Origin, Scope, Value, evaluate, faults};
use portcullis_model::{Code, Fault, Place};

use super::frame::{Frame, Names};
use super::include::first;
use super::session::Session;
use super::survey::{self, FAULTS_MAX, Faults};
use super::{functions, literal, partial, schema, types};
use crate::path;

/// The file's name.
pub(crate) const STACK_FILE: &str = "terragrunt.stack.hcl";
/// What a stack merges into the stacks that it generates.
pub(crate) const STACK_AUTOINCLUDE: &str = "terragrunt.autoinclude.stack.hcl";
/// Where a stack's units go.
pub(crate) const STACK_FOLDER: &str = ".terragrunt-stack";

/// A unit or a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ComponentKind {
    Unit,
    Stack,
}

impl ComponentKind {
    fn name(self) -> &'static str {
        match self {
            ComponentKind::Unit => "unit",
            ComponentKind::Stack => "stack",
        }
    }

    /// The file that makes a folder one of its kind.
    pub(crate) fn file(self) -> &'static str {
        match self {
            ComponentKind::Unit => super::CONFIG_FILE,
            ComponentKind::Stack => STACK_FILE,
        }
    }
}

/// What a stack generates.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    pub(crate) kind: ComponentKind,
    pub(crate) name: String,
    pub(crate) source: Value,
    /// Where it goes, from the repository's root.
    pub(crate) folder: String,
    pub(crate) values: Option<Value>,
    /// The text of the file that is merged into it.
    pub(crate) autoinclude: Option<String>,
    /// Whether its folder must hold the file of its kind.
    pub(crate) checked: bool,
    no_stack: Option<Value>,
    path: Value,
    pub(crate) place: Place,
}

/// A block with the file that it is written in.
#[derive(Clone)]
struct Written {
    file: Arc<File>,
    block: Block,
}

/// A stack's file, opened.
pub(crate) struct StackFile<'s> {
    frame: Rc<Frame<'s>>,
    /// The units and stacks that are enabled.
    pub(crate) components: Vec<Component>,
    /// What is wrong with single units and stacks; they are not among the components.
    pub(crate) problems: Vec<Fault>,
}

impl<'s> StackFile<'s> {
    /// Reads the stack's file at a path.
    ///
    /// # Errors
    /// All faults of the file's shape; else the first fault of its evaluation.
    pub(crate) fn read(session: &'s Session<'s>, file_path: &str) -> Result<Self, Vec<Fault>> {
        let missing = || Fault::new(Code::FILE_MISSING, format!("{file_path} does not exist"));
        let frame = Frame::open_stack(session, file_path, missing)?;
        let (components, problems) = components(&frame)?;
        let faults = duplicates(&components);
        if faults.is_empty() { Ok(StackFile { frame, components, problems }) } else { Err(faults) }
    }

    /// The file as `read_terragrunt_config` gives it.
    pub(super) fn value(&self) -> Result<Value, Fault> {
        let at = &self.frame.origin();
        let mut entries = Entries::from([("local".into(), self.frame.all_locals(at)?)]);
        for kind in [ComponentKind::Unit, ComponentKind::Stack] {
            let found = self.components.iter().filter(|component| component.kind == kind);
            let shown: Entries = found.map(|component| (component.name.as_str().into(), component.value(at))).collect();
            if !shown.is_empty() {
                entries.insert(kind.name().into(), Value::object(shown, at.clone()));
            }
        }
        Ok(Value::object(entries, at.clone()))
    }
}

impl Component {
    fn value(&self, at: &Origin) -> Value {
        let mut entries = Entries::from([
            ("name".into(), Value::string(self.name.as_str(), at.clone())),
            ("source".into(), self.source.clone()),
            ("path".into(), self.path.clone()),
        ]);
        entries.extend(self.values.clone().map(|values| ("values".into(), values)));
        entries.extend(self.no_stack.clone().map(|value| ("no_dot_terragrunt_stack".into(), value)));
        Value::object(entries, at.clone())
    }

    /// A configuration for a unit whose own is not in this repository: its source and its values.
    pub(crate) fn stand_in(&self) -> String {
        let inputs = if self.values_text().is_some() { "inputs = values\n" } else { "" };
        format!("terraform {{\n  source = {}\n}}\n{inputs}", literal::expression(&self.source))
    }

    /// The text of its values file; `None` when the stack hands over nothing.
    pub(crate) fn values_text(&self) -> Option<String> {
        let values = self.values.as_ref().filter(|values| !values.is_null())?;
        let entries = values.as_map()?;
        let mut text = format!("# Handed over at {}.\n", self.place);
        for (name, value) in entries {
            text.push_str(&format!("{name} = {}\n", literal::expression(value)));
        }
        Some(text)
    }
}

/// What the expressions of a stack's file may refer to.
struct StackScope<'f, 's> {
    frame: &'f Rc<Frame<'s>>,
    /// `unit` and `stack`, once their paths are known.
    references: Option<&'f BTreeMap<ComponentKind, Value>>,
}

impl Scope for StackScope<'_, '_> {
    fn resolve(
        &self,
        root: &str,
        steps: &[&str],
        at: &Origin,
        budget: &Budget,
    ) -> Result<Option<(Value, usize)>, Fault> {
        let kind = match root {
            "unit" => ComponentKind::Unit,
            "stack" => ComponentKind::Stack,
            "dependency" | "include" | "feature" => return Ok(None),
            _ => return Names(self.frame).resolve(root, steps, at, budget),
        };
        Ok(self.references.and_then(|references| references.get(&kind)).map(|value| (value.clone(), 0)))
    }

    fn call(&self, name: &str, args: &[Value], at: &Origin, _: &Budget) -> Result<Option<Value>, Fault> {
        functions::call(self.frame, name, args, at)
    }

    fn function_names(&self) -> Vec<&str> {
        functions::names()
    }

    fn variable_names(&self) -> Vec<&str> {
        vec!["local", "values", "unit", "stack"]
    }
}

impl StackScope<'_, '_> {
    fn evaluate(&self, expression: &Expression, file: &Arc<File>) -> Result<Value, Fault> {
        evaluate(expression, file, self, &self.frame.session.budget)
    }

    fn attribute(&self, written: &Written, name: &str) -> Result<Option<Value>, Fault> {
        let Some(attribute) = written.block.body.get_attribute(name) else { return Ok(None) };
        let value = self.evaluate(&attribute.value, &written.file)?;
        Ok(Some(types::typed(name, &value).unwrap_or(value)).filter(|value| !value.is_null()))
    }

    /// All that is wrong with a block of which one fault is known.
    fn faults(&self, written: &Written, first: Fault) -> Vec<Fault> {
        let mut found = Faults::default();
        for attribute in written.block.body.attributes() {
            let budget = &self.frame.session.budget;
            let all = faults(&attribute.value, &written.file, self, budget, FAULTS_MAX);
            found.extend(all.into_iter().filter(|_| !budget.is_used_up()));
        }
        found.into_vec(first)
    }

    fn flag(&self, written: &Written, name: &str, default: bool) -> Result<bool, Fault> {
        self.attribute(written, name)?.map_or(Ok(default), |value| value.want_bool(&format!("`{name}`")))
    }

    /// Where a component goes.
    fn folder(&self, written: &Written) -> Result<(Value, String), Fault> {
        let value = self.attribute(written, "path")?.ok_or_else(|| {
            Origin::of(&written.file, &written.block.ident).fault(Code::HCL_TYPE, "`path` must not be null")
        })?;
        let text = value.want_string("`path`")?;
        let stack = self.frame.dir();
        let no_stack = self.flag(written, "no_dot_terragrunt_stack", false)?;
        let base = if no_stack { stack.to_owned() } else { path::child(stack, STACK_FOLDER) };
        let inside = (!text.starts_with('/')).then(|| path::resolve(".", &text).ok()).flatten();
        match inside {
            Some(inside) if inside != "." => Ok((value, path::child(&base, &inside))),
            _ => Err(value
                .fault(Code::OUTSIDE_REPOSITORY, format!("{} leads out of the stack's folder", path::quoted(&text)))
                .remedy("Give a path below the folder of the stack.")),
        }
    }
}

/// The blocks of one kind: the file's own, those of its includes, and what the stack above merges in, which counts.
fn written(frame: &Rc<Frame<'_>>, kind: ComponentKind) -> Result<Vec<Written>, Fault> {
    let of = |file: &Arc<File>| -> Vec<Written> {
        let blocks = file.body().blocks().filter(|block| block.ident.as_str() == kind.name());
        blocks.map(|block| Written { file: Arc::clone(file), block: block.clone() }).collect()
    };
    let mut found = of(&frame.file);
    let scope = StackScope { frame, references: None };
    for block in frame.blocks("include") {
        let own = Written { file: Arc::clone(&frame.file), block: block.clone() };
        let Some(value) = scope.attribute(&own, "path")? else { continue };
        let target = path::resolve(frame.dir(), &value.want_string("`path` of an include")?)
            .map_err(|fault| fault.at(value.origin().place()))?;
        let missing = || {
            value
                .fault(Code::INCLUDE_MISSING, format!("the included file {target} does not exist"))
                .remedy("Correct the path; it is relative to the stack's folder.")
        };
        let file = frame.session.config_file(&target, missing).map_err(|fault| fault.at(value.origin().place()))?;
        schema::check_stack_part(&file).map_err(first)?;
        found.extend(of(&file));
    }
    let merged = path::child(frame.dir(), STACK_AUTOINCLUDE);
    if let Some(file) = frame.session.reader.hcl(&merged)? {
        schema::check_stack_part(&file).map_err(first)?;
        for written in of(&file) {
            match found.iter_mut().find(|own| own.label() == written.label()) {
                Some(own) => *own = written,
                None => found.push(written),
            }
        }
    }
    Ok(found)
}

impl Written {
    fn label(&self) -> &str {
        self.block.labels.first().map_or("", |label| label.as_str())
    }
}

fn components(frame: &Rc<Frame<'_>>) -> Result<(Vec<Component>, Vec<Fault>), Vec<Fault>> {
    let of_locals = frame.check_locals().err();
    let scope = StackScope { frame, references: None };
    let (mut all, mut without_folder, mut count) = (Vec::new(), Vec::new(), 0);
    let mut references = BTreeMap::new();
    for kind in [ComponentKind::Unit, ComponentKind::Stack] {
        let mut entries = Entries::new();
        for written in written(frame, kind).map_err(|fault| with_locals(frame, of_locals.as_ref(), vec![fault]))? {
            count += 1;
            let (path, folder) = match scope.folder(&written) {
                Ok(found) => found,
                Err(fault) => {
                    without_folder.push((written, fault));
                    continue;
                }
            };
            let at = path.origin().clone();
            let absolute = Value::string(path::absolute(&folder), at.clone());
            let shown = Value::object(Entries::from([("path".into(), absolute)]), at);
            entries.insert(written.label().into(), shown);
            all.push((kind, written, path, folder));
        }
        references.insert(kind, Value::object(entries, frame.origin()));
    }
    if count == 0 {
        let fault = frame.origin().fault(Code::HCL_TYPE, "a stack needs at least one `unit` or `stack` block");
        return Err(vec![fault.remedy("Add one, or remove the file.")]);
    }
    let scope = StackScope { frame, references: Some(&references) };
    let mut problems: Vec<Fault> =
        without_folder.into_iter().flat_map(|(written, fault)| scope.faults(&written, fault)).collect();
    let mut components = Vec::new();
    for (kind, written, path, folder) in all {
        match scope.flag(&written, "enabled", true) {
            Ok(true) => match component(&scope, kind, &written, path, folder) {
                Ok(found) => components.push(found),
                Err(fault) => problems.extend(scope.faults(&written, fault)),
            },
            Ok(false) => {}
            Err(fault) => problems.extend(scope.faults(&written, fault)),
        }
    }
    match of_locals {
        None => Ok((components, problems)),
        Some(first) => Err(with_locals(frame, Some(&first), problems)),
    }
}

/// The faults of a stack's locals, and those of its blocks that are no consequence of them.
fn with_locals(frame: &Rc<Frame<'_>>, first: Option<&Fault>, others: Vec<Fault>) -> Vec<Fault> {
    let Some(first) = first else { return others };
    let mut found = Faults::default();
    survey::locals(frame, &mut found);
    found.extend(others);
    found.into_vec(first.clone())
}

fn component(
    scope: &StackScope<'_, '_>,
    kind: ComponentKind,
    written: &Written,
    path: Value,
    folder: String,
) -> Result<Component, Fault> {
    let origin = Origin::of(&written.file, &written.block.ident);
    let source =
        scope.attribute(written, "source")?.ok_or_else(|| origin.fault(Code::HCL_TYPE, "`source` must not be null"))?;
    let values = scope.attribute(written, "values")?;
    if let Some(values) = values.as_ref().filter(|values| !values.is_unknown()) {
        values.want_map("`values`")?;
    }
    let no_stack = scope.attribute(written, "no_dot_terragrunt_stack")?;
    let in_place = scope.flag(written, "no_dot_terragrunt_stack", false)?;
    let checked = !in_place && !scope.flag(written, "no_validation", false)?;
    // A block that the stack above merges in has no say in what is merged further down.
    let own = path::name(written.file.path()) != STACK_AUTOINCLUDE;
    let block = written.block.body.blocks().find(|block| own && block.ident.as_str() == "autoinclude");
    let autoinclude = block
        .map(|block| {
            let place = |value: &Value| -> Result<String, Fault> {
                let text = value.want_string("the path of a dependency")?;
                if !text.starts_with('/') {
                    return Ok(text.to_string());
                }
                let named =
                    path::resolve(scope.frame.dir(), &text).map_err(|fault| fault.at(value.origin().place()))?;
                Ok(path::relative(&folder, &named))
            };
            let text = partial::body(
                &block.body,
                &written.file,
                &|expression, file| scope.evaluate(expression, file),
                &place,
            )?;
            Ok::<_, Fault>(format!("# Merged in by {}.\n{text}", Origin::of(&written.file, block).place()))
        })
        .transpose()?;
    Ok(Component {
        kind,
        name: written.label().to_owned(),
        source,
        folder,
        values,
        autoinclude,
        checked,
        no_stack,
        path,
        place: origin.place(),
    })
}

/// Names are unique in their kind, folders among all.
fn duplicates(components: &[Component]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, component) in components.iter().enumerate() {
        let earlier = components.get(..index).unwrap_or_default();
        let kind = component.kind.name();
        let twice = earlier
            .iter()
            .find(|other| other.kind == component.kind && other.name == component.name)
            .map(|other| (other, format!("`{kind} \"{}\"` is defined twice", component.name)))
            .or_else(|| {
                let other = earlier.iter().find(|other| other.folder == component.folder)?;
                Some((other, format!("`{kind} \"{}\"` goes to {}, as another does", component.name, other.folder)))
            });
        if let Some((other, message)) = twice {
            let fault = Fault::new(Code::UNKNOWN_BLOCK, message).at(component.place.clone());
            faults.push(fault.note(format!("the other is at {}", other.place)).remedy("Give it another name or path."));
        }
    }
    faults
}
