//! What a caller sent for a parameter: JSON, but with each key once, and not deep.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{ELEMENTS_MAX, PARAMETERS_MAX};
use crate::id::quoted;

/// One given value. Nothing is known of it yet.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Given {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number without a fraction that 64 bits hold.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Given>),
    /// An object. No key is in it twice.
    Map(BTreeMap<String, Given>),
}

impl Given {
    /// For messages: escaped and cut.
    pub fn shown(&self) -> String {
        match self {
            Given::Null => "null".to_owned(),
            Given::Boolean(flag) => flag.to_string(),
            Given::Integer(number) => number.to_string(),
            Given::Number(number) => number.to_string(),
            Given::Text(text) => quoted(text),
            Given::List(list) => format!("a list of {}", list.len()),
            Given::Map(map) => format!("a map of {}", map.len()),
        }
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader { depth: 0 })
    }
}

/// A list or a map of single values is as deep as it gets.
const DEPTH_MAX: usize = 2;

#[derive(Clone, Copy)]
struct Reader {
    depth: usize,
}

impl Reader {
    fn inside<E: Error>(self) -> Result<Reader, E> {
        if self.depth + 1 >= DEPTH_MAX {
            return Err(E::custom("a parameter is a single value, or a list or map of single values"));
        }
        Ok(Reader { depth: self.depth + 1 })
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Reader {
    type Value = Given;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Given, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a parameter")
    }
    fn visit_unit<E>(self) -> Result<Given, E> {
        Ok(Given::Null)
    }
    fn visit_none<E>(self) -> Result<Given, E> {
        Ok(Given::Null)
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Given, E> {
        Ok(Given::Boolean(flag))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Given, E> {
        Ok(Given::Integer(number))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Given, E> {
        #[expect(clippy::cast_precision_loss, reason = "it is shown in a refusal, and nothing else")]
        Ok(i64::try_from(number).map_or(Given::Number(number as f64), Given::Integer))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Given, E> {
        Ok(Given::Number(number))
    }
    fn visit_str<E>(self, text: &str) -> Result<Given, E> {
        Ok(Given::Text(text.to_owned()))
    }
    fn visit_string<E>(self, text: String) -> Result<Given, E> {
        Ok(Given::Text(text))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Given, A::Error> {
        let (inside, mut list) = (self.inside()?, Vec::new());
        while let Some(value) = access.next_element_seed(inside)? {
            if list.len() >= ELEMENTS_MAX {
                return Err(A::Error::custom(format!("a list of a parameter has more than {ELEMENTS_MAX} elements")));
            }
            list.push(value);
        }
        Ok(Given::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Given, A::Error> {
        entries(access, self.inside()?, ELEMENTS_MAX).map(Given::Map)
    }
}

fn entries<'de, A: MapAccess<'de>>(
    mut access: A,
    inside: Reader,
    most: usize,
) -> Result<BTreeMap<String, Given>, A::Error> {
    let mut map = BTreeMap::new();
    while let Some(key) = access.next_key::<String>()? {
        let value = access.next_value_seed(inside)?;
        if map.len() >= most {
            return Err(A::Error::custom(format!("more than {most} parameters, or keys of one")));
        }
        // Which of two a reader takes differs from reader to reader.
        if map.contains_key(&key) {
            return Err(A::Error::custom(format!("{} is given twice", quoted(&key))));
        }
        map.insert(key, value);
    }
    Ok(map)
}

/// Reads the parameters of a request, by name: each once, and not more than an action can have.
///
/// # Errors
/// Those of the deserializer, and what is said above.
pub fn by_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Given>, D::Error> {
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = BTreeMap<String, Given>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("parameters by name")
        }
        fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
            entries(access, Reader { depth: 0 }, PARAMETERS_MAX)
        }
    }
    deserializer.deserialize_map(Names)
}
