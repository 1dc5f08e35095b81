//! Which attributes and blocks a body may have, and reading a body by that.
//!
//! Strict: an unknown or repeated name is a fault with its place. Evaluates nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_hcl::hcl_edit::expr::Expression;
use portcullis_hcl::hcl_edit::structure::{Block, Body, Structure};
use portcullis_hcl::{File, Origin};
use portcullis_model::id::quoted;
use portcullis_model::{Code, Fault};

use crate::spelling::hint;

/// A block that a body may have.
pub(crate) struct BlockForm {
    pub name: &'static str,
    /// Labels that it must have: 0 or 1.
    pub labels: usize,
    /// Whether it (with the same label) may be there more than once.
    pub repeats: bool,
}

/// What a body may have.
pub(crate) struct Form {
    /// For messages: `an account`.
    pub of: &'static str,
    pub attributes: &'static [&'static str],
    pub blocks: &'static [BlockForm],
}

const fn block(name: &'static str, labels: usize) -> BlockForm {
    BlockForm { name, labels, repeats: false }
}

const LOCALS: BlockForm = BlockForm { name: "locals", labels: 0, repeats: true };

pub(crate) const ROOT: Form = Form {
    of: "portcullis.hcl",
    attributes: &[],
    blocks: &[
        block("fleet", 1),
        LOCALS,
        block("import", 1),
        block("identity", 1),
        block("principal", 1),
        block("profile", 1),
        block("account", 1),
        block("assert", 1),
    ],
};

/// An imported file defines no accounts and no fleet: what exists is decided in one place.
pub(crate) const IMPORTED: Form = Form {
    of: "an imported file",
    attributes: &[],
    blocks: &[
        LOCALS,
        block("import", 1),
        block("identity", 1),
        block("principal", 1),
        block("profile", 1),
        block("assert", 1),
    ],
};

pub(crate) const FLEET: Form = Form {
    of: "`fleet`",
    attributes: &["deploy_order"],
    blocks: &[block("repository", 1), block("policy", 1), block("freeze", 1), block("tools", 0), block("sources", 0)],
};
pub(crate) const REPOSITORY: Form = Form { of: "`repository`", attributes: &["url", "protected"], blocks: &[] };
pub(crate) const IMPORT: Form = Form { of: "`import`", attributes: &["path", "git", "commit", "sha256"], blocks: &[] };
pub(crate) const IDENTITY: Form =
    Form { of: "`identity`", attributes: &["issuer", "preset", "jwks_uri", "jwks", "audience"], blocks: &[] };
pub(crate) const PRINCIPAL: Form = Form { of: "`principal`", attributes: &["identity", "claims"], blocks: &[] };
pub(crate) const ASSERT: Form =
    Form { of: "`assert`", attributes: &["account", "action", "only", "never", "approvals"], blocks: &[] };
pub(crate) const PROFILE: Form =
    Form { of: "`profile`", attributes: &["profiles", "regions", "env", "root_modules"], blocks: LAYER_BLOCKS };
pub(crate) const ACCOUNT: Form = Form {
    of: "`account`",
    attributes: &["id", "path", "repository", "profiles", "regions", "env", "root_modules"],
    blocks: LAYER_BLOCKS,
};
const LAYER_BLOCKS: &[BlockForm] = &[
    block("action", 1),
    block("policy", 1),
    block("freeze", 1),
    block("tools", 0),
    block("limits", 0),
    block("sources", 0),
    block("egress", 1),
    block("credential", 1),
];
pub(crate) const POLICY: Form = Form { of: "`policy`", attributes: &["cedar"], blocks: &[] };
pub(crate) const FREEZE: Form = Form { of: "`freeze`", attributes: &["from", "until"], blocks: &[] };
pub(crate) const ACTION: Form =
    Form { of: "`action`", attributes: ACTION_ATTRIBUTES, blocks: &[block("parameter", 1), block("limits", 0)] };
/// Of all actions together; `declared` says which of them an action may have.
const ACTION_ATTRIBUTES: &[&str] = &[
    "allow",
    "approvers",
    "approvals",
    "unreviewed",
    "description",
    "program",
    "argv",
    "working_directory",
    "phase",
    "network",
    "credentials",
    "repositories",
    "registries",
    "images",
    "build_args",
    "templates",
    "regions",
    "variables",
    "files",
    "values",
];
/// Of all types together; the type says which of them it takes.
pub(crate) const PARAMETER: Form = Form {
    of: "`parameter`",
    attributes: &[
        "type",
        "description",
        "default",
        "value",
        "required",
        "forbidden",
        "characters",
        "min_length",
        "max_length",
        "values",
        "min",
        "max",
        "within",
        "hosts",
        "allow",
        "of",
        "max_items",
        "keys",
    ],
    blocks: &[],
};
pub(crate) const TOOLS: Form =
    Form { of: "`tools`", attributes: &["driver", "tofu", "terraform", "terragrunt", "programs"], blocks: &[] };
pub(crate) const SOURCES: Form = Form { of: "`sources`", attributes: &["allow"], blocks: &[] };
pub(crate) const EGRESS: Form =
    Form { of: "`egress`", attributes: &["hosts", "phases", "private", "address"], blocks: &[] };
pub(crate) const CREDENTIAL: Form =
    Form { of: "`credential`", attributes: &["host", "phases", "header", "scheme", "username", "value"], blocks: &[] };
pub(crate) const LIMITS: Form = Form {
    of: "`limits`",
    attributes: &["parallel", "memory_mib", "disk_mib", "pids", "cpu_percent", "timeout_s"],
    blocks: &[],
};

/// Attributes of layers that are lists, which a layer may add to.
pub(crate) const LISTS: [&str; 5] = ["regions", "root_modules", "allow", "approvers", "hosts"];

/// [`LISTS`], for messages.
pub(crate) fn lists() -> String {
    LISTS.map(|name| format!("`{name}`")).join(", ")
}

/// The arguments of `append(…)`, when that is what an expression is.
pub(crate) fn append(expr: &Expression) -> Option<Vec<Expression>> {
    form("append", expr)
}

/// The arguments of `secret(…)`, when that is what an expression is.
pub(crate) fn secret(expr: &Expression) -> Option<Vec<Expression>> {
    form("secret", expr)
}

/// The arguments of what looks like a call of a function, and is a form of the fleet language.
fn form(name: &str, expr: &Expression) -> Option<Vec<Expression>> {
    let Expression::FuncCall(call) = expr else { return None };
    let plain = call.name.namespace.is_empty() && call.name.name.as_str() == name && !call.args.expand_final();
    plain.then(|| call.args.iter().cloned().collect())
}

/// A block that has the right form.
pub(crate) struct Entry<'a> {
    pub name: &'a str,
    pub label: &'a str,
    pub block: &'a Block,
    pub origin: Origin,
}

/// A body, taken apart.
#[derive(Default)]
pub(crate) struct Contents<'a> {
    pub attributes: BTreeMap<&'a str, &'a Expression>,
    pub blocks: Vec<Entry<'a>>,
}

impl<'a> Contents<'a> {
    pub fn blocks_named<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b Entry<'a>> {
        self.blocks.iter().filter(move |entry| entry.name == name)
    }
}

/// Takes a body apart. What does not fit the form goes to `faults` and is left out.
pub(crate) fn contents<'a>(body: &'a Body, file: &Arc<File>, form: &Form, faults: &mut Vec<Fault>) -> Contents<'a> {
    let mut contents = Contents::default();
    for structure in body {
        let checked = match structure {
            Structure::Attribute(attribute) => {
                let name = attribute.key.as_str();
                let at = Origin::of(file, &attribute.key);
                if !form.attributes.contains(&name) {
                    Err(unknown("attribute", name, form, &at))
                } else if contents.attributes.insert(name, &attribute.value).is_some() {
                    Err(duplicate(&format!("attribute `{name}`"), &at))
                } else {
                    Ok(())
                }
            }
            Structure::Block(block) => entry(block, file, form, &contents).map(|entry| contents.blocks.push(entry)),
        };
        faults.extend(checked.err());
    }
    contents
}

fn entry<'a>(block: &'a Block, file: &Arc<File>, form: &Form, so_far: &Contents<'_>) -> Result<Entry<'a>, Fault> {
    let name = block.ident.as_str();
    let origin = Origin::of(file, &block.ident);
    let wanted =
        form.blocks.iter().find(|known| known.name == name).ok_or_else(|| unknown("block", name, form, &origin))?;
    if block.labels.len() != wanted.labels {
        let (message, remedy) = if wanted.labels == 0 {
            (format!("`{name}` takes no label"), format!("Write `{name} {{ … }}`."))
        } else {
            (format!("`{name}` takes one label, its name"), format!("Write `{name} \"…\" {{ … }}`."))
        };
        return Err(origin.fault(Code::FLEET_UNKNOWN_BLOCK, message).remedy(remedy));
    }
    let label = block.labels.first().map_or("", |label| label.as_str());
    if NAMED.contains(&name) {
        named(name, label, &origin)?;
    }
    if !wanted.repeats && so_far.blocks.iter().any(|other| other.name == name && other.label == label) {
        let what = if label.is_empty() { format!("`{name}`") } else { format!("`{name}` {}", quoted(label)) };
        return Err(duplicate(&what, &origin));
    }
    Ok(Entry { name, label, block, origin })
}

/// Blocks whose label is a name that is written elsewhere. Those of accounts and others are types of their own.
const NAMED: [&str; 3] = ["profile", "identity", "import"];
/// Longest name, in bytes.
const NAME_MAX_BYTES: usize = 64;

/// A name has characters that look like nothing else: what is read as `standard` is `standard`.
fn named(kind: &str, label: &str, at: &Origin) -> Result<(), Fault> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let odd = label.chars().find(|c| !is_plain(*c));
    if odd.is_none() && !label.is_empty() && label.len() <= NAME_MAX_BYTES {
        return Ok(());
    }
    let why = odd.map_or_else(String::new, |c| format!(": it has the character U+{:04X}", u32::from(c)));
    Err(at
        .fault(Code::BAD_NAME, format!("{} is no name of a block `{kind}`{why}", quoted(label)))
        .remedy(format!("Use 1 to {NAME_MAX_BYTES} of the characters A-Z a-z 0-9 - _ .")))
}

fn unknown(kind: &str, name: &str, form: &Form, at: &Origin) -> Fault {
    let known = || form.attributes.iter().copied().chain(form.blocks.iter().map(|block| block.name));
    let list = known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    at.fault(Code::FLEET_UNKNOWN_BLOCK, format!("{} has no {kind} `{name}`", form.of)).remedy(format!(
        "{}{} takes {list}.",
        hint(name, known()),
        capital(form.of)
    ))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    // A file name keeps its spelling.
    if text.contains('.') {
        return text.to_owned();
    }
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

pub(crate) fn duplicate(what: &str, at: &Origin) -> Fault {
    at.fault(Code::FLEET_DUPLICATE, format!("{what} is defined twice")).remedy("Keep one of the two definitions.")
}
