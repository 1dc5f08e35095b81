//! The texts of `policy` blocks: Cedar that forbids.
//!
//! A text is taken only if all of it is understood: it parses, it only forbids, every name in it exists, and it is valid by
//! the schema in Cedar's strict sense, warnings included. Whatever else would be a policy that its author believes in and
//! that forbids nothing.

use std::fmt;

use cedar_policy::{ActionConstraint, Effect, EntityUid, Policy, PolicyId, PolicySet, Validator};
use cedar_policy::{ResourceConstraint, ValidationMode};
use miette::Diagnostic;
use portcullis_model::Place;

use crate::schema::Kind;

/// Largest text of a `policy` block.
pub const TEXT_MAX_BYTES: usize = 16 << 10;
/// Most policies in one text.
const POLICIES_MAX: usize = 32;
/// Deepest nesting of brackets in a text.
const NESTING_MAX: usize = 32;
/// Most operators in a text: each may be one level deeper in the tree.
const OPERATORS_MAX: usize = 600;
/// Cedar's parser and validator recurse, and have no bound of their own: the parser overflows its stack, and the validator
/// takes what it has no stack left for as right. With both limits above this is enough by far.
const STACK_BYTES: usize = 64 << 20;
/// Most characters of a policy that a message shows.
const SHOWN_MAX_CHARS: usize = 300;

/// The policies of one `policy` block.
#[derive(Clone)]
pub struct Forbid {
    /// The block's name.
    name: String,
    /// The Cedar text.
    text: String,
    /// Where it is written.
    place: Option<Place>,
    policies: Vec<Policy>,
}

impl Forbid {
    pub(crate) fn new(name: &str, text: &str, place: Option<Place>, policies: Vec<Policy>) -> Self {
        Forbid { name: name.to_owned(), text: text.to_owned(), place, policies }
    }

    /// The block's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Cedar text.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    pub(crate) fn policies(&self) -> &[Policy] {
        &self.policies
    }
}

/// By what they say; where they are written does not matter.
impl PartialEq for Forbid {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.text == other.text
    }
}

impl Eq for Forbid {}

impl fmt::Debug for Forbid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forbid").field("name", &self.name).field("text", &self.text).finish()
    }
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFault {
    /// Where, in bytes from the start of the text; `None`: all of it.
    pub offset: Option<usize>,
    /// What.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl TextFault {
    fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        TextFault { offset: None, message: message.into(), remedy: remedy.into() }
    }

    fn of(error: &dyn Diagnostic, remedy: &str) -> Self {
        let offset = error.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
        let help = error.help().map(|help| format!("{}.", help.to_string().trim_end_matches('.')));
        let message = error.to_string();
        // Cedar numbers policies itself, in a text the author has one of.
        let message = match message.strip_prefix("for policy `").and_then(|rest| rest.split_once("`, ")) {
            Some((_, rest)) => rest.to_owned(),
            None => message,
        };
        TextFault { offset, message, remedy: help.unwrap_or_else(|| remedy.to_owned()) }
    }
}

/// Names that a text may use.
pub(crate) trait Names {
    /// Whether there is an entity of this kind and name.
    fn knows(&self, kind: Kind, name: &str) -> bool;
    /// All names of a kind, for messages.
    fn all(&self, kind: Kind) -> Vec<String>;
}

/// A text that was read: its policies, each of which forbids, and in what they break the schema.
pub(crate) type Parsed = Result<(Vec<Policy>, Vec<TextFault>), Vec<TextFault>>;

/// Reads a text. What is wrong with names is not said here: it depends on the account.
pub(crate) fn parse(name: &str, text: &str, validator: &Validator) -> Parsed {
    within_bounds(text).map_err(|fault| vec![fault])?;
    let read = || {
        let policies = policies(name, text)?;
        let broken = validate(&policies, validator);
        Ok((policies, broken))
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, read);
        thread.ok().and_then(|thread| thread.join().ok())
    })
    .unwrap_or_else(|| Err(vec![TextFault::new("the text could not be read", "Write it in a simpler way.")]))
}

fn within_bounds(text: &str) -> Result<(), TextFault> {
    if text.len() > TEXT_MAX_BYTES {
        let message = format!("the text has {} bytes, allowed are {TEXT_MAX_BYTES}", text.len());
        return Err(TextFault::new(message, "Split it into several `policy` blocks."));
    }
    let at = |offset, message: String| TextFault { offset: Some(offset), ..TextFault::new(message, SPLIT) };
    // In strings and comments as well: an honest text has no use for so many there.
    let (mut depth, mut operators) = (0usize, 0usize);
    for (offset, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '.' | '+' | '-' | '*' | '!' | '&' | '|' | '<' | '>' | '=' | ':' => operators += 1,
            _ => {}
        }
        if depth > NESTING_MAX {
            return Err(at(offset, format!("the text is nested deeper than {NESTING_MAX} levels")));
        }
        if operators > 2 * OPERATORS_MAX {
            return Err(at(offset, format!("the text has more than {OPERATORS_MAX} operators")));
        }
    }
    let words =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| matches!(*word, "if" | "in" | "is" | "has" | "like"));
    if words.count() > OPERATORS_MAX {
        return Err(TextFault::new(format!("the text has more than {OPERATORS_MAX} operators"), SPLIT));
    }
    Ok(())
}

/// What to do about a text that is too much.
const SPLIT: &str = "Write it flatter, list values in a set, or split it into several `policy` blocks.";

fn policies(name: &str, text: &str) -> Result<Vec<Policy>, Vec<TextFault>> {
    const FORM: &str = "Write policies of Cedar: `forbid (principal, action, resource) when { … };`.";
    let set: PolicySet = text.parse().map_err(|errors: cedar_policy::ParseErrors| {
        errors.iter().map(|error| TextFault::of(error, FORM)).collect::<Vec<_>>()
    })?;
    if set.num_of_templates() > 0 {
        return Err(vec![TextFault::new(
            "it is a template: it has `?principal` or `?resource`",
            "Name principals and accounts themselves.",
        )]);
    }
    // Cedar counts them in the order of the text: `policy0`, `policy1`.
    let number =
        |policy: &Policy| policy.id().to_string().trim_start_matches("policy").parse::<usize>().unwrap_or(usize::MAX);
    let mut policies: Vec<Policy> = set.policies().cloned().collect();
    policies.sort_by_key(number);
    if policies.is_empty() || policies.len() > POLICIES_MAX {
        let message = format!("it has {} policies, allowed are 1 to {POLICIES_MAX}", policies.len());
        return Err(vec![TextFault::new(message, "Write what is forbidden, or delete the block.")]);
    }
    if policies.iter().any(|policy| policy.effect() == Effect::Permit) {
        return Err(vec![TextFault {
            offset: text.find("permit"),
            ..TextFault::new(
                "a `policy` block can only forbid",
                "Write `forbid`. Who may do something is said by `allow` and `approvers` of the action, where the rules \
                 for every definition are checked.",
            )
        }]);
    }
    Ok(policies.iter().enumerate().map(|(at, policy)| policy.new_id(PolicyId::new(format!("{name}#{at}")))).collect())
}

/// In what policies break the schema: by Cedar's strict rules, and by what it only warns of, such as a condition that
/// never holds.
fn validate(policies: &[Policy], validator: &Validator) -> Vec<TextFault> {
    let set = match PolicySet::from_policies(policies.iter().cloned()) {
        Ok(set) => set,
        Err(error) => return vec![TextFault::new(error.to_string(), "Write each policy once.")],
    };
    let found = validator.validate(&set, ValidationMode::Strict);
    let errors = found.validation_errors().map(|error| TextFault::of(error, "Write it as the schema has it."));
    let warnings = found.validation_warnings().map(|warning| TextFault::of(warning, "Write what can be so."));
    let mut faults: Vec<TextFault> = errors.chain(warnings).collect();
    // Cedar has them in no order.
    faults.sort_by(|one, other| (one.offset, &one.message).cmp(&(other.offset, &other.message)));
    faults
}

/// Names in policies that do not exist.
pub(crate) fn unknown_names(policies: &[Policy], text: &str, names: &dyn Names) -> Vec<TextFault> {
    let mut faults: Vec<TextFault> = Vec::new();
    for uid in policies.iter().flat_map(Policy::entity_literals) {
        let fault = unknown(&uid, text, names);
        faults.extend(fault.filter(|fault| !faults.contains(fault)));
    }
    faults
}

fn unknown(uid: &EntityUid, text: &str, names: &dyn Names) -> Option<TextFault> {
    let (kind_name, id) = (uid.type_name().to_string(), uid.id().unescaped());
    // A type that there is not is for the validator to name.
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == kind_name)?;
    if kind == Kind::Token {
        return Some(TextFault {
            offset: text.find("Token"),
            ..TextFault::new(
                "a token has no name that it could be compared with",
                "Compare its claims, `principal.getTag(\"…\")`, or ask `principal in Principal::\"…\"`.",
            )
        });
    }
    if names.knows(kind, id) {
        return None;
    }
    let known = names.all(kind).iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let what = kind.as_str().to_lowercase();
    let remedy = if known.is_empty() { format!("There is no {what} at all.") } else { format!("There are {known}.") };
    let offset = text.find(&format!("\"{id}\""));
    Some(TextFault {
        offset,
        ..TextFault::new(format!("there is no {what} `{}`", crate::explain::escaped(id)), remedy)
    })
}

/// A policy's own text on one line, cut.
pub(crate) fn shown(policy: &Policy) -> String {
    let text = policy.to_string();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut cut: String = line.chars().take(SHOWN_MAX_CHARS).collect();
    if line.chars().nth(SHOWN_MAX_CHARS).is_some() {
        cut.push('…');
    }
    cut
}

/// Whether a policy is about an action.
pub(crate) fn is_about_action(policy: &Policy, action: &EntityUid) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid == *action,
        ActionConstraint::In(uids) => uids.contains(action),
    }
}

/// Whether a policy is about an account.
pub(crate) fn is_about_account(policy: &Policy, account: &EntityUid) -> bool {
    match policy.resource_constraint() {
        ResourceConstraint::Any => true,
        ResourceConstraint::Is(kind) => kind == *account.type_name(),
        ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) => uid == *account,
        ResourceConstraint::IsIn(kind, uid) => kind == *account.type_name() && uid == *account,
    }
}
