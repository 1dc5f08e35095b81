//! Root modules without Terragrunt as units: folders with code that the settings name by pattern.
//!
//! Each is shown with a configuration of its own that nobody wrote ([`Overlay`]), so that all that follows treats it as
//! a unit that is its own module. What it depends on is found out of `terraform_remote_state` data sources, as far
//! as they are literal: the root module whose `backend` names the same state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use portcullis_hcl::File;
use portcullis_hcl::hcl_edit::expr::{Expression, ObjectKey};
use portcullis_hcl::hcl_edit::structure::Body;
use portcullis_model::{Code, Fault};

use crate::cache::Cache;
use crate::config::{CONFIG_FILE, is_config_file};
use crate::discover::LEFT_BEHIND;
use crate::json_code;
use crate::module;
use crate::path;
use crate::reader::{Library, Reader};
use crate::settings::Settings;
use crate::source::{EntryKind, Source};
use crate::stacks::Overlay;

/// Where a state is: the backend, and what tells its states apart.
type State = (String, BTreeMap<String, String>);

/// A tree with root modules shown as units, and their folders.
pub(crate) struct Shown {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) folders: BTreeSet<String>,
}

/// Shows the root modules that the settings name as units.
///
/// # Errors
/// `PC-0406` for a pattern that is none; when the source cannot be read, or a limit is exceeded.
pub(crate) fn show(source: Arc<dyn Source>, settings: &Settings, cache: &Arc<Cache>) -> Result<Shown, Fault> {
    if settings.root_modules.is_empty() {
        return Ok(Shown { source, folders: BTreeSet::new() });
    }
    let wanted = patterns(&settings.root_modules)?;
    let folders = find(&*source, settings, &wanted)?;
    let library = Library::new(Arc::clone(&source), &settings.limits, Arc::clone(cache));
    let reader = Reader::new(&library);
    let mut states: BTreeMap<State, String> = BTreeMap::new();
    let mut read: BTreeMap<String, BTreeSet<State>> = BTreeMap::new();
    for folder in folders {
        let mut found = BTreeSet::new();
        let (own, others) = states_in(&reader, &folder)?;
        states.extend(own.into_iter().map(|state| (state, folder.clone())));
        found.extend(others);
        read.insert(folder, found);
    }
    let mut overlay = Overlay::new(source);
    let folders = read.keys().cloned().collect();
    for (folder, found) in read {
        let paths: BTreeSet<String> = found
            .iter()
            .filter_map(|state| states.get(state))
            .filter(|target| **target != folder)
            .map(|target| format!("{:?}", path::relative(&folder, target)))
            .collect();
        let paths: Vec<String> = paths.into_iter().collect();
        let dependencies = match paths.is_empty() {
            true => String::new(),
            false => format!("dependencies {{\n  paths = [{}]\n}}\n", paths.join(", ")),
        };
        let text = format!("# Shown for the root module in this folder; nobody wrote it.\n{dependencies}");
        overlay.write(&path::child(&folder, CONFIG_FILE), text);
    }
    Ok(Shown { source: Arc::new(overlay), folders })
}

fn patterns(texts: &[String]) -> Result<GlobSet, Fault> {
    let wrong = |text: &str, error: &globset::Error| {
        Fault::new(Code::HCL_TYPE, format!("{} is no pattern for folders: {}", path::quoted(text), error.kind()))
            .remedy("Use names with `*`, `**`, `?` and `{a,b}`, such as `stacks/*`.")
    };
    let mut set = GlobSetBuilder::new();
    for text in texts {
        let glob = GlobBuilder::new(text).literal_separator(true).build().map_err(|error| wrong(text, &error))?;
        set.add(glob);
    }
    set.build().map_err(|error| wrong("the patterns", &error))
}

/// Folders with code and no configuration.
fn find(source: &dyn Source, settings: &Settings, wanted: &GlobSet) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    let mut left = vec![settings.within.clone()];
    let mut seen = 0usize;
    while let Some(folder) = left.pop() {
        let Some(entries) = source.list(&folder)? else { continue };
        seen += 1;
        if seen > settings.limits.entries || found.len() > settings.limits.units {
            return Err(Fault::new(Code::REPOSITORY_TOO_LARGE, "the repository has too many folders or units")
                .remedy("Split the repository, or give the account a smaller folder."));
        }
        let has = |test: &dyn Fn(&str) -> bool| {
            entries.iter().any(|entry| matches!(entry.kind, EntryKind::File { .. }) && test(&entry.name))
        };
        if wanted.is_match(&folder) && has(&module::is_code) && !has(&is_config_file) {
            found.push(folder.clone());
        }
        let folders = entries.iter().filter(|entry| entry.kind == EntryKind::Dir);
        let folders = folders.filter(|entry| !LEFT_BEHIND.contains(&entry.name.as_str()));
        left.extend(folders.map(|entry| path::child(&folder, &entry.name)));
    }
    found.sort();
    Ok(found)
}

/// The states that the code of a folder keeps, and those that it reads. What does not parse says nothing here; the tool
/// will say what is wrong with it.
fn states_in(reader: &Reader, folder: &str) -> Result<(Vec<State>, Vec<State>), Fault> {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for entry in reader.list(folder)?.unwrap_or_default() {
        let file = path::child(folder, &entry.name);
        if !module::is_code(&entry.name) {
            continue;
        }
        if !entry.name.ends_with(".json") {
            if let Some(file) = reader.hcl(&file).unwrap_or(None) {
                let (kept, read) = states_of(&file, folder);
                own.extend(kept);
                others.extend(read);
            }
            continue;
        }
        let bytes = reader.bytes(&file).unwrap_or(None);
        let bytes = bytes.filter(|bytes| bytes.len() <= reader.limits().hcl.file_bytes);
        let text = bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
        if let Some(found) = text.and_then(json_code::backends) {
            let state = |(backend, literal): (String, BTreeMap<String, String>)| state(backend, &literal, folder);
            own.extend(found.own.into_iter().filter_map(state));
            others.extend(found.read.into_iter().filter_map(state));
        }
    }
    Ok((own, others))
}

/// The state that a file's code keeps, and those that it reads.
fn states_of(file: &File, folder: &str) -> (Option<State>, Vec<State>) {
    let blocks = |body: &'_ Body, kind: &'static str| -> Vec<portcullis_hcl::hcl_edit::structure::Block> {
        body.blocks().filter(|block| block.ident.as_str() == kind).cloned().collect()
    };
    let own = blocks(file.body(), "terraform").iter().flat_map(|block| blocks(&block.body, "backend")).next();
    let own = own.and_then(|block| {
        let backend = block.labels.first()?.as_str().to_owned();
        let literal = block
            .body
            .attributes()
            .filter_map(|attribute| Some((attribute.key.as_str().to_owned(), text(&attribute.value)?)));
        state(backend, &literal.collect(), folder)
    });
    let mut others = Vec::new();
    for block in blocks(file.body(), "data") {
        if block.labels.first().is_none_or(|label| label.as_str() != "terraform_remote_state") {
            continue;
        }
        let attribute = |name: &str| block.body.get_attribute(name).map(|attribute| &attribute.value);
        let Some(backend) = attribute("backend").and_then(text) else { continue };
        let mut literal = BTreeMap::new();
        if let Some(Expression::Object(object)) = attribute("config") {
            for (key, value) in object {
                let key = match key {
                    ObjectKey::Ident(name) => name.as_str().to_owned(),
                    ObjectKey::Expression(Expression::Variable(name)) => name.as_str().to_owned(),
                    ObjectKey::Expression(key) => text(key).unwrap_or_default(),
                };
                literal.extend(text(value.expr()).map(|text| (key, text)));
            }
        }
        others.extend(state(backend, &literal, folder));
    }
    (own, others)
}

/// What tells the states of a backend apart. `None` when one of it is not literal.
fn state(backend: String, literal: &BTreeMap<String, String>, folder: &str) -> Option<State> {
    let keys: &[&str] = match backend.as_str() {
        "s3" => &["bucket", "key"],
        "gcs" => &["bucket", "prefix"],
        "azurerm" => &["storage_account_name", "container_name", "key"],
        "http" => &["address"],
        "consul" => &["path"],
        "kubernetes" => &["secret_suffix"],
        "pg" => &["conn_str", "schema_name"],
        "local" => {
            let named = literal.get("path").map_or("terraform.tfstate", String::as_str);
            let file = path::resolve(folder, named).ok()?;
            return Some((backend, BTreeMap::from([("path".to_owned(), file)])));
        }
        _ => return None,
    };
    let found: Option<BTreeMap<String, String>> =
        keys.iter().map(|key| Some(((*key).to_owned(), literal.get(*key)?.clone()))).collect();
    Some((backend, found?))
}

fn text(expression: &Expression) -> Option<String> {
    match expression {
        Expression::String(text) => Some(text.value().as_str().to_owned()),
        _ => None,
    }
}
