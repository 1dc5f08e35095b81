//! Profiles and accounts as they are written: each value with its path, its text and its place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use portcullis_hcl::hcl_edit::Span;
use portcullis_hcl::hcl_edit::expr::{Expression, Object, ObjectKey};
use portcullis_hcl::hcl_edit::structure::{Block, Body, Structure};
use portcullis_hcl::{File, Origin, Value, references};
use portcullis_model::{AccountName, Fault, Place};
use serde_json::Value as Json;

use crate::Read;
use crate::fleet::{FLEET_FILE, Fleet};
use crate::layer::Node;
use crate::profiles::node;
use crate::read::{Elsewhere, Evaluator, Source, sources};
use crate::settings::LayerName;

/// What an account says for itself alone: no profile can say it.
const ITS_OWN: [&str; 3] = ["id", "path", "repository"];
/// What is below a layer is no value of it.
const PROFILES: &str = "profiles";

/// A definition, and its layers as they are written.
pub(super) struct Book {
    pub fleet: Fleet,
    pub files: Vec<Arc<File>>,
    pub sections: Vec<Section>,
}

/// One profile or account.
pub(super) struct Section {
    pub name: LayerName,
    pub file: Arc<File>,
    pub place: Place,
    /// From the block's type to its closing brace.
    pub at: Range<usize>,
    /// Between the braces.
    pub body: Range<usize>,
    /// The value of `profiles`, and whether it is a list that can be added to.
    pub profiles: Option<(Range<usize>, Profiles)>,
    /// Where an account says `id`, `path` and `repository`.
    pub own: Vec<Range<usize>>,
    pub items: Vec<Item>,
    /// The profiles that it names.
    pub names: BTreeSet<String>,
    /// The accounts that it is a layer of.
    pub users: BTreeSet<AccountName>,
    /// Whether its file is one of this repository.
    pub is_ours: bool,
}

/// How `profiles` is written.
pub(super) enum Profiles {
    /// `[…]`: the ranges of its elements.
    List(Vec<Range<usize>>),
    Null,
    /// Anything else.
    Expression,
}

/// A part of a layer's text.
pub(super) struct Item {
    pub step: Step,
    /// From its name to the end of its value.
    pub at: Range<usize>,
    pub kind: ItemKind,
}

pub(super) enum ItemKind {
    Value(Piece),
    /// An object with keys that are written out; where it is.
    Object(Range<usize>, Vec<Item>),
    /// A block; what is between its braces.
    Block(Range<usize>, Vec<Item>),
}

/// One part of a path, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Attribute(String),
    /// A key of an object, and how it is written.
    Key(String, String),
    Block(String, Vec<String>),
}

/// A value that is moved as a whole, or not at all.
pub(super) struct Piece {
    /// Its expression.
    pub value: Range<usize>,
    /// What it says, by path: more than one for a map that is not written out.
    pub said: BTreeMap<String, Said>,
    /// Whether it refers to a local, which only its own file knows.
    pub refers: bool,
}

/// What is said of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub value: Json,
    /// Whether it is added to what is below.
    pub appended: bool,
}

impl Said {
    /// Equal exactly when the same is said. JSON has no order; its text has.
    pub fn key(&self) -> (bool, String) {
        (self.appended, self.value.to_string())
    }
}

impl Step {
    /// The part of the path that it stands for.
    pub fn path(&self) -> String {
        match self {
            Step::Attribute(name) | Step::Key(name, _) => name.clone(),
            Step::Block(name, labels) => {
                let mut path = name.clone();
                for label in labels {
                    path.push('.');
                    path.push_str(label);
                }
                path
            }
        }
    }
}

/// The path below a path.
pub(super) fn below(path: &str, step: &Step) -> String {
    if path.is_empty() { step.path() } else { format!("{path}.{}", step.path()) }
}

impl Book {
    /// Loads a definition, and takes its layers apart.
    pub fn read(read: &Read<'_>, elsewhere: &Elsewhere<'_>) -> Result<Book, Vec<Fault>> {
        let sources = sources(FLEET_FILE, read, elsewhere)?;
        let fleet = Fleet::of(&sources)?;
        let mut faults = Vec::new();
        let mut sections = Vec::new();
        for source in &sources {
            let reader = Reader { file: &source.file, evaluator: Evaluator::new(&source.file) };
            for block in source.file.body().blocks() {
                if matches!(block.ident.as_str(), "account" | "profile") {
                    match reader.section(block, source, &fleet) {
                        Ok(section) => sections.push(section),
                        Err(fault) => faults.push(fault),
                    }
                }
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let files = sources.iter().map(|source| Arc::clone(&source.file)).collect();
        Ok(Book { fleet, files, sections })
    }
}

impl Book {
    /// Whether a profile is one of those that a section rests on, directly or through others.
    pub fn rests_on(&self, section: &Section, profile: &LayerName) -> bool {
        let (LayerName::ImportedProfile(wanted) | LayerName::LocalProfile(wanted)) = profile else { return true };
        let (mut seen, mut open) = (BTreeSet::new(), vec![section]);
        while let Some(one) = open.pop() {
            if one.names.contains(wanted) {
                return true;
            }
            let names = one.names.iter().filter(|name| seen.insert((*name).clone())).collect::<Vec<_>>();
            open.extend(
                self.sections.iter().filter(|one| !one.is_account() && names.iter().any(|name| *name == one.label())),
            );
        }
        false
    }
}

impl Section {
    /// Every value of it, with the way to it.
    pub fn pieces(&self) -> Vec<(Vec<&Item>, &Piece)> {
        fn walk<'s>(items: &'s [Item], way: &mut Vec<&'s Item>, found: &mut Vec<(Vec<&'s Item>, &'s Piece)>) {
            for item in items {
                way.push(item);
                match &item.kind {
                    ItemKind::Value(piece) => found.push((way.clone(), piece)),
                    ItemKind::Object(_, inner) | ItemKind::Block(_, inner) => walk(inner, way, found),
                }
                way.pop();
            }
        }
        let mut found = Vec::new();
        walk(&self.items, &mut Vec::new(), &mut found);
        found
    }

    /// What it says, by path.
    pub fn said(&self) -> BTreeMap<String, Said> {
        let pieces = self.pieces();
        pieces
            .iter()
            .flat_map(|(_, piece)| piece.said.iter())
            .map(|(path, said)| (path.clone(), said.clone()))
            .collect()
    }

    /// Its name in the file.
    pub fn label(&self) -> &str {
        match &self.name {
            LayerName::ImportedProfile(name)
            | LayerName::LocalProfile(name)
            | LayerName::Account(name)
            | LayerName::Block(name) => name,
            LayerName::Fleet => "",
        }
    }

    /// Whether it is an account.
    pub fn is_account(&self) -> bool {
        matches!(self.name, LayerName::Account(_))
    }
}

/// Reads the layers of one file.
struct Reader<'f> {
    file: &'f Arc<File>,
    evaluator: Evaluator<'f>,
}

impl Reader<'_> {
    fn section(&self, block: &Block, source: &Source, fleet: &Fleet) -> Result<Section, Fault> {
        let label = block.labels.first().map_or("", |label| label.as_str()).to_owned();
        let name = match (block.ident.as_str(), source.imported) {
            ("account", _) => LayerName::Account(label),
            (_, true) => LayerName::ImportedProfile(label),
            (_, false) => LayerName::LocalProfile(label),
        };
        let users = fleet.traces().iter().filter(|(_, trace)| trace.layers.contains(&name));
        let users = users.map(|(account, _)| account.clone()).collect();
        let profiles = block.body.get_attribute(PROFILES).map(|attribute| {
            let at = attribute.value.span().unwrap_or_default();
            let kind = match &attribute.value {
                Expression::Array(list) => Profiles::List(list.iter().filter_map(Span::span).collect()),
                Expression::Null(_) => Profiles::Null,
                _ => Profiles::Expression,
            };
            (at, kind)
        });
        let names = match block.body.get_attribute(PROFILES) {
            Some(attribute) => self.evaluator.value(&attribute.value)?,
            None => Value::null(Origin::built_in()),
        };
        let names =
            names.as_seq().unwrap_or_default().iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect();
        let at = block.span().unwrap_or_default();
        Ok(Section {
            names,
            place: Origin::of(self.file, &block.ident).place(),
            body: self.braces(block),
            own: block
                .body
                .attributes()
                .filter(|attribute| ITS_OWN.contains(&attribute.key.as_str()))
                .filter_map(|attribute| Some(attribute.key.span()?.start..attribute.value.span()?.end))
                .collect(),
            items: self.body(&block.body, "", matches!(name, LayerName::Account(_)))?,
            file: Arc::clone(self.file),
            is_ours: source.pinned.is_none(),
            at,
            profiles,
            users,
            name,
        })
    }

    /// What is between a block's braces.
    fn braces(&self, block: &Block) -> Range<usize> {
        let at = block.span().unwrap_or_default();
        let end = at.end.saturating_sub(1);
        let named = block.labels.last().and_then(Span::span).or_else(|| block.ident.span()).unwrap_or_default().end;
        let comments = self.file.comments();
        let text = self.file.text();
        let open = (named..end)
            .find(|at| text.as_bytes().get(*at) == Some(&b'{') && !comments.iter().any(|comment| comment.contains(at)));
        open.map_or(end, |open| open + 1)..end
    }

    fn body(&self, body: &Body, path: &str, is_account: bool) -> Result<Vec<Item>, Fault> {
        let mut items = Vec::new();
        for structure in body {
            match structure {
                Structure::Attribute(attribute) => {
                    let name = attribute.key.as_str();
                    if path.is_empty() && (name == PROFILES || (is_account && ITS_OWN.contains(&name))) {
                        continue;
                    }
                    let step = Step::Attribute(name.to_owned());
                    let start = attribute.key.span().unwrap_or_default().start;
                    items.push(self.item(step, start, &attribute.value, path)?);
                }
                Structure::Block(block) => {
                    let labels = block.labels.iter().map(|label| label.as_str().to_owned()).collect();
                    let step = Step::Block(block.ident.as_str().to_owned(), labels);
                    let inner = self.body(&block.body, &below(path, &step), is_account)?;
                    let at = block.span().unwrap_or_default();
                    items.push(Item { step, at, kind: ItemKind::Block(self.braces(block), inner) });
                }
            }
        }
        Ok(items)
    }

    fn item(&self, step: Step, start: usize, expr: &Expression, path: &str) -> Result<Item, Fault> {
        let value = expr.span().unwrap_or_default();
        let at = start..value.end;
        let path = below(path, &step);
        if let Expression::Object(object) = expr
            && let Some(keys) = keys(object, self.file)
        {
            let items = object.iter().zip(keys).map(|((key, value), step)| {
                let start = key_span(key).unwrap_or_default().start;
                self.item(step, start, value.expr(), &path)
            });
            let items = items.collect::<Result<Vec<_>, Fault>>()?;
            return Ok(Item { step, at, kind: ItemKind::Object(value, items) });
        }
        let name = match &step {
            Step::Attribute(name) => name,
            Step::Key(..) | Step::Block(..) => "",
        };
        let mut said = BTreeMap::new();
        flatten(&node(name, expr, &self.evaluator)?, &path, &mut said);
        let refers = references(expr).iter().any(|reference| reference.root == "local");
        Ok(Item { step, at, kind: ItemKind::Value(Piece { value, said, refers }) })
    }
}

fn key_span(key: &ObjectKey) -> Option<Range<usize>> {
    match key {
        ObjectKey::Ident(ident) => ident.span(),
        ObjectKey::Expression(expr) => expr.span(),
    }
}

/// The keys of an object, if all are written out and none is there twice.
fn keys(object: &Object, file: &File) -> Option<Vec<Step>> {
    let mut names = BTreeSet::new();
    let mut steps = Vec::new();
    for (key, _) in object {
        let name = match key {
            ObjectKey::Ident(ident) => ident.as_str().to_owned(),
            ObjectKey::Expression(Expression::String(text)) => text.value().to_string(),
            ObjectKey::Expression(_) => return None,
        };
        let written = file.slice(&key_span(key)?).to_owned();
        // The tree has another name for a key that is there twice.
        if !names.insert(name.clone()) || !written.contains(&name) {
            return None;
        }
        steps.push(Step::Key(name, written));
    }
    (!steps.is_empty()).then_some(steps)
}

/// A value by path: maps merge by key, so each key is a value of its own.
fn flatten(node: &Node, path: &str, said: &mut BTreeMap<String, Said>) {
    let (value, appended) = match node {
        Node::Map(tree, _) => {
            for (key, node) in tree {
                flatten(node, &format!("{path}.{key}"), said);
            }
            return;
        }
        Node::Leaf(value) => (value, false),
        Node::Append(value) => (value, true),
    };
    said.insert(path.to_owned(), Said { value: value.to_json().unwrap_or_default(), appended });
}
