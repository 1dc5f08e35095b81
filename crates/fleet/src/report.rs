//! What a definition says more than once, and could say in one place.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_model::Place;
use serde::Serialize;
use serde_json::Value as Json;

use crate::fleet::Fleet;
use crate::settings::LayerName;

/// What an account says for itself alone: no profile can say it.
const ITS_OWN: [&str; 4] = ["id", "path", "repository", "profiles"];

/// Values that the same layers repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repeated {
    /// The layers, each with the place of the first of the values.
    pub layers: Vec<(LayerName, Place)>,
    /// What each of them says, by path.
    pub values: BTreeMap<String, Json>,
    /// Profiles that exactly the accounts among these layers use: one of them could say it.
    pub profiles: Vec<LayerName>,
    /// Layers that say something else of one of these paths, by path: nearly the same.
    pub others: BTreeMap<String, Vec<(LayerName, Json)>>,
}

/// Who says what, and where.
type Said = BTreeMap<(String, String), (LayerName, Json, Place)>;

/// What is repeated; the most layers first.
pub(crate) fn repeated(fleet: &Fleet) -> Vec<Repeated> {
    let mut said: Said = BTreeMap::new();
    for trace in fleet.traces().values() {
        for (path, all) in trace.history() {
            if ITS_OWN.contains(&path.as_str()) {
                continue;
            }
            for one in all.iter().filter(|one| !one.appended && !one.value.is_null()) {
                let key = (path.clone(), one.layer.to_string());
                said.entry(key).or_insert_with(|| (one.layer.clone(), one.value.clone(), one.place.clone()));
            }
        }
    }
    // By path and value: who says so. JSON has no order; its text has.
    let mut by_value: BTreeMap<(&String, String), BTreeSet<&String>> = BTreeMap::new();
    for ((path, layer), (_, value, _)) in &said {
        by_value.entry((path, value.to_string())).or_default().insert(layer);
    }
    let mut by_layers: BTreeMap<BTreeSet<&String>, Vec<&String>> = BTreeMap::new();
    for ((path, _), layers) in by_value {
        if layers.len() > 1 {
            by_layers.entry(layers).or_default().push(path);
        }
    }
    let mut found: Vec<Repeated> =
        by_layers.into_iter().filter_map(|(layers, paths)| one(fleet, &said, &layers, &paths)).collect();
    found.sort_by_key(|one| std::cmp::Reverse((one.layers.len(), one.values.len())));
    found
}

fn one(fleet: &Fleet, said: &Said, layers: &BTreeSet<&String>, paths: &[&String]) -> Option<Repeated> {
    let of = |path: &str, layer: &str| said.get(&(path.to_owned(), layer.to_owned()));
    let (first_path, first_layer) = (paths.first()?, layers.first()?);
    let values = paths.iter().filter_map(|path| Some(((*path).clone(), of(path, first_layer)?.1.clone()))).collect();
    let named = layers.iter().filter_map(|layer| {
        let (name, _, place) = of(first_path, layer)?;
        Some((name.clone(), place.clone()))
    });
    let named: Vec<(LayerName, Place)> = named.collect();
    let others = paths.iter().filter_map(|path| {
        let other = said.iter().filter(|((at, layer), _)| at == *path && !layers.contains(layer));
        let other: Vec<(LayerName, Json)> = other.map(|(_, (name, value, _))| (name.clone(), value.clone())).collect();
        (!other.is_empty()).then(|| ((*path).clone(), other))
    });
    let accounts: BTreeSet<&str> = named
        .iter()
        .filter_map(|(layer, _)| match layer {
            LayerName::Account(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let users = |profile: &LayerName| -> BTreeSet<&str> {
        let users = fleet.traces().iter().filter(|(_, trace)| trace.layers.contains(profile));
        users.map(|(name, _)| name.as_str()).collect()
    };
    let profiles = fleet.declared().profiles.iter().map(|(profile, _)| profile);
    let profiles = profiles.filter(|profile| accounts.len() == named.len() && users(profile) == accounts);
    Some(Repeated { values, others: others.collect(), profiles: profiles.cloned().collect(), layers: named })
}
