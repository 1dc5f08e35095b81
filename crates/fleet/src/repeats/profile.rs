//! The text of a profile: one that is new, or what is put into one that is there.

use std::collections::BTreeMap;

use portcullis_model::id::quoted;
use serde_json::Value as Json;

use super::book::{Item, ItemKind, Section, Step, below};
use super::edit::Draft;

/// A value that a profile is to say.
pub(super) struct Moved {
    /// The way to it, as it is written.
    pub way: Vec<Step>,
    /// Its expression.
    pub text: String,
}

/// Comments that go along, by the path that they belong to.
pub(super) type Notes = BTreeMap<String, Vec<String>>;

/// What is to be written, as a tree.
enum Node {
    Value(String),
    Inner(Vec<(Step, Node)>),
}

fn tree(moved: Vec<Moved>) -> Vec<(Step, Node)> {
    let mut nodes = Vec::new();
    for one in moved {
        put(&mut nodes, &one.way, one.text);
    }
    nodes
}

fn put(nodes: &mut Vec<(Step, Node)>, way: &[Step], text: String) {
    let Some((first, rest)) = way.split_first() else { return };
    if rest.is_empty() {
        nodes.push((first.clone(), Node::Value(text)));
        return;
    }
    if !nodes.iter().any(|(step, _)| step.path() == first.path()) {
        nodes.push((first.clone(), Node::Inner(Vec::new())));
    }
    if let Some((_, Node::Inner(inner))) = nodes.iter_mut().find(|(step, _)| step.path() == first.path()) {
        put(inner, rest, text);
    }
}

/// Writes text at a depth.
struct Writer<'n> {
    newline: &'static str,
    notes: &'n mut Notes,
}

impl Writer<'_> {
    fn line(&self, depth: usize, text: &str) -> String {
        format!("{}{text}{}", "  ".repeat(depth), self.newline)
    }

    fn notes(&mut self, path: &str, depth: usize) -> String {
        let notes = self.notes.remove(path).unwrap_or_default();
        notes.iter().map(|note| self.line(depth, note)).collect()
    }

    /// Attributes and keys first, each run of short ones in line as `fmt` has them; then blocks, each set apart.
    fn inner(&mut self, nodes: &[(Step, Node)], path: &str, depth: usize, begins: bool) -> String {
        let is_block = |step: &Step| matches!(step, Step::Block(..));
        let plain: Vec<&(Step, Node)> = nodes.iter().filter(|(step, _)| !is_block(step)).collect();
        let name = |step: &Step| match step {
            Step::Attribute(name) | Step::Key(_, name) => name.clone(),
            Step::Block(..) => step.path(),
        };
        let is_short = |node: &Node| matches!(node, Node::Value(text) if !text.contains('\n'));
        let widest = |run: &[&(Step, Node)]| run.iter().map(|(step, _)| name(step).chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for run in plain.chunk_by(|(_, left), (_, right)| is_short(left) && is_short(right)) {
            let width = widest(run);
            for (step, node) in run {
                let path = below(path, step);
                text.push_str(&self.notes(&path, depth));
                let value = match node {
                    Node::Value(value) => value.clone(),
                    Node::Inner(inner) => {
                        let inner = self.inner(inner, &path, depth + 1, true);
                        format!("{{{}{inner}{}}}", self.newline, "  ".repeat(depth))
                    }
                };
                text.push_str(&self.line(depth, &format!("{:width$} = {value}", name(step))));
            }
        }
        for (step, node) in nodes.iter().filter(|(step, _)| is_block(step)) {
            let (Step::Block(name, labels), Node::Inner(inner)) = (step, node) else { continue };
            if !(begins && text.is_empty()) {
                text.push_str(self.newline);
            }
            let path = below(path, step);
            text.push_str(&self.notes(&path, depth));
            let labels: String = labels.iter().map(|label| format!(" {}", string(label))).collect();
            text.push_str(&self.line(depth, &format!("{name}{labels} {{")));
            text.push_str(&self.inner(inner, &path, depth + 1, true));
            text.push_str(&self.line(depth, "}"));
        }
        text
    }
}

/// A new profile.
pub(super) fn new(name: &str, moved: Vec<Moved>, notes: &mut Notes, newline: &'static str) -> String {
    let nodes = tree(moved);
    let mut writer = Writer { newline, notes };
    let inner = writer.inner(&nodes, "", 1, true);
    format!("profile {} {{{newline}{inner}}}{newline}", string(name))
}

/// Puts values into a profile that is there.
///
/// # Errors
/// Why that cannot be done without writing the profile anew.
pub(super) fn add(section: &Section, moved: Vec<Moved>, notes: &mut Notes, draft: &mut Draft) -> Result<(), String> {
    let nodes = tree(moved);
    let body = Body { items: &section.items, at: section.body.clone(), path: String::new(), depth: 1 };
    into_body(&body, &nodes, notes, draft)
}

/// Puts comments into a profile, above what they are about.
pub(super) fn explain(section: &Section, notes: &mut Notes, draft: &mut Draft) {
    fn walk(items: &[Item], path: &str, notes: &mut Notes, draft: &mut Draft) {
        for item in items {
            let path = below(path, &item.step);
            let own = notes.remove(&path).unwrap_or_default();
            let own: Vec<String> = own.into_iter().filter(|note| !draft.file.text().contains(note.as_str())).collect();
            above(item, &own, draft);
            if let ItemKind::Object(_, inner) | ItemKind::Block(_, inner) = &item.kind {
                walk(inner, &path, notes, draft);
            }
        }
    }
    walk(&section.items, "", notes, draft);
}

/// Puts comments above an item, or above the line that it shares with others.
fn above(item: &Item, notes: &[String], draft: &mut Draft) {
    if notes.is_empty() {
        return;
    }
    let at = draft.lines_of(&item.at).map_or_else(|| draft.line_start(item.at.start), |lines| lines.start);
    let (indent, newline) = (draft.indent(item.at.start).to_owned(), draft.newline());
    draft.insert(at, notes.iter().map(|note| format!("{indent}{note}{newline}")).collect());
}

/// A body that something is put into.
struct Body<'i> {
    items: &'i [Item],
    at: std::ops::Range<usize>,
    path: String,
    depth: usize,
}

fn into_body(body: &Body<'_>, nodes: &[(Step, Node)], notes: &mut Notes, draft: &mut Draft) -> Result<(), String> {
    let mut new: Vec<(Step, Node)> = Vec::new();
    for (step, node) in nodes {
        let path = below(&body.path, step);
        let Some(item) = body.items.iter().find(|item| item.step.path() == step.path()) else {
            new.push((step.clone(), copy(node)));
            continue;
        };
        // What is there has its comments: these come to be above what is new.
        if let Node::Inner(inner) = node
            && let Some((first, _)) = inner.first()
            && let Some(more) = notes.remove(&path)
        {
            notes.entry(below(&path, first)).or_default().splice(0..0, more);
        }
        match (&item.kind, node) {
            (ItemKind::Value(piece), Node::Value(text)) => {
                if !draft.comments_in(&piece.value).is_empty() {
                    return Err(format!("there are comments in what the profile says of `{path}`"));
                }
                draft.replace(piece.value.clone(), text.clone());
                above(item, &notes.remove(&path).unwrap_or_default(), draft);
            }
            (ItemKind::Block(at, items), Node::Inner(inner)) if matches!(step, Step::Block(..)) => {
                let body = Body { items, at: at.clone(), path, depth: body.depth + 1 };
                into_body(&body, inner, notes, draft)?;
            }
            (ItemKind::Object(at, items), Node::Inner(inner)) if !matches!(step, Step::Block(..)) => {
                let body = Body { items, at: at.start + 1..at.end - 1, path, depth: body.depth + 1 };
                into_body(&body, inner, notes, draft)?;
            }
            _ => return Err(format!("the profile writes `{path}` in another way")),
        }
    }
    if new.is_empty() {
        return Ok(());
    }
    let newline = draft.newline();
    let inside = draft.file.slice(&body.at).to_owned();
    let is_object = matches!(new.first(), Some((Step::Key(..), _)));
    let mut writer = Writer { newline, notes };
    if !inside.contains('\n') {
        // `{ x = 1 }`: it gets lines.
        let text = writer.inner(&new, &body.path, body.depth, inside.trim().is_empty());
        let own = inside.trim().trim_end_matches(',');
        let own = if own.is_empty() { String::new() } else { writer.line(body.depth, own) };
        if is_object && own.contains(',') {
            return Err(format!("the profile writes `{}` on one line", body.path));
        }
        draft.replace(body.at.clone(), format!("{newline}{own}{text}{}", "  ".repeat(body.depth - 1)));
        return Ok(());
    }
    let (blocks, plain): (Vec<_>, Vec<_>) = new.into_iter().partition(|(step, _)| matches!(step, Step::Block(..)));
    let last = body.items.iter().rev().find(|item| !matches!(item.step, Step::Block(..)));
    if !plain.is_empty() {
        let text = writer.inner(&plain, &body.path, body.depth, true);
        let at = last.map_or(body.at.start, |item| item.at.end);
        if is_object && draft.lines_of(&(at..at)).is_none() && draft.file.slice(&(at..draft.line_end(at))).contains('}')
        {
            return Err(format!("the profile writes `{}` on one line", body.path));
        }
        let next = draft.line_end(at);
        let is_apart = last.is_some() || body.items.is_empty() || is_object;
        draft.insert(next, if is_apart { text } else { text + newline });
    }
    if !blocks.is_empty() {
        let end = draft.line_start(body.at.end);
        let before = draft.file.slice(&(body.at.start..end)).trim();
        let text = writer.inner(&blocks, &body.path, body.depth, before.is_empty() && plain.is_empty());
        draft.insert(end, text);
    }
    Ok(())
}

fn copy(node: &Node) -> Node {
    match node {
        Node::Value(text) => Node::Value(text.clone()),
        Node::Inner(inner) => Node::Inner(inner.iter().map(|(step, node)| (step.clone(), copy(node))).collect()),
    }
}

/// A text as HCL writes it in quotes.
pub(super) fn string(text: &str) -> String {
    let mut out = String::from("\"");
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' | '%' if chars.peek() == Some(&'{') => {
                out.push(c);
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A value as HCL writes it.
pub(super) fn literal(value: &Json) -> String {
    match value {
        Json::String(text) => string(text),
        Json::Array(all) => format!("[{}]", all.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Json::Object(all) => {
            let all: Vec<String> =
                all.iter().map(|(key, value)| format!("{} = {}", string(key), literal(value))).collect();
            format!("{{ {} }}", all.join(", "))
        }
        other => other.to_string(),
    }
}

/// The text for an account's or profile's `profiles`, with one more at the end.
pub(super) fn use_profile(section: &Section, name: &str, draft: &mut Draft) -> Result<(), String> {
    use super::book::Profiles;
    let name = string(name);
    let Some((at, kind)) = &section.profiles else {
        return first_profile(section, &name, draft);
    };
    match kind {
        Profiles::Null => draft.replace(at.clone(), format!("[{name}]")),
        Profiles::Expression => {
            let text = draft.file.slice(at).to_owned();
            if text.contains('\n') || !draft.comments_in(at).is_empty() {
                return Err(format!(
                    "`profiles` of {} is {}: name the profile there first",
                    section.name,
                    quoted(&text)
                ));
            }
            draft.replace(at.clone(), format!("concat({text}, [{name}])"));
        }
        Profiles::List(all) => {
            let Some(last) = all.last() else {
                draft.insert(at.end - 1, name);
                return Ok(());
            };
            let rest = draft.file.slice(&(last.end..at.end)).to_owned();
            let has_lines = draft.line_start(last.start) > at.start;
            if has_lines {
                let indent = draft.indent(last.start).to_owned();
                if !rest.trim_start().starts_with(',') {
                    draft.insert(last.end, ",".to_owned());
                }
                let newline = draft.newline();
                if draft.line_end(last.end) > at.end {
                    return Err(format!("`profiles` of {} ends on the line of its last name", section.name));
                }
                draft.insert(draft.line_end(last.end), format!("{indent}{name},{newline}"));
            } else {
                draft.insert(last.end, format!(", {name}"));
            }
        }
    }
    Ok(())
}

/// `profiles` for a layer that has none: below what it says of itself.
fn first_profile(section: &Section, name: &str, draft: &mut Draft) -> Result<(), String> {
    let newline = draft.newline();
    let inside = draft.file.slice(&section.body).to_owned();
    if !inside.contains('\n') {
        let own = inside.trim();
        let own = if own.is_empty() { String::new() } else { format!("  {own}{newline}") };
        draft.replace(section.body.clone(), format!("{newline}{own}  profiles = [{name}]{newline}"));
        return Ok(());
    }
    let at = section.own.iter().map(|at| at.end).max().unwrap_or(section.body.start);
    draft.insert(draft.line_end(at), format!("  profiles = [{name}]{newline}"));
    Ok(())
}
