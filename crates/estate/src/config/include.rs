//! Include blocks: finding the files, and what `include.…` gives.
//!
//! An include's `path` is relative to the file that includes. An included file may not include another:
//! Terragrunt has one level. `include.NAME` gives what is exposed, one part at a time, so that a unit may
//! use a local of a file whose inputs cannot be evaluated yet.

use std::rc::Rc;
use std::sync::Arc;

use portcullis_hcl::hcl_edit::structure::Block;
use portcullis_hcl::{File, Origin, Value};
use portcullis_model::{Code, Fault};

use super::exposed;
use super::frame::Frame;
use crate::path;

/// How an included file's configuration goes into the file that includes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    /// Not at all.
    None,
    /// Attribute by attribute; the child's win.
    Shallow,
    /// Into maps; lists are appended.
    Deep,
}

/// An include block.
pub(super) struct Include<'s> {
    /// The label; empty for a block without one.
    pub(super) name: String,
    /// The included file.
    pub(super) path: String,
    pub(super) strategy: Strategy,
    expose: bool,
    pub(super) frame: Rc<Frame<'s>>,
}

/// Label and path of each include of a file, in the order of the text.
///
/// # Errors
/// Any fault of an include.
pub(crate) fn named(frame: &Rc<Frame<'_>>) -> Result<Vec<(String, String)>, Fault> {
    Ok(frame.includes()?.iter().map(|include| (include.name.clone(), include.path.clone())).collect())
}

/// Most includes of one file.
const INCLUDES_MAX: usize = 256;

/// The include blocks of a file, in the order of the text.
pub(super) fn find<'s>(frame: &Rc<Frame<'s>>) -> Result<Vec<Include<'s>>, Fault> {
    if frame.included {
        return Ok(Vec::new());
    }
    // Each is merged into all before it.
    if let Some(block) = frame.blocks("include").nth(INCLUDES_MAX) {
        return Err(Origin::of(&frame.file, &block.ident)
            .fault(Code::HCL_TOO_LARGE, format!("the file has more than {INCLUDES_MAX} includes"))
            .remedy("Include a file that holds what these have in common."));
    }
    frame.blocks("include").map(|block| open(frame, block).map_err(first)).collect()
}

/// Each include block for itself, or all that is wrong with it.
pub(super) fn each<'s>(frame: &Rc<Frame<'s>>) -> Vec<Result<Include<'s>, Vec<Fault>>> {
    if frame.included {
        return Vec::new();
    }
    frame.blocks("include").take(INCLUDES_MAX).map(|block| open(frame, block)).collect()
}

fn open<'s>(frame: &Rc<Frame<'s>>, block: &Block) -> Result<Include<'s>, Vec<Fault>> {
    let (path, strategy, expose, file) = target(frame, block).map_err(|fault| vec![fault])?;
    let inner = Frame::open_included(frame, file)?;
    refuse_nested(frame, &inner).map_err(|fault| vec![fault])?;
    let name = block.labels.first().map_or("", |label| label.as_str()).to_owned();
    Ok(Include { name, path, strategy, expose, frame: inner })
}

/// What an include block says, and the file that it names.
fn target(frame: &Rc<Frame<'_>>, block: &Block) -> Result<(String, Strategy, bool, Arc<File>), Fault> {
    let section = frame.section(block)?;
    let value = section.get("path").ok_or_else(|| section.origin.fault(Code::HCL_TYPE, "`include` needs `path`"))?;
    let text = value.want_string("`path` of an include")?;
    let target = path::resolve(frame.dir(), &text).map_err(|fault| fault.at(value.origin().place()))?;
    if target == frame.config_path() {
        return Err(value
            .fault(Code::INCLUDE_CYCLE, format!("{target} includes itself"))
            .remedy("Remove the include."));
    }
    let strategy = match section.get("merge_strategy").filter(|value| !value.is_null()) {
        None => Strategy::Shallow,
        Some(value) => match &*value.want_string("`merge_strategy`")? {
            "no_merge" => Strategy::None,
            "shallow" => Strategy::Shallow,
            "deep" => Strategy::Deep,
            other => {
                return Err(value
                    .fault(Code::HCL_TYPE, format!("{} is no merge strategy", path::quoted(other)))
                    .remedy("Use `no_merge`, `shallow` or `deep`."));
            }
        },
    };
    let expose = match section.get("expose").filter(|value| !value.is_null()) {
        None => false,
        Some(value) => value.want_bool("`expose`")?,
    };
    let file = frame
        .session
        .included_file(&target, || {
            value
                .fault(Code::INCLUDE_MISSING, format!("the included file {target} does not exist"))
                .remedy("Correct the path; it is relative to the file that includes.")
        })
        .map_err(|fault| fault.at(value.origin().place()))?;
    Ok((target, strategy, expose, file))
}

/// One of several faults stands for all where only one can be passed on.
pub(crate) fn first(faults: Vec<Fault>) -> Fault {
    let mut faults = faults.into_iter();
    let first = faults.next().unwrap_or_else(|| Fault::internal("no fault"));
    faults.fold(first, |first, other| first.note(other.to_string()))
}

fn refuse_nested<'s>(frame: &Rc<Frame<'s>>, inner: &Rc<Frame<'s>>) -> Result<(), Fault> {
    let Some(block) = inner.blocks("include").next() else { return Ok(()) };
    let origin = Origin::of(&inner.file, block);
    let target = match block.body.get_attribute("path") {
        Some(attribute) => inner.evaluate(attribute)?.want_string("`path` of an include")?,
        None => "".into(),
    };
    // An included file's paths are taken from the unit's folder; a cycle is named for either reading.
    let cyclic = [frame.dir(), inner.file_dir()].into_iter().any(|base| {
        path::resolve(base, &target).is_ok_and(|path| path == frame.config_path() || path == inner.file.path())
    });
    if cyclic {
        let message = format!("{} and {} include each other", frame.config_path(), inner.file.path());
        return Err(origin.fault(Code::INCLUDE_CYCLE, message).remedy("Remove one of the includes."));
    }
    Err(origin
        .fault(Code::HCL_UNSUPPORTED, format!("{} is included and includes another file", inner.file.path()))
        .note(format!("it is included by {}", frame.config_path()))
        .remedy("Terragrunt has one level of includes. Include both files from the unit."))
}

/// Answers `include.…`. A single include without a label is exposed as `include` itself.
pub(super) fn resolve(frame: &Rc<Frame<'_>>, steps: &[&str], at: &Origin) -> Result<Option<(Value, usize)>, Fault> {
    let includes = frame.includes()?;
    if let [only] = includes
        && only.name.is_empty()
    {
        return exposed_by(only, steps, at).map(|(value, used)| Some((value, used)));
    }
    let Some((name, rest)) = steps.split_first() else {
        let mut entries = portcullis_hcl::value::Entries::new();
        for include in includes.iter().filter(|include| include.expose) {
            entries.insert(include.name.as_str().into(), exposed_by(include, &[], at)?.0);
        }
        return Ok(Some((Value::object(entries, at.clone()), 0)));
    };
    match includes.iter().find(|include| include.name == *name) {
        Some(include) => exposed_by(include, rest, at).map(|(value, used)| Some((value, used + 1))),
        None => {
            let names: Vec<&str> = includes.iter().map(|include| include.name.as_str()).collect();
            let fault = at.fault(Code::HCL_UNKNOWN_VARIABLE, format!("there is no include `{name}` in this file"));
            Err(if names.is_empty() { fault } else { fault.remedy(format!("The includes are: {}.", names.join(", "))) })
        }
    }
}

fn exposed_by(include: &Include<'_>, steps: &[&str], at: &Origin) -> Result<(Value, usize), Fault> {
    if !include.expose {
        return Err(at
            .fault(Code::HCL_UNKNOWN_VARIABLE, format!("include `{}` is not exposed", include.name))
            .remedy("Set `expose = true` in the include block."));
    }
    match steps {
        ["locals", name, ..] => include.frame.local(name, at).map(|value| (value, 2)),
        ["locals"] => include.frame.all_locals(at).map(|value| (value, 1)),
        [part, ..] => exposed::part(&include.frame, part, at).map(|value| (value, 1)),
        [] => exposed::whole(&include.frame, at).map(|value| (value, 0)),
    }
}
