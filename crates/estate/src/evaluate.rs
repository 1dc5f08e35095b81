//! One unit, evaluated: with outputs unknown ([`unit`]: graph, digest, exactness) or at hand ([`resolve`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use indexmap::IndexMap;
use portcullis_hcl::Value;
use portcullis_model::source::Pinning;
use portcullis_model::{Code, Digest, DigestBuilder, Fault, UnitPath};
use serde_json::{Map, Value as Json};

use crate::config::{
    self, CONFIG_FILE, Config, Faults, Frame, Memo, OutputsMode, PLAIN, Section, Session, TERRAFORM_BLOCKS, Target,
};
use crate::decode;
use crate::documentation;
use crate::estate::Outputs;
use crate::module::{self, Contents, Gathered, Source};
use crate::named::named_files;
use crate::path;
use crate::reader::Reader;
use crate::resolved::{Mocked, ModuleSource, Resolved, Taken};
use crate::settings::Settings;
use crate::unit::{ANY_FILE, Dependency, Exclude, Module, Parts, Unit, is_content};

/// The command that a unit's digest is made for.
pub(crate) const DIGEST_COMMAND: &str = "plan";
const LOCK_FILE: &str = ".terraform.lock.hcl";

/// What units of one estate share.
pub(crate) struct Shared<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) settings: &'a Settings,
    pub(crate) contents: &'a Contents,
    /// What other units of the tree have been found to have in common, on this thread.
    pub(crate) memo: Option<&'a Memo>,
}

/// What a folder with a configuration turned out to be.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(crate) enum Evaluated {
    Unit(Arc<Unit>),
    Broken(Arc<[Fault]>),
}

pub(crate) fn missing(unit: &UnitPath) -> Fault {
    Fault::new(Code::UNIT_UNKNOWN, format!("{unit} has no {CONFIG_FILE}"))
        .remedy("Name a unit as `portcullis units list` prints it.")
}

/// Evaluates a unit with its dependencies' outputs unknown, and says how many steps that took.
pub(crate) fn unit(shared: &Shared<'_>, path: &UnitPath) -> (Evaluated, u64) {
    let session = Session::new(shared.reader, shared.settings, path, DIGEST_COMMAND, OutputsMode::Unknown, shared.memo);
    let opened = session.unit_config().map_err(|fault| vec![fault]);
    let frame = match opened.and_then(|file| Frame::open(&session, &file, || missing(path))) {
        Ok(frame) => frame,
        Err(faults) => return (Evaluated::Broken(faults.into()), session.budget.steps()),
    };
    let sound = frame.check_all_locals().and_then(|()| frame.dependency_blocks().map(drop));
    let sound = sound.and_then(|()| decode::check(frame.config()?).into_iter().next().map_or(Ok(()), Err));
    match sound.and_then(|()| describe(shared, &session, &frame, path)) {
        Ok(unit) => (Evaluated::Unit(Arc::new(unit)), session.budget.steps()),
        Err(fault) => {
            let (faults, steps) = everything_wrong(shared, path, fault);
            (Evaluated::Broken(faults.into()), session.budget.steps() + steps)
        }
    }
}

/// What part of a unit's budget may be spent once more to find all that is wrong with it.
const SURVEY_PART: u64 = 4;

/// All that is wrong with a unit whose evaluation ended with a fault. It is evaluated part by part, and has a budget of
/// its own for that: what is over it is not looked at.
fn everything_wrong(shared: &Shared<'_>, path: &UnitPath, first: Fault) -> (Vec<Fault>, u64) {
    let mut settings = shared.settings.clone();
    settings.limits.hcl.steps /= SURVEY_PART;
    settings.limits.hcl.grown_bytes /= SURVEY_PART;
    let session = Session::new(shared.reader, &settings, path, DIGEST_COMMAND, OutputsMode::Unknown, shared.memo);
    let opened = session.unit_config().map_err(|fault| vec![fault]);
    let Ok(frame) = opened.and_then(|file| Frame::open(&session, &file, || missing(path))) else {
        return (vec![first], session.budget.steps());
    };
    let mut found = Faults::default();
    config::survey_files(&frame, &mut found);
    for config in config::survey_parts(&frame, &mut found) {
        found.extend(decode::check(&config));
        match source_of(shared.reader, &config, path) {
            Ok(Some(Source::Missing(fault))) | Err(fault) => found.push(fault),
            Ok(_) => {}
        }
        for value in config.dependencies.iter().flatten() {
            match config::target(&session, session.unit_dir(), value) {
                Ok(Target::Missing(_, fault)) | Err(fault) => found.push(fault),
                Ok(Target::Unit(_) | Target::Stack(_)) => {}
            }
        }
        found.extend(exclude(&config).err());
    }
    (found.into_vec(first), session.budget.steps())
}

fn describe(
    shared: &Shared<'_>,
    session: &Session<'_>,
    frame: &std::rc::Rc<Frame<'_>>,
    path: &UnitPath,
) -> Result<Unit, Fault> {
    let config = frame.config()?;
    let source = source_of(shared.reader, config, path)?;
    let module = match &source {
        Some(Source::Local(_) | Source::Remote(..) | Source::Unknown(_) | Source::Missing(_)) => Module::Source,
        _ if Contents::has_code(shared.reader, path.as_str())? => Module::Folder,
        _ if generates(config) => Module::Generated,
        _ => Module::None,
    };
    let mut problems: Vec<Fault> = Vec::new();
    if let Some(Source::Missing(fault)) = &source {
        problems.push(fault.clone());
    }
    let dependencies = dependencies(shared, session, frame, config, &mut problems)?;
    let exclude = exclude(config)?;
    let mut parts = Made { memo: shared.memo, parts: Vec::new(), name: String::new() };
    config_parts(session, config, &mut parts);
    for block in frame.dependency_blocks()? {
        section_part("dependency", &block.section, session, &mut parts);
    }
    let targets: Vec<Value> =
        dependencies.iter().map(|dependency| Value::string(dependency.target.as_str(), frame.origin())).collect();
    parts.add(format_args!("dependencies"), Value::tuple(targets, frame.origin()).digest());
    let unclear = file_parts(shared, session, config, source.as_ref(), path, &mut parts)?;
    parts.add(format_args!("tool"), tool_digest(shared.settings));
    if let Some(place) = session.reads_anything() {
        // What has to be run to be known, or a file whose name is not known: each file of the repository may decide.
        let whole = shared.reader.whole()?;
        parts.add(format_args!("{ANY_FILE} (what is read at {}:{} is not known)", place.file, place.line), whole);
    }
    if unclear {
        let whole = shared.reader.whole()?;
        parts.add(format_args!("{ANY_FILE} (what the code in {path} reads is not known)"), whole);
    }
    let parts = Parts::new(parts.parts);
    Ok(Unit {
        path: path.clone(),
        dependencies,
        input_digest: input_digest(path, &parts),
        parts,
        reads: session.reads(),
        inexact: session.inexact(),
        exclude,
        module,
        problems,
        notes: source.as_ref().and_then(unpinned).into_iter().collect(),
    })
}

/// Parts of an input digest, as they are made.
struct Made<'m> {
    memo: Option<&'m Memo>,
    parts: Vec<(Arc<str>, Digest)>,
    /// Room for a name.
    name: String,
}

impl Made<'_> {
    fn add(&mut self, name: std::fmt::Arguments<'_>, digest: Digest) {
        self.name.clear();
        // Writing to a text cannot fail.
        let _ = self.name.write_fmt(name);
        let name = self.memo.map_or_else(|| Arc::from(self.name.as_str()), |memo| memo.name(&self.name));
        self.parts.push((name, digest));
    }
}

/// The digest of a unit with these parts.
pub(crate) fn input_digest(path: &UnitPath, parts: &Parts) -> Digest {
    let mut digest = DigestBuilder::new("portcullis input v1");
    digest.text(path.as_str()).number(parts.len() as u64);
    for (name, part) in parts.iter() {
        digest.text(name).bytes(part.as_bytes());
    }
    digest.finish()
}

/// Notes a source that may be something else in each run.
fn unpinned(source: &Source) -> Option<Fault> {
    let Source::Remote(source, place) = source else { return None };
    if source.pinning() != Pinning::Nothing {
        return None;
    }
    let message = format!("the source {source} names no version: each run takes what is newest then");
    Some(
        Fault::new(Code::SOURCE_UNPINNED, message)
            .at(place.clone())
            .remedy("Name a tag or a commit with `?ref=…`, or a version of a registry's module with `?version=…`."),
    )
}

fn tool_digest(settings: &Settings) -> Digest {
    let mut digest = DigestBuilder::new("portcullis tool v1");
    digest.text(&settings.tool.name).text(&settings.tool.version);
    if let Some(version) = &settings.tool.terragrunt {
        digest.text("terragrunt").text(version);
    }
    digest.finish()
}

/// The module's source; `None` when none is written or it is not known.
fn source_of(reader: &Reader, config: &Config, unit: &UnitPath) -> Result<Option<Source>, Fault> {
    let Some(value) = config.terraform.as_ref().and_then(|section| section.get("source")) else { return Ok(None) };
    if !value.is_known_deep() {
        // The session has taken note of it: the unit is inexact.
        return Ok(Some(Source::Unknown(value.wrong("`source` of `terraform`", "known"))));
    }
    module::source(reader, unit.as_str(), value).map(Some)
}

fn dependencies(
    shared: &Shared<'_>,
    session: &Session<'_>,
    frame: &std::rc::Rc<Frame<'_>>,
    config: &Config,
    problems: &mut Vec<Fault>,
) -> Result<Vec<Dependency>, Fault> {
    let mut found: BTreeMap<UnitPath, Dependency> = BTreeMap::new();
    let within = shared.settings.within.as_str();
    let make = |name: Option<String>, target: &UnitPath, outputs, place| Dependency {
        name,
        target: target.clone(),
        foreign: !target.is_within(within),
        outputs,
        place,
    };
    for block in frame.dependency_blocks()? {
        problems.extend(block.problem.clone());
        let name = Some(block.section.label.to_string());
        for unit in block.stack.iter().flat_map(|stack| &stack.all) {
            let made = make(name.clone(), unit, block.wants_outputs, block.section.place());
            found.entry(unit.clone()).or_insert(made).outputs |= block.wants_outputs;
        }
        if block.stack.is_some() {
            continue;
        }
        if let Some(target) = &block.target {
            let made = make(Some(block.section.label.to_string()), target, block.wants_outputs, block.section.place());
            let known = found.entry(target.clone()).or_insert(made);
            known.outputs |= block.wants_outputs;
        }
    }
    for value in config.dependencies.iter().flatten() {
        match config::target(session, session.unit_dir(), value)? {
            Target::Unit(target) => {
                found.entry(target.clone()).or_insert_with(|| make(None, &target, false, value.origin().place()));
            }
            Target::Stack(stack) => {
                for unit in stack.all {
                    found.entry(unit.clone()).or_insert_with(|| make(None, &unit, false, value.origin().place()));
                }
            }
            Target::Missing(target, fault) => {
                problems.push(fault);
                if let Some(target) = target {
                    found.entry(target.clone()).or_insert_with(|| make(None, &target, false, value.origin().place()));
                }
            }
        }
    }
    for (target, (name, place)) in session.further() {
        found.entry(target.clone()).or_insert_with(|| make(Some(name), &target, true, place)).outputs = true;
    }
    Ok(found.into_values().collect())
}

/// Whether blocks generate code: a file that the tool would read.
fn generates(config: &Config) -> bool {
    let code = |value: Option<&Value>| value.and_then(Value::as_str).is_none_or(module::is_code);
    let remote_state = config.remote_state.as_ref().and_then(|section| section.get("generate"));
    config.generate.iter().any(|section| code(section.get("path"))) || remote_state.is_some()
}

fn exclude(config: &Config) -> Result<Option<Exclude>, Fault> {
    let Some(section) = &config.exclude else { return Ok(None) };
    let flag = |name: &str| match section.get(name) {
        Some(value) => value.want_bool(&format!("`{name}` of `exclude`")),
        None => Ok(false),
    };
    let actions = match section.get("actions") {
        Some(value) => value.want_strings("`actions` of `exclude`")?,
        None => Vec::new(),
    };
    let exclude = Exclude {
        actions,
        dependencies: flag("exclude_dependencies")?,
        no_run: section.get("no_run").map(|value| value.want_bool("`no_run` of `exclude`")).transpose()?,
        place: section.place(),
    };
    Ok(flag("if")?.then_some(exclude))
}

fn section_part(kind: &'static str, section: &Section, session: &Session<'_>, parts: &mut Made<'_>) {
    section.attributes.values().for_each(|value| session.note_unknowns(value));
    let digest = section.attributes.digest(kind, |attributes| {
        let mut digest = DigestBuilder::new("portcullis section v2");
        let written = || attributes.iter().filter(|(name, value)| !config::is_default(kind, name, value));
        digest.number(written().count() as u64);
        for (name, value) in written() {
            digest.text(name);
            value.digest_into(&mut digest);
        }
        digest.finish()
    });
    match section.label.is_empty() {
        true => parts.add(format_args!("{kind}"), digest),
        false => parts.add(format_args!("{kind} `{}`", section.label), digest),
    }
}

/// The parts that come from the configuration.
fn config_parts(session: &Session<'_>, config: &Config, parts: &mut Made<'_>) {
    for (name, value) in &config.plain {
        session.note_unknowns(value);
        if !config::is_default("", name, value) {
            parts.add(format_args!("{name}"), value.digest());
        }
    }
    if let Some(inputs) = &config.inputs {
        session.note_unknowns(inputs);
        match inputs.as_map() {
            Some(entries) => {
                entries.iter().for_each(|(name, value)| parts.add(format_args!("input `{name}`"), value.digest()));
            }
            None => {
                parts.add(format_args!("inputs"), inputs.digest());
            }
        }
    }
    if let Some(section) = &config.terraform {
        section_part("terraform", section, session, parts);
    }
    for kind in TERRAFORM_BLOCKS {
        let Some(sections) = config.terraform_blocks.get(kind) else { continue };
        let mut order = DigestBuilder::new("portcullis order v1");
        for section in sections {
            order.text(&section.label);
            section_part(kind, section, session, parts);
        }
        parts.add(format_args!("order of {kind} blocks"), order.finish());
    }
    if let Some(section) = &config.remote_state {
        section_part("remote_state", section, session, parts);
    }
    for section in &config.generate {
        section_part("generate", section, session, parts);
    }
    for (kind, sections) in config.errors.iter().flatten() {
        sections.iter().for_each(|section| section_part(kind, section, session, parts));
    }
    if let Some(section) = &config.exclude {
        section_part("exclude", section, session, parts);
    }
    if let Some(section) = &config.engine {
        section_part("engine", section, session, parts);
    }
}

/// The parts of a configuration that parts of a digest come from. `None`: some part cannot be told, so all.
pub(crate) fn configuration_parts<'n>(names: impl Iterator<Item = &'n str>) -> Option<Vec<&'static str>> {
    let mut found = Vec::new();
    for name in names.filter(|name| !is_content(name)) {
        let part = match name.split_once(" `").map_or(name, |(kind, _)| kind) {
            "input" | "inputs" => "inputs",
            "remote_state" => "remote_state",
            "generate" => "generate",
            "dependency" => "dependency",
            "dependencies" => "dependencies",
            "exclude" => "exclude",
            "engine" => "engine",
            "retry" | "ignore" => "errors",
            kind if kind == "terraform" || kind.starts_with("order of ") || TERRAFORM_BLOCKS.contains(&kind) => {
                "terraform"
            }
            kind => PLAIN.into_iter().find(|plain| *plain == kind)?,
        };
        if !found.contains(&part) {
            found.push(part);
        }
    }
    Some(found)
}

/// The parts that come from files: the module with all that it refers to, the unit's own folder, and what the
/// configuration names. Whether the code reads files that cannot be told: code that runs in the unit's own folder, from
/// where all of the repository can be reached.
fn file_parts(
    shared: &Shared<'_>,
    session: &Session<'_>,
    config: &Config,
    source: Option<&Source>,
    unit: &UnitPath,
    parts: &mut Made<'_>,
) -> Result<bool, Fault> {
    // A pattern may ask for hidden files: then all of them count.
    let hidden = config.terraform.as_ref().is_some_and(|section| section.get("include_in_copy").is_some());
    let Gathered { mut files, unclear, mut reads } = shared.contents.unit(shared.reader, unit.as_str(), hidden)?;
    match source {
        Some(Source::Local(source)) => {
            let module = shared.contents.module(shared.reader, source, hidden)?;
            files.extend(module.files);
            reads |= module.reads;
        }
        None | Some(Source::Own) => {}
        // Its code is not looked at here.
        Some(_) => reads = true,
    }
    let hooks = |kind: &&str| config.terraform_blocks.get(*kind).is_some_and(|hooks| !hooks.is_empty());
    reads |= hidden || config.inputs.as_ref().is_some_and(documentation::is_named);
    reads |= ["before_hook", "after_hook", "error_hook"].iter().any(hooks);
    let mut generated = config.generate.iter().filter_map(|section| section.get("contents"));
    reads |= generated.any(|contents| contents.as_str().is_none_or(documentation::could_be_read));
    let arguments = config.terraform_blocks.get("extra_arguments").into_iter().flatten();
    reads |= arguments.flat_map(|section| section.attributes.values()).any(documentation::is_named);
    reads |= config.engine.is_some() || config.plain.contains_key("terraform_binary");
    reads |= files.keys().any(|file| documentation::holds_values(file));
    if !reads {
        let with_code: BTreeSet<String> =
            files.keys().filter(|file| module::is_code(file)).map(|file| path::parent(file).to_owned()).collect();
        let beside = |file: &str| path::parent(file) == unit.as_str() || with_code.contains(path::parent(file));
        files.retain(|file, _| !(documentation::is_documentation(file) && beside(file)));
    }
    files.extend(named_files(shared, session, config, unit)?);
    for (name, digest) in files {
        let what = if path::name(&name) == LOCK_FILE { "lock file" } else { "file" };
        parts.add(format_args!("{what} {name}"), digest);
    }
    Ok(unclear && matches!(source, None | Some(Source::Own)))
}

/// What goes into a unit from its dependencies, as far as that can be told without running anything. What cannot
/// be told counts as mocked, without values: then no value of a plan is excused by it.
pub(crate) fn taken(shared: &Shared<'_>, unit: &Unit, command: &str, outputs: Outputs<'_>) -> Result<Taken, Fault> {
    let session = Session::new(shared.reader, shared.settings, &unit.path, command, OutputsMode::Real(outputs), None);
    let frame = Frame::open(&session, &session.unit_config()?, || missing(&unit.path)).map_err(config::first)?;
    let mut taken = Taken::default();
    for block in frame.dependency_blocks()? {
        let Some(target) = &block.target else { continue };
        let found = match block.all_outputs(&session) {
            Ok(found) => found,
            Err(fault) if block.section.attributes.values().all(Value::is_known_deep) => return Err(fault),
            Err(_) => Some((Map::new(), Map::new(), None)),
        };
        let Some((values, mocked, real)) = found else { continue };
        if real.is_none() || !mocked.is_empty() {
            let (values, real) = (Json::Object(mocked), real.map(Json::Object));
            taken.mocked.push(Mocked { unit: target.clone(), values, real });
        }
        taken.used_outputs.insert(target.clone(), Json::Object(values));
    }
    // Dependencies of configurations that this one reads: which of their outputs it uses is not known.
    let further = unit.dependencies.iter().filter(|dependency| dependency.outputs);
    for target in further.map(|dependency| &dependency.target) {
        if taken.used_outputs.contains_key(target) {
            continue;
        }
        let real = outputs(target).filter(|outputs| !outputs.is_empty());
        if real.is_none() {
            taken.mocked.push(Mocked { unit: target.clone(), values: Json::Object(Map::new()), real: None });
        }
        taken.used_outputs.insert(target.clone(), Json::Object(real.unwrap_or_default()));
    }
    Ok(taken)
}

/// Evaluates a unit with outputs at hand.
pub(crate) fn resolve(
    shared: &Shared<'_>,
    path: &UnitPath,
    command: &str,
    outputs: Outputs<'_>,
) -> Result<Resolved, Fault> {
    let session = Session::new(shared.reader, shared.settings, path, command, OutputsMode::Real(outputs), None);
    let mut resolved = {
        let frame = Frame::open(&session, &session.unit_config()?, || missing(path)).map_err(config::first)?;
        frame.check_all_locals()?;
        frame.check_outputs()?;
        let config = frame.config()?;
        effective(shared, path, config)?
    };
    // What a function would have to run may not show in any value; it is refused all the same.
    if let Some(fault) = session.inexact().into_iter().next() {
        return Err(fault);
    }
    for (unit, used) in session.into_used() {
        if !used.mocked.is_empty() {
            let only_mocked = |values: &Map<String, Json>| {
                let mocked = values.iter().filter(|(name, _)| used.mocked.contains(*name));
                Json::Object(mocked.map(|(name, value)| (name.clone(), value.clone())).collect())
            };
            resolved.mocked.push(Mocked {
                unit: unit.clone(),
                values: only_mocked(&used.values),
                real: used.real.map(Json::Object),
            });
        }
        resolved.used_outputs.insert(unit, Json::Object(used.values));
    }
    Ok(resolved)
}

fn effective(shared: &Shared<'_>, path: &UnitPath, config: &Config) -> Result<Resolved, Fault> {
    let source: Option<ModuleSource> = match source_of(shared.reader, config, path)? {
        None | Some(Source::Own) => None,
        Some(Source::Local(folder)) => Some(ModuleSource::Folder(folder)),
        Some(Source::Remote(source, place)) => Some(ModuleSource::Remote { source, place }),
        Some(Source::Unknown(fault) | Source::Missing(fault)) => return Err(fault),
    };
    let beside = match &source {
        None => shared.contents.beside(shared.reader, path.as_str())?,
        Some(_) => Vec::new(),
    };
    let inputs = config.inputs.as_ref().map_or(Ok(IndexMap::new()), |value| decode::known_map(value, "`inputs`"))?;
    Ok(Resolved {
        path: path.clone(),
        source,
        beside,
        root_module: false,
        inputs,
        generate: config.generate.iter().map(decode::generated).collect::<Result<_, _>>()?,
        remote_state: config.remote_state.as_ref().map(decode::remote_state).transpose()?,
        extra_arguments: decode::terraform_blocks(config, "extra_arguments", decode::extra_arguments)?,
        before_hooks: decode::terraform_blocks(config, "before_hook", decode::hook)?,
        after_hooks: decode::terraform_blocks(config, "after_hook", decode::hook)?,
        error_hooks: decode::terraform_blocks(config, "error_hook", decode::hook)?,
        include_in_copy: decode::patterns(config, "include_in_copy")?,
        exclude_from_copy: decode::patterns(config, "exclude_from_copy")?,
        copy_lock_file: decode::copy_lock_file(config)?,
        terraform_binary: decode::text(config, "terraform_binary")?,
        terraform_version_constraint: decode::text(config, "terraform_version_constraint")?,
        terragrunt_version_constraint: decode::text(config, "terragrunt_version_constraint")?,
        prevent_destroy: decode::prevent_destroy(config)?,
        iam_role: decode::iam_role(config)?,
        errors: decode::errors(config)?,
        mocked: Vec::new(),
        used_outputs: BTreeMap::new(),
    })
}
