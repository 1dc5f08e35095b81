//! What a request is about, where that is in it.
//!
//! Only what grants can be limited to. A name that cannot be found is no name: a grant that is limited to some then does
//! not cover the request.

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};

/// The resources that a request names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Resource {
    /// None that we can see.
    #[default]
    Unnamed,
    /// These: as the request writes them, be it a name or an ARN. Of S3, `bucket` or `bucket/key`.
    Named(Vec<String>),
}

impl Resource {
    pub(super) fn one(name: impl Into<String>) -> Self {
        Resource::Named(vec![name.into()])
    }

    /// All that a request names.
    pub(super) fn of(names: Vec<String>) -> Self {
        if names.is_empty() { Resource::Unnamed } else { Resource::Named(names) }
    }

    /// For people and the record; at most three names.
    pub fn shown(&self) -> Option<String> {
        let Resource::Named(names) = self else { return None };
        let few: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
        Some(if names.len() > few.len() { format!("{}, …", few.join(", ")) } else { few.join(", ") })
    }
}

/// What is taken from the top level of a JSON body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Json {
    pub(super) resource: Resource,
    /// Whether a member of this name is there and true.
    pub(super) decrypts: bool,
    /// `Key.LockID.S` or `Item.LockID.S`: the lock of a state.
    pub(super) lock: Option<String>,
}

impl Json {
    /// Of a body that was not read: the worst is assumed.
    pub(super) fn unread() -> Self {
        Json { resource: Resource::Unnamed, decrypts: true, lock: None }
    }
}

/// Reads a JSON body. The error says what is not clear.
///
/// `members` are those that name what the operation is about: others are not looked at by the service, whatever they are
/// called. `items`: whether it is about items of DynamoDB.
pub(super) fn of_json(members: &[&str], items: bool, body: &[u8]) -> Result<Json, &'static str> {
    if body.is_empty() {
        return Ok(Json::default());
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let found = reader.deserialize_map(Top { members, items }).map_err(|_| "its JSON can be read in two ways")?;
    reader.end().map_err(|_| "something follows its JSON")?;
    Ok(found)
}

/// Reads the top level, and refuses names that are there twice, however they are spelled.
struct Top<'a> {
    members: &'a [&'a str],
    items: bool,
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        use serde::de::Error as _;
        let mut seen: Vec<String> = Vec::new();
        let mut names: Vec<(usize, Vec<String>)> = Vec::new();
        let (mut decrypts, mut lock) = (false, None);
        while let Some(name) = map.next_key::<String>()? {
            let lower = name.to_ascii_lowercase();
            if seen.contains(&lower) || seen.len() == 256 {
                return Err(A::Error::custom("a name is there twice"));
            }
            seen.push(lower);
            if name.eq_ignore_ascii_case("WithDecryption") {
                // Anything but a plain `false` could be taken for true.
                decrypts = map.next_value::<serde_json::Value>()? != serde_json::Value::Bool(false);
                continue;
            }
            if self.items && (name == "Key" || name == "Item") {
                let item = map.next_value::<LockItem>()?.0;
                if lock.is_some() {
                    return Err(A::Error::custom("two items are named"));
                }
                lock = item;
                continue;
            }
            let found = self.members.iter().position(|member| member.trim_end_matches("[]") == name);
            match found {
                Some(at) if self.members.get(at).is_some_and(|member| member.ends_with("[]")) => {
                    names.push((at, map.next_value()?));
                }
                Some(at) => names.push((at, vec![map.next_value()?])),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        names.sort();
        let resource = Resource::of(names.into_iter().flat_map(|(_, names)| names).collect());
        Ok(Json { resource, decrypts, lock })
    }
}

/// An item of DynamoDB, of which only its `LockID` counts. Names that are there twice are refused.
struct LockItem(Option<String>);

impl<'de> serde::Deserialize<'de> for LockItem {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Item;
        impl<'de> Visitor<'de> for Item {
            type Value = LockItem;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an item")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LockItem, A::Error> {
                use serde::de::Error as _;
                // Derived, so that an `S` that is there twice is refused as well.
                #[derive(serde::Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Text {
                    #[serde(rename = "S")]
                    text: String,
                }
                let mut lock = None;
                while let Some(name) = map.next_key::<String>()? {
                    if name != "LockID" {
                        map.next_value::<IgnoredAny>()?;
                    } else if lock.is_none() {
                        lock = Some(map.next_value::<Text>()?.text);
                    } else {
                        return Err(A::Error::custom("a name is there twice"));
                    }
                }
                Ok(LockItem(lock))
            }
        }
        deserializer.deserialize_map(Item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_its_resource_once_or_not_at_all() {
        let of = |member: &str, body: &str| of_json(&[member], member == "TableName", body.as_bytes());
        let named = |name: &str| Resource::one(name);
        assert_eq!(of("SecretId", r#"{"SecretId":"a","X":[1,{"SecretId":"b"}]}"#).unwrap().resource, named("a"));
        assert_eq!(
            of("Names[]", r#"{"Names":["a","b"],"WithDecryption":true}"#),
            Ok(Json { resource: Resource::Named(vec!["a".into(), "b".into()]), decrypts: true, lock: None })
        );
        assert!(!of("Name", r#"{"Name":"a","WithDecryption":false}"#).unwrap().decrypts);
        assert!(of("Name", r#"{"Name":"a","withdecryption":"true"}"#).unwrap().decrypts);
        // What the operation does not have is nothing; of what it has, all counts.
        assert_eq!(of("Names[]", r#"{"Name":"c","Names":[],"Path":"/"}"#).unwrap().resource, Resource::Unnamed);
        let two = of_json(&["RoleName", "PolicyArn"], false, br#"{"PolicyArn":"p","RoleName":"r"}"#).unwrap();
        assert_eq!(two.resource, Resource::Named(vec!["r".into(), "p".into()]));
        assert_eq!(of("KeyId", "{}").unwrap().resource, Resource::Unnamed);
        assert_eq!(of("KeyId", "").unwrap().resource, Resource::Unnamed);
        let lock =
            |item: &str| of("TableName", &format!(r#"{{"TableName":"t","Item":{item}}}"#)).map(|found| found.lock);
        assert_eq!(lock(r#"{"LockID":{"S":"b/k"},"Info":{"S":"x"}}"#), Ok(Some("b/k".into())));
        assert_eq!(lock(r#"{"Other":{"S":"b/k"}}"#), Ok(None));
        assert!(lock(r#"{"LockID":{"S":"b/k","S":"c"}}"#).is_err());
        assert!(lock(r#"{"LockID":{"S":"b/k"}},"Key":{"LockID":{"S":"c"}}"#).is_err());
        assert!(lock(r#"{"LockID":{"S":"b/k"},"LockID":{"S":"c"}}"#).is_err());
        for body in [
            r#"{"SecretId":"a","SecretId":"b"}"#,
            r#"{"SecretId":"a","secretid":"b"}"#,
            r#"{"SecretId":"a","SecretI\u0064":"b"}"#,
            r#"{"SecretId":["a"]}"#,
            r#"{"SecretId":"a"} {"SecretId":"b"}"#,
            r#"["SecretId"]"#,
            r#"{"SecretId":"a""#,
            "SecretId=a",
        ] {
            assert!(of("SecretId", body).is_err(), "{body}");
        }
    }
}
