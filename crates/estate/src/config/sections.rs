//! Blocks and attributes as evaluated values ([`Section`], [`Config`]), and as other configuration sees them
//! (`include.NAME.…`, `read_terragrunt_config`).

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use portcullis_hcl::value::Entries;
use portcullis_hcl::{Origin, Value};
use portcullis_model::{Code, Fault, Place};

use super::frame::Frame;
use super::{dependency, merge, schema};

/// Attributes of a configuration that hold one plain value.
const PLAIN: [&str; 9] = [
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

/// Labelled blocks inside `terraform`.
pub(crate) const TERRAFORM_BLOCKS: [&str; 4] = ["extra_arguments", "before_hook", "after_hook", "error_hook"];

/// A block with its attributes evaluated.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    /// The label; empty for a block without one.
    pub(crate) label: String,
    pub(crate) attributes: Entries,
    pub(crate) origin: Origin,
}

impl Section {
    pub(super) fn new(label: &str, origin: Origin) -> Self {
        Section { label: label.to_owned(), attributes: Entries::new(), origin }
    }

    /// An attribute that is set and not `null`.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.attributes.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn place(&self) -> Place {
        self.origin.place()
    }

    pub(super) fn value(&self) -> Value {
        Value::object(self.attributes.clone(), self.origin.clone())
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
    /// The paths of `dependencies`.
    pub(crate) dependencies: Vec<Value>,
    /// Whether there is an `errors` block, and its blocks.
    pub(crate) errors: Option<BTreeMap<&'static str, Vec<Section>>>,
    pub(crate) exclude: Option<Section>,
}

impl Config {
    /// The configuration of a frame with its includes merged in.
    pub(super) fn of(frame: &Rc<Frame<'_>>) -> Result<Config, Fault> {
        let mut config = Config::own(frame, None)?;
        for include in frame.includes()?.iter().rev() {
            let parent = Config::own(&include.frame, None)?;
            config = merge::include(parent, config, include.strategy)?;
        }
        Ok(config)
    }

    /// What a frame's own file says, or one part of it.
    fn own(frame: &Rc<Frame<'_>>, only: Option<&str>) -> Result<Config, Fault> {
        let wanted = |part: &str| only.is_none_or(|only| only == part);
        let mut config = Config::default();
        for name in PLAIN.into_iter().filter(|name| wanted(name)) {
            if let Some(attribute) = frame.attribute(name) {
                config.plain.insert(name, frame.evaluate(attribute)?);
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
            config.dependencies = paths.want_seq("`paths` of `dependencies`")?.to_vec();
        }
        if wanted("exclude") {
            config.exclude = block_section(frame, "exclude")?;
        }
        if wanted("errors")
            && let Some(block) = frame.blocks("errors").next()
        {
            config.errors = Some(inner_sections(frame, block, &["retry", "ignore"])?);
        }
        Ok(config)
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

    /// A part as other configuration sees it. `None`: there is no such part.
    fn part(&self, frame: &Rc<Frame<'_>>, part: &str, at: &Origin) -> Result<Option<Value>, Fault> {
        let object = |entries: Entries| Some(Value::object(entries, at.clone()));
        Ok(match part {
            "locals" => Some(frame.all_locals(at)?),
            "inputs" => Some(self.inputs.clone().unwrap_or_else(|| Value::object(Entries::new(), at.clone()))),
            "terraform" => self.terraform.as_ref().map(|section| {
                let mut entries = section.attributes.clone();
                for (kind, sections) in &self.terraform_blocks {
                    entries.insert((*kind).into(), by_label(sections, at));
                }
                Value::object(entries, section.origin.clone())
            }),
            "remote_state" => self.remote_state.as_ref().map(Section::value),
            "generate" => Some(by_label(&self.generate, at)),
            "dependencies" if self.dependencies.is_empty() => None,
            "dependencies" => {
                object(Entries::from([("paths".into(), Value::tuple(self.dependencies.clone(), at.clone()))]))
            }
            "dependency" => Some(dependency::exposed(frame, at)?),
            "exclude" => self.exclude.as_ref().map(Section::value),
            "errors" => self.errors.as_ref().and_then(|blocks| {
                object(blocks.iter().map(|(kind, sections)| ((*kind).into(), by_label(sections, at))).collect())
            }),
            // Terragrunt gives text attributes that are not set as empty text, others not at all.
            "prevent_destroy" | "iam_assume_role_duration" => self.plain.get(part).cloned(),
            part if PLAIN.contains(&part) => {
                Some(self.plain.get(part).cloned().unwrap_or_else(|| Value::string("", at.clone())))
            }
            _ => None,
        })
    }

    /// All parts as one object.
    pub(super) fn whole(&self, frame: &Rc<Frame<'_>>, at: &Origin) -> Result<Value, Fault> {
        const PARTS: [&str; 9] = [
            "locals",
            "inputs",
            "terraform",
            "remote_state",
            "generate",
            "dependencies",
            "dependency",
            "exclude",
            "errors",
        ];
        let mut entries = Entries::new();
        for part in PARTS.into_iter().chain(PLAIN) {
            if let Some(value) = self.part(frame, part, at)? {
                entries.insert(part.into(), value);
            }
        }
        Ok(Value::object(entries, at.clone()))
    }
}

/// One part of an included file, as `include.NAME.PART` gives it.
pub(super) fn exposed_part(frame: &Rc<Frame<'_>>, part: &str, at: &Origin) -> Result<Value, Fault> {
    let value = frame.memoized(&format!("(part {part})"), || {
        let config = Config::own(frame, Some(part))?;
        config.part(frame, part, at)?.ok_or_else(|| {
            at.fault(Code::HCL_EVALUATION, format!("{} has no `{part}`", frame.file.path()))
                .remedy("Only what the included file sets is exposed.")
        })
    });
    value.unwrap_or_else(|| Err(at.fault(Code::HCL_EVALUATION, format!("`{part}` refers to itself"))))
}

/// All of an included file, as `include.NAME` gives it.
pub(super) fn exposed_whole(frame: &Rc<Frame<'_>>, at: &Origin) -> Result<Value, Fault> {
    Config::own(frame, None)?.whole(frame, at)
}

fn by_label(sections: &[Section], at: &Origin) -> Value {
    let entries = sections.iter().map(|section| {
        let mut attributes = section.attributes.clone();
        attributes.insert("name".into(), Value::string(section.label.as_str(), section.origin.clone()));
        (Arc::from(section.label.as_str()), Value::object(attributes, section.origin.clone()))
    });
    Value::object(entries.collect(), at.clone())
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
            if sections.iter().any(|section| section.label == **label) {
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
