//! [`Change`]: one attribute that differs between two effective configurations, in words that a reviewer reads.
//!
//! Compared are values, not texts: a comment, a reformatted file, or a value that comes from elsewhere now but is
//! the same, is no change. Locals are not compared: only what they lead to counts. A sensitive value is never shown;
//! that it differs is.

use portcullis_hcl::{Kind, Value};
use serde_json::Value as Json;

use crate::effective::{Effective, Provenance, attribute_path, to_json};

/// Most changes of one unit that are told apart.
const CHANGES_MAX: usize = 200;
/// Most characters of a value that one line shows.
const SHOWN_MAX: usize = 72;
/// Parts of the tree that decide nothing by themselves.
const NOT_COMPARED: [&str; 2] = ["locals", "feature"];

/// An attribute that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its path, such as `inputs.tags.Owner`.
    pub attribute: String,
    /// The value before, as JSON; `None` when it was not set.
    pub before: Option<Json>,
    /// The value after, as JSON; `None` when it is not set any more.
    pub after: Option<Json>,
    /// Before and after in one line, such as `false → true`.
    pub summary: String,
    /// Where the value after is written; for one that is gone, where it was.
    pub from: Provenance,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.from.place.is_none() && self.before.is_none() && self.after.is_none() {
            return write!(f, "{}: {}", self.attribute, self.summary);
        }
        let from = if self.after.is_some() { "from" } else { "was in" };
        write!(f, "{}: {} ({from} {})", self.attribute, self.summary, self.from)
    }
}

/// What differs, in the order of attributes; at most [`CHANGES_MAX`], and a line that says when there are more.
pub(crate) fn changes(before: &Effective, after: &Effective) -> Vec<Change> {
    let mut comparison = Comparison { before, after, found: Vec::new(), cut: false };
    comparison.compare("", Some(&before.tree), Some(&after.tree));
    if comparison.cut {
        comparison.found.push(Change {
            attribute: "…".to_owned(),
            before: None,
            after: None,
            summary: format!("more than {CHANGES_MAX} attributes differ"),
            from: Provenance { place: None, include: None },
        });
    }
    comparison.found
}

struct Comparison<'a> {
    before: &'a Effective,
    after: &'a Effective,
    found: Vec<Change>,
    /// Whether there were more.
    cut: bool,
}

impl Comparison<'_> {
    fn compare(&mut self, name: &str, before: Option<&Value>, after: Option<&Value>) {
        let (before, after) = (before.filter(|value| !value.is_null()), after.filter(|value| !value.is_null()));
        let (a, b) = match (before, after) {
            (None, None) => return,
            (Some(a), Some(b)) if a.equals(b) => return,
            (Some(a), Some(b)) if !a.is_sensitive() && !b.is_sensitive() => (a, b),
            _ => return self.note(name, before, after),
        };
        match (a.kind(), b.kind()) {
            (Kind::Map(_, entries), Kind::Map(_, others)) => {
                let mut keys: Vec<_> = entries.keys().chain(others.keys()).collect();
                keys.sort_unstable();
                keys.dedup();
                for key in keys.into_iter().filter(|key| counts(name, key)) {
                    self.compare(&attribute_path(name, key), entries.get(key), others.get(key));
                }
            }
            (Kind::Seq(_, elements), Kind::Seq(_, others)) if mostly_equal(elements, others) => {
                for (index, (a, b)) in elements.iter().zip(others).enumerate() {
                    self.compare(&format!("{name}[{index}]"), Some(a), Some(b));
                }
            }
            _ => self.note(name, Some(a), Some(b)),
        }
    }

    fn note(&mut self, name: &str, before: Option<&Value>, after: Option<&Value>) {
        if self.found.len() >= CHANGES_MAX {
            self.cut = true;
            return;
        }
        let from = match (before, after) {
            (_, Some(value)) => self.after.origin(value),
            (Some(value), None) => self.before.origin(value),
            (None, None) => return,
        };
        self.found.push(Change {
            attribute: name.to_owned(),
            before: before.map(to_json),
            after: after.map(to_json),
            summary: summary(before, after),
            from,
        });
    }
}

/// Whether an entry of the tree decides anything by itself.
pub(crate) fn counts(parent: &str, key: &str) -> bool {
    match parent.strip_prefix("dependency") {
        Some(rest) if !rest.is_empty() && !rest.contains("mock_outputs") => key != "outputs" && key != "inputs",
        _ => !(parent.is_empty() && NOT_COMPARED.contains(&key)),
    }
}

/// Whether lists are best told apart element by element.
fn mostly_equal(elements: &[Value], others: &[Value]) -> bool {
    let differ = elements.iter().zip(others).filter(|(a, b)| !a.equals(b)).count();
    elements.len() == others.len() && differ * 2 <= elements.len().max(2)
}

fn summary(before: Option<&Value>, after: Option<&Value>) -> String {
    const UNSET: &str = "(not set)";
    match (before, after) {
        (Some(a), Some(b)) => {
            if a.is_sensitive_deep() || b.is_sensitive_deep() {
                return "a sensitive value differs".to_owned();
            }
            if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
                return texts(a, b);
            }
            let (shown_a, shown_b) = (shown(a), shown(b));
            if shown_a == shown_b {
                let reason = b.first_unknown().or(a.first_unknown()).map_or("", |unknown| unknown.reason());
                return format!("{shown_b} is made differently of what is not known ({reason})");
            }
            format!("{shown_a} → {shown_b}")
        }
        (None, Some(value)) => format!("{UNSET} → {}", shown(value)),
        (Some(value), None) => format!("{} → {UNSET}", shown(value)),
        (None, None) => String::new(),
    }
}

/// Two texts: of long ones the part that differs, of several lines the first line that does.
fn texts(before: &str, after: &str) -> String {
    if before.contains('\n') || after.contains('\n') {
        let (mut a, mut b) = (before.lines(), after.lines());
        for line in 1usize.. {
            match (a.next(), b.next()) {
                (Some(a), Some(b)) if a == b => {}
                (None, None) => break,
                (a, b) => {
                    let side = |text: Option<&str>| text.map_or("(no line)".to_owned(), |text| quoted(text.trim()));
                    return format!("line {line}: {} → {}", side(a), side(b));
                }
            }
        }
        return "line ends differ".to_owned();
    }
    if before.chars().count().max(after.chars().count()) <= SHOWN_MAX {
        return format!("{} → {}", quoted(before), quoted(after));
    }
    let shared = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).count();
    let skip = shared.saturating_sub(16);
    let part = |text: &str| {
        let rest: String = text.chars().skip(skip).collect();
        quoted(&if skip > 0 { format!("…{rest}") } else { rest })
    };
    format!("{} → {}", part(before), part(after))
}

fn quoted(text: &str) -> String {
    format!("{:?}", cut(text))
}

fn cut(text: &str) -> String {
    if text.chars().count() <= SHOWN_MAX {
        return text.to_owned();
    }
    text.chars().take(SHOWN_MAX - 1).chain(['…']).collect()
}

/// A value in one line. What is not known is shown as the expression that makes it.
fn shown(value: &Value) -> String {
    if value.is_sensitive_deep() {
        return "(sensitive)".to_owned();
    }
    match value.kind() {
        Kind::Unknown(unknown) => {
            let text = value.origin().text();
            if text.is_empty() || text.contains('\n') || text.chars().count() > SHOWN_MAX {
                format!("unknown: {}", unknown.reason())
            } else {
                text.to_owned()
            }
        }
        Kind::String(text) => quoted(text),
        _ => cut(&to_json(value).to_string()),
    }
}
