//! One service's lines of the table.
//!
//! ```text
//! @ec2|ec2|ec2|ec2|2016-11-15||ec2 ec2-fips|
//! DescribeInstances\tl\t
//! @ssm|ssm|ssm|json1.1|2014-11-06|AmazonSSM|ssm|
//! GetParameters\tr\t\tm:Names[]
//! @s3|s3|s3|rest-xml|2006-03-01||…|…
//! GetBucketAcl\tr\t\tGET\t/{Bucket}?acl\t
//! ListParts\tl\tListMultipartUploadParts\tGET\t/{Bucket}/{Key+}\tq:uploadId k:max-parts
//! ```
//!
//! A service: its id, its name in signatures, its IAM prefix, protocols, version, target prefix, names of hosts with and
//! without a region. An operation: name, level, IAM action if that has another name, and for REST the method, the path
//! and what else tells it apart (`q:` a parameter and `h:` a header that it needs, `k:` a parameter that it knows). For the others
//! what names that which it is about (`m:`, with `[]` if it is a list).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::actions::Actions;
use super::hosts;

/// The members of requests that name what an operation is about, by IAM prefix.
const MEMBERS: &[(&str, &[&str])] = &[
    ("dynamodb", &["TableName"]),
    ("ecr", &["repositoryName"]),
    ("iam", &["RoleName", "PolicyArn", "UserName", "GroupName", "InstanceProfileName"]),
    ("kms", &["KeyId"]),
    ("logs", &["logGroupName"]),
    ("secretsmanager", &["SecretId", "SecretIdList", "Name"]),
    ("sns", &["TopicArn", "Name"]),
    ("sqs", &["QueueUrl", "QueueName"]),
    ("ssm", &["Name", "Names", "Path"]),
    ("states", &["stateMachineArn"]),
    ("sts", &["RoleArn"]),
];

/// The lines of a service. `None`: its requests are not signed with SigV4.
pub fn lines(id: &str, model: &Value, rules: &Value, actions: &Actions) -> Option<String> {
    let metadata = model.get("metadata")?;
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).unwrap_or_default();
    if !["v4", "s3", "s3v4"].contains(&text("signatureVersion")) {
        return None;
    }
    let endpoint = text("endpointPrefix");
    let signing = if text("signingName").is_empty() { endpoint } else { text("signingName") };
    let prefix = actions.prefix(signing, &[endpoint, id]);
    let protocols = protocols(metadata);
    let rest = protocols.iter().any(|protocol| protocol.starts_with("rest-"));
    let operations = model.get("operations")?.as_object()?;
    let host_prefixes: BTreeSet<String> = operations
        .values()
        .filter_map(|operation| operation.get("endpoint")?.get("hostPrefix")?.as_str())
        .map(String::from)
        .collect();
    let hosts = hosts::of(endpoint, rules, &host_prefixes);
    let join = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
    let mut lines = String::new();
    let _ = writeln!(
        lines,
        "@{id}|{signing}|{prefix}|{}|{}|{}|{}|{}",
        protocols.join(" "),
        text("apiVersion"),
        text("targetPrefix"),
        join(&hosts.regional),
        join(&hosts.global)
    );
    for (name, operation) in operations {
        // Told apart from ListBuckets by a host that the broker does not take.
        if (id, name.as_str()) == ("s3", "ListDirectoryBuckets") {
            continue;
        }
        let of_http = |key: &str| operation.get("http")?.get(key)?.as_str();
        let method = of_http("method").unwrap_or("POST");
        let (action, level) = actions.of(&prefix, name, method);
        let action = if action == *name { "" } else { &action };
        let _ = write!(lines, "{name}\t{level}\t{action}");
        let names = members(model, operation, &prefix);
        if !rest && !names.is_empty() {
            let _ = write!(lines, "\t{}", names.join(" "));
        }
        if rest {
            let path = of_http("requestUri").unwrap_or("/");
            let _ = write!(lines, "\t{method}\t{path}");
            // Nowhere else do operations of one service have the same method and path.
            if id == "s3" {
                let _ = write!(lines, "\t{}", told_apart(model, operation).join(" "));
            }
        }
        lines.push('\n');
    }
    Some(lines)
}

/// What the service understands, in our words.
fn protocols(metadata: &Value) -> Vec<String> {
    let listed = metadata.get("protocols").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut names: Vec<&str> = listed.iter().filter_map(Value::as_str).collect();
    if let Some(one) = metadata.get("protocol").and_then(Value::as_str)
        && names.is_empty()
    {
        names.push(one);
    }
    // Both have spoken the query protocol before, and still do for older clients.
    let endpoint = metadata.get("endpointPrefix").and_then(Value::as_str).unwrap_or_default();
    if ["sqs", "monitoring"].contains(&endpoint) && !names.contains(&"query") {
        names.push("query");
    }
    let version = metadata.get("jsonVersion").and_then(Value::as_str).unwrap_or("1.0");
    let word = |name: &str| match name {
        "json" => format!("json{version}"),
        "smithy-rpc-v2-cbor" => "cbor".to_owned(),
        other => other.to_owned(),
    };
    names.into_iter().map(word).collect()
}

/// An operation's input, and the names of the members that it needs.
fn input<'a>(model: &'a Value, operation: &Value) -> Option<(&'a Value, Vec<&'a str>)> {
    let input = model.get("shapes")?.get(operation.get("input")?.get("shape")?.as_str()?)?;
    let required = input.get("required").and_then(Value::as_array).into_iter().flatten();
    Some((input, required.filter_map(Value::as_str).collect()))
}

/// What names that which an operation is about. What it does not have is not looked at by the service.
fn members(model: &Value, operation: &Value, prefix: &str) -> Vec<String> {
    let known = MEMBERS.iter().find(|(known, _)| *known == prefix).map(|(_, members)| *members).unwrap_or_default();
    let Some((input, required)) = input(model, operation) else { return Vec::new() };
    let mut found = Vec::new();
    for name in known {
        let Some(shape) = input.get("members").and_then(|members| members.get(name)?.get("shape")?.as_str()) else {
            continue;
        };
        // A name that is not needed is one that something gets which is found by its id.
        if *name == "Name" && !required.contains(name) {
            continue;
        }
        let kind = model.get("shapes").and_then(|shapes| shapes.get(shape)?.get("type")?.as_str());
        found.push(format!("m:{name}{}", if kind == Some("list") { "[]" } else { "" }));
    }
    found
}

fn told_apart(model: &Value, operation: &Value) -> Vec<String> {
    let Some((input, required)) = input(model, operation) else { return Vec::new() };
    let mut found = Vec::new();
    for (name, member) in input.get("members").and_then(Value::as_object).into_iter().flatten() {
        let text = |key: &str| member.get(key).and_then(Value::as_str).unwrap_or_default();
        match (text("location"), required.contains(&name.as_str())) {
            ("querystring", true) => found.push(format!("q:{}", text("locationName"))),
            ("querystring", false) => found.push(format!("k:{}", text("locationName"))),
            ("header", true) => found.push(format!("h:{}", text("locationName").to_ascii_lowercase())),
            _ => {}
        }
    }
    found.sort();
    found
}
