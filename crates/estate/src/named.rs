//! Files that a unit's configuration names without reading them: marked as read, variable files, arguments of hooks,
//! paths that are handed to the module as inputs. What is in them can decide a plan, so they count by their content.
//!
//! A value names a file when it holds an absolute path of the repository (`/repo/…`, wherever in the text), or, in
//! arguments and hooks, a path relative to the unit's folder. Only what is there is counted; where nothing is, that
//! too was asked, so a file that appears later makes a difference.

use portcullis_hcl::{Kind, Value};
use portcullis_model::{Fault, UnitPath};

use crate::config::{Config, Section, Session, TERRAFORM_BLOCKS};
use crate::evaluate::Shared;
use crate::module::Files;
use crate::path;
use crate::reader::Found;
use crate::source::EntryKind;

/// What ends a path inside a longer text.
const ENDS: [char; 10] = [' ', '\t', '\n', '\r', '"', '\'', ',', ';', ':', '='];

/// The files.
///
/// # Errors
/// When the repository cannot be read.
pub(crate) fn named_files(
    shared: &Shared<'_>,
    session: &Session<'_>,
    config: &Config,
    unit: &UnitPath,
) -> Result<Files, Fault> {
    let mut texts = Texts { unit: unit.as_str(), found: session.contents() };
    config.inputs.iter().for_each(|inputs| texts.absolute(inputs));
    config.generate.iter().filter_map(|section| section.get("contents")).for_each(|text| texts.absolute(text));
    config.remote_state.iter().filter_map(|section| section.get("config")).for_each(|value| texts.absolute(value));
    for kind in TERRAFORM_BLOCKS {
        for section in config.terraform_blocks.get(kind).into_iter().flatten() {
            texts.section(section);
        }
    }
    let mut files = Files::new();
    for named in texts.found {
        // What a run would not find is no input; that it leads out of the repository is the tool's to refuse.
        let Ok(found) = shared.reader.find(&named) else { continue };
        match found {
            Some(Found { kind: EntryKind::Dir, .. }) if !path::is_within(unit.as_str(), &named) => {
                files.extend(shared.contents.all_below(shared.reader, &named)?);
            }
            Some(Found { kind: EntryKind::File { .. }, .. }) if !is_own_config(&named, unit) => {
                files.extend(shared.reader.digest(&named)?.map(|digest| (named, digest)));
            }
            _ => {}
        }
    }
    Ok(files)
}

/// A unit's own configuration counts by its meaning.
fn is_own_config(named: &str, unit: &UnitPath) -> bool {
    path::parent(named) == unit.as_str() && path::name(named).starts_with("terragrunt.")
}

struct Texts<'u> {
    unit: &'u str,
    /// Repository paths.
    found: std::collections::BTreeSet<String>,
}

impl Texts<'_> {
    /// Arguments and hooks: relative paths count as well, also behind `-var-file=`.
    fn section(&mut self, section: &Section) {
        for value in section.attributes.values() {
            self.absolute(value);
        }
        let names = ["arguments", "execute", "required_var_files", "optional_var_files"];
        for value in names.into_iter().filter_map(|name| section.get(name)).filter_map(Value::as_seq).flatten() {
            let Some(text) = value.as_str() else { continue };
            let text =
                text.split_once('=').filter(|(option, _)| option.starts_with('-')).map_or(text, |(_, path)| path);
            if !text.starts_with(['-', '/']) && text.contains(['/', '.']) {
                self.found.extend(path::resolve(self.unit, text));
            }
        }
    }

    /// Absolute paths of the repository, anywhere in the texts of a value.
    fn absolute(&mut self, value: &Value) {
        match value.kind() {
            Kind::String(text) => {
                for (start, _) in text.match_indices(path::ROOT) {
                    let rest = text.get(start..).unwrap_or_default();
                    let end = rest.find(ENDS).unwrap_or(rest.len());
                    self.found.extend(rest.get(..end).and_then(|named| path::resolve(".", named).ok()));
                }
            }
            Kind::Seq(_, elements) => elements.iter().for_each(|element| self.absolute(element)),
            Kind::Map(_, entries) => entries.values().for_each(|value| self.absolute(value)),
            _ => {}
        }
    }
}
