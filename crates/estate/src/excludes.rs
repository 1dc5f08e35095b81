//! `.terragrunt-excludes`: units that a run of all units leaves out, one filter of Terragrunt's on a line. It counts in
//! the folder that the estate was loaded for, where such a run would be started.
//!
//! Its units stay in the estate, as if each had an `exclude` block for every action: a unit that were gone would
//! have to be destroyed. Understood are paths, names, `name=…`, `reading=…` and `type=unit`, and each of them with what depends on it
//! (`...web`) or it depends on (`web...`). What asks for something that a tree alone does not say (git), and what would
//! turn the line into its opposite (Terragrunt puts a `!` before it), is told as a fault.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
    graph: Option<Around>,
    place: Place,
}

enum What {
    Every,
    Name(Regex),
    Path(Regex),
    /// A file that the unit reads.
    Reading(Regex),
}

type Edges<'u> = BTreeMap<&'u UnitPath, Vec<&'u UnitPath>>;

/// Units around those that a filter takes: how far, if at all, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Around {
    dependents: Option<usize>,
    dependencies: Option<usize>,
    /// Whether those that it takes are not among them.
    without: bool,
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
    let mut taken: BTreeMap<UnitPath, &Filter> = BTreeMap::new();
    for filter in &filters {
        for path in filter.all(&settings.within, units) {
            taken.entry(path).or_insert(filter);
        }
    }
    for (path, unit) in units.iter_mut() {
        let (Ok(unit), Some(filter)) = (unit, taken.get(path)) else { continue };
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
            Ok(Some((what, graph))) => filters.push(Filter { what, graph, place }),
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

/// What a filter takes, and what around that. As in Terragrunt's `internal/filter`.
fn parse(filter: &str) -> Result<Option<(What, Option<Around>)>, &'static str> {
    const UNKNOWN: &str = "is of a kind that is not supported";
    if filter.contains('|') || filter.starts_with('!') {
        return Err("would take all but what it names: Terragrunt puts a `!` before the whole line");
    }
    if filter.contains('[') && filter.contains("...") || filter.starts_with('[') {
        return Err("asks git for a difference, which a commit by itself does not have");
    }
    if filter.contains('(') {
        return Err("has a boundary in parentheses, which is not supported");
    }
    let (filter, graph) = around(filter);
    let (text, of): (&str, fn(Regex) -> What) = match filter.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(inner) => (inner, What::Path),
        None => match filter.split_once('=') {
            Some(("name", value)) => (value, What::Name),
            Some(("reading", value)) => (value, What::Reading),
            Some(("type", "unit")) => return Ok(Some((What::Every, graph))),
            Some(("type", "stack")) => return Ok(None),
            Some(("source", _)) => return Err("asks for the text of a source, which is not supported"),
            Some(_) => return Err(UNKNOWN),
            None if filter == "." || filter.contains('/') => (filter, What::Path),
            None => (filter, What::Name),
        },
    };
    if text.is_empty() || text.contains(SIGNS) || text.contains("...") || text.starts_with('/') {
        return Err(UNKNOWN);
    }
    let a_name = matches!(of(Regex::new("").map_err(|_| UNKNOWN)?), What::Name(_));
    let pattern = if a_name { text.to_owned() } else { path::resolve(".", text).unwrap_or_default() };
    if pattern.is_empty() {
        return Ok(None);
    }
    glob(&pattern).map(|regex| Some((of(regex), graph))).map_err(|_| "is no pattern")
}

/// The ellipses of a filter taken off: `...x`, `2...x`, `x...`, `x...2`, and `^` before what is not itself meant.
fn around(filter: &str) -> (&str, Option<Around>) {
    let far = |digits: &str| match digits.parse() {
        _ if digits.is_empty() => Some(usize::MAX),
        Ok(0) => Some(usize::MAX),
        Ok(far) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(far),
        _ => None,
    };
    let mut around = Around { dependents: None, dependencies: None, without: false };
    let mut rest = filter;
    if let Some((digits, after)) = rest.split_once("...")
        && let Some(far) = far(digits)
    {
        (around.dependents, rest) = (Some(far), after);
    }
    if let Some(after) = rest.strip_prefix('^') {
        (around.without, rest) = (true, after);
    }
    if let Some((before, digits)) = rest.rsplit_once("...")
        && let Some(far) = far(digits)
    {
        (around.dependencies, rest) = (Some(far), before);
    }
    let any = around.without || around.dependents.is_some() || around.dependencies.is_some();
    (rest, any.then_some(around))
}

impl Filter {
    fn takes(&self, within: &str, path: &UnitPath, reads: &[String]) -> bool {
        match &self.what {
            What::Every => true,
            What::Name(regex) => regex.is_match(path::name(path.as_str())),
            What::Path(regex) => regex.is_match(&path::relative(within, path.as_str())),
            What::Reading(regex) => reads.iter().any(|read| regex.is_match(&path::relative(within, read))),
        }
    }

    /// All units that it leaves out.
    fn all(&self, within: &str, units: &Units) -> BTreeSet<UnitPath> {
        let taken = units.iter().filter(|(path, unit)| {
            let reads = unit.as_ref().map_or(&[] as &[String], |unit| &unit.reads);
            self.takes(within, path, reads)
        });
        let taken: BTreeSet<UnitPath> = taken.map(|(path, _)| path.clone()).collect();
        let Some(graph) = self.graph else { return taken };
        let mut found = if graph.without { BTreeSet::new() } else { taken.clone() };
        let (mut dependencies, mut dependents) = (Edges::new(), Edges::new());
        for (path, unit) in units {
            for dependency in unit.iter().flat_map(|unit| &unit.dependencies) {
                dependencies.entry(path).or_default().push(&dependency.target);
                dependents.entry(&dependency.target).or_default().push(path);
            }
        }
        for (edges, far) in [(&dependencies, graph.dependencies), (&dependents, graph.dependents)] {
            let Some(far) = far else { continue };
            let mut seen: BTreeSet<&UnitPath> = taken.iter().collect();
            let mut left: VecDeque<(&UnitPath, usize)> = taken.iter().map(|path| (path, 0)).collect();
            while let Some((path, steps)) = left.pop_front() {
                let next = edges.get(path).into_iter().flatten().filter(|_| steps < far);
                for next in next {
                    if seen.insert(next) {
                        found.insert((*next).clone());
                        left.push_back((next, steps + 1));
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(line: &str, unit: &str) -> bool {
        let (filters, faults) = read("dev/.terragrunt-excludes", line);
        assert!(faults.is_empty(), "{faults:?}");
        filters.iter().any(|filter| filter.takes("dev", &UnitPath::parse(unit).unwrap(), &["dev/root.hcl".to_owned()]))
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
            ("reading=root.hcl", "dev/web", true),
            ("reading=*.yaml", "dev/web", false),
        ] {
            assert_eq!(takes(line, unit), expected, "{line:?} {unit}");
        }
    }

    #[test]
    fn ellipses_are_taken_off_a_filter() {
        let all = Some(usize::MAX);
        for (filter, rest, dependents, dependencies, without) in [
            ("web...", "web", None, all, false),
            ("...web", "web", all, None, false),
            ("2...web...1", "web", Some(2), Some(1), false),
            ("...^./web...0", "./web", all, all, true),
            ("^web", "web", None, None, true),
        ] {
            assert_eq!(around(filter), (rest, Some(Around { dependents, dependencies, without })), "{filter}");
        }
        assert_eq!(around("./web.d/*"), ("./web.d/*", None));
    }

    #[test]
    fn what_is_not_understood_is_told_with_its_line() {
        for line in [
            "[main...HEAD]",
            "source=x",
            "external=true",
            "(dir)...web",
            "./a | ./b",
            "!web",
            "/srv/live/web",
            "{}",
            "./[",
            "name=",
            "a...b",
            "...",
        ] {
            let (filters, faults) = read(".terragrunt-excludes", &format!("# x\n{line}\n"));
            assert!(filters.is_empty(), "{line}");
            let place = faults[0].place().unwrap();
            assert_eq!((faults[0].code(), place.line, place.excerpt.as_str()), (Code::HCL_UNSUPPORTED, 2, line));
        }
        let (filters, faults) = read(".terragrunt-excludes", &"./x\n".repeat(100_000));
        assert_eq!((filters.len(), faults.len(), faults[0].code()), (FILTERS_MAX, 1, Code::HCL_TOO_LARGE));
    }
}
