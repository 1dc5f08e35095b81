//! What the library refuses, and HCL does not: it is shown something else of the same length.
//!
//! So all places stay as they are in the file, and the text of a file is never changed: [`crate::File`] keeps it, and
//! the evaluator asks by place what really stands there.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use hcl_edit::parser::Error;

use super::keys::Again;

/// What is to be shown, and what it stands for.
#[derive(Default)]
pub(crate) struct Rewrites {
    edits: Vec<(Range<usize>, String)>,
    /// Keys of objects, by where they start.
    pub(crate) renamed: BTreeMap<usize, Renamed>,
}

/// What a key that has another name in the tree stands for.
#[derive(Debug, Clone)]
pub(crate) enum Renamed {
    /// This name.
    Name(Arc<str>),
    /// The same expression as the key that starts at this place, in the same object.
    Like(usize),
}

/// Numbers that are beyond 64-bit floats, keys that are there before, and carriage returns in comments.
pub(super) fn plan(text: &str, again: Vec<Again>, numbers: &[Range<usize>], returned: &[usize]) -> Rewrites {
    let mut edits: Vec<(Range<usize>, String)> =
        numbers.iter().map(|number| (number.clone(), digits(text.get(number.clone()).unwrap_or("")))).collect();
    edits.extend(returned.iter().map(|at| (*at..at + 1, " ".to_owned())));
    let mut renamed = BTreeMap::new();
    for again in again {
        edits.push((again.at.clone(), again.shown));
        renamed.insert(again.at.start, again.renamed);
    }
    // A key is shown as a whole, whatever is in it.
    edits.sort_by_key(|(at, _)| (at.start, std::cmp::Reverse(at.end)));
    let mut end = 0;
    edits.retain(|(at, _)| {
        let outside = at.start >= end;
        end = end.max(at.end);
        outside
    });
    Rewrites { edits, renamed }
}

/// A number of that length which the library can hold.
fn digits(source: &str) -> String {
    let zeros = source.len().saturating_sub(2);
    match source.len() {
        0 => String::new(),
        1 => "0".to_owned(),
        _ => format!("0.{}", "0".repeat(zeros)),
    }
}

/// Parses the text as it is shown.
pub(crate) fn parse<T: std::str::FromStr<Err = Error>>(text: &str, rewrites: &Rewrites) -> Result<T, Error> {
    if rewrites.edits.is_empty() {
        return text.parse();
    }
    let mut shown = String::with_capacity(text.len());
    let mut end = 0;
    for (at, with) in &rewrites.edits {
        shown.push_str(text.get(end..at.start).unwrap_or(""));
        shown.push_str(with);
        end = at.end;
    }
    shown.push_str(text.get(end..).unwrap_or(""));
    shown.parse()
}
