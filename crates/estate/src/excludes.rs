//! `.terragrunt-excludes`: units that a run of all units leaves out, one filter of Terragrunt's on a line. It counts in
//! the folder that the estate was loaded for, where such a run would be started.
//!
//! Its units stay in the estate, as if each had an `exclude` block for every action: a unit that were gone would
//! have to be destroyed. Understood are paths, names, `name=…` and `type=unit`; filters that ask for the graph, for git
//! or for what a unit reads are told as faults.

use std::sync::Arc;

use portcullis_model::{Code, Fault, Place, UnitPath};
use regex::Regex;

use crate::config::glob;
use crate::estate::Units;
use crate::evaluate;
use crate::path;
use crate::settings::Settings;
use crate::source::{Entry, Source};
use crate::unit::Exclude;

/// The file.
const EXCLUDES_FILE: &str = ".terragrunt-excludes";
/// What the part of a digest is called that stands for an exclusion by the file.
const PART: &str = "exclude by .terragrunt-excludes";
/// Most filters: each is held against every unit.
const FILTERS_MAX: usize = 1000;
/// Signs with a meaning in a filter.
const SIGNS: [char; 10] = ['!', '|', '=', '{', '}', '[', ']', '(', ')', '^'];

/// A line of the file.
struct Filter {
    what: What,
    /// Whether the unit's name is matched, not its path.
    name: bool,
    place: Place,
}

enum What {
    Every,
    Matching(Regex),
}

/// Marks the units that the file leaves out.
///
/// Answers faults of lines that are not understood.
///
/// # Errors
/// When the source cannot be read.
pub(crate) fn apply(source: &dyn Source, settings: &Settings, units: &mut Units) -> Result<Vec<Fault>, Fault> {
    let file = path::child(&settings.within, EXCLUDES_FILE);
    let Some(Entry::File { bytes, .. }) = source.read(&file)? else { return Ok(Vec::new()) };
    if bytes.len() > settings.limits.file_bytes {
        let message = format!("{file} has {} bytes, limit is {}", bytes.len(), settings.limits.file_bytes);
        let fault = Fault::new(Code::HCL_TOO_LARGE, message).at(Place::file(file));
        return Ok(vec![fault.remedy("Name folders by a pattern, or use `exclude` blocks.")]);
    }
    let (filters, faults) = read(&file, &String::from_utf8_lossy(&bytes));
    for (path, unit) in units.iter_mut() {
        let Ok(unit) = unit else { continue };
        let Some(filter) = filters.iter().find(|filter| filter.takes(&settings.within, path)) else { continue };
        let unit = Arc::make_mut(unit);
        unit.exclude = Some(Exclude {
            actions: vec!["all".to_owned()],
            dependencies: false,
            no_run: Some(false),
            place: filter.place.clone(),
        });
        unit.parts = unit.parts.with(PART, portcullis_model::Digest::of(b"all"));
        unit.input_digest = evaluate::input_digest(path, &unit.parts);
    }
    Ok(faults)
}

fn read(file: &str, text: &str) -> (Vec<Filter>, Vec<Fault>) {
    let (mut filters, mut faults) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let filter = line.trim();
        if filter.is_empty() || filter.starts_with('#') {
            continue;
        }
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let place = Place::line(file, number, 1, line.chars().take(200).collect::<String>());
        if filters.len() >= FILTERS_MAX {
            let message = format!("{file} has more than {FILTERS_MAX} filters; the rest is not looked at");
            faults.push(Fault::new(Code::HCL_TOO_LARGE, message).at(place).remedy("Name folders by a pattern."));
            break;
        }
        match parse(filter) {
            Ok(Some((what, name))) => filters.push(Filter { what, name, place }),
            // Leads out of the folder: there is no such unit here.
            Ok(None) => {}
            Err(why) => faults.push(
                Fault::new(Code::HCL_UNSUPPORTED, format!("the filter {} {why}", path::quoted(filter)))
                    .at(place)
                    .remedy("Name units by path, such as `./dev/**`, or give them an `exclude` block."),
            ),
        }
    }
    (filters, faults)
}

/// What a filter matches, and whether that is the name. As in Terragrunt's `internal/filter`.
fn parse(filter: &str) -> Result<Option<(What, bool)>, &'static str> {
    const UNKNOWN: &str = "is of a kind that is not supported";
    let (text, name) = match filter.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(inner) => (inner, false),
        None => match filter.split_once('=') {
            Some(("name", value)) => (value, true),
            Some(("type", "unit")) => return Ok(Some((What::Every, true))),
            Some(("type", "stack")) => return Ok(None),
            Some(_) => return Err(UNKNOWN),
            None => (filter, !(filter == "." || filter.contains('/'))),
        },
    };
    if text.is_empty() || text.contains(SIGNS) || text.contains("...") || text.starts_with('/') {
        return Err(UNKNOWN);
    }
    let pattern = if name { text.to_owned() } else { path::resolve(".", text).unwrap_or_default() };
    if pattern.is_empty() {
        return Ok(None);
    }
    glob(&pattern).map(|regex| Some((What::Matching(regex), name))).map_err(|_| "is no pattern")
}

impl Filter {
    fn takes(&self, within: &str, unit: &UnitPath) -> bool {
        match &self.what {
            What::Every => true,
            What::Matching(regex) if self.name => regex.is_match(path::name(unit.as_str())),
            What::Matching(regex) => regex.is_match(&path::relative(within, unit.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(line: &str, unit: &str) -> bool {
        let (filters, faults) = read("dev/.terragrunt-excludes", line);
        assert!(faults.is_empty(), "{faults:?}");
        filters.iter().any(|filter| filter.takes("dev", &UnitPath::parse(unit).unwrap()))
    }

    #[test]
    fn filters_take_units_as_in_terragrunt() {
        for (line, unit, expected) in [
            ("./web", "dev/web", true),
            ("web", "dev/apps/web", true),
            ("web", "dev/apps/web2", false),
            ("web*", "dev/apps/web2", true),
            ("apps/web", "dev/apps/web", true),
            ("apps/*", "dev/apps/a/b", false),
            ("apps/**", "dev/apps/a/b", true),
            ("{./apps/web}", "dev/apps/web", true),
            ("{web}", "dev/apps/web", false),
            ("name=web", "dev/apps/web", true),
            ("type=unit", "dev/apps/web", true),
            ("type=stack", "dev/apps/web", false),
            ("# ./web\r\n\r\n  ./db  \r\n", "dev/db", true),
            ("# ./web", "dev/web", false),
            ("../stage/web", "dev/web", false),
            (".", "dev", true),
        ] {
            assert_eq!(takes(line, unit), expected, "{line:?} {unit}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told_with_its_line() {
        for line in
            ["web...", "[main...HEAD]", "reading=root.hcl", "./a | ./b", "!web", "/srv/live/web", "{}", "./[", "name="]
        {
            let (filters, faults) = read(".terragrunt-excludes", &format!("# x\n{line}\n"));
            assert!(filters.is_empty(), "{line}");
            let place = faults[0].place().unwrap();
            assert_eq!((faults[0].code(), place.line, place.excerpt.as_str()), (Code::HCL_UNSUPPORTED, 2, line));
        }
        let (filters, faults) = read(".terragrunt-excludes", &"./x\n".repeat(100_000));
        assert_eq!((filters.len(), faults.len(), faults[0].code()), (FILTERS_MAX, 1, Code::HCL_TOO_LARGE));
    }
}
