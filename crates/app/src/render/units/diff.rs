//! The effective diff as text and as Markdown.

use std::fmt::Write as _;

use owo_colors::OwoColorize;

use super::count;
use crate::cli::units::views::{DiffView, SharedChangeView};
use crate::render::terminal::plain;

/// Most units of a group that text names.
const NAMED: usize = 8;

/// Most lines of one list in a comment.
const LISTED: usize = 40;
/// Most characters of one name or value in a comment.
const CODE_MAX: usize = 120;
/// Bytes of a comment after which no further group of changes is begun. A group and the lists at the end stay well below
/// what forges take (65,536 characters on GitHub) above it.
const COMMENT_BYTES: usize = 12_000;

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

/// For a comment on a change. What does not fit into one is counted: forges refuse comments that are too long.
pub fn markdown(diff: &DiffView) -> String {
    let mut text = format!("**{}**\n", verdict(diff));
    for (index, group) in diff.groups.iter().enumerate() {
        if text.len() > COMMENT_BYTES {
            let left = count(diff.groups.len() - index, "more group");
            let _ = writeln!(text, "\n{left} of changes: see `portcullis units diff`.");
            break;
        }
        let _ = writeln!(text, "\n<details><summary>{}</summary>\n", count(group.units.len(), "unit"));
        bullets(&mut text, group.units.iter().map(|unit| code(unit)));
        text.push_str("\n</details>\n\n");
        let change = |shared: &SharedChangeView| {
            let from = shared.from.as_ref().map_or_else(String::new, |from| format!(" ({})", code(from)));
            format!("{} {}{from}", code(&shared.attribute), code(&shared.summary))
        };
        bullets(&mut text, group.changes.iter().map(change));
    }
    for (what, units) in others(diff).iter().filter(|(_, units)| !units.is_empty()) {
        let _ = writeln!(text, "\n{} {what}:\n", count(units.len(), "unit"));
        bullets(&mut text, units.iter().map(|unit| code(unit)));
    }
    text
}

/// A list, cut where it is long.
fn bullets(text: &mut String, lines: impl ExactSizeIterator<Item = String>) {
    let more = lines.len().saturating_sub(LISTED);
    for line in lines.take(LISTED) {
        let _ = writeln!(text, "- {line}");
    }
    if more > 0 {
        let _ = writeln!(text, "- and {more} more");
    }
}

/// Text between as many backquotes as it takes, so that nothing in it is Markdown, HTML or a mention of somebody.
pub(crate) fn code(text: &str) -> String {
    let text = plain(text);
    match text.char_indices().nth(CODE_MAX) {
        Some((end, _)) => whole_code(&format!("{}…", text.get(..end).unwrap_or_default())),
        None => whole_code(&text),
    }
}

/// As [`code`], however long it is.
pub(crate) fn whole_code(text: &str) -> String {
    let text = plain(text);
    let text = if text.is_empty() { " ".to_owned() } else { text };
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::units::views::GroupView;

    #[test]
    fn markdown_cannot_be_left() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a`b``</details>"), "```a`b``</details>```");
        assert_eq!(code("`x"), "`` `x ``");
        assert_eq!(code("a\n\n# b"), "`a\\u{a}\\u{a}# b`");
        assert_eq!(code(""), "` `");
        assert_eq!(code("@acme/owners <img src=x>"), "`@acme/owners <img src=x>`");
    }

    /// What CommonMark makes of a text, without its code spans: nothing of a value may be left in it.
    fn outside_of_code(text: &str) -> String {
        let (mut rest, mut outside) = (text, String::new());
        while let Some(start) = rest.find('`') {
            outside.push_str(&rest[..start]);
            let run = rest[start..].chars().take_while(|c| *c == '`').count();
            let inner = &rest[start + run..];
            let fence = "`".repeat(run);
            let end = inner
                .match_indices(&fence)
                .find(|(at, _)| !inner[..*at].ends_with('`') && !inner[at + run..].starts_with('`'));
            let (at, _) = end.expect("a code span without an end");
            rest = &inner[at + run..];
        }
        outside + rest
    }

    #[test]
    fn a_comment_holds_nothing_of_hostile_values_and_is_not_too_long() {
        let hostile = [
            "`",
            "``",
            "a`b",
            "` @acme <b>",
            "\n# @acme",
            "</details>@acme",
            "[x](http://evil)@acme",
            "",
            "\u{202e}@acme",
        ];
        let change = |text: &str| SharedChangeView {
            attribute: format!("inputs[{text:?}]{text}{}", "z".repeat(500)),
            before: None,
            after: None,
            summary: text.repeat(200),
            from: Some(format!("{text}{}:1", "y".repeat(500))),
        };
        let group = |index: usize| GroupView {
            units: (0..400).map(|unit| format!("{}{index}/{unit}{}", hostile[index % 9], "x".repeat(2000))).collect(),
            changes: (0..100).map(|at| change(hostile[at % 9])).collect(),
        };
        let diff = DiffView {
            changed: 400,
            compared: crate::cli::units::views::ComparedView { exact: 1, inexact: 0 },
            groups: (0..300).map(group).collect(),
            added: hostile.iter().cycle().take(900).map(|text| format!("{text}/u")).collect(),
            deleted: Vec::new(),
            moved: Vec::new(),
            broken: Vec::new(),
        };
        let text = markdown(&diff);
        assert!(text.chars().count() < 65_536, "{}", text.len());
        assert!(text.contains("more groups of changes") && text.contains("- and 360 more"), "{text}");
        let outside = outside_of_code(&text);
        assert!(!outside.contains('@') && !outside.contains("<b>") && !outside.contains("evil"), "{outside}");
        assert_eq!(outside.matches("<details>").count(), outside.matches("</details>").count());
    }
}
