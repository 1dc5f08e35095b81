//! Compares one new value with another: what was known must be the same, but for mocks.

use std::cell::Cell;
use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use crate::decide::Mock;

/// Longest text in which mocks are looked for, in bytes.
const TEXT_MAX_BYTES: usize = 16 * 1024;
/// Shortest mock that is looked for inside a longer text, in bytes. A shorter one is found by chance.
const MOCK_MIN_BYTES: usize = 3;
/// Most comparisons with mocks in one comparison of plans. Plans and mocks come from strangers; past this,
/// what is not plainly the same differs.
const COMPARISONS_MAX: usize = 5_000_000;
/// Longest key shown in a path, in characters.
const KEY_MAX_CHARS: usize = 64;

/// A planned value: what is known of it, where it is unknown, where it is sensitive.
#[derive(Clone, Copy)]
pub(super) struct Planned<'a> {
    pub value: Option<&'a Value>,
    pub unknown: Option<&'a Value>,
    pub sensitive: Option<&'a Value>,
}

impl<'a> Planned<'a> {
    fn is_unknown(self) -> bool {
        self.unknown == Some(&Value::Bool(true))
    }

    fn is_sensitive(self) -> bool {
        self.sensitive == Some(&Value::Bool(true))
    }

    pub(super) fn has_unknown(self) -> bool {
        fn any(shape: &Value) -> bool {
            match shape {
                Value::Bool(unknown) => *unknown,
                Value::Array(items) => items.iter().any(any),
                Value::Object(map) => map.values().any(any),
                _ => false,
            }
        }
        self.unknown.is_some_and(any)
    }

    fn key(self, key: &str) -> Planned<'a> {
        let get = |from: Option<&'a Value>| from.and_then(|value| value.get(key));
        Planned { value: get(self.value), unknown: get(self.unknown), sensitive: self.below(get(self.sensitive)) }
    }

    fn index(self, index: usize) -> Planned<'a> {
        let get = |from: Option<&'a Value>| from.and_then(|value| value.get(index));
        Planned { value: get(self.value), unknown: get(self.unknown), sensitive: self.below(get(self.sensitive)) }
    }

    /// What is below something sensitive is sensitive.
    fn below(self, own: Option<&'a Value>) -> Option<&'a Value> {
        if self.is_sensitive() { self.sensitive } else { own }
    }
}

/// Where two values differ, below their object: a path such as `.tags["Name"]`, and what differs there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ValueDifference {
    pub path: String,
    pub what: &'static str,
}

/// Compares `fresh` with what was `reviewed`.
pub(super) fn compare(reviewed: Planned<'_>, fresh: Planned<'_>, mocks: &Mocks) -> Result<(), ValueDifference> {
    walk(reviewed, fresh, mocks, &mut Vec::new())
}

enum At<'a> {
    Key(&'a str),
    Index(usize),
    /// Below something sensitive: keys may be sensitive as well, so the shown path ends here.
    Hidden,
}

fn walk<'a>(
    reviewed: Planned<'a>,
    fresh: Planned<'a>,
    mocks: &Mocks,
    path: &mut Vec<At<'a>>,
) -> Result<(), ValueDifference> {
    if reviewed.is_unknown() {
        return Ok(());
    }
    let differs = |path: &[At<'_>], what| Err(ValueDifference { path: render(path), what });
    if fresh.is_unknown() {
        return differs(path, "was known before, and is not now");
    }
    let (was, is) = match (reviewed.value, fresh.value) {
        (None, None) => return Ok(()),
        (None, Some(_)) => return differs(path, "is set now, and was not before"),
        (Some(_), None) => return differs(path, "was set before, and is not now"),
        (Some(was), Some(is)) => (was, is),
    };
    if !reviewed.has_unknown() && !fresh.has_unknown() && (was == is || mocks.explain(was, is)) {
        return Ok(());
    }
    let hidden = reviewed.is_sensitive() || fresh.is_sensitive();
    let mut below = |at: At<'a>, reviewed: Planned<'a>, fresh: Planned<'a>| {
        path.push(if hidden { At::Hidden } else { at });
        walk(reviewed, fresh, mocks, path)?;
        path.pop();
        Ok(())
    };
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            for key in keys(was, is, reviewed.unknown, fresh.unknown) {
                below(At::Key(key), reviewed.key(key), fresh.key(key))?;
            }
            Ok(())
        }
        (Value::Array(was), Value::Array(is)) if was.len() == is.len() => {
            for index in 0..was.len() {
                below(At::Index(index), reviewed.index(index), fresh.index(index))?;
            }
            Ok(())
        }
        (Value::Array(_), Value::Array(_)) => differs(path, "has another number of elements than before"),
        _ => differs(path, "is not what it was before"),
    }
}

/// Every key of either value, also one that is only unknown, so that none is passed over.
fn keys<'a>(
    was: &'a Map<String, Value>,
    is: &'a Map<String, Value>,
    was_unknown: Option<&'a Value>,
    is_unknown: Option<&'a Value>,
) -> BTreeSet<&'a str> {
    let shapes = [was_unknown, is_unknown].into_iter().flatten().filter_map(Value::as_object);
    [was, is].into_iter().chain(shapes).flat_map(Map::keys).map(String::as_str).collect()
}

fn render(path: &[At<'_>]) -> String {
    let mut text = String::new();
    for at in path {
        match at {
            At::Hidden => break,
            At::Index(index) => text.push_str(&format!("[{index}]")),
            At::Key(key) if is_identifier(key) => text.push_str(&format!(".{key}")),
            At::Key(key) => text.push_str(&format!("[{:?}]", key.chars().take(KEY_MAX_CHARS).collect::<String>())),
        }
    }
    text
}

fn is_identifier(key: &str) -> bool {
    key.len() <= KEY_MAX_CHARS
        && key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// The mocks that went into the reviewed plan, each with what it really is now.
pub(super) struct Mocks {
    /// Every part of a mock that differs from the real part in the same place.
    parts: Vec<(Value, Value)>,
    /// Those that may stand inside a longer text, as text.
    texts: Vec<(String, String)>,
    comparisons_left: Cell<usize>,
}

impl Mocks {
    pub(super) fn new(mocks: &[Mock]) -> Self {
        let mut parts = Vec::new();
        for mock in mocks {
            collect(&mock.mock, &mock.real, &mut parts);
        }
        let texts = parts
            .iter()
            .filter_map(|(mock, real)| Some((scalar_text(mock)?, scalar_text(real)?)))
            .filter(|(mock, _)| mock.len() >= MOCK_MIN_BYTES)
            .collect();
        Mocks { parts, texts, comparisons_left: Cell::new(COMPARISONS_MAX) }
    }

    /// Takes from the number of comparisons that are left; false when they are used up.
    fn spend(&self, comparisons: usize) -> bool {
        let left = self.comparisons_left.get().checked_sub(comparisons);
        self.comparisons_left.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Whether `is` is what becomes of `was` when mocks in it are replaced by what they really are.
    fn explain(&self, was: &Value, is: &Value) -> bool {
        if !self.spend(self.parts.len()) {
            return false;
        }
        if self.parts.iter().any(|(mock, real)| mock == was && real == is) {
            return true;
        }
        match (was, is) {
            (Value::String(was), Value::String(is)) => self.explain_text(was, is),
            (Value::Array(was), Value::Array(is)) => self.explain_set(was, is),
            _ => false,
        }
    }

    /// A set of texts is shown in order, so its elements change places when mocks are replaced.
    fn explain_set(&self, was: &[Value], is: &[Value]) -> bool {
        let (Some(was), Some(is)) = (texts(was), texts(is)) else { return false };
        if was.len() != is.len() || !was.is_sorted() || !is.is_sorted() {
            return false;
        }
        let mut left = is;
        was.iter().all(|was| {
            let place = left.iter().position(|is| was == is || self.explain_text(was, is));
            place.map(|place| left.remove(place)).is_some()
        })
    }

    /// Two mocks may have the same text and be different things really, so every way is tried, up to a limit.
    fn explain_text(&self, was: &str, is: &str) -> bool {
        if self.texts.is_empty() || was.len() > TEXT_MAX_BYTES || is.len() > TEXT_MAX_BYTES {
            return false;
        }
        if !self.spend(self.texts.len()) {
            return false;
        }
        let usable: Vec<(&[u8], &[u8])> = self
            .texts
            .iter()
            .filter(|(mock, _)| was.contains(mock.as_str()))
            .map(|(mock, real)| (mock.as_bytes(), real.as_bytes()))
            .collect();
        let (was, is) = (was.as_bytes(), is.as_bytes());
        let mut open = vec![(was, is)];
        let mut seen = HashSet::new();
        while let Some((was, is)) = open.pop() {
            if was.is_empty() && is.is_empty() {
                return true;
            }
            if !seen.insert((was.len(), is.len())) {
                continue;
            }
            if !self.spend(usable.len() + 1) {
                return false;
            }
            if let (Some((a, was)), Some((b, is))) = (was.split_first(), is.split_first())
                && a == b
            {
                open.push((was, is));
            }
            for (mock, real) in &usable {
                if let (Some(was), Some(is)) = (was.strip_prefix(*mock), is.strip_prefix(*real)) {
                    open.push((was, is));
                }
            }
        }
        false
    }

    /// Whether a mock is somewhere in this value.
    pub(super) fn occur_in(&self, value: &Value) -> bool {
        if !self.spend(self.parts.len()) {
            return false;
        }
        self.parts.iter().any(|(mock, _)| mock == value)
            || match value {
                Value::String(text) => self.texts.iter().any(|(mock, _)| text.contains(mock)),
                Value::Array(items) => items.iter().any(|item| self.occur_in(item)),
                Value::Object(map) => map.values().any(|item| self.occur_in(item)),
                _ => false,
            }
    }
}

/// Pairs every part of a mock with what stands in its place really.
fn collect(mock: &Value, real: &Value, parts: &mut Vec<(Value, Value)>) {
    if mock == real {
        return;
    }
    parts.push((mock.clone(), real.clone()));
    match (mock, real) {
        (Value::Object(mock), Value::Object(real)) => {
            for (key, mock) in mock {
                if let Some(real) = real.get(key) {
                    collect(mock, real, parts);
                }
            }
        }
        (Value::Array(mock), Value::Array(real)) => {
            for (mock, real) in mock.iter().zip(real) {
                collect(mock, real, parts);
            }
        }
        _ => {}
    }
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn texts(values: &[Value]) -> Option<Vec<&str>> {
    values.iter().map(Value::as_str).collect()
}
