//! Finding units: every folder with a `terragrunt.hcl`, or one in JSON. Links are not followed, as in Terragrunt, and folders
//! that tools leave behind are not entered.

use std::collections::BTreeMap;

use portcullis_model::{Code, Fault, Place, UnitPath};

use crate::config::{CONFIG_FILE, JSON_CONFIG_FILE, is_config_file};
use crate::path;
use crate::settings::Limits;
use crate::source::{EntryKind, Source};

/// Folders that tools leave behind. Never entered.
pub(crate) const LEFT_BEHIND: [&str; 3] = [".git", ".terraform", ".terragrunt-cache"];

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
        let mut configs = 0usize;
        for entry in &entries {
            let name = path::child(&folder, &entry.name);
            match entry.kind {
                // Shown with a sign in place of what is no UTF-8: nothing can name what is in it.
                EntryKind::Dir if entry.name.contains(char::REPLACEMENT_CHARACTER) => {
                    found.faults.push(
                        Fault::new(
                            Code::BAD_UNIT_PATH,
                            format!("{} is no UTF-8: no unit in it is known", path::quoted(&name)),
                        )
                        .at(Place::file(&folder))
                        .remedy("Rename the folder."),
                    );
                }
                EntryKind::Dir => {
                    seen += 1;
                    if !LEFT_BEHIND.contains(&entry.name.as_str()) {
                        left.push(name);
                    }
                }
                EntryKind::Submodule => {}
                EntryKind::File { .. } | EntryKind::Symlink => {
                    configs += usize::from(is_config_file(&entry.name));
                }
            }
        }
        if configs > 0 {
            match UnitPath::parse(&folder) {
                Ok(path) => {
                    found.folders.insert(path, (configs > 1).then(|| twice(&folder)));
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

/// `find` of Terragrunt takes the one, a run the other.
fn twice(folder: &str) -> Fault {
    Fault::new(Code::UNKNOWN_BLOCK, format!("the folder has a {CONFIG_FILE} and a {JSON_CONFIG_FILE}"))
        .at(Place::file(path::child(folder, JSON_CONFIG_FILE)))
        .remedy("Remove one of them.")
}
