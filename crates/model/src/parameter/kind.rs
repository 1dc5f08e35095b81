//! The types of parameters, and what each takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Characters, Given, TEXT_MAX_BYTES, text};
use crate::id::quoted;
use crate::{BranchName, CommitId, Fault, SourcePattern, TagName, UnitPath};

/// Longest tag of a container image, in characters.
const IMAGE_TAG_MAX: usize = 128;
/// Most values that a message lists.
const LISTED_MAX: usize = 10;

/// A type, with its bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Type {
    /// A text of certain characters and length.
    String {
        /// Its characters.
        characters: Characters,
        /// Fewest characters.
        min_length: u32,
        /// Most characters.
        max_length: u32,
    },
    /// One of these texts, exactly.
    Enum {
        /// The texts. None starts with `-`.
        values: Vec<String>,
    },
    /// A whole number.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// `true` or `false`.
    Boolean,
    /// A branch of the run's repository, without `refs/heads/`.
    Branch,
    /// A tag of the run's repository, without `refs/tags/`.
    Tag,
    /// A full commit id.
    Commit,
    /// A file or folder of the run's repository.
    Path {
        /// The folders that it is in: one of them, or below. `.` is the whole repository.
        within: Vec<UnitPath>,
    },
    /// A unit of the account.
    Unit,
    /// An `https` URL.
    Url {
        /// The hosts, each with its port if it is not 443.
        hosts: Vec<String>,
    },
    /// A tag of a container image.
    ImageTag,
    /// A repository, as `host/path`.
    Repository {
        /// Which.
        allow: Vec<SourcePattern>,
    },
    /// Several values of one type.
    List {
        /// The type: none that holds several values itself.
        of: Box<Type>,
        /// Most elements.
        max_items: u32,
    },
    /// Values of one type, by key.
    Map {
        /// The keys that there may be.
        keys: BTreeSet<String>,
        /// The type: none that holds several values itself.
        of: Box<Type>,
    },
}

/// A checked value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Of a boolean.
    Boolean(bool),
    /// Of an integer.
    Integer(i64),
    /// Of every other single type.
    Text(String),
    /// Of a list.
    List(Vec<Value>),
    /// Of a map.
    Map(BTreeMap<String, Value>),
}

/// Why a value was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which part of the value: empty, `[2]` or `.owner`.
    pub part: String,
    /// The part, for messages: escaped and cut.
    pub shown: String,
    /// The rule that it breaks: "it is longer than 20 characters".
    pub rule: String,
}

impl Type {
    /// Its name in a definition.
    pub fn name(&self) -> &'static str {
        match self {
            Type::String { .. } => "string",
            Type::Enum { .. } => "enum",
            Type::Integer { .. } => "integer",
            Type::Boolean => "boolean",
            Type::Branch => "branch",
            Type::Tag => "tag",
            Type::Commit => "commit",
            Type::Path { .. } => "path",
            Type::Unit => "unit",
            Type::Url { .. } => "url",
            Type::ImageTag => "image-tag",
            Type::Repository { .. } => "repository",
            Type::List { .. } => "list",
            Type::Map { .. } => "map",
        }
    }

    /// Whether it holds several values.
    pub fn is_collection(&self) -> bool {
        matches!(self, Type::List { .. } | Type::Map { .. })
    }

    /// Checks what was given. What needs the repository or the account (that a branch or unit exists, that a unit is
    /// the account's own) is not known here.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check(&self, given: &Given) -> Result<Value, Refused> {
        match (self, given) {
            (Type::List { of, max_items }, Given::List(list)) => {
                if list.len() > usize::try_from(*max_items).unwrap_or(usize::MAX) {
                    return Err(refused(given, format!("it has more than {max_items} elements")));
                }
                let element = |(at, given)| of.check(given).map_err(|refused| refused.inside(&format!("[{at}]")));
                list.iter().enumerate().map(element).collect::<Result<_, _>>().map(Value::List)
            }
            (Type::Map { keys, of }, Given::Map(map)) => {
                if let Some(other) = map.keys().find(|key| !keys.contains(*key)) {
                    return Err(refused(given, format!("it has the key {}, which is none of its keys", quoted(other))));
                }
                let entry = |(key, given): (&String, &Given)| {
                    let value = of.check(given).map_err(|refused| refused.inside(&format!(".{key}")))?;
                    Ok((key.clone(), value))
                };
                map.iter().map(entry).collect::<Result<_, _>>().map(Value::Map)
            }
            _ if self.is_collection() => Err(refused(given, format!("it is no {}", self.name()))),
            (Type::Boolean, Given::Boolean(flag)) => Ok(Value::Boolean(*flag)),
            (Type::Integer { .. }, Given::Integer(number)) => self.integer(*number, given),
            (_, Given::Text(text)) => {
                if text.len() > TEXT_MAX_BYTES {
                    return Err(refused(given, format!("it is longer than {TEXT_MAX_BYTES} bytes")));
                }
                if let Some(flaw) = text::flaw(text) {
                    return Err(refused(given, flaw));
                }
                self.text(text, given)
            }
            (Type::Integer { .. }, _) => Err(refused(given, "it is no whole number".to_owned())),
            (Type::Boolean, _) => Err(refused(given, "it is neither `true` nor `false`".to_owned())),
            _ => Err(refused(given, "it is no text".to_owned())),
        }
    }

    fn integer(&self, number: i64, given: &Given) -> Result<Value, Refused> {
        match self {
            Type::Integer { min, .. } if number < *min => Err(refused(given, format!("it is less than {min}"))),
            Type::Integer { max, .. } if number > *max => Err(refused(given, format!("it is greater than {max}"))),
            _ => Ok(Value::Integer(number)),
        }
    }

    fn text(&self, text: &str, given: &Given) -> Result<Value, Refused> {
        let rule: Result<(), String> = match self {
            Type::String { characters, min_length, max_length } => string(text, characters, *min_length, *max_length),
            Type::Enum { values } => {
                if values.iter().any(|value| value == text) {
                    Ok(())
                } else {
                    Err("it is none of the values".to_owned())
                }
            }
            Type::Integer { .. } => {
                // One number, one spelling.
                let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
                let Some(number) = number else {
                    return Err(refused(given, "it is no whole number, in the one way to write it".to_owned()));
                };
                return self.integer(number, given);
            }
            Type::Boolean => match text {
                "true" => return Ok(Value::Boolean(true)),
                "false" => return Ok(Value::Boolean(false)),
                _ => Err("it is neither `true` nor `false`".to_owned()),
            },
            Type::Branch => BranchName::parse(text).map(|_| ()).map_err(|fault| why(&fault)),
            Type::Tag => TagName::parse(text).map(|_| ()).map_err(|fault| why(&fault)),
            Type::Commit => commit(text),
            Type::Path { within } => path(text, within),
            Type::Unit => UnitPath::parse(text).map_err(|fault| why(&fault)).and_then(|_| no_encoded_dots(text)),
            Type::Url { hosts } => url(text, hosts),
            Type::ImageTag => image_tag(text),
            Type::Repository { allow } => repository(text, allow),
            Type::List { .. } | Type::Map { .. } => Err(format!("it is no {}", self.name())),
        };
        rule.map(|()| Value::Text(text.to_owned())).map_err(|rule| refused(given, rule))
    }

    /// A value that it takes, for people.
    pub fn example(&self) -> Value {
        let text = |text: &str| Value::Text(text.to_owned());
        match self {
            Type::String { characters, min_length, max_length } => {
                let length = (*min_length).max(3).min(*max_length);
                Value::Text((0..length).map(|_| characters.sample()).collect())
            }
            Type::Enum { values } => text(values.first().map_or("", String::as_str)),
            Type::Integer { min, max } => Value::Integer(1.clamp(*min, *max)),
            Type::Boolean => Value::Boolean(true),
            Type::Branch => text("main"),
            Type::Tag => text("v1.2.3"),
            Type::Commit => text("4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
            Type::Path { within } => match within.first().map(UnitPath::as_str) {
                None | Some(".") => text("folder/file"),
                Some(folder) => Value::Text(format!("{folder}/file")),
            },
            Type::Unit => text("dev/us-east-1/vpc"),
            Type::Url { hosts } => Value::Text(format!("https://{}/", hosts.first().map_or("", String::as_str))),
            Type::ImageTag => text("v1.2.3"),
            Type::Repository { allow } => {
                let pattern = allow.first().map_or("", SourcePattern::as_str);
                Value::Text(pattern.replace("**", "name").replace('*', "name"))
            }
            Type::List { of, .. } => Value::List(vec![of.example()]),
            Type::Map { keys, of } => Value::Map(keys.iter().take(1).map(|key| (key.clone(), of.example())).collect()),
        }
    }
}

/// What it takes, as the end of "give …".
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::String { characters, min_length, max_length } => {
                write!(f, "{min_length} to {max_length} of the characters {characters}")
            }
            Type::Enum { values } => write!(f, "one of {}", listed(values.iter())),
            Type::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Type::Boolean => f.write_str("`true` or `false`"),
            Type::Branch => f.write_str("the name of a branch of the repository, without `refs/heads/`"),
            Type::Tag => f.write_str("the name of a tag of the repository, without `refs/tags/`"),
            Type::Commit => f.write_str("all 40 or 64 lowercase hexadecimal digits of a commit"),
            Type::Path { within } if within.iter().any(|folder| folder.as_str() == ".") => {
                f.write_str("a path of the repository from its root")
            }
            Type::Path { within } => write!(f, "a path of the repository from its root, in {}", listed(within.iter())),
            Type::Unit => f.write_str("the path of a unit of this account, from the repository's root"),
            Type::Url { hosts } => write!(f, "a URL `https://HOST/…` with the host {}", listed(hosts.iter())),
            Type::ImageTag => write!(
                f,
                "1 to {IMAGE_TAG_MAX} of the characters A-Z a-z 0-9 _ . - of which the first is a letter, a digit or `_`"
            ),
            Type::Repository { allow } => write!(f, "a repository as `host/path`, which fits {}", listed(allow.iter())),
            Type::List { of, max_items } => write!(f, "a list of at most {max_items}, each {of}"),
            Type::Map { keys, of } => write!(f, "a map with keys out of {}, each {of}", listed(keys.iter())),
        }
    }
}

impl Value {
    /// A single value as it stands in an argument; a list or map has none.
    pub fn single(&self) -> Option<String> {
        match self {
            Value::Boolean(flag) => Some(flag.to_string()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Text(text) => Some(text.clone()),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The texts that it stands for: one, those of a list, `key=value` of a map.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Value::List(list) => list.iter().filter_map(Value::single).collect(),
            Value::Map(map) => {
                map.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.single()?))).collect()
            }
            single => single.single().into_iter().collect(),
        }
    }
}

impl Refused {
    fn inside(mut self, part: &str) -> Self {
        self.part.insert_str(0, part);
        self
    }
}

fn refused(given: &Given, rule: String) -> Refused {
    Refused { part: String::new(), shown: given.shown(), rule }
}

/// What a fault says is wrong, without the value, which is shown already.
fn why(fault: &Fault) -> String {
    fault.message().rsplit_once(": ").map_or(fault.message(), |(_, why)| why).to_owned()
}

/// Values in a message.
fn listed<T: fmt::Display>(values: impl ExactSizeIterator<Item = T>) -> String {
    let more = values.len().saturating_sub(LISTED_MAX);
    let mut shown: Vec<String> = values.take(LISTED_MAX).map(|value| format!("`{value}`")).collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    shown.join(", ")
}

fn string(text: &str, characters: &Characters, min_length: u32, max_length: u32) -> Result<(), String> {
    if let Some(other) = text.chars().find(|c| !characters.holds(*c)) {
        return Err(format!("the character {} is not allowed in it", quoted(&other.to_string())));
    }
    let length = text.chars().count();
    if length == 0 && min_length > 0 {
        return Err("it is empty".to_owned());
    }
    if length < usize::try_from(min_length).unwrap_or(usize::MAX) {
        return Err(format!("it is shorter than {min_length} characters"));
    }
    if length > usize::try_from(max_length).unwrap_or(usize::MAX) {
        return Err(format!("it is longer than {max_length} characters"));
    }
    Ok(())
}

fn commit(text: &str) -> Result<(), String> {
    let id = CommitId::parse(text).map_err(|_| "it is no full commit id".to_owned())?;
    // Git's own way to say "none".
    if id.as_str().bytes().all(|b| b == b'0') { Err("it is the id of no commit".to_owned()) } else { Ok(()) }
}

fn path(text: &str, within: &[UnitPath]) -> Result<(), String> {
    let path = UnitPath::parse(text).map_err(|fault| why(&fault))?;
    no_encoded_dots(text)?;
    if within.iter().any(|folder| path.is_within(folder.as_str())) {
        return Ok(());
    }
    Err(format!("it is not in {}", listed(within.iter())))
}

/// Programs that take a path out of a URL decode it once more.
fn no_encoded_dots(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('%') {
        let encoded = text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(b'.' | b'/' | b'\\' | b'%' | 0..=0x1f | 0x7f) = encoded {
            return Err(format!("it holds `{}`, an encoded dot, slash or control character", &text[at..at + 3]));
        }
    }
    Ok(())
}

fn image_tag(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(other) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "_.-".contains(*c))) {
        return Err(format!("the character {} is not allowed in it", quoted(&other.to_string())));
    }
    if text.starts_with(['.', '-']) {
        return Err("it starts with `.` or `-`".to_owned());
    }
    if text.len() > IMAGE_TAG_MAX { Err(format!("it is longer than {IMAGE_TAG_MAX} characters")) } else { Ok(()) }
}

/// `https://host[:port]/path[?query]`, in the one spelling that every reader takes for the same.
fn url(text: &str, hosts: &[String]) -> Result<(), String> {
    let rest = text.strip_prefix("https://").ok_or("it does not start with `https://`")?;
    if let Some(other) = rest.chars().find(|c| !(c.is_ascii_alphanumeric() || "-._~:/?[]!$&'()*+,;=%".contains(*c))) {
        return Err(match other {
            '@' => "it holds `@`, which hides the host".to_owned(),
            '#' => "it holds `#`: no server sees what follows".to_owned(),
            _ => format!("the character {} is not allowed in it", quoted(&other.to_string())),
        });
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    if !hosts.iter().any(|known| known == host) {
        return Err(format!("its host {} is none of the listed ones", quoted(host)));
    }
    if !path.starts_with('/') {
        return Err("there is no `/` after its host".to_owned());
    }
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    if path.split('/').any(|part| part == "." || part == "..") {
        return Err("its path holds `.` or `..`".to_owned());
    }
    for (at, _) in rest.match_indices('%') {
        let digits = rest.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        if digits.is_none() {
            return Err("`%` in it is not followed by two hexadecimal digits".to_owned());
        }
    }
    no_encoded_dots(rest)
}

fn repository(text: &str, allow: &[SourcePattern]) -> Result<(), String> {
    if text.contains("://") || text.contains('@') {
        return Err("it is a URL, and not `host/path`".to_owned());
    }
    if let Some(other) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "-._/:".contains(*c))) {
        return Err(format!("the character {} is not allowed in it", quoted(&other.to_string())));
    }
    let odd = |part: &str| matches!(part, "" | "." | "..") || part.starts_with('-') || part.ends_with(".git");
    if text.split('/').any(odd) {
        return Err("a part of it is empty, `.` or `..`, starts with `-` or ends with `.git`".to_owned());
    }
    if allow.iter().any(|pattern| pattern.allows(text)) {
        return Ok(());
    }
    Err(format!("it fits none of {}", listed(allow.iter())))
}
