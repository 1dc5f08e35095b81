//! The order of elements in a set: that of cty, which one sees when a set is made a list.
//!
//! Strings, numbers and bools have their natural order. Anything else is ordered by the text that cty
//! hashes (`makeSetHashBytes`): no order that means something, but Terraform's. Unknown elements come after
//! known ones, null comes last.

use std::cmp::Ordering;

use crate::notation::general;
use crate::value::{Kind, MapKind, SeqKind};
use crate::{Origin, Value};

/// Sorts the elements and leaves out equal ones. The second result says whether one was sensitive: which
/// one cannot be told from a set, so the set as a whole is, and its elements need no mark.
pub(crate) fn arrange(elements: Vec<Value>) -> (Vec<Value>, bool) {
    let marked = elements.iter().any(Value::is_sensitive_deep);
    let mut elements: Vec<Value> = if marked { elements.into_iter().map(unmarked_deep).collect() } else { elements };
    if elements.iter().all(|element| element.as_seq().is_none() && element.as_map().is_none()) {
        elements.sort_by(compare);
    } else {
        elements.sort_by_cached_key(|element| (rank(element), hashed(element)));
    }
    elements.dedup_by(|a, b| a.equals(b));
    (elements, marked)
}

/// The order of two elements that are neither collections nor objects.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a.kind(), b.kind()) {
        (Kind::Bool(a), Kind::Bool(b)) => a.cmp(&b),
        (Kind::Number(a), Kind::Number(b)) => a.cmp(b),
        (Kind::String(a), Kind::String(b)) => a.cmp(b),
        (Kind::Unknown(a), Kind::Unknown(b)) => a.trace().cmp(b.trace()),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Value) -> u8 {
    match value.kind() {
        Kind::Null => 2,
        Kind::Unknown(_) => 1,
        _ => 0,
    }
}

fn hashed(value: &Value) -> String {
    let mut text = String::new();
    hash_into(value, &mut text);
    text
}

fn hash_into(value: &Value, out: &mut String) {
    match value.kind() {
        Kind::Null => out.push('~'),
        // The trace keeps unknowns apart that cty cannot tell from each other.
        Kind::Unknown(unknown) => out.push_str(&format!("?{}", unknown.trace())),
        Kind::Bool(value) => out.push(if value { 'T' } else { 'F' }),
        Kind::Number(number) => out.push_str(&general(number, Some(10), 'e')),
        Kind::String(text) => out.push_str(&format!("{text:?}")),
        Kind::Seq(kind, elements) => {
            let (open, close) = if kind == SeqKind::Tuple { ('<', '>') } else { ('[', ']') };
            out.push(open);
            for element in elements {
                hash_into(element, out);
                out.push(';');
            }
            out.push(close);
        }
        Kind::Map(kind, entries) => {
            let (open, close) = if kind == MapKind::Object { ('<', '>') } else { ('{', '}') };
            out.push(open);
            for (key, entry) in entries {
                if kind == MapKind::Map {
                    out.push_str(&format!("{key:?}:"));
                }
                hash_into(entry, out);
                out.push(';');
            }
            out.push(close);
        }
    }
}

fn unmarked_deep(value: Value) -> Value {
    let at: Origin = value.origin().clone();
    match value.kind() {
        Kind::Seq(kind, elements) => Value::seq(kind, elements.iter().cloned().map(unmarked_deep).collect(), at),
        Kind::Map(kind, entries) => {
            let entries = entries.iter().map(|(key, entry)| (key.clone(), unmarked_deep(entry.clone()))).collect();
            if kind == MapKind::Map { Value::map(entries, at) } else { Value::object(entries, at) }
        }
        _ => value.unmarked(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Value {
        Value::string(text, Origin::built_in())
    }

    #[test]
    fn a_sensitive_element_makes_the_set_sensitive() {
        let set = Value::set(vec![string("a"), string("b"), string("a").mark(true)], Origin::built_in());
        assert!(set.is_sensitive());
        assert_eq!(set.as_seq().unwrap().len(), 2);
        assert!(set.as_seq().unwrap().iter().all(|element| !element.is_sensitive()));
    }

    #[test]
    fn unknowns_come_after_what_is_known_and_null_last() {
        let unknown = Value::unknown("x", Origin::built_in());
        let set = Value::set(
            vec![Value::null(Origin::built_in()), unknown.clone(), string("b"), string("a"), unknown],
            Origin::built_in(),
        );
        assert_eq!(format!("{set:?}"), r#"["a", "b", (unknown: x), null]"#);
    }
}
