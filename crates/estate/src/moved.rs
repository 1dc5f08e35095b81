//! Units that moved: gone in one folder, new in another, and the same but for that.
//!
//! Compared is a *neutral* digest, in which the unit's own path is taken out wherever it occurs: in values, in
//! names of its files, in the way to its dependencies. So a unit is found again although its state's key follows its
//! folder. That only names what happened: the new folder still has to be applied, and the state does not move by
//! itself.

use std::collections::BTreeMap;

use portcullis_hcl::{Kind, Value};
use portcullis_model::{Digest, DigestBuilder, UnitPath};

use crate::change::counts;
use crate::config::Memo;
use crate::effective::{Extent, attribute_path};
use crate::estate::in_parallel;
use crate::{Estate, Unit, path};

/// What stands for the unit's own path.
const SELF: &str = "\u{0}";

/// Attributes that say where something is, relative to the unit: what they lead to is compared instead.
fn leads_somewhere(parent: &str, key: &str) -> bool {
    (parent == "terraform" && key == "source")
        || (parent.starts_with("dependency") && key == "config_path")
        || (parent == "dependencies" && key == "paths")
}

/// For each unit that moved, where it was.
pub(crate) fn moves(
    base: &Estate,
    head: &Estate,
    deleted: &[&UnitPath],
    added: &[UnitPath],
) -> BTreeMap<UnitPath, UnitPath> {
    let mut found = BTreeMap::new();
    if deleted.is_empty() || added.is_empty() {
        return found;
    }
    let mut gone: BTreeMap<Digest, Vec<&UnitPath>> = BTreeMap::new();
    // Without threads nothing is found to have moved: what was there is deleted, what is there is added.
    let neutral = |estate: &Estate, units: &[&UnitPath]| {
        in_parallel(units, |memo: &Memo, unit| neutral(estate, unit, memo)).unwrap_or_else(|_| vec![None; units.len()])
    };
    for (from, digests) in deleted.iter().copied().zip(neutral(base, deleted)) {
        for digest in digests.into_iter().flatten() {
            gone.entry(digest).or_default().push(from);
        }
    }
    let added_units: Vec<&UnitPath> = added.iter().collect();
    for (to, digests) in added.iter().zip(neutral(head, &added_units)) {
        let candidates = digests.into_iter().flatten().filter_map(|digest| gone.get(&digest));
        let taken = |from: &UnitPath| found.values().any(|other| other == from);
        let from = candidates.flatten().find(|from| !taken(from)).map(|from| (*from).clone());
        found.extend(from.map(|from| (to.clone(), from)));
    }
    found
}

/// The neutral digests of a unit: with its dependencies named from the root, and from the unit.
fn neutral(estate: &Estate, unit: &UnitPath, memo: &Memo) -> Option<[Digest; 2]> {
    let known = estate.units().get(unit)?.as_ref().ok()?;
    let effective = estate.effective_here(unit, Extent::All, Some(memo)).ok()?;
    let mut shared = DigestBuilder::new("portcullis neutral v1");
    let suffixes = suffixes(unit.as_str());
    add(&effective.tree, "", &suffixes, &mut shared);
    add_files(known, &mut shared);
    let shared = shared.finish();
    let with = |target: &dyn Fn(&str) -> String| {
        let mut digest = DigestBuilder::new("portcullis neutral dependencies v1");
        digest.bytes(shared.as_bytes());
        for dependency in &known.dependencies {
            digest.text(&target(dependency.target.as_str()));
        }
        digest.finish()
    };
    Some([with(&|target| target.to_owned()), with(&|target| path::relative(unit.as_str(), target))])
}

/// The unit's path and the ends of it that are long enough to mean nothing else, the longest first.
pub(crate) fn suffixes(unit: &str) -> Vec<&str> {
    let mut found = vec![unit];
    let mut rest = unit;
    while let Some((_, shorter)) = rest.split_once('/') {
        rest = shorter;
        if rest.contains('/') {
            found.push(rest);
        }
    }
    found
}

fn add(value: &Value, name: &str, suffixes: &[&str], digest: &mut DigestBuilder) {
    match value.kind() {
        Kind::String(text) => {
            let text = suffixes.iter().fold(text.to_owned(), |text, suffix| text.replace(suffix, SELF));
            digest.text("text").text(&text);
        }
        Kind::Seq(_, elements) => {
            digest.text("seq").number(elements.len() as u64);
            elements.iter().for_each(|element| add(element, name, suffixes, digest));
        }
        Kind::Map(_, entries) => {
            digest.text("map");
            for (key, value) in entries.iter().filter(|(key, _)| counts(name, key) && !leads_somewhere(name, key)) {
                digest.text(key);
                add(value, &attribute_path(name, key), suffixes, digest);
            }
        }
        _ => value.digest_into(digest),
    }
}

/// The files that count, those of the unit's own folder by their names in it.
fn add_files(unit: &Unit, digest: &mut DigestBuilder) {
    let own = format!("{}/", unit.path);
    for (name, part) in unit.parts.files() {
        let inside = if name == unit.path.as_str() { Some("") } else { name.strip_prefix(&own) };
        match inside {
            Some(inside) => digest.text(SELF).text(inside),
            None => digest.text("file").text(name),
        };
        digest.bytes(part.as_bytes());
    }
}
