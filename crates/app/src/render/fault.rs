//! A fault as text: message and code, place with its line, notes, remedy.

use std::fmt::Write;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use owo_colors::OwoColorize;
use portcullis_model::{Fault, Place};

use super::terminal::plain;

/// The fault, with a line feed at its end.
pub fn text(fault: &Fault) -> String {
    with_heading(&"error:".red().bold().to_string(), fault)
}

/// The same for what stops nothing.
pub fn note(fault: &Fault) -> String {
    with_heading(&"note:".cyan().bold().to_string(), fault)
}

fn with_heading(heading: &str, fault: &Fault) -> String {
    let code = format!("[{}]", fault.code());
    let mut text = format!("{heading} {} {}\n", plain(fault.message()).bold(), code.dimmed());
    if let Some(place) = fault.place() {
        add_place(&mut text, place);
    }
    for note in fault.notes() {
        let _ = writeln!(text, "  {} {}", "note:".cyan(), plain(note));
    }
    if let Some(remedy) = fault.remedy_text() {
        let _ = writeln!(text, "  {} {}", "help:".green(), plain(remedy));
    }
    text
}

fn add_place(text: &mut String, place: &Place) {
    let shown = plain(&place.to_string());
    if place.line == 0 || place.excerpt.is_empty() {
        let _ = writeln!(text, "  {} {shown}", "-->".blue().bold());
        return;
    }
    let (excerpt, at) = excerpt(place);
    let line = usize::try_from(place.line).unwrap_or(usize::MAX);
    let mut snippet = Snippet::source(&*excerpt).line_start(line).fold(false);
    if let Some(at) = at {
        let length = excerpt.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        snippet = snippet.annotation(AnnotationKind::Primary.span(at..at + length));
    }
    // The arrow is not left to the library: it counts columns in what is shown, which may be a part of the line.
    let margin = " ".repeat(place.line.to_string().len());
    let _ = writeln!(text, "{margin}{} {shown}", "-->".blue().bold());
    text.push_str(&Renderer::styled().render(&[Group::with_level(Level::ERROR).element(snippet)]));
    text.push('\n');
}

/// The source line, safe to show, and where in it the column is.
fn excerpt(place: &Place) -> (String, Option<usize>) {
    let before = place.column.checked_sub(place.excerpt_column).and_then(|before| usize::try_from(before).ok());
    let end = before.and_then(|before| match place.excerpt.char_indices().nth(before) {
        Some((end, _)) => Some(end),
        None if place.excerpt.chars().count() == before => Some(place.excerpt.len()),
        None => None,
    });
    let Some(end) = end else { return (plain(&place.excerpt), None) };
    let (start, rest) = place.excerpt.split_at(end);
    let mut shown = plain(start);
    let at = shown.len();
    shown.push_str(&plain(rest));
    (shown, Some(at))
}

#[cfg(test)]
mod tests {
    use portcullis_model::Code;

    use super::*;

    fn shown(fault: &Fault) -> String {
        anstream::adapter::strip_str(&text(fault)).to_string()
    }

    #[test]
    fn a_fault_shows_where_why_and_what_to_do() {
        let place = Place::line("dev/vpc/terragrunt.hcl", 12, 3, "  foo = bar()");
        let fault = Fault::new(Code::HCL_UNKNOWN_FUNCTION, "there is no function `bar`")
            .at(place)
            .note("included by dev/terragrunt.hcl:3:1")
            .remedy("Did you mean `abs`?");
        insta::assert_snapshot!(shown(&fault), @r"
        error: there is no function `bar` [PC-0403]
          --> dev/vpc/terragrunt.hcl:12:3
           |
        12 |   foo = bar()
           |   ^
          note: included by dev/terragrunt.hcl:3:1
          help: Did you mean `abs`?
        ");
    }

    fn at(column: u32, excerpt: &str) -> String {
        shown(&Fault::new(Code::HCL_SYNTAX, "no").at(Place::line("a.hcl", 7, column, excerpt)))
    }

    #[test]
    fn the_mark_stands_under_its_column_whatever_is_before_it() {
        let all = [
            at(7, "\t\ta =\t]"),
            at(11, "a = \"日本語\" ]"),
            at(9, "a = \"\u{202e}\" ]"),
            at(13, "a = \"\u{1b}[31m\" ]"),
            at(4, "a ="),
            at(99, "a ="),
        ];
        insta::assert_snapshot!(all.concat(), @r#"
        error: no [PC-0400]
         --> a.hcl:7:7
          |
        7 |   a = ]
          |       ^
        error: no [PC-0400]
         --> a.hcl:7:11
          |
        7 | a = "日本語" ]
          |              ^
        error: no [PC-0400]
         --> a.hcl:7:9
          |
        7 | a = "\u{202e}" ]
          |                ^
        error: no [PC-0400]
         --> a.hcl:7:13
          |
        7 | a = "\u{1b}[31m" ]
          |                  ^
        error: no [PC-0400]
         --> a.hcl:7:4
          |
        7 | a =
          |    ^
        error: no [PC-0400]
         --> a.hcl:7:99
          |
        7 | a =
          |
        "#);
    }

    #[test]
    fn of_a_long_line_the_part_with_the_mark_is_shown() {
        let part = |excerpt: String| Place { excerpt_column: 101, ..Place::line("a.hcl", 7, 121, excerpt) };
        let shown_at = |excerpt: String| shown(&Fault::new(Code::HCL_SYNTAX, "no").at(part(excerpt)));
        insta::assert_snapshot!(shown_at(format!("{}] # yes", "x".repeat(20))), @r"
        error: no [PC-0400]
         --> a.hcl:7:121
          |
        7 | xxxxxxxxxxxxxxxxxxxx] # yes
          |                     ^
        ");
        let long = shown_at(format!("{}]{}", "x".repeat(20), "y".repeat(179)));
        assert!(long.contains("x]y") && long.lines().all(|line| line.len() < 160), "{long}");
    }

    #[test]
    fn a_fault_without_a_line_shows_the_file() {
        let fault = Fault::new(Code::FLEET_MISSING, "there is no `portcullis.hcl`").at(Place::file("portcullis.hcl"));
        insta::assert_snapshot!(shown(&fault), @r"
        error: there is no `portcullis.hcl` [PC-0507]
          --> portcullis.hcl
        ");
    }

    #[test]
    fn a_fault_cannot_steer_the_terminal() {
        let fault = Fault::new(Code::DENIED, "x\u{1b}]0;t\u{7}\ny").remedy("a\rb");
        assert!(!shown(&fault).trim_end().trim_start_matches("error:").contains(['\u{1b}', '\u{7}', '\r']));
    }
}
