//! What a layer says, as a tree, and how layers merge.
//!
//! Maps merge deep, everything else is replaced, `append(…)` adds to a list, `null` removes. Every leaf keeps the
//! place that it was written at, and a [`History`] keeps what each layer said of it, so that an effective value can
//! say where it comes from and what it replaced.

use std::collections::BTreeMap;

use portcullis_hcl::{Origin, Value};

use crate::settings::{LayerName, Written};

/// A part of a layer.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// A block, or a map.
    Map(Tree, Origin),
    /// Anything else, `null` included.
    Leaf(Value),
    /// `append(…)`: what is added to the list below. The value is a list.
    Append(Value),
}

/// Names and what they are.
pub(crate) type Tree = BTreeMap<String, Node>;

/// What each layer said of each setting, by the setting's path; the lowest layer first.
pub(crate) type History = BTreeMap<String, Vec<Written>>;

impl Node {
    /// A value as a node: maps are taken apart, so that they merge by key.
    pub fn of(value: &Value) -> Node {
        match value.as_map() {
            None => Node::Leaf(value.clone()),
            Some(entries) => {
                let tree = entries.iter().map(|(key, value)| (key.to_string(), Node::of(value))).collect();
                Node::Map(tree, value.origin().clone())
            }
        }
    }

    pub fn origin(&self) -> &Origin {
        match self {
            Node::Map(_, origin) => origin,
            Node::Leaf(value) | Node::Append(value) => value.origin(),
        }
    }
}

/// Layers that are put on top of each other.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    /// What they come to.
    pub tree: Tree,
    /// Who said what.
    pub history: History,
}

impl Stack {
    /// Puts a layer on top.
    pub fn push(&mut self, over: &Tree, layer: &LayerName) {
        merge(&mut self.tree, over, &mut Note { layer, history: &mut self.history, path: Vec::new() });
    }
}

/// Where merging is, and where it is written down.
struct Note<'a> {
    layer: &'a LayerName,
    history: &'a mut History,
    path: Vec<String>,
}

impl Note<'_> {
    /// The layer said this, here.
    fn said(&mut self, value: &Value, appended: bool) {
        let value_json = value.to_json().unwrap_or_default();
        let (layer, place) = (self.layer.clone(), value.origin().place());
        let written = Written { layer, place, value: value_json, appended };
        self.history.entry(self.path.join(".")).or_default().push(written);
    }

    /// The layer took this away, with all that is in it.
    fn removed(&mut self, node: &Node, null: &Value) {
        match node {
            Node::Leaf(_) | Node::Append(_) => {
                let null = Value::null(null.origin().clone());
                self.said(&null, false);
            }
            Node::Map(tree, _) => {
                for (name, node) in tree {
                    self.path.push(name.clone());
                    self.removed(node, null);
                    self.path.pop();
                }
            }
        }
    }
}

/// Puts `over` on top of `base`.
fn merge(base: &mut Tree, over: &Tree, note: &mut Note<'_>) {
    for (name, node) in over {
        note.path.push(name.clone());
        match (base.get_mut(name), node) {
            (below, Node::Leaf(value)) if value.is_null() => {
                if let Some(below) = below {
                    note.removed(&below.clone(), value);
                    base.remove(name);
                }
            }
            (Some(Node::Map(below, origin)), Node::Map(above, at)) => {
                merge(below, above, note);
                *origin = at.clone();
            }
            (below, Node::Leaf(value)) => {
                if let Some(below @ Node::Map(..)) = below {
                    note.removed(&below.clone(), value);
                }
                note.said(value, false);
                base.insert(name.clone(), node.clone());
            }
            (below, Node::Append(value)) => {
                note.said(value, true);
                match below {
                    None => {
                        base.insert(name.clone(), Node::Leaf(value.clone()));
                    }
                    Some(Node::Leaf(list)) if list.as_seq().is_some() => *list = joined(list, value),
                    // What is below is no list. It stays, and is refused for what it is.
                    Some(_) => {}
                }
            }
            // Also a first map goes through `merge`, so that a `null` inside it is not kept.
            (below, Node::Map(above, at)) => {
                if let Some(Node::Leaf(value)) = below {
                    let (value, at) = (Node::Leaf(value.clone()), Value::null(at.clone()));
                    note.removed(&value, &at);
                }
                let mut inside = Tree::new();
                merge(&mut inside, above, note);
                base.insert(name.clone(), Node::Map(inside, at.clone()));
            }
        }
        note.path.pop();
    }
}

/// A list with what is added to it. What is there already is not there twice.
fn joined(list: &Value, added: &Value) -> Value {
    let mut all: Vec<Value> = list.as_seq().unwrap_or_default().to_vec();
    for value in added.as_seq().unwrap_or_default() {
        if !all.iter().any(|there| there.equals(value)) {
            all.push(value.clone());
        }
    }
    Value::tuple(all, added.origin().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(text: &str) -> Node {
        Node::Leaf(Value::string(text, Origin::built_in()))
    }

    fn null() -> Node {
        Node::Leaf(Value::null(Origin::built_in()))
    }

    fn map(entries: &[(&str, Node)]) -> Node {
        Node::Map(tree(entries), Origin::built_in())
    }

    fn tree(entries: &[(&str, Node)]) -> Tree {
        entries.iter().map(|(name, node)| ((*name).to_owned(), node.clone())).collect()
    }

    fn profile(name: &str) -> LayerName {
        LayerName::LocalProfile(name.to_owned())
    }

    fn account() -> LayerName {
        LayerName::Account("account".to_owned())
    }

    fn told(history: &History) -> String {
        let one = |written: &Written| {
            let layer = match &written.layer {
                LayerName::LocalProfile(name) | LayerName::Account(name) => name.as_str(),
                other => panic!("{other:?}"),
            };
            format!(" {layer}={}", written.value.as_str().unwrap_or("null"))
        };
        let lines = history.iter().map(|(path, all)| format!("{path}:{}", all.iter().map(one).collect::<String>()));
        lines.collect::<Vec<_>>().join(" | ")
    }

    fn show(tree: &Tree) -> String {
        let parts = tree.iter().map(|(name, node)| match node {
            Node::Map(tree, _) => format!("{name}:{{{}}}", show(tree)),
            Node::Leaf(value) | Node::Append(value) => match value.as_seq() {
                Some(list) => {
                    let texts: Vec<&str> = list.iter().map(|value| value.as_str().unwrap_or("null")).collect();
                    format!("{name}=[{}]", texts.join(","))
                }
                None => format!("{name}={}", value.as_str().unwrap_or("null")),
            },
        });
        parts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn maps_merge_deep_leaves_are_replaced_and_null_removes() {
        let mut stack = Stack::default();
        let base = tree(&[
            ("a", map(&[("x", leaf("1")), ("y", leaf("2")), ("z", map(&[("k", leaf("3"))]))])),
            ("b", leaf("4")),
            ("c", leaf("5")),
        ]);
        let over = tree(&[
            ("a", map(&[("y", null()), ("z", map(&[("l", leaf("6"))]))])),
            ("b", null()),
            ("c", leaf("7")),
            ("d", map(&[("n", null()), ("m", leaf("8"))])),
        ]);
        stack.push(&base, &profile("p"));
        stack.push(&over, &account());
        assert_eq!(show(&stack.tree), "a:{x=1 z:{k=3 l=6}} c=7 d:{m=8}");
        assert_eq!(
            told(&stack.history),
            "a.x: p=1 | a.y: p=2 account=null | a.z.k: p=3 | a.z.l: account=6 | b: p=4 account=null | \
             c: p=5 account=7 | d.m: account=8"
        );
    }

    #[test]
    fn a_map_that_replaces_a_value_and_the_other_way_round_are_written_down() {
        let mut stack = Stack::default();
        stack.push(&tree(&[("a", map(&[("x", leaf("1"))])), ("b", leaf("2"))]), &profile("p"));
        stack.push(&tree(&[("a", leaf("3")), ("b", map(&[("y", leaf("4"))]))]), &account());
        assert_eq!(show(&stack.tree), "a=3 b:{y=4}");
        assert_eq!(told(&stack.history), "a: account=3 | a.x: p=1 account=null | b: p=2 account=null | b.y: account=4");
    }

    #[test]
    fn what_is_appended_goes_to_the_end_of_the_list_below_and_is_there_once() {
        let list = |texts: &[&str]| {
            Value::tuple(
                texts.iter().map(|text| Value::string(*text, Origin::built_in())).collect(),
                Origin::built_in(),
            )
        };
        let mut stack = Stack::default();
        stack.push(&tree(&[("a", Node::Append(list(&["x"])))]), &profile("p"));
        stack.push(&tree(&[("a", Node::Append(list(&["y", "x"])))]), &profile("q"));
        assert_eq!(show(&stack.tree), "a=[x,y]");
        stack.push(&tree(&[("a", Node::Leaf(list(&["z"])))]), &account());
        assert_eq!(show(&stack.tree), "a=[z]", "a list replaces a list");
        stack.push(&tree(&[("b", leaf("text"))]), &profile("p"));
        stack.push(&tree(&[("b", Node::Append(list(&["x"])))]), &account());
        assert_eq!(show(&stack.tree), "a=[z] b=text", "what is no list stays, to be refused for it");
    }
}
