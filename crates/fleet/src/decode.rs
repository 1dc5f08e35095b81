//! From an account's merged tree to its checked parts.
//!
//! Every value has its place, so every fault names the line that must change, in whichever layer it is.

use std::collections::BTreeMap;

use globset::GlobBuilder;
use jiff::Timestamp;
use portcullis_hcl::{Origin, Value};
use portcullis_model::id::quoted;
use portcullis_model::record::Unreviewed;
use portcullis_model::{ActionKind, Code, Digest, Fault, PrincipalName, SourcePattern, UnitPath};
use portcullis_policy::{Freeze, Principal};

use crate::account::{Driver, Grant, Limits, Pin, Program, ToolPin, Tools};
use crate::declared;
use crate::layer::{Node, Tree};
use crate::principals::{named, unknown_name};
use crate::read::{text, texts, wrong};

/// Most approvals that an account may ask for.
const APPROVALS_MAX: u64 = 20;

/// The value at a name; a map where a value is wanted is a fault.
pub(crate) fn leaf<'t>(tree: &'t Tree, name: &str, wanted: &str) -> Result<Option<&'t Value>, Fault> {
    match tree.get(name) {
        None => Ok(None),
        Some(Node::Leaf(value) | Node::Append(value)) => Ok(Some(value)),
        Some(Node::Map(_, origin)) => Err(not_a(origin, name, wanted, "a map")),
    }
}

/// The map at a name; a value where a map is wanted is a fault.
pub(crate) fn map<'t>(tree: &'t Tree, name: &str) -> Result<Option<(&'t Tree, &'t Origin)>, Fault> {
    match tree.get(name) {
        None => Ok(None),
        Some(Node::Map(tree, origin)) => Ok(Some((tree, origin))),
        Some(Node::Leaf(value) | Node::Append(value)) => Err(wrong(value, &format!("`{name}`"), "a map")),
    }
}

fn not_a(origin: &Origin, name: &str, wanted: &str, is: &str) -> Fault {
    origin.fault(Code::FLEET_TYPE, format!("`{name}` must be {wanted}, but is {is}")).remedy(format!("Give {wanted}."))
}

pub(crate) fn id(tree: &Tree, account: &str, at: &Origin) -> Result<String, Fault> {
    let Some(value) = leaf(tree, "id", "a string")? else {
        return Err(at
            .fault(Code::FLEET_ACCOUNT_WITHOUT_ID, format!("account `{account}` has no `id`"))
            .remedy("Add `id = \"…\"`: the number or name that the cloud knows the account by."));
    };
    // A number would lose leading zeros, which account numbers have.
    let id = text(value, "`id`")?;
    if id.is_empty() || id.len() > 128 || !id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c)) {
        return Err(value
            .fault(Code::FLEET_ACCOUNT_WITHOUT_ID, format!("{} is no account id", quoted(&id)))
            .remedy("Give the number or name that the cloud knows the account by."));
    }
    Ok(id)
}

/// The account's folder. Its own name when it is not stated.
pub(crate) fn path(tree: &Tree, account: &str) -> Result<String, Fault> {
    let Some(value) = leaf(tree, "path", "a string")? else { return Ok(account.to_owned()) };
    let path = text(value, "`path`")?;
    UnitPath::parse(&path).map_err(|fault| {
        value
            .fault(Code::FLEET_TYPE, fault.message())
            .remedy("Give a folder of the repository, such as `dev`, or `.` for all of it.")
    })?;
    Ok(path)
}

pub(crate) fn repository(tree: &Tree) -> Result<Option<(String, &Value)>, Fault> {
    leaf(tree, "repository", "a string")?.map(|value| Ok((text(value, "`repository`")?, value))).transpose()
}

pub(crate) fn regions(tree: &Tree) -> Result<Vec<String>, Fault> {
    leaf(tree, "regions", "a list of strings")?.map_or(Ok(Vec::new()), |value| texts(value, "`regions`"))
}

/// Patterns for folders. Checked here, so that a wrong one is a fault of the definition and not of every run.
pub(crate) fn root_modules(tree: &Tree) -> Result<Vec<String>, Fault> {
    const WANTED: &str = "a list of patterns";
    let Some(value) = leaf(tree, "root_modules", WANTED)? else { return Ok(Vec::new()) };
    let patterns = texts(value, "`root_modules`")?;
    for (pattern, value) in patterns.iter().zip(value.as_seq().unwrap_or_default()) {
        let outside = pattern.starts_with('/') || pattern.split('/').any(|part| part == "..");
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        if pattern.is_empty() || outside || glob.is_err() {
            return Err(value
                .fault(Code::FLEET_TYPE, format!("{} is no pattern for folders of the repository", quoted(pattern)))
                .remedy(
                    "Use names with `*`, `**`, `?` and `{a,b}`, from the repository's root, such as `dev/stacks/*`.",
                ));
        }
    }
    Ok(patterns)
}

pub(crate) fn env(tree: &Tree) -> Result<BTreeMap<String, String>, Fault> {
    let Some((entries, _)) = map(tree, "env")? else { return Ok(BTreeMap::new()) };
    let mut env = BTreeMap::new();
    for name in entries.keys() {
        let Some(value) = leaf(entries, name, "a string")? else { continue };
        let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !valid {
            return Err(value
                .fault(Code::FLEET_TYPE, format!("{} is no name of an environment variable", quoted(name)))
                .remedy("Use A-Z a-z 0-9 _ and do not start with a digit."));
        }
        let text = text(value, &format!("`env.{name}`"))?;
        if text.contains('\0') {
            return Err(value
                .fault(Code::FLEET_TYPE, format!("`env.{name}` contains a zero byte"))
                .remedy("Take it out: no environment variable can hold it."));
        }
        env.insert(name.clone(), text);
    }
    Ok(env)
}

pub(crate) fn actions(
    tree: &Tree,
    principals: &BTreeMap<PrincipalName, Option<Principal>>,
    tools: Option<&Tools>,
    limits: &Limits,
) -> Result<BTreeMap<ActionKind, Grant>, Fault> {
    let Some((actions, _)) = map(tree, "action")? else { return Ok(BTreeMap::new()) };
    let mut grants = BTreeMap::new();
    for (name, node) in actions {
        let kind = ActionKind::parse(name).map_err(|fault| {
            let remedy = fault.remedy_text().unwrap_or_default().to_owned();
            node.origin().fault(Code::FLEET_UNKNOWN_NAME, fault.message()).remedy(remedy)
        })?;
        let Some((body, at)) = map(actions, name)? else { continue };
        let mut grant = grant(body, kind, principals)?;
        grant.declared = declared::declared(body, kind, at, tools, limits)?;
        grants.insert(kind, grant);
    }
    Ok(grants)
}

fn grant(
    tree: &Tree,
    kind: ActionKind,
    principals: &BTreeMap<PrincipalName, Option<Principal>>,
) -> Result<Grant, Fault> {
    let names = |name: &str| -> Result<Vec<PrincipalName>, Fault> {
        let value = leaf(tree, name, "a list of principals")?;
        value.map_or(Ok(Vec::new()), |value| named(value, &format!("`{name}`"), principals))
    };
    declared::only_its_own(tree, kind)?;
    let unreviewed = match leaf(tree, "unreviewed", "a string")? {
        None => Unreviewed::default(),
        Some(value) => unreviewed(value)?,
    };
    Ok(Grant {
        allow: names("allow")?,
        approvers: names("approvers")?,
        approvals: number(tree, "approvals", 1, 1, APPROVALS_MAX)?,
        unreviewed,
        declared: None,
    })
}

fn unreviewed(value: &Value) -> Result<Unreviewed, Fault> {
    match text(value, "`unreviewed`")?.as_str() {
        "create-only" => Ok(Unreviewed::CreateOnly),
        "hold" => Ok(Unreviewed::Hold),
        "apply" => Ok(Unreviewed::Apply),
        other => Err(value
            .fault(Code::FLEET_TYPE, format!("`unreviewed` cannot be {}", quoted(other)))
            .remedy("Use `create-only`, `hold` or `apply`.")),
    }
}

/// A whole number within bounds.
pub(crate) fn number<N: TryFrom<u64>>(tree: &Tree, name: &str, default: u64, min: u64, max: u64) -> Result<N, Fault> {
    match leaf(tree, name, "a whole number")? {
        None => fit(default, name),
        Some(value) => number_of(value, name, min, max),
    }
}

/// A value that is a whole number within bounds.
pub(crate) fn number_of<N: TryFrom<u64>>(value: &Value, name: &str, min: u64, max: u64) -> Result<N, Fault> {
    let number = value
        .as_number()
        .and_then(|number| number.to_plain_string().parse::<u64>().ok())
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| wrong(value, &format!("`{name}`"), &format!("a whole number from {min} to {max}")))?;
    fit(number, name)
}

fn fit<N: TryFrom<u64>>(number: u64, name: &str) -> Result<N, Fault> {
    N::try_from(number).map_err(|_| Fault::internal(format!("the bounds of `{name}` are too wide")))
}

pub(crate) fn limits(tree: &Tree, default: &Limits) -> Result<Limits, Fault> {
    let Some((tree, _)) = map(tree, "limits")? else { return Ok(default.clone()) };
    Ok(Limits {
        parallel: number(tree, "parallel", default.parallel.into(), 1, 256)?,
        memory_mib: number(tree, "memory_mib", default.memory_mib, 128, 1 << 20)?,
        disk_mib: number(tree, "disk_mib", default.disk_mib, 64, 1 << 20)?,
        pids: number(tree, "pids", default.pids.into(), 32, 32_768)?,
        cpu_percent: number(tree, "cpu_percent", default.cpu_percent.into(), 10, 25_600)?,
        timeout_s: number(tree, "timeout_s", default.timeout_s, 10, 86_400)?,
    })
}

/// From where modules may be fetched.
pub(crate) fn sources(tree: &Tree) -> Result<Vec<SourcePattern>, Fault> {
    let Some((tree, _)) = map(tree, "sources")? else { return Ok(Vec::new()) };
    let Some(value) = leaf(tree, "allow", "a list of strings")? else { return Ok(Vec::new()) };
    let mut patterns = Vec::new();
    for (text, at) in texts(value, "`allow`")?.iter().zip(value.as_seq().unwrap_or_default()) {
        let pattern = SourcePattern::parse(text).map_err(|why| {
            at.fault(Code::FLEET_TYPE, format!("{} is no place of modules: {why}", quoted(text))).remedy(
                "Write `host/path`: `*` stands for one part of the path, `**` at the end for all below, such as \
                 `github.com/acme/*`.",
            )
        })?;
        patterns.push(pattern);
    }
    Ok(patterns)
}

/// Times in which policies may forbid, by name.
pub(crate) fn freezes(tree: &Tree) -> Result<BTreeMap<String, Freeze>, Fault> {
    let Some((entries, _)) = map(tree, "freeze")? else { return Ok(BTreeMap::new()) };
    let mut freezes = BTreeMap::new();
    for name in entries.keys() {
        let Some((inside, at)) = map(entries, name)? else { continue };
        // What a layer takes away with `null` is gone as a whole.
        if inside.is_empty() {
            continue;
        }
        named_well("freeze", name, at)?;
        let moment = |which: &str| match leaf(inside, which, "a time")? {
            Some(value) => moment(value, which),
            None => Err(at
                .fault(Code::FLEET_TYPE, format!("freeze `{name}` has no `{which}`"))
                .remedy("Give `from` and `until`, such as `2026-12-20T00:00:00Z`.")),
        };
        let freeze = Freeze { from: moment("from")?, until: moment("until")? };
        if freeze.until <= freeze.from {
            return Err(at
                .fault(Code::FLEET_TYPE, format!("freeze `{name}` ends before it begins"))
                .remedy("Give an `until` that is after `from`."));
        }
        freezes.insert(name.clone(), freeze);
    }
    Ok(freezes)
}

/// A moment, with its zone: two people would read a local time as two moments.
fn moment(value: &Value, which: &str) -> Result<Timestamp, Fault> {
    let text = text(value, &format!("`{which}`"))?;
    text.parse().map_err(|_| {
        value
            .fault(Code::FLEET_TYPE, format!("`{which}` is {}, which is no time", quoted(&text)))
            .remedy("Write it with its offset from UTC, such as `2026-12-20T00:00:00Z` or `2026-12-20T01:00:00+01:00`.")
    })
}

/// The Cedar texts of `policy` blocks, by name.
pub(crate) fn policy_texts(tree: &Tree) -> Result<Vec<(&str, String, &Value)>, Fault> {
    let Some((entries, _)) = map(tree, "policy")? else { return Ok(Vec::new()) };
    let mut texts = Vec::new();
    for name in entries.keys() {
        let Some((inside, at)) = map(entries, name)? else { continue };
        let Some(value) = leaf(inside, "cedar", "a string")? else { continue };
        named_well("policy", name, at)?;
        texts.push((name.as_str(), text(value, "`cedar`")?, value));
    }
    Ok(texts)
}

/// A name that can stand in a message, a path and a policy as it is.
fn named_well(kind: &str, name: &str, at: &Origin) -> Result<(), Fault> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.starts_with(word) && name.len() <= 64 && name.chars().all(|c| word(c) || c == '-') {
        return Ok(());
    }
    Err(at
        .fault(Code::FLEET_TYPE, format!("{} is no name of a {kind}", quoted(name)))
        .remedy("Use at most 64 of a-z, 0-9 and `-`, such as `year-end`."))
}

/// The tools of the tree's `tools` map.
pub(crate) fn tools(tree: &Tree) -> Result<Tools, Fault> {
    let Some((tree, origin)) = map(tree, "tools")? else { return Ok(Tools::default()) };
    let driver = match leaf(tree, "driver", "a string")? {
        None => Driver::default(),
        Some(value) => match text(value, "`driver`")?.as_str() {
            "native" => Driver::Native,
            "terragrunt" => Driver::Terragrunt,
            other => return Err(unknown_name(value, "driver", other, ["native", "terragrunt"].into_iter())),
        },
    };
    let of = |program: Program, pin: Pin| ToolPin { program, version: pin.version, sha256: pin.sha256 };
    let tool = match (pin(tree, "tofu")?, pin(tree, "terraform")?) {
        (Some(_), Some(_)) => {
            return Err(origin
                .fault(Code::FLEET_DUPLICATE, "`tofu` and `terraform` are both named")
                .remedy("Keep one. A layer removes what a layer below it says with `terraform = null`."));
        }
        (Some(found), None) => Some(of(Program::Tofu, found)),
        (None, Some(found)) => Some(of(Program::Terraform, found)),
        (None, None) => None,
    };
    Ok(Tools { driver, tool, terragrunt: pin(tree, "terragrunt")?, programs: programs(tree)? })
}

/// Programs of custom actions: a file name and a digest each.
fn programs(tree: &Tree) -> Result<BTreeMap<String, Digest>, Fault> {
    let Some((tree, _)) = map(tree, "programs")? else { return Ok(BTreeMap::new()) };
    let mut programs = BTreeMap::new();
    for name in tree.keys() {
        let Some(value) = leaf(tree, name, "a digest")? else { continue };
        let plain = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.len() <= 64
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !plain || ["tofu", "terraform", "terragrunt"].contains(&name.as_str()) {
            return Err(value
                .fault(Code::FLEET_TYPE, format!("{} cannot be the program of an action", quoted(name)))
                .remedy("Give the name of a file on the runner's PATH, without a folder, that is not the tool."));
        }
        let digest = text(value, &format!("`programs.{name}`"))?;
        let digest = digest.parse::<Digest>().map_err(|fault| {
            value.fault(Code::FLEET_TYPE, fault.message()).remedy("Give all 64 hexadecimal digits of its SHA-256.")
        })?;
        programs.insert(name.clone(), digest);
    }
    Ok(programs)
}

fn pin(tree: &Tree, program: &str) -> Result<Option<Pin>, Fault> {
    let Some((tree, origin)) = map(tree, program)? else { return Ok(None) };
    if let Some((name, node)) = tree.iter().find(|(name, _)| !matches!(name.as_str(), "version" | "sha256")) {
        return Err(node
            .origin()
            .fault(Code::FLEET_UNKNOWN_BLOCK, format!("`{program}` has no attribute `{name}`"))
            .remedy(format!("`{program}` takes `version` and `sha256`.")));
    }
    let Some(value) = leaf(tree, "version", "a string")? else {
        return Err(origin
            .fault(Code::FLEET_TYPE, format!("`{program}` has no `version`"))
            .remedy("Write `{ version = \"1.2.3\", sha256 = \"…\" }`."));
    };
    let version = text(value, "`version`")?;
    if !is_version(&version) {
        return Err(value
            .fault(Code::FLEET_TYPE, format!("{} is no version", quoted(&version)))
            .remedy("Name one version exactly, such as `1.2.3`."));
    }
    let sha256 = match leaf(tree, "sha256", "a string")? {
        None => None,
        Some(value) => Some(text(value, "`sha256`")?.parse::<Digest>().map_err(|fault| {
            value.fault(Code::FLEET_TYPE, fault.message()).remedy("Give all 64 hexadecimal digits.")
        })?),
    };
    Ok(Some(Pin { version, sha256 }))
}

/// `major.minor.patch`, and perhaps a pre-release after `-`. Nothing that could be a range.
fn is_version(text: &str) -> bool {
    let (numbers, pre) = text.split_once('-').map_or((text, None), |(numbers, pre)| (numbers, Some(pre)));
    let parts: Vec<&str> = numbers.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit());
    let pre_ok = |pre: &str| {
        !pre.is_empty() && pre.len() <= 64 && pre.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
    };
    parts.len() == 3 && parts.iter().all(number) && pre.is_none_or(pre_ok)
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn versions_are_exact() {
        for good in ["1.11.4", "0.0.1", "1.12.0-rc1", "1.2.3-beta.1"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "1", "1.2", "v1.2.3", ">= 1.2.3", "~1.2.3", "1.2.x", "1.2.3-", "1.2.3 ", "1.2.3.4", "latest"] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
