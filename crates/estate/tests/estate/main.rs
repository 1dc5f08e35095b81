//! Whole estates, from files to units: by topic.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails loudly")]

mod affected;
mod corpus;
mod dependencies;
mod documentation;
mod example;
mod excludes;
mod faults;
mod files;
mod functions;
mod generated;
mod includes;
mod json;
mod repositories;
mod resolved;
mod root_modules;
mod rules;
mod shared;
mod stacks;

use std::path::Path;
use std::sync::Arc;

use portcullis_estate::{DirSource, Estate, Resolved, Settings, Unit};
use portcullis_model::{Fault, UnitPath};
use serde_json::{Map, Value as Json};

/// A folder of configuration.
struct Folder(tempfile::TempDir);

impl Folder {
    /// With files: path and text.
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        files.iter().for_each(|(path, text)| folder.write(path, text));
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Loads, and keeps the folder for as long as the estate: it reads on when units are resolved.
    fn into_estate(self) -> Loaded {
        Loaded { estate: self.load(), _folder: self }
    }

    fn load(&self) -> Estate {
        self.load_with(&Settings::default())
    }

    fn load_with(&self, settings: &Settings) -> Estate {
        Estate::load(Arc::new(DirSource::open(self.path()).unwrap()), settings).unwrap()
    }
}

struct Loaded {
    estate: Estate,
    _folder: Folder,
}

impl std::ops::Deref for Loaded {
    type Target = Estate;
    fn deref(&self) -> &Estate {
        &self.estate
    }
}

fn path(text: &str) -> UnitPath {
    UnitPath::parse(text).unwrap()
}

/// A unit that must be fine.
fn unit<'e>(estate: &'e Estate, name: &str) -> &'e Unit {
    match estate.units().get(&path(name)) {
        Some(Ok(unit)) => unit,
        Some(Err(faults)) => panic!("{name}: {faults:#?}"),
        None => panic!("{name} is no unit; the units are {:?}", estate.units().keys().collect::<Vec<_>>()),
    }
}

/// The faults of a unit that must have some.
fn faults<'e>(estate: &'e Estate, name: &str) -> &'e [Fault] {
    match estate.units().get(&path(name)) {
        Some(Err(faults)) => faults,
        Some(Ok(unit)) if !unit.problems.is_empty() => &unit.problems,
        other => panic!("{name} has no faults: {other:?}"),
    }
}

/// Outputs of units, by path.
fn outputs(json: Json) -> impl Fn(&UnitPath) -> Option<Map<String, Json>> {
    move |unit| json.get(unit.as_str()).and_then(Json::as_object).cloned()
}

fn resolve(estate: &Estate, name: &str) -> Resolved {
    resolve_with(estate, name, "plan", Json::Null)
}

fn resolve_with(estate: &Estate, name: &str, command: &str, json: Json) -> Resolved {
    match estate.resolve(&path(name), command, &outputs(json)) {
        Ok(resolved) => resolved,
        Err(fault) => panic!("{name}: {fault:#?}"),
    }
}

/// The inputs of a unit, as text.
fn inputs(resolved: &Resolved) -> String {
    let shown: Vec<String> = resolved.inputs.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
    shown.join("\n")
}
