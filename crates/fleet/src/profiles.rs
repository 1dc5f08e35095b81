//! Layers: reading the body of a profile or an account, and stacking the profiles that it names.

use std::collections::BTreeMap;

use portcullis_hcl::hcl_edit::expr::Expression;
use portcullis_hcl::{Origin, Value};
use portcullis_model::{Code, Fault};

use crate::argv;
use crate::layer::{Node, Tree};
use crate::principals::unknown_name;
use crate::read::{Evaluator, texts};
use crate::schema::{self, Contents, Entry, Form, contents, duplicate};
use crate::settings::LayerName;

/// What a profile or an account says.
pub(crate) struct Layer {
    pub origin: Origin,
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
        let layer = layer(&body, &schema::PROFILE, entry, evaluator, faults);
        let map = if imported { &mut self.imported } else { &mut self.local };
        if map.insert(entry.label.to_owned(), layer).is_some() {
            faults.push(duplicate(&format!("profile `{}`", entry.label), &entry.origin));
        }
    }

    /// The layers of an account, the lowest first: imported profiles, local profiles, the account. `None` when one of
    /// these is broken, which was said already.
    pub fn layers<'l>(&'l self, top: &'l Layer, name: LayerName) -> Result<Option<Vec<(LayerName, &'l Tree)>>, Fault> {
        let mut order = Vec::new();
        self.flatten(&top.profiles, &mut Vec::new(), &mut order)?;
        let named = |layers: &'l BTreeMap<String, Layer>, kind: fn(String) -> LayerName| {
            let found = order.iter().filter_map(|name| Some((kind(name.clone()), layers.get(name)?)));
            found.collect::<Vec<_>>()
        };
        let imported = named(&self.imported, LayerName::ImportedProfile);
        let local = named(&self.local, LayerName::LocalProfile);
        let all: Vec<_> = imported.into_iter().chain(local).chain([(name, top)]).collect();
        if all.iter().any(|(_, layer)| layer.broken) {
            return Ok(None);
        }
        Ok(Some(all.into_iter().map(|(name, layer)| (name, &layer.tree)).collect()))
    }

    /// What every profile says.
    pub fn trees(&self) -> impl Iterator<Item = &Tree> {
        self.imported.values().chain(self.local.values()).map(|layer| &layer.tree)
    }

    /// Every profile with its place: by name, the imported one of two first.
    pub fn all(&self) -> impl Iterator<Item = (LayerName, &Origin)> {
        let imported =
            self.imported.iter().map(|(name, layer)| (LayerName::ImportedProfile(name.clone()), &layer.origin));
        imported.chain(self.local.iter().map(|(name, layer)| (LayerName::LocalProfile(name.clone()), &layer.origin)))
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
            let Err(fault) = self.layers(layer, LayerName::Fleet) else { continue };
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
    form: &Form,
    entry: &Entry<'_>,
    evaluator: &Evaluator<'_>,
    faults: &mut Vec<Fault>,
) -> Layer {
    let before = faults.len();
    let mut tree = attributes(body, form, evaluator, faults);
    let profiles = match tree.remove("profiles") {
        None => Vec::new(),
        Some(node) => profile_names(&node).map_err(|fault| faults.push(fault)).unwrap_or_default(),
    };
    for (name, form) in [("tools", &schema::TOOLS), ("limits", &schema::LIMITS), ("sources", &schema::SOURCES)] {
        if let Some(block) = body.blocks_named(name).next() {
            tree.insert(name.to_owned(), inner(block, form, evaluator, faults));
        }
    }
    type Make = fn(&Entry<'_>, &Evaluator<'_>, &mut Vec<Fault>) -> Node;
    let kinds: [(&str, Make); 5] = [
        ("action", action_node),
        ("policy", |one, evaluator, faults| inner(one, &schema::POLICY, evaluator, faults)),
        ("freeze", |one, evaluator, faults| inner(one, &schema::FREEZE, evaluator, faults)),
        ("egress", |one, evaluator, faults| inner(one, &schema::EGRESS, evaluator, faults)),
        ("credential", |one, evaluator, faults| inner(one, &schema::CREDENTIAL, evaluator, faults)),
    ];
    for (name, make) in kinds {
        let of = |one: &Entry<'_>| (one.label.to_owned(), make(one, evaluator, faults));
        let blocks: Tree = body.blocks_named(name).map(of).collect();
        if !blocks.is_empty() {
            tree.insert(name.to_owned(), Node::Map(blocks, entry.origin.clone()));
        }
    }
    Layer { origin: entry.origin.clone(), tree, profiles, broken: faults.len() > before }
}

/// An action, with its parameters by name.
fn action_node(entry: &Entry<'_>, evaluator: &Evaluator<'_>, faults: &mut Vec<Fault>) -> Node {
    let body = contents(&entry.block.body, entry.origin.file(), &schema::ACTION, faults);
    let mut tree = attributes(&body, &schema::ACTION, evaluator, faults);
    let mut parameters = Tree::new();
    for parameter in body.blocks_named("parameter") {
        parameters.insert(parameter.label.to_owned(), inner(parameter, &schema::PARAMETER, evaluator, faults));
    }
    if !parameters.is_empty() {
        tree.insert("parameter".to_owned(), Node::Map(parameters, entry.origin.clone()));
    }
    for limits in body.blocks_named("limits") {
        tree.insert("limits".to_owned(), inner(limits, &schema::LIMITS, evaluator, faults));
    }
    Node::Map(tree, entry.origin.clone())
}

/// The blocks of a name, as one node with an entry for each label.
pub(crate) fn labelled(
    body: &Contents<'_>,
    name: &str,
    form: &Form,
    at: &Origin,
    evaluator: &Evaluator<'_>,
    faults: &mut Vec<Fault>,
) -> Option<(String, Node)> {
    let mut all = Tree::new();
    for entry in body.blocks_named(name) {
        all.insert(entry.label.to_owned(), inner(entry, form, evaluator, faults));
    }
    (!all.is_empty()).then(|| (name.to_owned(), Node::Map(all, at.clone())))
}

/// A block without blocks of its own, as a node.
pub(crate) fn inner(entry: &Entry<'_>, form: &Form, evaluator: &Evaluator<'_>, faults: &mut Vec<Fault>) -> Node {
    let body = contents(&entry.block.body, entry.origin.file(), form, faults);
    Node::Map(attributes(&body, form, evaluator, faults), entry.origin.clone())
}

fn attributes(body: &Contents<'_>, form: &Form, evaluator: &Evaluator<'_>, faults: &mut Vec<Fault>) -> Tree {
    let mut tree = Tree::new();
    for (name, expr) in &body.attributes {
        let node = if *name == "value" && form.of == schema::CREDENTIAL.of {
            secret(expr, evaluator)
        } else {
            node(name, expr, evaluator)
        };
        match node {
            Ok(node) => {
                tree.insert((*name).to_owned(), node);
            }
            Err(fault) => faults.push(fault),
        }
    }
    tree
}

/// An attribute: `append(LIST)` for one that is a list, else its value.
pub(crate) fn node(name: &str, expr: &Expression, evaluator: &Evaluator<'_>) -> Result<Node, Fault> {
    if name == "argv" && schema::append(expr).is_none() {
        return argv::value(expr, evaluator).map(Node::Leaf);
    }
    let Some(arguments) = schema::append(expr) else { return Ok(Node::of(&evaluator.value(expr)?)) };
    let at = evaluator.origin(expr);
    if !schema::LISTS.contains(&name) {
        return Err(at
            .fault(Code::FLEET_TYPE, format!("`{name}` cannot be appended to"))
            .remedy(format!("`append` is for the lists {} of a profile or an account.", schema::lists())));
    }
    let [list] = arguments.as_slice() else {
        return Err(at
            .fault(Code::FLEET_TYPE, format!("`append` takes one list, and was given {} arguments", arguments.len()))
            .remedy(format!("Write `{name} = append([…])`.")));
    };
    let value = evaluator.value(list)?;
    texts(&value, "what `append` is given")?;
    Ok(Node::Append(value))
}

/// A credential's value: `secret("NAME")`, and nothing that could be the value itself.
fn secret(expr: &Expression, evaluator: &Evaluator<'_>) -> Result<Node, Fault> {
    let at = evaluator.origin(expr);
    let arguments = schema::secret(expr);
    let Some([name]) = arguments.as_deref() else {
        return Err(at
            .fault(Code::FLEET_TYPE, "a credential's value is not written in the definition")
            .remedy("Write `value = secret(\"NAME\")`: the name of a secret that the runner has."));
    };
    Ok(Node::Map(Tree::from([("secret".to_owned(), Node::of(&evaluator.value(name)?))]), at))
}

fn profile_names(node: &Node) -> Result<Vec<(String, Value)>, Fault> {
    let Node::Leaf(value) = node else {
        let is = if matches!(node, Node::Append(_)) { "appended to" } else { "a map" };
        return Err(node
            .origin()
            .fault(Code::FLEET_TYPE, format!("`profiles` must be a list of names, but is {is}"))
            .remedy("Give a list of names."));
    };
    if value.is_null() {
        return Ok(Vec::new());
    }
    let names = texts(value, "`profiles`")?;
    Ok(names.into_iter().zip(value.as_seq().unwrap_or_default().iter().cloned()).collect())
}
