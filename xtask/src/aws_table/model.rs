//! One service's lines of the table.
//!
//! ```text
//! @ec2|ec2|ec2|ec2|2016-11-15||ec2 ec2-fips|
//! DescribeInstances\tl\t
//! @s3|s3|s3|rest-xml|2006-03-01||…|…
//! GetBucketAcl\tr\t\tGET\t/{Bucket}?acl\t
//! ListParts\tl\tListMultipartUploadParts\tGET\t/{Bucket}/{Key+}\tq:uploadId k:max-parts
//! ```
//!
//! A service: its id, its name in signatures, its IAM prefix, protocols, version, target prefix, names of hosts with and
//! without a region. An operation: name, level, IAM action if that has another name, and for REST the method, the path
//! and what else tells it apart (`q:` a parameter and `h:` a header that it needs, `k:` a parameter that it knows).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::actions::Actions;
use super::hosts;

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

fn told_apart(model: &Value, operation: &Value) -> Vec<String> {
    let shape = |name: &str| model.get("shapes")?.get(name);
    let input = operation.get("input").and_then(|input| input.get("shape")?.as_str()).and_then(shape);
    let Some(input) = input else { return Vec::new() };
    let required: Vec<&str> =
        input.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
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
