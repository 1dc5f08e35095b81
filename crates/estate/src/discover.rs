//! Finding units: every folder with a `terragrunt.hcl`. Links are not followed, as in Terragrunt, and folders
//! that tools leave behind are not entered.

use std::collections::BTreeMap;

use portcullis_model::{Code, Fault, Place, UnitPath};

use crate::config::{CONFIG_FILE, unsupported_file};
use crate::path;
use crate::settings::Limits;
use crate::source::{EntryKind, Source};

/// Folders that tools leave behind. Never entered.
pub(crate) const LEFT_BEHIND: [&str; 3] = [".git", ".terraform", ".terragrunt-cache"];
/// Files next to a configuration that change its meaning, and are not understood yet.
const UNSUPPORTED: [&str; 1] = ["terragrunt.hcl.json"];

/// Folders with a configuration, each with what is wrong with it at first sight.
pub(crate) struct Discovered {
    pub(crate) folders: BTreeMap<UnitPath, Option<Fault>>,
    /// Folders that cannot be units because of their names.
    pub(crate) faults: Vec<Fault>,
}

/// Walks `within`. A folder that does not exist has no units.
pub(crate) fn discover(source: &dyn Source, limits: &Limits, within: &str) -> Result<Discovered, Fault> {
    let mut found = Discovered { folders: BTreeMap::new(), faults: Vec::new() };
    let mut left = vec![within.to_owned()];
    let mut seen = 0usize;
    while let Some(folder) = left.pop() {
        // A link on the way to the account's folder is no way in: the source follows none.
        let Some(entries) = source.list(&folder)? else { continue };
        let mut unit = false;
        let mut unsupported = None;
        for entry in &entries {
            let name = path::child(&folder, &entry.name);
            match entry.kind {
                EntryKind::Dir => {
                    seen += 1;
                    if !LEFT_BEHIND.contains(&entry.name.as_str()) {
                        left.push(name);
                    }
                }
                EntryKind::Submodule => {}
                EntryKind::File { .. } | EntryKind::Symlink => {
                    unit |= entry.name == CONFIG_FILE;
                    if UNSUPPORTED.contains(&entry.name.as_str()) && unsupported.is_none() {
                        unsupported = Some(unsupported_file(&name));
                    }
                }
            }
        }
        if unit || unsupported.is_some() {
            match UnitPath::parse(&folder) {
                Ok(path) => {
                    found.folders.insert(path, unsupported);
                }
                Err(fault) => found.faults.push(fault.at(Place::file(folder))),
            }
        }
        if seen > limits.entries || found.folders.len() > limits.units {
            return Err(Fault::new(Code::REPOSITORY_TOO_LARGE, "the repository has too many folders or units")
                .remedy("Split the repository, or give the account a smaller folder."));
        }
    }
    Ok(found)
}
