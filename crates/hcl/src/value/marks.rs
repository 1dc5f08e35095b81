//! Marks, origins, and what in a value is not known.

use super::{Data, Unknown, Value};
use crate::Origin;

/// Marks and origin.
impl Value {
    /// Where the value was written, or made by a call or operation.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The same value from elsewhere. Elements keep their origin.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// The same value, marked sensitive if `sensitive`; a mark that is set stays.
    #[must_use]
    pub fn mark(mut self, sensitive: bool) -> Self {
        self.sensitive |= sensitive;
        self
    }

    /// The same value without the mark on itself; elements keep theirs.
    #[must_use]
    pub fn unmarked(mut self) -> Self {
        self.sensitive = false;
        self
    }

    /// Whether the value itself is sensitive. Its elements may be, even if it is not.
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// Whether the value or anything in it is sensitive.
    pub fn is_sensitive_deep(&self) -> bool {
        self.sensitive
            || match &self.data {
                Data::Tuple(node) | Data::List(_, node) | Data::Set(_, node) => node.has_sensitive(),
                Data::Object(node) | Data::Map(_, node) => node.has_sensitive(),
                _ => false,
            }
    }

    /// Whether the value and everything in it is known.
    pub fn is_known_deep(&self) -> bool {
        match &self.data {
            Data::Unknown(_) => false,
            Data::Tuple(node) | Data::List(_, node) | Data::Set(_, node) => !node.has_unknown(),
            Data::Object(node) | Data::Map(_, node) => !node.has_unknown(),
            _ => true,
        }
    }

    /// The first unknown in the value, depth first.
    pub fn first_unknown(&self) -> Option<&Unknown> {
        match &self.data {
            _ if self.is_known_deep() => None,
            Data::Unknown(unknown) => Some(unknown),
            Data::Tuple(node) | Data::List(_, node) | Data::Set(_, node) => {
                node.items.iter().find_map(Value::first_unknown)
            }
            Data::Object(node) | Data::Map(_, node) => node.items.values().find_map(Value::first_unknown),
            _ => None,
        }
    }

    /// All unknowns in the value, depth first.
    pub fn unknowns(&self) -> Vec<&Unknown> {
        let mut found = Vec::new();
        self.collect_unknowns(&mut found);
        found
    }

    fn collect_unknowns<'a>(&'a self, found: &mut Vec<&'a Unknown>) {
        match &self.data {
            Data::Unknown(unknown) => found.push(unknown),
            Data::Tuple(node) | Data::List(_, node) | Data::Set(_, node) if node.has_unknown() => {
                node.items.iter().for_each(|element| element.collect_unknowns(found));
            }
            Data::Object(node) | Data::Map(_, node) if node.has_unknown() => {
                node.items.values().for_each(|entry| entry.collect_unknowns(found));
            }
            _ => {}
        }
    }
}
