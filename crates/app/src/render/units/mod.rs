//! Units as text for people: the list, configuration as HCL, the graph.

pub mod diff;
pub mod graph;
pub mod hcl;
pub mod svg;

use std::collections::BTreeMap;

use owo_colors::OwoColorize;

use super::terminal::plain;
use crate::cli::units::views::{AffectedView, ExplainedView, OrderView, UnitView};

/// Most units that one line names.
const NAMED: usize = 5;

/// The list, one line for each unit, and a line with the sum.
pub fn list(units: &[UnitView]) -> String {
    let mut rows = vec![["UNIT".to_owned(), "DEPENDS ON".to_owned(), "READS".to_owned(), "CONFIGURATION".to_owned()]];
    for unit in units {
        let mut state = if unit.exact { "exact".to_owned() } else { format!("inexact: {}", because(unit)) };
        if let Some(exclude) = &unit.exclude {
            state.push_str(&format!(", excluded from {}", plain(&exclude.actions.join(", "))));
        }
        rows.push([plain(&unit.path), unit.dependencies.len().to_string(), unit.reads.len().to_string(), state]);
    }
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..3).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for (index, [path, dependencies, reads, state]) in rows.iter().enumerate() {
        let [first, second, third] = [0, 1, 2].map(|column| widths.get(column).copied().unwrap_or(0));
        let line = format!("{path:<first$}  {dependencies:>second$}  {reads:>third$}  {state}");
        let line = if index == 0 { line.bold().to_string() } else { line };
        text.push_str(&line);
        text.push('\n');
    }
    let exact = units.iter().filter(|unit| unit.exact).count();
    text.push_str(&format!("{}, {exact} exact, {} inexact\n", count(units.len(), "unit"), units.len() - exact));
    text
}

fn because(unit: &UnitView) -> String {
    let more = if unit.inexact_because.len() > 1 { ", …" } else { "" };
    format!("{}{more}", plain(unit.inexact_because.first().map_or("", String::as_str)))
}

/// `1 unit`, `2 units`.
pub fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// A line that names the units that a fault breaks; empty when it is about none.
pub fn breaks(units: &[String]) -> String {
    named(&"breaks:".red().to_string(), units)
}

/// The units that a note is about.
pub fn concerns(units: &[String]) -> String {
    named(&"in:".cyan().to_string(), units)
}

fn named(heading: &str, units: &[String]) -> String {
    if units.is_empty() {
        return String::new();
    }
    let named: Vec<String> = units.iter().take(NAMED).map(|unit| plain(unit)).collect();
    let more = if units.len() > NAMED { ", …" } else { "" };
    format!("  {heading} {}: {}{more}\n", count(units.len(), "unit"), named.join(", "))
}

/// The units that a change affects, each with its reasons, and a line with the sum of an estate of `all` units.
pub fn affected(units: &[AffectedView], all: usize) -> String {
    if units.is_empty() {
        return format!("no unit is affected ({})\n", count(all, "unit"));
    }
    let mut text = String::new();
    for unit in units {
        let (sign, why) = match unit.why {
            "added" => ("+".green().to_string(), unit.why),
            "deleted" => ("-".red().to_string(), unit.why),
            "downstream" => ("·".dimmed().to_string(), unit.why),
            _ => ("~".yellow().to_string(), unit.why),
        };
        text.push_str(&format!("{sign} {} {}\n", plain(&unit.path).bold(), format!("({why})").dimmed()));
        for reason in &unit.because {
            text.push_str(&format!("    {}\n", plain(reason)));
        }
    }
    text.push_str(&format!("{} of {all} affected\n", count(units.len(), "unit")));
    text
}

/// The order by level, and the longest chain of units that wait for each other.
pub fn order(units: &[OrderView]) -> String {
    let mut levels: BTreeMap<usize, Vec<&OrderView>> = BTreeMap::new();
    units.iter().for_each(|unit| levels.entry(unit.level).or_default().push(unit));
    let mut text = String::new();
    for (level, units) in &levels {
        text.push_str(&format!("{} {}\n", format!("level {level}:").bold(), count(units.len(), "unit").dimmed()));
        units.iter().for_each(|unit| text.push_str(&format!("  {}\n", plain(&unit.path))));
    }
    let critical: Vec<String> = units.iter().filter(|unit| unit.critical).map(|unit| plain(&unit.path)).collect();
    if critical.len() > 1 {
        let head = format!("critical path ({}):", count(critical.len(), "unit"));
        text.push_str(&format!("{} {}\n", head.bold(), critical.join(" → ")));
    }
    text
}

/// Attributes with their places, and what they replaced.
pub fn explained(attributes: &[ExplainedView]) -> String {
    let mut text = String::new();
    for attribute in attributes {
        let value = plain(&attribute.value.to_string());
        text.push_str(&format!("{} = {value}\n    {}\n", plain(&attribute.attribute).bold(), plain(&attribute.from)));
        for replaced in &attribute.replaced {
            let line = format!("replaces {} of {}", plain(&replaced.value.to_string()), plain(&replaced.from));
            text.push_str(&format!("    {}\n", line.dimmed()));
        }
    }
    text
}

/// What a check found in all.
pub fn checked(units: usize, problems: usize) -> String {
    match problems {
        0 => format!("nothing is wrong ({})\n", count(units, "unit")),
        _ => format!("{} found ({})\n", count(problems, "problem"), count(units, "unit")),
    }
}
