//! The effective diff as text and as Markdown.

use std::fmt::Write as _;

use owo_colors::OwoColorize;

use super::count;
use crate::cli::units::views::{DiffView, SharedChangeView};
use crate::render::terminal::plain;

/// Most units of a group that text names.
const NAMED: usize = 8;

/// The sentence that a reviewer looks for.
fn verdict(diff: &DiffView) -> String {
    let compared = format!(
        "{} compared: {} exact, {} inexact",
        count(diff.compared.exact + diff.compared.inexact, "unit"),
        diff.compared.exact,
        diff.compared.inexact
    );
    match diff.changed {
        0 if diff.broken.is_empty() => format!("No unit's effective configuration changes ({compared})."),
        0 => format!("No change is seen, but {} cannot be compared ({compared}).", count(diff.broken.len(), "unit")),
        1 => format!("The effective configuration of 1 unit changes ({compared})."),
        changed => format!("The effective configuration of {changed} units changes ({compared})."),
    }
}

/// `remote_state.config.encrypt false → true`.
fn change(change: &SharedChangeView, quote: &str) -> String {
    format!("{quote}{}{quote} {}", plain(&change.attribute), plain(&change.summary))
}

fn others(diff: &DiffView) -> [(&'static str, Vec<String>); 4] {
    let moved = diff.moved.iter().map(|moved| format!("{} → {}", moved.from, moved.to)).collect();
    [
        ("added", diff.added.clone()),
        ("deleted", diff.deleted.clone()),
        ("moved", moved),
        ("not comparable: cannot be evaluated at one of the two", diff.broken.clone()),
    ]
}

/// For a terminal.
pub fn text(diff: &DiffView) -> String {
    let mut text = String::new();
    for group in &diff.groups {
        let head = format!("{}:", count(group.units.len(), "unit"));
        let _ = writeln!(text, "{}", head.bold());
        for shared in &group.changes {
            let from = shared.from.as_ref().map_or_else(String::new, |from| format!("  ({})", plain(from)));
            let _ = writeln!(text, "  {}{}", change(shared, ""), from.dimmed());
        }
        let named: Vec<String> = group.units.iter().take(NAMED).map(|unit| plain(unit)).collect();
        let more = group.units.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let _ = writeln!(text, "  {}", format!("in {}{more}", named.join(", ")).dimmed());
    }
    for (what, units) in others(diff).iter().filter(|(_, units)| !units.is_empty()) {
        let _ = writeln!(text, "{} {what}:", count(units.len(), "unit").bold());
        units.iter().for_each(|unit| text.push_str(&format!("  {}\n", plain(unit))));
    }
    let _ = writeln!(text, "{}", verdict(diff).bold());
    text
}

/// For a comment on a change.
pub fn markdown(diff: &DiffView) -> String {
    let mut text = format!("**{}**\n", verdict(diff));
    for group in &diff.groups {
        let _ = writeln!(text, "\n<details><summary>{}</summary>\n", count(group.units.len(), "unit"));
        group.units.iter().for_each(|unit| text.push_str(&format!("- {}\n", code(unit))));
        text.push_str("\n</details>\n\n");
        for shared in &group.changes {
            let from = shared.from.as_ref().map_or_else(String::new, |from| format!(" ({})", code(from)));
            let _ = writeln!(text, "- {} {}{from}", code(&shared.attribute), code(&shared.summary));
        }
    }
    for (what, units) in others(diff).iter().filter(|(_, units)| !units.is_empty()) {
        let _ = writeln!(text, "\n{} {what}:\n", count(units.len(), "unit"));
        units.iter().for_each(|unit| text.push_str(&format!("- {}\n", code(unit))));
    }
    text
}

/// Text between as many backquotes as it takes, so that nothing in it is Markdown or HTML.
fn code(text: &str) -> String {
    let text = plain(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_cannot_be_left() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a`b``</details>"), "```a`b``</details>```");
        assert_eq!(code("`x"), "`` `x ``");
        assert_eq!(code("a\n\n# b"), "`a\\u{a}\\u{a}# b`");
    }
}
