//! Layers: reading the body of a profile or an account, and stacking the profiles that it names.

use std::collections::BTreeMap;

use portcullis_hcl::Value;
use portcullis_model::{Code, Fault};

use crate::layer::{Node, Tree, merge};
use crate::principals::unknown_name;
use crate::read::{Evaluator, texts};
use crate::schema::{self, Contents, Entry, Form, contents, duplicate};

/// What a profile or an account says.
pub(crate) struct Layer {
    pub tree: Tree,
    /// Names of the profiles below it, each at its place.
    pub profiles: Vec<(String, Value)>,
    /// Something in it could not be read. What is missing for that reason is no fault of its own.
    pub broken: bool,
}

/// Profiles by name. One name may be an imported and a local profile: the local one goes on top.
#[derive(Default)]
pub(crate) struct Profiles {
    imported: BTreeMap<String, Layer>,
    local: BTreeMap<String, Layer>,
}

impl Profiles {
    pub fn insert(&mut self, entry: &Entry<'_>, imported: bool, evaluator: &Evaluator<'_>, faults: &mut Vec<Fault>) {
        let body = contents(&entry.block.body, entry.origin.file(), &schema::PROFILE, faults);
        let layer = layer(&body, entry, evaluator, faults);
        let map = if imported { &mut self.imported } else { &mut self.local };
        if map.insert(entry.label.to_owned(), layer).is_some() {
            faults.push(duplicate(&format!("profile `{}`", entry.label), &entry.origin));
        }
    }

    /// The effective tree of an account: imported profiles, local profiles, the account. `None` when one of
    /// these is broken, which was said already.
    pub fn effective(&self, account: &Layer) -> Result<Option<Tree>, Fault> {
        let mut order = Vec::new();
        self.flatten(&account.profiles, &mut Vec::new(), &mut order)?;
        let mut tree = Tree::new();
        let profiles = [&self.imported, &self.local].map(|layers| order.iter().filter_map(|name| layers.get(name)));
        for layer in profiles.into_iter().flatten().chain([account]) {
            if layer.broken {
                return Ok(None);
            }
            merge(&mut tree, &layer.tree);
        }
        Ok(Some(tree))
    }

    /// Names in the order in which they are merged: a profile's own profiles before it, each once.
    fn flatten(&self, names: &[(String, Value)], open: &mut Vec<String>, order: &mut Vec<String>) -> Result<(), Fault> {
        for (name, at) in names {
            if open.contains(name) {
                let chain = open.iter().map(|open| format!("`{open}`")).collect::<Vec<_>>().join(" → ");
                return Err(at
                    .fault(Code::FLEET_DUPLICATE, format!("profile `{name}` uses itself"))
                    .remedy("Take it out of one of the profiles in the chain.")
                    .note(format!("{chain} → `{name}`")));
            }
            if order.contains(name) {
                continue;
            }
            let (imported, local) = (self.imported.get(name), self.local.get(name));
            if imported.is_none() && local.is_none() {
                let mut known: Vec<&str> = self.imported.keys().chain(self.local.keys()).map(String::as_str).collect();
                known.sort_unstable();
                known.dedup();
                return Err(unknown_name(at, "profile", name, known.into_iter()));
            }
            open.push(name.clone());
            for layer in [imported, local].into_iter().flatten() {
                self.flatten(&layer.profiles, open, order)?;
            }
            open.pop();
            order.push(name.clone());
        }
        Ok(())
    }

    /// Every profile is stacked once, also one that no account uses, so that a name in it that leads nowhere
    /// is found when it is written and not when somebody begins to use it.
    pub fn check(&self, faults: &mut Vec<Fault>) {
        let mut in_a_circle = false;
        for layer in self.imported.values().chain(self.local.values()) {
            let Err(fault) = self.effective(layer) else { continue };
            // A circle has as many beginnings as members; one is enough.
            let circle = fault.code() == Code::FLEET_DUPLICATE;
            if !(circle && in_a_circle) {
                faults.push(fault);
            }
            in_a_circle |= circle;
        }
    }
}

/// Reads a layer's body. `id`, `path` and `repository` of an account are settings like any other.
pub(crate) fn layer(
    body: &Contents<'_>,
    entry: &Entry<'_>,
    evaluator: &Evaluator<'_>,
    faults: &mut Vec<Fault>,
) -> Layer {
    let before = faults.len();
    let mut tree = attributes(body, evaluator, faults);
    let profiles = match tree.remove("profiles") {
        None => Vec::new(),
        Some(node) => profile_names(&node).map_err(|fault| faults.push(fault)).unwrap_or_default(),
    };
    for (name, form) in [("tools", &schema::TOOLS), ("limits", &schema::LIMITS), ("sources", &schema::SOURCES)] {
        if let Some(block) = body.blocks_named(name).next() {
            tree.insert(name.to_owned(), inner(block, form, evaluator, faults));
        }
    }
    let mut actions = Tree::new();
    for action in body.blocks_named("action") {
        actions.insert(action.label.to_owned(), inner(action, &schema::ACTION, evaluator, faults));
    }
    if !actions.is_empty() {
        tree.insert("action".to_owned(), Node::Map(actions, entry.origin.clone()));
    }
    Layer { tree, profiles, broken: faults.len() > before }
}

/// A block without blocks of its own, as a node.
pub(crate) fn inner(entry: &Entry<'_>, form: &Form, evaluator: &Evaluator<'_>, faults: &mut Vec<Fault>) -> Node {
    let body = contents(&entry.block.body, entry.origin.file(), form, faults);
    Node::Map(attributes(&body, evaluator, faults), entry.origin.clone())
}

fn attributes(body: &Contents<'_>, evaluator: &Evaluator<'_>, faults: &mut Vec<Fault>) -> Tree {
    let mut tree = Tree::new();
    for (name, expr) in &body.attributes {
        match evaluator.value(expr) {
            Ok(value) => {
                tree.insert((*name).to_owned(), Node::of(&value));
            }
            Err(fault) => faults.push(fault),
        }
    }
    tree
}

fn profile_names(node: &Node) -> Result<Vec<(String, Value)>, Fault> {
    let Node::Leaf(value) = node else {
        return Err(node
            .origin()
            .fault(Code::FLEET_TYPE, "`profiles` must be a list of names, but is a map")
            .remedy("Give a list of names."));
    };
    if value.is_null() {
        return Ok(Vec::new());
    }
    let names = texts(value, "`profiles`")?;
    Ok(names.into_iter().zip(value.as_seq().unwrap_or_default().iter().cloned()).collect())
}
