//! Objects that name a key twice. In HCL the last one counts; the library refuses them.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::diagnosis::Diagnosis;
use super::grammar::Parsed;
use super::rewrites::Renamed;
use super::token::{Kind, Token};
use crate::eval::unescape;

/// A key that is there before: what the library is shown in its place, and what it stands for.
pub(super) struct Again {
    pub(super) at: Range<usize>,
    pub(super) shown: String,
    pub(super) renamed: Renamed,
}

/// The keys of one object.
pub(super) struct Keys<'t> {
    /// Where each was first.
    seen: HashMap<Key<'t>, usize>,
    again: Vec<(Range<usize>, Renamed)>,
    count: usize,
}

/// What the library takes for the same key.
#[derive(PartialEq, Eq, Hash, Clone)]
enum Key<'t> {
    Name(&'t str),
    Quoted(String),
    /// The tokens of any other expression.
    Other(Vec<&'t str>),
}

impl<'t> Keys<'t> {
    pub(super) fn new() -> Self {
        Keys { seen: HashMap::new(), again: Vec::new(), count: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn add(&mut self, text: &'t str, tokens: &[Token]) {
        self.count += 1;
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return };
        let source = |token: &Token| text.get(token.range()).unwrap_or("");
        let kinds: Vec<Kind> = tokens.iter().map(|token| token.kind).collect();
        let key = match kinds.as_slice() {
            [Kind::Ident] => Key::Name(source(first)),
            [Kind::OpenQuote, middle @ .., Kind::CloseQuote] if middle.iter().all(|kind| *kind == Kind::Quoted) => {
                let inner = text.get(first.range().end..last.start()).unwrap_or("");
                Key::Quoted(unescape(inner, true))
            }
            _ => Key::Other(tokens.iter().map(source).collect()),
        };
        let at = first.start()..last.range().end;
        if let Some(first) = self.seen.get(&key) {
            let renamed = match key {
                Key::Name(name) => Renamed::Name(name.into()),
                Key::Quoted(name) => Renamed::Name(name.into()),
                Key::Other(_) => Renamed::Like(*first),
            };
            self.again.push((at, renamed));
        } else {
            self.seen.insert(key, at.start);
        }
    }

    /// Finds another name, of the same length, for each key that is there before.
    pub(super) fn finish(self, found: &mut Vec<Again>) -> Parsed {
        if self.again.is_empty() {
            return Ok(());
        }
        let names = self.seen.keys().filter_map(|key| if let Key::Name(name) = key { Some(*name) } else { None });
        let mut taken: HashSet<String> = names.map(str::to_owned).collect();
        taken.extend(["for", "null", "true", "false"].map(str::to_owned));
        let mut next = 0;
        for (at, renamed) in self.again {
            let Some(shown) = fresh(at.len(), &mut next, &taken) else {
                return Err(Diagnosis::too_large(at, "the object names its keys again too often")
                    .remedy("Remove the keys that are overwritten."));
            };
            taken.insert(shown.clone());
            found.push(Again { at, shown, renamed });
        }
        Ok(())
    }
}

/// A name of that many bytes that is not taken. `next`: where to go on.
fn fresh(length: usize, next: &mut u32, taken: &HashSet<String>) -> Option<String> {
    const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
    let made = |number: u32| -> String {
        let mut rest = number;
        (0..length)
            .map(|_| {
                let letter = LETTERS.get((rest % 26) as usize).copied().unwrap_or(b'a');
                rest /= 26;
                char::from(letter)
            })
            .collect()
    };
    let most = 26u32.saturating_pow(u32::try_from(length).unwrap_or(u32::MAX)).min(1 << 20);
    while *next < most {
        let name = made(*next);
        *next += 1;
        if !taken.contains(&name) {
            return Some(name);
        }
    }
    // Shorter names have been tried: begin again with the longer ones.
    *next = 0;
    (0..most).map(made).find(|name| !taken.contains(name))
}
