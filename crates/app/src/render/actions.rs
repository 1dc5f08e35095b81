//! Actions, their parameters, and what would become of a request, as text.

use std::fmt::Write as _;

use owo_colors::{OwoColorize, Style};
use portcullis_model::api::{ActionList, ActionView, Explanation, ParameterView};
use portcullis_model::parameter::Value;

use super::fault;
use super::next::Place;
use super::table::{self, Cell};
use super::terminal::{plain, shell_word};
use crate::outcome::fault_of;

fn cell(text: impl AsRef<str>) -> Cell {
    (plain(text.as_ref()), Style::new())
}

/// All actions as a table.
pub fn all(list: &ActionList) -> String {
    let who = list.principals.join(", ");
    let mut text = format!("Account {}, asked by {}.\n\n", plain(&list.account).bold(), plain(&who));
    let heading = ["ACTION", "AT", "PARAMETERS", ""];
    let mut rows: Vec<Vec<Cell>> = vec![heading.map(|name| (name.to_owned(), Style::new().dimmed())).to_vec()];
    for action in &list.actions {
        let open = action.parameters.iter().filter(|parameter| !parameter.fixed);
        let names = if action.takes_units {
            "units".to_owned()
        } else {
            open.map(|one| one.name.clone()).collect::<Vec<_>>().join(", ")
        };
        let remark = match &action.not_offered_because {
            Some(why) => format!("not offered yet: {why}"),
            None => action.description.clone(),
        };
        rows.push(vec![cell(action.name.as_str()), cell(&action.commits), cell(names), cell(remark)]);
    }
    text.push_str(&table::text(&rows, ""));
    text
}

/// One action with all that can be sent with it.
pub fn one(list: &ActionList, place: &Place) -> String {
    list.actions.iter().map(|action| action_text(action, place)).collect()
}

fn action_text(action: &ActionView, place: &Place) -> String {
    let mut text = format!("{}\n", plain(action.name.as_str()).bold());
    if !action.description.is_empty() {
        let _ = writeln!(text, "  {}", plain(&action.description));
    }
    let _ = writeln!(text, "  At {}.", plain(&action.commits));
    if let Some(why) = &action.not_offered_because {
        let _ = writeln!(text, "  {} {}.", "Not offered yet:".yellow(), plain(why));
    }
    for parameter in &action.parameters {
        text.push_str(&parameter_text(parameter));
    }
    if action.offered {
        let _ = writeln!(text, "\n    {}", command(action, place));
    }
    text
}

fn parameter_text(parameter: &ParameterView) -> String {
    let when = match (&parameter.value, parameter.fixed, parameter.required) {
        (Some(value), true, _) => format!("is {}, fixed by the account", shown(value)),
        (None, true, _) => "may not be given".to_owned(),
        (Some(value), false, _) => format!("{} if it is left out", shown(value)),
        (None, false, true) => "required".to_owned(),
        (None, false, false) => "may be left out".to_owned(),
    };
    let mut text = format!("\n  {} {} ({})\n", plain(&parameter.name).bold(), plain(&parameter.kind), plain(&when));
    if !parameter.description.is_empty() {
        let _ = writeln!(text, "    {}", plain(&parameter.description));
    }
    if !parameter.fixed {
        let _ = writeln!(text, "    Takes {}.", plain(&parameter.takes));
        let _ = writeln!(text, "    Such as {}", plain(&shown(&parameter.example)));
    }
    text
}

fn shown(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The command that asks for it, with examples for what it needs.
fn command(action: &ActionView, place: &Place) -> String {
    let example = &action.example;
    let mut text = format!(
        "portcullis trigger {} --repository {} --ref {}",
        shell_word(&example.action),
        shell_word(&example.repository),
        shell_word(&example.reference)
    );
    for parameter in action.parameters.iter().filter(|parameter| parameter.required) {
        let given = match parameter.example.single() {
            Some(single) => format!("{}={single}", parameter.name),
            None => format!("{}:={}", parameter.name, shown(&parameter.example)),
        };
        let _ = write!(text, " --param {}", shell_word(&given));
    }
    text.push_str(&place.options);
    text
}

/// What would become of a request.
pub fn explanation(action: &str, explained: &Explanation) -> String {
    let who = format!("  As     {}\n", plain(&explained.principals.join(", ")));
    if let Some(problem) = &explained.problem {
        let heading = format!("{} would be {}.\n{who}", plain(action).bold(), "refused".red().bold());
        return format!("{heading}{}", fault::text(&fault_of(problem.clone())));
    }
    let mut text = format!("{} would be {}.\n{who}", plain(action).bold(), "accepted".green().bold());
    let _ = writeln!(text, "  Why    {}", plain(&explained.reason));
    if let Some(commit) = &explained.commit {
        let _ = writeln!(text, "  At     {}", commit.short());
    }
    if !explained.argv.is_empty() {
        let words: Vec<String> = explained.argv.iter().map(|word| shell_word(word)).collect();
        let _ = writeln!(text, "  Runs   {}", words.join(" "));
    }
    text.push_str("Nothing was started.\n");
    text
}
