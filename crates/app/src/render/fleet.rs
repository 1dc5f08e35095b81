//! The fleet definition for people: findings, values with their layers, differences, rights.

use std::fmt::Write as _;

use owo_colors::{OwoColorize, Style};
use portcullis_fleet::{
    Access, AccountDiff, AssertChange, Change, Conditions, Finding, Fleet, FleetDiff, Kind, LayerName, Repeated,
    RightChange, Setting, Written,
};
use portcullis_model::api::DefinitionView;
use serde_json::Value as Json;

use super::table::{self, Cell};
use super::terminal::plain;
use super::units::count;
use super::units::diff::{code, whole_code};

/// What `fleet check` ends with.
pub fn check(fleet: Option<&Fleet>, warnings: &[Finding], faults: usize) -> String {
    let mut text = String::new();
    for warning in warnings {
        let _ = writeln!(text, "{} {}", "warning:".yellow().bold(), plain(&warning.message).bold());
        let _ = writeln!(text, "  {} {}", "-->".blue().bold(), plain(&warning.place.to_string()));
        let _ = writeln!(text, "  {} {}", "help:".green(), plain(&warning.remedy));
    }
    let Some(fleet) = fleet else {
        let _ = writeln!(text, "{}", format!("The definition is refused: {}.", count(faults, "fault")).red().bold());
        return text;
    };
    let rights = fleet.access().len();
    let verdict = format!(
        "Fleet `{}` is right: {}, {}, {}.",
        fleet.name(),
        count(fleet.accounts().len(), "account"),
        count(rights, "right"),
        count(warnings.len(), "warning")
    );
    let _ = writeln!(text, "{}", plain(&verdict).green().bold());
    text
}

/// `path = value` lines, aligned; with what each layer said when asked to explain.
pub fn show(settings: &[Setting], explain: bool) -> String {
    let none = Style::new();
    if !explain {
        let rows: Vec<Vec<Cell>> = settings
            .iter()
            .map(|setting| vec![(plain(&setting.path), none.cyan()), (literal(&setting.value), none)])
            .collect();
        return table::text(&rows, "");
    }
    let mut text = String::new();
    for setting in settings {
        let value = if setting.value.is_null() { "(taken away)".to_owned() } else { literal(&setting.value) };
        let _ = writeln!(text, "{} = {value}", plain(&setting.path).cyan());
        let mut rows: Vec<Vec<Cell>> =
            setting.written.iter().rev().enumerate().map(|(at, said)| row(at, said)).collect();
        if rows.is_empty() {
            rows.push(vec![("default".to_owned(), none.dimmed())]);
        }
        text.push_str(&table::text(&rows, "    "));
    }
    text
}

fn row(at: usize, said: &Written) -> Vec<Cell> {
    let what = match (at, said.appended) {
        (_, true) => format!("adds {}", literal(&said.value)),
        (0, false) => "said so".to_owned(),
        (_, false) => format!("said {}", literal(&said.value)),
    };
    let what = if said.value.is_null() { "took it away".to_owned() } else { what };
    let style = if at == 0 { Style::new() } else { Style::new().dimmed() };
    vec![(plain(&said.layer.to_string()), style), (plain(&what), style), (plain(&said.place.to_string()), style)]
}

/// A value as it would be written in HCL.
fn literal(value: &Json) -> String {
    match value {
        Json::Array(all) => {
            let texts: Vec<String> = all.iter().map(literal).collect();
            format!("[{}]", texts.join(", "))
        }
        other => plain(&other.to_string()),
    }
}

/// What a change means, for a terminal. An account that stays as it is has one line.
pub fn diff_text(diff: &FleetDiff) -> String {
    let mut text = String::new();
    for (name, account) in &diff.accounts {
        let name = plain(name.as_str());
        let head = match account.change {
            Change::Same => format!("{}  no change", name.bold()).dimmed().to_string(),
            Change::Changed => format!("{}  {}", name.bold(), "changes".yellow()),
            Change::Added => format!("{}  {}", name.bold(), "is new".green()),
            Change::Removed => format!("{}  {}", name.bold(), "is gone".red()),
        };
        let _ = writeln!(text, "{head}");
        for (sign, line) in lines(account) {
            let style = match sign {
                '+' => Style::new().green(),
                '-' => Style::new().red(),
                _ => Style::new().yellow(),
            };
            let _ = writeln!(text, "  {} {}", sign.style(style), plain(&line));
        }
    }
    if let Some((before, after)) = &diff.deploy_order {
        let list = |names: &[portcullis_model::AccountName]| {
            names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(text, "accounts are brought up in the order {}, before: {}", list(after), list(before));
    }
    for line in assert_lines(diff) {
        let _ = writeln!(text, "{}", plain(&line).yellow());
    }
    let _ = writeln!(text, "{}", verdict(diff).bold());
    text
}

/// What must hold no longer, or must hold now.
fn assert_lines(diff: &FleetDiff) -> Vec<String> {
    let line = |(name, change): (&String, &AssertChange)| match (change.before.is_null(), change.after.is_null()) {
        (true, _) => format!("must hold now: \"{name}\" {}", change.after),
        (_, true) => format!("must hold no longer: \"{name}\" {}", change.before),
        _ => format!("must hold: \"{name}\" {}, before: {}", change.after, change.before),
    };
    diff.asserts.iter().map(line).collect()
}

/// The sentence that a reviewer looks for.
fn verdict(diff: &FleetDiff) -> String {
    let named = |wanted: fn(&AccountDiff) -> bool| {
        let names = diff.accounts.iter().filter(|(_, account)| wanted(account));
        names.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    };
    let (other, same) = (named(|it| it.change != Change::Same), named(|it| it.change == Change::Same));
    let rights = named(|it| !it.rights.is_empty());
    let mut text = match other.len() {
        0 if diff.is_empty() => return format!("No account's effective definition changes ({} compared).", same.len()),
        0 => {
            let what = match (diff.deploy_order.is_some(), diff.asserts.is_empty()) {
                (true, true) => "their order does",
                (false, _) => "what must hold does",
                (true, false) => "their order and what must hold do",
            };
            format!("No account's effective definition changes ({} compared), but {what}", same.len())
        }
        _ => format!("The effective definition changes in {}", other.join(", ")),
    };
    if !other.is_empty() && !same.is_empty() {
        let _ = write!(text, "; not in {}", same.join(", "));
    }
    text.push_str(". ");
    if !diff.asserts.is_empty() && !other.is_empty() {
        text.push_str("What must hold changes. ");
    }
    if rights.is_empty() {
        text.push_str("Nobody gains or loses a right.");
    } else {
        let _ = write!(text, "Rights change in {}.", rights.join(", "));
    }
    text
}

/// What differs in an account, as signs and lines. Rights first: they are what matters most.
fn lines(account: &AccountDiff) -> Vec<(char, String)> {
    let mut lines: Vec<(char, String)> = account.rights.iter().flat_map(right_lines).collect();
    if account.change == Change::Removed {
        return lines;
    }
    for value in &account.values {
        let from = value.written.as_ref();
        let from = from.map_or_else(String::new, |said| format!("  ({}, {})", said.layer, said.place));
        lines.push(match (value.before.is_null(), value.after.is_null()) {
            (true, _) => ('+', format!("{} = {}{from}", value.path, literal(&value.after))),
            (_, true) => ('-', format!("{} = {}{from}", value.path, literal(&value.before))),
            _ => ('~', format!("{}: {} → {}{from}", value.path, literal(&value.before), literal(&value.after))),
        });
    }
    lines
}

fn right_lines(change: &RightChange) -> Vec<(char, String)> {
    match (&change.before, &change.after) {
        (_, None) => vec![('-', format!("{} no longer", change.right))],
        (None, Some(after)) => vec![('+', format!("{}, {}", change.right, conditions(after)))],
        (Some(before), Some(after)) => {
            vec![('~', format!("{}: before, {}; now, {}", change.right, conditions(before), conditions(after)))]
        }
    }
}

/// When a right is one.
fn conditions(conditions: &Conditions) -> String {
    let claims: Vec<String> =
        conditions.claims.iter().map(|(name, values)| format!("{name} is {}", values.join(" or "))).collect();
    let mut text = format!("if {}, by {}", claims.join(" and "), conditions.issuer);
    if !conditions.branches.is_empty() {
        let _ = write!(text, ", of {}", conditions.branches.join(" or "));
    }
    if let Some(unreviewed) = conditions.unreviewed {
        let word = serde_json::to_value(unreviewed).ok();
        let word = word.as_ref().and_then(Json::as_str).unwrap_or_default();
        let _ = write!(text, ", what nobody reviewed: {word}");
    }
    if let Some(approvals) = conditions.approvals.filter(|approvals| *approvals > 1) {
        let _ = write!(text, ", {approvals} approvals");
    }
    for unless in &conditions.unless {
        let words = unless.reason.as_deref().unwrap_or(&unless.forbids);
        let _ = write!(text, ", unless policy {} forbids it: {words}", unless.policy);
    }
    text
}

/// What a change means, for a comment on it.
pub fn diff_markdown(diff: &FleetDiff) -> String {
    let mut text = format!("**{}**\n", plain(&verdict(diff)));
    for (name, account) in diff.accounts.iter().filter(|(_, account)| account.change != Change::Same) {
        let word = match account.change {
            Change::Added => " (new)",
            Change::Removed => " (gone)",
            Change::Changed | Change::Same => "",
        };
        let _ = writeln!(text, "\n### {}{word}\n", plain(name.as_str()));
        for (sign, line) in lines(account) {
            let _ = writeln!(text, "- {} {}", code(&sign.to_string()), whole_code(&line));
        }
    }
    if !diff.asserts.is_empty() {
        text.push('\n');
    }
    for line in assert_lines(diff) {
        let _ = writeln!(text, "- {}", whole_code(&line));
    }
    text
}

/// The matrix of rights. Whoever is in no row may do nothing.
pub fn access(access: &[Access]) -> String {
    let (bold, none) = (Style::new().bold(), Style::new());
    let head = ["ACCOUNT", "ACTION", "MAY", "PRINCIPAL", "WHEN"].map(|title| (title.to_owned(), bold));
    let mut rows: Vec<Vec<Cell>> = vec![head.to_vec()];
    for one in access {
        let right = &one.right;
        let texts = [
            one.account.to_string(),
            right.action.to_string(),
            right.role.to_string(),
            right.principal.to_string(),
            conditions(&one.conditions),
        ];
        rows.push(texts.iter().map(|text| (plain(text), none)).collect());
    }
    // Of all accounts that are shown: a row for each would say the same.
    let nothing = ["every", "any", "nothing", "anyone else", ""].map(|text| (text.to_owned(), none.dimmed()));
    rows.push(nothing.to_vec());
    table::text(&rows, "")
}

/// What is repeated, and where it could be said once.
pub fn report(repeated: &[Repeated]) -> String {
    if repeated.is_empty() {
        return format!("{}\n", "No account or profile repeats what another says.".green().bold());
    }
    let mut text: String = repeated.iter().map(one_repeated).collect();
    let moves = repeated.iter().filter(|one| one.obstacle.is_none()).count();
    if moves > 0 {
        let verdict = format!("`portcullis fleet extract` says {moves} of {} once.", repeated.len());
        let _ = writeln!(text, "{}", verdict.bold());
    }
    text
}

fn one_repeated(one: &Repeated) -> String {
    let mut text = String::new();
    let layers: Vec<String> = one.layers.iter().map(|(layer, _)| plain(&layer.to_string())).collect();
    let holder = one.holder.as_ref().map(|layer| plain(&layer.to_string())).unwrap_or_default();
    let head = match one.kind {
        Kind::Equal => format!("{} say the same:", layers.join(", ")),
        Kind::Nearly => format!("{} say nearly the same:", layers.join(", ")),
        Kind::Again => format!("{} says again what {holder} says:", layers.join(", ")),
    };
    let _ = writeln!(text, "{}", head.bold());
    let said = |layer: &LayerName, value: &Json| {
        let value = if value.is_null() { "nothing".to_owned() } else { literal(value) };
        format!("{} says {value}", plain(&layer.to_string()))
    };
    for (path, value) in &one.values {
        let _ = writeln!(text, "    {} = {}", plain(path).cyan(), literal(value));
        for (layer, other) in one.others.get(path).into_iter().flatten() {
            let _ = writeln!(text, "      {}", said(layer, other).dimmed());
        }
    }
    for (path, all) in &one.stays {
        let all: Vec<String> = all.iter().map(|(layer, value)| said(layer, value)).collect();
        let _ = writeln!(text, "    {} {}: {}", "stays".yellow(), plain(path).cyan(), all.join(", "));
    }
    for (layer, place) in &one.layers {
        let place = plain(&place.to_string());
        let _ = writeln!(text, "  {} {place}  {}", "-->".blue().bold(), plain(&layer.to_string()).dimmed());
    }
    let remedy = match (&one.obstacle, one.kind, one.is_new) {
        (Some(why), ..) => format!("`fleet extract` leaves it: {}.", plain(why)),
        (None, Kind::Again, _) => "It can go.".to_owned(),
        (None, _, true) => format!("{holder} would be new, and hold it."),
        (None, _, false) => format!("{holder} would hold it."),
    };
    let _ = writeln!(text, "  {} {remedy}", "help:".green());
    text
}

/// What was moved, what was not, and what was proved.
pub fn extraction(moved: &[Repeated], refused: &[Repeated], accounts: usize) -> String {
    if moved.is_empty() && refused.is_empty() {
        return report(&[]);
    }
    let mut text = String::new();
    for one in moved {
        let paths = one.values.keys().map(|path| plain(path)).collect::<Vec<_>>().join(", ");
        let layers = one.layers.iter().map(|(layer, _)| plain(&layer.to_string())).collect::<Vec<_>>().join(", ");
        let holder = one.holder.as_ref().map(|layer| plain(&layer.to_string())).unwrap_or_default();
        let line = match (one.kind, one.is_new) {
            (Kind::Again, _) => format!("{paths}: {holder} says it, {layers} no longer"),
            (_, true) => format!("{paths}: from {layers} to {holder}, which is new"),
            (_, false) => format!("{paths}: from {layers} to {holder}"),
        };
        let _ = writeln!(text, "{} {line}", "moved".green());
    }
    for one in refused {
        text.push_str(&one_repeated(one));
    }
    let compared = count(accounts, "account");
    let verdict = match moved.len() {
        0 => "Nothing can be moved without a change in some account.".to_owned(),
        _ => format!("No account's effective definition changes, in values or rights ({compared} compared)."),
    };
    let _ = writeln!(text, "{}", verdict.bold());
    text
}

/// A unified diff, with colours.
pub fn patch(diff: &str) -> String {
    let mut text = String::new();
    for line in diff.lines() {
        let style = match line.as_bytes().first() {
            Some(b'+') => Style::new().green(),
            Some(b'-') => Style::new().red(),
            Some(b'@') => Style::new().cyan(),
            _ => Style::new(),
        };
        let _ = writeln!(text, "{}", plain(line).style(style));
    }
    text
}

/// The definition that a runner goes by, and the one that it refused.
pub fn status(view: &DefinitionView) -> String {
    let mut text = match &view.in_force {
        None => format!("{}: no definition is in force\n", plain(view.account.as_str())),
        Some(it) => format!(
            "{}: in force is {} of commit {}, since {}\n",
            plain(view.account.as_str()),
            it.digest.short(),
            it.commit.short(),
            it.since
        ),
    };
    if let Some(refused) = &view.refused {
        let (commit, since) = (refused.commit.short(), refused.since);
        let fault = super::fault::text(&crate::outcome::fault_of(refused.problem.clone()));
        let _ = write!(text, "refused is that of commit {commit}, since {since}:\n\n{fault}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(text: &str) -> Fleet {
        let text = text.as_bytes().to_vec();
        Fleet::load(&move |path| Ok((path == "portcullis.hcl").then(|| text.clone()))).unwrap()
    }

    const TEXT: &str = r#"
fleet "acme" {
  repository "live" {
    url       = "https://git.example/acme/live"
    protected = ["main"]
  }
}
identity "github" {
  issuer = "https://token.actions.githubusercontent.com"
}
principal "ci" {
  identity = "github"
  claims   = { repository_id = "1" }
}
profile "p" {
  action "plan" {
    allow = ["ci"]
  }
}
account "dev" {
  id       = "1"
  profiles = ["p"]
}
account "logs" {
  id       = "2"
  profiles = ["p"]
  limits {
    parallel = 2
  }
}
"#;

    fn bare(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_change_names_the_accounts_that_it_is_in_and_those_that_it_is_not_in() {
        let base = fleet(TEXT);
        let head = fleet(&TEXT.replace("parallel = 2", "parallel = 9"));
        let found = portcullis_fleet::diff(&base, &head);
        assert_eq!(
            bare(&diff_text(&found)),
            "dev  no change\nlogs  changes\n  ~ limits.parallel: 2 → 9  (account `logs`, portcullis.hcl:28:16)\n\
             The effective definition changes in logs; not in dev. Nobody gains or loses a right.\n"
        );
        assert!(
            bare(&diff_text(&portcullis_fleet::diff(&base, &base)))
                .ends_with("No account's effective definition changes (2 compared).\n")
        );
        let head = fleet(&TEXT.replace("repository_id = \"1\"", "repository_id = \"`@x`<b>\""));
        let found = portcullis_fleet::diff(&base, &head);
        let markdown = diff_markdown(&found);
        assert!(markdown.contains("Rights change in dev, logs."), "{markdown}");
        assert!(
            markdown.contains("now, if repository_id is `@x`<b>, by https://token"),
            "nothing is cut off: {markdown}"
        );
        assert!(markdown.contains("``"), "a value with backticks is fenced with more of them: {markdown}");
    }

    #[test]
    fn what_must_hold_no_longer_is_said() {
        let assert = "assert \"x`\\u001b[2J\" {\n  action = \"apply\"\n  approvals = 2\n}\n";
        let found = portcullis_fleet::diff(&fleet(&format!("{TEXT}{assert}")), &fleet(TEXT));
        let text = bare(&diff_text(&found));
        assert!(
            text.contains("must hold no longer: \"x`\\u{1b}[2J\" {\"action\":\"apply\",\"approvals\":2}\n"),
            "{text}"
        );
        assert!(text.ends_with("(2 compared), but what must hold does. Nobody gains or loses a right.\n"), "{text}");
        let markdown = diff_markdown(&found);
        assert!(markdown.contains("\n- ``must hold no longer: \"x`") && !markdown.contains('\u{1b}'), "{markdown}");
    }

    #[test]
    fn anyone_else_is_a_row() {
        let text = bare(&access(&fleet(TEXT).access()));
        assert!(
            text.contains("dev      plan    start    ci           if repository_id is 1, by https://token"),
            "{text}"
        );
        assert!(text.ends_with("every    any     nothing  anyone else\n"), "{text}");
        let policy = "policy \"no-all\" {\n    cedar = \"forbid (principal, action, resource) when { context.all };\"\n  }\n  limits";
        let text = bare(&access(&fleet(&TEXT.replace("limits", policy)).access()));
        let unless = "unless policy no-all forbids it: forbid (principal, action, resource) when { context.all };";
        assert_eq!(text.matches(unless).count(), 1, "in `logs` alone: {text}");
    }

    #[test]
    fn explained_values_name_their_layers_from_the_top() {
        let fleet = fleet(TEXT);
        let logs = portcullis_model::AccountName::parse("logs").unwrap();
        let settings: Vec<Setting> = fleet
            .settings(&logs)
            .into_iter()
            .filter(|setting| ["limits.parallel", "limits.pids"].contains(&setting.path.as_str()))
            .collect();
        assert_eq!(
            bare(&show(&settings, true)),
            "limits.parallel = 2\n    account `logs`  said so  portcullis.hcl:28:16\nlimits.pids = 512\n    default\n"
        );
        assert_eq!(bare(&show(&settings, false)), "limits.parallel  2\nlimits.pids      512\n");
    }
}
