//! `extra_arguments`: what they add to a command's arguments and environment.

use std::collections::BTreeMap;

use portcullis_estate::{ExtraArguments, Resolved, Source};
use portcullis_model::{Code, Fault};

use crate::REPOSITORY;
use crate::layout::{join, normalize};

/// What a command gets in addition.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Arguments, in the order of the blocks.
    pub arguments: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
}

/// Collects what `command` gets. With a saved plan, variables are left out: they are in the plan, and the tool
/// refuses to be told them again.
///
/// # Errors
/// `PC-0416` when a required variable file does not exist.
pub fn extra(source: &dyn Source, unit: &Resolved, command: &str, saved_plan: bool) -> Result<Extra, Fault> {
    let mut extra = Extra::default();
    for block in unit.extra_arguments.iter().filter(|block| block.commands.iter().any(|c| c == command)) {
        let variables = |argument: &&String| !(saved_plan && argument.starts_with("-var"));
        extra.arguments.extend(block.arguments.iter().filter(variables).cloned());
        extra.env.extend(block.env_vars.iter().map(|(name, value)| (name.clone(), value.clone())));
        if !saved_plan {
            extra.arguments.extend(var_files(source, unit, block)?.into_iter().map(|file| format!("-var-file={file}")));
        }
    }
    Ok(extra)
}

/// Required files, then those optional ones that exist; of a name that is given twice the last counts.
fn var_files(source: &dyn Source, unit: &Resolved, block: &ExtraArguments) -> Result<Vec<String>, Fault> {
    let mut files = Vec::new();
    for file in last_of_each(&block.required_var_files) {
        if !exists(source, unit, file)? {
            return Err(Fault::new(Code::FILE_MISSING, format!("the variable file {file:?} does not exist"))
                .at(block.place.clone())
                .remedy("Commit the file, or list it in `optional_var_files`."));
        }
        files.push(file.clone());
    }
    for file in last_of_each(&block.optional_var_files) {
        if exists(source, unit, file)? {
            files.push(file.clone());
        }
    }
    Ok(files)
}

fn last_of_each(files: &[String]) -> impl Iterator<Item = &String> {
    files
        .iter()
        .enumerate()
        .filter(|(at, file)| !files.iter().skip(at + 1).any(|later| later == *file))
        .map(|(_, file)| file)
}

/// A relative path is looked for in the unit's folder, which is also copied into the working directory.
fn exists(source: &dyn Source, unit: &Resolved, file: &str) -> Result<bool, Fault> {
    let path = match file.strip_prefix(REPOSITORY) {
        Some(inside) => normalize("", inside),
        None if file.starts_with('/') => None,
        None => normalize(&join("", unit.path.as_str()), file),
    };
    match path {
        Some(path) => Ok(source.read(&path)?.is_some()),
        None => Ok(false),
    }
}
