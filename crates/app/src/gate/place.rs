//! Where a unit may be: inside of the account's folder, and there by its own path.

use portcullis_estate::{Entry, Source};
use portcullis_model::{Code, Fault, UnitPath};

use super::rules::Rules;

/// The unit is in the account's folder.
pub(super) fn inside(unit: &UnitPath, rules: &Rules) -> Result<(), Fault> {
    if unit.is_within(&rules.folder) {
        return Ok(());
    }
    Err(Fault::new(
        Code::UNIT_OUTSIDE_ACCOUNT,
        format!("the unit `{unit}` is not in `{}`, the folder of account `{}`", rules.folder, rules.account),
    )
    .remedy("Ask the runner of the account that the unit belongs to."))
}

/// The file of a stack.
const STACK_FILE: &str = "terragrunt.stack.hcl";

/// The unit's folder is there at the commit, and no part of its path is a symbolic link. Below a stack it may be one that
/// the stack generates: the run finds out.
pub(super) fn exists(source: &dyn Source, unit: &UnitPath) -> Result<(), Fault> {
    let unknown = || {
        Fault::new(Code::UNIT_UNKNOWN, format!("there is no unit `{unit}` at that commit"))
            .remedy("`portcullis units list` shows the units of a checkout.")
    };
    if unit.as_str() == "." {
        return Ok(());
    }
    let ends = unit.as_str().match_indices('/').map(|(at, _)| at).chain([unit.as_str().len()]);
    for end in ends {
        let part = unit.as_str().get(..end).unwrap_or_default();
        match source.read(part)? {
            Some(Entry::Dir) => {}
            Some(Entry::Symlink { .. }) => {
                return Err(Fault::new(
                    Code::UNIT_PATH_SYMLINK,
                    format!("`{part}` on the way to the unit is a symbolic link"),
                )
                .remedy("Name the folder that the link leads to."));
            }
            _ if below_a_stack(source, unit.as_str(), end)? => return Ok(()),
            _ => return Err(unknown()),
        }
    }
    Ok(())
}

/// Whether one of the folders above what ends there has a stack's file.
fn below_a_stack(source: &dyn Source, path: &str, end: usize) -> Result<bool, Fault> {
    let above = path
        .get(..end)
        .unwrap_or_default()
        .match_indices('/')
        .map(|(at, _)| format!("{}/", path.get(..at).unwrap_or_default()));
    for folder in above.chain([String::new()]) {
        if matches!(source.read(&format!("{folder}{STACK_FILE}"))?, Some(Entry::File { .. })) {
            return Ok(true);
        }
    }
    Ok(false)
}
