//! The hosts of a service, from its endpoint rules.
//!
//! A host is `NAME.REGION.SUFFIX`, or `NAME.SUFFIX` for a service without regions. What is taken are the NAMEs; a label
//! that the rules fill in (an account's number) is `*`.

use std::collections::BTreeSet;

use serde_json::Value;

/// One suffix of hosts.
pub struct Partition {
    /// `amazonaws.com`.
    pub suffix: String,
    /// The region in which services without regions are signed.
    pub global_region: String,
}

/// All suffixes.
pub fn partitions(file: &Value) -> Vec<Partition> {
    let mut found = BTreeSet::new();
    for partition in file.get("partitions").and_then(Value::as_array).into_iter().flatten() {
        let Some(outputs) = partition.get("outputs") else { continue };
        let text = |key: &str| outputs.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        for key in ["dnsSuffix", "dualStackDnsSuffix"] {
            found.insert((text(key), text("implicitGlobalRegion")));
        }
    }
    found.into_iter().map(|(suffix, global_region)| Partition { suffix, global_region }).collect()
}

/// The names of a service's hosts.
#[derive(Default)]
pub struct Hosts {
    /// Before a region.
    pub regional: BTreeSet<String>,
    /// Before a suffix.
    pub global: BTreeSet<String>,
}

/// Of a service with these rules. `prefixes`: what operations put in front of the host.
pub fn of(endpoint: &str, rules: &Value, prefixes: &BTreeSet<String>) -> Hosts {
    let mut urls = BTreeSet::new();
    collect(rules, &mut urls);
    let mut hosts = Hosts::default();
    hosts.regional.insert(endpoint.to_owned());
    for url in &urls {
        let Some(host) = url.strip_prefix("https://") else { continue };
        let labels: Vec<&str> = split(host);
        let region = labels.iter().position(|label| is_region(label));
        let suffix = labels.iter().position(|label| is_suffix(label));
        let (set, end) = match (region, suffix) {
            (Some(region), _) => (&mut hosts.regional, region),
            (None, Some(suffix)) => (&mut hosts.global, suffix),
            (None, None) => continue,
        };
        let name: Vec<&str> = labels.get(..end).unwrap_or_default().iter().map(|label| placeholder(label)).collect();
        let name = name.join(".");
        // Only a label of its own is a placeholder: anything else would match too much.
        if !name.is_empty() && !name.contains('{') && name != "*" {
            set.insert(name.trim_end_matches(".global").to_owned());
        }
    }
    for set in [&mut hosts.regional, &mut hosts.global] {
        let with: Vec<String> = prefixes
            .iter()
            .flat_map(|prefix| set.iter().map(move |name| format!("{}{name}", host_prefix(prefix))))
            .filter(|name| !name.contains('{'))
            .collect();
        set.extend(with);
    }
    hosts
}

/// At dots, but not at those within a placeholder.
fn split(host: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, byte) in host.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b'.' if depth == 0 => {
                parts.push(host.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(host.get(start..).unwrap_or_default());
    parts
}

fn placeholder(label: &str) -> &str {
    if label.starts_with('{') && label.ends_with('}') { "*" } else { label }
}

fn host_prefix(prefix: &str) -> String {
    match prefix.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((_, rest)) if rest.starts_with('.') => format!("*{rest}"),
        _ => prefix.to_owned(),
    }
}

fn is_region(label: &str) -> bool {
    if label == "{Region}" || label == "{PartitionResult#implicitGlobalRegion}" {
        return true;
    }
    let parts: Vec<&str> = label.split('-').collect();
    parts.len() >= 3 && parts.last().is_some_and(|last| last.len() == 1 && last.bytes().all(|b| b.is_ascii_digit()))
}

fn is_suffix(label: &str) -> bool {
    [
        "{PartitionResult#dnsSuffix}",
        "{PartitionResult#dualStackDnsSuffix}",
        "amazonaws",
        "api",
        "c2s",
        "sc2s",
        "cloud",
        "csp",
    ]
    .contains(&label)
}

fn collect(rules: &Value, urls: &mut BTreeSet<String>) {
    match rules {
        Value::Object(map) => {
            if let Some(url) = map.get("url").and_then(Value::as_str) {
                urls.insert(url.to_owned());
            }
            map.values().for_each(|value| collect(value, urls));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, urls)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_stands_before_a_region_or_a_suffix() {
        let rules = serde_json::json!([
            { "url": "https://iam.{PartitionResult#dnsSuffix}" },
            { "url": "https://iam-fips.{Region}.{PartitionResult#dualStackDnsSuffix}" },
            { "url": "https://budgets.global.sc2s.sgov.gov" },
            { "url": "https://{AwsAccountId}.ddb.{Region}.{PartitionResult#dnsSuffix}" },
            { "url": "https://ce.us-east-1.api.aws" },
            { "url": "{Endpoint}" },
            { "url": "https://x{Id}.y.{Region}.amazonaws.com" },
        ]);
        let prefixes = BTreeSet::from(["api.".to_owned(), "{AccountId}.".to_owned(), "x{y}".to_owned()]);
        let hosts = of("iam", &rules, &prefixes);
        let text = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(
            text(&hosts.regional),
            "*.*.ddb *.ce *.ddb *.iam *.iam-fips api.*.ddb api.ce api.iam api.iam-fips ce iam iam-fips"
        );
        assert_eq!(text(&hosts.global), "*.budgets *.iam api.budgets api.iam budgets iam");
    }
}
