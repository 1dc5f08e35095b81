//! Blocks and attributes as evaluated values: [`Section`], [`Config`].

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use portcullis_hcl::value::Entries;
use portcullis_hcl::{Origin, Value};
use portcullis_model::{Code, Digest, Fault, Place};

use super::frame::Frame;
use super::include::Strategy;
use super::{dependency, legacy, merge, schema, types};

/// Attributes of a configuration that hold one plain value.
pub(crate) const PLAIN: [&str; 9] = [
    "terraform_binary",
    "terraform_version_constraint",
    "terragrunt_version_constraint",
    "download_dir",
    "prevent_destroy",
    "iam_role",
    "iam_assume_role_duration",
    "iam_assume_role_session_name",
    "iam_web_identity_token",
];

/// All else that a configuration is made of.
pub(super) const PARTS_OF_FILE: [&str; 9] =
    ["inputs", "terraform", "remote_state", "generate", "dependencies", "exclude", "engine", "feature", "errors"];

/// Labelled blocks inside `terraform`.
pub(crate) const TERRAFORM_BLOCKS: [&str; 4] = ["extra_arguments", "before_hook", "after_hook", "error_hook"];

/// A block with its attributes evaluated. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// The label; empty for a block without one.
    pub(crate) label: Arc<str>,
    pub(crate) attributes: Attributes,
    pub(crate) origin: Origin,
}

/// The attributes of a block. What was found out about them is kept for all clones, until one of them is changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes(Rc<Looked>);

#[derive(Debug, Clone, Default)]
struct Looked {
    entries: Entries,
    /// As part of a unit's digest, for a kind of block.
    digest: OnceCell<(&'static str, Digest)>,
    /// Whether they were decoded without a fault.
    sound: Cell<bool>,
}

impl Attributes {
    /// Their digest as those of a kind of block, made once.
    pub(crate) fn digest(&self, kind: &'static str, make: impl FnOnce(&Entries) -> Digest) -> Digest {
        match self.0.digest.get() {
            Some((known, digest)) if *known == kind => *digest,
            Some(_) => make(&self.0.entries),
            None => self.0.digest.get_or_init(|| (kind, make(&self.0.entries))).1,
        }
    }

    /// Says once that they can be decoded: `decode` is not asked again then.
    pub(crate) fn fault<T>(&self, decode: impl FnOnce() -> Result<T, Fault>) -> Option<Fault> {
        if self.0.sound.get() {
            return None;
        }
        let fault = decode().err();
        self.0.sound.set(fault.is_none());
        fault
    }
}

impl std::ops::Deref for Attributes {
    type Target = Entries;

    fn deref(&self) -> &Entries {
        &self.0.entries
    }
}

impl std::ops::DerefMut for Attributes {
    fn deref_mut(&mut self) -> &mut Entries {
        let looked = Rc::make_mut(&mut self.0);
        looked.digest.take();
        looked.sound.set(false);
        &mut looked.entries
    }
}

impl Section {
    pub(super) fn new(label: &str, origin: Origin) -> Self {
        Section { label: label.into(), attributes: Attributes::default(), origin }
    }

    /// An attribute that is set and not `null`.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.attributes.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn place(&self) -> Place {
        self.origin.place()
    }
}

/// A file's configuration, or that of a file with its includes merged in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    pub(crate) plain: BTreeMap<&'static str, Value>,
    pub(crate) inputs: Option<Value>,
    pub(crate) terraform: Option<Section>,
    /// The blocks of [`TERRAFORM_BLOCKS`], by kind.
    pub(crate) terraform_blocks: BTreeMap<&'static str, Vec<Section>>,
    pub(crate) remote_state: Option<Section>,
    pub(crate) generate: Vec<Section>,
    /// The paths of `dependencies`, when there is such a block.
    pub(crate) dependencies: Option<Vec<Value>>,
    /// Whether there is an `errors` block, and its blocks.
    pub(crate) errors: Option<BTreeMap<&'static str, Vec<Section>>>,
    pub(crate) exclude: Option<Section>,
    pub(crate) engine: Option<Section>,
    pub(crate) features: Vec<Section>,
}

/// Which parts of a configuration are looked at; `None` for all.
pub(crate) type Only<'o> = Option<&'o [&'static str]>;

/// Whether a part is among those that are looked at.
pub(super) fn is_wanted(only: Option<&[&str]>, part: &str) -> bool {
    only.is_none_or(|only| only.contains(&part))
}

impl Config {
    /// The configuration of a frame with its includes merged in.
    pub(crate) fn of(frame: &Rc<Frame<'_>>, only: Only<'_>) -> Result<Config, Fault> {
        let mut config = Config::own(frame, only)?;
        if let Some(over) = frame.merged_in()? {
            config = merge::include(config, over.config()?.clone(), Strategy::Shallow)?;
        }
        let exclude = config.exclude.clone();
        for include in frame.includes()?.iter().rev() {
            let parent = match only {
                None => include.frame.config_of_include()?,
                Some(_) => Config::own(&include.frame, only)?,
            };
            config = merge::include(parent, config, include.strategy)?;
        }
        // Whatever the strategy, a file's own block counts as it is written.
        config.exclude = exclude.or(config.exclude);
        Ok(config)
    }

    /// What a frame's own file says, or one part of it.
    pub(super) fn own(frame: &Rc<Frame<'_>>, only: Option<&[&str]>) -> Result<Config, Fault> {
        let wanted = |part: &str| is_wanted(only, part);
        let mut config = Config::default();
        for name in PLAIN.into_iter().filter(|name| wanted(name)) {
            if let Some(attribute) = frame.attribute(name) {
                let value = frame.evaluate(attribute)?;
                config.plain.insert(name, types::typed(name, &value).unwrap_or(value));
            }
        }
        if let Some(attribute) = frame.attribute("inputs").filter(|_| wanted("inputs")) {
            let value = frame.evaluate(attribute)?;
            if !value.is_unknown() {
                value.want_map("`inputs`")?;
            }
            config.inputs = Some(value);
        }
        if wanted("terraform") {
            config.own_terraform(frame)?;
        }
        if wanted("remote_state") {
            config.remote_state = one_section(frame, "remote_state")?;
        }
        if wanted("generate") {
            config.generate = named_sections(frame, "generate")?;
        }
        if wanted("dependencies")
            && let Some(section) = block_section(frame, "dependencies")?
            && let Some(paths) = section.get("paths")
        {
            config.dependencies = Some(paths.want_seq("`paths` of `dependencies`")?.to_vec());
        }
        if wanted("exclude") {
            config.exclude = block_section(frame, "exclude")?;
        }
        if wanted("engine") {
            config.engine = block_section(frame, "engine")?;
        }
        if wanted("feature") {
            config.features = frame.blocks("feature").map(|block| frame.section(block)).collect::<Result<_, _>>()?;
        }
        if wanted("errors")
            && let Some(block) = frame.blocks("errors").next()
        {
            config.errors = Some(inner_sections(frame, block, &["retry", "ignore"])?);
        }
        legacy::add(&mut config, frame, wanted)?;
        Ok(config)
    }

    /// Adds other parts of the same file.
    pub(super) fn join(&mut self, other: Config) {
        self.plain.extend(other.plain);
        self.inputs = other.inputs.or(self.inputs.take());
        self.terraform = other.terraform.or(self.terraform.take());
        self.terraform_blocks.extend(other.terraform_blocks);
        self.remote_state = other.remote_state.or(self.remote_state.take());
        self.generate.extend(other.generate);
        self.dependencies = other.dependencies.or(self.dependencies.take());
        self.errors = other.errors.or(self.errors.take());
        self.exclude = other.exclude.or(self.exclude.take());
        self.engine = other.engine.or(self.engine.take());
        self.features.extend(other.features);
    }

    /// Values in it.
    pub(super) fn weight(&self) -> u64 {
        let blocks = self.terraform_blocks.values().chain(self.errors.iter().flat_map(BTreeMap::values)).flatten();
        let sections = [&self.terraform, &self.remote_state, &self.exclude, &self.engine].into_iter().flatten();
        let sections = sections.chain(blocks).chain(&self.generate).chain(&self.features);
        let values = sections.flat_map(|section| section.attributes.values());
        let values = values.chain(self.plain.values()).chain(&self.inputs).chain(self.dependencies.iter().flatten());
        values.map(Value::weight).sum()
    }

    fn own_terraform(&mut self, frame: &Rc<Frame<'_>>) -> Result<(), Fault> {
        let Some(block) = frame.blocks("terraform").next() else { return Ok(()) };
        let section = frame.section(block)?;
        if let Some(source) = section.get("source")
            && let Some(unknown) = source.unknowns().into_iter().find(|unknown| dependency::is_output(unknown.reason()))
        {
            return Err(source
                .fault(Code::HCL_EVALUATION, format!("the module's source depends on `{}`", unknown.reason()))
                .remedy("A source may not use outputs of dependencies: it must be known before they are."));
        }
        self.terraform = Some(section);
        self.terraform_blocks = inner_sections(frame, block, &TERRAFORM_BLOCKS)?;
        Ok(())
    }
}

fn block_section(frame: &Rc<Frame<'_>>, kind: &str) -> Result<Option<Section>, Fault> {
    frame.blocks(kind).next().map(|block| frame.section(block)).transpose()
}

/// A block, or the same written as an attribute: `remote_state = { … }`.
fn one_section(frame: &Rc<Frame<'_>>, kind: &str) -> Result<Option<Section>, Fault> {
    let Some(attribute) = frame.attribute(kind) else { return block_section(frame, kind) };
    let value = frame.evaluate(attribute)?;
    if value.is_null() {
        return Ok(None);
    }
    section_of(kind, "", &value).map(Some)
}

/// Blocks by label, or the same written as an attribute: `generate = { NAME = { … } }`.
fn named_sections(frame: &Rc<Frame<'_>>, kind: &str) -> Result<Vec<Section>, Fault> {
    let mut sections = frame.blocks(kind).map(|block| frame.section(block)).collect::<Result<Vec<_>, _>>()?;
    if let Some(attribute) = frame.attribute(kind) {
        let value = frame.evaluate(attribute)?;
        for (label, value) in value.want_map(&format!("`{kind}`"))? {
            if sections.iter().any(|section| section.label == *label) {
                return Err(value.fault(Code::UNKNOWN_BLOCK, format!("`{kind} \"{label}\"` is defined twice")));
            }
            sections.push(section_of(kind, label, value)?);
        }
    }
    sections.sort_by(|a, b| a.label.cmp(&b.label));
    Ok(sections)
}

fn section_of(kind: &str, label: &str, value: &Value) -> Result<Section, Fault> {
    let mut section = Section::new(label, value.origin().clone());
    for (name, value) in value.want_map(&format!("`{kind}`"))? {
        // What another configuration exposes has its defaults and its label in it.
        if &**name == "name" {
            continue;
        }
        if !schema::is_known(kind, name) {
            return Err(value.fault(Code::UNKNOWN_BLOCK, format!("attribute `{name}` is not known in `{kind}`")));
        }
        section.attributes.insert(Arc::clone(name), value.clone());
    }
    types::apply(&mut section);
    Ok(section)
}

fn inner_sections(
    frame: &Rc<Frame<'_>>,
    block: &portcullis_hcl::hcl_edit::structure::Block,
    kinds: &[&'static str],
) -> Result<BTreeMap<&'static str, Vec<Section>>, Fault> {
    let mut sections = BTreeMap::new();
    for kind in kinds {
        let found = block.body.blocks().filter(|inner| inner.ident.as_str() == *kind);
        let found = found.map(|inner| frame.section(inner)).collect::<Result<Vec<_>, _>>()?;
        if !found.is_empty() {
            sections.insert(*kind, found);
        }
    }
    Ok(sections)
}
