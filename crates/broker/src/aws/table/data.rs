//! The table: unpacked at first use, a service read when it is first asked for.
//!
//! Its lines are described in `xtask/src/aws_table/model.rs`. The file is part of the program: what does not read as it
//! should is left out, so that it is not recognised, and a test counts what is there.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use super::rest::Pattern;

static PACKED: &[u8] = include_bytes!("../../../data/aws-table.zst");
static TABLE: LazyLock<Table> = LazyLock::new(Table::unpack);

/// An operation's access level, as AWS's service authorization reference has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Reads what is in a resource.
    Read,
    /// Lists resources.
    List,
    /// Makes, changes or removes resources.
    Write,
    /// Changes who may do what.
    Permissions,
    /// Changes tags alone.
    Tagging,
    /// The reference does not have it.
    Unlisted,
}

/// How a request says what it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `Action=…` in a form.
    Query,
    /// The same, with other answers.
    Ec2,
    /// `X-Amz-Target`, JSON.
    Json,
    /// Method and path, JSON.
    RestJson,
    /// Method and path, XML.
    RestXml,
    /// `/service/…/operation/…`, CBOR.
    Cbor,
}

/// A service, in one version of its interface.
#[derive(Debug)]
pub(super) struct Service {
    /// botocore's name for it: `s3`, `s3control`.
    pub(super) id: &'static str,
    /// IAM's: `cloudwatch`.
    pub(super) prefix: &'static str,
    pub(super) protocols: Vec<(Protocol, &'static str)>,
    pub(super) version: &'static str,
    pub(super) target: &'static str,
    pub(super) regional: Vec<&'static str>,
    pub(super) global: Vec<&'static str>,
    text: &'static str,
    operations: OnceLock<Operations>,
}

#[derive(Debug, Default)]
struct Operations {
    all: Vec<Operation>,
    by_name: HashMap<&'static str, usize>,
}

/// An operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) level: Level,
    /// Of IAM, without its prefix.
    pub(super) action: &'static str,
    /// For REST.
    pub(super) method: &'static str,
    pub(super) pattern: Option<Pattern>,
    /// For the others: the members that name what it is about. `[]`: a list.
    pub(super) members: Vec<&'static str>,
}

impl Service {
    pub(super) fn speaks(&self, protocol: Protocol) -> bool {
        self.protocols.iter().any(|(known, _)| *known == protocol)
    }

    pub(super) fn operations(&self) -> &[Operation] {
        &self.read().all
    }

    pub(super) fn operation(&self, name: &str) -> Option<&Operation> {
        let operations = self.read();
        operations.all.get(*operations.by_name.get(name)?)
    }

    fn read(&self) -> &Operations {
        self.operations.get_or_init(|| {
            let all: Vec<Operation> = self.text.lines().filter_map(read_operation).collect();
            let by_name = all.iter().enumerate().map(|(at, operation)| (operation.name, at)).collect();
            Operations { all, by_name }
        })
    }
}

struct Table {
    services: HashMap<&'static str, Vec<Service>>,
    /// Of hosts, longest first, with the region in which services without regions are signed.
    suffixes: Vec<(&'static str, &'static str)>,
    sources: Vec<&'static str>,
}

impl Table {
    fn unpack() -> Self {
        let bytes = zstd::decode_all(PACKED).unwrap_or_default();
        // Lives as long as the program, and everything in the table is a part of it.
        let text: &'static str = Box::leak(String::from_utf8(bytes).unwrap_or_default().into_boxed_str());
        let mut table = Table { services: HashMap::new(), suffixes: Vec::new(), sources: Vec::new() };
        let mut sections = text.split("\n@");
        for line in sections.next().unwrap_or_default().lines() {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["#suffix", suffix, region] => table.suffixes.push((suffix, region)),
                ["#source", ..] => table.sources.push(line.strip_prefix("#source ").unwrap_or_default()),
                _ => {}
            }
        }
        table.suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        for section in sections {
            let (head, text) = section.split_once('\n').unwrap_or((section, ""));
            if let Some((signing, service)) = read_service(head, text) {
                table.services.entry(signing).or_default().push(service);
            }
        }
        table
    }
}

/// All services with this name in signatures.
pub(super) fn services(signing: &str) -> &'static [Service] {
    TABLE.services.get(signing).map(Vec::as_slice).unwrap_or_default()
}

/// Whether there is an operation `prefix:Name`, or an action of that name.
#[cfg(test)]
pub(crate) fn has_operation(name: &str) -> bool {
    let (prefix, name) = name.split_once(':').unwrap_or_default();
    TABLE
        .services
        .values()
        .flatten()
        .filter(|service| service.prefix == prefix)
        .any(|service| service.operations().iter().any(|operation| operation.name == name || operation.action == name))
}

/// The suffixes of AWS's hosts.
pub(super) fn suffixes() -> &'static [(&'static str, &'static str)] {
    &TABLE.suffixes
}

/// What the table was made from: packages with their versions.
pub fn sources() -> &'static [&'static str] {
    &TABLE.sources
}

fn read_service(head: &'static str, text: &'static str) -> Option<(&'static str, Service)> {
    let mut parts = head.split('|');
    let mut next = || parts.next();
    let (id, signing, prefix) = (next()?, next()?, next()?);
    let protocols = next()?.split(' ').filter_map(read_protocol).collect();
    let (version, target) = (next()?, next()?);
    let names = |list: &'static str| list.split(' ').filter(|name| !name.is_empty()).collect();
    let (regional, global) = (names(next()?), names(next()?));
    let operations = OnceLock::new();
    Some((signing, Service { id, prefix, protocols, version, target, regional, global, text, operations }))
}

fn read_protocol(word: &'static str) -> Option<(Protocol, &'static str)> {
    Some(match word {
        "query" => (Protocol::Query, ""),
        "ec2" => (Protocol::Ec2, ""),
        "json1.0" => (Protocol::Json, "1.0"),
        "json1.1" => (Protocol::Json, "1.1"),
        "rest-json" => (Protocol::RestJson, ""),
        "rest-xml" => (Protocol::RestXml, ""),
        "cbor" => (Protocol::Cbor, ""),
        _ => return None,
    })
}

fn read_operation(line: &'static str) -> Option<Operation> {
    let mut parts = line.split('\t');
    let name = parts.next()?;
    let level = match parts.next()? {
        "r" => Level::Read,
        "l" => Level::List,
        "w" => Level::Write,
        "p" => Level::Permissions,
        "t" => Level::Tagging,
        _ => Level::Unlisted,
    };
    let action = parts.next().filter(|action| !action.is_empty()).unwrap_or(name);
    let method = parts.next().unwrap_or_default();
    let members: Vec<&str> = method.split(' ').filter_map(|word| word.strip_prefix("m:")).collect();
    let method = if members.is_empty() { method } else { "" };
    let pattern = parts.next().map(|path| Pattern::read(path, parts.next().unwrap_or_default()));
    Some(Operation { name, level, action, method, pattern, members })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        assert_eq!(sources().len(), 2, "{:?}", sources());
        assert!(suffixes().len() > 10);
        let services: Vec<&Service> = TABLE.services.values().flatten().collect();
        assert!(services.len() > 400, "{}", services.len());
        let count: usize = services.iter().map(|service| service.operations().len()).sum();
        assert!(count > 20_000, "{count}");
        for service in services {
            assert!(!service.protocols.is_empty(), "{}", service.id);
            let rest = service.speaks(Protocol::RestJson) || service.speaks(Protocol::RestXml);
            for operation in service.operations() {
                assert_eq!(operation.pattern.is_some(), rest, "{} {}", service.id, operation.name);
                assert!(operation.name.bytes().all(|b| b.is_ascii_alphanumeric()), "{}", operation.name);
            }
        }
    }

    /// Levels that much rests on, by name.
    #[test]
    fn levels_are_those_of_the_reference() {
        for (signing, operation, action, level) in [
            ("s3", "PutObject", "PutObject", Level::Write),
            ("s3", "HeadBucket", "ListBucket", Level::List),
            ("s3", "PutBucketPolicy", "PutBucketPolicy", Level::Permissions),
            ("s3", "DeletePublicAccessBlock", "PutBucketPublicAccessBlock", Level::Permissions),
            ("lambda", "Invoke", "InvokeFunction", Level::Write),
            ("iam", "AttachRolePolicy", "AttachRolePolicy", Level::Permissions),
            ("monitoring", "PutMetricData", "PutMetricData", Level::Write),
            ("apigateway", "DeleteRestApi", "DELETE", Level::Write),
            ("ec2", "DescribeInstances", "DescribeInstances", Level::List),
            ("sts", "AssumeRole", "AssumeRole", Level::Write),
            ("dynamodb", "ExecuteStatement", "ExecuteStatement", Level::Unlisted),
        ] {
            let found = services(signing).iter().find_map(|service| service.operation(operation));
            let found = found.unwrap_or_else(|| panic!("{signing} {operation}"));
            assert_eq!((found.action, found.level), (action, level), "{signing} {operation}");
        }
    }
}
