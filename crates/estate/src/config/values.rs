//! `values.…`: what the stack that generates a unit hands to it, in `terragrunt.values.hcl` next to the file that
//! asks. Its attributes are evaluated when they are needed; they may call functions and refer to nothing.

use std::rc::Rc;

use portcullis_hcl::value::Entries;
use portcullis_hcl::{Origin, Value};
use portcullis_model::{Code, Fault};

use super::frame::Frame;
use crate::path;

/// The file's name.
pub(crate) const VALUES_FILE: &str = "terragrunt.values.hcl";

/// Answers `values.…` in a frame.
pub(super) fn resolve(frame: &Rc<Frame<'_>>, steps: &[&str], at: &Origin) -> Result<Option<(Value, usize)>, Fault> {
    let Some(values) = frame.values()? else {
        return Err(at
            .fault(Code::HCL_UNKNOWN_VARIABLE, format!("there is no {VALUES_FILE} next to {}", frame.file.path()))
            .remedy("`values` is what a stack hands to a unit: this file is for a `unit` of a terragrunt.stack.hcl."));
    };
    match steps.first() {
        None => whole(&values, at).map(|value| Some((value, 0))),
        Some(name) => attribute(&values, name, at).map(|value| Some((value, 1))),
    }
}

fn attribute(values: &Rc<Frame<'_>>, name: &str, at: &Origin) -> Result<Value, Fault> {
    let Some(attribute) = values.attribute(name) else {
        let mut names: Vec<&str> = values.attributes().map(|attribute| attribute.key.as_str()).collect();
        names.sort_unstable();
        let fault = at.fault(Code::HCL_UNKNOWN_VARIABLE, format!("there is no value `{name}`"));
        return Err(if names.is_empty() {
            fault.remedy("The stack hands over no values.")
        } else {
            fault.remedy(format!("The values in {} are: {}.", values.file.path(), names.join(", ")))
        });
    };
    values
        .memoized(name, || values.evaluate(attribute))
        .unwrap_or_else(|| Err(at.fault(Code::LOCALS_CYCLE, format!("value `{name}` refers to itself"))))
}

/// All values as one object.
pub(super) fn whole(values: &Rc<Frame<'_>>, at: &Origin) -> Result<Value, Fault> {
    let mut entries = Entries::new();
    for attribute in values.attributes() {
        entries.insert(attribute.key.as_str().into(), self::attribute(values, attribute.key.as_str(), at)?);
    }
    Ok(Value::object(entries, at.clone()))
}

/// The values file next to a file.
pub(super) fn beside(file: &str) -> String {
    path::child(path::parent(file), VALUES_FILE)
}
