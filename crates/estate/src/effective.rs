//! [`Effective`]: a unit's whole configuration after all includes, as a tree in which every value knows where it
//! was written. Made when it is asked for and not kept: an estate holds digests only.
//!
//! Outputs of dependencies are unknown here, and so is what would need running. Sensitive values never leave
//! this module.

use portcullis_hcl::{Kind, Origin, Value};
use portcullis_model::{Fault, Place, UnitPath};
use serde_json::{Map, Value as Json, json};

use crate::config::{self, Config, Frame, OutputsIn, OutputsMode, Session};
use crate::evaluate::{self, Shared};

/// A unit's effective configuration.
#[derive(Debug, Clone)]
pub struct Effective {
    /// The unit.
    pub path: UnitPath,
    /// The tree, in the shape of `terragrunt render --json`.
    pub(crate) tree: Value,
    /// The includes: label and path.
    includes: Vec<(String, String)>,
    /// The unit's own configuration file.
    file: String,
    /// What each file says by itself, the unit's own first. Only where it was asked for.
    layers: Vec<Value>,
}

/// An attribute of a unit's effective configuration, explained.
#[derive(Debug, Clone)]
pub struct Explained {
    /// Its path, such as `inputs.tags.Owner`.
    pub attribute: String,
    /// Its value as JSON; unknown and sensitive ones as [`Effective::to_json`] has them.
    pub value: Json,
    /// Where it comes from.
    pub from: Provenance,
    /// Values of the same attribute that it replaced, the one that came nearest first.
    pub replaced: Vec<(Json, Provenance)>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Where it is written; `None` for a default that nobody wrote.
    pub place: Option<Place>,
    /// The label of the include that brought it in; `None` for what the unit itself says or reads.
    pub include: Option<String>,
}

impl std::fmt::Display for Provenance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            None => return f.write_str("the default"),
            Some(place) if place.line == 0 => f.write_str(&place.file)?,
            Some(place) => write!(f, "{}:{}", place.file, place.line)?,
        }
        match self.include.as_deref() {
            Some("") => f.write_str(" through include"),
            Some(include) => write!(f, " through include {include:?}"),
            None => Ok(()),
        }
    }
}

/// How much of a unit's configuration is evaluated.
#[derive(Clone, Copy)]
pub(crate) enum Extent<'e> {
    All,
    /// With what each file says by itself, for [`Effective::explained`].
    Layers,
    /// These parts alone.
    Only(&'e [&'static str]),
}

/// Evaluates a unit, its dependencies' outputs unknown.
pub(crate) fn effective(shared: &Shared<'_>, path: &UnitPath, extent: Extent<'_>) -> Result<Effective, Fault> {
    let session =
        Session::new(shared.reader, shared.settings, path, evaluate::DIGEST_COMMAND, OutputsMode::Unknown, shared.memo);
    let file = session.unit_config()?;
    let frame = Frame::open(&session, &file, || evaluate::missing(path)).map_err(config::first)?;
    let at = frame.origin();
    let tree = match extent {
        Extent::Only(only) => Config::of(&frame, Some(only))?.parts(&frame, Some(only), OutputsIn::Hidden, &at)?,
        Extent::All | Extent::Layers => frame.config()?.whole(&frame, OutputsIn::Hidden, &at)?,
    };
    Ok(Effective {
        path: path.clone(),
        tree,
        includes: config::includes(&frame)?,
        file: file.clone(),
        layers: if matches!(extent, Extent::Layers) { config::layers(&frame, &at)? } else { Vec::new() },
    })
}

impl Effective {
    /// The tree as JSON, in the shape of `terragrunt render --json`. What is not known is
    /// `{"$unknown": "reason"}`, what is sensitive `{"$sensitive": true}`.
    pub fn to_json(&self) -> Json {
        to_json(&self.tree)
    }

    /// Every attribute that has a value of its own (not an object), by its path, and where it comes from.
    pub fn provenance(&self) -> Vec<(String, Provenance)> {
        let mut found = Vec::new();
        self.collect("", &self.tree, &mut found);
        found
    }

    fn collect(&self, name: &str, value: &Value, found: &mut Vec<(String, Provenance)>) {
        match value.as_map() {
            Some(entries) if !entries.is_empty() && !value.is_sensitive() => {
                for (key, value) in entries {
                    self.collect(&attribute_path(name, key), value, found);
                }
            }
            _ => found.push((name.to_owned(), self.origin(value))),
        }
    }

    /// Every attribute that was set by somebody: its value, where it comes from and what it replaced.
    pub fn explained(&self) -> Vec<Explained> {
        let mut found = Vec::new();
        let layers: Vec<&Value> = self.layers.iter().collect();
        self.explain("", &self.tree, &layers, &mut found);
        found
    }

    fn explain(&self, name: &str, value: &Value, layers: &[&Value], found: &mut Vec<Explained>) {
        match value.as_map() {
            Some(entries) if !entries.is_empty() && !value.is_sensitive() => {
                for (key, value) in entries {
                    let below: Vec<&Value> = layers.iter().filter_map(|layer| layer.get(key)).collect();
                    self.explain(&attribute_path(name, key), value, &below, found);
                }
            }
            _ => {
                let from = self.origin(value);
                if from.place.is_none() || value.is_null() {
                    return;
                }
                let others = layers.iter().filter(|layer| !layer.is_null()).map(|layer| (layer, self.origin(layer)));
                let replaced = others.filter(|(_, other)| other.place.is_some() && *other != from);
                found.push(Explained {
                    attribute: name.to_owned(),
                    value: to_json(value),
                    replaced: replaced.map(|(layer, other)| (to_json(layer), other)).collect(),
                    from,
                });
            }
        }
    }

    /// Where a value of this tree comes from.
    pub(crate) fn origin(&self, value: &Value) -> Provenance {
        self.provenance_of(value.origin())
    }

    fn provenance_of(&self, origin: &Origin) -> Provenance {
        if origin.is_built_in() {
            return Provenance { place: None, include: None };
        }
        let place = origin.place();
        let include = if place.file == self.file {
            None
        } else {
            self.includes.iter().find(|(_, path)| *path == place.file).map(|(name, _)| name.clone())
        };
        Provenance { place: Some(place), include }
    }
}

/// The path of an attribute of an object: `inputs.tags["a b"]`.
pub fn attribute_path(parent: &str, key: &str) -> String {
    let plain = key.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    match (parent, plain) {
        ("", true) => key.to_owned(),
        (parent, true) => format!("{parent}.{key}"),
        (parent, false) => format!("{parent}[{key:?}]"),
    }
}

/// A value as JSON; unknown and sensitive values as objects that say so.
pub(crate) fn to_json(value: &Value) -> Json {
    if value.is_sensitive() {
        return json!({ "$sensitive": true });
    }
    match value.kind() {
        Kind::Seq(_, elements) => Json::Array(elements.iter().map(to_json).collect()),
        Kind::Map(_, entries) => {
            Json::Object(entries.iter().map(|(name, value)| (name.to_string(), to_json(value))).collect::<Map<_, _>>())
        }
        Kind::Unknown(unknown) => json!({ "$unknown": unknown.reason() }),
        // A number with more digits than JSON has is shown in full, as text.
        _ => value.to_json().unwrap_or_else(|_| json!(value.text_form())),
    }
}
