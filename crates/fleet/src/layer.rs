//! What a layer says, as a tree, and how layers merge.
//!
//! Maps merge deep, everything else is replaced, `null` removes. Every leaf keeps the place that it was
//! written at, so that the effective value can say where it comes from.

use std::collections::BTreeMap;

use portcullis_hcl::{Origin, Value};

/// A part of a layer.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// A block, or a map.
    Map(Tree, Origin),
    /// Anything else, `null` included.
    Leaf(Value),
}

/// Names and what they are.
pub(crate) type Tree = BTreeMap<String, Node>;

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
            Node::Leaf(value) => value.origin(),
        }
    }
}

/// Puts `over` on top of `base`.
pub(crate) fn merge(base: &mut Tree, over: &Tree) {
    for (name, node) in over {
        match (base.get_mut(name), node) {
            (_, Node::Leaf(value)) if value.is_null() => {
                base.remove(name);
            }
            (Some(Node::Map(below, origin)), Node::Map(above, at)) => {
                merge(below, above);
                *origin = at.clone();
            }
            (_, Node::Leaf(_)) => {
                base.insert(name.clone(), node.clone());
            }
            // Also a first map goes through `merge`, so that a `null` inside it is not kept.
            (_, Node::Map(above, at)) => {
                let mut below = Tree::new();
                merge(&mut below, above);
                base.insert(name.clone(), Node::Map(below, at.clone()));
            }
        }
    }
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

    fn show(tree: &Tree) -> String {
        let parts = tree.iter().map(|(name, node)| match node {
            Node::Map(tree, _) => format!("{name}:{{{}}}", show(tree)),
            Node::Leaf(value) => format!("{name}={}", value.as_str().unwrap_or("null")),
        });
        parts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn maps_merge_deep_leaves_are_replaced_and_null_removes() {
        let mut base = tree(&[
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
        merge(&mut base, &over);
        assert_eq!(show(&base), "a:{x=1 z:{k=3 l=6}} c=7 d:{m=8}");
    }
}
