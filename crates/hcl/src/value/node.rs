//! What a collection shares with all its clones: its elements, and what has been found out about them.
//!
//! Small facts are counted when the collection is made, so that nobody has to walk through it to know them: a
//! few lines can make a value that holds another twice, that again another twice, and so on, and no walk through
//! it would end. Digest and type are kept once they are asked for.

use std::sync::OnceLock;

use portcullis_model::{Digest, DigestBuilder};

use super::{Entries, Value};
use crate::types::Type;

/// Elements or entries with what is known of them.
pub(super) struct Node<T> {
    pub(super) items: T,
    weight: u64,
    bytes: u64,
    unknown: bool,
    sensitive: bool,
    digest: OnceLock<Box<Digest>>,
    of: OnceLock<Box<Type>>,
}

/// The values in a collection, however it holds them.
pub(super) trait Items {
    fn values(&self) -> impl Iterator<Item = &Value>;
    fn digest_into(&self, digest: &mut DigestBuilder);
}

impl Items for Vec<Value> {
    fn values(&self) -> impl Iterator<Item = &Value> {
        self.iter()
    }

    fn digest_into(&self, digest: &mut DigestBuilder) {
        digest.text("seq").number(self.len() as u64);
        for element in self {
            element.digest_into(digest);
        }
    }
}

impl Items for Entries {
    fn values(&self) -> impl Iterator<Item = &Value> {
        self.values()
    }

    fn digest_into(&self, digest: &mut DigestBuilder) {
        digest.text("map").number(self.len() as u64);
        for (key, value) in self {
            digest.text(key);
            value.digest_into(digest);
        }
    }
}

impl<T: Items> Node<T> {
    pub(super) fn new(items: T) -> Self {
        let (mut weight, mut bytes, mut unknown, mut sensitive) = (1u64, 0u64, false, false);
        for value in items.values() {
            weight = weight.saturating_add(value.weight());
            bytes = bytes.saturating_add(value.bytes());
            unknown |= !value.is_known_deep();
            sensitive |= value.is_sensitive_deep();
        }
        Node { items, weight, bytes, unknown, sensitive, digest: OnceLock::new(), of: OnceLock::new() }
    }

    /// Values in it, itself included; one that is there twice counts twice.
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    /// Bytes of the strings in it; one that is there twice counts twice.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn has_unknown(&self) -> bool {
        self.unknown
    }

    pub(super) fn has_sensitive(&self) -> bool {
        self.sensitive
    }

    pub(super) fn digest(&self) -> &Digest {
        self.digest.get_or_init(|| {
            let mut digest = DigestBuilder::new("portcullis collection v1");
            self.items.digest_into(&mut digest);
            Box::new(digest.finish())
        })
    }

    pub(super) fn of(&self, make: impl FnOnce(&T) -> Type) -> &Type {
        self.of.get_or_init(|| Box::new(make(&self.items)))
    }
}
