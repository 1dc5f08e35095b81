//! Declared actions: custom ones, and the built-in ones that take typed parameters.
//!
//! Everything is bounded here or refused: a type without its bounds, a value of a definition that its own type does
//! not take, an argument in which a caller's value could become an option. What is left out lets nothing in.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_hcl::{Origin, Value};
use portcullis_model::id::quoted;
use portcullis_model::parameter::{
    Characters, ELEMENTS_MAX, Given, PARAMETERS_MAX, Parameter, Presence, TEXT_MAX_BYTES, Type, Value as Chosen,
    declared, is_name, text as texts_of,
};
use portcullis_model::{ActionKind, Code, Digest, Fault, Phase, SourcePattern, Target, UnitPath};
use serde_json::Value as Json;

use crate::account::{Declared, Limits, ProgramWork, Tools, Work};
use crate::argv;
use crate::decode::{self, leaf, map};
use crate::layer::{Node, Tree};
use crate::read::{text, texts, wrong};
use crate::spelling::hint;

/// Longest description, in bytes.
const DESCRIPTION_MAX_BYTES: usize = 500;
/// Most values of an enum, files, hosts and the like.
const LISTED_MAX: usize = 200;

const APPLY: &[&str] = &["approvers", "approvals", "unreviewed"];
const CUSTOM: &[&str] =
    &["description", "program", "argv", "working_directory", "phase", "network", "credentials", "parameter", "limits"];
const BUILD_IMAGE: &[&str] = &["description", "repositories", "registries", "images", "build_args"];
const BUILD_AMI: &[&str] = &["description", "repositories", "templates", "regions", "variables"];
const UPDATE_VARIABLE: &[&str] = &["description", "files", "variables", "values"];

/// What an action may have beside `allow`.
fn own(kind: ActionKind) -> &'static [&'static str] {
    match kind {
        ActionKind::Plan => &[],
        ActionKind::Apply => APPLY,
        ActionKind::BuildImage => BUILD_IMAGE,
        ActionKind::BuildAmi => BUILD_AMI,
        ActionKind::UpdateVariable => UPDATE_VARIABLE,
        ActionKind::Custom(_) => CUSTOM,
    }
}

/// Refuses what means nothing for an action.
pub(crate) fn only_its_own(tree: &Tree, kind: ActionKind) -> Result<(), Fault> {
    let own = own(kind);
    let Some((name, node)) = tree.iter().find(|(name, _)| *name != "allow" && !own.contains(&name.as_str())) else {
        return Ok(());
    };
    let remedy = if APPLY.contains(&name.as_str()) {
        "Put it into `action \"apply\"`.".to_owned()
    } else {
        let list = own.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        format!("`{kind}` takes `allow`{}{list}.", if own.is_empty() { "" } else { ", " })
    };
    let message = format!("`{name}` means nothing for `{kind}`");
    Err(node.origin().fault(Code::FLEET_UNKNOWN_BLOCK, message).remedy(remedy))
}

/// What the action is; `None` for `plan` and `apply`, and where `tools` are not known because they are broken.
pub(crate) fn declared(
    tree: &Tree,
    kind: ActionKind,
    at: &Origin,
    tools: Option<&Tools>,
    limits: &Limits,
) -> Result<Option<Declared>, Fault> {
    let (parameters, work) = match kind {
        ActionKind::Plan | ActionKind::Apply => return Ok(None),
        ActionKind::BuildImage => (build_image(tree, at)?, Work::BuiltIn(settings(tree))),
        ActionKind::BuildAmi => (build_ami(tree, at)?, Work::BuiltIn(settings(tree))),
        ActionKind::UpdateVariable => (update_variable(tree, at)?, Work::BuiltIn(settings(tree))),
        ActionKind::Custom(_) => {
            let parameters = parameters(tree)?;
            let Some(tools) = tools else { return Ok(None) };
            let work = program(tree, kind, at, tools, limits, &parameters)?;
            (parameters, Work::Program(Box::new(work)))
        }
    };
    Ok(Some(Declared { description: description(tree)?, parameters, work }))
}

fn settings(tree: &Tree) -> BTreeMap<String, Json> {
    let own = |(name, _): &(&String, &Node)| *name != "allow" && *name != "description";
    tree.iter().filter(own).map(|(name, node)| (name.clone(), json(node))).collect()
}

fn description(tree: &Tree) -> Result<String, Fault> {
    let Some(value) = leaf(tree, "description", "a string")? else { return Ok(String::new()) };
    let text = text(value, "`description`")?;
    let flaw = texts_of::flaw(&text).or_else(|| {
        (text.len() > DESCRIPTION_MAX_BYTES).then(|| format!("it is longer than {DESCRIPTION_MAX_BYTES} bytes"))
    });
    match flaw {
        None => Ok(text),
        Some(flaw) => Err(value
            .fault(Code::FLEET_TYPE, format!("this is no description: {flaw}"))
            .remedy("Write one line of plain text.")),
    }
}

/// The program of a custom action, and how it is started.
fn program(
    tree: &Tree,
    kind: ActionKind,
    at: &Origin,
    tools: &Tools,
    limits: &Limits,
    parameters: &BTreeMap<String, Parameter>,
) -> Result<ProgramWork, Fault> {
    let Some(value) = leaf(tree, "program", "a string")? else {
        let near = hint(kind.as_str(), ActionKind::BUILT_IN.iter().map(ActionKind::as_str));
        return Err(at
            .fault(
                Code::FLEET_UNKNOWN_NAME,
                format!("there is no action {}, and this one has no `program`", quoted(kind.as_str())),
            )
            .remedy(format!("{near}A custom action needs `program`, one of `tools.programs`.")));
    };
    let name = text(value, "`program`")?;
    let sha256 = tools.programs.get(&name).copied().ok_or_else(|| program_unknown(value, &name, &tools.programs))?;
    let argv = match leaf(tree, "argv", "a list of arguments")? {
        None => {
            return Err(at
                .fault(Code::FLEET_TYPE, "`argv` is missing")
                .remedy("Write the program's arguments, or `argv = []` if it has none."));
        }
        Some(value) => {
            let command = argv::command(value)?;
            if let Some(flaw) = command.flaws(parameters).into_iter().next() {
                let place = value.as_seq().and_then(|list| list.get(flaw.argument)).unwrap_or(value);
                return Err(place.fault(Code::FLEET_INVARIANT, flaw.message).remedy(flaw.remedy));
            }
            command
        }
    };
    credentials(tree)?;
    Ok(ProgramWork {
        program: name,
        sha256,
        argv,
        working_directory: folder(tree)?,
        phase: phase(tree, at)?,
        limits: own_limits(tree, limits)?,
        network: network(tree)?,
    })
}

fn program_unknown(value: &Value, name: &str, programs: &BTreeMap<String, Digest>) -> Fault {
    let known = programs.keys().map(String::as_str);
    let near = hint(name, known.clone());
    let list = known.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let there = if list.is_empty() { "There are none.".to_owned() } else { format!("There are {list}.") };
    value
        .fault(Code::FLEET_UNKNOWN_NAME, format!("there is no program {} among the tools", quoted(name)))
        .remedy(format!("{near}{there} Declare it: `tools {{ programs = {{ name = \"SHA-256\" }} }}`."))
}

fn folder(tree: &Tree) -> Result<UnitPath, Fault> {
    let root = || UnitPath::parse(".");
    let Some(value) = leaf(tree, "working_directory", "a string")? else { return root() };
    UnitPath::parse(&text(value, "`working_directory`")?).map_err(|fault| {
        value.fault(Code::FLEET_TYPE, fault.message()).remedy("Give a folder of the repository, or `.` for its root.")
    })
}

/// Stated, never assumed: it decides at which commits the action can be asked for.
fn phase(tree: &Tree, at: &Origin) -> Result<Phase, Fault> {
    const REMEDY: &str = "Write `phase = \"apply\"` for what may only run at a commit of the protected branch, and \
                          `phase = \"plan\"` for what may run at the head of any branch.";
    let Some(value) = leaf(tree, "phase", "a string")? else {
        return Err(at.fault(Code::FLEET_TYPE, "`phase` is missing").remedy(REMEDY));
    };
    match text(value, "`phase`")?.as_str() {
        "plan" => Ok(Phase::Plan),
        "apply" => Ok(Phase::Apply),
        other => Err(value.fault(Code::FLEET_TYPE, format!("`phase` cannot be {}", quoted(other))).remedy(REMEDY)),
    }
}

fn own_limits(tree: &Tree, account: &Limits) -> Result<Limits, Fault> {
    if let Some((inner, _)) = map(tree, "limits")?
        && let Some(node) = inner.get("parallel")
    {
        return Err(node
            .origin()
            .fault(Code::FLEET_UNKNOWN_BLOCK, "`parallel` means nothing for one action")
            .remedy("Put it into the account's `limits`."));
    }
    decode::limits(tree, account)
}

fn network(tree: &Tree) -> Result<Vec<Target>, Fault> {
    let Some(value) = leaf(tree, "network", "a list of hosts")? else { return Ok(Vec::new()) };
    let one = |(text, at): (&String, &Value)| {
        Target::parse(text).map_err(|why| {
            at.fault(Code::FLEET_TYPE, format!("{} is no host: {why}", quoted(text)))
                .remedy("Write `host` or `host:port`, each exactly: there are no patterns.")
        })
    };
    few(value, "`network`")?;
    texts(value, "`network`")?.iter().zip(value.as_seq().unwrap_or_default()).map(one).collect()
}

/// There is nothing yet that a credential could be the name of.
fn credentials(tree: &Tree) -> Result<(), Fault> {
    let Some(value) = leaf(tree, "credentials", "a list of names")? else { return Ok(()) };
    match texts(value, "`credentials`")?.first() {
        None => Ok(()),
        Some(name) => Err(value
            .fault(Code::FLEET_UNKNOWN_NAME, format!("there is no credential {}", quoted(name)))
            .remedy("Leave `credentials` out: this version cannot give an action any.")),
    }
}

fn parameters(tree: &Tree) -> Result<BTreeMap<String, Parameter>, Fault> {
    let Some((tree, _)) = map(tree, "parameter")? else { return Ok(BTreeMap::new()) };
    let mut parameters = BTreeMap::new();
    for (name, node) in tree {
        if !is_name(name) {
            return Err(node
                .origin()
                .fault(Code::FLEET_TYPE, format!("{} is no name of a parameter", quoted(name)))
                .remedy("Use a-z, 0-9 and `_`, with a letter first."));
        }
        if let Some((body, at)) = map(tree, name)? {
            parameters.insert(name.clone(), parameter(name, body, at)?);
        }
        if parameters.len() > PARAMETERS_MAX {
            return Err(node
                .origin()
                .fault(Code::FLEET_TYPE, format!("an action has more than {PARAMETERS_MAX} parameters"))
                .remedy("Make two actions of it."));
        }
    }
    Ok(parameters)
}

/// What a parameter has beside its type's bounds.
const AROUND: &[&str] = &["type", "description", "default", "value", "required", "forbidden"];

fn parameter(name: &str, tree: &Tree, at: &Origin) -> Result<Parameter, Fault> {
    let kind = type_of(tree, at, &format!("parameter `{name}`"), AROUND)?;
    let presence = presence(name, tree, &kind, at)?;
    Ok(Parameter { description: description(tree)?, kind, presence })
}

fn presence(name: &str, tree: &Tree, kind: &Type, at: &Origin) -> Result<Presence, Fault> {
    let flag = |name: &str| -> Result<Option<bool>, Fault> {
        let Some(value) = leaf(tree, name, "true or false")? else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| wrong(value, &format!("`{name}`"), "true or false"))
    };
    let (value, default) = (chosen(name, tree, "value", kind)?, chosen(name, tree, "default", kind)?);
    let (required, forbidden) = (flag("required")?, flag("forbidden")? == Some(true));
    let both =
        |what: &str, remedy: &str| Err(at.fault(Code::FLEET_TYPE, format!("parameter `{name}` {what}")).remedy(remedy));
    match (value, default, required, forbidden) {
        (Some(value), ..) => Ok(Presence::Fixed(value)),
        (None, Some(default), _, true) => Ok(Presence::Fixed(default)),
        (None, Some(_), Some(true), false) => {
            both("is required and has a default", "Leave out one of the two: what has a default is never missing.")
        }
        (None, Some(default), _, false) => Ok(Presence::Default(default)),
        (None, None, Some(false), true) => Ok(Presence::Forbidden),
        (None, None, _, true) => both(
            "is forbidden and required",
            "Give it a `value` or a `default`, or let the action do without it: `required = false`.",
        ),
        (None, None, Some(false), false) => Ok(Presence::Optional),
        (None, None, _, false) => Ok(Presence::Required),
    }
}

/// A value that the definition itself gives, which its type has to take.
fn chosen(name: &str, tree: &Tree, attribute: &str, kind: &Type) -> Result<Option<Chosen>, Fault> {
    let Some(node) = tree.get(attribute) else { return Ok(None) };
    let given: Given = serde_json::from_value(json(node)).map_err(|error| {
        let message = format!("`{attribute}` of parameter `{name}` is no value of one: {error}");
        node.origin().fault(Code::FLEET_TYPE, message).remedy(format!("Give {kind}."))
    })?;
    declared::check(name, kind, &given).map(Some).map_err(|fault| {
        let message = format!("`{attribute}`: {}", fault.message());
        node.origin().fault(Code::FLEET_TYPE, message).remedy(fault.remedy_text().unwrap_or_default())
    })
}

/// A node as JSON.
fn json(node: &Node) -> Json {
    match node {
        Node::Map(tree, _) => Json::Object(tree.iter().map(|(name, node)| (name.clone(), json(node))).collect()),
        Node::Leaf(value) | Node::Append(value) => value.to_json().unwrap_or_default(),
    }
}

/// A type by its name and bounds. `around`: what else the block may have.
fn type_of(tree: &Tree, at: &Origin, what: &str, around: &[&str]) -> Result<Type, Fault> {
    const NAMES: [&str; 14] = [
        "string",
        "enum",
        "integer",
        "boolean",
        "branch",
        "tag",
        "commit",
        "path",
        "unit",
        "url",
        "image-tag",
        "repository",
        "list",
        "map",
    ];
    let Some(value) = leaf(tree, "type", "a string")? else {
        let list = NAMES.map(|name| format!("`{name}`")).join(", ");
        return Err(at
            .fault(Code::FLEET_TYPE, format!("{what} has no `type`"))
            .remedy(format!("Give it one of {list}. There is none that takes anything.")));
    };
    let name = text(value, "`type`")?;
    let by = format!("its type `{name}`");
    let reader = Bounds { tree, at, what, by: &by };
    let (kind, own): (Type, &[&str]) = match name.as_str() {
        "string" => (reader.string()?, &["characters", "min_length", "max_length"]),
        "enum" => (Type::Enum { values: reader.values()? }, &["values"]),
        "integer" => (reader.integer()?, &["min", "max"]),
        "boolean" => (Type::Boolean, &[]),
        "branch" => (Type::Branch, &[]),
        "tag" => (Type::Tag, &[]),
        "commit" => (Type::Commit, &[]),
        "path" => (Type::Path { within: reader.folders()? }, &["within"]),
        "unit" => (Type::Unit, &[]),
        "url" => (Type::Url { hosts: reader.hosts()? }, &["hosts"]),
        "image-tag" => (Type::ImageTag, &[]),
        "repository" => (Type::Repository { allow: reader.patterns("allow")? }, &["allow"]),
        "list" => (
            Type::List { of: Box::new(reader.of()?), max_items: reader.count("max_items", ELEMENTS_MAX)? },
            &["of", "max_items"],
        ),
        "map" => (Type::Map { keys: reader.keys("keys")?, of: Box::new(reader.of()?) }, &["of", "keys"]),
        _ => return Err(unknown_type(value, &name, &NAMES)),
    };
    if let Some((other, node)) = tree
        .iter()
        .find(|(name, _)| !around.contains(&name.as_str()) && !own.contains(&name.as_str()) && *name != "type")
    {
        let list: Vec<String> = own.iter().map(|name| format!("`{name}`")).collect();
        let takes = if list.is_empty() { "no bounds".to_owned() } else { list.join(", ") };
        return Err(node
            .origin()
            .fault(Code::FLEET_UNKNOWN_BLOCK, format!("`{other}` means nothing for the type `{name}`"))
            .remedy(format!(
                "`{name}` takes {takes}. A layer takes away what one below it says with `{other} = null`."
            )));
    }
    Ok(kind)
}

fn unknown_type(value: &Value, name: &str, names: &[&str]) -> Fault {
    let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let near = hint(name, names.iter().copied());
    value
        .fault(Code::FLEET_UNKNOWN_NAME, format!("there is no type {}", quoted(name)))
        .remedy(format!("{near}There are {list}."))
}

/// Reads the bounds of one type.
struct Bounds<'a> {
    tree: &'a Tree,
    at: &'a Origin,
    what: &'a str,
    /// Who says what is needed.
    by: &'a str,
}

impl Bounds<'_> {
    /// An attribute that the type cannot be without.
    fn needed(&self, name: &str, wanted: &str) -> Result<&Value, Fault> {
        leaf(self.tree, name, wanted)?.ok_or_else(|| {
            self.at
                .fault(Code::FLEET_INVARIANT, format!("{} is not bounded: {} needs `{name}`", self.what, self.by))
                .remedy(format!("Add `{name}`, {wanted}. What is left out lets nothing in."))
        })
    }

    fn list(&self, name: &str, wanted: &str) -> Result<(Vec<String>, &Value), Fault> {
        let value = self.needed(name, wanted)?;
        let list = texts(value, &format!("`{name}`"))?;
        few(value, &format!("`{name}`"))?;
        if list.is_empty() {
            return Err(value
                .fault(Code::FLEET_INVARIANT, format!("`{name}` is empty, so no value would do"))
                .remedy(format!("Give {wanted} with something in it.")));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = list.iter().find(|text| !seen.insert(text.as_str())) {
            return Err(value
                .fault(Code::FLEET_DUPLICATE, format!("`{name}` names {} twice", quoted(twice)))
                .remedy("Name it once."));
        }
        Ok((list, value))
    }

    fn count(&self, name: &str, most: usize) -> Result<u32, Fault> {
        let value = self.needed(name, &format!("a whole number from 1 to {most}"))?;
        decode::number_of(value, name, 1, most as u64)
    }

    fn string(&self) -> Result<Type, Fault> {
        let (parts, at) = self.list("characters", "a list such as `[\"a-z\", \"0-9\", \"-\"]`")?;
        let characters = Characters::parse(parts.iter().map(String::as_str)).map_err(|why| {
            at.fault(Code::FLEET_TYPE, format!("this is no set of characters: {why}"))
                .remedy("List ranges such as `a-z`, single characters of ASCII, or `letters` for those of all scripts.")
        })?;
        let max_length = self.count("max_length", TEXT_MAX_BYTES)?;
        let min_length: u32 = decode::number(self.tree, "min_length", 1, 0, u64::from(max_length))?;
        Ok(Type::String { characters, min_length, max_length })
    }

    fn integer(&self) -> Result<Type, Fault> {
        let bound = |name: &str| -> Result<i64, Fault> {
            let value = self.needed(name, "a whole number")?;
            let number = value.as_number().and_then(|number| number.to_plain_string().parse::<i64>().ok());
            number.ok_or_else(|| wrong(value, &format!("`{name}`"), "a whole number of 64 bits"))
        };
        let (min, max) = (bound("min")?, bound("max")?);
        if min > max {
            return Err(self
                .at
                .fault(Code::FLEET_INVARIANT, format!("`min` is {min} and `max` is {max}, so no value would do"))
                .remedy("Make `min` the smaller one."));
        }
        Ok(Type::Integer { min, max })
    }

    fn values(&self) -> Result<Vec<String>, Fault> {
        let (values, at) = self.list("values", "a list of texts")?;
        for value in &values {
            plain(value, at, "a value of an enum")?;
        }
        Ok(values)
    }

    fn folders(&self) -> Result<Vec<UnitPath>, Fault> {
        let (folders, at) = self.list("within", "a list of folders, `[\".\"]` for the whole repository")?;
        let one = |folder: &String| {
            UnitPath::parse(folder).map_err(|fault| {
                at.fault(Code::FLEET_TYPE, fault.message()).remedy("Give folders of the repository, from its root.")
            })
        };
        folders.iter().map(one).collect()
    }

    fn hosts(&self) -> Result<Vec<String>, Fault> {
        let (hosts, at) = self.list("hosts", "a list of hosts")?;
        let one = |host: &String| {
            let target = Target::parse(host).and_then(|target| {
                let same = target.authority() == *host;
                if same { Ok(target) } else { Err(format!("it is written {}", quoted(&target.authority()))) }
            });
            target.map(|target| target.authority()).map_err(|why| {
                at.fault(Code::FLEET_TYPE, format!("{} is no host of a URL: {why}", quoted(host)))
                    .remedy("Write `host`, or `host:port` where the port is not 443, without `https://`.")
            })
        };
        hosts.iter().map(one).collect()
    }

    fn patterns(&self, name: &str) -> Result<Vec<SourcePattern>, Fault> {
        let (patterns, at) = self.list(name, "a list of places such as `github.com/acme/*`")?;
        let one = |text: &String| {
            SourcePattern::parse(text).map_err(|why| {
                at.fault(Code::FLEET_TYPE, format!("{} is no place of repositories: {why}", quoted(text)))
                    .remedy("Write `host/path`; `*` stands for one part of the path, `**` at the end for all below.")
            })
        };
        patterns.iter().map(one).collect()
    }

    fn keys(&self, name: &str) -> Result<BTreeSet<String>, Fault> {
        let (keys, at) = self.list(name, "a list of keys")?;
        let sound = |key: &&String| {
            key.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                && key.len() <= 128
                && key.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/:".contains(c))
        };
        if let Some(key) = keys.iter().find(|key| !sound(key)) {
            return Err(at
                .fault(Code::FLEET_TYPE, format!("{} is no key", quoted(key)))
                .remedy("Use A-Z a-z 0-9 _ . - / : and start with a letter, a digit or `_`."));
        }
        Ok(keys.into_iter().collect())
    }

    /// The type of what a list or map holds.
    fn of(&self) -> Result<Type, Fault> {
        let Some((tree, at)) = map(self.tree, "of")? else {
            return Err(self
                .at
                .fault(Code::FLEET_INVARIANT, format!("{} is not bounded: {} needs `of`", self.what, self.by))
                .remedy("Add `of = { type = … }` with the bounds of one element."));
        };
        let of = type_of(tree, at, &format!("an element of {}", self.what), &[])?;
        if of.is_collection() {
            return Err(at
                .fault(Code::FLEET_TYPE, format!("an element of {} cannot be a {}", self.what, of.name()))
                .remedy("Let it hold single values."));
        }
        Ok(of)
    }
}

fn few(value: &Value, what: &str) -> Result<(), Fault> {
    if value.as_seq().unwrap_or_default().len() > LISTED_MAX {
        return Err(value
            .fault(Code::FLEET_TYPE, format!("{what} has more than {LISTED_MAX} elements"))
            .remedy("Name fewer."));
    }
    Ok(())
}

/// A text that a caller may choose among others: nothing that starts like an option.
fn plain(text: &str, at: &Value, what: &str) -> Result<(), Fault> {
    let flaw = match texts_of::flaw(text) {
        _ if text.is_empty() => "it is empty".to_owned(),
        _ if text.starts_with('-') => "it starts with `-`, as an option does".to_owned(),
        Some(flaw) => flaw,
        None => return Ok(()),
    };
    let remedy = "Give plain text. For an option that is there only sometimes write `{ when = param.x, argv = [\"--option\"] }`.";
    Err(at.fault(Code::FLEET_TYPE, format!("{} cannot be {what}: {flaw}", quoted(text))).remedy(remedy))
}

/// A parameter of a built-in action.
fn built_in(kind: Type, description: &str, presence: Presence) -> Parameter {
    Parameter { kind, description: description.to_owned(), presence }
}

fn whole_repository() -> Result<Type, Fault> {
    Ok(Type::Path { within: vec![UnitPath::parse(".")?] })
}

/// Build arguments, variables of a template: any line of printable text.
fn line() -> Result<Type, Fault> {
    let ascii: Vec<String> = (' '..='~').map(String::from).collect();
    let characters = Characters::parse(ascii.iter().map(String::as_str)).map_err(Fault::internal)?;
    Ok(Type::String { characters, min_length: 0, max_length: 256 })
}

type Parameters = BTreeMap<String, Parameter>;

fn bounds<'a>(tree: &'a Tree, at: &'a Origin, kind: ActionKind) -> Bounds<'a> {
    // The kinds are a closed list, so the words are as well.
    let what = match kind {
        ActionKind::BuildImage => "action `build-image`",
        ActionKind::BuildAmi => "action `build-ami`",
        _ => "action `update-variable`",
    };
    Bounds { tree, at, what, by: "it" }
}

fn build_image(tree: &Tree, at: &Origin) -> Result<Parameters, Fault> {
    let bounds = bounds(tree, at, ActionKind::BuildImage);
    let (registries, place) = bounds.list("registries", "a list of hosts")?;
    for registry in &registries {
        Target::parse(registry).map_err(|why| {
            place
                .fault(Code::FLEET_TYPE, format!("{} is no registry: {why}", quoted(registry)))
                .remedy("Write `host` or `host:port`, exactly: there are no patterns.")
        })?;
    }
    let mut parameters = Parameters::from([
        (
            "repository".into(),
            built_in(
                Type::Repository { allow: bounds.patterns("repositories")? },
                "The repository that is built.",
                Presence::Required,
            ),
        ),
        ("commit".into(), built_in(Type::Commit, "The commit that is built.", Presence::Required)),
        (
            "registry".into(),
            built_in(Type::Enum { values: registries }, "Where the image is pushed to.", Presence::Required),
        ),
        ("tag".into(), built_in(Type::ImageTag, "The image's tag.", Presence::Required)),
        (
            "context".into(),
            built_in(
                whole_repository()?,
                "The folder that is sent to the build.",
                Presence::Default(Chosen::Text(".".into())),
            ),
        ),
        (
            "dockerfile".into(),
            built_in(
                whole_repository()?,
                "The build's instructions.",
                Presence::Default(Chosen::Text("Dockerfile".into())),
            ),
        ),
    ]);
    if leaf(tree, "images", "a list of names")?.is_some() {
        let (images, place) = bounds.list("images", "a list of names")?;
        for image in &images {
            image_name(image, place)?;
        }
        parameters
            .insert("image".into(), built_in(Type::Enum { values: images }, "The image's name.", Presence::Required));
    }
    if leaf(tree, "build_args", "a list of names")?.is_some() {
        let kind = Type::Map { keys: bounds.keys("build_args")?, of: Box::new(line()?) };
        parameters.insert("build_args".into(), built_in(kind, "Build arguments. None is secret.", Presence::Optional));
    }
    Ok(parameters)
}

fn image_name(name: &str, at: &Value) -> Result<(), Fault> {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
    };
    if name.len() <= 255 && name.split('/').all(part) {
        return Ok(());
    }
    Err(at
        .fault(Code::FLEET_TYPE, format!("{} is no name of an image", quoted(name)))
        .remedy("Write it without registry and tag, such as `acme/app`, in lower case."))
}

fn build_ami(tree: &Tree, at: &Origin) -> Result<Parameters, Fault> {
    let bounds = bounds(tree, at, ActionKind::BuildAmi);
    let (templates, place) = bounds.list("templates", "a list of files")?;
    for template in &templates {
        UnitPath::parse(template).map_err(|fault| {
            place.fault(Code::FLEET_TYPE, fault.message()).remedy("Give files of the repository, from its root.")
        })?;
    }
    let (regions, place) = bounds.list("regions", "a list of regions")?;
    for region in &regions {
        plain(region, place, "a region")?;
    }
    let some = u32::try_from(regions.len()).unwrap_or(u32::MAX);
    let regions = Type::List { of: Box::new(Type::Enum { values: regions }), max_items: some };
    let mut parameters = Parameters::from([
        (
            "repository".into(),
            built_in(
                Type::Repository { allow: bounds.patterns("repositories")? },
                "The repository that is built.",
                Presence::Required,
            ),
        ),
        ("commit".into(), built_in(Type::Commit, "The commit that is built.", Presence::Required)),
        ("template".into(), built_in(Type::Enum { values: templates }, "The template.", Presence::Required)),
        ("regions".into(), built_in(regions, "Where the image is to be.", Presence::Required)),
    ]);
    if leaf(tree, "variables", "a list of names")?.is_some() {
        let kind = Type::Map { keys: bounds.keys("variables")?, of: Box::new(line()?) };
        parameters.insert("variables".into(), built_in(kind, "Variables of the template.", Presence::Optional));
    }
    Ok(parameters)
}

fn update_variable(tree: &Tree, at: &Origin) -> Result<Parameters, Fault> {
    let bounds = bounds(tree, at, ActionKind::UpdateVariable);
    let (files, place) = bounds.list("files", "a list of files")?;
    for file in &files {
        UnitPath::parse(file).map_err(|fault| {
            place.fault(Code::FLEET_TYPE, fault.message()).remedy("Give files of the repository, from its root.")
        })?;
    }
    let variables: Vec<String> = bounds.keys("variables")?.into_iter().collect();
    let Some((inner, place)) = map(tree, "values")? else {
        return Err(at
            .fault(Code::FLEET_INVARIANT, "action `update-variable` is not bounded: it needs `values`")
            .remedy("Add `values = { type = \"image-tag\" }`, or another type with its bounds."));
    };
    let values = type_of(inner, place, "what a variable may be", &[])?;
    Ok(Parameters::from([
        ("file".into(), built_in(Type::Enum { values: files }, "The file that is changed.", Presence::Required)),
        (
            "variable".into(),
            built_in(Type::Enum { values: variables }, "The variable that is set.", Presence::Required),
        ),
        ("value".into(), built_in(values, "What it is set to.", Presence::Required)),
    ]))
}
