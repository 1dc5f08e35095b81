//! The dependency graph as text: a tree, Graphviz, Mermaid.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use owo_colors::OwoColorize;

use crate::cli::units::views::{GraphView, NodeView};
use crate::render::terminal::plain;

/// A tree: at the left the units that depend on nothing, below each those that wait for it. A unit that waits
/// for several is shown once with all that follows, and named elsewhere.
pub fn tree(graph: &GraphView) -> String {
    let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut waits: BTreeSet<&str> = BTreeSet::new();
    for edge in &graph.dependencies {
        dependents.entry(&edge.to).or_default().push(&edge.from);
        waits.insert(&edge.from);
    }
    let notes: BTreeMap<&str, String> = graph.units.iter().filter_map(note).collect();
    let mut shown = BTreeSet::new();
    let mut text = String::new();
    for root in graph.units.iter().map(|unit| unit.path.as_str()).filter(|path| !waits.contains(path)) {
        // Depth first without recursion: a chain of ten thousand units must not exhaust the stack.
        let mut left = vec![(root, String::new(), true)];
        while let Some((path, prefix, last)) = left.pop() {
            let first_time = shown.insert(path);
            let below = dependents.get(path).map_or(&[] as &[&str], Vec::as_slice);
            let branch = match (path == root, last) {
                (true, _) => "",
                (false, true) => "└── ",
                (false, false) => "├── ",
            };
            let more = if first_time || below.is_empty() { "" } else { " …" };
            let note = notes.get(path).map_or_else(String::new, |note| format!(" {}", note.yellow()));
            let _ = writeln!(text, "{}{}{more}{note}", format!("{prefix}{branch}").dimmed(), plain(path));
            if first_time {
                let inner = match (path == root, last) {
                    (true, _) => prefix,
                    (false, true) => format!("{prefix}    "),
                    (false, false) => format!("{prefix}│   "),
                };
                let count = below.len();
                let children = below.iter().enumerate().rev();
                left.extend(children.map(|(index, child)| (*child, inner.clone(), index + 1 == count)));
            }
        }
    }
    text
}

fn note(unit: &NodeView) -> Option<(&str, String)> {
    match (unit.broken, unit.foreign) {
        (true, _) => Some((&unit.path, "(cannot be evaluated)".to_owned())),
        (false, true) => Some((
            &unit.path,
            match &unit.account {
                Some(account) => format!("(in account {})", plain(account)),
                None => "(in another account)".to_owned(),
            },
        )),
        (false, false) => None,
    }
}

/// What a picture says of a unit: its path, and the account of one that is another's.
pub fn label(unit: &NodeView) -> String {
    match &unit.account {
        Some(account) => format!("{} ({})", plain(&unit.path), plain(account)),
        None => plain(&unit.path),
    }
}

/// For Graphviz: an arrow from each unit to what it depends on.
pub fn dot(graph: &GraphView) -> String {
    let mut text = String::from("digraph units {\n  rankdir = LR\n  node [shape = box]\n");
    for unit in &graph.units {
        let style = match (unit.broken, unit.foreign) {
            (true, _) => " [color = red]",
            (false, true) => " [style = dashed]",
            (false, false) => "",
        };
        let style = match &unit.account {
            Some(_) => format!(" [style = dashed, label = {}]", dot_id(&label(unit))),
            None => style.to_owned(),
        };
        let _ = writeln!(text, "  {}{style}", dot_id(&unit.path));
    }
    for edge in &graph.dependencies {
        let _ = writeln!(text, "  {} -> {}", dot_id(&edge.from), dot_id(&edge.to));
    }
    text.push_str("}\n");
    text
}

fn dot_id(path: &str) -> String {
    format!("\"{}\"", plain(path).replace('\\', "\\\\").replace('"', "\\\""))
}

/// For Mermaid: an arrow from each unit to what it depends on.
pub fn mermaid(graph: &GraphView) -> String {
    let ids: BTreeMap<&str, usize> =
        graph.units.iter().enumerate().map(|(index, unit)| (unit.path.as_str(), index)).collect();
    let mut text = String::from("flowchart LR\n");
    for (has, class) in [
        (graph.units.iter().any(|unit| unit.broken), "broken stroke:#c22"),
        (graph.units.iter().any(|unit| unit.foreign), "foreign stroke-dasharray:4 3"),
    ] {
        if has {
            let _ = writeln!(text, "  classDef {class}");
        }
    }
    for (index, unit) in graph.units.iter().enumerate() {
        // `#` begins an entity.
        let label = label(unit).replace('#', "#35;").replace('&', "#amp;");
        let label = label.replace('"', "#quot;").replace('<', "#lt;");
        let class = match (unit.broken, unit.foreign) {
            (true, _) => ":::broken",
            (false, true) => ":::foreign",
            (false, false) => "",
        };
        let _ = writeln!(text, "  u{index}[\"{label}\"]{class}");
    }
    for edge in &graph.dependencies {
        if let (Some(from), Some(to)) = (ids.get(edge.from.as_str()), ids.get(edge.to.as_str())) {
            let _ = writeln!(text, "  u{from} --> u{to}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::units::views::EdgeView;

    pub(crate) fn graph(edges: &[(&str, &str)]) -> GraphView {
        let mut paths: BTreeSet<&str> = BTreeSet::new();
        edges.iter().for_each(|(from, to)| paths.extend([from, to]));
        let unit =
            |path: &&str| NodeView { path: (*path).into(), level: 0, broken: false, foreign: false, account: None };
        let edge = |(from, to): &(&str, &str)| EdgeView {
            from: (*from).into(),
            to: (*to).into(),
            name: None,
            place: String::new(),
        };
        GraphView { units: paths.iter().map(unit).collect(), dependencies: edges.iter().map(edge).collect() }
    }

    #[test]
    fn the_tree_shows_each_unit_with_all_that_follows_once() {
        let graph = graph(&[("app", "db"), ("app", "vpc"), ("db", "vpc"), ("web", "app")]);
        let shown = anstream::adapter::strip_str(&tree(&graph)).to_string();
        insta::assert_snapshot!(shown, @r"
        vpc
        ├── app
        │   └── web
        └── db
            └── app …
        ");
    }

    #[test]
    fn names_cannot_leave_their_quotes() {
        let graph = graph(&[("a\"] --> x", "b\\")]);
        assert!(dot(&graph).contains("\"a\\\"] --> x\" -> \"b\\\\\""), "{}", dot(&graph));
        assert!(mermaid(&graph).contains("u0[\"a#quot;] --> x\"]"), "{}", mermaid(&graph));
        let mut graph = self::graph(&[("a#quot;b", "elsewhere/vpc")]);
        graph.units[1].foreign = true;
        assert_eq!(
            mermaid(&graph),
            "flowchart LR\n  classDef foreign stroke-dasharray:4 3\n  u0[\"a#35;quot;b\"]\n  \
             u1[\"elsewhere/vpc\"]:::foreign\n  u0 --> u1\n"
        );
        graph.units[1].account = Some("prod\"".into());
        assert!(mermaid(&graph).contains("u1[\"elsewhere/vpc (prod#quot;)\"]:::foreign"), "{}", mermaid(&graph));
        let dashed = r#""elsewhere/vpc" [style = dashed, label = "elsewhere/vpc (prod\")"]"#;
        assert!(dot(&graph).contains(dashed), "{}", dot(&graph));
        assert!(tree(&graph).contains("(in account prod\")"), "{}", tree(&graph));
    }
}
