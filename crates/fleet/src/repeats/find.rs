//! Which values two or more profiles or accounts say alike, or nearly so.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_model::Place;
use serde::Serialize;
use serde_json::Value as Json;

use super::book::{Book, Said};
use crate::settings::{LayerName, Written};

/// How values are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// All of these layers say the same.
    Equal,
    /// They say the same but for some values, which stay where they are.
    Nearly,
    /// A layer says what is in force below it already.
    Again,
}

/// Values that are said more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repeated {
    /// How.
    pub kind: Kind,
    /// The layers that say them.
    pub layers: Vec<(LayerName, Place)>,
    /// What they say, by path; an `append(…)` as the list that is added.
    pub values: BTreeMap<String, Json>,
    /// What some of these layers say otherwise of the same block, and what stays there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stays: BTreeMap<String, Vec<(LayerName, Json)>>,
    /// Layers elsewhere that say something else of one of these paths.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, Vec<(LayerName, Json)>>,
    /// The profile that would hold them; of what is said again, the layer that says it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<LayerName>,
    /// Whether the profile would be a new one.
    pub is_new: bool,
    /// Why `fleet extract` would not move them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
}

/// What is to be moved: by path what is said, and which sections say it.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub sections: BTreeSet<usize>,
    pub values: Values,
    /// Who says it already, of what is said again.
    pub below: Option<LayerName>,
}

/// What is said of each path, and which sections say so.
type Values = BTreeMap<String, (Said, BTreeSet<usize>)>;

/// Who says what of each path.
type Sayings = BTreeMap<String, BTreeMap<(bool, String), (Said, BTreeSet<usize>)>>;

/// What is repeated: first what is said again, then by the number of layers, the most first.
pub(super) fn findings(book: &Book, only: &[String]) -> Vec<Finding> {
    let counts = |path: &str| only.is_empty() || only.iter().any(|only| is_at(path, only));
    let again = again(book, &counts);
    let mut sayings = Sayings::new();
    for (index, section) in book.sections.iter().enumerate().filter(|(_, section)| section.is_ours) {
        for (path, said) in section.said() {
            if !counts(&path) || again.iter().any(|one| one.sections.contains(&index) && one.values.contains_key(&path))
            {
                continue;
            }
            let all = sayings.entry(path).or_default();
            all.entry(said.key()).or_insert_with(|| (said, BTreeSet::new())).1.insert(index);
        }
    }
    let mut found = again;
    found.extend(alike(&sayings));
    found
}

/// Whether a path is that one or below it.
fn is_at(path: &str, at: &str) -> bool {
    path.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The block or map that a path is in; itself for one that is in none.
fn block(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(block, _)| block)
}

/// Groups of sections that say the same. What most of a group's sections say of a block that they share goes with it,
/// if the others say something else: that stays with them.
fn alike(sayings: &Sayings) -> Vec<Finding> {
    let mut groups: BTreeMap<BTreeSet<usize>, BTreeMap<String, Said>> = BTreeMap::new();
    for (path, all) in sayings {
        for (said, who) in all.values().filter(|(_, who)| who.len() > 1) {
            groups.entry(who.clone()).or_default().insert(path.clone(), said.clone());
        }
    }
    let mut order: Vec<BTreeSet<usize>> = groups.keys().cloned().collect();
    order.sort_by_key(|who| (std::cmp::Reverse(who.len()), who.clone()));
    let mut found = Vec::new();
    for who in &order {
        let Some(values) = groups.remove(who).filter(|values| !values.is_empty()) else { continue };
        let blocks: BTreeSet<&str> = values.keys().map(|path| block(path)).collect();
        let mut all: Values = values.iter().map(|(path, said)| (path.clone(), (said.clone(), who.clone()))).collect();
        for smaller in order.iter().filter(|smaller| smaller.len() < who.len() && smaller.is_subset(who)) {
            let Some(theirs) = groups.get_mut(smaller) else { continue };
            theirs.retain(|path, said| {
                let says = |index: &usize| {
                    sayings.get(path).is_some_and(|all| all.values().any(|(_, who)| who.contains(index)))
                };
                let goes_along =
                    blocks.contains(block(path)) && !all.contains_key(path) && who.difference(smaller).all(says);
                if goes_along {
                    all.insert(path.clone(), (said.clone(), smaller.clone()));
                }
                !goes_along
            });
        }
        found.push(Finding { sections: who.clone(), values: all, below: None });
    }
    found
}

/// What is in force below a layer already, wherever the layer is used.
fn again(book: &Book, counts: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, section) in book.sections.iter().enumerate().filter(|(_, section)| section.is_ours) {
        let mut by_layer: BTreeMap<String, (LayerName, Values)> = BTreeMap::new();
        for (path, said) in section.said().into_iter().filter(|(path, _)| counts(path)) {
            let below = section.users.iter().map(|user| {
                let history = book.fleet.traces().get(user)?.history().get(&path)?;
                says_already(history, &section.name)
            });
            let below: Option<Vec<LayerName>> = below.collect();
            // What a profile happens to be used together with is no reason for it to say less.
            let below = below.filter(|layers| layers.iter().all(|layer| book.rests_on(section, layer)));
            let Some(layer) = below.and_then(|mut layers| layers.pop()) else { continue };
            let all = by_layer.entry(layer.to_string()).or_insert_with(|| (layer, BTreeMap::new()));
            all.1.insert(path, (said, BTreeSet::from([index])));
        }
        found.extend(by_layer.into_values().map(|(layer, values)| Finding {
            sections: BTreeSet::from([index]),
            values,
            below: Some(layer),
        }));
    }
    found
}

/// The layer below this one that says what it says, if that is so.
fn says_already(history: &[Written], name: &LayerName) -> Option<LayerName> {
    let at = history.iter().position(|written| written.layer == *name)?;
    let (below, own) = (history.get(..at)?, history.get(at)?);
    let last = below.last()?;
    let mut in_force = Json::Null;
    for written in below {
        match (&mut in_force, &written.value) {
            (Json::Array(all), Json::Array(more)) if written.appended => {
                let new: Vec<Json> = more.iter().filter(|value| !all.contains(value)).cloned().collect();
                all.extend(new);
            }
            (in_force, value) => *in_force = value.clone(),
        }
    }
    let is_there = match (&in_force, &own.value) {
        (Json::Array(all), Json::Array(more)) if own.appended => more.iter().all(|value| all.contains(value)),
        (in_force, value) => !own.appended && *in_force == *value,
    };
    (is_there && !own.value.is_null()).then(|| last.layer.clone())
}

impl Finding {
    /// As a person is told of it.
    pub fn told(&self, book: &Book) -> Repeated {
        let name = |index: &usize| book.sections.get(*index).map(|section| section.name.clone());
        let layers = self.sections.iter().filter_map(|index| book.sections.get(*index));
        let layers = layers.map(|section| (section.name.clone(), section.place.clone())).collect();
        let blocks: BTreeSet<&str> = self.values.keys().map(|path| block(path)).collect();
        let mut stays: BTreeMap<String, Vec<(LayerName, Json)>> = BTreeMap::new();
        let mut others: BTreeMap<String, Vec<(LayerName, Json)>> = BTreeMap::new();
        if self.below.is_none() {
            for (index, section) in book.sections.iter().enumerate() {
                let Some(name) = name(&index) else { continue };
                for (path, said) in section.said() {
                    let moves = self.values.get(&path).is_some_and(|(_, movers)| movers.contains(&index));
                    if moves {
                        continue;
                    }
                    let said = (name.clone(), said.value);
                    if self.sections.contains(&index) && blocks.contains(block(&path)) {
                        stays.entry(path).or_default().push(said);
                    } else if self.values.contains_key(&path) {
                        others.entry(path).or_default().push(said);
                    }
                }
            }
            // One layer that says something of its own repeats nobody.
            stays.retain(|path, said| said.len() > 1 || self.values.contains_key(path));
        }
        let kind = match (&self.below, stays.is_empty()) {
            (Some(_), _) => Kind::Again,
            (None, true) => Kind::Equal,
            (None, false) => Kind::Nearly,
        };
        Repeated {
            kind,
            layers,
            values: self.values.iter().map(|(path, (said, _))| (path.clone(), said.value.clone())).collect(),
            stays,
            others,
            holder: self.below.clone(),
            is_new: false,
            obstacle: None,
        }
    }
}
