//! A fault as text: message and code, place with its line, notes, remedy.

use std::fmt::Write;

use owo_colors::OwoColorize;
use portcullis_model::{Fault, Place};

use super::terminal::plain;

/// The fault, with a line feed at its end.
pub fn text(fault: &Fault) -> String {
    let code = format!("[{}]", fault.code());
    let mut text = format!("{} {} {}\n", "error:".red().bold(), plain(fault.message()).bold(), code.dimmed());
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
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    let excerpt = plain(place.excerpt.trim_end());
    let _ = writeln!(text, "{margin}{} {shown}", "-->".blue().bold());
    let _ = writeln!(text, "{margin} {}", "|".blue().bold());
    let _ = writeln!(text, "{} {excerpt}", format!("{number} |").blue().bold());
    let before = usize::try_from(place.column).unwrap_or(0);
    if before > 0 && before <= excerpt.chars().count() + 1 {
        let _ = writeln!(text, "{margin} {} {}{}", "|".blue().bold(), " ".repeat(before - 1), "^".red().bold());
    }
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
        let place =
            Place { file: "dev/vpc/terragrunt.hcl".into(), line: 12, column: 3, excerpt: "  foo = bar()".into() };
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
