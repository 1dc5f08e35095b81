//! Comparing values, and the digest that stands for one. Marks and origins never matter here.

use portcullis_model::{Digest, DigestBuilder};

use super::{Data, Value};

/// Comparing.
impl Value {
    /// Equality of data. Marks and origins do not matter; unknowns are equal when their traces are; a list
    /// equals a tuple with equal elements.
    pub fn equals(&self, other: &Value) -> bool {
        if self.is_same(other) {
            return true;
        }
        if let (Some(a), Some(b)) = (self.as_seq(), other.as_seq()) {
            return a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b));
        }
        if let (Some(a), Some(b)) = (self.as_map(), other.as_map()) {
            return a.len() == b.len() && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && a.equals(b));
        }
        match (&self.data, &other.data) {
            (Data::Null(_), Data::Null(_)) => true,
            (Data::Bool(a), Data::Bool(b)) => a == b,
            (Data::Number(a), Data::Number(b)) => a == b,
            (Data::String(a), Data::String(b)) => a == b,
            (Data::Unknown(a), Data::Unknown(b)) => a.trace == b.trace,
            _ => false,
        }
    }

    /// A digest of the data. Marks, origins and the difference between list and tuple, map and object do
    /// not matter; an unknown stands with its trace. Equal configuration has equal digests. That of a collection
    /// is kept with it.
    pub fn digest(&self) -> Digest {
        let mut digest = DigestBuilder::new("portcullis value v2");
        self.digest_into(&mut digest);
        digest.finish()
    }

    /// Adds the data to a digest; see [`Value::digest`].
    pub fn digest_into(&self, digest: &mut DigestBuilder) {
        match &self.data {
            Data::Null(_) => digest.text("null"),
            Data::Bool(value) => digest.text(if *value { "true" } else { "false" }),
            Data::Number(number) => digest.text("number").text(&number.to_scientific_notation()),
            Data::String(text) => digest.text("string").text(text),
            Data::Tuple(node) | Data::List(_, node) | Data::Set(_, node) => {
                digest.text("seq").bytes(node.digest().as_bytes())
            }
            Data::Object(node) | Data::Map(_, node) => digest.text("map").bytes(node.digest().as_bytes()),
            Data::Unknown(unknown) => digest.text("unknown").bytes(unknown.trace.as_bytes()),
        };
    }
}
